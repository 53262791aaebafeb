//! Writes what arrives to staged files and verifies it: nothing leaves here whose digest is not what was asked for.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::olds::Old;
use super::{Fetched, MISSING};
use crate::disk::carry::{Blocks, Ground, Stretch};
use crate::disk::gauge::Gauge;
use crate::disk::place::cause;
use crate::disk::stage::{Remains, Staged};
use crate::model::chunk::Chunk;
use crate::model::digest::Hasher;
use crate::model::{Digest, Problem, ProblemKind};
use crate::proto::content::{Reply, Verdict};
use crate::sync::execute::Run;

/// Shorter files are not kept for the next run where they are not finished: they are lost with the batch that they wait in.
const PART_BYTES_MIN: u64 = 64 << 10;
/// Taken from an old file at once.
const TAKEN_BYTES_MAX: u64 = 256 << 10;

/// What one read of a stream brought.
pub struct Pieces {
    /// Which stream; its reads come in order.
    pub stream: usize,
    /// The replies, each with what it belongs to; none where what came last is not gone on with.
    pub replies: Vec<(Item, Reply)>,
}

/// One want of a request.
#[derive(Clone)]
pub struct Item {
    /// Index of the action.
    pub index: usize,
    /// Where in the file the range starts.
    pub offset: u64,
    /// The file, where it comes in several ranges.
    pub large: Option<Arc<Large>>,
    /// The pieces that were offered for it.
    pub offered: Option<Arc<Offered>>,
}

impl Item {
    /// Whether nobody wants the rest: another range of the same file has failed, or this one.
    pub fn is_void(&self) -> bool {
        self.large.as_ref().is_some_and(|large| large.failed.load(Ordering::Acquire))
    }
}

/// Pieces of an old file.
pub struct Offered {
    old: Old,
    pieces: Vec<Range<u64>>,
}

impl Offered {
    /// None yet of this file.
    pub const fn new(old: Old) -> Offered {
        Offered { old, pieces: Vec::new() }
    }

    /// Adds pieces in a row, the first of which lies at `from`.
    pub fn add(&mut self, from: u64, pieces: &[Chunk]) {
        let mut at = from;
        for piece in pieces {
            self.pieces.push(at..at + piece.bytes);
            at += piece.bytes;
        }
    }

    /// Where so many pieces from this one on lie, if they have so many bytes.
    fn stretches(&self, first: u32, count: u32, bytes: u64) -> Option<Vec<Range<u64>>> {
        let pieces = self.pieces.get(first as usize..first.checked_add(count)? as usize)?;
        let mut stretches: Vec<Range<u64>> = Vec::new();
        for piece in pieces {
            match stretches.last_mut() {
                Some(last) if last.end == piece.start => last.end = piece.end,
                _ => stretches.push(piece.clone()),
            }
        }
        let found: u64 = stretches.iter().map(|stretch| stretch.end - stretch.start).sum();
        (found == bytes).then_some(stretches)
    }
}

/// A file that comes in several ranges.
pub struct Large {
    staged: Mutex<Option<Arc<Staged>>>,
    missing: AtomicU64,
    failed: AtomicBool,
    size: u64,
    /// Whether it held bytes before: then zeros are written, too.
    begun: bool,
    /// What is known of it without being read again.
    blocks: Mutex<Blocks>,
}

/// Stretches of files that are there, which a file is given while the rest of it comes.
pub struct Carrying {
    /// The file; one of its ranges is this.
    pub item: Item,
    /// What it is to hold.
    pub content: Digest,
    /// Each with the file that has it.
    pub stretches: Vec<(Arc<File>, Stretch)>,
    /// What the file held before.
    pub ground: Ground,
    /// Whether its file system shares blocks.
    pub shares: bool,
}

impl Large {
    /// A file of `size` bytes in `ranges` ranges.
    pub fn new(ranges: u64, size: u64) -> Large {
        let (missing, failed) = (AtomicU64::new(ranges), AtomicBool::new(false));
        let blocks = Mutex::new(Blocks::unread(size));
        Large { staged: Mutex::default(), missing, failed, size, begun: false, blocks }
    }

    /// A file of which these many ranges are missing, and these blocks are known.
    pub fn begun(staged: Staged, ranges: u64, (size, blocks): (u64, Blocks)) -> Large {
        let large = Large::new(ranges, size);
        Large { staged: Mutex::new(Some(Arc::new(staged))), begun: true, blocks: Mutex::new(blocks), ..large }
    }
}

/// One thread's share of what arrives.
pub struct Receiver<'a> {
    run: &'a Run<'a>,
    done: &'a (dyn Fn(usize, Fetched) + Sync),
    open: HashMap<usize, Incoming>,
}

/// A file, or a range of one, that is arriving.
struct Incoming {
    staged: Arc<Staged>,
    sum: Sum,
    content: Digest,
    at: u64,
    end: u64,
    failure: Option<Problem>,
    /// Whether the bytes written so far end in a hole.
    hole: bool,
    /// Whether there may be other bytes where a hole would be.
    begun: bool,
    /// The old file, once something is taken from it.
    old: Option<File>,
}

/// The hash of what has come.
enum Sum {
    /// Of a range: a large file is hashed when it is whole.
    Later,
    /// Of nothing yet.
    Empty,
    /// Of a file that came in one piece, as most do.
    Whole(Digest),
    /// Of a file that comes in several. A hasher is as large as a small file.
    Going(Box<Hasher>),
}

impl<'a> Receiver<'a> {
    /// A receiver that hands each whole file to `done`.
    pub fn new(run: &'a Run<'a>, done: &'a (dyn Fn(usize, Fetched) + Sync)) -> Receiver<'a> {
        Receiver { run, done, open: HashMap::new() }
    }

    /// Takes pieces until no more come, or the run is stopped.
    pub fn run(mut self, mut reads: mpsc::Receiver<Pieces>) {
        while let Some(Pieces { stream, replies }) = reads.blocking_recv() {
            if replies.is_empty() {
                self.open.remove(&stream);
            }
            for (item, reply) in replies {
                if self.run.gauge.stopped() {
                    return;
                }
                self.take(stream, &item, reply);
            }
        }
    }

    /// Gives a file what is there for it.
    pub fn carry(&self, Carrying { item, content, stretches, ground, shares }: &Carrying) {
        let Some(large) = &item.large else { return };
        let staged = large.staged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(staged) = staged else { return };
        // Apart from the lock: nobody else notes blocks before all that is missing has come.
        let mut blocks = Blocks::new(large.size);
        for (source, stretch) in stretches {
            let files = (&**source, &*staged);
            let carried = match shares {
                true => blocks.share(files, *stretch, *ground, self.run.gauge),
                false => blocks.carry(files, *stretch, *ground, self.run.gauge),
            };
            match carried {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let full = error.kind() == io::ErrorKind::StorageFull;
                    let kind = if full { ProblemKind::Unwritable } else { ProblemKind::Changed };
                    return self.fail(item, problem(self.run, item, kind, cause(&error)));
                }
            }
        }
        *large.blocks.lock().unwrap_or_else(PoisonError::into_inner) = blocks;
        self.range_done(item, large, (staged, *content));
    }

    fn take(&mut self, stream: usize, item: &Item, reply: Reply) {
        match reply {
            Reply::Head { size, content, bytes } => {
                let incoming = self.begin(item, size, content, bytes);
                match incoming {
                    Ok(incoming) => drop(self.open.insert(stream, incoming)),
                    Err(problem) => self.fail(item, problem),
                }
            }
            Reply::Chunk { data, zstd, raw_bytes } => {
                if let Some(incoming) = self.open.get_mut(&stream) {
                    incoming
                        .chunk(&data, zstd, raw_bytes, |cause| problem(self.run, item, ProblemKind::Unwritable, cause));
                }
                self.give_up(stream, item);
            }
            Reply::Known { first, count, bytes } => {
                if let (Some(incoming), Some(offered)) = (self.open.get_mut(&stream), &item.offered) {
                    incoming.take(self.run, (offered, first, count), bytes, |kind, cause| {
                        problem(self.run, item, kind, cause)
                    });
                }
            }
            Reply::End(verdict) => {
                let incoming = self.open.remove(&stream);
                self.end(item, incoming, verdict);
            }
        }
    }

    /// A large file that failed fails at once: what else of it is on its way would come in vain.
    fn give_up(&self, stream: usize, item: &Item) {
        let failure = self.open.get(&stream).and_then(|incoming| incoming.failure.clone());
        if let (Some(failure), Some(_)) = (failure, &item.large) {
            self.fail(item, failure);
        }
    }

    fn begin(&self, item: &Item, size: u64, content: Digest, bytes: u64) -> Result<Incoming, Problem> {
        let wanted = self.run.plan.actions[item.index].wanted.as_ref();
        let expected = wanted.map_or(Digest::UNKNOWN, |entry| entry.content);
        let same_size = wanted.is_some_and(|entry| entry.size == size);
        if !same_size || (expected != Digest::UNKNOWN && expected != content) {
            return Err(problem(self.run, item, ProblemKind::Changed, "changed since it was scanned".into()));
        }
        let stage = || self.stage(item.index, &content, size).map(Arc::new);
        let staged = match &item.large {
            None => stage(),
            Some(large) => {
                let mut shared = large.staged.lock().unwrap_or_else(PoisonError::into_inner);
                match &*shared {
                    Some(staged) => Ok(Arc::clone(staged)),
                    None => stage().inspect(|staged| *shared = Some(Arc::clone(staged))),
                }
            }
        };
        let staged = staged.map_err(|e| problem(self.run, item, ProblemKind::Unwritable, cause(&e)))?;
        let sum = if item.large.is_none() { Sum::Empty } else { Sum::Later };
        let end = item.offset + bytes;
        let begun = item.large.as_ref().is_some_and(|large| large.begun);
        Ok(Incoming { staged, sum, content, at: item.offset, end, failure: None, hole: false, begun, old: None })
    }

    /// What is long on its way must not have to come twice.
    fn stage(&self, index: usize, content: &Digest, size: u64) -> io::Result<Staged> {
        if size >= PART_BYTES_MIN && *content != Digest::UNKNOWN {
            self.run.target.stage_part(content, Remains::Void)
        } else {
            (self.run.stage)(index)
        }
    }

    fn end(&self, item: &Item, incoming: Option<Incoming>, verdict: Verdict) {
        let told = |kind, cause: &str| Err(problem(self.run, item, kind, cause.to_owned()));
        let whole = match verdict {
            Verdict::Whole => Ok(()),
            Verdict::Changed => told(ProblemKind::Changed, "changed while it was sent"),
            Verdict::Gone => told(ProblemKind::Vanished, "vanished since it was scanned"),
            Verdict::Missing => told(ProblemKind::Missing, MISSING),
            Verdict::Unreadable(cause) => told(ProblemKind::Unreadable, &cause),
        };
        if let (Err(Problem { kind: ProblemKind::Changed, .. }), Some(incoming)) = (&whole, &incoming) {
            // Nobody will ever send the rest.
            incoming.staged.spoil();
        }
        let outcome = match (whole, incoming) {
            (Err(problem), _) => Err(problem),
            // The failure to begin was told at once.
            (Ok(()), None) => return,
            (Ok(()), Some(incoming)) => self.close(item, incoming),
        };
        match (outcome, &item.large) {
            (Ok(incoming), None) => self.hand_over(item, incoming.staged, incoming.content, incoming.sum.finish()),
            (Ok(incoming), Some(large)) => self.range_done(item, large, (incoming.staged, incoming.content)),
            (Err(problem), _) => self.fail(item, problem),
        }
    }

    fn close(&self, item: &Item, incoming: Incoming) -> Result<Incoming, Problem> {
        if let Some(failure) = incoming.failure {
            return Err(failure);
        }
        if incoming.at != incoming.end {
            return Err(problem(self.run, item, ProblemKind::Changed, "came shorter than it was announced".into()));
        }
        if incoming.hole && item.large.is_none() {
            let set = incoming.staged.file().set_len(incoming.end);
            set.map_err(|e| problem(self.run, item, ProblemKind::Unwritable, cause(&e)))?;
        }
        Gauge::add(&self.run.gauge.bytes_done, incoming.end - item.offset);
        Ok(incoming)
    }

    fn range_done(&self, item: &Item, large: &Large, (staged, content): (Arc<Staged>, Digest)) {
        // Let go of first: whoever is last hands the file over, and nobody else holds it then.
        drop(staged);
        if large.missing.fetch_sub(1, Ordering::AcqRel) != 1 || large.failed.load(Ordering::Acquire) {
            return;
        }
        let staged = large.staged.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(staged) = staged else { return };
        let blocks = large.blocks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sized = staged.file().set_len(large.size);
        let hashed = sized.and_then(|()| blocks.digest(staged.file(), self.run.gauge));
        match hashed {
            Ok(Some(digest)) if digest == content => self.hand_over(item, staged, content, None),
            Ok(found) => {
                // A hash that was stopped says nothing of what is there.
                if found.is_some() {
                    staged.spoil();
                }
                self.fail(item, problem(self.run, item, ProblemKind::Changed, "changed while it was sent".into()));
            }
            Err(e) => self.fail(item, problem(self.run, item, ProblemKind::Unwritable, cause(&e))),
        }
    }

    fn hand_over(&self, item: &Item, staged: Arc<Staged>, content: Digest, found: Option<Digest>) {
        if found.is_some_and(|found| found != content) {
            staged.spoil();
            self.fail(item, problem(self.run, item, ProblemKind::Changed, "changed while it was sent".into()));
            return;
        }
        if let Ok(staged) = Arc::try_unwrap(staged) {
            (self.done)(item.index, Ok((staged, content)));
        }
    }

    /// Tells a failure; of a file in ranges only the first.
    fn fail(&self, item: &Item, problem: Problem) {
        let first = item.large.as_ref().is_none_or(|large| !large.failed.swap(true, Ordering::AcqRel));
        if first {
            (self.done)(item.index, Err(problem));
        }
    }
}

impl Sum {
    /// Takes the next bytes, of so many that are still to come.
    fn add(&mut self, bytes: &[u8], left: u64) {
        match self {
            Sum::Empty if bytes.len() as u64 == left => *self = Sum::Whole(Digest::of_content(bytes)),
            Sum::Empty => {
                let mut hasher = Hasher::content();
                hasher.update(bytes);
                *self = Sum::Going(Box::new(hasher));
            }
            Sum::Going(hasher) => {
                hasher.update(bytes);
            }
            Sum::Later | Sum::Whole(_) => {}
        }
    }

    /// The digest, where there is to be one.
    fn finish(self) -> Option<Digest> {
        match self {
            Sum::Later => None,
            Sum::Empty => Some(Digest::of_content(&[])),
            Sum::Whole(digest) => Some(digest),
            Sum::Going(hasher) => Some(hasher.finish()),
        }
    }
}

impl Incoming {
    fn chunk(&mut self, data: &[u8], zstd: bool, raw_bytes: u32, problem: impl Fn(String) -> Problem) {
        if self.failure.is_some() {
            return;
        }
        let raw;
        let bytes = if zstd {
            match zstd::bulk::decompress(data, raw_bytes as usize) {
                Ok(decompressed) => {
                    raw = decompressed;
                    &raw[..]
                }
                Err(e) => return self.failure = Some(problem(format!("damaged on the way: {e}"))),
            }
        } else {
            data
        };
        if self.at + bytes.len() as u64 > self.end {
            return self.failure = Some(problem("came longer than it was announced".into()));
        }
        self.sum.add(bytes, self.end - self.at);
        // A run of zeros becomes a hole: a sparse file stays sparse.
        self.hole = !self.begun && bytes.len() >= 4096 && bytes.iter().all(|&byte| byte == 0);
        if !self.hole
            && let Err(e) = self.staged.file().write_all_at(bytes, self.at)
        {
            return self.failure = Some(problem(cause(&e)));
        }
        self.at += bytes.len() as u64;
    }
}

impl Incoming {
    /// Takes pieces that were offered from where they lie.
    fn take(
        &mut self,
        run: &Run<'_>,
        (offered, first, count): (&Offered, u32, u32),
        bytes: u64,
        problem: impl Fn(ProblemKind, String) -> Problem,
    ) {
        let changed = || problem(ProblemKind::Changed, "changed while it was sent".into());
        let Some(stretches) = offered.stretches(first, count, bytes).filter(|_| self.failure.is_none()) else {
            self.failure.get_or_insert_with(changed);
            return;
        };
        if self.old.is_none() {
            self.old = offered.old.open(run.target.root());
        }
        let mut buffer = vec![0; bytes.min(TAKEN_BYTES_MAX) as usize];
        for stretch in stretches {
            let mut at = stretch.start;
            while at < stretch.end && self.failure.is_none() {
                let part = &mut buffer[..(stretch.end - at).min(TAKEN_BYTES_MAX) as usize];
                if self.old.as_ref().is_none_or(|old| old.read_exact_at(part, at).is_err()) {
                    self.failure = Some(changed());
                    return;
                }
                self.chunk(part, false, part.len() as u32, |cause| problem(ProblemKind::Unwritable, cause));
                at += part.len() as u64;
            }
        }
        Gauge::add(&run.gauge.bytes_reused, bytes);
    }
}

fn problem(run: &Run<'_>, item: &Item, kind: ProblemKind, cause: String) -> Problem {
    Problem { path: run.plan.actions[item.index].path.clone(), kind, cause }
}
