//! A new directory that is put in place whole, with the files in it: they have their own names already in staging, so
//! that one rename stands for one a file. Owns when that may be, and how its files are placed where it cannot.
//!
//! A rename of the directory moves no stamp of what is in it: what stat says of a file before it holds after it, and
//! whatever somebody does to the file in between shows.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::replace::Refusal;
use super::swap::{self, Leaf};
use super::{Placed, wanted};
use crate::disk::copy::PlaceError;
use crate::disk::metadata::{self, Born, Now, Reach};
use crate::disk::stage::{Nest, Staged};
use crate::disk::status::Status;
use crate::disk::target::{Fsync, Target};
use crate::model::plan::action::Action;
use crate::model::{Digest, Entry, Problem, ProblemKind};

/// A file in a nest, closed: what it is, until the nest is in place.
#[derive(Debug)]
pub struct Nested {
    /// What the file is.
    placed: Placed,
    born: Born,
}

impl Nested {
    /// The file's inode.
    pub const fn inode(&self) -> u64 {
        self.placed.stamp.inode
    }

    /// What is to be said once the nest is in place.
    pub fn into_placed(self) -> Placed {
        self.placed
    }
}

impl Target {
    /// A directory in staging for the files of the new directory of `action`; `None` where the directory must be made in
    /// its place: there it may take over a group, or what is in it is made durable one by one.
    pub fn nest(&self, action: &Action) -> Option<Nest> {
        let plain = self.wanted().mode && self.wanted().xattrs && self.fsync() != Fsync::Each;
        let parent = self.parent(action.path.as_ref()).ok()?;
        if !plain || action.before.is_some() || parent.heirs.is_some() {
            return None;
        }
        self.staging().nest().ok()
    }

    /// Copies `size` bytes of a local file into a nest, under the name that the action's path ends with. What `check` does
    /// not find good afterwards does not stay there.
    pub fn nest_copy(
        &self,
        nest: &Nest,
        action: &Action,
        (source, size, content): (&File, u64, Option<&Digest>),
        check: &dyn Fn() -> Result<(), PlaceError>,
    ) -> Result<(Nested, Digest), PlaceError> {
        let unplanned = || PlaceError::Write(io::ErrorKind::InvalidInput.into());
        let entry = action.wanted.as_ref().ok_or_else(unplanned)?;
        let staged = nest.file(action.path.as_ref().name(), self.born_mode(entry)).map_err(PlaceError::Write)?;
        let filled = self.fill(&staged, source, size, content).and_then(|digest| {
            check()?;
            Ok((self.settle_nested(&staged, action, entry).map_err(PlaceError::Write)?, digest))
        });
        match filled {
            Ok(nested) => {
                staged.leave();
                Ok(nested)
            }
            // Dropped, it is taken out.
            Err(error) => Err(error),
        }
    }

    /// An empty file in a nest, under the name that the action's path ends with. [`Target::nest_filled`] must follow, else the
    /// file does not stay there.
    pub fn nest_empty(&self, nest: &Nest, action: &Action) -> io::Result<Staged> {
        let entry = action.wanted.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
        nest.file(action.path.as_ref().name(), self.born_mode(entry))
    }

    /// A file in a nest that holds what it shall.
    pub fn nest_filled(&self, action: &Action, staged: Staged) -> Result<Nested, Problem> {
        let settle = || self.settle_nested(&staged, action, wanted(action)?).map_err(Refusal::from);
        let nested = settle().map_err(|refusal| refusal.into_problem(&action.path))?;
        staged.leave();
        Ok(nested)
    }

    fn settle_nested(&self, staged: &Staged, action: &Action, entry: &Entry) -> io::Result<Nested> {
        let reach = Reach::Open(staged.file().as_fd());
        let lacks = metadata::apply(reach, Now::Born(staged.born()), entry, self.wanted())?;
        let status = Status::of(staged.file())?;
        Ok(Nested { placed: self.placed(&action.path, entry, &status, lacks), born: staged.born() })
    }

    /// Puts a nest in place as the new directory of `action`, with all that is in it. Where that cannot be, nothing has
    /// happened: the directory is then made as any other, and its files are placed one by one.
    pub fn place_nest(&self, action: &Action, nest: &mut Nest) -> Result<Placed, Problem> {
        let path = action.path.as_ref();
        self.check_path(path)?;
        if nest.is_spoilt() {
            let cause = "holds a file that could not be removed".into();
            return Err(Problem { path: action.path.clone(), kind: ProblemKind::Unwritable, cause });
        }
        let place = || {
            let parent = self.parent(path)?;
            let here = Leaf::new(parent.as_fd(), path.name());
            self.in_parent(path, &parent, || swap::move_to_free(nest.leaf(), here))?;
            Ok(here.status()?.stamp)
        };
        let stamp = place().map_err(|refusal: Refusal| refusal.into_problem(&action.path))?;
        nest.placed();
        Ok(Placed { stamp, ..Placed::GONE })
    }

    /// Places one file of a nest that could not be placed.
    pub fn place_nested(&self, action: &Action, nest: &Nest, nested: &Nested) -> Result<Placed, Problem> {
        let again = || {
            let staged = nest.again(action.path.as_ref().name(), nested.born)?;
            let reach = Reach::Open(staged.file().as_fd());
            let status = Status::of(staged.file())?;
            staged.settle(metadata::apply(reach, Now::Seen(&status), wanted(action)?, self.wanted()));
            Ok(staged)
        };
        let staged = again().map_err(|refusal: Refusal| refusal.into_problem(&action.path))?;
        self.place(action, Some(staged))
    }
}
