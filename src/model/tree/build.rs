//! Builds a tree from nothing: each level from the one below, in one pass.

use std::ops::Range;

use super::level::{Children, Scratch};
use super::{Level, Tree, index_of};
use crate::model::cut::{Cuts, TOP_NODES_MAX, hash};
use crate::model::entry::Kind;
use crate::model::lane::Lane;
use crate::model::listing::{Listing, ROWS_AT_ONCE};

/// Nodes that are cut, then hashed: many enough to hash side by side, and their rows (about 100 kB) stay in the cache.
const NODES_AT_ONCE: usize = 64;

impl Tree {
    /// Builds the tree of all rows.
    pub fn build(listing: &Listing, lane: Lane) -> Tree {
        let mut raise = Raise::new(listing, lane, Vec::new());
        if !listing.is_empty() {
            raise.complete();
        }
        Tree::crown(listing.len(), lane, raise.levels, raise.unreadable)
    }
}

/// Those of `rows` that could not be read.
pub fn unreadable_rows(listing: &Listing, rows: Range<usize>) -> impl Iterator<Item = u32> {
    rows.filter(|&row| listing.row(row).kind() == Kind::Unreadable).map(index_of)
}

/// Raises levels over a listing of at least one row.
pub struct Raise<'a> {
    listing: &'a Listing,
    lane: Lane,
    /// The levels so far.
    pub levels: Vec<Level>,
    /// Hashes of the first paths of the last level's nodes, where they are known: to look the paths up again would cost
    /// two cache misses a node, a fifth of the build.
    hashes: Vec<u64>,
    /// Rows that could not be read, where the leaf nodes were made here.
    unreadable: Vec<u32>,
}

impl<'a> Raise<'a> {
    /// Goes on from `levels`.
    pub const fn new(listing: &'a Listing, lane: Lane, levels: Vec<Level>) -> Raise<'a> {
        Raise { listing, lane, levels, hashes: Vec::new(), unreadable: Vec::new() }
    }

    /// Adds levels until the last has few enough nodes for the top.
    pub fn complete(&mut self) {
        while self.levels.last().is_none_or(|last| last.len() > TOP_NODES_MAX) {
            let level = self.next_level();
            self.levels.push(level);
        }
    }

    /// The level over all nodes of the last, or over the rows.
    fn next_level(&mut self) -> Level {
        let (below, mut hashes) = (std::mem::take(&mut self.hashes), Vec::new());
        let children = Children { listing: self.listing, lane: self.lane, levels: &self.levels };
        let hash_of = |child: usize| below.get(child).copied().unwrap_or_else(|| hash(children.path(child)));
        let rule = children.rule();
        let mut cuts = Cuts::after(rule, 0, children.len(), |child| rule.mark_of_hash(hash_of(child)));
        let (mut level, mut scratch) = (Level::default(), Scratch::default());
        let mut starts = Vec::with_capacity(NODES_AT_ONCE);
        let mut start = 0;
        let mut rested = 0;
        while start < children.len() {
            if self.levels.is_empty() && start - rested >= ROWS_AT_ONCE {
                rested = start;
                self.listing.rest();
            }
            starts.clear();
            while start < children.len() && starts.len() < NODES_AT_ONCE {
                starts.push(start);
                start = cuts.next_start();
            }
            level.firsts.extend(starts.iter().copied().map(index_of));
            hashes.extend(starts.iter().copied().map(hash_of));
            children.seal(&starts, start, &mut scratch, &mut level.digests);
            if self.levels.is_empty() {
                self.unreadable.extend(unreadable_rows(self.listing, starts[0]..start));
            }
        }
        self.hashes = hashes;
        level
    }
}
