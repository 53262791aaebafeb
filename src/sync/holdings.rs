//! Where a root holds which content: the path that is asked for, else any path with the same bytes.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::model::listing::Row;
use crate::model::{Digest, Kind, Listing, PathRef};

thread_local! {
    /// The row that this thread found last: it asks for neighbours, in tree order.
    static FOUND: Cell<usize> = const { Cell::new(0) };
}

/// A listing that is asked for content.
pub struct Holdings {
    listing: Listing,
    by_content: OnceLock<HashMap<Digest, u32>>,
    /// What was found out since the scan, by row.
    learned: Mutex<Vec<(u32, Digest)>>,
}

impl Holdings {
    /// What `listing` holds.
    pub const fn new(listing: Listing) -> Holdings {
        Holdings { listing, by_content: OnceLock::new(), learned: Mutex::new(Vec::new()) }
    }

    /// A file with this content: the one at `path` where it has it, else any; an unknown digest is the file at `path`.
    pub fn find(&self, path: PathRef<'_>, content: &Digest) -> Option<Row<'_>> {
        let at_path = self.at(path);
        if *content == Digest::UNKNOWN || at_path.is_some_and(|row| row.content() == *content) {
            return at_path;
        }
        let by_content = self.by_content.get_or_init(|| {
            let files = self.listing.rows().enumerate().filter(|(_, row)| row.kind() == Kind::File);
            files.map(|(index, row)| (row.content(), index as u32)).collect()
        });
        by_content.get(content).map(|&index| self.listing.row(index as usize))
    }

    /// The file at `path` was found to have this content.
    pub fn learn(&self, path: PathRef<'_>, content: Digest) {
        if let Some(index) = self.index_of(path) {
            self.lock().push((index as u32, content));
        }
    }

    /// What was found out since the scan, or since it was asked for before: rows and their contents.
    pub fn take_learned(&self) -> Vec<(u32, Digest)> {
        std::mem::take(&mut self.lock())
    }

    /// The same at the end, when the listing is let go of: whoever else has it may change it in place.
    pub fn into_learned(self) -> Vec<(u32, Digest)> {
        self.learned.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u32, Digest)>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back the memory of rows that were looked up.
    pub fn rest(&self) {
        self.listing.rest();
    }

    /// Whether anything is at `path`.
    pub fn at(&self, path: PathRef<'_>) -> Option<Row<'_>> {
        let row = self.listing.row(self.index_of(path)?);
        (row.kind() == Kind::File).then_some(row)
    }

    fn index_of(&self, path: PathRef<'_>) -> Option<usize> {
        let index = self.listing.find_near(path, FOUND.get()).ok()?;
        FOUND.set(index);
        Some(index)
    }
}
