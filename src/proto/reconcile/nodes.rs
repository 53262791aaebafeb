//! Sets of nodes of one level, how they widen on the way down, and their digests. Level 0 are the rows, 1 the leaf nodes, and
//! so on; the level above the highest stands for the whole tree and has one node.

use std::ops::Range;

use super::Side;
use crate::model::batch::Batch;
use crate::model::digest::{Digest, Domain};
use crate::model::entry::Kind;

/// Ascending indices as runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs(Vec<Range<u32>>);

impl Runs {
    pub fn one(range: Range<u32>) -> Runs {
        let mut runs = Runs::default();
        runs.push_range(range);
        runs
    }

    pub fn push(&mut self, index: u32) {
        self.push_range(index..index + 1);
    }

    pub fn push_range(&mut self, range: Range<u32>) {
        match self.0.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.0.push(range),
        }
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The length of the longest run.
    pub fn longest(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).max().unwrap_or(0)
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().cloned().flatten()
    }

    pub fn contains(&self, index: u32) -> bool {
        let after = self.0.partition_point(|run| run.start <= index);
        after > 0 && self.0[after - 1].contains(&index)
    }
}

/// Indices that are taken from the front one by one.
#[derive(Debug, Default)]
pub struct Walk {
    runs: Runs,
    run: usize,
    used: u32,
}

impl Walk {
    pub const fn new(runs: Runs) -> Walk {
        Walk { runs, run: 0, used: 0 }
    }

    pub fn peek(&self) -> Option<u32> {
        self.runs.0.get(self.run).map(|run| run.start + self.used)
    }

    pub fn step(&mut self) {
        if let Some(run) = self.runs.0.get(self.run) {
            self.used += 1;
            if self.used as usize == run.len() {
                (self.run, self.used) = (self.run + 1, 0);
            }
        }
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.runs.0[self.run..].iter().map(ExactSizeIterator::len).sum::<usize>() - self.used as usize
    }
}

impl Iterator for Walk {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let index = self.peek();
        self.step();
        index
    }
}

/// Nodes of one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    pub level: u8,
    pub runs: Runs,
}

/// Nodes whose digests are computed together: enough to keep all vector lanes busy.
const BLOCK_NODES: usize = 512;

/// What of a node an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// All that the lane covers.
    Lane,
    /// Path, kind, size and content of the rows of a leaf node: where many changed in metadata alone, these are equal.
    Bytes,
}

impl Side {
    /// The level whose one node is the whole tree.
    pub(super) fn whole(&self) -> Nodes {
        // At least 5 children a node keep the height far below 255.
        Nodes { level: self.tree.levels().len() as u8 + 1, runs: Runs::one(0..1) }
    }

    fn width(&self, level: u8) -> u32 {
        match level {
            0 => self.tree.rows() as u32,
            _ => self.tree.levels().get(usize::from(level) - 1).map_or(1, |level| level.len() as u32),
        }
    }

    /// The first child of a node, or of where it would be; `level` is at least 1.
    fn first(&self, level: u8, node: u32) -> u32 {
        let firsts = self.tree.levels().get(usize::from(level) - 1).map(|level| level.firsts.as_slice());
        let first = firsts.and_then(|firsts| firsts.get(node as usize)).copied();
        first.unwrap_or(if node == 0 { 0 } else { self.width(level - 1) })
    }

    /// The nodes at level `to` below `nodes`; none where `to` is not below.
    pub(super) fn below(&self, nodes: &Nodes, to: u8) -> Runs {
        if to >= nodes.level {
            return Runs::default();
        }
        let mut below = Runs::default();
        for run in &nodes.runs.0 {
            let ends = (to + 1..=nodes.level).rev();
            let range = ends.fold(run.clone(), |run, level| self.first(level, run.start)..self.first(level, run.end));
            below.push_range(range);
        }
        below
    }

    /// Hands each node with its digest to `each`, in order; many are hashed at once.
    pub(super) fn each_digest(
        &self,
        (aspect, level): (Aspect, u8),
        nodes: impl Iterator<Item = u32>,
        mut each: impl FnMut(u32, &Digest),
    ) {
        if level > 0 && aspect == Aspect::Lane {
            // A level that our tree does not have has no nodes.
            let Some(level) = self.tree.levels().get(usize::from(level) - 1) else { return };
            nodes.for_each(|node| each(node, &level.digests[node as usize]));
            return;
        }
        let mut nodes = nodes.peekable();
        let (mut message, mut digests, mut block) = (Vec::new(), Vec::new(), Vec::new());
        while nodes.peek().is_some() {
            let mut batch = Batch::default();
            digests.clear();
            block.clear();
            block.extend(nodes.by_ref().take(BLOCK_NODES));
            for &node in &block {
                match level {
                    0 => self.tree.lane().message_of_row(self.listing.row(node as usize), &mut message),
                    _ => self.message_of_bytes(node, &mut message),
                }
                batch.push(&message, &mut digests);
            }
            batch.finish(&mut digests);
            block.iter().zip(&digests).for_each(|(&node, digest)| each(node, digest));
        }
    }

    /// The digest of one row.
    pub(super) fn row_digest(&self, row: u32, scratch: &mut Vec<u8>) -> Digest {
        self.tree.lane().digest_row(self.listing.row(row as usize), scratch)
    }

    fn message_of_bytes(&self, leaf: u32, message: &mut Vec<u8>) {
        Domain::Session.open(message);
        let rows = self.tree.children(0, leaf as usize);
        message.extend_from_slice(&(rows.len() as u32).to_le_bytes());
        for index in rows {
            let row = self.listing.row(index);
            let path = row.path().as_bytes();
            // A legal path fits 16 bits.
            message.extend_from_slice(&(path.len() as u16).to_le_bytes());
            message.extend_from_slice(path);
            message.push(row.kind() as u8);
            if row.kind() == Kind::File {
                message.extend_from_slice(&row.size().to_le_bytes());
                message.extend_from_slice(&row.content().0);
            }
        }
        Domain::close(message);
    }
}
