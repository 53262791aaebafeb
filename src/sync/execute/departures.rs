//! What leaves its path whole: directories that are deleted or replaced. Owns that in a replica nothing goes along that came
//! there, or was changed there, since the scan: that is a write, and stays.

use super::{Error, Installer};
use crate::model::plan::{Action, Step};

impl Installer<'_> {
    /// Children before their directories, but for those that go along with one.
    pub(super) fn deletes(&self) -> Result<(), Error> {
        self.keep_last_copies();
        let indices = self.indices(|step| matches!(step, Step::Delete { .. }));
        let is_within = |&index: &usize| matches!(self.action(index).step, Step::Delete { within: true, .. });
        // A directory that goes whole, and what goes with it.
        for group in indices.chunk_by(|_, next| is_within(next)).rev() {
            let (&head, within) = group.split_first().expect("a group is not empty");
            let whole = self.action(head);
            if self.halted() {
                break;
            }
            let placed = self.act(head, None);
            let stays = placed.as_ref().is_ok_and(|placed| placed.remains);
            if !stays || !matches!(whole.step, Step::Delete { whole: true, .. }) {
                self.placed(head, placed, None);
                within.iter().rev().for_each(|&index| self.delete_along(index));
                continue;
            }
            for &index in group.iter().rev() {
                let path = self.action(index).path.as_ref();
                if path == whole.path.as_ref() || path.is_below(whole.path.as_ref()) {
                    self.delete_alone(index);
                } else {
                    self.delete_along(index);
                }
            }
        }
        self.check()
    }

    fn delete_along(&self, index: usize) {
        self.place(index, None, None);
    }

    /// A delete that does not go with a directory above it.
    fn delete_alone(&self, index: usize) {
        let alone = Step::Delete { whole: false, within: false };
        let action = Action { step: alone, ..self.action(index).clone() };
        self.placed(index, self.run.target.place(&action, None), None);
    }
}
