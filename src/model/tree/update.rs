//! Changes a tree where its listing changed, level by level. The result is the tree that a build would give, at a cost of
//! the changes (and of copying the arrays).

use std::ops::Range;

use super::build::{Raise, unreadable_rows};
use super::change::{Before, Change};
use super::level::Children;
use super::{Level, Tree, index_of};
use crate::model::cut::TOP_NODES_MAX;
use crate::model::listing::{Listing, ROWS_AT_ONCE};
use crate::model::merge::{Pair, Pairs};

/// Children `old` of the old level (rows at first, nodes above) gave way to children `new` of the new one. What lies
/// between two splices is equal on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Rows of the old listing.
    pub old: Range<usize>,
    /// Rows of the new listing.
    pub new: Range<usize>,
}

impl Splice {
    /// Whether nothing changed.
    pub const fn is_empty(&self) -> bool {
        self.old.start == self.old.end && self.new.start == self.new.end
    }
}

impl Tree {
    /// The tree of `new`, given that `self` is the tree of `old` and that `splices`, sorted and disjoint, turn the one
    /// listing into the other. Equals `Tree::build(new)`; where the splices do not fit the listings, it is just that.
    pub fn update(&self, old: &Listing, new: &Listing, splices: &[Splice]) -> Tree {
        if self.rows == 0 || new.is_empty() || old.len() != self.rows || !fit(splices, old.len(), new.len()) {
            return Tree::build(new, self.lane);
        }
        let unreadable = self.unreadable_after(new, splices);
        let mut levels = Vec::with_capacity(self.levels.len() + 1);
        let mut splices: Vec<Splice> = splices.iter().filter(|splice| !splice.is_empty()).cloned().collect();
        for (height, level) in self.levels.iter().enumerate() {
            if levels.last().is_some_and(|last: &Level| last.len() <= TOP_NODES_MAX) {
                break;
            }
            let before =
                Before { level, children: Children { listing: old, lane: self.lane, levels: &self.levels[..height] } };
            let children = Children { listing: new, lane: self.lane, levels: &levels };
            let (next, above) = Change::new(before, children, splices).finish();
            levels.push(next);
            splices = above;
        }
        let mut raise = Raise::new(new, self.lane, levels);
        raise.complete();
        Tree::crown(new.len(), self.lane, raise.levels, unreadable)
    }

    /// The tree of `new`, given that `self` is the tree of `old`. Finds the changes by reading both listings once.
    pub fn refresh(&self, old: &Listing, new: &Listing) -> Tree {
        if old.len() != self.rows {
            return Tree::build(new, self.lane);
        }
        let mut splices = Vec::new();
        let mut open = Splice { old: 0..0, new: 0..0 };
        for (count, pair) in Pairs::new((old, 0..old.len()), (new, 0..new.len())).enumerate() {
            if count % ROWS_AT_ONCE == 0 {
                old.rest();
                new.rest();
            }
            match pair {
                Pair::Both(left, right) if self.lane.equal_rows(old.row(left), new.row(right)) => {
                    let next = Splice { old: left + 1..left + 1, new: right + 1..right + 1 };
                    let done = std::mem::replace(&mut open, next);
                    if !done.is_empty() {
                        splices.push(done);
                    }
                }
                Pair::Both(left, right) => {
                    open = Splice { old: open.old.start..left + 1, new: open.new.start..right + 1 }
                }
                Pair::Left(left) => open.old.end = left + 1,
                Pair::Right(right) => open.new.end = right + 1,
            }
        }
        if !open.is_empty() {
            splices.push(open);
        }
        self.update(old, new, &splices)
    }

    /// The unreadable rows after the splices: the old ones moved, and those among the new rows.
    fn unreadable_after(&self, new: &Listing, splices: &[Splice]) -> Vec<u32> {
        let mut rows = Vec::new();
        let mut kept = self.unreadable.iter().map(|&row| row as usize).peekable();
        let (mut old_end, mut new_end) = (0, 0);
        for splice in splices {
            while let Some(row) = kept.next_if(|&row| row < splice.old.start) {
                rows.push(index_of(row - old_end + new_end));
            }
            while kept.next_if(|&row| row < splice.old.end).is_some() {}
            rows.extend(unreadable_rows(new, splice.new.clone()));
            (old_end, new_end) = (splice.old.end, splice.new.end);
        }
        rows.extend(kept.map(|row| index_of(row - old_end + new_end)));
        rows
    }
}

/// Whether splices are sorted and disjoint and turn a list of `old` children into one of `new`.
fn fit(splices: &[Splice], old: usize, new: usize) -> bool {
    let mut last = (0, 0);
    let ends = Splice { old: old..old, new: new..new };
    splices.iter().chain([&ends]).all(|splice| {
        let (old_gap, new_gap) = (splice.old.start.checked_sub(last.0), splice.new.start.checked_sub(last.1));
        last = (splice.old.end, splice.new.end);
        old_gap.is_some() && old_gap == new_gap && splice.old.start <= last.0 && splice.new.start <= last.1
    })
}
