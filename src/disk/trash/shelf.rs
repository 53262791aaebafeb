//! What is in the trash of a root: every entry with the path that it had, and when it went. Reads the names and the
//! records; changes nothing, and needs no lock. Start at [`look`].

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::record::Known;
use crate::disk::control;
use crate::disk::directories::Directories;
use crate::disk::remove;
use crate::disk::root::{Root, open_directory};
use crate::disk::status::Status;
use crate::model::{Kind, PathRef, Problem, ProblemKind, RelPath, Time};

/// What a trash holds.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Every entry, of the oldest run first, in tree order of where it lies.
    pub things: Vec<Thrown>,
    /// What in the trash could not be read.
    pub problems: Vec<Problem>,
}

/// An entry in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thrown {
    /// The run that put it there: names sort as the runs began.
    pub run: Arc<str>,
    /// When that run began, in seconds since 1970.
    pub at: u64,
    /// The path that it had in the root.
    pub path: RelPath,
    /// Its kind.
    pub kind: Kind,
    /// The size of a regular file; else 0.
    pub bytes: u64,
    /// Its modification time.
    pub mtime: Time,
    /// Among entries of one run and one path, the greater is the later.
    pub order: (Time, u64),
    /// The path that it has below the run's directory.
    pub(super) place: RelPath,
    /// The permission bits that it had, where they are known to be other than they are now.
    pub(super) mode: Option<u16>,
    /// It lies in a directory that went as a whole.
    pub(super) within: bool,
}

/// A directory that waits to be listed.
struct Waiting {
    place: RelPath,
    /// Where its entries were, unless they are recorded.
    path: RelPath,
    /// Whether it went as a whole.
    thing: bool,
}

/// Lists the trash of a root; one that has none holds nothing.
pub fn look(root: &Root) -> io::Result<Shelf> {
    let mut shelf = Shelf::default();
    let Some(trash) = open(root)? else { return Ok(shelf) };
    for run in runs(&trash)? {
        shelf.look_into(&trash, &run)?;
    }
    Ok(shelf)
}

/// Whether there is a trash.
pub fn is_there(root: &Root) -> bool {
    !matches!(open(root), Ok(None))
}

/// The directory that holds the runs.
pub(super) fn open(root: &Root) -> io::Result<Option<OwnedFd>> {
    let below = |parent: &OwnedFd, name: &str| match open_directory(parent, name.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    };
    match below(root.handle(), control::NAME)? {
        Some(control) => below(&control, control::TRASH),
        None => Ok(None),
    }
}

/// The names of the runs, the oldest first.
pub(super) fn runs(trash: &OwnedFd) -> io::Result<Vec<String>> {
    let named = remove::names(trash)?.into_iter().filter_map(|name| String::from_utf8(name).ok());
    let mut runs: Vec<String> = named.filter(|name| super::began(name).is_some()).collect();
    runs.sort();
    Ok(runs)
}

impl Shelf {
    /// Adds what one run put there.
    pub(super) fn look_into(&mut self, trash: &OwnedFd, run: &str) -> io::Result<()> {
        let known = Known::read(trash, run)?;
        let handle = match open_directory(trash, run.as_bytes()) {
            // Another process may remove it just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            handle => handle?,
        };
        let directories = Directories::below(&handle)?;
        let (run, first): (Arc<str>, usize) = (run.into(), self.things.len());
        let mut waiting = vec![Waiting { place: RelPath::default(), path: RelPath::default(), thing: false }];
        while let Some(next) = waiting.pop() {
            let listed = list(&directories, &handle, next.place.as_ref());
            let listed = listed.and_then(|listed| self.take(&run, &known, &next, &listed));
            match listed {
                Ok(below) => waiting.extend(below),
                Err(error) => self.unreadable(&run, &next, &error),
            }
        }
        self.things[first..].sort_by(|left, right| left.place.cmp(&right.place));
        Ok(())
    }

    /// Takes the entries of one directory; returns the directories among them.
    fn take(&mut self, run: &Arc<str>, known: &Known, of: &Waiting, listed: &OwnedFd) -> io::Result<Vec<Waiting>> {
        let mut names = remove::names(listed)?;
        names.sort();
        let mut below = Vec::new();
        for name in names {
            let status = Status::at(listed, &*name)?;
            // A path that is longer than any that was in a root is nothing of ours.
            let Ok(place) = of.place.join(&name) else { continue };
            let line = known.of(place.as_ref(), status.stamp.inode);
            let path = line.map_or_else(|| of.path.join(&name), |line| Ok(line.path.clone()));
            let Ok(path) = path else { continue };
            let is_directory = status.kind == Kind::Directory;
            let thing = !is_directory || of.thing || line.is_some();
            if thing {
                let mode = line.map(|line| line.mode).filter(|&mode| mode != status.mode && is_directory);
                self.things.push(Thrown {
                    run: Arc::clone(run),
                    at: super::began(run).unwrap_or_default(),
                    path: path.clone(),
                    kind: status.kind,
                    bytes: status.stamp.size,
                    mtime: status.stamp.mtime,
                    order: (status.stamp.ctime, status.stamp.inode),
                    place: place.clone(),
                    mode,
                    within: of.thing,
                });
            }
            if is_directory {
                below.push(Waiting { place, path, thing });
            }
        }
        Ok(below)
    }

    fn unreadable(&mut self, run: &str, of: &Waiting, error: &io::Error) {
        let cause = format!("cannot be read in the trash of {run}: {}", crate::disk::place::cause(error));
        self.problems.push(Problem { path: of.path.clone(), kind: ProblemKind::Unreadable, cause });
    }
}

fn list(directories: &Directories, top: &OwnedFd, place: PathRef<'_>) -> io::Result<OwnedFd> {
    match place.parent() {
        None => open_directory(top, b"."),
        Some(parent) => open_directory(&*directories.open(parent)?, place.name()),
    }
}
