//! Which paths a plan changes: what happens at any other while it runs is somebody else's doing.

use std::collections::BTreeSet;

use super::action::Move;
use super::{Action, Plan, Step};
use crate::model::path::PathRef;
use crate::model::{Entry, Kind, Listing, RelPath};

/// The paths that a plan changes.
#[derive(Debug)]
pub struct Touched<'a> {
    /// Those at which something is done.
    paths: BTreeSet<PathRef<'a>>,
    /// Those that may take along what is below them.
    whole: BTreeSet<PathRef<'a>>,
}

impl Plan {
    /// The paths that it changes.
    pub fn touched(&self) -> Touched<'_> {
        let (mut paths, mut whole) = (BTreeSet::new(), BTreeSet::new());
        for action in &self.actions {
            let path = action.path.as_ref();
            paths.insert(path);
            match &action.step {
                Step::Rename { from } => whole.extend([path, from.as_ref()]),
                Step::Create(_) | Step::Update(_) | Step::Delete { .. } => drop(whole.insert(path)),
                Step::Mkdir | Step::Metadata => {}
            }
        }
        Touched { paths, whole }
    }

    /// The renames of directories: the index of each action, and how it is done.
    pub fn directory_moves(&self) -> impl Iterator<Item = (usize, &Move)> {
        let renames = self.renames.iter().copied().zip(&self.moves);
        renames.filter(|(_, how)| how.moved.kind == Kind::Directory)
    }

    /// From where directories moved to where, of the actions that were `done`.
    pub fn moved_directories(&self, done: impl Fn(usize) -> bool) -> Vec<(RelPath, RelPath)> {
        let moved = self.directory_moves().filter(|&(index, _)| done(index));
        moved
            .filter_map(|(index, _)| match &self.actions[index] {
                Action { path, step: Step::Rename { from }, .. } => Some((from.clone(), path.clone())),
                _ => None,
            })
            .collect()
    }

    /// The directories to look at to see all that became of it, as long as that means no more than so many names. What is
    /// below a directory that moved is not counted.
    pub fn directories(&self, target: &Listing, names_max: usize) -> Option<BTreeSet<RelPath>> {
        let (mut directories, mut names) = (BTreeSet::new(), self.actions.len());
        for action in &self.actions {
            let path = action.path.as_ref();
            let from = match &action.step {
                Step::Rename { from } => Some(from.as_ref()),
                Step::Mkdir | Step::Create(_) | Step::Update(_) | Step::Delete { .. } | Step::Metadata => None,
            };
            let itself = Some(path).filter(|_| action.wanted.as_ref().is_some_and(Entry::is_directory));
            let parents = [path.parent(), from.and_then(PathRef::parent)];
            for directory in itself.into_iter().chain(parents.into_iter().flatten()) {
                if names > names_max {
                    return None;
                }
                if directories.insert(directory.to_owned()) {
                    names += target.children(directory).count();
                }
            }
        }
        (names <= names_max).then_some(directories)
    }
}

impl Touched<'_> {
    /// Whether the plan changes what is at a path.
    pub fn holds(&self, path: PathRef<'_>) -> bool {
        self.paths.contains(&path)
            || std::iter::successors(Some(path), |at| at.parent()).any(|at| self.whole.contains(&at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::listing::Builder;
    use crate::model::plan::{Changes, Source};
    use crate::model::{Digest, Stamp, Time};

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).expect("a legal path")
    }

    fn entry(kind: Kind) -> Entry {
        let (mtime, content) = (Time::default(), Digest::of_content(b"x"));
        Entry { kind, mode: 0o644, mtime, size: 1, content, uid: 0, gid: 0, extra: None }
    }

    fn action(at: &str, step: Step) -> Action {
        Action { path: path(at), step, wanted: None, before: None, changes: Changes::default() }
    }

    #[test]
    fn where_it_changes_something_is_looked_at_unless_that_is_too_much() {
        let mut rows = Builder::with_capacity(8);
        let (directory, file) = (entry(Kind::Directory), entry(Kind::File));
        let tree = [("a", &directory), ("a/deep", &directory), ("a/deep/x", &file), ("a/y", &file), ("b", &file)];
        for (name, entry) in tree {
            rows.push(path(name).as_ref(), entry, &Stamp::default(), 0);
        }
        let listing = rows.finish();
        let update = action("a/y", Step::Update(Source::Fetch));
        let plan = Plan { actions: vec![update.clone()], ..Plan::default() };
        // One action and the two names of `a`, those below `a/deep` not counted.
        assert_eq!(plan.directories(&listing, 2), None);
        assert_eq!(plan.directories(&listing, 3), Some(BTreeSet::from([path("a")])));
        let rename = action("new", Step::Rename { from: path("a/deep/x") });
        let mut made = action("made", Step::Mkdir);
        made.wanted = Some(directory);
        let plan = Plan { actions: vec![update, made, rename], ..Plan::default() };
        let all = ["", "a", "a/deep", "made"].map(path);
        assert_eq!(plan.directories(&listing, 20), Some(BTreeSet::from(all)));
    }

    #[test]
    fn a_rename_touches_both_names_and_all_below_them() {
        let actions = vec![
            action("made", Step::Mkdir),
            action("new", Step::Rename { from: path("old") }),
            action("touched", Step::Metadata),
        ];
        let plan = Plan { actions, ..Plan::default() };
        let touched = plan.touched();
        for name in ["made", "new", "new/a/b", "old", "old/a", "touched"] {
            assert!(touched.holds(path(name).as_ref()), "{name}");
        }
        for name in ["made/a", "touched/a", "newer", "other", "ol"] {
            assert!(!touched.holds(path(name).as_ref()), "{name}");
        }
    }
}
