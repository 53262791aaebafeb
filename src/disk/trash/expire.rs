//! What leaves the trash for good: old runs, and the oldest where the trash grows too large or the disk is full. A run
//! leaves by one rename into staging, which whoever comes next empties: so a crash leaves no half of it. Never touches
//! what the present run put there.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{self, AtFlags};

use super::record::{self, Record};
use super::shelf::{self, Shelf};
use crate::disk::directories::Directories;
use crate::disk::place::swap::{self, Leaf};
use crate::disk::remove;
use crate::disk::root::open_directory;
use crate::disk::target::Target;
use crate::model::PathRef;

/// Runs are kept for so long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// The trash may take one part in so many of the file system.
const PART: u64 = 10;

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Runs.
    pub runs: u64,
    /// Bytes of their files on disk.
    pub bytes: u64,
}

impl Target {
    /// At the end of a run that put something into the trash: removes runs that are too old, and then the oldest while
    /// the trash takes too much of the file system.
    pub fn expire(&self) -> io::Result<()> {
        let (Some(current), Some(trash)) = (self.trash().current(), shelf::open(self.root())?) else { return Ok(()) };
        self.drop_orphans(&trash)?;
        let oldest = SystemTime::now().checked_sub(KEPT).map_or(0, seconds);
        let mut kept = Vec::new();
        for run in shelf::runs(&trash)? {
            if run == current {
                continue;
            }
            if super::began(&run).is_some_and(|at| at < oldest) {
                self.remove_run(&trash, &run)?;
            } else {
                kept.push(run);
            }
        }
        self.shrink(&trash, &kept, &current)
    }

    /// Bytes that would be free without the trash of earlier runs.
    pub fn attainable_room(&self) -> u64 {
        let (trash, runs) = self.earlier_runs().unwrap_or_default();
        let bytes = |trash: &OwnedFd| runs.iter().filter_map(|run| measured(trash, run).ok()).sum();
        self.room().saturating_add(trash.as_ref().map_or(0, bytes))
    }

    /// The disk is full: removes the oldest runs until so many bytes are free. False where that would not be enough, and
    /// then nothing is removed.
    pub fn make_room(&self, bytes: u64) -> bool {
        if self.attainable_room() < bytes {
            return false;
        }
        let Ok((Some(trash), runs)) = self.earlier_runs() else { return false };
        let mut removed = false;
        for run in runs {
            if removed && self.room() > bytes {
                break;
            }
            removed |= self.remove_run(&trash, &run).is_ok();
            // Some file systems free what was removed a moment later, or when they are asked.
            let _only_speed = fs::syncfs(self.root().handle());
        }
        removed
    }

    /// Removes all runs that began before a time, in seconds since 1970.
    pub fn empty_trash(&self, before: u64) -> io::Result<Removed> {
        let mut removed = Removed::default();
        let Some(trash) = shelf::open(self.root())? else { return Ok(removed) };
        self.drop_orphans(&trash)?;
        let current = self.trash().current();
        for run in shelf::runs(&trash)? {
            if Some(&run) != current.as_ref() && super::began(&run).is_some_and(|at| at < before) {
                removed.bytes += measured(&trash, &run)?;
                removed.runs += 1;
                self.remove_run(&trash, &run)?;
            }
        }
        Ok(removed)
    }

    fn earlier_runs(&self) -> io::Result<(Option<OwnedFd>, Vec<String>)> {
        let Some(trash) = shelf::open(self.root())? else { return Ok((None, Vec::new())) };
        let current = self.trash().current();
        let mut runs = shelf::runs(&trash)?;
        runs.retain(|run| Some(run) != current.as_ref());
        Ok((Some(trash), runs))
    }

    /// Removes the oldest while all together take too much.
    fn shrink(&self, trash: &OwnedFd, runs: &[String], current: &str) -> io::Result<()> {
        let limit = fs::fstatvfs(trash).map_or(u64::MAX, |stat| stat.f_blocks.saturating_mul(stat.f_frsize) / PART);
        let mut all = self.trash().weight();
        for run in runs {
            all = all.saturating_add(recorded(trash, run)?);
        }
        if all <= limit {
            return Ok(());
        }
        // What is recorded is an upper bound, so that nothing is measured as long as all is well.
        let mut all = measured(trash, current)?;
        let sizes: Vec<u64> = runs.iter().map(|run| measured(trash, run)).collect::<io::Result<_>>()?;
        all += sizes.iter().sum::<u64>();
        for (run, bytes) in runs.iter().zip(sizes) {
            if all <= limit {
                break;
            }
            self.remove_run(trash, run)?;
            all -= bytes;
        }
        Ok(())
    }

    pub(super) fn remove_run(&self, trash: &OwnedFd, run: &str) -> io::Result<()> {
        let staging = self.control().staging();
        let name = format!("expired-{run}");
        swap::move_to_free(Leaf::new(trash.as_fd(), run.as_bytes()), Leaf::new(staging.as_fd(), name.as_bytes()))?;
        let _there_may_be_none = fs::unlinkat(trash, record::name(run), AtFlags::empty());
        let handle = open_directory(staging, name.as_bytes())?;
        remove::whole(staging.as_fd(), name.as_bytes(), &handle)
    }

    /// Removes records whose run is gone: a crash came between the two.
    fn drop_orphans(&self, trash: &OwnedFd) -> io::Result<()> {
        let runs = shelf::runs(trash)?;
        for name in remove::names(trash)? {
            let run = std::str::from_utf8(&name).ok().and_then(record::run_of).map(ToOwned::to_owned);
            if run.is_some_and(|run| super::began(&run).is_some() && runs.binary_search(&run).is_err()) {
                fs::unlinkat(trash, &*name, AtFlags::empty())?;
            }
        }
        Ok(())
    }
}

/// An upper bound of what a run's trash takes on disk. A run that was killed has recorded none: it is measured once.
fn recorded(trash: &OwnedFd, run: &str) -> io::Result<u64> {
    if let Some(bytes) = record::bytes(trash, run)? {
        return Ok(bytes);
    }
    let bytes = measured(trash, run)?;
    Record::new(trash.try_clone()?, run).finish(bytes)?;
    Ok(bytes)
}

/// What a run's trash takes on disk.
fn measured(trash: &OwnedFd, run: &str) -> io::Result<u64> {
    let mut shelf = Shelf::default();
    shelf.look_into(trash, run)?;
    let directories = Directories::below(open_directory(trash, run.as_bytes())?)?;
    let size = |thing: &shelf::Thrown| -> Option<u64> {
        let parent = directories.open(thing.place.as_ref().parent().unwrap_or(PathRef::ROOT)).ok()?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let stat = fs::statat(&*parent, thing.place.as_ref().name(), flags).ok()?;
        Some(u64::try_from(stat.st_blocks).ok()? * 512)
    };
    Ok(shelf.things.iter().filter_map(size).sum())
}

/// Seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
