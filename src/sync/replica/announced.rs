//! What a run that was killed had announced: which files it was about to put in place.

use std::collections::BTreeMap;

use super::Replica;
use super::arrived::{carried, is_anywhere, is_back};
use super::shown::is_in_place;
use crate::disk::announce::{self, Announced, Way};
use crate::disk::control;
use crate::model::record::Witness;
use crate::model::{Listing, RelPath};
use crate::sync::error::Error;
use crate::sync::found::Found;

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
        let shown = |path: &RelPath| {
            let shown = agreed.shown(path.as_ref()).1?;
            Some(Witness { dots: shown.dots, entry: shown.entry, unseen: false })
        };
        for Announced { path, inode, way } in announced {
            changed.extend(carried(&path, (inode, way), found, &self.noted, &shown));
            let inode_at =
                |listing: &Listing| listing.find(path.as_ref()).ok().map(|index| listing.row(index).stamp().inode);
            let (now, before) = (inode_at(&found.listing), found.before().and_then(inode_at));
            let in_place = match way {
                _ if now == Some(inode) => true,
                // Gone from its old path, and something else here: what was moved here was edited. Nothing here may as well
                // be a delete at its old path, of somebody who never saw it here: it comes back.
                Way::Moved => now.is_some() && !out_of_place.contains(&inode) && !is_anywhere(&found.listing, inode),
                // But for a power cut that took the move back.
                Way::Arrived => !is_back(inode, found),
                Way::Staged => (now.is_none() || now != before) && !out_of_place.contains(&inode),
            };
            if let Some(witness) = in_place.then(|| shown(&path)).flatten() {
                changed.push((path, Some(witness)));
            }
        }
        self.write(&BTreeMap::new(), changed, false)
    }

    /// Directories that a run has moved: what came along and is not what is wanted there is nobody's write. Of what is in place
    /// nothing is noted: a run that is killed right after this would have what stands there taken for what had stood there.
    pub(super) fn note_carried(
        &mut self,
        moved: &mut dyn Iterator<Item = (RelPath, u64)>,
        found: &Found,
    ) -> Result<(), Error> {
        self.agreed()?;
        let agreed = self.agreed.as_ref().expect("it was just read");
        let shown = |path: &RelPath| {
            let shown = agreed.shown(path.as_ref()).1?;
            Some(Witness { dots: shown.dots, entry: shown.entry, unseen: false })
        };
        let lane = self.lane();
        let came = moved.flat_map(|(path, inode)| carried(&path, (inode, Way::Moved), found, &self.noted, &shown));
        let changed: Vec<_> = came.filter(|(name, _)| !is_in_place(agreed, name, &found.listing, lane)).collect();
        if changed.is_empty() { Ok(()) } else { self.write(&BTreeMap::new(), changed, false) }
    }

    pub(super) fn forget_announced(&self) -> Result<(), Error> {
        if self.writing.dry_run {
            return Ok(());
        }
        let root = self.side.root();
        announce::forget(root).map_err(|source| Error::Memory { path: root.path().join(control::NAME), source })
    }
}
