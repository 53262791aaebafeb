//! Whether a directory that is about to leave its path holds nothing but what was scanned in it. Changes nothing.

use std::io;
use std::os::fd::AsFd;

use super::replace::same_content;
use super::swap::Leaf;
use crate::disk::remove;
use crate::disk::root;
use crate::disk::target::Target;
use crate::model::{Kind, Listing, RelPath};

impl Target {
    /// Whether everything in a directory was scanned, and is what it was then; what went since does no harm. False also
    /// where that cannot be seen.
    pub fn is_intact(&self, directory: &RelPath, listing: &Listing) -> bool {
        let mut left = vec![directory.clone()];
        while let Some(directory) = left.pop() {
            match self.known_below(&directory, listing) {
                Ok(Some(below)) => left.extend(below),
                Ok(None) | Err(_) => return false,
            }
        }
        true
    }

    /// The directories in a directory; `None` where something unknown is in it.
    fn known_below(&self, directory: &RelPath, listing: &Listing) -> io::Result<Option<Vec<RelPath>>> {
        let handle = self.directories().open(directory.as_ref())?;
        let mut below = Vec::new();
        // The handle stands for a place and reads nothing.
        for name in remove::names(root::open_directory(handle.as_fd(), b".")?)? {
            let Ok(path) = RelPath::new(&[directory.as_bytes(), b"/", &name].concat()) else { return Ok(None) };
            let Ok(at) = listing.find(path.as_ref()) else { return Ok(None) };
            let (row, now) = (listing.row(at), Leaf::new(handle.as_fd(), &name).status()?);
            let (kind, stamp) = (row.kind(), row.stamp());
            if !same_content(kind, &stamp, &now) && !same_content(kind, &self.since(&stamp), &now) {
                return Ok(None);
            }
            if kind == Kind::Directory {
                below.push(path);
            }
        }
        Ok(Some(below))
    }
}
