//! Where replaced and deleted things wait when no trash is wanted: in staging, until the run ends. Owns the check that
//! nobody wrote to them after all; what somebody wrote to goes to the trash.
//!
//! The name of a waiting thing says what it was: `<number>-<inode>-<size>-<seconds>-<nanoseconds>`, so that the next run
//! can tell what a killed one left here: something replaced, something staged that had not been exchanged yet (another
//! inode), or something that was written to.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{self, AtFlags};
use rustix::io::Errno;

use super::control;
use super::directories::{Directories, Directory, change_mode, lock};
use super::place::swap::{self, Leaf};
use super::remove;
use super::root::open_directory;
use super::status::Status;
use super::trash::{Leaving, Rest, Trash};
use crate::model::{Kind, PathRef, Problem, ProblemKind, RelPath, Stamp, Time};

/// A file's room is freed beside the run from this size on: tmpfs frees a gigabyte in a tenth of a second.
const FREED_BESIDE_BYTES_MIN: u64 = 16 << 20;

/// The directory in staging.
const NAME: &str = "replaced";

/// What tells whether a file was written to. The change time is not in it: our own renames move that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    inode: u64,
    size: u64,
    mtime: Time,
}

/// The things that wait for their removal.
#[derive(Debug)]
pub(super) struct Discard {
    handle: OwnedFd,
    top: Arc<Directory>,
    next: AtomicU64,
    /// What each number was.
    paths: Mutex<HashMap<u64, RelPath>>,
    /// What is known of the files below directories that wait as a whole.
    within: Mutex<HashMap<RelPath, Known>>,
}

impl Discard {
    /// Below the staging directory.
    pub fn new(staging: &OwnedFd) -> io::Result<Discard> {
        let handle = control::open_private(staging, NAME)?;
        let top = Directories::below(&handle)?.open(PathRef::ROOT)?;
        Ok(Discard { handle, top, next: AtomicU64::new(0), paths: Mutex::default(), within: Mutex::default() })
    }

    /// Where what is at `path` goes.
    pub fn rest(&self, path: PathRef<'_>, before: &Stamp) -> Rest {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.paths).insert(number, path.to_owned());
        Rest::new(Arc::clone(&self.top), Known::from(before).name(number).as_bytes())
    }

    /// A file below a directory that goes as a whole: if it still is like this at the end, it may be removed.
    pub fn expect(&self, path: &RelPath, before: &Stamp) {
        lock(&self.within).insert(path.clone(), Known::from(before));
    }

    /// Removes what waits; moves to the trash, and names, what was written to since it was scanned.
    pub fn finish(&self, trash: &Trash) -> io::Result<Vec<Problem>> {
        let (paths, within) = (lock(&self.paths), lock(&self.within));
        let (kept, below) = (Vec::new(), VecDeque::new());
        let mut emptying = Emptying { top: &self.handle, trash, within: &within, kept, below, raised: 0 };
        for (name, _) in remove::entries(&self.handle)? {
            let Some((number, known)) = Known::parse(&name) else { continue };
            if let Some(path) = paths.get(&number) {
                emptying.remove(&self.handle, &name, path, Some(known))?;
            }
        }
        emptying.descend()
    }
}

/// Deals with what a run that was killed left waiting: what may hold somebody's write goes to the trash.
pub(super) fn recover(staging: &OwnedFd, trash: &Trash) -> io::Result<()> {
    let waiting = match open_directory(staging, NAME.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        waiting => waiting?,
    };
    for (name, _) in remove::entries(&waiting)? {
        let status = Status::at(&waiting, &*name)?;
        let Some((number, known)) = Known::parse(&name) else { continue };
        let changed = status.stamp.inode == known.inode && Known::from(&status.stamp) != known;
        if changed || status.kind == Kind::Directory && status.stamp.inode == known.inode {
            let path = RelPath::new(format!("recovered-{number}").as_bytes()).expect("a legal name");
            keep(&waiting, &name, &path, trash)?;
        }
    }
    Ok(())
}

/// Removes trees one directory at a time: what is below is moved up first, so that depth costs no handles.
struct Emptying<'a> {
    top: &'a OwnedFd,
    trash: &'a Trash,
    within: &'a HashMap<RelPath, Known>,
    kept: Vec<Problem>,
    below: VecDeque<(Vec<u8>, RelPath)>,
    raised: u64,
}

impl Emptying<'_> {
    fn remove(&mut self, parent: &OwnedFd, name: &[u8], path: &RelPath, known: Option<Known>) -> io::Result<()> {
        let status = Status::at(parent, name)?;
        if status.kind == Kind::Directory {
            return self.raise(parent, name, path, &status);
        }
        if known == Some(Known::from(&status.stamp)) {
            let held = (status.stamp.size >= FREED_BESIDE_BYTES_MIN).then(|| handle(parent, name).ok()).flatten();
            fs::unlinkat(parent, name, AtFlags::empty())?;
            if let Some(held) = held {
                free_beside(held);
            }
            return Ok(());
        }
        self.keep(parent, name, path)
    }

    fn keep(&mut self, parent: &OwnedFd, name: &[u8], path: &RelPath) -> io::Result<()> {
        keep(parent, name, path, self.trash)?;
        let cause = "changed since it was scanned: it is in the trash".into();
        self.kept.push(Problem { path: path.clone(), kind: ProblemKind::Unwritable, cause });
        Ok(())
    }

    fn raise(&mut self, parent: &OwnedFd, name: &[u8], path: &RelPath, status: &Status) -> io::Result<()> {
        let flags = fs::OFlags::PATH | fs::OFlags::NOFOLLOW | fs::OFlags::DIRECTORY | fs::OFlags::CLOEXEC;
        let handle = fs::openat(parent, name, flags, fs::Mode::empty())?;
        change_mode(handle.as_fd(), status.mode | 0o700)?;
        self.raised += 1;
        let up = format!("raised-{}", self.raised).into_bytes();
        swap::move_to_free(Leaf::new(parent.as_fd(), name), Leaf::new(self.top.as_fd(), &up))?;
        self.below.push_back((up, path.clone()));
        Ok(())
    }

    fn descend(mut self) -> io::Result<Vec<Problem>> {
        while let Some((name, path)) = self.below.pop_front() {
            let directory = open_directory(self.top, &name)?;
            for (child, _) in remove::entries(&directory)? {
                let below = path.join(&child).map_err(|error| io::Error::other(error.to_string()))?;
                let known = self.within.get(&below).copied();
                self.remove(&directory, &child, &below, known)?;
            }
            match fs::unlinkat(self.top, &*name, AtFlags::REMOVEDIR) {
                // Somebody works in it at this moment.
                Err(Errno::NOTEMPTY | Errno::EXIST) => self.keep(self.top, &name, &path)?,
                removed => removed?,
            }
        }
        Ok(self.kept)
    }
}

/// Holds what a name stands for, whatever becomes of the name.
fn handle(parent: &OwnedFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = fs::OFlags::PATH | fs::OFlags::NOFOLLOW | fs::OFlags::CLOEXEC;
    fs::openat(parent, name, flags, fs::Mode::empty())
}

/// The room of a file without a name is freed with its last handle: nobody waits for that.
fn free_beside(held: OwnedFd) {
    // Where no thread can be had it is freed here.
    let _beside = std::thread::Builder::new().spawn(move || drop(held));
}

fn keep(parent: &OwnedFd, name: &[u8], path: &RelPath, trash: &Trash) -> io::Result<()> {
    let leaving = Leaving::found(path.as_ref(), &Status::at(parent, name)?);
    let mut rest = trash.rest(&leaving)?;
    swap::move_to_rest(Leaf::new(parent.as_fd(), name), &mut rest)
}

impl Known {
    fn name(&self, number: u64) -> String {
        format!("{number}-{}-{}-{}-{}", self.inode, self.size, self.mtime.nanos, self.mtime.secs)
    }

    /// The seconds are last: they may be negative.
    fn parse(name: &[u8]) -> Option<(u64, Known)> {
        let mut parts = std::str::from_utf8(name).ok()?.splitn(5, '-');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (order, inode, size, nanos) = (number()?, number()?, number()?, number()?);
        let secs = parts.next()?.parse().ok()?;
        Some((order, Known { inode, size, mtime: Time { secs, nanos: u32::try_from(nanos).ok()? } }))
    }
}

impl From<&Stamp> for Known {
    fn from(stamp: &Stamp) -> Known {
        Known { inode: stamp.inode, size: stamp.size, mtime: stamp.mtime }
    }
}
