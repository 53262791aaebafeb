//! An opened root: the handle that every operation starts from. The root is opened once and never by name again.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::error::Error;
use crate::model::PathRef;

/// Whether the kernel has refused to leave a file's access time alone, which it grants its owner and root: then it is
/// not asked again. Where it does, reading a tree writes nothing, not even to its inodes.
static SET_ATIME: AtomicBool = AtomicBool::new(false);

/// An opened root directory.
#[derive(Debug)]
pub struct Root {
    handle: OwnedFd,
    path: PathBuf,
    identity: Identity,
}

/// What tells one root from another on this machine, across renames of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device number of the file system, as of now: it changes at reboot.
    pub device: u64,
    /// What the file system calls itself (statfs), which most keep across reboots; the device number where it has none.
    pub file_system: u64,
    /// Inode number of the root directory.
    pub inode: u64,
}

impl Root {
    /// Opens an existing directory and resolves its path.
    pub fn open(path: &Path) -> Result<Root, Error> {
        let refuse = |source: io::Error| match source.kind() {
            io::ErrorKind::NotADirectory => Error::NotADirectory { path: path.into() },
            _ => Error::Open { path: path.into(), source },
        };
        let resolved = path.canonicalize().map_err(refuse)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = fs::open(&resolved, flags, Mode::empty()).map_err(|e| refuse(e.into()))?;
        Root::of(handle, resolved)
    }

    fn of(handle: OwnedFd, path: PathBuf) -> Result<Root, Error> {
        let stat = fs::fstat(&handle).map_err(|error| Error::Open { path: path.clone(), source: error.into() })?;
        let named = fs::fstatvfs(&handle).map_or(0, |stat| stat.f_fsid);
        let file_system = if named == 0 { stat.st_dev } else { named };
        Ok(Root { handle, path, identity: Identity { device: stat.st_dev, file_system, inode: stat.st_ino } })
    }

    /// A directory in the root as a root of its own. No link is followed on the way, also none that comes there just now.
    pub fn below(&self, below: PathRef<'_>) -> Result<Root, Error> {
        let path = self.path.join(OsStr::from_bytes(below.as_bytes()));
        let refuse = |source: io::Error| match source.kind() {
            io::ErrorKind::NotADirectory => Error::NotADirectory { path: path.clone() },
            _ => Error::Open { path: path.clone(), source },
        };
        let mut handle = self.handle.try_clone().map_err(refuse)?;
        for name in below.components() {
            handle = open_directory(&handle, name).map_err(refuse)?;
        }
        Root::of(handle, path)
    }

    /// Makes the directory (and, with `parents`, what is missing above it) and opens it.
    pub fn create(path: &Path, parents: bool) -> Result<Root, Error> {
        let made = if parents { std::fs::create_dir_all(path) } else { std::fs::create_dir(path) };
        match made {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::Create { path: path.into(), source })
            }
            _ => Root::open(path),
        }
    }

    /// A second handle of the same root.
    pub fn try_clone(&self) -> Result<Root, Error> {
        let refuse = |source| Error::Open { path: self.path.clone(), source };
        let handle = self.handle.try_clone().map_err(refuse)?;
        Ok(Root { handle, path: self.path.clone(), identity: self.identity })
    }

    /// The resolved path, for people and for comparing roots.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What tells this root from another.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether its path still leads to it: it was neither moved nor deleted, and nothing is mounted in its place.
    pub fn is_in_place(&self) -> bool {
        let Identity { device, inode, .. } = self.identity;
        fs::stat(&self.path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (device, inode))
    }

    /// The directory handle.
    pub fn handle(&self) -> &OwnedFd {
        &self.handle
    }
}

/// Opens the directory `name` in `parent`; never follows a link, never leaves `parent`.
pub fn open_directory(parent: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(parent, name, flags, Mode::empty())?)
}

/// Opens the file `name` in `parent` for reading; never follows a link, never blocks on a fifo.
pub fn open_file(parent: impl AsFd, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    if !SET_ATIME.load(Ordering::Relaxed) {
        match fs::openat(&parent, name, flags | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => SET_ATIME.store(true, Ordering::Relaxed),
            opened => return Ok(File::from(opened?)),
        }
    }
    Ok(File::from(fs::openat(parent, name, flags, Mode::empty())?))
}

/// Whether `name` in `parent` is there, without following a link.
pub fn exists(parent: impl AsFd, name: &[u8]) -> io::Result<bool> {
    match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
