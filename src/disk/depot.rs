//! Where what is not in place yet waits: staging and the parts, under the lock of the root. Outlasts a run of installs where
//! several follow each other, so that content can come while nothing is installed. Knows nothing of where a thing goes.

use std::io;

use super::announce::{self, Announcements};
use super::control::{Control, Lock};
use super::discard;
use super::error::Error;
use super::parts::Parts;
use super::remove;
use super::rescue;
use super::root::Root;
use super::stage::Staging;
use super::target::Fsync;
use super::trash::Trash;

/// What becomes of parts when a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The run did not get through: nobody knows which parts are still wanted.
    All,
    /// The run got through: only what it wanted and could not finish.
    Unfinished,
}

/// The staging of a root, open. One a root: opening it empties it.
#[derive(Debug)]
pub struct Depot {
    control: Control,
    staging: Staging,
    parts: Parts,
    /// Whether the root is a replica's, and not only locked for this.
    is_replica: bool,
}

impl Depot {
    /// Makes `.alike`, takes its lock unless it is held already, and removes what a killed run left in staging, but for
    /// small files that had come.
    pub fn open(root: &Root, fsync: Fsync, held: Option<&Lock>) -> Result<Depot, Error> {
        let control = Control::open(root, held)?;
        let refuse = |source: io::Error| Error::Control { path: root.path().join(super::control::NAME), source };
        let opened = clear(&control).and_then(|()| {
            let staging = Staging::new(control.staging().try_clone()?, fsync);
            Ok((staging, Parts::open(control.handle())?))
        });
        let (staging, parts) = opened.map_err(refuse)?;
        Ok(Depot { control, staging, parts, is_replica: held.is_some() })
    }

    /// Staging is gone, and `.alike` too where nothing is in it.
    pub fn finish(self, root: &Root, keep: Keep) -> Result<(), Error> {
        let refuse = |source| Error::Control { path: root.path().join(super::control::NAME), source };
        self.parts.finish(keep).map_err(refuse)?;
        self.control.finish(root).map_err(refuse)
    }

    pub(super) const fn control(&self) -> &Control {
        &self.control
    }

    pub(super) const fn staging(&self) -> &Staging {
        &self.staging
    }

    pub(super) const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Of a replica: what is about to be put in place is said before.
    pub(super) fn announcements(&self) -> io::Result<Option<Announcements>> {
        self.is_replica.then(|| Announcements::new(self.control.handle())).transpose()
    }
}

/// Deals with what a run that was killed left.
fn clear(control: &Control) -> io::Result<()> {
    let trash = Trash::new(control.handle().try_clone()?);
    announce::forget_in(control.handle())?;
    discard::recover(control.staging(), &trash)?;
    rescue::rescue(control.handle(), control.staging())?;
    remove::emptied(control.staging())?;
    // What was recovered belongs to the run that was killed, not to the next one.
    trash.close()
}
