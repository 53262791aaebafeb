//! What a run that was killed had announced: which files it was about to put in place.

use std::collections::BTreeMap;

use super::Replica;
use crate::disk::announce::{self, Announced, Way};
use crate::disk::control;
use crate::model::listing::Row;
use crate::model::project::same_version;
use crate::model::record::Witness;
use crate::model::{Kind, Listing, PathRef, RelPath};
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
        let shown = |path: &RelPath| {
            let shown = self.noted.contains_key(path).then(|| agreed.shown(path.as_ref()).1)??;
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

    pub(super) fn forget_announced(&self) -> Result<(), Error> {
        if self.writing.dry_run {
            return Ok(());
        }
        let root = self.side.root();
        announce::forget(root).map_err(|source| Error::Memory { path: root.path().join(control::NAME), source })
    }
}

/// Whether a file or directory is at the path at which it was before.
fn is_back(inode: u64, found: &Found) -> bool {
    let was = |row: &Row<'_>| row.stamp().inode == inode;
    let before = found.before().and_then(|before| before.rows().find(was));
    let now = before.and_then(|row| Some(found.listing.row(found.listing.find(row.path()).ok()?)));
    now.is_some_and(|row| was(&row))
}

fn is_anywhere(disk: &Listing, inode: u64) -> bool {
    disk.rows().any(|row| row.stamp().inode == inode)
}

/// What came along with a directory that was moved: what stood below it before the run, and is wanted there now.
fn carried(
    path: &RelPath,
    (inode, way): (u64, Way),
    found: &Found,
    noted: &BTreeMap<RelPath, Option<Witness>>,
    shown: &dyn Fn(&RelPath) -> Option<Witness>,
) -> Vec<(RelPath, Option<Witness>)> {
    let is_it = |row: &Row<'_>| row.kind() == Kind::Directory && row.stamp().inode == inode;
    let row = found.listing.find(path.as_ref()).ok().map(|index| found.listing.row(index));
    let came = row.filter(is_it).is_some() || way == Way::Arrived && !is_back(inode, found);
    let before = found.before().and_then(|before| Some((before, before.rows().find(is_it)?)));
    let (true, Some((before, from))) = (came, before) else { return Vec::new() };
    let below = noted.keys().filter(|name| name.as_ref().is_below(path.as_ref()));
    let came = |name: &RelPath| {
        let old = [from.path().as_bytes(), &name.as_bytes()[path.as_bytes().len()..]].concat();
        let old = before.row(before.find(PathRef::new(&old).ok()?).ok()?).entry();
        let witness = shown(name).filter(|witness| same_version(&witness.entry, &old))?;
        Some((name.clone(), Some(witness)))
    };
    below.filter_map(came).collect()
}
