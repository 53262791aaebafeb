//! The end of a run: what turned out to be in place is remembered as seen, and noted no longer.

use std::fs::File;

use super::Replica;
use super::shown::{is_beyond, is_in_place, is_timed};
use crate::model::RelPath;
use crate::model::record::Witness;
use crate::store::state::Change;
use crate::sync::error::Error;
use crate::sync::found::Found;

impl Replica {
    /// After a run: the index is saved, and what it shows to be in place is noted no longer. Gives the index, where it was
    /// written.
    pub fn settle(&mut self, found: &Found) -> Result<Option<File>, Error> {
        let kept = self.keep(found)?;
        if self.is_at_rest() {
            self.forget_announced()?;
            return Ok(kept);
        }
        let agreed = self.agreed()?.clone();
        let noted = std::mem::take(&mut self.noted);
        let lane = self.lane();
        let one_file_system = self.side.reading().one_file_system;
        // What cannot be read is not absent: without its witness it would be taken for new when it can be read again, and
        // what the others deleted meanwhile would come back. What is ignored may come back: no rule deletes.
        let is_done = |name: &RelPath| {
            is_in_place(&agreed, name, &found.listing, lane)
                && is_timed(&agreed, name, &found.listing, lane)
                && !is_beyond(&found.listing, name.as_ref(), one_file_system)
        };
        let left: Vec<(RelPath, Option<Witness>)> = noted.into_iter().filter(|(name, _)| !is_done(name)).collect();
        if let Some(state) = self.state.as_ref().filter(|_| !self.writing.dry_run) {
            let change = Change { settle: true, witnesses: &left, ..Change::default() };
            state.commit(&self.header, &change)?;
            state.compact();
        }
        self.noted = left.into_iter().collect();
        self.forget_announced()?;
        Ok(kept)
    }
}
