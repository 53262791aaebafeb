//! The few renames that all installing is made of, with what stands in for them where a file system lacks the flags of
//! `renameat2`. Owns atomicity: no name ever stops naming something, except where it is said here.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::disk::root;
use crate::disk::status::Status;
use crate::disk::trash::Rest;
use crate::model::Kind;

/// A name in an opened directory.
#[derive(Debug, Clone, Copy)]
pub(in crate::disk) struct Leaf<'a> {
    pub directory: BorrowedFd<'a>,
    pub name: &'a [u8],
}

impl<'a> Leaf<'a> {
    /// A name in a directory.
    pub const fn new(directory: BorrowedFd<'a>, name: &'a [u8]) -> Leaf<'a> {
        Leaf { directory, name }
    }

    /// What the name stands for, itself where it is a link.
    pub fn status(self) -> io::Result<Status> {
        Status::at(self.directory, self.name)
    }
}

/// Moves to a name that nothing has; `AlreadyExists` where something has it.
pub(in crate::disk) fn move_to_free(from: Leaf<'_>, to: Leaf<'_>) -> io::Result<()> {
    match fs::renameat_with(from.directory, from.name, to.directory, to.name, RenameFlags::NOREPLACE) {
        Err(error) if is_unsupported(error) => move_to_free_plainly(from, to),
        moved => Ok(moved?),
    }
}

/// Moves to the first free one of the names that a resting place offers.
pub(in crate::disk) fn move_to_rest(from: Leaf<'_>, rest: &mut Rest) -> io::Result<()> {
    at_free_name(rest, |to| move_to_free(from, to))
}

/// Swaps two names in one step. `None` where the file system cannot.
pub(in crate::disk) fn exchange(one: Leaf<'_>, other: Leaf<'_>) -> io::Result<Option<()>> {
    match fs::renameat_with(one.directory, one.name, other.directory, other.name, RenameFlags::EXCHANGE) {
        Err(error) if is_unsupported(error) => Ok(None),
        swapped => Ok(Some(swapped?)),
    }
}

/// Puts `new` in place of `here` without an exchange: what is here first gets a second name at `rest`, then the new
/// thing takes the first one. `here` names something at every instant, unless a directory is in it.
pub(in crate::disk) fn replace_plainly(new: Leaf<'_>, here: Leaf<'_>, rest: &mut Rest) -> io::Result<()> {
    let kind = here.status()?.kind;
    if kind == Kind::Directory || new.status()?.kind == Kind::Directory {
        // A directory has no second name, and none takes the name of a file. A crash in between leaves the name free
        // and the old thing whole in the trash.
        move_to_rest(here, rest)?;
        return Ok(fs::renameat(new.directory, new.name, here.directory, here.name)?);
    }
    at_free_name(rest, |to| match fs::linkat(here.directory, here.name, to.directory, to.name, AtFlags::empty()) {
        Err(error) if lacks_links(error) => second_copy(here, kind, to),
        linked => Ok(linked?),
    })?;
    Ok(fs::renameat(new.directory, new.name, here.directory, here.name)?)
}

fn at_free_name(rest: &mut Rest, act: impl Fn(Leaf<'_>) -> io::Result<()>) -> io::Result<()> {
    loop {
        match act(rest.leaf()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && rest.other() => {}
            done => return done,
        }
    }
}

fn move_to_free_plainly(from: Leaf<'_>, to: Leaf<'_>) -> io::Result<()> {
    if from.status()?.kind == Kind::Directory {
        // A directory may take the name of an empty one, and making that one fails where anything is.
        fs::mkdirat(to.directory, to.name, Mode::RWXU)?;
        return Ok(fs::renameat(from.directory, from.name, to.directory, to.name)?);
    }
    match fs::linkat(from.directory, from.name, to.directory, to.name, AtFlags::empty()) {
        Ok(()) => Ok(fs::unlinkat(from.directory, from.name, AtFlags::empty())?),
        // Without links nothing can be both atomic and exclusive: what appears between the look and the rename is
        // replaced. An empty file that reserves the name would be seen, and would stay after a crash.
        Err(error) if lacks_links(error) => {
            if root::exists(to.directory, to.name)? {
                return Err(Errno::EXIST.into());
            }
            Ok(fs::renameat(from.directory, from.name, to.directory, to.name)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Where there are no hard links (vfat, exfat), the old bytes are copied before their name is taken.
fn second_copy(here: Leaf<'_>, kind: Kind, to: Leaf<'_>) -> io::Result<()> {
    if kind != Kind::File {
        return Err(Errno::OPNOTSUPP.into());
    }
    let mut old = root::open_file(here.directory, here.name)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut copy = File::from(fs::openat(to.directory, to.name, flags, Mode::RUSR | Mode::WUSR)?);
    io::copy(&mut old, &mut copy)?;
    let metadata = old.metadata()?;
    copy.set_modified(metadata.modified()?)
}

fn is_unsupported(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

fn lacks_links(error: Errno) -> bool {
    matches!(error, Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::path::Path;

    use super::*;
    use crate::disk::directories::Directories;
    use crate::model::PathRef;

    fn read(root: &Path, name: &str) -> String {
        std::fs::read_to_string(root.join(name)).expect("readable")
    }

    #[test]
    fn without_the_flag_a_move_still_overwrites_nothing() {
        let root = tempfile::tempdir().expect("a directory");
        let handle = File::open(root.path()).expect("opened");
        let leaf = |name| Leaf::new(handle.as_fd(), name);
        for name in ["a", "taken"] {
            std::fs::write(root.path().join(name), name).expect("written");
        }
        std::fs::create_dir_all(root.path().join("d/sub")).expect("made");
        for from in [leaf(b"a"), leaf(b"d")] {
            let refused = move_to_free_plainly(from, leaf(b"taken")).expect_err("taken");
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        }
        move_to_free_plainly(leaf(b"a"), leaf(b"b")).expect("moved");
        move_to_free_plainly(leaf(b"d"), leaf(b"e")).expect("moved");
        assert_eq!((read(root.path(), "b"), read(root.path(), "taken")), ("a".into(), "taken".into()));
        assert!(root.path().join("e/sub").is_dir());
        assert!(!root.path().join("a").exists() && !root.path().join("d").exists());
    }

    #[test]
    fn without_an_exchange_the_old_thing_still_goes_to_rest() {
        let root = tempfile::tempdir().expect("a directory");
        let handle = File::open(root.path()).expect("opened");
        let directories = Directories::below(&handle).expect("opened");
        let leaf = |name| Leaf::new(handle.as_fd(), name);
        for (new, old) in [("new1", "old1"), ("new2", "old2")] {
            std::fs::write(root.path().join(new), new).expect("written");
            std::fs::write(root.path().join(old), old).expect("written");
        }
        let rest = || Rest::new(directories.open(PathRef::ROOT).expect("opened"), b"rest");
        replace_plainly(leaf(b"new1"), leaf(b"old1"), &mut rest()).expect("replaced");
        replace_plainly(leaf(b"new2"), leaf(b"old2"), &mut rest()).expect("replaced");
        assert_eq!((read(root.path(), "old1"), read(root.path(), "rest")), ("new1".into(), "old1".into()));
        assert_eq!((read(root.path(), "old2"), read(root.path(), "rest.~1")), ("new2".into(), "old2".into()));
        std::fs::create_dir(root.path().join("d")).expect("made");
        std::fs::write(root.path().join("new3"), "new3").expect("written");
        replace_plainly(leaf(b"new3"), leaf(b"d"), &mut rest()).expect("replaced");
        assert_eq!(read(root.path(), "d"), "new3");
        assert!(root.path().join("rest.~2").is_dir());
    }

    #[test]
    fn without_links_the_old_bytes_are_copied_to_rest() {
        let root = tempfile::tempdir().expect("a directory");
        let handle = File::open(root.path()).expect("opened");
        std::fs::write(root.path().join("old"), "bytes").expect("written");
        let leaf = |name| Leaf::new(handle.as_fd(), name);
        second_copy(leaf(b"old"), Kind::File, leaf(b"copy")).expect("copied");
        assert_eq!(read(root.path(), "copy"), "bytes");
        second_copy(leaf(b"old"), Kind::File, leaf(b"copy")).expect_err("taken");
    }
}
