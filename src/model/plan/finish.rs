//! The directories whose metadata is set at the very end, because the steps before disturb it.

use std::collections::BTreeSet;

use super::action::{Action, Plan, Step};
use crate::model::entry::{Entry, Record};
use crate::model::listing::Listing;
use crate::model::path::{PathRef, RelPath};

impl Plan {
    /// Every directory that a run makes, moves, changes, or in which it puts or removes something, with the entry that
    /// it shall have, deepest first. For one that is only disturbed that is what the target has: the same, in the
    /// compared fields, as at the source. `target` is the listing that the plan was made for. The root is not an entry.
    pub fn directories_to_finish(&self, target: &Listing) -> Vec<Record> {
        let mut paths = BTreeSet::new();
        let mut last = None;
        for action in &self.actions {
            let path = action.path.as_ref();
            if action.wanted.as_ref().is_some_and(Entry::is_directory) {
                paths.insert(path);
            }
            match &action.step {
                Step::Metadata | Step::Delete { within: true, .. } => {}
                Step::Rename { from } => paths.extend([path.parent(), from.as_ref().parent()].into_iter().flatten()),
                Step::Mkdir | Step::Create(_) | Step::Update(_) | Step::Delete { .. } => {
                    // Neighbours share a directory: it is looked up once.
                    if path.parent() != last {
                        last = path.parent();
                        paths.extend(last);
                    }
                }
            }
        }
        let paths = paths.into_iter().rev().filter(|path| !path.is_root());
        paths
            .filter_map(|path| Some(Record { path: path.to_owned(), entry: self.final_directory(path, target)? }))
            .collect()
    }

    /// What a directory shall have in the end; `None` where there is none then.
    fn final_directory(&self, path: PathRef<'_>, target: &Listing) -> Option<Entry> {
        match self.action(path) {
            Some(action) => action.wanted.clone().filter(Entry::is_directory),
            None => {
                let row = target.row(target.find(self.path_before(path).as_ref()).ok()?);
                Some(row.entry()).filter(Entry::is_directory)
            }
        }
    }

    /// The action at a path.
    fn action(&self, path: PathRef<'_>) -> Option<&Action> {
        let at = self.actions.binary_search_by(|action| action.path.as_ref().cmp(&path)).ok()?;
        Some(&self.actions[at])
    }

    /// Where something that has no action of its own was before the directories moved.
    fn path_before(&self, path: PathRef<'_>) -> RelPath {
        let mut above = path.parent();
        while let Some(top) = above {
            if let Some(Action { step: Step::Rename { from }, .. }) = self.action(top) {
                let bytes = [from.as_bytes(), &path.as_bytes()[top.as_bytes().len()..]].concat();
                return PathRef::trusted(&bytes).to_owned();
            }
            above = top.parent();
        }
        path.to_owned()
    }
}
