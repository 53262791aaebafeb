//! Copies within the target. They are staged before anything moves. Owns that nothing is done in a replica to a file that is to
//! stand beside its path as a conflict copy before the copy stands there: its version may be nowhere else.

use std::collections::HashSet;

use rayon::prelude::*;

use super::{BLOCK_BYTES, Error, Installer, Told, lock};
use crate::disk::copy::PlaceError;
use crate::disk::stage::Staged;
use crate::model::plan::{Source, Step};
use crate::model::project::view_of;
use crate::model::{Digest, Kind, PathRef, Problem, ProblemKind, RelPath};

/// A copy that waits for its turn: its action, the file, and what it holds.
type Copy = (usize, Staged, Digest);

impl<'a> Installer<'a> {
    /// Copies are read from their old paths before anything moves.
    pub(super) fn stage_copies(&self) -> Vec<Copy> {
        let indices = self.indices(|step| copy_source(step).is_some());
        indices.into_par_iter().filter_map(|index| self.stage_copy(index)).collect()
    }

    fn stage_copy(&self, index: usize) -> Option<Copy> {
        if self.halted() {
            return None;
        }
        let action = self.action(index);
        let from = copy_source(&action.step)?;
        let row = self.run.listing.row(self.run.listing.find(from.as_ref()).ok()?);
        let copy = || self.run.target.copy_within(from, &row.stamp(), &row.content());
        let copied = copy().or_else(|error| if self.made_room(&error, row.size()) { copy() } else { Err(error) });
        match copied {
            Ok(staged) => Some((index, staged, row.content())),
            Err(error) => {
                (self.run.tell)(Told::Problem(error.into_problem(&action.path)));
                None
            }
        }
    }

    /// Whether it was for lack of room that a copy failed, and the oldest of the trash made some.
    fn made_room(&self, error: &PlaceError, bytes: u64) -> bool {
        error.lacked_room() && self.run.target.make_room(bytes.saturating_add(BLOCK_BYTES))
    }

    /// Puts conflict copies in place, before anything happens to what they were made of; gives the other copies. Whoever
    /// kills the run after that finds the version beside its path, or still at it.
    pub(super) fn place_conflict_copies(&self, staged: Vec<Copy>) -> Result<Vec<Copy>, Error> {
        let moved = self.moved_directories();
        let goes_first = |copy: &Copy| self.view_source(copy.0).is_some() && self.is_free(copy.0, &moved);
        let (first, later): (Vec<Copy>, Vec<Copy>) = staged.into_iter().partition(goes_first);
        if first.is_empty() {
            self.keep_sources();
        } else {
            self.place_staged(first)?;
        }
        Ok(later)
    }

    /// Puts copies in place.
    pub(super) fn place_staged(&self, staged: Vec<Copy>) -> Result<(), Error> {
        for (index, staged, digest) in staged {
            self.push(index, staged, digest);
        }
        self.flush();
        self.keep_sources();
        self.check()
    }

    /// What nothing is done to, since its conflict copy is not in place.
    fn keep_sources(&self) {
        let indices = self.indices(|step| copy_source(step).is_some());
        let placements = lock(&self.placements);
        let waiting = indices.into_iter().filter(|&index| !placements.is_done(index));
        *lock(&self.kept) = waiting.filter_map(|index| self.view_source(index)).collect();
    }

    /// Whether an action need not wait for a conflict copy.
    pub(super) fn copied(&self, index: usize) -> Result<(), Problem> {
        let path = &self.action(index).path;
        if !lock(&self.kept).contains(path) {
            return Ok(());
        }
        let cause = "its conflict copy is not in place yet, so it stays".into();
        Err(Problem { path: path.clone(), kind: ProblemKind::Unwritable, cause })
    }

    /// What a conflict copy is made of, where that is the plain file of this replica.
    fn view_source(&self, index: usize) -> Option<&'a RelPath> {
        let action = self.action(index);
        let from = copy_source(&action.step)?;
        let is_view = view_of(action.path.as_ref()).is_some_and(|(plain, _)| plain == *from);
        (is_view && self.run.target.is_replica()).then_some(from)
    }

    /// Old paths of the directories that move.
    fn moved_directories(&self) -> HashSet<PathRef<'_>> {
        let moves = self.run.plan.renames.iter().zip(&self.run.plan.moves);
        let directories = moves.filter(|(_, how)| how.moved.kind == Kind::Directory);
        directories
            .filter_map(|(&at, _)| match &self.action(at).step {
                Step::Rename { from } => Some(from.as_ref()),
                _ => None,
            })
            .collect()
    }

    /// Whether nothing has to move before a copy can be put in place.
    fn is_free(&self, index: usize, moved: &HashSet<PathRef<'_>>) -> bool {
        let path = self.action(index).path.as_ref();
        let mut above = std::iter::successors(path.parent(), |at| at.parent());
        self.run.listing.find(path).is_err() && !above.any(|at| moved.contains(&at))
    }
}

fn copy_source(step: &Step) -> Option<&RelPath> {
    match step {
        Step::Create(Source::Copy { from }) | Step::Update(Source::Copy { from }) => Some(from),
        _ => None,
    }
}
