//! What leaves its path whole: directories that are deleted or replaced. Owns that in a replica nothing goes along that came
//! there, or was changed there, since the scan: that is a write, and stays.

use super::{Error, Installer};
use crate::model::plan::{Action, Step};
use crate::model::{Kind, Problem, ProblemKind};

impl Installer<'_> {
    /// Children before their directories.
    pub(super) fn deletes(&self) -> Result<(), Error> {
        let indices = self.indices(|step| matches!(step, Step::Delete { .. }));
        let is_within = |&index: &usize| matches!(self.action(index).step, Step::Delete { within: true, .. });
        // A directory that goes whole, and what goes with it.
        for group in indices.chunk_by(|_, next| is_within(next)).rev() {
            let whole = self.action(group[0]);
            if self.halted() {
                break;
            }
            if !matches!(whole.step, Step::Delete { whole: true, .. }) || self.is_intact(whole) {
                for &index in group.iter().rev() {
                    self.place(index, None, None);
                }
                continue;
            }
            for &index in group.iter().rev() {
                let path = self.action(index).path.as_ref();
                if path == whole.path.as_ref() || path.is_below(whole.path.as_ref()) {
                    self.delete_alone(index);
                } else {
                    self.place(index, None, None);
                }
            }
        }
        self.check()
    }

    /// A delete that does not go with a directory above it.
    fn delete_alone(&self, index: usize) {
        let alone = Step::Delete { whole: false, within: false };
        let action = Action { step: alone, ..self.action(index).clone() };
        self.placed(index, self.run.target.place(&action, None), None);
    }

    /// Refuses to replace a directory that holds what nobody else knows.
    pub(super) fn check_replaced(&self, index: usize) -> Result<(), Problem> {
        let action = self.action(index);
        let replaces = matches!(action.step, Step::Update(_) | Step::Rename { .. });
        if !replaces || self.is_intact(action) {
            return Ok(());
        }
        let cause = "holds what came or changed since it was scanned".into();
        Err(Problem { path: action.path.clone(), kind: ProblemKind::Unwritable, cause })
    }

    /// Whether a directory at the path of an action holds nothing but what was scanned. Asked in a replica alone: a mirror
    /// is to be made equal, and the trash has what was not.
    fn is_intact(&self, action: &Action) -> bool {
        let is_directory = action.before.as_ref().is_some_and(|before| before.kind == Kind::Directory);
        !is_directory || !self.run.target.is_replica() || self.run.target.is_intact(&action.path, self.run.listing)
    }
}
