//! Canonical Merkle set over a listing: equal sets have equal tops, whatever the order of insertion. Knows nothing of
//! storage. Start at [`Tree`].

use super::digest::Digest;
use super::lane::Lane;
use super::listing::Listing;

/// The Merkle tree of a listing in one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    lane: Lane,
    rows: usize,
    /// `levels[0]` are the leaf nodes; the last level has at most 17 nodes, which the top covers. Empty for no rows.
    levels: Vec<Level>,
    top: Digest,
}

/// The nodes of one level, in tree order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Level {
    /// Index of the first child: a row for leaf nodes, a node of the level below for others.
    pub firsts: Vec<u32>,
    /// Digest of each node.
    pub digests: Vec<Digest>,
}

impl Tree {
    /// Builds the tree of all rows.
    pub fn build(listing: &Listing, lane: Lane) -> Tree {
        let _ = (listing, lane);
        todo!("helper tree")
    }

    /// The root's digest: lane, number of entries, nodes.
    pub fn top(&self) -> Digest {
        self.top
    }

    /// The lane that the digests cover.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Number of rows covered.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The levels, leaf nodes first.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }
}
