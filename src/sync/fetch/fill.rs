//! Files that are made of what is there and of what must come. Owns the choice: which files, made of what, how cut; takes
//! what is there and says what to ask for. What comes is written and verified by the receiver, as with any file. Files that
//! were edited where they lie, or grew or shrank in one place, are made in `slide.rs`.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use super::compare::{There, Wanted, compare};
use super::olds::{OLD_BYTES_MIN, Old, Olds};
use super::receive::{Carrying, Item, Large, Offered};
use crate::disk::carry::{Blocks, Ground, Stretch};
use crate::disk::chunks;
use crate::disk::gauge::Gauge;
use crate::disk::stage::{Remains, Staged};
use crate::model::chunk::{Chunk, Cutter, Gap, Layout, Reuse};
use crate::model::plan::Action;
use crate::model::{Digest, Entry};
use crate::net::Link;
use crate::proto::content::{Offer, Want};
use crate::sync::error::Error;
use crate::sync::execute::Run;

/// Shorter files come whole.
const AIDED_BYTES_MIN: u64 = 16 << 10;
/// Files up to this size are asked for with all pieces of the old version at once: 8 kB, and no round trip more.
const AT_ONCE_BYTES_MAX: u64 = 4 << 20;
/// On one machine a file is sent faster than it is compared, unless it is large.
const LOOPBACK_BYTES_MIN: u64 = 8 << 20;
/// Shorter remains are not worth the comparison.
const PART_BYTES_MIN: u64 = 1 << 20;
/// Files that are compared at once, each waiting for its answer.
const WORKERS: usize = 4;

/// What to do for a file.
pub enum Step {
    /// It is here.
    Whole(Box<Staged>, Digest),
    /// Ask for these parts, and give it what is there meanwhile.
    Ask(Vec<(Want, Item)>, Option<Carrying>),
    /// Ask for all of it.
    Plain,
}

/// What came of taking a file for one that was edited in some simple way.
pub(super) enum Edited {
    /// This is to be done.
    Step(Step),
    /// It was not, or nothing could be said of it.
    Otherwise,
}

/// Makes files of what is there.
pub struct Filler<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) link: &'a Link,
    pub(super) runtime: &'a Handle,
    olds: Olds<'a>,
}

impl<'a> Filler<'a> {
    /// For the files of a run.
    pub fn new(run: &'a Run<'a>, link: &'a Link, runtime: &'a Handle) -> Filler<'a> {
        Filler { run, link, runtime, olds: Olds::new(run.plan, run.listing) }
    }

    /// Whether a file may be made of what is there.
    pub fn helps(&self, index: usize) -> bool {
        let action = self.action(index);
        let Some(entry) = known(action) else { return false };
        let old = || self.olds.find(action).is_some();
        self.part(entry).is_some() || self.is_worth(entry.size) && old()
    }

    /// Whether a comparison costs less than the bytes that it saves.
    fn is_worth(&self, size: u64) -> bool {
        size >= if self.link.is_loopback() { LOOPBACK_BYTES_MIN } else { AIDED_BYTES_MIN }
    }

    fn part(&self, entry: &Entry) -> Option<u64> {
        self.run.target.part(&entry.content).filter(|&bytes| bytes >= OLD_BYTES_MIN || bytes == entry.size)
    }

    fn action(&self, index: usize) -> &'a Action {
        &self.run.plan.actions[index]
    }

    /// Sees to some files, several at a time.
    pub fn prepare(&self, indices: &[usize]) -> Result<Vec<(usize, Step)>, Error> {
        let next = Mutex::new(indices.iter());
        let done = Mutex::new(Vec::new());
        let work = || {
            loop {
                let index = lock(&next).next();
                match index {
                    Some(&index) if !self.run.gauge.stopped() => {
                        let step = self.step(index)?;
                        lock(&done).push((index, step));
                    }
                    _ => return Ok(()),
                }
            }
        };
        let outcome = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS.min(indices.len())).map(|_| scope.spawn(work)).collect();
            let ends = workers.into_iter().map(|worker| worker.join().unwrap_or(Err(Error::Interrupted)));
            ends.fold(Ok(()), Result::and)
        });
        outcome.map(|()| done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn step(&self, index: usize) -> Result<Step, Error> {
        let action = self.action(index);
        let Some(entry) = known(action) else { return Ok(Step::Plain) };
        let part = self.part(entry).and_then(|_| self.run.target.stage_part(&entry.content, Remains::Kept).ok());
        let old = self.olds.find(action).filter(|_| self.is_worth(entry.size));
        let old = old.and_then(|old| Some((old.open(self.run.target.root())?, old)));
        if let Some(part) = part {
            return self.resume((index, entry), part, old);
        }
        match old {
            Some((file, old)) if entry.size <= AT_ONCE_BYTES_MAX => Ok(self.at_once((index, entry), &file, old)),
            Some((file, old)) => self.compared((index, entry), None, Some((file, old))),
            None => Ok(Step::Plain),
        }
    }

    /// Goes on with what an earlier run left.
    fn resume(&self, (index, entry): (usize, &Entry), part: Staged, old: Option<(File, Old)>) -> Result<Step, Error> {
        let left = part.file().metadata().map_or(0, |found| found.len());
        if left == entry.size && entry.size < PART_BYTES_MIN {
            return Ok(self.verified(part, entry).unwrap_or(Step::Plain));
        }
        if left < PART_BYTES_MIN {
            return Ok(Step::Plain);
        }
        self.compared((index, entry), Some(part), old)
    }

    /// A staged file that needs nothing more.
    fn verified(&self, staged: Staged, entry: &Entry) -> Option<Step> {
        self.verified_by(staged, entry, Blocks::new(entry.size))
    }

    /// The same, of which these blocks are known.
    pub(super) fn verified_by(&self, staged: Staged, entry: &Entry, blocks: Blocks) -> Option<Step> {
        let sized = staged.set_size(entry.size);
        let digest = sized.and_then(|()| blocks.digest(staged.file(), self.run.gauge)).ok().flatten();
        if digest == Some(entry.content) {
            self.count(entry.size);
            return Some(Step::Whole(Box::new(staged), entry.content));
        }
        staged.spoil();
        None
    }

    /// Offers all pieces of the old version with the request itself.
    fn at_once(&self, (index, entry): (usize, &Entry), file: &File, old: Old) -> Step {
        let cutter = Cutter::Content;
        let Ok(pieces) = chunks::pieces_of(file, 0, old.size().min(AT_ONCE_BYTES_MAX * 2), cutter) else {
            return Step::Plain;
        };
        let want =
            Want { offer: Some(offer(cutter, &pieces)), ..Want::whole(self.action(index).path.clone(), entry.content) };
        let mut offered = Offered::new(old);
        offered.add(0, &pieces);
        Step::Ask(vec![(want, Item { index, offset: 0, large: None, offered: Some(Arc::new(offered)) })], None)
    }

    /// Compares first. What stayed at its place is looked for where that is likely, and what moved where it is not so.
    fn compared(
        &self,
        (index, entry): (usize, &Entry),
        part: Option<Staged>,
        old: Option<(File, Old)>,
    ) -> Result<Step, Error> {
        let wanted = Wanted { path: &self.action(index).path, content: entry.content, size: entry.size };
        let ask =
            |bases: &[There], cutter| compare((self.link, self.runtime), &wanted, (bases, cutter), self.run.gauge);
        let there = |part: Option<&Staged>| -> Vec<There> {
            let part = part.and_then(|part| {
                let file = part.file().try_clone().ok()?;
                let size = file.metadata().ok()?.len().min(entry.size);
                Some(There { file, size, in_place: true })
            });
            let old = old.as_ref().and_then(|(file, old)| {
                Some(There { file: file.try_clone().ok()?, size: old.size(), in_place: false })
            });
            part.into_iter().chain(old).collect()
        };
        let mut part = part;
        let mut best = None;
        if let (None, Some((file, old))) = (&part, &old) {
            let edited = match old.size() == entry.size {
                true => self.edited(&wanted, (index, entry), (file, old))?,
                false => self.slid(&wanted, (index, entry), (file, old))?,
            };
            match edited {
                Edited::Step(step) => return Ok(step),
                Edited::Otherwise => {}
            }
        }
        if part.is_some() {
            let bases = there(part.as_ref());
            best = ask(&bases, Cutter::Even)?.map(|laid| (Cutter::Even, laid, bases));
        }
        let poor = |laid: &Layout| is_poor(laid, entry.size);
        if old.is_some() && best.as_ref().is_none_or(|(_, laid, _)| poor(laid)) {
            let bases = there(None);
            let moved = ask(&bases, Cutter::Content)?.map(|laid| (Cutter::Content, laid, bases));
            let better = |moved: &Layout| best.as_ref().is_none_or(|(_, laid, _)| moved.missing() < laid.missing());
            best = moved.filter(|(_, laid, _)| better(laid)).or(best);
        }
        let old = old.map(|(_, old)| old);
        match best {
            Some((cutter, laid, bases)) if laid.missing() < entry.size => {
                Ok(self.filled((index, entry), (part.take(), old), (cutter, &laid, &bases)))
            }
            _ => Ok(Step::Plain),
        }
    }

    /// Takes what is there and says what is not.
    fn filled(
        &self,
        (index, entry): (usize, &Entry),
        (part, old): (Option<Staged>, Option<Old>),
        (cutter, laid, bases): (Cutter, &Layout, &[There]),
    ) -> Step {
        let in_place = bases.iter().any(|base| base.in_place);
        let staged = match part {
            Some(part) if in_place => Ok(part),
            part => {
                drop(part);
                self.run.target.stage_part(&entry.content, Remains::Void)
            }
        };
        let Ok(staged) = staged else { return Step::Plain };
        let ground = if in_place { Ground::Any } else { Ground::Empty };
        let shares = !in_place && bases.iter().all(|base| staged.may_share(&base.file).unwrap_or(false));
        let files: Vec<Arc<File>> =
            match bases.iter().map(|base| base.file.try_clone().map(Arc::new)).collect::<io::Result<_>>() {
                Ok(files) => files,
                Err(_) => return Step::Plain,
            };
        let moved = laid.reuses.iter().filter(|reuse| !bases[reuse.base].in_place);
        let stretches: Vec<(Arc<File>, Stretch)> = moved
            .map(|&Reuse { base, from, at, bytes }| (Arc::clone(&files[base]), Stretch { from, at, bytes }))
            .collect();
        if laid.gaps.is_empty() && stretches.is_empty() {
            return self.verified(staged, entry).unwrap_or(Step::Plain);
        }
        self.count(laid.reuses.iter().map(|reuse| reuse.bytes).sum());
        let ranges = laid.gaps.len() as u64 + u64::from(!stretches.is_empty());
        let large = Arc::new(Large::begun(staged, ranges, (entry.size, Blocks::new(entry.size))));
        let wants = self.gaps((index, entry), &large, (cutter, laid, bases), old.as_ref());
        let carrying = (!stretches.is_empty()).then(|| {
            let item = Item { index, offset: 0, large: Some(large), offered: None };
            Carrying { item, content: entry.content, stretches, ground, shares }
        });
        Step::Ask(wants, carrying)
    }

    /// Asks for what is missing.
    pub(super) fn gaps(
        &self,
        (index, entry): (usize, &Entry),
        large: &Arc<Large>,
        (cutter, laid, bases): (Cutter, &Layout, &[There]),
        old: Option<&Old>,
    ) -> Vec<(Want, Item)> {
        let wants = laid.gaps.iter().map(|gap| {
            let (offer, offered) = facing(gap, cutter, bases, old).unzip();
            let whole = Want::whole(self.action(index).path.clone(), entry.content);
            let want = Want { offset: gap.at, bytes: gap.bytes, offer, ..whole };
            (want, Item { index, offset: gap.at, large: Some(Arc::clone(large)), offered })
        });
        wants.collect()
    }

    pub(super) fn count(&self, bytes: u64) {
        Gauge::add(&self.run.gauge.bytes_done, bytes);
        Gauge::add(&self.run.gauge.bytes_reused, bytes);
    }
}

/// The entry of a file whose content is known.
fn known(action: &Action) -> Option<&Entry> {
    action.wanted.as_ref().filter(|entry| entry.content != Digest::UNKNOWN && entry.size > 0)
}

/// So much is missing that another way to compare may find more.
pub(super) fn is_poor(laid: &Layout, size: u64) -> bool {
    laid.missing() > size / 2
}

/// The finer look at what stood in a gap's place.
fn facing(gap: &Gap, cutter: Cutter, bases: &[There], old: Option<&Old>) -> Option<(Offer, Arc<Offered>)> {
    let mut pieces = Vec::new();
    let mut offered = Offered::new(old?.clone());
    for facing in &gap.facing {
        let found = chunks::pieces_of(&bases[facing.base].file, facing.from, facing.bytes, cutter).ok()?;
        offered.add(facing.from, &found);
        pieces.extend(found);
    }
    (!pieces.is_empty()).then(|| (offer(cutter, &pieces), Arc::new(offered)))
}

fn offer(cutter: Cutter, pieces: &[Chunk]) -> Offer {
    Offer { cutter, pieces: pieces.iter().map(|piece| piece.id).collect() }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
