//! Where a root holds which content: the path that is asked for, else any path with the same bytes.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::model::listing::Row;
use crate::model::{Digest, Kind, Listing, PathRef};

/// A listing that is asked for content.
pub struct Holdings {
    listing: Listing,
    by_content: OnceLock<HashMap<Digest, u32>>,
}

impl Holdings {
    /// What `listing` holds.
    pub const fn new(listing: Listing) -> Holdings {
        Holdings { listing, by_content: OnceLock::new() }
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

    /// Gives back the memory of rows that were looked up.
    pub fn rest(&self) {
        self.listing.rest();
    }

    /// Whether anything is at `path`.
    pub fn at(&self, path: PathRef<'_>) -> Option<Row<'_>> {
        let row = self.listing.row(self.listing.find(path).ok()?);
        (row.kind() == Kind::File).then_some(row)
    }
}
