//! Runs a plan at the target, phase by phase, in the order that makes any plan sound: copies are staged before anything
//! moves, directories come before their contents, deletes last, directory metadata at the very end. Decides nothing.

mod copies;
mod cradles;
mod departures;
mod nests;
mod room;

use std::collections::{HashMap, HashSet};
use std::io;
use std::iter::successors;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::error::Error;
use super::fetch::{Fetch, Fetched};
use super::placements::{InPlace, Placements};
use crate::disk::announce::{Announced, Way};
use crate::disk::gauge::Gauge;
use crate::disk::place::{Placed, lacked_room};
use crate::disk::stage::Staged;
use crate::disk::target::Target;
use crate::model::plan::action::Before;
use crate::model::plan::{Action, Plan, Source, Step};
use crate::model::{Digest, Entry, Kind, Listing, Problem, ProblemKind, Record, RelPath, Stamp};
use nests::{Family, Filled};

/// Files that are made durable and put in place together: one syncfs. More would not be cheaper by much (a syncfs is
/// milliseconds, a file 20 us), and the handles of a batch stay open.
const BATCH_FILES_MAX: usize = 1024;
/// Bytes after which a batch is full.
const BATCH_BYTES_MAX: u64 = 128 << 20;

/// The grain of a file system's room, for estimates.
const BLOCK_BYTES: u64 = 4096;

/// What a run tells as it goes.
#[derive(Debug)]
pub enum Told {
    /// The action with this index is done.
    Done(usize),
    /// A path failed.
    Problem(Problem),
}

/// A plan and everything needed to run it.
pub struct Run<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Where.
    pub target: &'a Target,
    /// What the target held when it was scanned.
    pub listing: &'a Listing,
    /// Counters, and the flag that stops the run.
    pub gauge: &'a Gauge,
    /// Called from any thread.
    pub tell: &'a (dyn Fn(Told) + Sync),
    /// An empty file for the content of the action with this index. Called from any thread.
    pub stage: &'a (dyn Fn(usize) -> io::Result<Staged> + Sync),
}

/// Runs the plan. Problems are told; what was put in place comes back, so that nothing of it is hashed again.
pub fn execute(run: &Run<'_>, fetch: &dyn Fetch) -> Result<InPlace, Error> {
    run.target.spare(run.listing);
    let installer = Installer::new(run);
    let whole = fetch.near().is_some() || fetch.stages();
    let families = if whole { nests::families(run.plan) } else { Vec::new() };
    let copies = installer.stage_copies();
    let copies = installer.place_conflict_copies(copies)?;
    installer.directories_in_order(&families)?;
    installer.renames()?;
    installer.place_staged(copies)?;
    installer.each_in_order(|step| matches!(step, Step::Create(Source::None) | Step::Update(Source::None)))?;
    installer.fetch_all(fetch, &families)?;
    // A new name shows the metadata that its file was given.
    installer.metadata()?;
    installer.links()?;
    installer.deletes()?;
    installer.directories()?;
    let placements = installer.placements.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(placements.finish())
}

struct Installer<'a> {
    run: &'a Run<'a>,
    pending: Mutex<Pending>,
    placements: Mutex<Placements<'a>>,
    /// Paths at which nothing is done, as the conflict copy of what is there is not in place.
    kept: Mutex<HashSet<&'a RelPath>>,
    failed: Mutex<Option<Error>>,
    broken: AtomicBool,
}

#[derive(Default)]
struct Pending {
    files: Vec<(usize, Staged, Digest)>,
    nests: Vec<Filled>,
    /// How many files there are in all.
    count: usize,
    bytes: u64,
}

impl<'a> Installer<'a> {
    fn new(run: &'a Run<'a>) -> Installer<'a> {
        Installer {
            run,
            pending: Mutex::default(),
            placements: Mutex::new(Placements::new(run.plan)),
            kept: Mutex::default(),
            failed: Mutex::default(),
            broken: AtomicBool::new(false),
        }
    }

    fn action(&self, index: usize) -> &'a Action {
        &self.run.plan.actions[index]
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(error) = lock(&self.failed).take() {
            return Err(error);
        }
        if self.run.gauge.stopped() { Err(Error::Interrupted) } else { Ok(()) }
    }

    fn halted(&self) -> bool {
        self.broken.load(Ordering::Relaxed) || self.run.gauge.stopped()
    }

    fn indices(&self, wanted: impl Fn(&Step) -> bool) -> Vec<usize> {
        let actions = self.run.plan.actions.iter().enumerate();
        actions.filter(|(_, action)| wanted(&action.step)).map(|(index, _)| index).collect()
    }

    /// Places what needs no content, one after the other in tree order.
    fn each_in_order(&self, wanted: impl Fn(&Step) -> bool) -> Result<(), Error> {
        for index in self.indices(wanted) {
            if self.halted() {
                break;
            }
            self.place(index, None, None);
        }
        self.check()
    }

    fn renames(&self) -> Result<(), Error> {
        let announced = self.run.plan.renames.iter().zip(&self.run.plan.moves).map(|(&index, how)| Announced {
            path: self.action(index).path.clone(),
            inode: how.moved.stamp.inode,
            way: Way::Moved,
        });
        self.run.target.announce(&mut { announced })?;
        for (&index, how) in self.run.plan.renames.iter().zip(&self.run.plan.moves) {
            if self.halted() {
                break;
            }
            let action = self.action(index);
            let placed = self.copied(index).and_then(|()| self.run.target.place_move(action, how));
            let is_directory = how.moved.kind == Kind::Directory;
            if self.placed(index, placed, Some(how.moved.entry.content)) {
                if is_directory {
                    self.carry_over(action);
                }
                let (path, inode) = (action.path.clone(), how.moved.stamp.inode);
                self.run.target.announce(&mut std::iter::once(Announced { path, inode, way: Way::Arrived }))?;
            }
        }
        self.arrivals();
        self.check()
    }

    /// The last rename of a cycle is done by the exchange before it.
    fn arrivals(&self) {
        let listed: HashSet<usize> = self.run.plan.renames.iter().copied().collect();
        for index in self.indices(|step| matches!(step, Step::Rename { .. })) {
            if self.halted() || listed.contains(&index) {
                continue;
            }
            let action = self.action(index);
            let content = action.wanted.as_ref().map(|wanted| wanted.content);
            let came = self.moved_from(action);
            let placed = self.came_round(index).and_then(|()| self.run.target.place_arrived(action, came.as_ref()));
            self.placed(index, placed, content);
        }
    }

    /// Whether all exchanges of the cycle are done of which a rename is the last. What stands there otherwise never was what
    /// is wanted there: taken for it, it would pass for an edit of that.
    fn came_round(&self, last: usize) -> Result<(), Problem> {
        let actions = &self.run.plan.actions;
        let at = |path: &RelPath| actions.binary_search_by(|action| action.path.cmp(path)).ok();
        let before = |index: &usize| match &actions[*index].step {
            Step::Rename { from } => at(from),
            _ => None,
        };
        let placements = lock(&self.placements);
        let others = successors(before(&last), before).take(actions.len());
        let mut others = others.take_while(|&index| index != last);
        if others.all(|index| placements.is_done(index)) {
            return Ok(());
        }
        let cause = "what was to be moved here did not come, as another move was not done".into();
        Err(Problem { path: actions[last].path.clone(), kind: ProblemKind::Changed, cause })
    }

    /// What was scanned where a rename takes it from.
    fn moved_from(&self, action: &Action) -> Option<Before> {
        let Step::Rename { from } = &action.step else { return None };
        let row = self.run.listing.row(self.run.listing.find(from.as_ref()).ok()?);
        Some(Before { kind: row.kind(), stamp: row.stamp(), entry: row.entry() })
    }

    /// A renamed directory takes its files along with their stamps.
    fn carry_over(&self, action: &Action) {
        let (to, Step::Rename { from }) = (&action.path, &action.step) else { return };
        let Ok(at) = self.run.listing.find(from.as_ref()) else { return };
        let mut placements = lock(&self.placements);
        for index in at + 1..=at + self.run.listing.row(at).below() {
            let row = self.run.listing.row(index);
            if row.kind() != Kind::File {
                continue;
            }
            let mut path = to.as_bytes().to_vec();
            path.extend_from_slice(&row.path().as_bytes()[from.as_bytes().len()..]);
            if let Ok(path) = RelPath::new(&path) {
                placements.put(path, (row.stamp(), row.content()));
            }
        }
    }

    fn fetch_all(&self, fetch: &dyn Fetch, families: &[Family]) -> Result<(), Error> {
        let mut wants = self.indices(|step| matches!(step, Step::Create(Source::Fetch) | Step::Update(Source::Fetch)));
        let starved = Mutex::new(Vec::new());
        if let Some(near) = fetch.near() {
            self.nest_all(near, families, &mut wants, &starved);
        }
        let cradles = if fetch.stages() { self.cradles(families) } else { Vec::new() };
        let stage = |index| self.stage(&cradles, index);
        let run = Run { stage: &stage, ..*self.run };
        let outcome = fetch.fetch(&run, &wants, &|index, fetched| self.came((&cradles, index), fetched, &starved));
        self.leave(cradles);
        self.flush();
        let fitting = self.fitting(starved.into_inner().unwrap_or_else(PoisonError::into_inner));
        self.check()?;
        outcome?;
        if fitting.is_empty() {
            return Ok(());
        }
        let outcome = fetch.fetch(self.run, &fitting, &|index, fetched| self.fetched(index, fetched));
        self.flush();
        self.check()?;
        outcome
    }

    fn fetched(&self, index: usize, fetched: Fetched) {
        match fetched {
            Ok((staged, digest)) => self.push(index, staged, digest),
            Err(problem) => (self.run.tell)(Told::Problem(problem)),
        }
    }

    /// Adds a staged file to the batch. Whoever fills the batch installs it, which also holds back a fast source.
    fn push(&self, index: usize, staged: Staged, digest: Digest) {
        self.push_with(1, self.size(index), |pending| pending.files.push((index, staged, digest)));
    }

    fn size(&self, index: usize) -> u64 {
        self.action(index).wanted.as_ref().map_or(0, |entry| entry.size)
    }

    fn push_with(&self, count: usize, bytes: u64, push: impl FnOnce(&mut Pending)) {
        let full = {
            let mut pending = lock(&self.pending);
            pending.count += count;
            pending.bytes += bytes;
            push(&mut pending);
            let full = pending.count >= BATCH_FILES_MAX || pending.bytes >= BATCH_BYTES_MAX;
            full.then(|| std::mem::take(&mut *pending))
        };
        if let Some(batch) = full {
            self.install(batch);
        }
    }

    fn flush(&self) {
        let batch = std::mem::take(&mut *lock(&self.pending));
        self.install(batch);
    }

    fn install(&self, batch: Pending) {
        // A run that is stopped keeps what it has staged: it is whole, and would have to come once more.
        if self.broken.load(Ordering::Relaxed) || (batch.files.is_empty() && batch.nests.is_empty()) {
            return;
        }
        if let Err(error) = self.settle(&batch) {
            self.fail(error);
            return;
        }
        // Some of the files belong into them.
        batch.nests.into_iter().for_each(|filled| self.place_nest(filled));
        for (index, staged, digest) in batch.files {
            if self.place(index, Some(staged), Some(digest)) {
                Gauge::add(&self.run.gauge.files_done, 1);
            }
        }
    }

    /// Makes a batch durable and says that it is about to be put in place.
    fn settle(&self, batch: &Pending) -> Result<(), Error> {
        let target = self.run.target;
        let settled: Vec<(&Staged, &Entry)> = batch
            .files
            .iter()
            .filter_map(|(index, staged, _)| Some((staged, self.action(*index).wanted.as_ref()?)))
            .collect();
        target.settle(&settled)?;
        if settled.is_empty() {
            target.harden()?;
        }
        let announced =
            |index: usize, inode| Announced { path: self.action(index).path.clone(), inode, way: Way::Staged };
        let single = batch.files.iter().filter_map(|(index, staged, _)| Some(announced(*index, staged.inode().ok()?)));
        let nested = batch.nests.iter().flat_map(Filled::inodes).map(|(index, inode)| announced(index, inode));
        Ok(target.announce(&mut single.chain(nested))?)
    }

    fn links(&self) -> Result<(), Error> {
        let links = self.indices(|step| link_target(step).is_some());
        let mut groups: HashMap<&RelPath, Vec<usize>> = HashMap::new();
        for index in links {
            if self.halted() {
                break;
            }
            let Some(to) = link_target(&self.action(index).step) else { continue };
            if self.place(index, None, None) {
                groups.entry(to).or_default().push(index);
            }
        }
        self.share_stamps(&groups);
        self.check()
    }

    /// Each new name changed the stamp of all names of the file.
    fn share_stamps(&self, groups: &HashMap<&RelPath, Vec<usize>>) {
        let mut placements = lock(&self.placements);
        for (&to, members) in groups {
            let Some(&last) = members.last() else { continue };
            let Some(stamp) = placements.linked(last) else { continue };
            let known = placements.digest(to);
            let digest = known.or_else(|| self.listed_digest(to)).unwrap_or(Digest::UNKNOWN);
            placements.put(to.clone(), (stamp, digest));
            for &index in members {
                placements.put_action(index, (stamp, digest));
            }
        }
    }

    fn listed_digest(&self, path: &RelPath) -> Option<Digest> {
        self.run.listing.find(path.as_ref()).ok().map(|index| self.run.listing.row(index).content())
    }

    fn metadata(&self) -> Result<(), Error> {
        let of_files = |action: &Action| action.wanted.as_ref().is_some_and(|entry| entry.kind != Kind::Directory);
        let indices = self.indices(|step| matches!(step, Step::Metadata));
        indices.into_par_iter().filter(|&index| of_files(self.action(index))).for_each(|index| {
            if !self.halted() {
                let content = self.action(index).before.as_ref().map(|before| before.entry.content);
                self.place(index, None, content);
            }
        });
        self.check()
    }

    /// Directories get their metadata last and deepest first: everything before disturbed their times.
    fn directories(&self) -> Result<(), Error> {
        let metadata = self.indices(|step| matches!(step, Step::Metadata));
        let by_path: HashMap<&RelPath, usize> =
            metadata.iter().map(|&index| (&self.action(index).path, index)).collect();
        for Record { path, entry: wanted } in self.run.plan.directories_to_finish(self.run.listing) {
            if self.halted() {
                break;
            }
            match self.run.target.directory_metadata(&path, &wanted) {
                Ok(_) => by_path.get(&path).into_iter().for_each(|&index| (self.run.tell)(Told::Done(index))),
                Err(problem) => (self.run.tell)(Told::Problem(problem)),
            }
        }
        self.check()
    }

    /// Does one action and tells of it; whether it was done.
    fn place(&self, index: usize, staged: Option<Staged>, content: Option<Digest>) -> bool {
        self.placed(index, self.act(index, staged), content)
    }

    /// Does one action, where the disk is full after the oldest of the trash made room.
    fn act(&self, index: usize, staged: Option<Staged>) -> Result<Placed, Problem> {
        self.copied(index)?;
        let plain = staged.is_none();
        match self.run.target.place(self.action(index), staged) {
            Err(problem) if plain && lacked_room(&problem) && self.run.target.make_room(BLOCK_BYTES) => {
                self.run.target.place(self.action(index), None)
            }
            placed => placed,
        }
    }

    /// Tells what became of an action; whether it was done.
    fn placed(&self, index: usize, placed: Result<Placed, Problem>, content: Option<Digest>) -> bool {
        let problem = match placed {
            Ok(placed) => {
                self.remember(index, placed.stamp, content);
                if !placed.remains {
                    (self.run.tell)(Told::Done(index));
                }
                placed.lacks
            }
            Err(problem) => {
                (self.run.tell)(Told::Problem(problem));
                return false;
            }
        };
        if let Some(problem) = problem {
            (self.run.tell)(Told::Problem(problem));
        }
        true
    }

    fn remember(&self, index: usize, stamp: Stamp, content: Option<Digest>) {
        let is_file = self.action(index).wanted.as_ref().is_some_and(Entry::is_file);
        let mut placements = lock(&self.placements);
        placements.done(index);
        if is_file {
            placements.put_action(index, (stamp, content.unwrap_or(Digest::UNKNOWN)));
        }
    }

    /// A file that we made just now, of which stat spoke before anybody else could reach it.
    fn remember_bare(&self, index: usize, stamp: Stamp, content: Digest) {
        if self.action(index).wanted.as_ref().is_some_and(|entry| entry.xattrs().is_empty()) {
            lock(&self.placements).put_bare(index, (stamp, content));
        }
    }

    fn fail(&self, error: Error) {
        self.broken.store(true, Ordering::Relaxed);
        lock(&self.failed).get_or_insert(error);
    }
}

fn link_target(step: &Step) -> Option<&RelPath> {
    match step {
        Step::Create(Source::Link { to }) | Step::Update(Source::Link { to }) => Some(to),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
