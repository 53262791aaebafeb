//! The walk: one task a directory, merged with the base's rows as it goes. Owns which names are looked at and by whom;
//! what a name holds is the observer's, what comes of it is the assembly's.
//!
//! No task waits for another: a task reports what differs and spawns its child directories, so the depth of the tree
//! costs no stack. A directory is opened through its parent's handle, which lives until its last child is opened.
//! Start at [`Walk::start`].

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rayon::Scope;
use rustix::fs::FileType;

use super::found::{Claim, Contents, Fix, Found, Late, Part};
use super::grain::Grains;
use super::handles::{Budget, Held, open_again, open_below};
use super::hash::Cores;
use super::names::Names;
use super::observe::{Observer, Outcome, Reads, Seen, Subject, cause};
use super::root::{Root, exists, open_directory};
use super::rules::{self, InForce};
use crate::model::listing::{FLAG_INCOMPLETE, FLAG_MOUNT, ROWS_AT_ONCE};
use crate::model::path::{NAME_BYTES_MAX, PATH_BYTES_MAX, check_name};
use crate::model::{Digest, Kind, Listing, PathRef, Problem, ProblemKind, RelPath};

/// The name of a replica's own directory.
pub(super) const OWN: &[u8] = b".alike";
/// What makes a directory of that name one that holds a state.
const OWN_MARKS: [&str; 4] = ["staging", "trash", "lock", "state.redb"];
/// Names that one task looks at. A directory with more is split between threads.
const PART_NAMES: usize = 2048;
/// From this size on a file is hashed after the walk, on all cores: see `benches/hash.rs`.
pub(super) const LATE_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// Files that are hashed after the walk and kept open until then; more are opened once more.
const LATE_HANDLES_MAX: usize = 64;

thread_local! {
    static NAMES: RefCell<Names> = RefCell::default();
}

/// One walk over a root.
pub(super) struct Walk<'s> {
    pub root: &'s Root,
    pub base: Option<&'s Listing>,
    pub observer: Observer<'s>,
    pub budget: Budget,
    pub grains: Grains,
    pub found: Mutex<Found>,
    /// Names looked at since the base's rows last rested.
    pub passed: AtomicUsize,
}

/// A directory that waits to be opened.
struct Place<'s> {
    way: Way<'s>,
    path: Spot<'s>,
    /// The rows of the base below it.
    base: Range<usize>,
    device: u64,
    force: InForce,
}

/// How a directory is opened.
enum Way<'s> {
    /// Through the handle of its parent.
    Parent(Arc<Held<'s>>),
    /// From the root: too many handles are open to keep the parent's.
    Root,
}

/// Where a directory is.
enum Spot<'s> {
    /// The base knows it: nothing is copied.
    Known(PathRef<'s>),
    Fresh(RelPath),
}

/// An opened directory.
struct Opened<'s> {
    held: Arc<Held<'s>>,
    path: Spot<'s>,
    base: Range<usize>,
    device: u64,
    grain_ns: i64,
    /// The ignore rules in it.
    force: InForce,
}

/// One name as the walk sees it.
struct Child<'a> {
    name: &'a std::ffi::CStr,
    path: PathRef<'a>,
    /// Its row in the base.
    before: Option<usize>,
}

impl Spot<'_> {
    fn path(&self) -> PathRef<'_> {
        match self {
            Spot::Known(path) => *path,
            Spot::Fresh(path) => path.as_ref(),
        }
    }
}

impl<'s> Walk<'s> {
    /// Spawns the walk. It is done when the scope ends.
    pub fn start(&'s self, scope: &Scope<'s>, device: u64) {
        let base = 0..self.base.map_or(0, Listing::len);
        let force = InForce::default();
        let place = Place { way: Way::Root, path: Spot::Known(PathRef::ROOT), base, device, force };
        scope.spawn(move |scope| self.directory(scope, place));
    }

    fn directory(&'s self, scope: &Scope<'s>, place: Place<'s>) {
        if self.observer.gauge.stopped() {
            return;
        }
        let handle = match self.open(&place) {
            Ok(handle) => handle,
            Err(error) => return self.refused(place.path.path(), &error),
        };
        let grain_ns = self.grains.of(place.device, &handle);
        let Place { path, base, device, force, .. } = place;
        let mut names = NAMES.take();
        if let Err(error) = names.read(&handle) {
            return self.refused(path.path(), &error);
        }
        let force = match self.enter(&force, path.path(), &handle, &names) {
            Ok(force) => force,
            Err(error) => return self.refused(path.path(), &error),
        };
        super::gauge::Gauge::add(&self.observer.gauge.entries, names.len() as u64);
        let opened = Opened { held: Arc::new(self.budget.hold(handle)), path, base, device, grain_ns, force };
        if names.len() <= PART_NAMES {
            self.part(scope, &opened, &names, 0, 0..names.len(), opened.base.clone());
            NAMES.set(names);
        } else {
            self.split(scope, opened, names);
        }
    }

    fn open(&self, place: &Place<'_>) -> io::Result<OwnedFd> {
        match &place.way {
            Way::Parent(parent) => open_directory(parent.handle(), place.path.path().name()),
            Way::Root if place.path.path().is_root() => open_again(self.root.handle()),
            Way::Root => open_below(self.root, place.path.path()),
        }
    }

    /// The ignore rules in a directory.
    fn enter(&self, above: &InForce, path: PathRef<'_>, handle: &OwnedFd, names: &Names) -> io::Result<InForce> {
        let filter = self.observer.options.filter;
        let said = Cell::new(None);
        let force = filter.decree.enter(above, path, || {
            if !names.contains(rules::NAME) || filter.leaves_out_rules(path) {
                return Ok(None);
            }
            let text = rules::read(handle)?;
            said.set(text.as_deref().map(Digest::of_content));
            Ok(text)
        })?;
        if let (Some(said), Ok(file)) = (said.get(), path.to_owned().join(rules::NAME)) {
            Found::lock(&self.found).rules.push((file, said));
        }
        Ok(force)
    }

    /// A directory that was seen cannot be listed: gone if it is, else never taken for empty.
    fn refused(&self, path: PathRef<'_>, error: &io::Error) {
        let gone = error.kind() == io::ErrorKind::NotFound && !path.is_root();
        let replaced = error.kind() == io::ErrorKind::NotADirectory;
        let kind = if replaced { ProblemKind::Changed } else { ProblemKind::Unreadable };
        let mut found = Found::lock(&self.found);
        found.contents.insert(path.as_bytes().into(), if gone { Contents::Gone } else { Contents::Unreadable(kind) });
        if !gone {
            found.incomplete.extend(path.parent().map(PathRef::to_owned));
            found.problems.push(Problem { path: path.to_owned(), kind, cause: cause(error) });
        }
    }

    /// Many names in one directory: several tasks, each with the rows of the base that its names stand for.
    fn split(&'s self, scope: &Scope<'s>, opened: Opened<'s>, names: Names) {
        let shared = Arc::new((opened, names));
        let (opened, names) = &*shared;
        let mut base = opened.base.start;
        for (index, start) in (0..names.len()).step_by(PART_NAMES).enumerate() {
            let end = (start + PART_NAMES).min(names.len());
            let base_end = match (self.base, end < names.len()) {
                (Some(rows), true) => rows_before(rows, opened, names.at(end).to_bytes()),
                _ => opened.base.end,
            };
            let rows = base..base_end;
            base = base_end;
            let shared = Arc::clone(&shared);
            scope.spawn(move |scope| self.part(scope, &shared.0, &shared.1, index, start..end, rows));
        }
    }

    fn part(
        &'s self,
        scope: &Scope<'s>,
        opened: &Opened<'s>,
        names: &Names,
        index: usize,
        range: Range<usize>,
        base: Range<usize>,
    ) {
        let looked_at = range.len();
        let mut part = Part::new(index, base.clone());
        let mut path = opened.path.path().as_bytes().to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        let prefix = path.len();
        let mut cursor = base.start;
        for at in range {
            if self.observer.gauge.stopped() {
                return;
            }
            let name = names.at(at);
            let before = self.seek(&mut cursor, base.end, prefix, name.to_bytes());
            if !self.representable(opened, &mut part, prefix, name.to_bytes()) {
                continue;
            }
            path.truncate(prefix);
            path.extend_from_slice(name.to_bytes());
            let child = Child { name, path: PathRef::trusted(&path), before };
            self.child(scope, opened, &mut part, &child, names.file_type(at));
        }
        Found::take(&self.found, opened.path.path(), part.finish());
        self.rest(looked_at);
    }

    /// Rows that were compared are not needed again before the walk ends.
    fn rest(&self, looked_at: usize) {
        let passed = self.passed.fetch_add(looked_at, Ordering::Relaxed) + looked_at;
        if let Some(base) = self.base.filter(|_| passed >= ROWS_AT_ONCE) {
            self.passed.store(0, Ordering::Relaxed);
            base.rest();
        }
    }

    /// Moves the cursor to the first child row of the base that is not below `name`, and says whether it is `name`'s.
    fn seek(&self, cursor: &mut usize, end: usize, prefix: usize, name: &[u8]) -> Option<usize> {
        let base = self.base?;
        while *cursor < end {
            let row = base.row(*cursor);
            match row.path().as_bytes()[prefix..].cmp(name) {
                std::cmp::Ordering::Less => *cursor += 1 + row.below(),
                std::cmp::Ordering::Equal => {
                    let found = *cursor;
                    *cursor += 1 + row.below();
                    return Some(found);
                }
                std::cmp::Ordering::Greater => return None,
            }
        }
        None
    }

    /// Whether the formats can hold the name. One that they cannot hold is named by its directory.
    fn representable(&self, opened: &Opened<'_>, part: &mut Part, prefix: usize, name: &[u8]) -> bool {
        let fits = check_name(name).is_ok() && prefix + name.len() <= PATH_BYTES_MAX;
        if !fits {
            part.incomplete = true;
            let shown = String::from_utf8_lossy(&name[..name.len().min(NAME_BYTES_MAX)]).escape_debug().to_string();
            part.problems.push(Problem {
                path: opened.path.path().to_owned(),
                kind: ProblemKind::Unrepresentable,
                cause: format!("holds `{shown}`, whose name or path is too long"),
            });
        }
        fits
    }

    fn child(
        &'s self,
        scope: &Scope<'s>,
        opened: &Opened<'s>,
        part: &mut Part,
        child: &Child<'_>,
        file_type: FileType,
    ) {
        let filter = self.observer.options.filter;
        let hides = |directory| filter.hides(&opened.force, child.path.as_bytes(), directory);
        if file_type != FileType::Unknown && hides(file_type == FileType::Directory).0 {
            part.incomplete = true;
            return;
        }
        let before = self.base.zip(child.before).map(|(base, index)| base.row(index));
        let is_file = file_type == FileType::RegularFile;
        let reads = if is_file { self.observer.reads(before) } else { Reads::Perhaps };
        let seen = match self.observer.see((opened.held.handle(), opened.grain_ns), child.name, &reads) {
            Ok(seen) => seen,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return part.push_unreadable(child.path, ProblemKind::Unreadable, cause(&error)),
        };
        let status = seen.status;
        let directory = status.kind == Kind::Directory;
        let excluded = file_type == FileType::Unknown && hides(directory).0;
        let elsewhere = self.observer.options.one_file_system && status.device != opened.device;
        if excluded || (directory && is_own(opened, child)) {
            part.incomplete = true;
            return;
        }
        if directory && elsewhere {
            // A filter names its paths at both ends; a mount point is one at this end alone. Left out, it would be absent,
            // and a mirror would delete what the other end holds here.
            return part.push_unseen(child.path);
        }
        let is_mounted = directory && status.device != opened.device;
        if directory && !is_mounted && before.is_some_and(|row| row.flags() & FLAG_MOUNT != 0) {
            return part.push_unmounted(child.path);
        }
        self.row(opened, part, child, seen);
        if directory {
            self.descend(scope, opened, child, status.device, hides(true).1);
        }
    }

    /// Keeps the row of the base, or makes another one.
    fn row(&self, opened: &Opened<'_>, part: &mut Part, child: &Child<'_>, seen: Seen) {
        let status = seen.status;
        let group = (status.device, status.stamp.inode);
        let linked = status.kind == Kind::File && status.names > 1;
        let is_mounted = status.kind == Kind::Directory && status.device != opened.device;
        let mark = if is_mounted { FLAG_MOUNT } else { 0 };
        if let (Some(base), Some(index)) = (self.base, child.before) {
            let row = base.row(index);
            if (seen.proven || self.observer.keeps(row, &status)) && row.flags() & FLAG_MOUNT == mark {
                part.flagged += usize::from(row.flags() & FLAG_INCOMPLETE != 0);
                if linked {
                    part.linked.push((group, index));
                }
                return part.keep(index..index + 1 + row.below());
            }
        }
        let large = status.kind == Kind::File && status.stamp.size >= LATE_BYTES_MIN && !self.observer.options.quick;
        let late = large || (seen.read.is_none() && self.observer.is_hot(&status, opened.grain_ns));
        if linked {
            part.push_fix(child.path, Fix::Group(group));
            if Found::claim(&self.found, group) {
                let claim = if late {
                    Claim::Late(self.postpone(opened, child, seen))
                } else {
                    Claim::Done(self.observe(opened, child, seen))
                };
                Found::lock(&self.found).claims.insert(group, claim);
            }
        } else if late {
            part.push_fix(child.path, Fix::Late(self.postpone(opened, child, seen)));
        } else {
            self.settle(part, child, self.observe(opened, child, seen).marked(mark));
        }
    }

    fn settle(&self, part: &mut Part, child: &Child<'_>, outcome: Outcome) {
        match outcome {
            Outcome::Row(observed) => {
                let before = self.base.zip(child.before).map(|(base, index)| (base.row(index), index));
                match before {
                    // Read again, and nothing new: directories apart, whose children are reported elsewhere.
                    Some((row, index)) if row.below() == 0 && observed.equals(row) => part.keep(index..index + 1),
                    _ => part.push(child.path, &observed),
                }
            }
            Outcome::Gone => {}
            Outcome::Unreadable(kind, cause) => part.push_unreadable(child.path, kind, cause),
        }
    }

    fn observe(&self, opened: &Opened<'_>, child: &Child<'_>, seen: Seen) -> Outcome {
        let subject = Subject {
            directory: opened.held.handle(),
            name: child.name,
            path: child.path,
            before: self.base.zip(child.before).map(|(base, index)| base.row(index)),
            grain_ns: opened.grain_ns,
            cores: Cores::One,
        };
        self.observer.observe(&subject, seen)
    }

    fn postpone(&self, opened: &Opened<'_>, child: &Child<'_>, seen: Seen) -> usize {
        let (path, grain_ns) = (child.path.to_owned(), opened.grain_ns);
        let bytes = seen.status.stamp.size;
        let mut found = Found::lock(&self.found);
        let seen = Some(seen).filter(|seen| seen.file.is_some() && found.late.len() < LATE_HANDLES_MAX);
        found.late.push(Late { path, grain_ns, bytes, seen, outcome: Outcome::Gone });
        found.late.len() - 1
    }

    fn descend(&'s self, scope: &Scope<'s>, opened: &Opened<'s>, child: &Child<'_>, device: u64, hidden: bool) {
        let known = self.base.zip(child.before).map(|(base, index)| (base.row(index), index));
        let (path, base) = match known {
            Some((row, index)) => (Spot::Known(row.path()), index + 1..index + 1 + row.below()),
            None => (Spot::Fresh(child.path.to_owned()), 0..0),
        };
        let way = if self.budget.allows() { Way::Parent(Arc::clone(&opened.held)) } else { Way::Root };
        let place = Place { way, path, base, device, force: opened.force.descend(hidden) };
        scope.spawn(move |scope| self.directory(scope, place));
    }
}

/// The first row of the base, of those below the directory, that does not come before `name`.
fn rows_before(base: &Listing, opened: &Opened<'_>, name: &[u8]) -> usize {
    let directory = opened.path.path();
    let slash: &[u8] = if directory.is_root() { b"" } else { b"/" };
    let path = [directory.as_bytes(), slash, name].concat();
    base.find(PathRef::trusted(&path)).unwrap_or_else(|at| at).clamp(opened.base.start, opened.base.end)
}

/// Whether a directory is a replica's own, which is part of no tree.
fn is_own(opened: &Opened<'_>, child: &Child<'_>) -> bool {
    if child.name.to_bytes() != OWN {
        return false;
    }
    let holds_state = || {
        let own = open_directory(opened.held.handle(), OWN)?;
        OWN_MARKS.iter().try_fold(false, |found, mark| io::Result::Ok(found || exists(&own, mark.as_bytes())?))
    };
    opened.path.path().is_root() || holds_state().unwrap_or(false)
}
