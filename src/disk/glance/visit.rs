//! Visiting directories one by one: which names are looked at, and what changed among them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

use rayon::prelude::*;

use super::super::error::Error;
use super::super::grain::Grains;
use super::super::handles::open_below;
use super::super::hash::Cores;
use super::super::hidden::Hidden;
use super::super::names::Names;
use super::super::observe::{Observer, Outcome, Subject};
use super::super::root::Root;
use super::super::status::Status;
use super::super::walk::{LATE_BYTES_MIN, OWN};
use super::super::{found, rules};
use super::GlanceOptions;
use super::splice::Change;
use crate::model::listing::FLAG_INCOMPLETE;
use crate::model::path::{PATH_BYTES_MAX, check_name};
use crate::model::{Kind, Listing, PathRef, Problem, ProblemKind, RelPath};

/// The visits of one glance.
pub(super) struct Visits<'a> {
    root: &'a Root,
    base: &'a Listing,
    observer: &'a Observer<'a>,
    options: GlanceOptions<'a>,
    hidden: Hidden<'a>,
    grains: Grains,
    /// Directories to visit; true where all below them is to be visited as well.
    left: BTreeMap<RelPath, bool>,
    /// Only a scan can tell.
    whole: bool,
    found: Seen,
}

/// What the visits brought.
#[derive(Default)]
pub(super) struct Seen {
    pub changes: BTreeMap<RelPath, Change>,
    pub seen: BTreeSet<RelPath>,
    pub again: BTreeSet<RelPath>,
    pub problems: Vec<Problem>,
}

/// A name that has to be looked at closely.
struct Candidate {
    path: RelPath,
    name: CString,
    status: Status,
    /// Its row in the base.
    before: Option<usize>,
}

impl<'a> Visits<'a> {
    pub fn new(root: &'a Root, base: &'a Listing, observer: &'a Observer<'a>, options: GlanceOptions<'a>) -> Self {
        let hidden = Hidden::new(root, options.filter);
        let (grains, left, found) = (Grains::default(), BTreeMap::new(), Seen::default());
        Visits { root, base, observer, options, hidden, grains, left, whole: false, found }
    }

    pub fn finish(self) -> Seen {
        self.found
    }

    /// Visits the directories, each at the nearest one that is listed; false where only a scan can tell.
    pub fn run(&mut self, directories: &BTreeSet<RelPath>) -> Result<bool, Error> {
        for path in directories {
            let listed = self.listed(path.as_ref());
            self.left.entry(listed).or_insert(false);
        }
        while let Some((path, deep)) = self.left.pop_first() {
            if self.whole || self.observer.gauge.stopped() {
                break;
            }
            if self.found.seen.insert(path.clone()) || deep {
                self.visit(&path, deep)?;
            }
        }
        Ok(!self.whole)
    }

    /// The nearest directory at or above a path that the base lists: one that is left out has none of its own.
    fn listed(&self, path: PathRef<'_>) -> RelPath {
        let mut path = path;
        while let Some(parent) = path.parent() {
            let row = self.base.find(path).ok().map(|at| self.base.row(at));
            if row.is_some_and(|row| row.kind() == Kind::Directory) {
                break;
            }
            path = parent;
        }
        path.to_owned()
    }

    fn visit(&mut self, path: &RelPath, deep: bool) -> Result<(), Error> {
        let directory = match open_below(self.root, path.as_ref()) {
            Ok(directory) => directory,
            Err(error) if path.as_ref().is_root() => {
                return Err(Error::Open { path: self.root.path().into(), source: error });
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                // Its parent tells what became of it.
                let parent = path.as_ref().parent().unwrap_or(PathRef::ROOT);
                self.left.entry(self.listed(parent)).or_insert(false);
                return Ok(());
            }
            Err(_) => {
                self.whole = true;
                return Ok(());
            }
        };
        let mut names = Names::default();
        let (Ok(()), Ok(status)) = (names.read(&directory), Status::of(&directory)) else {
            self.whole = true;
            return Ok(());
        };
        let grain_ns = self.grains.of(status.device, &directory);
        self.own_row(path, status, grain_ns);
        let candidates = self.children(path, (&directory, &names), deep);
        if !self.whole {
            self.observe(path, (&directory, grain_ns), candidates);
        }
        Ok(())
    }

    /// The row of the directory itself: its time moves with each child.
    fn own_row(&mut self, path: &RelPath, status: Status, grain_ns: i64) {
        let (Ok(at), Some(parent)) = (self.base.find(path.as_ref()), path.as_ref().parent()) else { return };
        if self.observer.keeps(self.base.row(at), &status) || self.found.changes.contains_key(path) {
            return;
        }
        let (Ok(parent), Ok(name)) = (open_below(self.root, parent), CString::new(path.as_ref().name())) else {
            return;
        };
        let candidate = Candidate { path: path.clone(), name, status, before: Some(at) };
        if let Outcome::Row(observed) = self.looking().look(&candidate, (&parent, grain_ns))
            && observed.entry.kind == Kind::Directory
            && !observed.equals(self.base.row(at))
        {
            self.found.changes.insert(path.clone(), Change::Row(observed));
        }
    }

    /// Lines up the names with the rows of the base; what needs a closer look comes back.
    fn children(&mut self, path: &RelPath, (directory, names): (&OwnedFd, &Names), deep: bool) -> Vec<Candidate> {
        let mut known = self.known(path);
        let mut candidates = Vec::new();
        for at in 0..names.len() {
            let name = names.at(at);
            let Some(child) = self.child(path, name.to_bytes()) else { return Vec::new() };
            let before = known.get(name.to_bytes()).copied();
            let Some(status) = self.visible(path, &child, Status::at(directory, name)) else {
                if self.whole {
                    return Vec::new();
                }
                continue;
            };
            known.remove(name.to_bytes());
            self.enter(&child, (&status, before), deep);
            let row = before.map(|at| self.base.row(at));
            if row.is_some_and(|row| self.observer.keeps(row, &status)) {
                continue;
            }
            if child.as_ref().name() == rules::NAME {
                self.whole = true;
            } else if status.kind == Kind::File && self.observer.is_younger(&status, self.options.quiet_ns) {
                self.found.again.insert(child);
            } else {
                candidates.push(Candidate { path: child, name: name.to_owned(), status, before });
            }
        }
        for (_, at) in known {
            let row = self.base.row(at);
            self.whole |= row.path().name() == rules::NAME || is_linked(self.base, at);
            self.found.changes.insert(row.path().to_owned(), Change::Gone);
        }
        candidates
    }

    /// The children of a directory in the base, by name.
    fn known(&self, path: &RelPath) -> HashMap<&'a [u8], usize> {
        self.base.children(path.as_ref()).map(|(at, row)| (row.path().name(), at)).collect()
    }

    fn child(&mut self, path: &RelPath, name: &[u8]) -> Option<RelPath> {
        let fits = check_name(name).is_ok() && path.as_bytes().len() + 1 + name.len() <= PATH_BYTES_MAX;
        self.whole |= !fits;
        path.join(name).ok().filter(|_| fits)
    }

    /// What stat said of a name that is not left out.
    fn visible(&mut self, path: &RelPath, child: &RelPath, status: io::Result<Status>) -> Option<Status> {
        let status = match status {
            Ok(status) => status,
            Err(error) => {
                // Gone since it was listed; anything else the scan shall name.
                self.whole |= error.kind() != io::ErrorKind::NotFound;
                return None;
            }
        };
        if status.kind == Kind::Directory && child.as_ref().name() == OWN {
            // Whether a deeper one holds a state, the scan asks.
            self.whole |= !path.as_ref().is_root();
            self.incomplete(path);
            return None;
        }
        if self.hidden.hides(child.as_ref(), status.kind) {
            self.incomplete(path);
            return None;
        }
        self.whole |= status.kind == Kind::File && status.names > 1;
        Some(status)
    }

    /// A directory that is new, or another one than it was, is visited with all below it.
    fn enter(&mut self, child: &RelPath, (status, before): (&Status, Option<usize>), deep: bool) {
        self.whole |= before.is_some_and(|at| is_linked(self.base, at));
        if status.kind != Kind::Directory {
            return;
        }
        let row = before.map(|at| self.base.row(at)).filter(|row| row.kind() == Kind::Directory);
        if deep || row.is_none_or(|row| row.stamp().inode != status.stamp.inode) {
            self.left.insert(child.clone(), true);
        }
    }

    /// A directory holds something that the listing does not: so do those above it.
    fn incomplete(&mut self, path: &RelPath) {
        let mut above = Some(path.as_ref()).filter(|path| !path.is_root());
        while let Some(path) = above {
            let row = self.base.find(path).ok().map(|at| self.base.row(at));
            if row.is_some_and(|row| row.flags() & FLAG_INCOMPLETE != 0) {
                break;
            }
            match self.found.changes.entry(path.to_owned()).or_insert(Change::Incomplete) {
                Change::Row(observed) => observed.flags |= FLAG_INCOMPLETE,
                Change::Gone | Change::Incomplete | Change::Came(_) => {}
            }
            above = path.parent().filter(|path| !path.is_root());
        }
    }

    const fn looking(&self) -> Looking<'a> {
        Looking { base: self.base, observer: self.observer }
    }

    fn observe(&mut self, path: &RelPath, place: (&OwnedFd, i64), candidates: Vec<Candidate>) {
        let looking = self.looking();
        let outcomes: Vec<Outcome> = if candidates.len() < 2 {
            candidates.iter().map(|candidate| looking.look(candidate, place)).collect()
        } else {
            candidates.par_iter().map(|candidate| looking.look(candidate, place)).collect()
        };
        for (candidate, outcome) in candidates.into_iter().zip(outcomes) {
            let before = candidate.before.map(|at| self.base.row(at));
            match outcome {
                Outcome::Row(observed) if before.is_some_and(|row| observed.equals(row)) => {}
                Outcome::Row(observed) => drop(self.found.changes.insert(candidate.path, Change::Row(observed))),
                Outcome::Gone if before.is_none() => {}
                Outcome::Gone => drop(self.found.changes.insert(candidate.path, Change::Gone)),
                // Somebody writes it: what it was before stands.
                Outcome::Unreadable(ProblemKind::Changed, _) => drop(self.found.again.insert(candidate.path)),
                Outcome::Unreadable(kind, cause) => {
                    self.incomplete(path);
                    self.found.problems.push(Problem { path: candidate.path.clone(), kind, cause });
                    self.found.changes.insert(candidate.path, Change::Row(found::unreadable_row(kind)));
                }
            }
        }
    }
}

/// A closer look, by any thread.
#[derive(Clone, Copy)]
struct Looking<'a> {
    base: &'a Listing,
    observer: &'a Observer<'a>,
}

impl Looking<'_> {
    fn look(&self, candidate: &Candidate, (directory, grain_ns): (&OwnedFd, i64)) -> Outcome {
        let Candidate { path, name, status, before } = candidate;
        let large = status.kind == Kind::File && status.stamp.size >= LATE_BYTES_MIN;
        let subject = Subject {
            directory,
            name,
            path: path.as_ref(),
            before: before.map(|at| self.base.row(at)),
            grain_ns,
            cores: if large { Cores::All } else { Cores::One },
        };
        self.observer.observe(&subject, (*status).into())
    }
}

/// Whether a row is one of several names of a file.
pub(super) fn is_linked(base: &Listing, at: usize) -> bool {
    let row = base.row(at);
    row.kind() == Kind::File && row.extra().is_some_and(|extra| extra.links.is_some())
}
