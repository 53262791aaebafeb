//! One level in change: its cuts are judged again within a window of each change, and on to the next node that starts
//! before and after; the nodes between are made anew, and are the changes of the level above.

use std::ops::Range;

use super::level::{Children, Scratch};
use super::update::Splice;
use super::{Level, index_of};

/// A level before the change.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    pub level: &'a Level,
    pub children: Children<'a>,
}

impl Before<'_> {
    /// The node that holds exactly these children.
    fn node(&self, children: &Range<usize>) -> Option<usize> {
        let node = self.starting(children.start)?;
        (self.end(node) == children.end).then_some(node)
    }

    /// The node that starts with this child.
    fn starting(&self, child: usize) -> Option<usize> {
        self.level.firsts.binary_search(&u32::try_from(child).ok()?).ok()
    }

    /// Number of nodes that start before this child.
    fn nodes_before(&self, child: usize) -> usize {
        self.level.firsts.partition_point(|&first| (first as usize) < child)
    }

    /// Where the children of a node end.
    fn end(&self, node: usize) -> usize {
        self.level.firsts.get(node + 1).map_or_else(|| self.children.len(), |&first| first as usize)
    }
}

/// One level in change. Invariant: the nodes made so far account for all old nodes so far, kept or in a splice for the
/// level above.
pub struct Change<'a> {
    before: Before<'a>,
    children: Children<'a>,
    /// Splices that move cuts: paths came or went.
    moving: Vec<Splice>,
    /// Splices of equal paths, which only void the digests of the nodes around them. As many children went as came, so
    /// places before and after can be told from `moving` alone.
    resting: Vec<Splice>,
    /// Number of resting splices that end before the next node.
    rested: usize,
    made: Level,
    /// Splices of nodes, for the level above.
    above: Vec<Splice>,
    /// Old and new nodes that the level above knows to be equal, or has in a splice.
    settled: (usize, usize),
    scratch: Scratch,
}

impl<'a> Change<'a> {
    /// The change of one level by splices of its children.
    pub fn new(before: Before<'a>, children: Children<'a>, splices: Vec<Splice>) -> Change<'a> {
        let same = |(old, new)| before.children.path(old) == children.path(new);
        let rests = |splice: &Splice| {
            splice.old.len() == splice.new.len() && splice.old.clone().zip(splice.new.clone()).all(same)
        };
        let (resting, moving) = splices.into_iter().partition(rests);
        let made = Level::with_capacity(before.level.len() + 16);
        let (above, scratch) = (Vec::new(), Scratch::default());
        Change { before, children, moving, resting, rested: 0, made, above, settled: (0, 0), scratch }
    }

    /// The new level, and the splices of its nodes.
    pub fn finish(mut self) -> (Level, Vec<Splice>) {
        // `node` and `next`: the old node and the moving splice that come next; before them both levels are in step.
        let (mut node, mut next) = (0, 0);
        while let Some(splice) = self.moving.get(next) {
            // What starts a node before the reach of the change does so in both levels; so do the first, and `node`.
            let reach = self.children.rule().window();
            let within = self.before.nodes_before(splice.old.start.saturating_sub(reach));
            let begin = node.max(within.saturating_sub(1));
            self.keep(node..begin, next);
            (node, next) = self.redo(begin, next);
        }
        self.keep(node..self.before.level.len(), next);
        self.settle(self.before.level.len(), self.made.len());
        (self.made, self.above)
    }

    /// Keeps the cuts of old nodes, all between the moving splice before `next` and that one, and their digests where no
    /// child changed.
    fn keep(&mut self, nodes: Range<usize>, next: usize) {
        let mut from = nodes.start;
        let shift = self.ends_before(next);
        while from < nodes.end {
            self.pass(|splice| splice.old.end, self.before.level.firsts[from] as usize);
            let (voided, valid) = match self.resting.get(self.rested) {
                Some(splice) => {
                    let first = self.before.nodes_before(splice.old.start + 1) - 1;
                    (first.clamp(from, nodes.end), self.before.nodes_before(splice.old.end).min(nodes.end))
                }
                None => (nodes.end, nodes.end),
            };
            self.copy(from..voided, shift);
            for node in voided..valid {
                let place = |child: usize| child - shift.0 + shift.1;
                self.seal(place(self.before.level.firsts[node] as usize)..place(self.before.end(node)));
            }
            from = valid.max(voided);
        }
    }

    /// Takes old nodes over as they are, their children moved from `old_end` to `new_end`.
    fn copy(&mut self, nodes: Range<usize>, (old_end, new_end): (usize, usize)) {
        if nodes.is_empty() {
            return;
        }
        self.settle(nodes.start, self.made.len());
        // Wrapping: the level may have become shorter before these nodes.
        let shift = index_of(new_end).wrapping_sub(index_of(old_end));
        let firsts = &self.before.level.firsts[nodes.clone()];
        self.made.firsts.extend(firsts.iter().map(|first| first.wrapping_add(shift)));
        self.made.digests.extend_from_slice(&self.before.level.digests[nodes.clone()]);
        self.settled = (nodes.end, self.made.len());
    }

    /// Makes the nodes from old node `begin` on until both levels are in step again; the old node and the moving splice
    /// there.
    fn redo(&mut self, begin: usize, mut next: usize) -> (usize, usize) {
        let reach = self.children.rule().window();
        let (old_end, new_end) = self.ends_before(next);
        let mut start = self.before.level.firsts[begin] as usize - old_end + new_end;
        let mut cuts = self.children.cuts(start);
        let mut passed = next;
        loop {
            let end = cuts.next_start();
            passed += self.moving[passed..].iter().take_while(|splice| splice.new.end <= start).count();
            self.make(start..end, passed);
            if end == self.children.len() {
                return (self.before.level.len(), self.moving.len());
            }
            next += self.moving[next..].iter().take_while(|splice| splice.new.start < end).count();
            let (old_end, new_end) = self.ends_before(next);
            if end >= new_end + reach
                && let Some(node) = self.before.starting(end - new_end + old_end)
            {
                return (node, next);
            }
            start = end;
        }
    }

    /// Makes one node, or takes over the old one of the same children. `passed` moving splices end before it.
    fn make(&mut self, children: Range<usize>, passed: usize) {
        let shift = self.ends_before(passed);
        self.pass(|splice| splice.new.end, children.start);
        let next = [self.moving.get(passed), self.resting.get(self.rested)];
        let untouched = next.into_iter().flatten().all(|splice| splice.new.start >= children.end);
        let old = children.start - shift.1 + shift.0..children.end - shift.1 + shift.0;
        match self.before.node(&old).filter(|_| untouched) {
            Some(node) => self.copy(node..node + 1, shift),
            None => self.seal(children),
        }
    }

    /// Makes a node anew.
    fn seal(&mut self, children: Range<usize>) {
        self.made.firsts.push(index_of(children.start));
        self.children.seal(&[children.start], children.end, &mut self.scratch, &mut self.made.digests);
    }

    /// Passes the resting splices that end at `child` or before.
    fn pass(&mut self, end: impl Fn(&Splice) -> usize, child: usize) {
        self.rested += self.resting[self.rested..].iter().take_while(|splice| end(splice) <= child).count();
    }

    /// Old and new children up to the end of the moving splices before `next`.
    fn ends_before(&self, next: usize) -> (usize, usize) {
        next.checked_sub(1).map_or((0, 0), |last| (self.moving[last].old.end, self.moving[last].new.end))
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
