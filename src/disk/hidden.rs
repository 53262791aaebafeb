//! Whether a path that a scan did not list would have been left out of it, had it been there: by pattern, or by the ignore
//! files of the root. Owns the question; a scan asks the same rules on its way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;

use super::filter::Filter;
use super::read::Reader;
use super::root::Root;
use super::rules::{self, InForce};
use crate::model::{PathRef, RelPath};

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

    /// Whether a path is left out, as a file or as a directory, or lies below something that is. Where that cannot be
    /// known it counts as left out: then it is never taken for deleted.
    pub fn hides(&self, path: PathRef<'_>) -> bool {
        let Some(parent) = path.parent() else { return false };
        match self.in_directory(parent) {
            None => true,
            Some(force) => {
                let out = |directory| self.filter.hides(&force, path.as_bytes(), directory).0;
                out(false) || out(true)
            }
        }
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
