//! What a run that was killed had announced: which files it was about to put in place.

use std::collections::BTreeMap;

use super::Replica;
use crate::disk::announce::{self, Announced, Way};
use crate::disk::control;
use crate::model::Listing;
use crate::model::record::Witness;
use crate::sync::error::Error;
use crate::sync::side::Found;

impl Replica {
    /// A run that was killed had put files in place before it could note them as seen. What was changed since then is an
    /// edit of those, not of what they replaced.
    pub(super) fn take_announced(&mut self, found: &Found) -> Result<(), Error> {
        let root = self.side.root();
        let unreadable = |source| Error::Memory { path: root.path().join(control::NAME), source };
        let announced = announce::announced(root).map_err(unreadable)?;
        if announced.is_empty() || self.noted.is_empty() {
            return Ok(());
        }
        let out_of_place = announce::out_of_place(root).map_err(unreadable)?;
        self.agreed()?;
        let agreed = self.agreed.as_ref().expect("it was just read");
        let mut changed = Vec::new();
        for Announced { path, inode, way } in announced {
            if !self.noted.contains_key(&path) {
                continue;
            }
            let inode_at =
                |listing: &Listing| listing.find(path.as_ref()).ok().map(|index| listing.row(index).stamp().inode);
            let (now, before) = (inode_at(&found.listing), found.before().and_then(inode_at));
            let in_place = match way {
                _ if now == Some(inode) => true,
                Way::Moved => false,
                Way::Staged => (now.is_none() || now != before) && !out_of_place.contains(&inode),
            };
            if let (true, Some(shown)) = (in_place, agreed.shown(path.as_ref()).1) {
                let witness = Witness { dots: shown.dots, entry: shown.entry, unseen: false };
                changed.push((path, Some(witness)));
            }
        }
        self.write(&BTreeMap::new(), changed, false)
    }

    pub(super) fn forget_announced(&self) -> Result<(), Error> {
        if self.writing.dry_run {
            return Ok(());
        }
        let root = self.side.root();
        announce::forget(root).map_err(|source| Error::Memory { path: root.path().join(control::NAME), source })
    }
}
