//! Files that stand at another path than they did: known again by their stamp, as a directory that is renamed leaves the
//! stamps of all below it as they were. Owns when that is looked for; never trusts less than a path that stayed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::listing::{FLAG_RACY, ROWS_AT_ONCE, Row};
use crate::model::{Digest, Kind, Listing, Stamp};

/// Files at unknown paths that are read before the base is searched for them: the search sorts all of its files.
const STRANGERS_MIN: usize = 32;

/// The base of a scan, searched by inode.
#[derive(Default)]
pub(super) struct Moved<'s> {
    base: Option<&'s Listing>,
    strangers: AtomicUsize,
    by_inode: OnceLock<Vec<(u64, u32)>>,
}

impl<'s> Moved<'s> {
    /// Files of this base may have moved.
    pub fn from(base: Option<&'s Listing>) -> Moved<'s> {
        Moved { base, ..Moved::default() }
    }

    /// Whether so many files stood at unknown paths that each is searched for.
    pub fn is_searched(&self) -> bool {
        self.by_inode.get().is_some()
    }

    /// The row of a file that had this stamp at another path.
    pub fn find(&self, stamp: &Stamp) -> Option<Row<'s>> {
        let base = self.base?;
        if !self.is_searched() && self.strangers.fetch_add(1, Ordering::Relaxed) < STRANGERS_MIN {
            return None;
        }
        let by_inode = self.by_inode.get_or_init(|| sorted(base));
        let at = by_inode.partition_point(|&(inode, _)| inode < stamp.inode);
        // An inode stands once for each name that the file had.
        let rows = by_inode[at..].iter().take_while(|(inode, _)| *inode == stamp.inode);
        rows.map(|&(_, index)| base.row(index as usize)).find(|row| row.stamp() == *stamp)
    }
}

/// The files of which a stamp can be trusted, by inode.
fn sorted(base: &Listing) -> Vec<(u64, u32)> {
    let mut files = Vec::new();
    for (index, row) in base.rows().enumerate() {
        if index % ROWS_AT_ONCE == 0 {
            base.rest();
        }
        let is_known = row.kind() == Kind::File && row.flags() & FLAG_RACY == 0 && row.content() != Digest::UNKNOWN;
        if is_known {
            // A listing holds fewer rows than 32 bits count.
            files.push((row.stamp().inode, index as u32));
        }
    }
    files.sort_unstable();
    files
}
