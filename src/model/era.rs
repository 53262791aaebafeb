//! Whether two memories of one replica id tell the same story. Owns the comparison; random tokens come from the caller.
//!
//! Each time a memory is opened for writing it begins an *era*: the counter of its next write, and a random token. No later
//! opening goes on with it. A memory that was restored or cloned has to be opened before it writes, so what it writes is in
//! an era of its own, and every number that names two writes lies behind the point where the stories part.
//!
//! # What holds on every replica
//! - The first counter of an era is the one after the last write. Counters are never skipped, and K never holds an own
//!   counter that this memory did not write: a restored memory would pass for having seen, and deleted, what it wrote under
//!   those numbers in the life that it forgot. (A dot is durable together with its write, so no number can be lost.)
//! - Everyone keeps the eras of every id that it knows of, and two that meet compare them before any join.
//! - An id whose stories part: the side that gives way **recuts**. It records every version of that id behind the parting
//!   again under its own dots ([`recut`]), puts those into its witnesses in place of the old ones ([`follow`]), and **forgets
//!   those counters in K** ([`Knowledge::forget_after`](super::Knowledge::forget_after)) and those eras. It takes one dot more, for the deletes
//!   of the story: they are done, and without a dot of their own they would be equal K with unequal E. Everyone chooses the same side, so one story is left in the end.
//! - The own id, and the peer knows more of it than this memory, or another story, or is itself of that id: a new id, before
//!   any join, and a recut where the stories part. Versions from before the parting keep their dots: they are what they
//!   were, and to record them again would bring back what others have deleted since.
//!
//! A recut may bring back what somebody deleted who knew it under the other dot; it loses nothing. Start at [`Eras`].

use std::collections::BTreeMap;

use super::dot::{Dot, ReplicaId};
use super::siblings::{Siblings, Version};

/// The eras of one replica id, as one memory knows them, ascending by first counter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Eras {
    eras: Vec<Era>,
}

/// What was written between one opening of a memory and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Era {
    /// Counter of its first write.
    pub first: u64,
    /// Random.
    pub token: u64,
}

/// What one memory knows of one replica id.
#[derive(Debug, Clone, Copy)]
pub struct Story<'a> {
    /// Its eras; the last may be without a write.
    pub eras: &'a Eras,
    /// The highest counter in K; 0 for none.
    pub highest: u64,
}

/// Where two stories part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parting {
    /// The last counter that names the same write in both.
    pub common: u64,
    /// Who gives way.
    pub recuts: Side,
}

/// One of two that meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that asks.
    Left,
    /// The other.
    Right,
}

impl Eras {
    /// None.
    pub const fn new() -> Eras {
        Eras { eras: Vec::new() }
    }

    /// Begins an era. One without a write gives way to it.
    pub fn begin(&mut self, era: Era) {
        self.forget_after(era.first.saturating_sub(1));
        self.eras.push(era);
    }

    /// Forgets the eras that begin behind `counter`.
    pub fn forget_after(&mut self, counter: u64) {
        self.eras.retain(|era| era.first <= counter);
    }

    /// The eras, ascending.
    pub fn iter(&self) -> std::slice::Iter<'_, Era> {
        self.eras.iter()
    }

    /// Takes what `other` knows beyond `highest`, the highest counter seen here before the join. The stories do not part.
    pub fn extend(&mut self, highest: u64, other: Story<'_>) {
        if other.highest > highest {
            self.eras = other.written().to_vec();
        }
    }
}

impl From<&[Era]> for Eras {
    fn from(eras: &[Era]) -> Eras {
        Eras { eras: eras.to_vec() }
    }
}

impl<'a> Story<'a> {
    /// Where this story and another one part; `None` where one is the beginning of the other.
    pub fn parting(self, other: Story<'_>) -> Option<Parting> {
        let (left, right) = (self.written(), other.written());
        let same = left.iter().zip(right).take_while(|(left, right)| left == right).count();
        let (next, other_next) = (left.get(same), right.get(same));
        // The story that goes on in the era that both know stays: most likely others know it already.
        let (common, recuts) = match (next, other_next) {
            (None, None) => return None,
            (Some(next), None) if other.highest < next.first => return None,
            (None, Some(next)) if self.highest < next.first => return None,
            (Some(next), None) => (next.first, Side::Left),
            (None, Some(next)) => (next.first, Side::Right),
            (Some(left), Some(right)) => {
                let left_recuts = left.first < right.first || left.first == right.first && left.token > right.token;
                (left.first.min(right.first), if left_recuts { Side::Left } else { Side::Right })
            }
        };
        Some(Parting { common: common - 1, recuts })
    }

    /// Whether this memory of its own id lacks something that another memory knows of it: it was restored.
    pub fn is_behind(self, other: Story<'_>) -> bool {
        other.highest > self.highest
    }

    /// The eras that have a write.
    pub(super) fn written(self) -> &'a [Era] {
        let end = self.eras.eras.partition_point(|era| era.first <= self.highest);
        &self.eras.eras[..end]
    }
}

/// Records the versions that `replica` wrote after `common` again, each under a dot from `mint`. Gives old and new dots.
pub fn recut(
    siblings: &mut Siblings,
    replica: ReplicaId,
    common: u64,
    mut mint: impl FnMut() -> Dot,
) -> Vec<(Dot, Dot)> {
    let theirs = siblings.iter().map(|version| version.dot);
    let doubtful: Vec<Dot> = theirs.filter(|dot| dot.replica == replica && dot.counter > common).collect();
    let taken = doubtful.into_iter().filter_map(|dot| siblings.remove(dot));
    let again: Vec<(Dot, Version)> = taken.map(|version| (version.dot, Version { dot: mint(), ..version })).collect();
    let renamed = again.iter().map(|(old, version)| (*old, version.dot)).collect();
    again.into_iter().for_each(|(_, version)| siblings.insert(version));
    renamed
}

/// What a witness stands for once the story of `replica` after `common` is forgotten: of that story, what was recorded
/// again stands under its new dot, and nothing else. Those numbers name somebody else's writes from now on.
pub fn follow(dots: &mut Vec<Dot>, (replica, common): (ReplicaId, u64), renamed: &BTreeMap<Dot, Dot>) {
    let is_forgotten = |dot: &Dot| dot.replica == replica && dot.counter > common;
    let forgotten: Vec<Dot> = dots.iter().copied().filter(is_forgotten).collect();
    dots.retain(|dot| !is_forgotten(dot));
    dots.extend(forgotten.iter().filter_map(|dot| renamed.get(dot)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eras(eras: &[(u64, u64)]) -> Eras {
        Eras { eras: eras.iter().map(|&(first, token)| Era { first, token }).collect() }
    }

    fn parting(left: (&[(u64, u64)], u64), right: (&[(u64, u64)], u64)) -> Option<(u64, Side)> {
        let (left_eras, right_eras) = (eras(left.0), eras(right.0));
        let left = Story { eras: &left_eras, highest: left.1 };
        let right = Story { eras: &right_eras, highest: right.1 };
        left.parting(right).map(|parting| (parting.common, parting.recuts))
    }

    #[test]
    fn stories_part_where_one_number_names_two_writes() {
        let none = None;
        assert_eq!(parting((&[(1, 7)], 5), (&[(1, 7)], 9)), none, "one is behind");
        assert_eq!(parting((&[(1, 7)], 5), (&[(1, 7), (6, 8)], 6)), none, "an era further");
        assert_eq!(parting((&[], 0), (&[(1, 7), (6, 8)], 6)), none, "nothing known");
        assert_eq!(parting((&[(1, 7), (6, 9)], 5), (&[(1, 7)], 9)), none, "nothing was written since the restore");
        assert_eq!(parting((&[(1, 7), (6, 9)], 6), (&[(1, 7)], 9)), Some((5, Side::Left)), "restored, and written");
        assert_eq!(
            parting((&[(1, 7)], 9), (&[(1, 7), (6, 9)], 6)),
            Some((5, Side::Right)),
            "the same from the other end"
        );
        assert_eq!(parting((&[(1, 7), (6, 8)], 6), (&[(1, 7), (6, 9)], 7)), Some((5, Side::Right)), "two clones");
        assert_eq!(parting((&[(1, 7), (6, 9)], 7), (&[(1, 7), (6, 8)], 6)), Some((5, Side::Left)), "two clones");
        assert_eq!(
            parting((&[(1, 7), (6, 9)], 9), (&[(1, 7), (8, 1)], 9)),
            Some((5, Side::Left)),
            "one went on longer"
        );
        assert_eq!(parting((&[(1, 4)], 1), (&[(1, 3)], 1)), Some((0, Side::Left)), "nothing in common");
    }

    #[test]
    fn an_era_without_a_write_gives_way_to_the_next() {
        let mut story = eras(&[(1, 7), (6, 8)]);
        story.begin(Era { first: 6, token: 9 });
        assert_eq!(story, eras(&[(1, 7), (6, 9)]));
        story.extend(7, Story { eras: &eras(&[(1, 7), (6, 9), (8, 1), (10, 2)]), highest: 9 });
        assert_eq!(story, eras(&[(1, 7), (6, 9), (8, 1)]));
    }

    #[test]
    fn a_witness_stands_for_no_write_of_a_story_that_is_forgotten() {
        let dot = |replica: u8, counter: u64| Dot { replica: ReplicaId([replica; 16]), counter };
        let mut dots = vec![dot(1, 3), dot(1, 4), dot(1, 5), dot(2, 9)];
        let renamed = BTreeMap::from([(dot(1, 5), dot(3, 1)), (dot(1, 7), dot(3, 2))]);
        follow(&mut dots, (ReplicaId([1; 16]), 3), &renamed);
        assert_eq!(dots, [dot(1, 3), dot(2, 9), dot(3, 1)]);
    }
}
