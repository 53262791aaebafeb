//! The trash of a run: `.alike/trash/<time>-<number>/<path>`, made when the first thing goes there. Owns the names in it,
//! and what is recorded so that everything can be restored; a run removes nothing here.
//!
//! ```text
//! .alike/trash/20261123T034500Z-07a12035/           a run: its time in UTC, then its microsecond and a random byte
//!                                       photos/     a container: made by us, 0700, for what was in `photos`
//!                                       photos/a    a thing, as it was: bytes, bits, times, attributes
//!                                       old/        a directory that went as a whole is a thing too
//! .alike/trash/20261123T034500Z-07a12035.record     says what the names do not (see `record`)
//! ```
//!
//! A thing whose name is taken gets another one, and what is in a directory that went as a whole is never mixed with what
//! came one by one: that comes to a container of another name. Both are recorded. Without its record a run can still be
//! restored: then a directory counts as a container, and every name as the one that the thing had.
//!
//! [`shelf`] lists what is there, [`restore`] brings things back, [`expire`] removes, `export` carries to `--backup-dir`,
//! [`recall`] finds bytes that are wanted again.

pub mod expire;
mod export;
pub mod recall;
mod record;
pub mod restore;
pub mod shelf;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{self, AtFlags, Mode};
use rustix::io::Errno;

use super::control;
use super::directories::{self, Directories, Directory, lock};
use super::place::swap::Leaf;
use super::status::Status;
use crate::model::date::Date;
use crate::model::plan::action::Before;
use crate::model::{Kind, PathRef, RelPath};
use record::{Line, Record};

/// What a thing takes on disk beside its bytes, rounded up.
const BLOCK_BYTES: u64 = 4096;

/// The trash of one run.
#[derive(Debug)]
pub(super) struct Trash {
    control: OwnedFd,
    run: Mutex<Option<Arc<Run>>>,
    /// What did not come after a place was made for it.
    vain: Mutex<Vec<RelPath>>,
}

#[derive(Debug)]
struct Run {
    name: String,
    directories: Directories,
    /// For directories of the root the containers that were made for them.
    containers: Mutex<HashMap<Box<[u8]>, RelPath>>,
    record: Mutex<Record>,
    /// An upper bound of what came.
    bytes: AtomicU64,
}

/// What leaves a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving<'a> {
    path: PathRef<'a>,
    kind: Kind,
    inode: u64,
    mode: u16,
    bytes: u64,
}

/// A place for something that leaves the root. Where its name is taken, [`Rest::other`] gives the next.
#[derive(Debug)]
pub(super) struct Rest {
    directory: Arc<Directory>,
    base: Vec<u8>,
    name: Vec<u8>,
    attempt: u32,
    recorded: Option<Recorded>,
}

/// What is to be recorded of a place.
#[derive(Debug)]
struct Recorded {
    run: Arc<Run>,
    container: RelPath,
    /// What may come to lie there, each with whether it is a directory.
    lines: Vec<(Line, bool)>,
}

impl<'a> Leaving<'a> {
    /// What a scan found at a path.
    pub fn scanned(path: PathRef<'a>, before: &Before) -> Leaving<'a> {
        let Before { kind, stamp, entry } = before;
        Leaving { path, kind: *kind, inode: stamp.inode, mode: entry.mode, bytes: stamp.size }
    }

    /// What is at a path now.
    pub fn found(path: PathRef<'a>, status: &Status) -> Leaving<'a> {
        let Status { kind, mode, stamp, .. } = *status;
        Leaving { path, kind, inode: stamp.inode, mode, bytes: stamp.size }
    }

    fn line(&self) -> (Line, bool) {
        let line = Line { inode: self.inode, mode: self.mode, path: self.path.to_owned() };
        (line, self.kind == Kind::Directory)
    }
}

impl Trash {
    /// A trash below `.alike`; nothing is made yet.
    pub fn new(control: OwnedFd) -> Trash {
        Trash { control, run: Mutex::default(), vain: Mutex::default() }
    }

    /// Where what leaves a path goes.
    pub fn rest(&self, leaving: &Leaving<'_>) -> io::Result<Rest> {
        let run = self.run()?;
        let parent = leaving.path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let container = run.container(parent)?;
        let directory = run.directories.open(container.as_ref())?;
        run.weigh(leaving.bytes);
        let recorded = Recorded { run, container, lines: vec![leaving.line()] };
        let rest = Rest { recorded: Some(recorded), ..Rest::new(directory, leaving.path.name()) };
        rest.record()?;
        Ok(rest)
    }

    /// Something of so many bytes comes with a directory above it.
    pub fn weigh_within(&self, bytes: u64) {
        if let Some(run) = &*lock(&self.run) {
            run.weigh(bytes);
        }
    }

    /// What is at `path` did not come.
    pub fn in_vain(&self, path: PathRef<'_>) {
        lock(&self.vain).push(path.to_owned());
    }

    /// Closes the trash of this run, and removes the containers that were made in vain. Not before the end: another
    /// thread may be about to use them.
    pub fn close(&self) -> io::Result<()> {
        let Some(run) = lock(&self.run).take() else { return Ok(()) };
        for path in lock(&self.vain).drain(..) {
            let parent = path.as_ref().parent().unwrap_or(PathRef::ROOT);
            if let Some(container) = lock(&run.containers).get(parent.as_bytes()) {
                run.directories.remove_empty(container.as_ref());
            }
        }
        let trash = control::open_private(&self.control, control::TRASH)?;
        let mut record = lock(&run.record);
        match fs::unlinkat(&trash, &run.name, AtFlags::REMOVEDIR) {
            Ok(()) => record.remove(),
            Err(_holds_something) => record.finish(run.bytes.load(Ordering::Relaxed))?,
        }
        Ok(())
    }

    /// The name of this run's trash, where anything went there.
    fn current(&self) -> Option<String> {
        lock(&self.run).as_ref().map(|run| run.name.clone())
    }

    /// An upper bound of what this run put there.
    fn weight(&self) -> u64 {
        lock(&self.run).as_ref().map_or(0, |run| run.bytes.load(Ordering::Relaxed))
    }

    fn run(&self) -> io::Result<Arc<Run>> {
        let mut run = lock(&self.run);
        if let Some(run) = &*run {
            return Ok(Arc::clone(run));
        }
        let trash = control::open_private(&self.control, control::TRASH)?;
        let name = new_name(SystemTime::now());
        let made = Arc::new(Run {
            directories: Directories::below(control::open_private(&trash, &name)?)?,
            containers: Mutex::default(),
            record: Mutex::new(Record::new(trash, &name)),
            bytes: AtomicU64::new(0),
            name,
        });
        *run = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl Run {
    fn weigh(&self, bytes: u64) {
        self.bytes.fetch_add(bytes.saturating_add(2 * BLOCK_BYTES), Ordering::Relaxed);
    }

    /// The container for what was in a directory of the root, made where it is missing.
    fn container(&self, path: PathRef<'_>) -> io::Result<RelPath> {
        let mut containers = lock(&self.containers);
        let mut missing = Vec::new();
        let mut at = path;
        let mut container = loop {
            match (at.parent(), containers.get(at.as_bytes())) {
                (None, _) => break RelPath::default(),
                (_, Some(container)) => break container.clone(),
                (Some(parent), None) => {
                    missing.push(at);
                    at = parent;
                }
            }
        };
        for path in missing.into_iter().rev() {
            container = self.make(&container, path.name())?;
            containers.insert(path.as_bytes().into(), container.clone());
        }
        Ok(container)
    }

    /// A directory that nothing is in yet: one that is there may have come as a whole.
    fn make(&self, parent: &RelPath, name: &[u8]) -> io::Result<RelPath> {
        let directory = self.directories.open(parent.as_ref())?;
        for attempt in 0..=directories::ATTEMPTS_MAX {
            let name = directories::other_name(name, attempt);
            match fs::mkdirat(&*directory, &*name, Mode::RWXU) {
                Ok(()) => return parent.join(&name).map_err(|_| Errno::NAMETOOLONG.into()),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }
}

impl Rest {
    /// A place in an opened directory.
    pub fn new(directory: Arc<Directory>, name: &[u8]) -> Rest {
        Rest { directory, base: name.into(), name: name.into(), attempt: 0, recorded: None }
    }

    /// The name.
    pub fn leaf(&self) -> Leaf<'_> {
        Leaf::new(self.directory.as_fd(), &self.name)
    }

    /// Takes another name: this one is taken. False when enough were tried, or what is there could not be recorded.
    pub fn other(&mut self) -> bool {
        self.attempt += 1;
        self.name = directories::other_name(&self.base, self.attempt).into_owned();
        self.attempt <= directories::ATTEMPTS_MAX && self.record().is_ok()
    }

    /// Something else waits under this name until it is exchanged with what leaves.
    pub fn lend(&mut self, waiting: &Leaving<'_>) -> io::Result<()> {
        if let Some(recorded) = &mut self.recorded {
            recorded.lines.push(waiting.line());
        }
        self.record()
    }

    /// Records what its name alone does not say.
    fn record(&self) -> io::Result<()> {
        let Some(Recorded { run, container, lines }) = &self.recorded else { return Ok(()) };
        let place = container.join(&self.name).map_err(|_| io::Error::from(Errno::NAMETOOLONG))?;
        for (line, directory) in lines {
            if *directory || line.path != place {
                lock(&run.record).note(place.as_ref(), line)?;
            }
        }
        Ok(())
    }
}

/// Names sort as the runs began, down to the microsecond.
fn new_name(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (micros, random) = (since.subsec_micros(), directories::random() & 0xff);
    format!("{}-{micros:05x}{random:02x}", Date::of_seconds(since.as_secs()).compact())
}

/// When a run began, in seconds since 1970, from its name; `None` where that is no name of ours.
fn began(name: &str) -> Option<u64> {
    let (date, number) = name.split_once('-')?;
    let ours = (6..=8).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    Date::parse(date).filter(|_| ours)?.seconds()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn names_of_runs_sort_as_time_does_and_say_it() {
        let at = |secs, micros: u32| new_name(UNIX_EPOCH + Duration::new(secs, micros * 1000));
        let names = [at(1_795_405_500, 0), at(1_795_405_500, 1), at(1_795_405_500, 999_999), at(1_795_405_501, 0)];
        assert!(names.is_sorted());
        assert!(names.iter().all(|name| began(name).is_some_and(|at| at / 2 == 1_795_405_500 / 2)));
        for other in ["", "20261123T034500Z", "20261123T034500Z-", "x-000000", "20261123T034500Z-00000.record"] {
            assert_eq!(began(other), None, "{other}");
        }
    }
}
