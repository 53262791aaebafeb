//! Builds a tree from nothing: each level from the one below, in one pass.

use std::ops::Range;

use super::level::{Children, Scratch};
use super::{Level, Tree, index_of};
use crate::model::cut::TOP_NODES_MAX;
use crate::model::entry::Kind;
use crate::model::lane::Lane;
use crate::model::listing::Listing;

impl Tree {
    /// Builds the tree of all rows.
    pub fn build(listing: &Listing, lane: Lane) -> Tree {
        let mut levels = Vec::new();
        if !listing.is_empty() {
            raise(listing, lane, &mut levels);
        }
        let unreadable = unreadable_rows(listing, 0..listing.len()).collect();
        Tree::crown(listing.len(), lane, levels, unreadable)
    }
}

/// Those of `rows` that could not be read.
pub fn unreadable_rows(listing: &Listing, rows: Range<usize>) -> impl Iterator<Item = u32> {
    rows.filter(|&row| listing.row(row).kind() == Kind::Unreadable).map(index_of)
}

/// Adds levels until the last has few enough nodes for the top.
pub fn raise(listing: &Listing, lane: Lane, levels: &mut Vec<Level>) {
    while levels.last().is_none_or(|last| last.len() > TOP_NODES_MAX) {
        let level = whole(Children { listing, lane, levels });
        levels.push(level);
    }
}

/// The level over all of `children`, of which there is at least one.
fn whole(children: Children<'_>) -> Level {
    let mut level = Level::default();
    let mut scratch = Scratch::default();
    let mut cuts = children.cuts(0);
    let mut start = 0;
    while start < children.len() {
        let end = cuts.next_start();
        level.push(start, children.seal(start..end, &mut scratch));
        start = end;
    }
    level
}
