//! The end of a run: what turned out to be in place is remembered as seen, and noted no longer.

use super::{Replica, is_beyond, is_shown};
use crate::model::agreed::Agreed;
use crate::model::lane::Lane;
use crate::model::record::Witness;
use crate::model::{Listing, RelPath};
use crate::store::state::Change;
use crate::sync::error::Error;
use crate::sync::side::Found;

impl Replica {
    /// After a run: the index is saved, and what it shows to be in place is noted no longer.
    pub fn settle(&mut self, found: &Found) -> Result<(), Error> {
        self.keep(found)?;
        if self.is_at_rest() {
            return self.forget_announced();
        }
        let agreed = self.agreed()?.clone();
        let noted = std::mem::take(&mut self.noted);
        let lane = self.lane();
        let one_file_system = self.side.reading().one_file_system;
        // What cannot be read is not absent: without its witness it would be taken for new when it can be read again, and
        // what the others deleted meanwhile would come back. What is ignored may come back: no rule deletes.
        let is_done = |name: &RelPath| {
            is_in_place(&agreed, name, &found.listing, lane)
                && !is_beyond(&found.listing, name.as_ref(), one_file_system)
        };
        let left: Vec<(RelPath, Option<Witness>)> = noted.into_iter().filter(|(name, _)| !is_done(name)).collect();
        if let Some(state) = self.state.as_ref().filter(|_| !self.writing.dry_run) {
            let change = Change { settle: true, witnesses: &left, ..Change::default() };
            state.commit(&self.header, &change)?;
            state.compact();
        }
        self.noted = left.into_iter().collect();
        self.forget_announced()
    }
}

/// Whether the disk shows at a name what is agreed on, in the fields that are kept alike.
fn is_in_place(agreed: &Agreed, name: &RelPath, disk: &Listing, lane: Lane) -> bool {
    let now = disk.find(name.as_ref()).ok().map(|index| disk.row(index).entry());
    match (agreed.shown(name.as_ref()).1, now) {
        (None, None) => true,
        (Some(shown), Some(now)) => is_shown(&shown.entry, now, lane),
        _ => false,
    }
}
