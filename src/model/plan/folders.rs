//! Directories that moved: where a new directory of the source and one that disappears from the target hold much the
//! same, one rename brings it all, and only what differs inside is left to do. Owns the choice of the pairs.
//!
//! Every new file whose bytes stand in a vanishing file of the same name is a vote for their directories, and for the
//! directories above as long as the names agree. The pair with most bytes goes first, so an outer directory goes before
//! what it brings along; it is taken where at least half of the entries of either side find their match.
//!
//! A directory is not moved where that would not be sound in the order of a plan (see [`super::action`]): where the
//! new one holds a directory that the old one lacks (it would be made before its parent has moved), where a file takes
//! a directory's place inside or the reverse, where either holds what must be left alone, and inside another one that
//! moves. Then its parts are looked at, down to single files.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::holders::{Holders, join};
use super::spot::{Fate, Spot, Table, number, same_body};
use super::triage::incomplete;
use crate::model::entry::{Entry, Kind};
use crate::model::path::{PATH_BYTES_MAX, PathRef, RelPath, compare};

/// Among files of one content and one name, at most this many pairs vote; of more, the first votes for the first.
const VOTES_MAX: usize = 256;
/// How many entries are compared in all, as a multiple of those that could be moved: a bound on hostile trees.
const COMPARED_MAX: usize = 32;

/// A new directory, one that vanishes, and what they have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Votes {
    new: u32,
    old: u32,
    files: u32,
    bytes: u64,
}

/// What is needed to choose.
struct Search<'t, 'a> {
    table: &'t Table<'a>,
    ends: Vec<u32>,
    /// For each spot, whether it may be, or lie in, a directory that moves.
    new: Vec<bool>,
    old: Vec<bool>,
}

/// Chooses the directories that move, and moves what stands in them within the table.
pub(super) fn carry(table: &mut Table<'_>, holders: &Holders) {
    if holders.is_empty() {
        return;
    }
    let search = Search::new(table);
    let chosen = search.choose(search.votes(holders));
    if chosen.is_empty() {
        return;
    }
    let ends = search.ends;
    let mut spent = vec![false; table.spots.len()];
    for (new, old) in chosen {
        rebase(table, &ends, (new, old), &mut spent);
    }
    let mut index = 0;
    table.spots.retain(|_| {
        index += 1;
        !spent[index - 1]
    });
    table.index();
}

impl<'t, 'a> Search<'t, 'a> {
    fn new(table: &'t Table<'a>) -> Search<'t, 'a> {
        let stuck = incomplete(table);
        let live = |spot: &Spot| spot.fate != Fate::Blocked;
        let new = table.spots.iter().map(|spot| live(spot) && spot.want.is_some() && spot.row.is_none());
        let old = table.spots.iter().map(|spot| live(spot) && spot.want.is_none() && spot.row.is_some());
        let free = |(flag, stuck): (bool, &bool)| flag && !stuck;
        let new = new.zip(&stuck).map(free).collect();
        let old = old.zip(&stuck).map(free).collect();
        Search { table, ends: table.ends(), new, old }
    }

    /// The directory of a spot, if it is one of those that `may` move.
    fn folder(&self, may: &[bool], index: u32) -> Option<u32> {
        let parent = self.table.parents[index as usize];
        may.get(parent as usize).copied().unwrap_or(false).then_some(parent)
    }

    fn name(&self, index: u32) -> &'t [u8] {
        self.table.spots[index as usize].path.as_ref().name()
    }

    /// Who could have become whom, best first.
    fn votes(&self, holders: &Holders) -> Vec<Votes> {
        let mut wants: Vec<(u32, u32)> = (0..self.table.spots.len())
            .filter(|&index| self.new[index] && self.folder(&self.new, number(index)).is_some())
            .filter_map(|index| Some((holders.id(self.table, index)?, number(index))))
            .collect();
        wants.sort_unstable();
        let mut heap = BinaryHeap::new();
        for same in wants.chunk_by(|left, right| left.0 == right.0) {
            let old = holders.of_id(same[0].0).iter().filter_map(|&(_, row)| self.table.spot_of(row));
            let mut old: Vec<u32> = old.filter(|&spot| self.old[spot]).map(number).collect();
            let mut new: Vec<u32> = same.iter().map(|&(_, spot)| spot).collect();
            join(&mut new, &mut old, |index| self.name(index), |new, old| self.vote(new, old, &mut heap));
        }
        let mut votes = self.tally(heap);
        votes.sort_unstable_by_key(|votes| (Reverse((votes.bytes, votes.files)), votes.new, votes.old));
        votes
    }

    /// One vote for the directories of each pair of files.
    fn vote(&self, new: &[u32], old: &[u32], heap: &mut BinaryHeap<Votes>) {
        let mut cast = |new: u32, old: u32| {
            let bytes = self.table.spots[new as usize].want.as_ref().map_or(0, |want| want.size);
            if let (Some(new), Some(old)) = (self.folder(&self.new, new), self.folder(&self.old, old)) {
                heap.push(Votes { new, old, files: 1, bytes });
            }
        };
        if new.len() * old.len() > VOTES_MAX {
            new.iter().zip(old).for_each(|(&new, &old)| cast(new, old));
        } else {
            new.iter().for_each(|&new| old.iter().for_each(|&old| cast(new, old)));
        }
    }

    /// Adds up the votes, and hands each sum on to the directories above. Spots below have the greater numbers, so
    /// taking the greatest first meets every vote for a pair before the pair's own sum is handed on.
    fn tally(&self, mut heap: BinaryHeap<Votes>) -> Vec<Votes> {
        let mut sums = Vec::new();
        while let Some(mut sum) = heap.pop() {
            while let Some(more) = heap.peek().filter(|more| (more.new, more.old) == (sum.new, sum.old)) {
                sum.files = sum.files.saturating_add(more.files);
                sum.bytes = sum.bytes.saturating_add(more.bytes);
                heap.pop();
            }
            if self.name(sum.new) == self.name(sum.old)
                && let (Some(new), Some(old)) = (self.folder(&self.new, sum.new), self.folder(&self.old, sum.old))
            {
                heap.push(Votes { new, old, ..sum });
            }
            sums.push(sum);
        }
        sums
    }

    /// Takes the best pairs that do not overlap.
    fn choose(&self, votes: Vec<Votes>) -> Vec<(u32, u32)> {
        let mut taken = vec![false; self.table.spots.len()];
        let mut left = COMPARED_MAX * self.table.spots.len();
        let mut chosen = Vec::new();
        for Votes { new, old, files, .. } in votes {
            let size = (self.size(new) + self.size(old)) as usize;
            if taken[new as usize] || taken[old as usize] || !self.promising(new, old, files) || size > left {
                continue;
            }
            left -= size;
            if self.matches(new, old) {
                self.take(&mut taken, new);
                self.take(&mut taken, old);
                chosen.push((new, old));
            }
        }
        chosen
    }

    /// Entries below a directory.
    fn size(&self, index: u32) -> u32 {
        self.ends[index as usize] - index - 1
    }

    /// Whether it is worth comparing: votes are files only, and a large class of equal files casts fewer than it could,
    /// so a tenth is enough.
    fn promising(&self, new: u32, old: u32, files: u32) -> bool {
        u64::from(files) * 10 >= u64::from(self.size(new).max(self.size(old)))
    }

    /// Marks a directory, all below it and all above it: no other one that moves may overlap it.
    fn take(&self, taken: &mut [bool], index: u32) {
        taken[index as usize..self.ends[index as usize] as usize].fill(true);
        let mut above = self.table.parent(index as usize);
        while let Some(parent) = above.filter(|&parent| !taken[parent]) {
            taken[parent] = true;
            above = self.table.parent(parent);
        }
    }

    /// Whether the move is sound and at least half of the entries of either side find their match.
    fn matches(&self, new: u32, old: u32) -> bool {
        let (mut sound, mut matching) = (true, 0u32);
        let prefix = self.table.spots[new as usize].path.as_bytes().len();
        walk(self.table, &self.ends, (new, old), |beside| match beside {
            Beside::New(new) => sound &= !self.wants_directory(new),
            Beside::Old(_, rest) => sound &= prefix + 1 + rest.len() <= PATH_BYTES_MAX,
            Beside::Both(new, old) => {
                let row = self.table.row(old as usize);
                let directory = row.is_some_and(|row| row.kind() == Kind::Directory);
                sound &= self.wants_directory(new) == directory;
                let want = self.table.spots[new as usize].want.as_ref();
                let same = want.zip(row).is_some_and(|(want, row)| same_body(self.table.lane, want, row));
                matching += u32::from(same);
            }
        });
        sound && u64::from(matching) * 2 >= u64::from(self.size(new).max(self.size(old)))
    }

    fn wants_directory(&self, index: u32) -> bool {
        self.table.spots[index as usize].want.as_ref().is_some_and(Entry::is_directory)
    }
}

/// A path below a pair of directories, relative to them.
enum Beside<'p> {
    New(u32),
    Old(u32, &'p [u8]),
    Both(u32, u32),
}

/// Walks what is below two directories side by side.
fn walk(table: &Table<'_>, ends: &[u32], (new, old): (u32, u32), mut each: impl FnMut(Beside<'_>)) {
    let rest = |top: u32, index: u32| {
        let top = table.spots[top as usize].path.as_bytes().len();
        &table.spots[index as usize].path.as_bytes()[top + 1..]
    };
    let (mut left, mut right) = (new + 1, old + 1);
    let (left_end, right_end) = (ends[new as usize], ends[old as usize]);
    while left < left_end || right < right_end {
        let order = if left == left_end {
            Ordering::Greater
        } else if right == right_end {
            Ordering::Less
        } else {
            compare(rest(new, left), rest(old, right))
        };
        match order {
            Ordering::Less => each(Beside::New(left)),
            Ordering::Equal => each(Beside::Both(left, right)),
            Ordering::Greater => each(Beside::Old(right, rest(old, right))),
        }
        left += u32::from(order.is_le());
        right += u32::from(order.is_ge());
    }
}

/// Moves what stands in the old directory to the spots of the new one.
fn rebase(table: &mut Table<'_>, ends: &[u32], (new, old): (u32, u32), spent: &mut [bool]) {
    let top = table.spots[new as usize].path.clone();
    let (mut landed, mut moved) = (vec![(new, old)], Vec::new());
    walk(table, ends, (new, old), |beside| match beside {
        Beside::New(_) => {}
        Beside::Old(old, rest) => moved.push((old, below(&top, rest))),
        Beside::Both(new, old) => landed.push((new, old)),
    });
    for (new, old) in landed {
        table.spots[new as usize].row = table.spots[old as usize].row;
        spent[old as usize] = true;
    }
    for (old, path) in moved {
        table.spots[old as usize].path = path;
    }
    if let Some(row) = table.spots[new as usize].row {
        table.spots[new as usize].fate = Fate::Carried(row);
    }
}

/// The path that lies at `rest` below `top`, where both are legal and fit together.
fn below(top: &RelPath, rest: &[u8]) -> RelPath {
    let bytes = [top.as_bytes(), rest].join(&b'/');
    PathRef::trusted(&bytes).to_owned()
}
