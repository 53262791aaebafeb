//! A scan: what a root holds now, against what is remembered of it. Reads the root and never writes to it.
//!
//! Nothing changed costs one stat an entry: no file is opened and no row is made. Start at [`scan`].

use std::ffi::CString;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::assemble::{TooMany, assemble};
use super::deferral::Deferral;
use super::error::Error;
use super::filter::Filter;
use super::found::{Contents, Found, Late};
use super::gauge::Gauge;
use super::grain::Grains;
use super::handles::Budget;
use super::hash::Cores;
use super::moved::Moved;
use super::observe::{Observer, Outcome, Seen, Subject, cause};
use super::read::Reader;
use super::root::Root;
use super::status::Status;
use super::walk::{LATE_BYTES_MIN, Walk};
use crate::model::chunk::Chunk;
use crate::model::{Digest, Listing, PathRef, Problem, ProblemKind, RelPath, Stamp};

/// How often a root is walked whose ignore files change.
const ATTEMPTS_MAX: u32 = 5;

/// What a scan shall do.
#[derive(Debug, Clone, Copy)]
pub struct ScanOptions<'a> {
    /// What is left out.
    pub filter: &'a Filter,
    /// Leave out what is mounted below the root.
    pub one_file_system: bool,
    /// Read every file again, whatever the stamps say.
    pub checksum: bool,
    /// Read no file: a row has the base's digest where its stamp is trusted, else [`Digest::UNKNOWN`].
    pub quick: bool,
    /// Leave files that nobody has hashed yet to whoever copies them: their rows have [`Digest::UNKNOWN`]. Not those with
    /// several names, nor those that were changed just now.
    pub defer: Option<&'a Deferral>,
}

/// Digests beside the base: those of a first hash that was interrupted.
pub trait Memory: Sync {
    /// The digest of a file that has this stamp, where it is known.
    fn recall(&self, path: PathRef<'_>, stamp: &Stamp) -> Option<Digest>;
    /// Whether there is any digest to recall.
    fn recalls(&self) -> bool {
        true
    }
    /// A file was hashed, and its stamp can be trusted from now on.
    fn note(&self, path: PathRef<'_>, stamp: &Stamp, content: &Digest);
    /// A large file was hashed, and these are its even chunks.
    fn cut(&self, _content: &Digest, _chunks: Vec<Chunk>) {}
    /// Whether it is known that the file had no attributes when it got this stamp.
    fn is_bare(&self, _path: PathRef<'_>, _stamp: &Stamp) -> bool {
        false
    }
}

/// Remembers nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoMemory;

impl Memory for NoMemory {
    fn recall(&self, _path: PathRef<'_>, _stamp: &Stamp) -> Option<Digest> {
        None
    }

    fn recalls(&self) -> bool {
        false
    }

    fn note(&self, _path: PathRef<'_>, _stamp: &Stamp, _content: &Digest) {}
}

/// What a root holds.
#[derive(Debug)]
pub struct Scanned {
    /// All entries. The root itself is none.
    pub listing: Listing,
    /// Whether the listing differs from the base; if not, it is the base.
    pub changed: bool,
    /// Paths that could not be handled, in tree order.
    pub problems: Vec<Problem>,
    /// Whether any ignore file was obeyed.
    pub obeyed: bool,
    /// Files read.
    pub hashed_files: u64,
    /// Their bytes.
    pub hashed_bytes: u64,
}

/// Walks the root and hashes what the base does not know. Where an ignore file changes meanwhile it walks again: what is
/// listed must be what the listed rules leave in sight.
pub fn scan(
    root: &Root,
    base: Option<&Listing>,
    memory: &dyn Memory,
    options: &ScanOptions<'_>,
    gauge: &Gauge,
) -> Result<Scanned, Error> {
    for _ in 0..ATTEMPTS_MAX {
        let (scanned, obeyed) = scan_once(root, base, memory, options, gauge)?;
        let is_listed = |(file, said): &(RelPath, Digest)| {
            let row = scanned.listing.find(file.as_ref()).map(|at| scanned.listing.row(at));
            row.is_ok_and(|row| row.content() == Digest::UNKNOWN || row.content() == *said)
        };
        if obeyed.iter().all(is_listed) {
            return Ok(scanned);
        }
    }
    let source = io::Error::other("its ignore files change all the time");
    Err(Error::Open { path: root.path().into(), source })
}

/// Ignore files that were obeyed, each with the digest of what it said.
type Obeyed = Vec<(RelPath, Digest)>;

fn scan_once(
    root: &Root,
    base: Option<&Listing>,
    memory: &dyn Memory,
    options: &ScanOptions<'_>,
    gauge: &Gauge,
) -> Result<(Scanned, Obeyed), Error> {
    let (hashed_files, hashed_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let observer = Observer { memory, options, gauge, moved: Moved::from(base), hashed_files, hashed_bytes };
    let budget = Budget::new();
    let walk = Walk {
        root,
        base,
        observer,
        budget,
        grains: Grains::default(),
        found: Mutex::default(),
        passed: AtomicUsize::new(0),
    };
    rayon::scope(|scope| walk.start(scope, root.identity().device));
    let Walk { observer, found, .. } = walk;
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    hash_late(root, base, &observer, &mut found.late);
    if gauge.stopped() {
        return Err(Error::Stopped);
    }
    root_is_listed(root, &found)?;
    let empty = Listing::empty();
    let before = base.unwrap_or(&empty);
    before.rest();
    let next = assemble(before, &mut found).map_err(|TooMany| Error::TooMany { path: root.path().into() })?;
    found.problems.sort_by(|left, right| (&left.path, left.kind).cmp(&(&right.path, right.kind)));
    let scanned = Scanned {
        changed: base.is_none() || next.is_some(),
        listing: next.unwrap_or_else(|| before.clone()),
        problems: found.problems,
        obeyed: !found.rules.is_empty(),
        hashed_files: observer.hashed_files.load(Ordering::Relaxed),
        hashed_bytes: observer.hashed_bytes.load(Ordering::Relaxed),
    };
    Ok((scanned, found.rules))
}

/// A root that cannot be listed ends the job: nothing in it is known.
fn root_is_listed(root: &Root, found: &Found) -> Result<(), Error> {
    match found.contents.get(&[][..]) {
        Some(Contents::Unreadable(_) | Contents::Gone) => {
            let cause = found.problems.iter().find(|problem| problem.path.as_ref().is_root());
            let source = io::Error::other(cause.map_or("cannot be listed".into(), |problem| problem.cause.clone()));
            Err(Error::Open { path: root.path().into(), source })
        }
        Some(Contents::Pieces(_)) | None => Ok(()),
    }
}

/// Files changed just now beside each other; then large ones one after the other, each on all cores: beside each other
/// they would end one by one, on one core each.
fn hash_late(root: &Root, base: Option<&Listing>, observer: &Observer<'_>, late: &mut [Late]) {
    let reader = Reader::new(root);
    let look = |file: &mut Late, cores: Cores| {
        if observer.gauge.stopped() {
            return;
        }
        let seen = file.seen.take();
        file.outcome =
            look_late((&reader, base), observer, (file, seen), cores).unwrap_or_else(|error| match error.kind() {
                // Whatever has the name of a directory above by now, the file is not there.
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Outcome::Gone,
                _ => Outcome::Unreadable(ProblemKind::Unreadable, cause(&error)),
            });
    };
    let is_large = |file: &Late| file.bytes >= LATE_BYTES_MIN;
    late.par_iter_mut().filter(|file| !is_large(file)).for_each(|file| look(file, Cores::One));
    late.iter_mut().filter(|file| is_large(file)).for_each(|file| look(file, Cores::All));
}

fn look_late(
    (reader, base): (&Reader<'_>, Option<&Listing>),
    observer: &Observer<'_>,
    (file, seen): (&Late, Option<Seen>),
    cores: Cores,
) -> io::Result<Outcome> {
    let path = file.path.as_ref();
    let directory = reader.parent(path)?;
    let name = CString::new(path.name())?;
    let status = Status::at(&*directory, name.as_c_str())?;
    let before = base.and_then(|base| base.find(path).ok().map(|index| base.row(index)));
    let subject = Subject { directory: &directory, name: &name, path, before, grain_ns: file.grain_ns, cores };
    // What was opened is read only if it is what has the name now.
    let seen = seen.filter(|seen| seen.status == status);
    Ok(observer.observe(&subject, seen.unwrap_or_else(|| status.into())))
}
