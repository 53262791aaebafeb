//! Replacing: what is at a path gives way to something staged, and rests in the trash. Owns the checks around the
//! exchange that tell a local edit from what was scanned.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags};

use super::swap::{self, Leaf};
use super::{Incoming, cause};
use crate::disk::directories::Directory;
use crate::disk::status::Status;
use crate::disk::target::Target;
use crate::disk::trash::Rest;
use crate::model::plan::action::Before;
use crate::model::{Kind, PathRef, Problem, ProblemKind, RelPath, Stamp};

/// Why an action was not done.
#[derive(Debug)]
pub(in crate::disk) enum Refusal {
    /// The path does not hold what it held when it was scanned; nothing was changed, or it was changed back.
    Changed(&'static str),
    /// The target cannot hold this.
    Unrepresentable(String),
    /// The plan cannot be carried out.
    Cannot(String),
    /// The system refused.
    System(io::Error),
}

const EDITED: &str = "changed since it was scanned";
const EDITED_TWICE: &str = "changed while it was replaced: one of its versions is in the trash";

impl Refusal {
    /// The problem that this makes of a path.
    pub fn into_problem(self, path: &RelPath) -> Problem {
        let (kind, cause) = match self {
            Refusal::Changed(cause) => (ProblemKind::Unwritable, cause.into()),
            Refusal::Unrepresentable(cause) => (ProblemKind::Unrepresentable, cause),
            Refusal::Cannot(cause) => (ProblemKind::Unwritable, cause),
            Refusal::System(error) => (ProblemKind::Unwritable, cause(&error)),
        };
        Problem { path: path.clone(), kind, cause }
    }

    /// Of a look at the path itself: where it is missing, somebody removed it.
    pub fn gone(error: io::Error) -> Refusal {
        match error.kind() {
            io::ErrorKind::NotFound => Refusal::Changed("vanished since it was scanned"),
            _ => Refusal::System(error),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal::System(error)
    }
}

impl Target {
    /// Puts something staged in place of what the path holds, which goes to the trash.
    pub(super) fn replace(
        &self,
        incoming: &mut Incoming,
        path: PathRef<'_>,
        before: &Before,
        parent: &Directory,
    ) -> Result<(), Refusal> {
        let here = Leaf::new(parent.as_fd(), path.name());
        self.check(before, &here.status().map_err(Refusal::gone)?)?;
        let mut rest = self.rest(path, before)?;
        self.check_intact(path, before, here)?;
        // The new thing waits under the name that the old one gets by the exchange: so there is no instant, and no
        // crash, after which the old one is in staging, where the next run would clean it away.
        swap::move_to_rest(incoming.slot.leaf(), &mut rest)?;
        let exchanged = self.in_moving(path, before.kind, parent, || swap::exchange(rest.leaf(), here));
        let Ok(Some(())) = exchanged else {
            take_back(incoming, &rest)?;
            // Refused, or only not known to this file system?
            exchanged?;
            self.in_moving(path, before.kind, parent, || {
                swap::replace_plainly(incoming.slot.leaf(), here, &mut self.rest(path, before)?)
            })?;
            incoming.slot.moved();
            self.left(path, before.kind);
            return Ok(());
        };
        incoming.slot.moved();
        self.left(path, before.kind);
        let old = rest.leaf().status()?;
        if self.is_as_scanned(before, &old) && self.is_intact(path, before.kind, rest.leaf()) {
            return Ok(());
        }
        Err(put_back(incoming, here, &rest))
    }

    /// Does something that moves `path` itself: a directory without write permission cannot be moved by its owner.
    pub(in crate::disk) fn in_moving<T>(
        &self,
        path: PathRef<'_>,
        kind: Kind,
        parent: &Directory,
        mut act: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        match self.in_parent(path, parent, &mut act) {
            Err(error) if kind == Kind::Directory && crate::disk::directories::is_refusal(&error) => {
                let directory = self.directories().open(path)?;
                if self.directories().lend(path, &directory) { act() } else { Err(error) }
            }
            done => done,
        }
    }

    /// A path no longer holds what it held: handles of a directory there mean another place now.
    pub(super) fn left(&self, path: PathRef<'_>, kind: Kind) {
        if kind == Kind::Directory {
            self.directories().forget(path);
        }
    }

    /// Whether this is what was scanned, but for the times that we gave it by another of its names.
    pub(super) fn is_as_scanned(&self, before: &Before, now: &Status) -> bool {
        let is = |stamp| same_content(before.kind, stamp, now);
        is(&before.stamp) || is(&self.since(&before.stamp))
    }

    /// Whether a path holds what it held when it was scanned. Of a directory only that it is the same one: what is
    /// below it has checks of its own, and our own work moves its times.
    pub(super) fn check(&self, before: &Before, now: &Status) -> Result<(), Refusal> {
        let equal = self.is_as_scanned(before, now);
        let exact = before.kind == Kind::Directory || before.stamp == now.stamp || self.touched(now);
        if !(equal && exact) {
            return Err(Refusal::Changed(EDITED));
        }
        self.touching(now);
        Ok(())
    }
}

/// Whether this is what was scanned, whatever its change time: an exchange or a rename moves that.
pub(super) fn same_content(kind: Kind, stamp: &Stamp, now: &Status) -> bool {
    let same = kind == now.kind && stamp.inode == now.stamp.inode;
    let unchanged = stamp.size == now.stamp.size && stamp.mtime == now.stamp.mtime;
    same && (unchanged || kind == Kind::Directory)
}

/// The exchange did not happen: what is staged goes back to staging.
fn take_back(incoming: &Incoming, rest: &Rest) -> io::Result<()> {
    let (from, to) = (rest.leaf(), incoming.slot.leaf());
    Ok(fs::renameat(from.directory, from.name, to.directory, to.name)?)
}

/// The exchange brought somebody's edit to the trash: gives it its name back.
fn put_back(incoming: &Incoming, here: Leaf<'_>, rest: &Rest) -> Refusal {
    if !matches!(swap::exchange(rest.leaf(), here), Ok(Some(()))) {
        return Refusal::Changed(EDITED_TWICE);
    }
    // What came back is removed only if it surely is our own: the path may have been written to once more.
    let ours = incoming.file.as_ref().and_then(|file| Status::stamp(file).ok());
    let back = rest.leaf().status().ok().map(|status| status.stamp);
    match (ours, back) {
        (Some(ours), Some(back)) if (ours.inode, ours.mtime, ours.size) == (back.inode, back.mtime, back.size) => {
            let _left_in_the_trash = super::unlink(rest.leaf(), AtFlags::empty());
            Refusal::Changed(EDITED)
        }
        _ => Refusal::Changed(EDITED_TWICE),
    }
}
