//! Bringing things back from the trash: each by one rename, so that it is in one place or the other at every instant.
//! What stands at its path goes to the trash by an exchange; a directory that stands where a directory belongs stays,
//! and takes what it lacks. Chooses nothing. Start at [`Restorer`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, Mode, OFlags};

use super::shelf::{self, Thrown};
use super::{Leaving, record};
use crate::disk::control;
use crate::disk::directories::{Directories, Directory, change_mode, is_refusal};
use crate::disk::metadata;
use crate::disk::place::{cause, swap};
use crate::disk::root::open_directory;
use crate::disk::status::Status;
use crate::disk::target::Target;
use crate::model::{Kind, PathRef, Problem, ProblemKind, RelPath};
use swap::Leaf;

/// Brings things back to a root. They are given in tree order of their paths, each path once.
pub struct Restorer<'t> {
    target: &'t Target,
    trash: Option<OwnedFd>,
    runs: HashMap<Arc<str>, Directories>,
    /// Directories that came back with all that was in them.
    whole: HashSet<(Arc<str>, RelPath)>,
    /// Directories of which only the contents came back: what stood there stayed.
    merged: BTreeSet<(Arc<str>, RelPath)>,
    /// Containers from which something was taken.
    left: BTreeSet<(Arc<str>, RelPath)>,
}

/// Where something lies in the trash, opened.
struct Lying<'a> {
    directories: &'a Directories,
    parent: Arc<Directory>,
    thing: &'a Thrown,
}

impl Lying<'_> {
    fn leaf(&self) -> Leaf<'_> {
        Leaf::new(self.parent.as_fd(), self.thing.place.as_ref().name())
    }

    fn container(&self) -> PathRef<'_> {
        self.thing.place.as_ref().parent().unwrap_or(PathRef::ROOT)
    }
}

impl<'t> Restorer<'t> {
    /// Restores into a target, which holds the lock.
    pub fn new(target: &'t Target) -> io::Result<Restorer<'t>> {
        Ok(Restorer {
            target,
            trash: shelf::open(target.root())?,
            runs: HashMap::new(),
            whole: HashSet::new(),
            merged: BTreeSet::new(),
            left: BTreeSet::new(),
        })
    }

    /// Brings one thing back.
    pub fn restore(&mut self, thing: &Thrown) -> Result<(), Problem> {
        let refuse = |cause: String| Problem { path: thing.path.clone(), kind: ProblemKind::Unwritable, cause };
        if thing.path.as_ref().components().next() == Some(control::NAME.as_bytes()) {
            return Err(refuse(format!("the name `{}` is reserved", control::NAME)));
        }
        if self.came_with_a_directory(thing) {
            return Ok(());
        }
        self.bring(thing).map_err(|error| refuse(cause(&error)))
    }

    /// Removes the directories of the trash that are empty now, and the runs.
    pub fn finish(self) -> io::Result<()> {
        let Some(trash) = &self.trash else { return Ok(()) };
        for (run, place) in self.merged.iter().rev() {
            if let (Some(directories), Some(parent)) = (self.runs.get(run), place.as_ref().parent()) {
                let parent = directories.open(parent)?;
                let _holds_something = fs::unlinkat(&*parent, place.as_ref().name(), AtFlags::REMOVEDIR);
            }
        }
        for (run, container) in self.left.iter().rev() {
            if let Some(directories) = self.runs.get(run) {
                directories.remove_empty(container.as_ref());
            }
        }
        for run in self.runs.keys() {
            if fs::unlinkat(trash, &**run, AtFlags::REMOVEDIR).is_ok() {
                let _there_may_be_none = fs::unlinkat(trash, record::name(run), AtFlags::empty());
            }
        }
        Ok(())
    }

    fn came_with_a_directory(&self, thing: &Thrown) -> bool {
        let mut above = thing.place.as_ref().parent();
        while let Some(place) = above {
            if self.whole.contains(&(Arc::clone(&thing.run), place.to_owned())) {
                return true;
            }
            above = place.parent();
        }
        false
    }

    fn bring(&mut self, thing: &Thrown) -> io::Result<()> {
        let parent = self.parent(thing)?;
        self.open_run(&thing.run)?;
        let directories = &self.runs[&thing.run];
        let container = thing.place.as_ref().parent().unwrap_or(PathRef::ROOT);
        let lying = Lying { directories, parent: directories.open(container)?, thing };
        let here = Leaf::new(parent.as_fd(), thing.path.as_ref().name());
        let now = lying.leaf().status()?;
        let key = (Arc::clone(&thing.run), thing.place.clone());
        let disturbed = Status::of(&*lying.parent)?;
        match here.status() {
            Ok(standing) if standing.kind == Kind::Directory && now.kind == Kind::Directory => {
                self.merged.insert(key);
                return Ok(());
            }
            Ok(standing) => self.exchange(&lying, here, &parent, &standing)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.moving(&lying, &parent, &|from| swap::move_to_free(from, here))?;
            }
            Err(error) => return Err(error),
        }
        if now.kind == Kind::Directory {
            settle(here, thing.mode.unwrap_or(now.mode))?;
            directories.forget(thing.place.as_ref());
            self.target.directories().forget(thing.path.as_ref());
            self.whole.insert(key);
        }
        if thing.within {
            // The directory that it was in is a thing itself, and keeps its time.
            metadata::set_mtime(lying.parent.as_fd(), disturbed.stamp.mtime)?;
        } else {
            let container = container.to_owned();
            self.left.insert((Arc::clone(&thing.run), container));
        }
        Ok(())
    }

    /// Swaps the thing with what stands at its path, which is in the trash then. The thing waits under the name that the
    /// other one gets: there is no instant, and no crash, after which one of them is nowhere.
    fn exchange(&self, lying: &Lying<'_>, here: Leaf<'_>, parent: &Directory, standing: &Status) -> io::Result<()> {
        let (trash, path) = (self.target.trash(), lying.thing.path.as_ref());
        let leaving = Leaving::found(path, standing);
        let mut rest = trash.rest(&leaving)?;
        let mut now = lying.leaf().status()?;
        now.mode = lying.thing.mode.unwrap_or(now.mode);
        rest.lend(&Leaving::found(path, &now))?;
        loop {
            let moved = self.moving(lying, parent, &|from| swap::move_to_free(from, rest.leaf()));
            match moved {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && rest.other() => {}
                moved => break moved?,
            }
        }
        let swapped = self.target.in_moving(path, standing.kind, parent, || swap::exchange(rest.leaf(), here));
        match swapped {
            Ok(Some(())) => Ok(()),
            Ok(None) => {
                let mut other = trash.rest(&leaving)?;
                self.target
                    .in_moving(path, standing.kind, parent, || swap::replace_plainly(rest.leaf(), here, &mut other))
            }
            Err(error) => {
                let _it_stays_in_the_trash_of_this_run = swap::move_to_free(rest.leaf(), lying.leaf());
                trash.in_vain(path);
                Err(error)
            }
        }
    }

    /// Moves a thing out of the trash; lends the permission that this needs, and only the owner can lend.
    fn moving(
        &self,
        lying: &Lying<'_>,
        parent: &Directory,
        act: &dyn Fn(Leaf<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = lying.thing.path.as_ref();
        let attempt = || {
            lying.directories.with_permission(lying.container(), &lying.parent, || {
                self.permitted(path, parent, || act(lying.leaf()))
            })
        };
        match attempt() {
            // A directory without write permission cannot be moved by its owner.
            Err(error) if is_refusal(&error) && lying.thing.kind == Kind::Directory => {
                let handle = open_path(lying.leaf())?;
                let mode = Status::of(&handle)?.mode;
                change_mode(handle.as_fd(), mode | 0o700)?;
                attempt()
            }
            done => done,
        }
    }

    fn permitted<T>(&self, path: PathRef<'_>, parent: &Directory, act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.target.directories().with_permission(path.parent().unwrap_or(PathRef::ROOT), parent, act)
    }

    /// The directory that a thing was in; made where it is missing.
    fn parent(&self, thing: &Thrown) -> io::Result<Arc<Directory>> {
        let path = thing.path.as_ref().parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let directories = self.target.directories();
        let mut missing = Vec::new();
        let mut at = path;
        let mut directory = loop {
            match directories.open(at) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    missing.push(at);
                    at = at.parent().ok_or(error)?;
                }
                opened => break opened?,
            }
        };
        for path in missing.into_iter().rev() {
            let mode = Mode::from_bits_retain(u32::from(0o777 & !metadata::umask()));
            let made = || Ok(fs::mkdirat(&*directory, path.name(), mode)?);
            directories.with_permission(path.parent().unwrap_or(PathRef::ROOT), &directory, made)?;
            directory = directories.open(path)?;
        }
        Ok(directory)
    }

    fn open_run(&mut self, run: &Arc<str>) -> io::Result<()> {
        if !self.runs.contains_key(run) {
            let trash = self.trash.as_ref().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            let directories = Directories::below(open_directory(trash, run.as_bytes())?)?;
            self.runs.insert(Arc::clone(run), directories);
        }
        Ok(())
    }
}

/// Gives a directory that came back the permission bits that it had.
fn settle(here: Leaf<'_>, mode: u16) -> io::Result<()> {
    if here.status()?.mode != mode {
        change_mode(open_path(here)?.as_fd(), mode)?;
    }
    Ok(())
}

fn open_path(leaf: Leaf<'_>) -> io::Result<OwnedFd> {
    let parent: BorrowedFd<'_> = leaf.directory;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(parent, leaf.name, flags, Mode::empty())?)
}
