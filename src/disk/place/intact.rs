//! Whether a directory that leaves its path holds nothing but what was scanned in it. Changes nothing.
//!
//! Asked twice: before it goes, so that what somebody works in is not moved to and fro; and where it has come to rest, where
//! nobody writes any more by its path, so that nothing comes in between the question and the rename.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use super::replace::{Refusal, same_content};
use super::swap::Leaf;
use crate::disk::remove;
use crate::disk::root;
use crate::disk::target::Target;
use crate::model::plan::action::Before;
use crate::model::{Kind, Listing, PathRef, RelPath};

/// A directory that is to be looked into: the one that it is in, where that was opened, its name, and its path once.
type Place = (Rc<OwnedFd>, Vec<u8>, RelPath);

impl Target {
    /// Refuses to move a directory that holds what nobody else knows.
    pub(super) fn check_intact(&self, path: PathRef<'_>, before: &Before, here: Leaf<'_>) -> Result<(), Refusal> {
        if self.is_intact(path, before.kind, here) {
            return Ok(());
        }
        Err(Refusal::Changed("holds what came or changed since it was scanned"))
    }

    /// Whether everything in the directory `here`, which is or was at `path`, was scanned and is what it was then; what went
    /// since does no harm. False also where that cannot be seen. A mirror is to be made equal, and the trash has what was not:
    /// there it is always true.
    pub(super) fn is_intact(&self, path: PathRef<'_>, kind: Kind, here: Leaf<'_>) -> bool {
        match self.spared() {
            Some(scanned) if kind == Kind::Directory => self.holds_only(scanned, path, here).unwrap_or(false),
            _ => true,
        }
    }

    fn holds_only(&self, scanned: &Listing, path: PathRef<'_>, here: Leaf<'_>) -> io::Result<bool> {
        let mut left: Vec<Place> = Vec::new();
        let mut opened = root::open_directory(here.directory, here.name)?;
        let mut path = path.to_owned();
        loop {
            let Some(below) = self.known_below(scanned, &path, opened)? else { return Ok(false) };
            left.extend(below);
            let Some((parent, name, next)) = left.pop() else { return Ok(true) };
            opened = root::open_directory(&*parent, &name)?;
            path = next;
        }
    }

    /// The directories in a directory; `None` where something unknown is in it.
    fn known_below(&self, scanned: &Listing, path: &RelPath, opened: OwnedFd) -> io::Result<Option<Vec<Place>>> {
        let opened = Rc::new(opened);
        let mut below = Vec::new();
        for name in remove::names(root::open_directory(&*opened, b".")?)? {
            let Ok(path) = path.join(&name) else { return Ok(None) };
            let Ok(at) = scanned.find(path.as_ref()) else { return Ok(None) };
            let (row, now) = (scanned.row(at), Leaf::new(opened.as_fd(), &name).status()?);
            let (kind, stamp) = (row.kind(), row.stamp());
            if !same_content(kind, &stamp, &now) && !same_content(kind, &self.since(&stamp), &now) {
                return Ok(None);
            }
            if kind == Kind::Directory {
                below.push((Rc::clone(&opened), name, path));
            }
        }
        Ok(Some(below))
    }
}
