//! `.alike` in a root: its making, the lock, and its removal when nothing is left in it. Knows no staged file and no
//! trash beyond their directories.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::error::Error;
use super::parts;
use super::remove;
use super::root::{Root, exists, open_directory};
use super::status::Status;

/// The directory of our own in a root.
pub const NAME: &str = ".alike";
/// Where what is not yet in place is.
const STAGING: &str = "staging";
/// Where what was replaced or deleted is.
pub(super) const TRASH: &str = "trash";
pub(super) const LOCK: &str = "lock";
const IGNORE: &str = ".gitignore";
/// A run that ends takes a moment; a run that goes on is not waited for.
const WAIT_MS: u64 = 1000;
const WAIT_STEP_MS: u64 = 20;
/// A run that ends may remove `.alike` just when it is opened: that often it is made again.
const ATTEMPTS_MAX: u32 = 50;

/// `.alike`, locked for this run.
#[derive(Debug)]
pub(super) struct Control {
    handle: OwnedFd,
    staging: OwnedFd,
    _lock: Lock,
}

/// The lock of a root, for longer than one run of installs. It is released with its last clone.
#[derive(Debug, Clone)]
pub struct Lock {
    handle: Arc<OwnedFd>,
    _file: Arc<OwnedFd>,
}

impl Lock {
    /// Makes `.alike` where it is missing, and takes the lock.
    pub fn take(root: &Root) -> Result<Lock, Error> {
        let refuse = |source| Error::Control { path: root.path().join(NAME), source };
        for _ in 0..ATTEMPTS_MAX {
            match open_locked(root.handle()).map_err(refuse)? {
                Attempt::Open(lock) => return Ok(lock),
                Attempt::Held => return Err(Error::Held { path: root.path().into() }),
                Attempt::Removed => {}
            }
        }
        Err(Error::Held { path: root.path().into() })
    }
}

impl Lock {
    /// Waits until no other run holds the root, but not for longer than `wait`.
    pub fn await_free(root: &Root, wait: Duration) {
        let until = Instant::now() + wait;
        // Whatever else stands against it is told by whoever takes the lock for good.
        while matches!(Lock::take(root), Err(Error::Held { .. })) && Instant::now() < until {}
    }
}

impl Control {
    /// Makes what is missing, under a lock that is held already or taken now.
    pub fn open(root: &Root, held: Option<&Lock>) -> Result<Control, Error> {
        let refuse = |source| Error::Control { path: root.path().join(NAME), source };
        let lock = match held {
            Some(lock) => lock.clone(),
            None => Lock::take(root)?,
        };
        let opened = lock.handle.try_clone().and_then(|handle| {
            let staging = open_private(&handle, STAGING)?;
            Ok(Control { handle, staging, _lock: lock })
        });
        opened.map_err(refuse)
    }

    /// The directory for what is not yet in place.
    pub const fn staging(&self) -> &OwnedFd {
        &self.staging
    }

    /// `.alike` itself.
    pub const fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// Removes staging, and all of `.alike` where nothing worth keeping is in it. The lock is held until the end.
    pub fn finish(self, root: &Root) -> io::Result<()> {
        remove::whole(self.handle.as_fd(), STAGING.as_bytes(), &self.staging)?;
        match fs::unlinkat(&self.handle, TRASH, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let kept = remove::names(&self.handle)?.iter().any(|name| name != LOCK.as_bytes() && name != IGNORE.as_bytes());
        if kept {
            return Ok(());
        }
        fs::unlinkat(&self.handle, IGNORE, AtFlags::empty()).or_else(missing_is_fine)?;
        // From here on a waiting run finds that its lock has no name any more, and starts anew.
        fs::unlinkat(&self.handle, LOCK, AtFlags::empty()).or_else(missing_is_fine)?;
        match fs::unlinkat(root.handle(), NAME, AtFlags::REMOVEDIR) {
            // A file system in user space keeps what is still open under another name, until it is closed.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether there is a staging directory, or parts: a run that ended by itself and did all leaves none.
pub(super) fn has_remains(root: &Root) -> bool {
    open_directory(root.handle(), NAME.as_bytes())
        .and_then(|control| Ok(exists(&control, STAGING.as_bytes())? || parts::any(&control)))
        .unwrap_or(false)
}

enum Attempt {
    Open(Lock),
    Held,
    Removed,
}

fn open_locked(root: &OwnedFd) -> io::Result<Attempt> {
    let Some(handle) = removed_meanwhile(open_private(root, NAME))? else { return Ok(Attempt::Removed) };
    let Some(lock) = removed_meanwhile(open_lock(&handle))? else { return Ok(Attempt::Removed) };
    if !take(&lock)? {
        return Ok(Attempt::Held);
    }
    if !is_named(root, NAME, &handle)? || !is_named(&handle, LOCK, &lock)? {
        return Ok(Attempt::Removed);
    }
    ignore_all(&handle)?;
    Ok(Attempt::Open(Lock { handle: Arc::new(handle), _file: Arc::new(lock) }))
}

/// Whether nothing is in a root but what is ours.
pub fn is_alone(root: &Root) -> io::Result<bool> {
    for entry in fs::Dir::read_from(root.handle())? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && name != NAME.as_bytes() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Opens a directory that is ours alone, and makes it where it is missing.
pub(super) fn open_private(parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let made = match fs::mkdirat(&parent, name, Mode::RWXU) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let handle = open_directory(&parent, name.as_bytes())?;
    if made {
        // Neither the umask nor a default ACL of the directory above shall reach what is staged here.
        for inherited in ["system.posix_acl_default", "system.posix_acl_access"] {
            let _none_or_not_held_here = fs::fremovexattr(&handle, inherited);
        }
        fs::fchmod(&handle, Mode::RWXU)?;
    }
    Ok(handle)
}

fn open_lock(control: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(fs::openat(control, LOCK, flags, Mode::RUSR | Mode::WUSR)?)
}

/// False where another run holds it.
fn take(lock: &OwnedFd) -> io::Result<bool> {
    for _ in 0..=WAIT_MS / WAIT_STEP_MS {
        match fs::flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => thread::sleep(Duration::from_millis(WAIT_STEP_MS)),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Git and tools like it shall not see what is in here.
fn ignore_all(control: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    match fs::openat(control, IGNORE, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => File::from(file).write_all(b"*\n"),
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether `name` still is what was opened.
fn is_named(parent: &OwnedFd, name: &str, opened: &OwnedFd) -> io::Result<bool> {
    match Status::at(parent, name) {
        Ok(status) => Ok(status.stamp.inode == Status::of(opened)?.stamp.inode),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn removed_meanwhile<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

fn missing_is_fine(error: Errno) -> rustix::io::Result<()> {
    if error == Errno::NOENT { Ok(()) } else { Err(error) }
}
