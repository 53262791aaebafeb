//! Room at the target. Owns what is tried once more after a disk was full: what fits then, the smallest first.

use super::{BLOCK_BYTES, Installer, Run, Told};
use crate::model::{Digest, Problem};

impl Installer<'_> {
    /// What fits by now of what failed for lack of room.
    pub(super) fn fitting(&self, starved: Vec<(usize, Problem)>) -> Vec<usize> {
        fitting(self.run, starved)
    }
}

/// Of what failed for lack of room, what fits by now, with the oldest of the trash removed for it: a large file that does
/// not fit takes the room of small ones only while it is written. The smallest come first; the others are told.
fn fitting(run: &Run<'_>, mut starved: Vec<(usize, Problem)>) -> Vec<usize> {
    starved.sort_by_key(|&(index, _)| size(run, index));
    yield_parts(run, &starved);
    let needed = |index: usize| needed(run, index);
    let mut room = if starved.is_empty() { 0 } else { room_for(run, starved.iter().map(|&(index, _)| needed(index))) };
    let mut fitting = Vec::new();
    for (index, problem) in starved {
        match room.checked_sub(needed(index)) {
            Some(left) if !run.gauge.stopped() => {
                room = left;
                fitting.push(index);
            }
            _ => (run.tell)(Told::Problem(problem)),
        }
    }
    fitting.sort_unstable();
    fitting
}

/// What came of a file that did not fit waits for the next run, unless a smaller one could have its room.
fn yield_parts(run: &Run<'_>, starved: &[(usize, Problem)]) {
    for last in (1..starved.len()).rev() {
        let smaller = starved[..last].iter().fold(0_u64, |sum, &(index, _)| sum.saturating_add(needed(run, index)));
        if run.target.room() >= smaller {
            return;
        }
        run.target.drop_part(&content(run, starved[last].0));
    }
}

fn content(run: &Run<'_>, index: usize) -> Digest {
    run.plan.actions[index].wanted.as_ref().map_or(Digest::UNKNOWN, |entry| entry.content)
}

fn size(run: &Run<'_>, index: usize) -> u64 {
    run.plan.actions[index].wanted.as_ref().map_or(0, |entry| entry.size)
}

/// A file takes whole blocks, and some for itself, but for what is there of it.
fn needed(run: &Run<'_>, index: usize) -> u64 {
    let there = run.target.part_room(&content(run, index));
    size(run, index).next_multiple_of(BLOCK_BYTES).saturating_add(BLOCK_BYTES).saturating_sub(there)
}

/// The room for files of these sizes, the smallest first; the oldest of the trash goes as far as that helps.
fn room_for(run: &Run<'_>, sizes: impl Iterator<Item = u64>) -> u64 {
    let target = run.target;
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
