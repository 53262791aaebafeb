//! One level in the making: the children that are cut into nodes, and the digests of those nodes.
//!
//! ```text
//! leaf node := rows u32 | entry digest [32] * rows
//! inner node := level u32 | rows covered u32 | node digest [32] * children
//! top := lane u8 | levels u8 | rows u64 | node digest [32] * nodes of the last level
//! ```

use std::ops::Range;

use super::{Level, Tree, index_of};
use crate::model::cut::{Cuts, Rule};
use crate::model::digest::{Digest, Domain, Hasher};
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
    entry: Vec<u8>,
    node: Vec<u8>,
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

    /// The digest of the node over `children`.
    pub fn seal(&self, children: Range<usize>, scratch: &mut Scratch) -> Digest {
        let Scratch { entry, node } = scratch;
        node.clear();
        match self.levels.last() {
            None => {
                node.extend_from_slice(&index_of(children.len()).to_le_bytes());
                for row in children {
                    node.extend_from_slice(&self.lane.digest_row(self.listing.row(row), entry).0);
                }
                Hasher::new(Domain::Leaf).update(node).finish()
            }
            Some(below) => {
                let rows = self.first_row(children.end) - self.first_row(children.start);
                node.extend_from_slice(&index_of(self.levels.len()).to_le_bytes());
                node.extend_from_slice(&index_of(rows).to_le_bytes());
                below.digests[children].iter().for_each(|digest| node.extend_from_slice(&digest.0));
                Hasher::new(Domain::Inner).update(node).finish()
            }
        }
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
        let mut bytes = vec![lane.to_byte()];
        bytes.push(u8::try_from(levels.len()).expect("levels shrink nine-fold, so 2^32 rows have eleven"));
        bytes.extend_from_slice(&(rows as u64).to_le_bytes());
        if let Some(last) = levels.last() {
            last.digests.iter().for_each(|digest| bytes.extend_from_slice(&digest.0));
        }
        let top = Hasher::new(Domain::Top).update(&bytes).finish();
        Tree { lane, rows, unreadable, levels, top }
    }
}
