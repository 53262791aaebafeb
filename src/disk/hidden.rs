//! Whether a path that a scan did not list would have been left out of it, had it been there: by pattern, or by the ignore
//! files of the root. Owns the question; a scan asks the same rules on its way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;

use super::filter::Filter;
use super::read::Reader;
use super::root::Root;
use super::rules::{self, InForce};
use super::status::Status;
use crate::model::{Kind, PathRef, RelPath};

/// The rules of a root, read as they are needed.
pub struct Hidden<'a> {
    reader: Reader<'a>,
    filter: &'a Filter,
    /// The rules in each directory that was asked about; `None` where they cannot be known.
    in_force: RefCell<HashMap<RelPath, Option<InForce>>>,
}

impl<'a> Hidden<'a> {
    /// The rules of `root` under the patterns of a run.
    pub fn new(root: &'a Root, filter: &'a Filter) -> Hidden<'a> {
        Hidden { reader: Reader::new(root), filter, in_force: RefCell::default() }
    }

    /// Whether a path is left out as what it is or shall be, or lies below something that is. Where that cannot be known
    /// it counts as left out.
    pub fn hides(&self, path: PathRef<'_>, kind: Kind) -> bool {
        let Some(parent) = path.parent() else { return false };
        let force = self.in_directory(parent);
        force.is_none_or(|force| self.filter.hides(&force, path.as_bytes(), kind == Kind::Directory).0)
    }

    /// Whether a scan that did not find at a path what was there before tells nothing of it: it is left out, or something
    /// else stands there that is. Then it is never taken for deleted.
    pub fn may_hide(&self, path: PathRef<'_>, before: Kind) -> bool {
        let other = if before == Kind::Directory { Kind::File } else { Kind::Directory };
        self.hides(path, before) || self.hides(path, other) && self.stands(path)
    }

    /// Whether anything is at a path; where that cannot be known, it is.
    fn stands(&self, path: PathRef<'_>) -> bool {
        let status = self.reader.parent(path).and_then(|parent| Status::at(&*parent, path.name()));
        !status.is_err_and(|error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }

    /// The rules in a directory; `None` where it is left out itself, or they cannot be read.
    fn in_directory(&self, directory: PathRef<'_>) -> Option<InForce> {
        if let Some(known) = self.in_force.borrow().get(&directory.to_owned()) {
            return known.clone();
        }
        let above = match directory.parent() {
            None => Some(InForce::default()),
            Some(parent) => {
                let force = self.in_directory(parent);
                force.filter(|force| !self.filter.hides(force, directory.as_bytes(), true).0)
            }
        };
        let force = above.and_then(|above| self.enter(&above, directory).ok());
        self.in_force.borrow_mut().insert(directory.to_owned(), force.clone());
        force
    }

    fn enter(&self, above: &InForce, directory: PathRef<'_>) -> io::Result<InForce> {
        self.filter.decree.enter(above, directory, || {
            if self.filter.leaves_out_rules(directory) {
                return Ok(None);
            }
            let file = directory.to_owned().join(rules::NAME).map_err(io::Error::other)?;
            match self.reader.parent(file.as_ref()) {
                Ok(handle) => rules::read(&*handle),
                // A directory that is not there holds no rules.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        })
    }
}
