//! Directories below one handle, opened one component at a time and kept open for a while. Owns the cache, and the
//! write permission that is lent to directories of ours that lack it. A symbolic link in any component is refused.
//!
//! Handles are `O_PATH`: they need no read permission. A cached handle goes on meaning the same directory when its
//! path does not, so whoever moves a directory says so with [`Directories::moved`] or [`Directories::forget`].

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags};

use super::status::Status;
use crate::model::{PathRef, RelPath};

/// Threads rarely meet in one of so many.
const SHARDS: usize = 8;
/// Handles a shard: 192 in all, well below the usual limit of 1024 open files.
const SHARD_HANDLES_MAX: usize = 24;
/// Set-group-id on a directory.
const SET_GROUP: u16 = 0o2000;
/// What is needed to change a directory.
const WRITE_AND_SEARCH: u16 = 0o300;

/// An opened directory.
#[derive(Debug)]
pub(super) struct Directory {
    handle: OwnedFd,
    /// Where the directory is set-group-id: the group that new entries take over.
    pub heirs: Option<u32>,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// The directories below one handle.
#[derive(Debug)]
pub(super) struct Directories {
    top: Arc<Directory>,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    /// Permission bits of directories that were made writable for the time of the run.
    lent: Mutex<HashMap<RelPath, u16>>,
}

#[derive(Debug, Default)]
struct Shard {
    tick: u64,
    held: HashMap<Box<[u8]>, Held>,
}

#[derive(Debug)]
struct Held {
    directory: Arc<Directory>,
    used: u64,
}

impl Directories {
    /// The directories below `top`.
    pub fn below(top: impl AsFd) -> io::Result<Directories> {
        let top = Arc::new(step(top.as_fd(), b".")?);
        let shards = std::array::from_fn(|_| Mutex::default());
        Ok(Directories { top, hasher: RandomState::new(), shards, lent: Mutex::default() })
    }

    /// Opens an existing directory.
    pub fn open(&self, path: PathRef<'_>) -> io::Result<Arc<Directory>> {
        let mut at = path;
        let mut directory = loop {
            match at.parent() {
                None => break Arc::clone(&self.top),
                Some(parent) => match self.held(at) {
                    Some(directory) => break directory,
                    None => at = parent,
                },
            }
        };
        let mut end = at.as_bytes().len();
        while end < path.as_bytes().len() {
            let above = PathRef::trusted(&path.as_bytes()[..end]);
            let from = if end == 0 { 0 } else { end + 1 };
            end = path.as_bytes()[from..].iter().position(|&b| b == b'/').map_or(path.as_bytes().len(), |n| from + n);
            let name = &path.as_bytes()[from..end];
            let opened = self.with_permission(above, &directory, || step(directory.as_fd(), name))?;
            directory = Arc::new(opened);
            self.hold(PathRef::trusted(&path.as_bytes()[..end]), &directory);
        }
        Ok(directory)
    }

    /// Does something in a directory; where that is refused for lack of permission on a directory of ours, lends the
    /// permission and tries once more.
    pub fn with_permission<T>(
        &self,
        path: PathRef<'_>,
        directory: &Directory,
        mut act: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        match act() {
            Err(error) if is_refusal(&error) && self.lend(path, directory) => act(),
            done => done,
        }
    }

    /// Makes a directory writable until [`Directories::restore`]. False where that changes nothing.
    pub fn lend(&self, path: PathRef<'_>, directory: &Directory) -> bool {
        let Ok(status) = Status::of(directory) else { return false };
        if status.mode & WRITE_AND_SEARCH == WRITE_AND_SEARCH {
            return false;
        }
        let lent = change_mode(directory.as_fd(), status.mode | 0o700).is_ok();
        if lent {
            lock(&self.lent).entry(path.to_owned()).or_insert(status.mode);
        }
        lent
    }

    /// The directory has its final permission bits now.
    pub fn settled(&self, path: &RelPath) {
        lock(&self.lent).remove(path);
    }

    /// Takes back all that was lent, the deepest first: a directory above may be needed to reach those below.
    pub fn restore(&self) {
        let mut lent: Vec<_> = lock(&self.lent).drain().collect();
        lent.sort_by(|left, right| right.cmp(left));
        for (path, mode) in lent {
            if let Ok(directory) = self.open(path.as_ref()) {
                let _gone_or_not_ours = change_mode(directory.as_fd(), mode);
            }
        }
    }

    /// Removes a directory and those above it as far as they are empty.
    pub fn remove_empty(&self, path: PathRef<'_>) {
        let mut path = path;
        while let Some(parent) = path.parent() {
            let removed = self.open(parent).map(|parent| fs::unlinkat(&*parent, path.name(), AtFlags::REMOVEDIR));
            if !matches!(removed, Ok(Ok(()))) {
                return;
            }
            self.forget(path);
            path = parent;
        }
    }

    /// A directory is no longer at `path`.
    pub fn forget(&self, path: PathRef<'_>) {
        self.drop_handles(path);
        lock(&self.lent).retain(|lent, _| lent.as_ref() != path && !lent.as_ref().is_below(path));
    }

    /// A directory moved from one path to another.
    pub fn moved(&self, from: PathRef<'_>, to: PathRef<'_>) {
        self.drop_handles(from);
        self.drop_handles(to);
        let mut lent = lock(&self.lent);
        let below: Vec<RelPath> =
            lent.keys().filter(|path| path.as_ref() == from || path.as_ref().is_below(from)).cloned().collect();
        for old in below {
            let bytes = [to.as_bytes(), &old.as_bytes()[from.as_bytes().len()..]].concat();
            if let (Some(mode), Ok(new)) = (lent.remove(&old), RelPath::new(&bytes)) {
                lent.insert(new, mode);
            }
        }
    }

    fn drop_handles(&self, path: PathRef<'_>) {
        for shard in &self.shards {
            lock(shard).held.retain(|held, _| {
                let held = PathRef::trusted(held);
                held != path && !held.is_below(path)
            });
        }
    }

    fn shard(&self, path: PathRef<'_>) -> MutexGuard<'_, Shard> {
        lock(&self.shards[(self.hasher.hash_one(path) as usize) % SHARDS])
    }

    fn held(&self, path: PathRef<'_>) -> Option<Arc<Directory>> {
        let mut shard = self.shard(path);
        shard.tick += 1;
        let tick = shard.tick;
        let held = shard.held.get_mut(path.as_bytes())?;
        held.used = tick;
        Some(Arc::clone(&held.directory))
    }

    fn hold(&self, path: PathRef<'_>, directory: &Arc<Directory>) {
        let mut shard = self.shard(path);
        if shard.held.len() >= SHARD_HANDLES_MAX {
            let oldest = shard.held.iter().min_by_key(|(_, held)| held.used).map(|(path, _)| path.clone());
            oldest.and_then(|path| shard.held.remove(&path));
        }
        shard.tick += 1;
        let held = Held { directory: Arc::clone(directory), used: shard.tick };
        shard.held.insert(path.as_bytes().into(), held);
    }
}

/// What was lent comes back also where a job fails.
impl Drop for Directories {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Sets the permission bits of whatever an `O_PATH` handle stands for.
pub(super) fn change_mode(handle: BorrowedFd<'_>, mode: u16) -> io::Result<()> {
    Ok(fs::chmodat(CWD, by_proc(handle), Mode::from_bits_retain(u32::from(mode)), AtFlags::empty())?)
}

/// The path under which the kernel gives access to what a handle stands for, itself and not what a link names.
pub(super) fn by_proc(handle: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", handle.as_raw_fd())
}

/// A lock whose holder panicked still guards a map that is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether permission was lacking.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

fn step(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<Directory> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = fs::openat(parent, name, flags, Mode::empty())?;
    let status = Status::of(&handle)?;
    Ok(Directory { handle, heirs: (status.mode & SET_GROUP != 0).then_some(status.gid) })
}

/// How many names are tried where one is taken.
pub(super) const ATTEMPTS_MAX: u32 = 40;
/// So many are numbered. Further ones are random, so that the thousandth version costs no thousand attempts.
const NUMBERED_MAX: u32 = 8;

/// `name`, or from the second attempt on `name.~1`, `name.~2`, cut so that it stays a legal name.
pub(super) fn other_name(name: &[u8], attempt: u32) -> std::borrow::Cow<'_, [u8]> {
    let suffix = match attempt {
        0 => return name.into(),
        1..=NUMBERED_MAX => format!(".~{attempt}"),
        _ => format!(".~{:08x}", random() as u32),
    };
    let stem = &name[..name.len().min(crate::model::path::NAME_BYTES_MAX - suffix.len())];
    [stem, suffix.as_bytes()].concat().into()
}

/// Random enough for a name, from the seed that the standard library takes from the system.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
