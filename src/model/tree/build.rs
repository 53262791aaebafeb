//! Builds a tree from nothing: each level from the one below, in one pass. The leaf nodes are nearly all of the work, and
//! those of one part of the rows do not depend on the others: see [`Leaves`].

use std::ops::Range;

use super::level::{Children, Scratch};
use super::{Level, Tree, index_of};
use crate::model::cut::{Cuts, Rule, TOP_NODES_MAX, hash};
use crate::model::entry::Kind;
use crate::model::lane::Lane;
use crate::model::listing::{Listing, ROWS_AT_ONCE};

/// Nodes that are cut, then hashed: many enough to hash side by side, and their rows (about 100 kB) stay in the cache.
const NODES_AT_ONCE: usize = 64;

impl Tree {
    /// Builds the tree of all rows.
    pub fn build(listing: &Listing, lane: Lane) -> Tree {
        Tree::over(listing, lane, [Leaves::over(listing, lane, 0..listing.len())])
    }

    /// Builds the tree of all rows, given the leaf nodes of neighbouring parts of them in their order.
    pub fn over(listing: &Listing, lane: Lane, parts: impl IntoIterator<Item = Leaves>) -> Tree {
        let mut all = Leaves::default();
        for mut part in parts {
            assert_eq!(part.rows.start, all.rows.end, "parts are neighbours");
            all.rows.end = part.rows.end;
            all.level.firsts.append(&mut part.level.firsts);
            all.level.digests.append(&mut part.level.digests);
            all.hashes.append(&mut part.hashes);
            all.unreadable.append(&mut part.unreadable);
        }
        assert_eq!(all.rows.end, listing.len(), "parts cover all rows");
        if listing.is_empty() {
            return Tree::crown(0, lane, Vec::new(), Vec::new());
        }
        let mut raise = Raise { hashes: all.hashes, ..Raise::new(listing, lane, vec![all.level]) };
        raise.complete();
        Tree::crown(listing.len(), lane, raise.levels, all.unreadable)
    }
}

/// The leaf nodes of a part of the rows.
#[derive(Debug, Default)]
pub struct Leaves {
    rows: Range<usize>,
    level: Level,
    /// Hashes of the nodes' first paths.
    hashes: Vec<u64>,
    unreadable: Vec<u32>,
}

impl Leaves {
    /// The first row from `near` on where a node starts whatever comes before it: there the rows can be parted. The number
    /// of rows where there is none.
    pub fn border(listing: &Listing, near: usize) -> usize {
        if near == 0 {
            return 0;
        }
        let rule = Rule::of_level(0);
        let mark = |row: usize| rule.mark(listing.row(row).path().as_bytes());
        let is_start = |row: usize| {
            let window = row.saturating_sub(rule.window())..(row + rule.window() + 1).min(listing.len());
            let own = mark(row);
            window.into_iter().all(|other| other == row || own < mark(other))
        };
        (near..listing.len()).find(|&row| is_start(row)).unwrap_or(listing.len())
    }

    /// The nodes of `rows`, which begin and end at a [border](Leaves::border), or where all rows do.
    pub fn over(listing: &Listing, lane: Lane, rows: Range<usize>) -> Leaves {
        let mut leaves = Leaves { rows: rows.clone(), ..Leaves::default() };
        if rows.is_empty() {
            return leaves;
        }
        let children = Children { listing, lane, levels: &[] };
        let (level, hashes) = (&mut leaves.level, &mut leaves.hashes);
        cut(&children, rows, &|row| hash(children.path(row)), (level, hashes), |nodes| {
            leaves.unreadable.extend(unreadable_rows(listing, nodes));
        });
        leaves
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
}

impl<'a> Raise<'a> {
    /// Goes on from `levels`.
    pub const fn new(listing: &'a Listing, lane: Lane, levels: Vec<Level>) -> Raise<'a> {
        Raise { listing, lane, levels, hashes: Vec::new() }
    }

    /// Adds levels until the last has few enough nodes for the top.
    pub fn complete(&mut self) {
        while self.levels.last().is_none_or(|last| last.len() > TOP_NODES_MAX) {
            let level = self.next_level();
            self.levels.push(level);
        }
    }

    /// The level over all nodes of the last.
    fn next_level(&mut self) -> Level {
        let below = std::mem::take(&mut self.hashes);
        let children = Children { listing: self.listing, lane: self.lane, levels: &self.levels };
        let hash_of = |child: usize| below.get(child).copied().unwrap_or_else(|| hash(children.path(child)));
        let mut level = Level::default();
        cut(&children, 0..children.len(), &hash_of, (&mut level, &mut self.hashes), |_| {});
        level
    }
}

/// Cuts some of the children into nodes; each time that some of these are made, `made` is told of what they cover.
fn cut(
    children: &Children<'_>,
    range: Range<usize>,
    hash_of: &dyn Fn(usize) -> u64,
    (level, hashes): (&mut Level, &mut Vec<u64>),
    mut made: impl FnMut(Range<usize>),
) {
    let rule = children.rule();
    let mut cuts = Cuts::after(rule, range.start, children.len(), |child| rule.mark_of_hash(hash_of(child)));
    let mut scratch = Scratch::default();
    let mut starts = Vec::with_capacity(NODES_AT_ONCE);
    let (mut start, mut rested) = (range.start, range.start);
    while start < range.end {
        if children.levels.is_empty() && start - rested >= ROWS_AT_ONCE {
            rested = start;
            children.listing.rest();
        }
        starts.clear();
        while start < range.end && starts.len() < NODES_AT_ONCE {
            starts.push(start);
            start = cuts.next_start();
        }
        level.firsts.extend(starts.iter().copied().map(index_of));
        hashes.extend(starts.iter().copied().map(hash_of));
        children.seal(&starts, start, &mut scratch, &mut level.digests);
        made(starts[0]..start);
    }
}
