//! The trash of a run: `.alike/trash/<time>-<random>/<path>`, made when the first thing goes there. Owns the names in
//! it; removes nothing.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{self, AtFlags};

use super::control;
use super::directories::{self, Directories, Directory, lock};
use super::place::swap::Leaf;
use crate::model::{PathRef, RelPath};

/// The trash of one run.
#[derive(Debug)]
pub(super) struct Trash {
    control: OwnedFd,
    run: Mutex<Option<Arc<Run>>>,
    /// What did not come after a place was made for it.
    vain: Mutex<Vec<RelPath>>,
}

#[derive(Debug)]
struct Run {
    name: String,
    directories: Directories,
}

/// A place for something that leaves the root. Where its name is taken, [`Rest::other`] gives the next.
#[derive(Debug)]
pub(super) struct Rest {
    directory: Arc<Directory>,
    base: Vec<u8>,
    name: Vec<u8>,
    attempt: u32,
}

impl Trash {
    /// A trash below `.alike`; nothing is made yet.
    pub fn new(control: OwnedFd) -> Trash {
        Trash { control, run: Mutex::default(), vain: Mutex::default() }
    }

    /// Where what is at `path` goes.
    pub fn rest(&self, path: PathRef<'_>) -> io::Result<Rest> {
        let run = self.run()?;
        let parent = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(Rest::new(run.directories.create(parent)?, path.name()))
    }

    /// What is at `path` did not come.
    pub fn in_vain(&self, path: PathRef<'_>) {
        lock(&self.vain).push(path.to_owned());
    }

    /// Closes the trash of this run, and removes the directories that were made in vain. Not before the end: another
    /// thread may be about to use them.
    pub fn close(&self) -> io::Result<()> {
        let Some(run) = lock(&self.run).take() else { return Ok(()) };
        for path in lock(&self.vain).drain(..) {
            run.directories.remove_empty(path.as_ref().parent().unwrap_or(PathRef::ROOT));
        }
        let trash = control::open_private(&self.control, control::TRASH)?;
        let _holds_something = fs::unlinkat(&trash, &run.name, AtFlags::REMOVEDIR);
        Ok(())
    }

    fn run(&self) -> io::Result<Arc<Run>> {
        let mut run = lock(&self.run);
        if let Some(run) = &*run {
            return Ok(Arc::clone(run));
        }
        let trash = control::open_private(&self.control, control::TRASH)?;
        let name = format!("{}-{:06x}", timestamp(SystemTime::now()), directories::random() & 0xff_ffff);
        let directories = Directories::below(control::open_private(&trash, &name)?)?;
        let made = Arc::new(Run { name, directories });
        *run = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl Rest {
    /// A place in an opened directory.
    pub fn new(directory: Arc<Directory>, name: &[u8]) -> Rest {
        Rest { directory, base: name.into(), name: name.into(), attempt: 0 }
    }

    /// The name.
    pub fn leaf(&self) -> Leaf<'_> {
        Leaf::new(self.directory.as_fd(), &self.name)
    }

    /// Takes another name: this one is taken. False when enough were tried.
    pub fn other(&mut self) -> bool {
        self.attempt += 1;
        self.name = directories::other_name(&self.base, self.attempt).into_owned();
        self.attempt <= directories::ATTEMPTS_MAX
    }
}

/// `20261123T034500Z`. Days are turned into a date by counting in eras of 400 years that start in March.
fn timestamp(now: SystemTime) -> String {
    let secs = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, secs) = (secs / 86_400 + 719_468, secs % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year + u64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", secs / 3600, secs / 60 % 60, secs % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_timestamp_is_the_date_in_utc() {
        let at = |secs| timestamp(UNIX_EPOCH + Duration::from_secs(secs));
        assert_eq!(at(0), "19700101T000000Z");
        assert_eq!(at(951_782_400), "20000229T000000Z");
        assert_eq!(at(1_795_405_500), "20261123T034500Z");
        assert_eq!(at(4_107_542_399), "21000228T235959Z");
        assert_eq!(at(4_107_542_400), "21000301T000000Z");
    }
}
