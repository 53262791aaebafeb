//! A root that is being changed. Owns the order of a run: stage, settle, place, finish; each part of the work has a file
//! of its own. At every instant every path holds its old or its new content, and what was replaced is in the trash.
//!
//! All of it may be called from many threads at once. A thread that holds many [`Staged`] files holds as many handles:
//! a batch should stay below a few hundred.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, OnceLock};

use rustix::{fs, process};

use super::announce::{Announced, Announcements};
use super::control::{Control, Lock};
use super::copy::{self, PlaceError};
use super::depot::{Depot, Keep};
use super::directories::{Directories, lock};
use super::discard::Discard;
use super::error::Error;
use super::metadata::{self, Now, Reach, Wanted};
use super::root::{self, Root};
use super::stage::{Remains, Staged, Staging};
use super::status::Status;
use super::trash::{Leaving, Rest, Trash};
use crate::model::plan::action::Before;
use crate::model::{Digest, Entry, Kind, Listing, PathRef, Problem, RelPath, Stamp, Time};

/// How durability is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Fsync {
    /// Every file by itself.
    Each,
    /// Many files under one call.
    Batch,
    /// Not at all.
    Off,
}

/// What is wanted of a target. False means not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetOptions {
    /// How durability is paid for.
    pub fsync: Fsync,
    /// What is replaced or deleted goes to the trash; else it is removed when the run ends.
    pub keep_trash: bool,
    /// Permission bits.
    pub mode: bool,
    /// Extended attributes and ACLs.
    pub xattrs: bool,
    /// Owner and group: only where both ends are root.
    pub owner: bool,
    /// Hard-link groups.
    pub links: bool,
}

/// The mode of what is staged, where nothing better is known: the owner's alone.
const PRIVATE: u16 = 0o600;

/// A root that is being changed, locked against other runs.
#[derive(Debug)]
pub struct Target {
    root: Root,
    options: TargetOptions,
    depot: Arc<Depot>,
    directories: Directories,
    trash: Trash,
    discard: Option<Discard>,
    /// Of a replica: what is about to be put in place is said before.
    announcements: Option<Announcements>,
    umask: u16,
    /// Whose files we make.
    user: (u32, u32),
    /// Files with several names that we renamed, linked or changed by one of them: their change time is our doing.
    touched: Mutex<HashMap<u64, Option<Time>>>,
    /// Of a replica that is worked on: what was scanned.
    spared: OnceLock<Listing>,
}

impl Target {
    /// Opens a root for changing: makes `.alike`, takes its lock, and removes what a killed run left in staging.
    pub fn open(root: Root, options: TargetOptions) -> Result<Target, Error> {
        Target::open_under(root, options, None)
    }

    /// The same under a lock that is held already.
    pub fn open_under(root: Root, options: TargetOptions, held: Option<&Lock>) -> Result<Target, Error> {
        let depot = Depot::open(&root, options.fsync, held)?;
        Target::open_in(root, options, &Arc::new(depot))
    }

    /// The same with what is staged in a depot that is open already. What is staged there outlasts this run.
    pub fn open_in(root: Root, options: TargetOptions, depot: &Arc<Depot>) -> Result<Target, Error> {
        let refuse = |source: io::Error| Error::Control { path: root.path().join(super::control::NAME), source };
        let (directories, trash, discard) = prepare(&root, depot, options).map_err(refuse)?;
        let announcements = depot.announcements().map_err(refuse)?;
        let depot = Arc::clone(depot);
        let user = (process::geteuid().as_raw(), process::getegid().as_raw());
        let (umask, touched) = (metadata::umask(), Mutex::default());
        Ok(Target {
            root,
            options,
            depot,
            directories,
            trash,
            discard,
            announcements,
            umask,
            user,
            touched,
            spared: OnceLock::new(),
        })
    }

    /// Whether a run that was killed, or that still goes on, left something in staging.
    pub fn has_remains(root: &Root) -> bool {
        super::control::has_remains(root)
    }

    /// The root.
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// What was scanned. In a replica what a user writes in the course of a run is a write like any other: a directory that
    /// holds something else does not leave its path whole.
    pub fn spare(&self, scanned: &Listing) {
        if self.is_replica() {
            self.spared.get_or_init(|| scanned.clone());
        }
    }

    /// Whether this is the root of a replica: what is in it may be nowhere else.
    pub const fn is_replica(&self) -> bool {
        self.announcements.is_some()
    }

    pub(super) fn spared(&self) -> Option<&Listing> {
        self.spared.get()
    }

    /// Bytes that may still be written here, as far as that is known.
    pub fn room(&self) -> u64 {
        fs::fstatvfs(self.root.handle()).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// An empty file on the target's file system, 0600.
    pub fn stage(&self) -> io::Result<Staged> {
        self.depot.staging().file(PRIVATE)
    }

    /// An empty file for an entry: with its mode, where nothing else needs to be set first.
    pub fn stage_for(&self, entry: &Entry) -> io::Result<Staged> {
        self.depot.staging().file(self.born_mode(entry))
    }

    /// A file on the target's file system for content that may be long on its way: if it is not finished, the next run can
    /// go on with it.
    pub fn stage_part(&self, content: &Digest, remains: Remains) -> io::Result<Staged> {
        self.depot.staging().part(self.depot.parts(), content, remains)
    }

    /// How long a file with this content is that was begun and not finished.
    pub fn part(&self, content: &Digest) -> Option<u64> {
        self.depot.parts().found(content)
    }

    /// The room that what was begun of this content takes.
    pub fn part_room(&self, content: &Digest) -> u64 {
        self.depot.parts().room(content)
    }

    /// Gives up what was begun of this content, for its room.
    pub fn drop_part(&self, content: &Digest) {
        self.depot.parts().remove(content);
    }

    /// Stages the bytes of another path of the target, which must still be what was scanned.
    pub fn copy_within(&self, from: &RelPath, before: &Stamp, content: &Digest) -> Result<Staged, PlaceError> {
        let source = self.open_source(from, before)?;
        let staged = self.stage().map_err(PlaceError::Write)?;
        copy::fill(&staged, &source, before.size, Some(content))?;
        Ok(staged)
    }

    /// Stages `size` bytes of a local file, and hashes what was staged.
    pub fn copy_from(
        &self,
        source: &File,
        size: u64,
        content: Option<&Digest>,
    ) -> Result<(Staged, Digest), PlaceError> {
        let staged = self.stage().map_err(PlaceError::Write)?;
        let digest = self.fill(&staged, source, size, content)?;
        copy::ends_at(source, size)?;
        Ok((staged, digest))
    }

    /// Fills an empty staged file with `size` bytes of a local file, and hashes what was staged. The caller looks whether
    /// the source is still what it was.
    pub fn fill(
        &self,
        staged: &Staged,
        source: &File,
        size: u64,
        content: Option<&Digest>,
    ) -> Result<Digest, PlaceError> {
        copy::fill(staged, source, size, content)
    }

    /// Sets the metadata of staged files and makes them durable. What cannot be set is told when they are placed.
    pub fn settle(&self, staged: &[(&Staged, &Entry)]) -> Result<(), Error> {
        let refuse = |source: io::Error| Error::Sync { path: self.root.path().into(), source };
        for (staged, entry) in staged {
            let reach = Reach::Open(staged.file().as_fd());
            staged.settle(metadata::apply(reach, Now::Born(staged.born()), entry, self.wanted()));
            if self.options.fsync == Fsync::Each {
                staged.file().sync_all().map_err(refuse)?;
            }
        }
        if staged.is_empty() { Ok(()) } else { self.harden() }
    }

    /// Makes durable what is staged, where many files are made so at once.
    pub fn harden(&self) -> Result<(), Error> {
        let refuse = |error: rustix::io::Errno| Error::Sync { path: self.root.path().into(), source: error.into() };
        if self.options.fsync == Fsync::Batch { fs::syncfs(self.root.handle()).map_err(refuse) } else { Ok(()) }
    }

    /// Says which files are about to be put in place, where this is the root of a replica.
    pub fn announce(&self, files: &mut dyn Iterator<Item = Announced>) -> Result<(), Error> {
        let refuse = |source| Error::Control { path: self.root.path().join(super::control::NAME), source };
        self.announcements.as_ref().map_or(Ok(()), |list| list.add(files)).map_err(refuse)
    }

    /// Ends a run that got through: all is durable, staging is gone, of the parts those that this run could not finish are
    /// left, and `.alike` is gone too where nothing is in it. Names the paths that were to be removed for good and were
    /// written to instead: they are in the trash.
    pub fn finish(self) -> Result<Vec<Problem>, Error> {
        self.end(Keep::Unfinished)
    }

    /// Ends a run that did not get through: the same, but all parts are left, as nobody knows which are still wanted.
    pub fn finish_early(self) -> Result<Vec<Problem>, Error> {
        self.end(Keep::All)
    }

    fn end(self, keep: Keep) -> Result<Vec<Problem>, Error> {
        let path = self.root.path().to_owned();
        self.directories.restore();
        if self.options.fsync != Fsync::Off {
            let refuse = |error: rustix::io::Errno| Error::Sync { path: path.clone(), source: error.into() };
            fs::syncfs(self.root.handle()).map_err(refuse)?;
        }
        let refuse = |source| Error::Control { path: path.join(super::control::NAME), source };
        let kept = self.discard.as_ref().map_or(Ok(Vec::new()), |discard| discard.finish(&self.trash));
        let kept = kept.map_err(refuse)?;
        self.trash.close().map_err(refuse)?;
        // Where others stage in the depot, it goes on without this run.
        Arc::into_inner(self.depot).map_or(Ok(()), |depot| depot.finish(&self.root, keep))?;
        Ok(kept)
    }

    pub(super) const fn trash(&self) -> &Trash {
        &self.trash
    }

    pub(super) fn control(&self) -> &Control {
        self.depot.control()
    }

    pub(super) fn staging(&self) -> &Staging {
        self.depot.staging()
    }

    pub(super) const fn directories(&self) -> &Directories {
        &self.directories
    }

    /// Which metadata is set.
    pub(super) const fn wanted(&self) -> Wanted {
        let TargetOptions { mode, xattrs, owner, .. } = self.options;
        Wanted { mode, xattrs, owner, umask: self.umask }
    }

    /// The mode with which a file is made: what is wanted in the end, where the umask and attributes allow.
    pub(super) fn born_mode(&self, entry: &Entry) -> u16 {
        let whole = entry.mode & !0o777 == 0 && entry.mode & self.umask == 0;
        if self.options.mode && whole && entry.xattrs().is_empty() { entry.mode } else { PRIVATE }
    }

    /// How durability is paid for.
    pub(super) const fn fsync(&self) -> Fsync {
        self.options.fsync
    }

    /// Whose files we make: user and group.
    pub(super) const fn user(&self) -> (u32, u32) {
        self.user
    }

    /// Where what leaves a path goes.
    pub(super) fn rest(&self, path: PathRef<'_>, before: &Before) -> io::Result<Rest> {
        match &self.discard {
            Some(discard) => Ok(discard.rest(path, &self.since(&before.stamp))),
            None => self.trash.rest(&Leaving::scanned(path, before)),
        }
    }

    /// What was to leave a path did not.
    pub(super) fn in_vain(&self, path: PathRef<'_>) {
        if self.discard.is_none() {
            self.trash.in_vain(path);
        }
    }

    /// A path goes with a directory above it.
    pub(super) fn expect_within(&self, path: &RelPath, before: &Before) {
        match &self.discard {
            Some(discard) if before.kind != Kind::Directory => discard.expect(path, &before.stamp),
            Some(_) => {}
            None => self.trash.weigh_within(before.stamp.size),
        }
    }

    /// We are about to do something that moves the change time of this file, which other paths may name too.
    pub(super) fn touching(&self, status: &Status) {
        if status.names > 1 && status.kind != Kind::Directory {
            lock(&self.touched).entry(status.stamp.inode).or_default();
        }
    }

    /// This file gets another modification time, under all of its names.
    pub(super) fn retimed(&self, file: &Stamp, mtime: Time) {
        if let Some(time) = lock(&self.touched).get_mut(&file.inode) {
            *time = Some(mtime);
        }
    }

    /// What was scanned, as it is since we changed it by another of its names.
    pub(super) fn since(&self, before: &Stamp) -> Stamp {
        let mtime = lock(&self.touched).get(&before.inode).copied().flatten().unwrap_or(before.mtime);
        Stamp { mtime, ..*before }
    }

    /// Whether we may have moved the change time of this file by another of its names.
    pub(super) fn touched(&self, status: &Status) -> bool {
        lock(&self.touched).contains_key(&status.stamp.inode)
    }

    fn open_source(&self, from: &RelPath, before: &Stamp) -> Result<File, PlaceError> {
        let parent = from.as_ref().parent().ok_or(PlaceError::Changed)?;
        let opened = self.directories.open(parent).and_then(|parent| root::open_file(&*parent, from.as_ref().name()));
        let source = opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PlaceError::Changed,
            _ => PlaceError::Read(error),
        })?;
        let now = Status::of(&source).map_err(PlaceError::Read)?;
        let moved = Stamp { ctime: before.ctime, ..now.stamp };
        if now.stamp == *before || moved == *before && self.touched(&now) {
            Ok(source)
        } else {
            Err(PlaceError::Changed)
        }
    }
}

type Prepared = (Directories, Trash, Option<Discard>);

fn prepare(root: &Root, depot: &Depot, options: TargetOptions) -> io::Result<Prepared> {
    let control = depot.control();
    let trash = Trash::new(control.handle().try_clone()?);
    let discard = if options.keep_trash { None } else { Some(Discard::new(control.staging())?) };
    Ok((Directories::below(root.handle())?, trash, discard))
}
