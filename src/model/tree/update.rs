//! Changes a tree where its listing changed: the cuts are judged again within a window of each change, and on to the next
//! node that starts in both trees; the nodes between are made anew, and are the changes of the level above.
//! The result is the tree that a build would give, at a cost of the changes (and of copying the arrays).

use std::ops::Range;

use super::build::{raise, unreadable_rows};
use super::level::{Children, Scratch};
use super::merge::{Pair, Pairs};
use super::{Level, Tree, index_of};
use crate::model::cut::TOP_NODES_MAX;
use crate::model::listing::Listing;

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
    const fn is_empty(&self) -> bool {
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
            let children = Children { listing: new, lane: self.lane, levels: &levels };
            let old_len = if height == 0 { old.len() } else { self.levels[height - 1].len() };
            let (next, above) = Change::new(Before { level, children: old_len }, children, &splices).finish();
            levels.push(next);
            splices = above;
        }
        raise(new, self.lane, &mut levels);
        Tree::crown(new.len(), self.lane, levels, unreadable)
    }

    /// The tree of `new`, given that `self` is the tree of `old`. Finds the changes by reading both listings once.
    pub fn refresh(&self, old: &Listing, new: &Listing) -> Tree {
        if old.len() != self.rows {
            return Tree::build(new, self.lane);
        }
        let mut splices = Vec::new();
        let mut open = Splice { old: 0..0, new: 0..0 };
        for pair in Pairs::new((old, 0..old.len()), (new, 0..new.len())) {
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

/// A level before the change.
#[derive(Clone, Copy)]
struct Before<'a> {
    level: &'a Level,
    /// Number of its children.
    children: usize,
}

impl Before<'_> {
    /// The node that holds exactly these children.
    fn node(&self, children: &Range<usize>) -> Option<usize> {
        let node = self.starting(children.start)?;
        let end = self.level.firsts.get(node + 1).map_or(self.children, |&first| first as usize);
        (end == children.end).then_some(node)
    }

    /// The node that starts with this child.
    fn starting(&self, child: usize) -> Option<usize> {
        self.level.firsts.binary_search(&u32::try_from(child).ok()?).ok()
    }
}

/// One level in change. Invariant: the nodes up to `done` are made, and those of the old level are accounted for, either
/// kept or in a splice for the level above.
struct Change<'a> {
    before: Before<'a>,
    children: Children<'a>,
    splices: &'a [Splice],
    made: Level,
    /// Splices of nodes, for the level above.
    above: Vec<Splice>,
    /// Old and new nodes that the level above knows to be equal, or has in a splice.
    settled: (usize, usize),
    scratch: Scratch,
}

impl<'a> Change<'a> {
    fn new(before: Before<'a>, children: Children<'a>, splices: &'a [Splice]) -> Change<'a> {
        let (above, scratch) = (Vec::new(), Scratch::default());
        Change {
            before,
            children,
            splices,
            made: Level::with_capacity(before.level.len() + 16),
            above,
            settled: (0, 0),
            scratch,
        }
    }

    /// The new level, and the splices of its nodes.
    fn finish(mut self) -> (Level, Vec<Splice>) {
        // `node` and `next`: the old node and the splice that come next; before them both levels are in step.
        let (mut node, mut next) = (0, 0);
        while let Some(splice) = self.splices.get(next) {
            // A node that starts before the reach of the change starts in both levels; so does the first, and `node`.
            let reach = self.children.rule().window();
            let within = self.before.level.firsts.partition_point(|&first| first as usize + reach < splice.old.start);
            let begin = node.max(within.saturating_sub(1));
            self.keep(node..begin, next);
            (node, next) = self.redo(begin, next);
        }
        self.keep(node..self.before.level.len(), next);
        self.settle(self.before.level.len(), self.made.len());
        (self.made, self.above)
    }

    /// Takes old nodes over, which come after all splices before `next` and before that one.
    fn keep(&mut self, nodes: Range<usize>, next: usize) {
        if nodes.is_empty() {
            return;
        }
        let (old_end, new_end) = self.ends_before(next);
        self.settle(nodes.start, self.made.len());
        let firsts = &self.before.level.firsts[nodes.clone()];
        // Wrapping: a level may have become shorter before these nodes.
        let shift = index_of(new_end).wrapping_sub(index_of(old_end));
        self.made.firsts.extend(firsts.iter().map(|first| first.wrapping_add(shift)));
        self.made.digests.extend_from_slice(&self.before.level.digests[nodes.clone()]);
        self.settled = (nodes.end, self.made.len());
    }

    /// Makes the nodes from old node `begin` on until both levels are in step again; the old node and the splice there.
    fn redo(&mut self, begin: usize, mut next: usize) -> (usize, usize) {
        let reach = self.children.rule().window();
        let (old_end, new_end) = self.ends_before(next);
        let mut start = self.before.level.firsts[begin] as usize - old_end + new_end;
        let mut cuts = self.children.cuts(start);
        let mut passed = next;
        loop {
            let end = cuts.next_start();
            passed += self.splices[passed..].iter().take_while(|splice| splice.new.end <= start).count();
            self.make(start..end, passed);
            if end == self.children.len() {
                return (self.before.level.len(), self.splices.len());
            }
            next += self.splices[next..].iter().take_while(|splice| splice.new.start <= end + reach).count();
            let (old_end, new_end) = self.ends_before(next);
            if end >= new_end + reach
                && let Some(node) = self.before.starting(end - new_end + old_end)
            {
                return (node, next);
            }
            start = end;
        }
    }

    /// Makes one node, or takes over the old one of the same children. `passed` splices end before it.
    fn make(&mut self, children: Range<usize>, passed: usize) {
        let (old_end, new_end) = self.ends_before(passed);
        let untouched = self.splices.get(passed).is_none_or(|splice| splice.new.start >= children.end);
        let old = children.start - new_end + old_end..children.end - new_end + old_end;
        match self.before.node(&old).filter(|_| untouched) {
            Some(node) => {
                self.settle(node, self.made.len());
                self.made.push(children.start, self.before.level.digests[node]);
                self.settled = (node + 1, self.made.len());
            }
            None => {
                let digest = self.children.seal(children.clone(), &mut self.scratch);
                self.made.push(children.start, digest);
            }
        }
    }

    /// Old and new children up to the end of the splices before `next`.
    fn ends_before(&self, next: usize) -> (usize, usize) {
        next.checked_sub(1).map_or((0, 0), |last| (self.splices[last].old.end, self.splices[last].new.end))
    }

    /// Notes that old and new nodes up to these are in a splice for the level above, if there are any unsettled.
    fn settle(&mut self, old: usize, new: usize) {
        let splice = Splice { old: self.settled.0..old, new: self.settled.1..new };
        if !splice.is_empty() {
            self.above.push(splice);
        }
        self.settled = (old, new);
    }
}
