//! Setting metadata by handle: owner, attributes, permission bits, modification time, in this order. Owns what is lost
//! on the way and how it is named. Never follows a link, never reads content.
//!
//! The order matters: a change of owner clears set-id bits and capabilities; a change of an ACL changes the bits; all
//! of them may be refused once the bits say so; and the time is last because everything else may touch it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;

use super::directories::{by_proc, change_mode};
use super::status::Status;
use super::xattr::{belongs, whole};
use crate::model::entry::Xattr;
use crate::model::{Entry, Kind, Time};

/// Set-id bits: they do not survive a change of owner.
const SET_ID: u16 = 0o6000;

/// Which metadata is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub mode: bool,
    pub xattrs: bool,
    pub owner: bool,
    /// What new files lack where no mode is wanted.
    pub umask: u16,
}

/// The name of an attribute, and how it went to set or remove it.
type Tried = (Box<[u8]>, io::Result<()>);

/// How a thing is reached.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reach<'a> {
    /// Opened for reading or writing.
    Open(BorrowedFd<'a>),
    /// Opened with `O_PATH`: a link, a device, a directory, or a file that may be unreadable.
    Path(BorrowedFd<'a>),
}

/// How a file of ours came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Born {
    /// Permission bits.
    pub mode: u16,
    /// User and group.
    pub owner: (u32, u32),
}

/// What is known of a thing before its metadata is set.
#[derive(Debug, Clone, Copy)]
pub(super) enum Now<'a> {
    /// Just made by us in staging: mode 0600, no attributes.
    Fresh,
    /// The same, and it is known how it came to be.
    Born(Born),
    /// What a stat call says, of something that may have attributes.
    Seen(&'a Status),
}

/// Sets what is wanted and differs; returns what could not be kept, each in a few words.
pub(super) fn apply(reach: Reach<'_>, now: Now<'_>, entry: &Entry, wanted: Wanted) -> io::Result<Vec<String>> {
    let mut lacks = Vec::new();
    let mut note = |field: &str, done: io::Result<()>| match done {
        Err(error) if !is_lack(&error) => Err(error),
        Err(error) => {
            lacks.push(format!("{field} is not kept: {}", super::place::cause(&error)));
            Ok(())
        }
        Ok(()) => Ok(()),
    };
    let mut mode_now = now.mode(entry.kind);
    if wanted.owner && now.owner() != Some((entry.uid, entry.gid)) {
        note("its owner", reach.change_owner(Some(entry.uid), Some(entry.gid)))?;
        if entry.mode & SET_ID != 0 {
            mode_now = None;
        }
    }
    if wanted.xattrs && (matches!(now, Now::Seen(_)) || !entry.xattrs().is_empty()) {
        for (name, done) in reach.set_attributes(now, entry)? {
            note(&format!("its attribute `{}`", name.escape_ascii()), done)?;
        }
        // An ACL writes permission bits.
        mode_now = None;
    }
    let mode = match now {
        _ if entry.kind == Kind::Symlink => None,
        _ if wanted.mode => Some(entry.mode),
        // As any program would have made it.
        Now::Fresh | Now::Born(_) => Some(entry.mode & 0o777 & !wanted.umask),
        Now::Seen(_) => None,
    };
    if let Some(mode) = mode.filter(|mode| mode_now != Some(*mode)) {
        note("its mode", reach.change_mode(mode))?;
    }
    if now.mtime() != Some(entry.mtime) || mode_now.is_none() {
        note("its modification time", reach.change_mtime(entry.mtime))?;
    }
    Ok(lacks)
}

/// Sets owner and group of a fresh file, as far as we may, and the permission bits, because that clears some of them.
pub(super) fn hand_on(reach: Reach<'_>, uid: Option<u32>, gid: Option<u32>, mode: u16) -> io::Result<()> {
    match reach.change_owner(uid, gid).or_else(|_| reach.change_owner(None, gid)) {
        Err(error) if !is_lack(&error) => return Err(error),
        _ => {}
    }
    reach.change_mode(mode)
}

/// Sets the modification time of whatever an `O_PATH` handle stands for.
pub(super) fn set_mtime(handle: BorrowedFd<'_>, mtime: Time) -> io::Result<()> {
    Reach::Path(handle).change_mtime(mtime)
}

/// The bits that this process takes from the mode of what it makes.
pub(super) fn umask() -> u16 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    mask.and_then(|mask| u16::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
}

impl Now<'_> {
    fn mode(self, kind: Kind) -> Option<u16> {
        match self {
            Now::Fresh if kind == Kind::File => Some(0o600),
            Now::Fresh => None,
            Now::Born(born) => Some(born.mode),
            Now::Seen(status) => Some(status.mode),
        }
    }

    fn owner(self) -> Option<(u32, u32)> {
        match self {
            Now::Fresh => None,
            Now::Born(born) => Some(born.owner),
            Now::Seen(status) => Some((status.uid, status.gid)),
        }
    }

    fn mtime(self) -> Option<Time> {
        match self {
            Now::Fresh | Now::Born(_) => None,
            Now::Seen(status) => Some(status.stamp.mtime),
        }
    }
}

impl Reach<'_> {
    fn handle(&self) -> BorrowedFd<'_> {
        match self {
            Reach::Open(handle) | Reach::Path(handle) => handle.as_fd(),
        }
    }

    fn change_owner(&self, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        let done = match self {
            Reach::Open(handle) => fs::fchown(handle, uid, gid),
            Reach::Path(handle) => fs::chownat(handle, c"", uid, gid, AtFlags::EMPTY_PATH),
        };
        Ok(done?)
    }

    fn change_mode(&self, mode: u16) -> io::Result<()> {
        match self {
            Reach::Open(handle) => Ok(fs::fchmod(handle, Mode::from_bits_retain(u32::from(mode)))?),
            Reach::Path(handle) => change_mode(handle.as_fd(), mode),
        }
    }

    fn change_mtime(&self, mtime: Time) -> io::Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: i64::from(mtime.nanos) },
        };
        match self {
            Reach::Open(handle) => Ok(fs::futimens(handle, &times)?),
            Reach::Path(handle) => match fs::utimensat(handle, c"", &times, AtFlags::EMPTY_PATH) {
                // Kernels before 5.8.
                Err(Errno::INVAL) => Ok(fs::utimensat(CWD, by_proc(handle.as_fd()), &times, AtFlags::empty())?),
                done => Ok(done?),
            },
        }
    }

    /// Makes the attributes equal to those of the entry; returns what happened to each that differed.
    fn set_attributes(&self, now: Now<'_>, entry: &Entry) -> io::Result<Vec<Tried>> {
        let found = match now {
            Now::Fresh | Now::Born(_) => Vec::new(),
            Now::Seen(_) => self.attributes()?,
        };
        let mut done = Vec::new();
        for xattr in entry.xattrs() {
            // A name of another namespace, from a peer, is none that a scan would have kept.
            if !found.contains(xattr) && belongs(&xattr.name) {
                done.push((xattr.name.clone(), self.with_permission(now, || self.set_attribute(xattr))));
            }
        }
        for Xattr { name, .. } in &found {
            if !entry.xattrs().iter().any(|wanted| wanted.name == *name) {
                done.push((name.clone(), self.with_permission(now, || self.remove_attribute(name))));
            }
        }
        Ok(done)
    }

    /// The kernel asks for write permission to change an attribute; the owner can lend it.
    fn with_permission(&self, now: Now<'_>, act: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match (act(), now) {
            (Err(error), Now::Seen(status)) if super::directories::is_refusal(&error) && status.mode & 0o200 == 0 => {
                self.change_mode(status.mode | 0o600)?;
                let done = act();
                self.change_mode(status.mode)?;
                done
            }
            (done, _) => done,
        }
    }

    fn set_attribute(&self, xattr: &Xattr) -> io::Result<()> {
        let (name, value) = (&*xattr.name, &*xattr.value);
        let done = match self {
            Reach::Open(handle) => fs::fsetxattr(handle, name, value, XattrFlags::empty()),
            Reach::Path(handle) => fs::setxattr(by_proc(handle.as_fd()), name, value, XattrFlags::empty()),
        };
        Ok(done?)
    }

    fn remove_attribute(&self, name: &[u8]) -> io::Result<()> {
        let removed = match self {
            Reach::Open(handle) => fs::fremovexattr(handle, name),
            Reach::Path(handle) => fs::removexattr(by_proc(handle.as_fd()), name),
        };
        match removed {
            Err(Errno::NODATA) => Ok(()),
            removed => Ok(removed?),
        }
    }

    fn attributes(&self) -> io::Result<Vec<Xattr>> {
        let path = by_proc(self.handle());
        let names = match whole(&|buffer| fs::listxattr(path.as_str(), buffer)) {
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            names => names?,
        };
        let mut found = Vec::new();
        for name in names.split(|&byte| byte == 0).filter(|name| belongs(name)) {
            match whole(&|buffer| fs::getxattr(path.as_str(), name, buffer)) {
                Ok(value) => found.push(Xattr { name: name.into(), value: value.into() }),
                // Removed meanwhile, or not for us to read: it is set or removed by its name.
                Err(Errno::NODATA) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }
}

/// Whether a refusal means that this file system or this user cannot hold a field: the content is placed nevertheless.
fn is_lack(error: &io::Error) -> bool {
    let known = [
        Errno::OPNOTSUPP,
        Errno::PERM,
        Errno::ACCESS,
        Errno::NOSYS,
        Errno::INVAL,
        Errno::RANGE,
        Errno::TOOBIG,
        Errno::OVERFLOW,
        // ext4 says so where an attribute is larger than a block.
        Errno::NOSPC,
    ];
    Errno::from_io_error(error).is_some_and(|errno| known.contains(&errno))
}
