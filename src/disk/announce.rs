//! What a run is about to put in place, said before it does: after a kill, a file that stands at a path can be told from
//! what stood there before, even if somebody has changed it since. Owns the list; decides nothing.
//!
//! ```text
//! file := (inode u64 | 0 staged, 1 moved, 2 arrived u8 | path bytes u16 | path) *      appended; a torn end is ignored
//! ```

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::control;
use super::directories::lock;
use super::remove;
use super::root::{Root, open_directory, open_file};
use super::status::Status;
use crate::model::{Kind, RelPath};

const NAME: &str = "announced";
/// Far more than one run places.
const BYTES_MAX: u64 = 1 << 30;

/// How a file comes to its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From staging.
    Staged,
    /// From another path of the root.
    Moved,
    /// The same, and it is done: what is not there any more, somebody took away.
    Arrived,
}

/// A file that was about to be put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Where.
    pub path: RelPath,
    /// The file's inode.
    pub inode: u64,
    /// How.
    pub way: Way,
}

/// The list of a run.
#[derive(Debug)]
pub(super) struct Announcements {
    file: Mutex<File>,
}

impl Announcements {
    /// A new list in `.alike`.
    pub fn new(control: &OwnedFd) -> io::Result<Announcements> {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(control, NAME, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Announcements { file: Mutex::new(File::from(file)) })
    }

    /// Appends some files in one write.
    pub fn add(&self, files: impl Iterator<Item = Announced>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for Announced { path, inode, way } in files {
            let path = path.as_bytes();
            bytes.extend_from_slice(&inode.to_le_bytes());
            bytes.push(match way {
                Way::Staged => 0,
                Way::Moved => 1,
                Way::Arrived => 2,
            });
            bytes.extend_from_slice(&u16::try_from(path.len()).expect("a legal path fits 16 bits").to_le_bytes());
            bytes.extend_from_slice(path);
        }
        lock(&self.file).write_all(&bytes)
    }
}

/// What a run that was killed had announced, the last word on each path last.
pub fn announced(root: &Root) -> io::Result<Vec<Announced>> {
    let Some(control) = control_of(root)? else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    match open_file(control, NAME.as_bytes()) {
        Ok(file) => drop(file.take(BYTES_MAX).read_to_end(&mut bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    Ok(parse(&bytes))
}

/// Forgets the list: what was put in place has been noted as seen.
pub fn forget(root: &Root) -> io::Result<()> {
    control_of(root)?.map_or(Ok(()), |control| forget_in(&control))
}

/// The same before what was staged is cleaned away: without the files the list says the wrong thing.
pub(super) fn forget_in(control: &OwnedFd) -> io::Result<()> {
    match fs::unlinkat(control, NAME, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The inodes of all files that are staged, or rest in the trash: those are not in place.
pub fn out_of_place(root: &Root) -> io::Result<HashSet<u64>> {
    let mut inodes = HashSet::new();
    let mut left: Vec<OwnedFd> = control_of(root)?.into_iter().collect();
    while let Some(directory) = left.pop() {
        for name in remove::names(&directory)? {
            let status = Status::at(directory.as_fd(), name.as_slice())?;
            if status.kind == Kind::Directory {
                left.push(open_directory(&directory, &name)?);
            } else {
                inodes.insert(status.stamp.inode);
            }
        }
    }
    Ok(inodes)
}

fn control_of(root: &Root) -> io::Result<Option<OwnedFd>> {
    match open_directory(root.handle(), control::NAME.as_bytes()) {
        Ok(control) => Ok(Some(control)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(mut bytes: &[u8]) -> Vec<Announced> {
    let mut all = Vec::new();
    while let Some((announced, rest)) = one(bytes) {
        all.push(announced);
        bytes = rest;
    }
    all
}

fn one(bytes: &[u8]) -> Option<(Announced, &[u8])> {
    let (inode, rest) = bytes.split_first_chunk::<8>()?;
    let (&way, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (path, rest) = rest.split_at_checked(u16::from_le_bytes(*length) as usize)?;
    let way = match way {
        0 => Way::Staged,
        1 => Way::Moved,
        _ => Way::Arrived,
    };
    Some((Announced { path: RelPath::new(path).ok()?, inode: u64::from_le_bytes(*inode), way }, rest))
}
