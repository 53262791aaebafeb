//! Reading extended attributes and ACLs. Owns which attributes belong to an entry.
//!
//! Kept: `user.*`, `trusted.*` (listed to root alone), POSIX ACLs, and file capabilities. Labels of security modules
//! belong to the machine, not to the file, and stay out.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs;
use rustix::io::Errno;

use super::root::open_directory;
use super::xattrat;
use crate::model::Kind;
use crate::model::entry::Xattr;

/// The kernel's limits on a list of names and on one value.
const BYTES_MAX: usize = 64 * 1024;

/// How the attributes of a path are reached.
pub(super) enum Through<'a> {
    /// By an opened file.
    File(&'a File),
    /// By name: nothing is opened. Links, fifos and devices cannot be opened for this.
    Name(&'a OwnedFd, &'a CStr, Kind),
}

/// The attributes that belong to the entry, sorted by name.
pub(super) fn read(through: &Through<'_>) -> io::Result<Vec<Xattr>> {
    let found = match through {
        Through::File(file) => {
            collect(&|list| fs::flistxattr(file, list), &|name, value| fs::fgetxattr(file, name, value))
        }
        Through::Name(parent, name, _) if xattrat::has_none(parent, name) => return Ok(Vec::new()),
        Through::Name(parent, name, kind) => match by_path(parent, name) {
            // No `/proc` here: what can be opened is opened.
            Err(Errno::NOENT | Errno::NOTDIR) if !proc_is_there() => return by_handle(parent, name, *kind),
            found => found,
        },
    };
    match found {
        Err(Errno::OPNOTSUPP) => Ok(Vec::new()),
        found => Ok(found?),
    }
}

fn by_path(parent: &OwnedFd, name: &CStr) -> Result<Vec<Xattr>, Errno> {
    let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    collect(&|list| fs::llistxattr(path.as_slice(), list), &|name, value| fs::lgetxattr(path.as_slice(), name, value))
}

fn by_handle(parent: &OwnedFd, name: &CStr, kind: Kind) -> io::Result<Vec<Xattr>> {
    match kind {
        Kind::Directory => read(&Through::File(&File::from(open_directory(parent, name.to_bytes())?))),
        Kind::File => read(&Through::File(&super::root::open_file(parent, name.to_bytes())?)),
        Kind::Symlink | Kind::Fifo | Kind::BlockDevice | Kind::CharDevice | Kind::Socket | Kind::Unreadable => {
            Ok(Vec::new())
        }
    }
}

fn proc_is_there() -> bool {
    fs::access("/proc/self/fd", fs::Access::EXISTS).is_ok()
}

type List<'a> = &'a dyn Fn(&mut [u8]) -> Result<usize, Errno>;
type Value<'a> = &'a dyn Fn(&[u8], &mut [u8]) -> Result<usize, Errno>;

fn collect(list: List<'_>, value: Value<'_>) -> Result<Vec<Xattr>, Errno> {
    // Nearly every file has none: one call and no allocation for it.
    let mut few = [0; 128];
    let names = match list(&mut few) {
        Ok(0) => return Ok(Vec::new()),
        Ok(bytes) => few[..bytes].to_vec(),
        Err(Errno::RANGE) => whole(list)?,
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in names.split(|&byte| byte == 0).filter(|name| belongs(name)) {
        match whole(&|buffer| value(name, buffer)) {
            Ok(bytes) => found.push(Xattr { name: name.into(), value: bytes.into() }),
            // Removed since it was listed: the change time moved, so the caller or the next scan looks again.
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    found.sort();
    Ok(found)
}

/// Reads all of a list or a value, whatever its size.
pub(super) fn whole(read: &dyn Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 1024];
    loop {
        match read(&mut buffer) {
            Ok(bytes) => {
                buffer.truncate(bytes);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < BYTES_MAX => buffer.resize(BYTES_MAX, 0),
            Err(error) => return Err(error),
        }
    }
}

/// Which attributes belong to an entry, for scanning and for installing alike. Labels of security modules belong to the
/// machine.
pub(super) fn belongs(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || name.starts_with(b"trusted.")
        || name.starts_with(b"system.posix_acl_")
        || name == b"security.capability"
}
