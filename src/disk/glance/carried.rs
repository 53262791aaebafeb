//! Directories that a run has just renamed: what is below them is as it was, at another path. Owns when that can be said
//! without a look; whoever stands at the new path is looked at like any other.

use std::collections::{BTreeMap, BTreeSet};

use super::super::rules;
use super::splice::{Change, splice};
use super::visit::is_linked;
use crate::model::listing::{FLAG_INCOMPLETE, FLAG_MOUNT, Full};
use crate::model::{Kind, Listing, PathRef, RelPath};

/// From where a directory moved to where.
pub type Moved = (RelPath, RelPath);

/// The listing after the moves, and the paths at which it differs; `None` where only a scan can tell.
pub(super) fn carried(base: &Listing, moved: &[Moved]) -> Result<Option<(Listing, BTreeSet<RelPath>)>, Full> {
    let mut changes = BTreeMap::new();
    for (from, to) in moved {
        let Ok(at) = base.find(from.as_ref()) else { return Ok(None) };
        let parent = to.as_ref().parent().unwrap_or(PathRef::ROOT);
        let is_free = base.find(to.as_ref()).is_err() && (parent.is_root() || base.find(parent).is_ok());
        let is_within = moved.iter().any(|(other, _)| parent == other.as_ref() || parent.is_below(other.as_ref()));
        if !is_free || is_within || !stays_itself(base, at) {
            return Ok(None);
        }
        changes.insert(from.clone(), Change::Gone);
        changes.insert(to.clone(), Change::Came(at));
    }
    splice(base, changes).map(Some)
}

/// Whether a directory looks the same at any path, as far as the rows below it tell.
fn stays_itself(base: &Listing, at: usize) -> bool {
    (at..=at + base.row(at).below()).all(|index| {
        let row = base.row(index);
        let is_itself = row.flags() & (FLAG_INCOMPLETE | FLAG_MOUNT) == 0 && row.kind() != Kind::Unreadable;
        is_itself && row.path().name() != rules::NAME && !is_linked(base, index)
    })
}
