//! Which paths a plan changes: what happens at any other while it runs is somebody else's doing.

use std::collections::BTreeSet;

use super::{Plan, Step};
use crate::model::path::PathRef;

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
    use crate::model::RelPath;
    use crate::model::plan::{Action, Changes};

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).expect("a legal path")
    }

    fn action(at: &str, step: Step) -> Action {
        Action { path: path(at), step, wanted: None, before: None, changes: Changes::default() }
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
