//! Renames within the root, and deletes, which are renames into the trash.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;

use super::replace::{Refusal, same_content};
use super::swap::{self, Leaf};
use super::{Placed, scanned, unlink, wanted};
use crate::disk::directories::Directory;
use crate::disk::metadata::{self, Now, Reach};
use crate::disk::status::Status;
use crate::disk::target::Target;
use crate::model::plan::action::{Action, Before, Move, Onto, Step};
use crate::model::{Kind, PathRef, Problem, RelPath};

impl Target {
    /// Does one rename as the plan says, after a check that what moves still is what was scanned.
    pub fn place_move(&self, action: &Action, how: &Move) -> Result<Placed, Problem> {
        self.check_path(action.path.as_ref())?;
        let done = match (&action.step, how.onto) {
            (Step::Rename { from }, Onto::Wanted) => self.exchange(action, from, &how.moved),
            (Step::Rename { from }, Onto::Nothing | Onto::Doomed) => self.rename(action, from, Some(&how.moved)),
            _ => Err(Refusal::Cannot("is not a rename".into())),
        };
        done.map_err(|refusal| self.refuse(&action.path, refusal))
    }

    /// Completes a rename that the exchange before it has done: the last of a cycle. `came` is what was scanned where it
    /// came from: where that is another file, nothing is said of the stamp of this one.
    pub fn place_arrived(&self, action: &Action, came: Option<&Before>) -> Result<Placed, Problem> {
        let arrive = || {
            let parent = self.parent(action.path.as_ref())?;
            let here = Leaf::new(parent.as_fd(), action.path.as_ref().name());
            let inode = here.status()?.stamp.inode;
            let came = came.filter(|came| came.stamp.inode == inode);
            let placed = self.after_rename(action, here, &parent, came)?;
            Ok(if came.is_some() { placed } else { Placed { stamp: Placed::GONE.stamp, ..placed } })
        };
        let done: Result<Placed, Refusal> = arrive();
        done.map_err(|refusal| refusal.into_problem(&action.path))
    }

    /// Swaps two paths in one step: what was at the path lies at `from` then, and stays there.
    fn exchange(&self, action: &Action, from: &RelPath, moved: &Before) -> Result<Placed, Refusal> {
        self.check_path(from.as_ref()).map_err(|problem| Refusal::Cannot(problem.cause))?;
        let (path, from) = (action.path.as_ref(), from.as_ref());
        let (parent, from_parent) = (self.parent(path)?, self.parent(from)?);
        let (here, there) = (Leaf::new(parent.as_fd(), path.name()), Leaf::new(from_parent.as_fd(), from.name()));
        let standing = action.before.as_deref().ok_or_else(|| Refusal::Cannot("a swap needs two things".into()))?;
        check_content(moved, &there.status().map_err(Refusal::gone)?)?;
        check_content(standing, &here.status().map_err(Refusal::gone)?)?;
        let swapped = self.in_moving(from, moved.kind, &from_parent, || {
            self.in_moving(path, standing.kind, &parent, || swap::exchange(there, here))
        })?;
        if swapped.is_none() {
            return Err(Refusal::Cannot("the file system cannot swap two names".into()));
        }
        if moved.kind == Kind::Directory || standing.kind == Kind::Directory {
            self.directories().forget(path);
            self.directories().forget(from);
        }
        self.after_rename(action, here, &parent, Some(moved))
    }

    pub(super) fn rename(
        &self,
        action: &Action,
        from: &RelPath,
        from_before: Option<&Before>,
    ) -> Result<Placed, Refusal> {
        self.check_path(from.as_ref()).map_err(|problem| Refusal::Cannot(problem.cause))?;
        let (path, from) = (action.path.as_ref(), from.as_ref());
        let (parent, from_parent) = (self.parent(path)?, self.parent(from)?);
        let (here, there) = (Leaf::new(parent.as_fd(), path.name()), Leaf::new(from_parent.as_fd(), from.name()));
        let found = there.status().map_err(Refusal::gone)?;
        match from_before {
            Some(before) => check_content(before, &found)?,
            None if found.kind == wanted(action)?.kind => {}
            None => return Err(Refusal::Changed("what was to be moved here changed since it was scanned")),
        }
        match &action.before {
            None => {
                let moved = self.in_moving(from, found.kind, &from_parent, || {
                    self.in_parent(path, &parent, || swap::move_to_free(there, here))
                });
                match (moved, from_before) {
                    (Err(error), Some(before)) if is_itself(&error, (from, path), &parent) => {
                        self.respell((from, there), here, before)?;
                    }
                    (moved, _) => moved?,
                }
            }
            Some(before) => self.rename_over((from, there, &from_parent), (path, here, &parent), before, found.kind)?,
        }
        if found.kind == Kind::Directory {
            self.directories().moved(from, path);
        }
        self.after_rename(action, here, &parent, from_before)
    }

    /// Gives a name another case where the file system takes both for one: by way of the trash, as nothing else is free. Who
    /// kills the run in between finds it there.
    fn respell(&self, (from, there): (PathRef<'_>, Leaf<'_>), here: Leaf<'_>, before: &Before) -> Result<(), Refusal> {
        let mut rest = self.rest(from, before)?;
        swap::move_to_rest(there, &mut rest)?;
        if let Err(error) = swap::move_to_free(rest.leaf(), here) {
            swap::move_to_free(rest.leaf(), there)?;
            return Err(error.into());
        }
        self.in_vain(from);
        Ok(())
    }

    /// Moves to a path that holds something, which goes to the trash.
    fn rename_over(
        &self,
        (from, there, from_parent): (PathRef<'_>, Leaf<'_>, &Directory),
        (path, here, parent): (PathRef<'_>, Leaf<'_>, &Directory),
        before: &Before,
        kind: Kind,
    ) -> Result<(), Refusal> {
        self.check(before, &here.status().map_err(Refusal::gone)?)?;
        let mut rest = self.rest(path, before)?;
        self.check_intact(path, before, here)?;
        let exchanged = self.in_moving(from, kind, from_parent, || {
            self.in_moving(path, before.kind, parent, || swap::exchange(there, here))
        })?;
        self.left(path, before.kind);
        if exchanged.is_none() {
            return Ok(swap::replace_plainly(there, here, &mut rest)?);
        }
        let old = there.status()?;
        if !self.is_as_scanned(before, &old) || !self.is_intact(path, before.kind, there) {
            let back = swap::exchange(there, here);
            let known = matches!(back, Ok(Some(())));
            let cause = if known { "changed since it was scanned" } else { "changed while it was replaced" };
            return Err(Refusal::Changed(cause));
        }
        Ok(swap::move_to_rest(there, &mut rest)?)
    }

    /// A file that moved may get new metadata as well; directories get theirs at the end.
    fn after_rename(
        &self,
        action: &Action,
        here: Leaf<'_>,
        parent: &std::sync::Arc<Directory>,
        moved: Option<&Before>,
    ) -> Result<Placed, Refusal> {
        let wanted = wanted(action)?;
        let status = here.status()?;
        if status.kind == Kind::Directory {
            return Ok(Placed { stamp: status.stamp, ..Placed::GONE });
        }
        // The times of an edit that came just now stay: they are what it is known by. It is an edit of what was moved here.
        if moved.is_some_and(|moved| !self.is_as_scanned(moved, &status)) {
            let lacks = Refusal::Changed("changed while it was moved").into_problem(&action.path);
            return Ok(Placed { lacks: Some(lacks), ..Placed::GONE });
        }
        let handle = self.open_itself(parent, action.path.as_ref())?;
        let set = metadata::Wanted { xattrs: self.wanted().xattrs && action.changes.xattrs, ..self.wanted() };
        let lacks = metadata::apply(Reach::Path(handle.as_fd()), Now::Seen(&status), wanted, set)?;
        Ok(self.placed(&action.path, wanted, &Status::of(&handle)?, lacks))
    }

    pub(super) fn delete(&self, action: &Action, whole: bool) -> Result<Placed, Refusal> {
        let path = action.path.as_ref();
        let parent = self.parent(path)?;
        let here = Leaf::new(parent.as_fd(), path.name());
        let now = match here.status() {
            // Somebody else deleted it: that is what is wanted.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Placed::GONE),
            now => now?,
        };
        let before = scanned(action)?;
        self.check(before, &now)?;
        if now.kind == Kind::Directory && !whole {
            return self.remove_directory(path, here, &parent);
        }
        let mut rest = self.rest(path, before)?;
        if !self.is_intact(path, now.kind, here) {
            return Ok(self.remains(path, &now));
        }
        self.in_moving(path, now.kind, &parent, || swap::move_to_rest(here, &mut rest))?;
        self.left(path, now.kind);
        let is_same = same_content(now.kind, &now.stamp, &rest.leaf().status()?);
        if is_same && self.is_intact(path, now.kind, rest.leaf()) {
            return Ok(Placed::GONE);
        }
        match swap::move_to_free(rest.leaf(), here) {
            Ok(()) if is_same => Ok(self.remains(path, &now)),
            Ok(()) => Err(Refusal::Changed("changed since it was scanned")),
            Err(_) => Err(Refusal::Changed("changed while it was deleted: it is in the trash")),
        }
    }

    /// A directory that was to go whole stays, with what somebody put there.
    fn remains(&self, path: PathRef<'_>, now: &Status) -> Placed {
        self.in_vain(path);
        Placed { stamp: now.stamp, remains: true, lacks: None }
    }

    /// What goes with a directory above it is only remembered, so that it can be told from what nobody expected there.
    pub(super) fn within(&self, action: &Action) -> Placed {
        if let Some(before) = &action.before {
            self.expect_within(&action.path, before);
        }
        Placed::GONE
    }

    fn remove_directory(&self, path: PathRef<'_>, here: Leaf<'_>, parent: &Directory) -> Result<Placed, Refusal> {
        match self.in_parent(path, parent, || unlink(here, AtFlags::REMOVEDIR)) {
            Ok(()) => {
                self.directories().forget(path);
                Ok(Placed::GONE)
            }
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOTEMPTY | Errno::EXIST)) => {
                Ok(Placed { stamp: here.status()?.stamp, remains: true, lacks: None })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a move failed only because the file system takes the new name for the old one: they differ in case alone, and no
/// entry of their directory has the new one.
fn is_itself(error: &io::Error, (from, to): (PathRef<'_>, PathRef<'_>), parent: &Directory) -> bool {
    let folded = |path: PathRef<'_>| String::from_utf8_lossy(path.name()).to_lowercase();
    let is_listed = || -> io::Result<bool> {
        let mut names = Dir::read_from(parent.as_fd())?;
        Ok(names.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_bytes() == to.name())))
    };
    error.kind() == io::ErrorKind::AlreadyExists
        && from.parent() == to.parent()
        && folded(from) == folded(to)
        && is_listed().is_ok_and(|listed| !listed)
}

/// Whether what is to be moved is what was scanned. Our own renames move change times, and not what is in a file.
fn check_content(before: &Before, now: &Status) -> Result<(), Refusal> {
    if same_content(before.kind, &before.stamp, now) {
        return Ok(());
    }
    Err(Refusal::Changed("what was to be moved here changed since it was scanned"))
}
