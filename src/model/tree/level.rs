//! One level in the making: the children that are cut into nodes, and the digests of those nodes.
//!
//! ```text
//! leaf node := rows u32 | entry digest [32] * rows
//! inner node := level u32 | children u32 | rows covered u32 | node digest [32] * children
//! top := lane u8 | levels u8 | nodes u16 | rows u64 | node digest [32] * nodes of the last level
//! ```
//! Each in its hash domain, with zeros up to whole blocks of 64 bytes.

use std::ops::Range;

use super::{Level, Tree, index_of};
use crate::model::batch::Batch;
use crate::model::cut::{Cuts, Rule};
use crate::model::digest::{Digest, Domain};
use crate::model::lane::Lane;
use crate::model::listing::Listing;

/// The children of the level to be made: the rows, or the nodes of the highest level that is there.
#[derive(Clone, Copy)]
pub struct Children<'a> {
    pub listing: &'a Listing,
    pub lane: Lane,
    /// The levels below the one to be made.
    pub levels: &'a [Level],
}

/// Memory that is used again for each node.
#[derive(Default)]
pub struct Scratch {
    batch: Batch,
    message: Vec<u8>,
    entries: Vec<Digest>,
}

impl<'a> Children<'a> {
    /// Number of children.
    pub fn len(&self) -> usize {
        self.levels.last().map_or(self.listing.len(), Level::len)
    }

    /// The first path of a child.
    pub fn path(&self, child: usize) -> &'a [u8] {
        self.listing.row(self.first_row(child)).path().as_bytes()
    }

    /// The starts of nodes after `start`, which is one.
    pub fn cuts(self, start: usize) -> Cuts<impl FnMut(usize) -> u64> {
        let rule = self.rule();
        Cuts::after(rule, start, self.len(), move |child| rule.mark(self.path(child)))
    }

    /// How the level is cut.
    pub const fn rule(&self) -> Rule {
        Rule::of_level(self.levels.len())
    }

    /// Appends the digests of neighbouring nodes, given where they start and where the last ends.
    pub fn seal(&self, starts: &[usize], end: usize, scratch: &mut Scratch, out: &mut Vec<Digest>) {
        let Some(&begin) = starts.first() else {
            return;
        };
        let Scratch { batch, message, entries } = scratch;
        let children = match self.levels.last() {
            Some(below) => &below.digests[begin..end],
            None => {
                entries.clear();
                for row in begin..end {
                    self.lane.message_of_row(self.listing.row(row), message);
                    batch.push(message, entries);
                }
                batch.finish(entries);
                entries
            }
        };
        let ends = starts[1..].iter().copied().chain([end]);
        for node in starts.iter().zip(ends).map(|(&start, end)| start..end) {
            self.begin_node(&node, message);
            let digests = &children[node.start - begin..node.end - begin];
            digests.iter().for_each(|digest| message.extend_from_slice(&digest.0));
            Domain::close(message);
            batch.push(message, out);
        }
        batch.finish(out);
    }

    /// Begins the message of a node.
    fn begin_node(&self, node: &Range<usize>, message: &mut Vec<u8>) {
        if self.levels.is_empty() {
            Domain::Leaf.open(message);
        } else {
            Domain::Inner.open(message);
            message.extend_from_slice(&index_of(self.levels.len()).to_le_bytes());
            message.extend_from_slice(&index_of(node.len()).to_le_bytes());
        }
        let rows = self.first_row(node.end) - self.first_row(node.start);
        message.extend_from_slice(&index_of(rows).to_le_bytes());
    }

    /// The first row of a child; the number of rows for the child past the last.
    fn first_row(&self, child: usize) -> usize {
        let down = |child, level: &Level| level.firsts.get(child).map_or(usize::MAX, |&first| first as usize);
        self.levels.iter().rev().fold(child, down).min(self.listing.len())
    }
}

impl Tree {
    /// Puts the top on levels that are complete.
    pub fn crown(rows: usize, lane: Lane, levels: Vec<Level>, unreadable: Vec<u32>) -> Tree {
        let nodes = levels.last().map_or(&[][..], |last| &last.digests);
        let mut message = Vec::new();
        Domain::Top.open(&mut message);
        message.push(lane.to_byte());
        message.push(u8::try_from(levels.len()).expect("levels shrink nine-fold, so 2^32 rows have eleven"));
        message.extend_from_slice(&u16::try_from(nodes.len()).expect("17 or fewer").to_le_bytes());
        message.extend_from_slice(&(rows as u64).to_le_bytes());
        nodes.iter().for_each(|digest| message.extend_from_slice(&digest.0));
        Domain::close(&mut message);
        let top = Digest::of_message(&message);
        Tree { lane, rows, unreadable, levels, top }
    }
}
