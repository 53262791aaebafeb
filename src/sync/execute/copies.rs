//! Copies within the target. They are staged before anything moves. Owns that nothing is done in a replica to a file that is to
//! stand beside its path as a conflict copy before the copy stands there: its version may be nowhere else.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::{BLOCK_BYTES, Error, Installer, Told, lock};
use crate::disk::copy::PlaceError;
use crate::disk::stage::Staged;
use crate::model::plan::{Source, Step};
use crate::model::project::{same_bytes, view_of};
use crate::model::{Digest, Entry, Kind, PathRef, Problem, ProblemKind, RelPath};

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
        let moved = self.moved();
        let mut later = staged;
        // Each round may free names for the next one.
        while later.iter().any(|copy| self.view_source(copy.0).is_some()) {
            let needed = self.copied_from();
            let goes_first = |copy: &mut Copy| self.is_free(copy.0, (&moved, &needed));
            let first: Vec<Copy> = later.extract_if(.., goes_first).collect();
            if first.is_empty() {
                break;
            }
            self.place_staged(first)?;
        }
        self.keep_sources();
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

    /// Copies that are to go, and whose versions are not in place at their new names, stay as well.
    pub(super) fn keep_last_copies(&self) {
        let home = |index: usize| view_of(self.action(index).path.as_ref()).map(|(plain, _)| plain);
        let going = self.indices(|step| matches!(step, Step::Delete { .. })).into_iter();
        let going: Vec<(usize, RelPath)> = going.filter_map(|index| Some((index, home(index)?))).collect();
        if going.is_empty() || !self.run.target.is_replica() {
            return;
        }
        let placements = lock(&self.placements);
        let mut lacking: HashMap<RelPath, Vec<&Entry>> = HashMap::new();
        for (index, action) in self.run.plan.actions.iter().enumerate() {
            if let (Some(wanted), false) = (&action.wanted, placements.is_done(index)) {
                lacking.entry(home(index).unwrap_or_else(|| action.path.clone())).or_default().push(wanted);
            }
        }
        let is_last = |(index, home): &&(usize, RelPath)| {
            let shown = self.action(*index).before.as_ref().map(|before| &before.entry);
            let mut lacking = lacking.get(home).into_iter().flatten();
            shown.is_some_and(|shown| lacking.any(|wanted| same_bytes(wanted, shown)))
        };
        lock(&self.kept).extend(going.iter().filter(is_last).map(|(index, _)| &self.action(*index).path));
    }

    /// Whether an action need not wait for a conflict copy.
    pub(super) fn copied(&self, index: usize) -> Result<(), Problem> {
        let path = &self.action(index).path;
        if !lock(&self.kept).contains(path) {
            return Ok(());
        }
        let cause = "its version is not in place at its new name yet, so it stays".into();
        Err(Problem { path: path.clone(), kind: ProblemKind::Unwritable, cause })
    }

    /// What a conflict copy is made of, where that is the plain file of this replica.
    fn view_source(&self, index: usize) -> Option<&'a RelPath> {
        let action = self.action(index);
        let from = copy_source(&action.step)?;
        let is_view = view_of(action.path.as_ref()).is_some_and(|(plain, _)| plain == *from);
        (is_view && self.run.target.is_replica()).then_some(from)
    }

    /// Old paths of all that moves.
    fn moved(&self) -> HashSet<PathRef<'_>> {
        let steps = self.run.plan.actions.iter().map(|action| &action.step);
        let from = |step: &'a Step| if let Step::Rename { from } = step { Some(from.as_ref()) } else { None };
        steps.filter_map(from).collect()
    }

    /// Whether nothing has to be done before a copy can be put in place: its directory stands, and what stands at its name
    /// neither moves nor is still to be copied.
    fn is_free(&self, index: usize, (moved, needed): (&HashSet<PathRef<'_>>, &HashSet<PathRef<'_>>)) -> bool {
        let (listing, path) = (self.run.listing, self.action(index).path.as_ref());
        let is_directory =
            |path: PathRef<'_>| listing.find(path).is_ok_and(|row| listing.row(row).kind() == Kind::Directory);
        let mut above = std::iter::successors(path.parent(), |at| at.parent());
        let stands = path.parent().is_none_or(|parent| parent.is_root() || is_directory(parent));
        let here = listing.find(path).map_or(0..0, |row| row..row + 1 + listing.row(row).below());
        stands
            && !above.any(|at| moved.contains(&at))
            && !here.map(|row| listing.row(row).path()).any(|path| moved.contains(&path) || needed.contains(&path))
    }

    /// Paths of which copies are not in place yet.
    fn copied_from(&self) -> HashSet<PathRef<'a>> {
        let placements = lock(&self.placements);
        let copies = self.indices(|step| copy_source(step).is_some()).into_iter();
        let left = copies.filter(|&index| !placements.is_done(index));
        left.filter_map(|index| copy_source(&self.action(index).step)).map(RelPath::as_ref).collect()
    }
}

fn copy_source(step: &Step) -> Option<&RelPath> {
    match step {
        Step::Create(Source::Copy { from }) | Step::Update(Source::Copy { from }) => Some(from),
        _ => None,
    }
}
