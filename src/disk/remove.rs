//! Removing for good: trees of our own, in staging. Never holds more than a few handles, however deep the tree is: what
//! is below is first moved up. Removes nothing outside the directory that it is given.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::directories::change_mode;
use super::place::swap::{self, Leaf};
use super::root::open_directory;

/// The names in a directory.
pub(super) fn names(directory: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    entries(directory).map(|found| found.into_iter().map(|(name, _)| name).collect())
}

/// The names in a directory and their kinds.
pub(super) fn entries(directory: impl AsFd) -> io::Result<Vec<(Vec<u8>, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            found.push((name.to_vec(), entry.file_type()));
        }
    }
    Ok(found)
}

/// Removes the directory `name` in `parent`, which is open as `handle`, with all that is in it.
pub(super) fn whole(parent: BorrowedFd<'_>, name: &[u8], handle: &OwnedFd) -> io::Result<()> {
    emptied(handle)?;
    match fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes all that is in a directory of ours.
pub(super) fn emptied(top: &OwnedFd) -> io::Result<()> {
    let mut raised = Raised { top, next: 0, waiting: VecDeque::new() };
    raised.clear(top)?;
    while let Some(name) = raised.waiting.pop_front() {
        let directory = open_ours(top.as_fd(), &name)?;
        raised.clear(&directory)?;
        fs::unlinkat(top, &*name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// Directories that were moved up into `top`, to be emptied one by one.
struct Raised<'a> {
    top: &'a OwnedFd,
    next: u64,
    waiting: VecDeque<Vec<u8>>,
}

impl Raised<'_> {
    /// Removes every file in `directory`; moves every directory in it up.
    fn clear(&mut self, directory: &OwnedFd) -> io::Result<()> {
        for (name, _) in entries(directory)? {
            match fs::unlinkat(directory, &*name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::ISDIR | Errno::PERM) => self.raise(directory, &name)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn raise(&mut self, directory: &OwnedFd, name: &[u8]) -> io::Result<()> {
        if fs::unlinkat(directory, name, AtFlags::REMOVEDIR).is_ok() {
            return Ok(());
        }
        // A directory without write permission cannot be moved by its owner.
        drop(open_ours(directory.as_fd(), name)?);
        loop {
            let up = format!("raised-{}", self.next).into_bytes();
            self.next += 1;
            match swap::move_to_free(Leaf::new(directory.as_fd(), name), Leaf::new(self.top.as_fd(), &up)) {
                Ok(()) => {
                    self.waiting.push_back(up);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Opens a directory in staging and sees to it that its owner may empty it.
fn open_ours(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = fs::OFlags::PATH | fs::OFlags::DIRECTORY | fs::OFlags::NOFOLLOW | fs::OFlags::CLOEXEC;
    let handle = fs::openat(parent, name, flags, fs::Mode::empty())?;
    let status = super::status::Status::of(&handle)?;
    if status.mode & 0o700 != 0o700 {
        change_mode(handle.as_fd(), status.mode | 0o700)?;
    }
    open_directory(parent, name)
}
