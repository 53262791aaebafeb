//! The kernel's watches of a root's directories, and which directory each is of. Owns how a directory comes to be watched:
//! through handles, never by a path of several parts.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::super::control;
use super::super::handles::open_below;
use super::super::names::Names;
use super::super::root::Root;
use crate::model::{PathRef, RelPath};

/// What is heard of. Opening and reading is not: our own would be endless.
const MASK: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::EXCL_UNLINK);

/// How deep new directories are watched: a deeper one is found by the next scan.
const DEPTH_MAX: usize = 256;

/// The system lets no more be watched; [`Watches::blind`] says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

/// The watches of a root.
#[derive(Debug)]
pub(super) struct Watches {
    queue: Arc<OwnedFd>,
    root: Root,
    paths: HashMap<i32, RelPath>,
    /// In tree order, so that a directory and all below it are neighbours.
    numbers: BTreeMap<RelPath, i32>,
    /// Why not all directories are watched.
    blind: Option<String>,
}

impl Watches {
    /// No watches yet.
    pub fn new(root: Root) -> io::Result<Watches> {
        let queue = Arc::new(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?);
        Ok(Watches { queue, root, paths: HashMap::new(), numbers: BTreeMap::new(), blind: None })
    }

    /// Where events are read.
    pub fn queue(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.queue)
    }

    /// Number of watched directories.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Why not all directories are watched; `None` where they are.
    pub fn blind(&self) -> Option<&str> {
        self.blind.as_deref()
    }

    /// The directory of a watch.
    pub fn path(&self, number: i32) -> Option<&RelPath> {
        self.paths.get(&number)
    }

    /// Watches a directory that is not watched yet; whether it is from now on. An error where the system refuses.
    pub fn add(&mut self, path: &RelPath) -> Result<bool, Refused> {
        if self.numbers.contains_key(path) {
            return Ok(false);
        }
        match open_below(&self.root, path.as_ref()) {
            Ok(directory) => self.watch(&directory, path),
            // It is gone, or the next scan names it.
            Err(_) => Ok(false),
        }
    }

    /// All directories are watched that are known of.
    pub fn see(&mut self) {
        self.blind = None;
    }

    /// Watches a directory and all directories below it; gives those that were not watched before.
    pub fn add_below(&mut self, path: &RelPath) -> Vec<RelPath> {
        let mut added = Vec::new();
        let mut left: Vec<RelPath> = vec![path.clone()];
        let mut names = Names::default();
        while let Some(path) = left.pop() {
            // What cannot be opened is gone, or the next scan names it.
            let Ok(directory) = open_below(&self.root, path.as_ref()) else { continue };
            if self.watch(&directory, &path) == Ok(true) {
                added.push(path.clone());
            }
            if self.blind.is_some() || path.as_ref().depth() >= DEPTH_MAX || names.read(&directory).is_err() {
                continue;
            }
            for at in 0..names.len() {
                if matches!(names.file_type(at), FileType::Directory | FileType::Unknown) {
                    let below = path.join(names.at(at).to_bytes()).ok();
                    left.extend(below.filter(|below| !is_own(below.as_ref())));
                }
            }
        }
        added
    }

    /// A directory is gone from its path: so are the watches at and below it.
    pub fn remove_below(&mut self, path: &RelPath) {
        let from = self.numbers.range(path.clone()..);
        let gone = from.take_while(|(at, _)| *at == path || at.as_ref().is_below(path.as_ref()));
        for (path, number) in gone.map(|(path, number)| (path.clone(), *number)).collect::<Vec<_>>() {
            self.forget(number);
            self.numbers.remove(&path);
            // Gone with its directory, as a rule.
            let _ = inotify::remove_watch(&self.queue, number);
        }
    }

    /// The kernel has given a watch up.
    pub fn forget(&mut self, number: i32) {
        if let Some(path) = self.paths.remove(&number)
            && self.numbers.get(&path) == Some(&number)
        {
            self.numbers.remove(&path);
        }
    }

    fn watch(&mut self, directory: &OwnedFd, path: &RelPath) -> Result<bool, Refused> {
        // The kernel takes names alone: this one is the handle's.
        let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
        match inotify::add_watch(&self.queue, name, MASK) {
            Ok(number) => {
                let before = self.paths.insert(number, path.clone());
                if let Some(before) = before.as_ref().filter(|before| *before != path) {
                    self.numbers.remove(before);
                }
                Ok(self.numbers.insert(path.clone(), number) != Some(number))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => {
                let why = match error {
                    Errno::NOSPC => "the system allows no more watches (fs.inotify.max_user_watches)".to_owned(),
                    error => io::Error::from(error).to_string(),
                };
                self.blind = Some(why);
                Err(Refused)
            }
        }
    }
}

/// Whether a directory is the replica's own.
fn is_own(path: PathRef<'_>) -> bool {
    path.name() == control::NAME.as_bytes()
}
