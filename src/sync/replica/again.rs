//! A replica that is opened for long: it is looked at again and again, and its index is saved now and then. Until that is
//! done the memory notes what the index lacks, so a crash costs nothing but a few hashes.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::successors;
use std::time::{Duration, Instant};

use super::Replica;
use super::shown::{is_beyond, is_in_place};
use crate::model::mint::{Events, Happened};
use crate::model::plan::Plan;
use crate::model::plan::guard::Limit;
use crate::model::record::{Event, Witness};
use crate::model::{Entry, Listing, PathRef, Problem, RelPath};
use crate::store::state::Change;
use crate::sync::error::Error;
use crate::sync::found::Found;

/// Deletes with a shorter pause between them are one spree: seen piece by piece, a root that is being emptied shows less than
/// half of its entries gone in each look. Only what it has less by then is judged: who writes as much as he deletes empties
/// nothing, however long he goes on.
const SPREE_PAUSE: Duration = Duration::from_secs(60);

/// Deletes that follow each other.
#[derive(Debug, Default)]
pub struct Spree {
    deletes: usize,
    /// The most entries there were since it began.
    entries: usize,
    last: Option<Instant>,
}

impl Spree {
    /// Deletes and entries that the guard judges: those of the spree, with so many more deletes now.
    pub fn with(&mut self, deletes: usize, entries: usize, now: Instant) -> (usize, usize) {
        let goes_on = self.last.is_some_and(|last| now.saturating_duration_since(last) < SPREE_PAUSE);
        if !goes_on {
            *self = Spree { deletes: 0, entries, last: None };
        }
        if deletes > 0 {
            self.last = Some(now);
        }
        self.entries = self.entries.max(entries);
        let less = self.entries - entries.saturating_sub(deletes);
        (less.min(self.deletes + deletes).max(deletes), self.entries)
    }

    /// So many deletes were let through.
    pub const fn add(&mut self, deletes: usize) {
        self.deletes += deletes;
    }
}

/// Whether a path is below one of these.
fn is_below_any(names: &BTreeSet<RelPath>, path: PathRef<'_>) -> bool {
    !names.is_empty() && successors(path.parent(), |at| at.parent()).any(|at| names.contains(&at.to_owned()))
}

impl Replica {
    /// How many deletes are meant from now on.
    pub fn limit(&mut self, limit: Limit) {
        self.writing.limit = limit;
        self.spree = Spree::default();
    }

    /// Records what a look found of a root that was looked at before. Gives what the guard held back.
    pub fn observe(&mut self, found: &Found) -> Result<Vec<Problem>, Error> {
        match found.names() {
            None => self.held.clear(),
            Some(names) => self.held.retain(|name| !names.contains(name)),
        }
        let mut problems = Vec::new();
        let events = self.events(found)?.with_astray();
        let events = self.guard(events, found, &mut problems)?;
        self.record(events, &found.listing)?;
        Ok(problems)
    }

    /// Records what the look after a run found where the run itself touched nothing, and what came into a directory that it
    /// moved: what the user did there meanwhile. What is noted where the run did something stays noted unless all is in
    /// place there, so the next look judges it by what was there before the run, and with it what came below it.
    pub fn overtake(&mut self, found: &Found, touched: &dyn Fn(PathRef<'_>) -> bool) -> Result<(), Error> {
        let mut events = self.events(found)?;
        let noted = &self.noted;
        let is_users = |name: &RelPath| !touched(name.as_ref()) || !noted.contains_key(name);
        let (happened, left): (Vec<Happened>, Vec<Happened>) =
            events.happened.into_iter().partition(|happened| is_users(&happened.name));
        events.unseen.retain(|(name, _)| is_users(name));
        let left: BTreeSet<RelPath> = left.into_iter().map(|happened| happened.name).collect();
        // Alone it would make a directory of what was there: nobody would see any more that the user took that away.
        let is_left = |happened: &Happened| happened.was.is_none() && is_below_any(&left, happened.name.as_ref());
        let (later, happened): (Vec<Happened>, Vec<Happened>) = happened.into_iter().partition(is_left);
        events.happened = happened;
        events.unseen.extend(later.into_iter().map(|happened| (happened.name, None)));
        // What the guard holds back is held back again by the next look, which tells it.
        // What tells of a version that went astray is noted no longer once all is in place where it was.
        let events = self.guard(events.with_astray(), found, &mut Vec::new())?;
        self.record(events, &found.listing)
    }

    /// Notes what a run has done, before what it left is recorded: what came along with directories that it moved is nobody's
    /// write, and what was changed since it was put in place is an edit of that.
    pub fn note_done(
        &mut self,
        plan: &Plan,
        done: &mut dyn Iterator<Item = usize>,
        found: &Found,
    ) -> Result<(), Error> {
        let mut moved = plan.directory_moves().map(|(at, how)| (plan.actions[at].path.clone(), how.moved.stamp.inode));
        self.note_carried(&mut moved, found)?;
        self.note_overtaken(&mut done.map(|index| &plan.actions[index].path), &found.listing)
    }

    /// Notes, of names at which a run has just put what is agreed on and which show something else by now, that this is an edit
    /// of that.
    fn note_overtaken(&mut self, done: &mut dyn Iterator<Item = &RelPath>, disk: &Listing) -> Result<(), Error> {
        let (agreed, lane) = (self.agreed()?.clone(), self.lane());
        let overtaken =
            done.filter(|name| !is_in_place(&agreed, name, disk, lane) && !is_beyond(disk, name.as_ref(), false));
        let seen = |name: &RelPath| {
            let shown = agreed.shown(name.as_ref()).1?;
            Some((name.clone(), Some(Witness { dots: shown.dots, entry: shown.entry, unseen: false })))
        };
        let witnesses: Vec<_> = overtaken.filter_map(seen).collect();
        if witnesses.is_empty() { Ok(()) } else { self.write(&BTreeMap::new(), witnesses, false) }
    }

    /// Notes, of these names, what the disk shows as agreed: it stands for that from now on.
    pub fn note_in_place(&mut self, names: &BTreeSet<RelPath>, disk: &Listing) -> Result<(), Error> {
        let agreed = self.agreed()?.clone();
        let (mut witnesses, lane) = (Vec::new(), self.lane());
        for name in names.iter().filter(|name| self.noted.contains_key(*name)) {
            if !is_in_place(&agreed, name, disk, lane) || is_beyond(disk, name.as_ref(), false) {
                continue;
            }
            let row = disk.find(name.as_ref()).ok().map(|at| disk.row(at).entry());
            let shown = agreed.shown(name.as_ref()).1;
            let witness = row.zip(shown).map(|(entry, shown)| Witness { dots: shown.dots, entry, unseen: false });
            if self.noted.get(name) != Some(&witness) {
                witnesses.push((name.clone(), witness));
            }
        }
        if let Some(state) = self.state.as_ref().filter(|_| !witnesses.is_empty()) {
            state.commit(&self.header, &Change { witnesses: &witnesses, ..Change::default() })?;
        }
        self.noted.extend(witnesses);
        self.forget_announced()
    }

    /// What a replica that writes nothing shows of its own: changes that are no writes, until the paths change elsewhere.
    pub fn kept_here(&self) -> Vec<RelPath> {
        if self.mints { Vec::new() } else { self.held.iter().cloned().collect() }
    }

    /// Nothing is held back until the next look.
    pub fn hold_nothing(&mut self) {
        self.held.clear();
    }

    /// How many names are noted that the index lacks.
    pub fn noted(&self) -> usize {
        self.noted.len()
    }

    /// Those names.
    pub fn noted_names(&self) -> impl Iterator<Item = RelPath> {
        self.noted.keys().cloned()
    }

    /// Takes the names at which joins have changed what the disk shall show, since they were last taken.
    pub fn take_open(&mut self) -> BTreeSet<RelPath> {
        std::mem::take(&mut self.open)
    }

    /// What the disk shall show at these names.
    pub fn wanted_at(&mut self, names: &BTreeSet<RelPath>) -> Result<Listing, Error> {
        self.agreed()?.wanted_at(names).map_err(|_| self.too_large())
    }

    /// Holds back all that happened, of a replica that writes nothing. What was agreed on since is put in place over it.
    pub(super) fn hold_all(&mut self, mut events: Events) -> Result<Events, Error> {
        let agreed = self.agreed()?.clone();
        for Happened { name, event, was, .. } in events.happened.drain(..) {
            let dots = match event {
                Event::Write { supersedes, .. } | Event::Delete { supersedes } => supersedes,
                Event::Nothing(_) => continue,
            };
            let shown = agreed.shown(name.as_ref()).1.map_or_else(Vec::new, |shown| shown.dots);
            if shown == dots {
                self.held.insert(name.clone());
            }
            let kept = |entry: Entry| Witness { dots, entry, unseen: false };
            let witness = was.map(kept);
            if self.noted.get(&name) != Some(&witness) {
                events.unseen.push((name, witness));
            }
        }
        Ok(events)
    }
}
