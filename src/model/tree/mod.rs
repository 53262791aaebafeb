//! Canonical Merkle set over a listing: equal sets have equal tops, whatever the order of insertion. Knows nothing of
//! storage. Start at [`Tree`].
//!
//! Rows in tree order are cut into leaf nodes, these into inner nodes, and so on until few are left, which the top covers;
//! where the cuts are follows from the paths alone ([`super::cut`]). So a tree is a pure function of the set of entries
//! and the lane, and a changed file changes one node a level.
//!
//! # What could not be read
//! An entry of [`Kind::Unreadable`](super::entry::Kind) equals nothing, not even itself. A digest cannot say that, so
//! digests stay plain (equal tops: both ends could and could not read the same paths) and the tree names such rows in
//! [`Tree::unreadable`], which is empty as a rule. Who compares two trees adds the unreadable rows of both to the
//! differences: [`differences`] does; on the wire equal nodes are passed over, and each end adds the records of its
//! unreadable rows to those of the leaves that differ. Trees of two ends mean *alike* iff the tops are equal and neither
//! has such a row.

mod build;
mod change;
mod codec;
mod diff;
mod level;
mod update;

use std::ops::Range;

use siphasher::sip::SipHasher13;

use super::digest::Digest;
use super::lane::Lane;

pub use build::Leaves;
pub use diff::{Difference, differences};
pub use update::Splice;

/// The Merkle tree of a listing in one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    lane: Lane,
    rows: usize,
    /// Rows that could not be read, ascending.
    unreadable: Vec<u32>,
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

impl Level {
    /// Number of nodes.
    pub const fn len(&self) -> usize {
        self.firsts.len()
    }

    /// Whether there are no nodes.
    pub const fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }

    fn with_capacity(nodes: usize) -> Level {
        Level { firsts: Vec::with_capacity(nodes), digests: Vec::with_capacity(nodes) }
    }
}

impl Tree {
    /// The highest digest: lane, number of rows, nodes.
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

    /// Indices of the rows that could not be read, ascending. They equal nothing: see the head of this module.
    pub fn unreadable(&self) -> &[u32] {
        &self.unreadable
    }

    /// The children of a node: rows for level 0, nodes of the level below otherwise. Panics where there is no such node,
    /// as a slice does.
    pub fn children(&self, level: usize, node: usize) -> Range<usize> {
        let below = if level == 0 { self.rows } else { self.levels[level - 1].len() };
        let firsts = &self.levels[level].firsts;
        firsts[node] as usize..firsts.get(node + 1).map_or(below, |&first| first as usize)
    }

    /// The rows that a node covers.
    pub fn rows_of(&self, level: usize, node: usize) -> Range<usize> {
        let mut range = self.children(level, node);
        for below in (0..level).rev() {
            let firsts = &self.levels[below].firsts;
            let end = firsts.get(range.end).map_or_else(|| self.children_of_level(below), |&first| first as usize);
            range = firsts[range.start] as usize..end;
        }
        range
    }

    /// Number of children of all nodes of a level.
    fn children_of_level(&self, level: usize) -> usize {
        if level == 0 { self.rows } else { self.levels[level - 1].len() }
    }
}

/// Eight bytes of a digest, salted for one session: what travels in place of the digest. The tops are compared whole at
/// the end of a session, so two digests that meet in these bytes cost a repeat under a new salt, never a wrong result.
pub fn short_id(salt: [u8; 16], digest: &Digest) -> u64 {
    SipHasher13::new_with_key(&salt).hash(&digest.0)
}

fn index_of(number: usize) -> u32 {
    u32::try_from(number).expect("a listing holds at most 4 GiB of paths, so fewer than 2^32 rows")
}
