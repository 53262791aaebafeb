//! What still fits where the disk was full: decides which of the files that failed for lack of room are tried once more.

use super::{BLOCK_BYTES, Installer, Told};
use crate::model::Problem;

impl Installer<'_> {
    /// Of what failed for lack of room, what fits by now, with the oldest of the trash removed for it: a large file that does not fit takes the room of small ones only
    /// while it is written. The smallest come first; the others are told.
    pub(super) fn fitting(&self, mut starved: Vec<(usize, Problem)>) -> Vec<usize> {
        let size = |index: usize| self.action(index).wanted.as_ref().map_or(0, |entry| entry.size);
        starved.sort_by_key(|&(index, _)| size(index));
        let sized = |index: usize| size(index).next_multiple_of(BLOCK_BYTES).saturating_add(BLOCK_BYTES);
        let mut room =
            if starved.is_empty() { 0 } else { self.room_for(starved.iter().map(|&(index, _)| sized(index))) };
        let mut fitting = Vec::new();
        for (index, problem) in starved {
            // A file takes whole blocks, and some for itself.
            match room.checked_sub(sized(index)) {
                Some(left) if !self.halted() => {
                    room = left;
                    fitting.push(index);
                }
                _ => (self.run.tell)(Told::Problem(problem)),
            }
        }
        fitting.sort_unstable();
        fitting
    }

    /// The room for files of these sizes, the smallest first; the oldest of the trash goes as far as that helps.
    fn room_for(&self, sizes: impl Iterator<Item = u64>) -> u64 {
        let target = self.run.target;
        let attainable = target.attainable_room();
        let needed = sizes.scan(0_u64, |sum, size| {
            *sum = sum.saturating_add(size);
            Some(*sum)
        });
        let needed = needed.take_while(|&sum| sum <= attainable).last().unwrap_or(0);
        if target.room() < needed {
            target.make_room(needed);
        }
        target.room()
    }
}
