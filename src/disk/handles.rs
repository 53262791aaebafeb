//! Directory handles: how a directory is reached from the root one component at a time, and how many may be open.
//! Never follows a link, never passes a path of several components to the kernel.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{self, Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::root::{Root, open_directory};
use crate::model::PathRef;

/// Handles that a walk may hold where the limit cannot be known.
const BUDGET_MIN: usize = 64;

/// Raises the soft limit on open files to the hard one and returns it. A deep tree needs a handle a level.
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _kept_where_refused = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

/// Opens the directory `path` below `root`; a symbolic link in any component is refused.
pub fn open_below(root: &Root, path: PathRef<'_>) -> io::Result<OwnedFd> {
    // A new open file of the root: a listing has its own position.
    let mut handle = open_again(root.handle())?;
    for name in path.components() {
        handle = open_directory(&handle, name)?;
    }
    Ok(handle)
}

/// Another handle of an opened directory, with a position of its own.
pub fn open_again(directory: impl AsFd) -> io::Result<OwnedFd> {
    Ok(fs::openat(directory, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// How many directories a walk holds open.
#[derive(Debug)]
pub(super) struct Budget {
    open: AtomicUsize,
    most: usize,
}

/// An opened directory that counts against a budget.
#[derive(Debug)]
pub(super) struct Held<'b> {
    handle: OwnedFd,
    budget: &'b Budget,
}

impl Budget {
    /// Half of what the process may open.
    pub fn new() -> Budget {
        Budget { open: AtomicUsize::new(0), most: (raise_limit() / 2).max(BUDGET_MIN) }
    }

    /// Whether waiting directories may keep their parent open.
    pub fn allows(&self) -> bool {
        self.open.load(Ordering::Relaxed) < self.most
    }

    /// Counts a handle until it is dropped.
    pub fn hold(&self, handle: OwnedFd) -> Held<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Held { handle, budget: self }
    }
}

impl Held<'_> {
    /// The handle.
    pub const fn handle(&self) -> &OwnedFd {
        &self.handle
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.open.fetch_sub(1, Ordering::Relaxed);
    }
}
