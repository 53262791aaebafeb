//! Parts of files that a run was receiving when it ended: they stay in `.alike/parts`, named by the digest of the whole
//! file, and the next run goes on with them. Owns those names and how long they last. What a part holds is believed by
//! nobody: whoever goes on with one compares it first.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::process;

use super::control;
use super::depot::Keep;
use super::directories::lock;
use super::remove;
use super::root::open_directory;
use super::stage::Lane;
use super::status::Status;
use super::xattr::{self, Through};
use crate::model::{Digest, Kind};

/// The directory in `.alike`.
pub(super) const NAME: &str = "parts";
/// A part that nobody went on with for so long is removed by the next run.
const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The parts of a target.
#[derive(Debug)]
pub(super) struct Parts {
    control: OwnedFd,
    lane: OnceLock<Arc<Lane>>,
    /// What each name is to this run. Names that are not here were left by others.
    names: Arc<Names>,
}

/// What the names in the directory are to this run.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<String, Use>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Left by an earlier run.
    Found(u64),
    /// Being received.
    Open,
    /// Begun by this run and not finished.
    Left,
}

impl Parts {
    /// What is there; removes what is too old.
    pub fn open(control: &OwnedFd) -> io::Result<Parts> {
        let names = Names::default();
        if let Some(directory) = existing(control)? {
            for name in remove::names(&directory)? {
                let Ok(status) = Status::at(&directory, &*name) else { continue };
                let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let touched = Duration::from_secs(status.stamp.ctime.secs.max(0).cast_unsigned());
                match String::from_utf8(name) {
                    Ok(name) if age.saturating_sub(touched) <= AGE_MAX => {
                        lock(&names.0).insert(name, Use::Found(status.stamp.size));
                    }
                    Ok(name) => fs::unlinkat(&directory, name, AtFlags::empty())?,
                    // No name of ours.
                    Err(_) => {}
                }
            }
        }
        Ok(Parts { control: control.try_clone()?, lane: OnceLock::new(), names: Arc::new(names) })
    }

    /// The directory and the name for a file with this content; `None` while another path receives the same.
    pub fn claim(&self, content: &Digest) -> io::Result<Option<(Arc<Lane>, Claim)>> {
        let name = content.to_hex();
        if lock(&self.names.0).get(&name) == Some(&Use::Open) {
            return Ok(None);
        }
        let lane = match self.lane.get() {
            Some(lane) => Arc::clone(lane),
            None => {
                let made = Arc::new(Lane::new(control::open_private(&self.control, NAME)?));
                Arc::clone(self.lane.get_or_init(|| made))
            }
        };
        match lock(&self.names.0).insert(name.clone(), Use::Open) {
            // Another thread was faster.
            Some(Use::Open) => Ok(None),
            Some(Use::Found(_) | Use::Left) | None => Ok(Some((lane, Claim { names: Arc::clone(&self.names), name }))),
        }
    }

    /// How much of this content an earlier run, or an earlier try of this one, left; a file as long as the whole may still have holes.
    pub fn found(&self, content: &Digest) -> Option<u64> {
        let name = content.to_hex();
        match lock(&self.names.0).get(&name)? {
            Use::Found(bytes) => Some(*bytes),
            Use::Left => {
                let directory = existing(&self.control).ok().flatten()?;
                Some(Status::at(&directory, &name).ok()?.stamp.size)
            }
            Use::Open => None,
        }
    }

    /// The room that the part of this content takes on the disk.
    pub fn room(&self, content: &Digest) -> u64 {
        let found = existing(&self.control).ok().flatten();
        let stat = found.and_then(|directory| fs::statat(&directory, content.to_hex(), AtFlags::SYMLINK_NOFOLLOW).ok());
        stat.map_or(0, |stat| stat.st_blocks.max(0).cast_unsigned().saturating_mul(512))
    }

    /// Removes the part of this content, whose room is needed.
    pub fn remove(&self, content: &Digest) {
        let name = content.to_hex();
        let mut names = lock(&self.names.0);
        if names.get(&name) == Some(&Use::Open) {
            return;
        }
        if let Ok(Some(directory)) = existing(&self.control) {
            let _gone_or_left_for_later = fs::unlinkat(&directory, &name, AtFlags::empty());
        }
        names.remove(&name);
    }

    /// Ends the run: removes what nobody will go on with.
    pub fn finish(&self, keep: Keep) -> io::Result<()> {
        let Some(directory) = existing(&self.control)? else { return Ok(()) };
        let names = lock(&self.names.0);
        for name in remove::names(&directory)? {
            let left = std::str::from_utf8(&name).is_ok_and(|name| names.get(name) == Some(&Use::Left));
            if keep == Keep::Unfinished && !left {
                fs::unlinkat(&directory, &*name, AtFlags::empty())?;
            }
        }
        match fs::unlinkat(&self.control, NAME, AtFlags::REMOVEDIR) {
            Ok(()) | Err(rustix::io::Errno::NOTEMPTY | rustix::io::Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A name that this run is using.
#[derive(Debug)]
pub(super) struct Claim {
    names: Arc<Names>,
    name: String,
}

impl Claim {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file stays as it is, for whoever goes on.
    pub fn leave(&self) {
        lock(&self.names.0).insert(self.name.clone(), Use::Left);
    }

    /// The name is free.
    pub fn release(&self) {
        lock(&self.names.0).remove(&self.name);
    }
}

/// Opens a part that was left, as it was when it was begun but for what it holds; `None` where that cannot be had.
pub(super) fn reopen(directory: BorrowedFd<'_>, name: &str) -> Option<File> {
    let status = Status::at(directory, name).ok()?;
    // A second name is what a crash left of putting the file in place: it is somebody's file by now.
    if status.kind != Kind::File || status.names != 1 {
        return None;
    }
    if status.mode & 0o600 != 0o600 {
        fs::chmodat(directory, name, Mode::RUSR | Mode::WUSR, AtFlags::empty()).ok()?;
    }
    let file = fs::openat(directory, name, OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let file = File::from(file);
    // What it was given for its place is taken from it again: the place may want something else by now.
    for attribute in xattr::read(&Through::File(&file)).ok()? {
        fs::fremovexattr(&file, &*attribute.name).ok()?;
    }
    let user = (process::geteuid(), process::getegid());
    if (status.uid, status.gid) != (user.0.as_raw(), user.1.as_raw()) {
        fs::fchown(&file, Some(user.0), Some(user.1)).ok()?;
    }
    fs::fchmod(file.as_fd(), Mode::RUSR | Mode::WUSR).ok()?;
    Some(file)
}

/// Whether any part is there.
pub(super) fn any(control: &OwnedFd) -> bool {
    matches!(existing(control), Ok(Some(_)))
}

fn existing(control: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    match open_directory(control, NAME.as_bytes()) {
        Ok(directory) => Ok(Some(directory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
