//! Where things are that a killed run moved: in place, taken on by the user, or back. Owns these questions; what follows for
//! the memory is decided in `announced`.

use std::collections::BTreeMap;

use crate::disk::announce::Way;
use crate::model::listing::Row;
use crate::model::mint;
use crate::model::project::same_version;
use crate::model::record::Witness;
use crate::model::{Kind, Listing, RelPath};
use crate::sync::found::Found;

/// Whether a file or directory is at the path at which it was before.
pub fn is_back(inode: u64, found: &Found) -> bool {
    let was = |row: &Row<'_>| row.stamp().inode == inode;
    let before = found.before().and_then(|before| before.rows().find(was));
    let now = before.and_then(|row| Some(found.listing.row(found.listing.find(row.path()).ok()?)));
    now.is_some_and(|row| was(&row))
}

/// Whether a file or directory is at any path.
pub fn is_anywhere(disk: &Listing, inode: u64) -> bool {
    disk.rows().any(|row| row.stamp().inode == inode)
}

/// What came along with a directory that was moved: all that stood below it before the run.
pub fn carried(
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
    let at = before.find(from.path()).expect("it was found there");
    let below = (at + 1..=at + from.below()).map(|index| before.row(index)).filter(|row| mint::is_kept(row.kind()));
    let came = |row: Row<'_>| {
        let rest = &row.path().as_bytes()[from.path().as_bytes().len()..];
        let name = RelPath::new(&[path.as_bytes(), rest].concat()).ok()?;
        let old = row.entry();
        let witness = match shown(&name) {
            Some(witness) if same_version(&witness.entry, &old) => witness,
            Some(_) if !noted.contains_key(&name) => return None,
            // It was to be replaced or deleted here next: what was moved is nobody's write.
            _ => Witness { dots: Vec::new(), entry: old, unseen: false },
        };
        // What was seen here since, in a look that was killed as well, is later.
        let is_later = before.find(name.as_ref()).is_ok() || noted.get(&name).is_some_and(Option::is_some);
        (!is_later).then_some((name, Some(witness)))
    };
    below.filter_map(came).collect()
}
