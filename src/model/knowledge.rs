//! Which writes a replica has seen: for each replica id a set of counters, kept as intervals. Canonical: intervals are
//! sorted, never empty, and neither overlap nor touch; no id is without one. So equal sets are equal values and equal bytes.
//!
//! ```text
//! knowledge := (id [16] | intervals u32 | (first u64 | last u64) * intervals) *      ids ascending, little endian
//! ```
//! Start at [`Knowledge`].

use std::ops::RangeInclusive;

use super::dot::{Dot, ReplicaId};

/// The most replica ids that [`Knowledge::decode`] takes.
pub const REPLICAS_MAX: usize = 1 << 14;
/// The most intervals, of all ids together, that [`Knowledge::decode`] takes.
pub const INTERVALS_MAX: usize = 1 << 16;

/// A set of dots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Knowledge {
    /// Ascending by id.
    seen: Vec<Seen>,
}

/// What is known of one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    replica: ReplicaId,
    intervals: Vec<Interval>,
}

/// Counters from first to last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interval {
    first: u64,
    last: u64,
}

impl Knowledge {
    /// Nothing seen.
    pub const fn new() -> Knowledge {
        Knowledge { seen: Vec::new() }
    }

    /// Whether nothing was seen.
    pub const fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Whether this write was seen.
    pub fn contains(&self, dot: Dot) -> bool {
        let intervals = self.intervals(dot.replica);
        let after = intervals.partition_point(|interval| interval.first <= dot.counter);
        after > 0 && intervals[after - 1].last >= dot.counter
    }

    /// Adds one write.
    pub fn insert(&mut self, dot: Dot) {
        self.insert_range(dot.replica, dot.counter..=dot.counter);
    }

    /// Adds writes of one replica; an empty range, and the counter 0, which names no write, add nothing.
    pub fn insert_range(&mut self, replica: ReplicaId, counters: RangeInclusive<u64>) {
        let (first, last) = ((*counters.start()).max(1), *counters.end());
        if first > last {
            return;
        }
        let at = match self.find(replica) {
            Ok(at) => at,
            Err(at) => {
                self.seen.insert(at, Seen { replica, intervals: Vec::new() });
                at
            }
        };
        merge(&mut self.seen[at].intervals, Interval { first, last });
    }

    /// Forgets what one replica wrote after `counter`: those numbers name other writes than was thought, see
    /// [`super::era`].
    pub fn forget_after(&mut self, replica: ReplicaId, counter: u64) {
        let Ok(at) = self.find(replica) else { return };
        let intervals = &mut self.seen[at].intervals;
        intervals.retain(|interval| interval.first <= counter);
        if let Some(interval) = intervals.last_mut() {
            interval.last = interval.last.min(counter);
        } else {
            self.seen.remove(at);
        }
    }

    /// Adds all that `other` has seen.
    pub fn union(&mut self, other: &Knowledge) {
        for seen in &other.seen {
            match self.find(seen.replica) {
                Ok(at) => seen.intervals.iter().for_each(|&interval| merge(&mut self.seen[at].intervals, interval)),
                Err(at) => self.seen.insert(at, seen.clone()),
            }
        }
    }

    /// Whether all that `other` has seen was seen here too.
    pub fn covers(&self, other: &Knowledge) -> bool {
        other.iter().all(|(replica, counters)| {
            let intervals = self.intervals(replica);
            let after = intervals.partition_point(|interval| interval.first <= *counters.start());
            after > 0 && intervals[after - 1].last >= *counters.end()
        })
    }

    /// The highest counter seen of a replica; 0 for none.
    pub fn highest(&self, replica: ReplicaId) -> u64 {
        self.intervals(replica).last().map_or(0, |interval| interval.last)
    }

    /// All intervals, by id and counter.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, RangeInclusive<u64>)> {
        let of = |seen: &Seen, interval: &Interval| (seen.replica, interval.first..=interval.last);
        self.seen.iter().flat_map(move |seen| seen.intervals.iter().map(move |interval| of(seen, interval)))
    }

    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for seen in &self.seen {
            out.extend_from_slice(&seen.replica.0);
            let intervals = u32::try_from(seen.intervals.len()).expect("four billion intervals do not fit in memory");
            out.extend_from_slice(&intervals.to_le_bytes());
            for interval in &seen.intervals {
                out.extend_from_slice(&interval.first.to_le_bytes());
                out.extend_from_slice(&interval.last.to_le_bytes());
            }
        }
    }

    /// Reads canonical bytes, at most [`REPLICAS_MAX`] ids and [`INTERVALS_MAX`] intervals; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Knowledge> {
        let (mut rest, mut seen, mut intervals_left) = (bytes, Vec::<Seen>::new(), INTERVALS_MAX);
        while !rest.is_empty() {
            let next = take_seen(&mut rest, &mut intervals_left)?;
            if seen.len() == REPLICAS_MAX || seen.last().is_some_and(|last| last.replica >= next.replica) {
                return None;
            }
            seen.push(next);
        }
        Some(Knowledge { seen })
    }

    fn find(&self, replica: ReplicaId) -> Result<usize, usize> {
        self.seen.binary_search_by(|seen| seen.replica.cmp(&replica))
    }

    fn intervals(&self, replica: ReplicaId) -> &[Interval] {
        self.find(replica).map_or(&[], |at| &self.seen[at].intervals)
    }
}

/// Adds an interval and merges what it overlaps or touches.
fn merge(intervals: &mut Vec<Interval>, new: Interval) {
    // The usual case by far: the next write, or the same interval grown longer.
    if let Some(last) = intervals.last_mut()
        && new.first >= last.first
        && new.first <= last.last.saturating_add(1)
    {
        last.last = last.last.max(new.last);
        return;
    }
    let start = intervals.partition_point(|interval| interval.last.saturating_add(1) < new.first);
    let end = intervals.partition_point(|interval| interval.first <= new.last.saturating_add(1));
    if start == end {
        intervals.insert(start, new);
        return;
    }
    let first = new.first.min(intervals[start].first);
    let last = new.last.max(intervals[end - 1].last);
    intervals[start] = Interval { first, last };
    intervals.drain(start + 1..end);
}

fn take_seen(rest: &mut &[u8], intervals_left: &mut usize) -> Option<Seen> {
    let (id, after) = rest.split_first_chunk::<16>()?;
    let (count, after) = after.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count) as usize;
    *intervals_left = intervals_left.checked_sub(count)?;
    let (body, after) = after.split_at_checked(count * 16)?;
    *rest = after;
    let (numbers, _) = body.as_chunks::<8>();
    let (pairs, _) = numbers.as_chunks::<2>();
    let interval =
        |[first, last]: &[[u8; 8]; 2]| Interval { first: u64::from_le_bytes(*first), last: u64::from_le_bytes(*last) };
    let intervals: Vec<Interval> = pairs.iter().map(interval).collect();
    let apart = intervals.is_sorted_by(|before, next| next.first > before.last && next.first - before.last > 1);
    let whole = intervals.iter().all(|interval| interval.first >= 1 && interval.first <= interval.last);
    (apart && whole && count > 0).then_some(Seen { replica: ReplicaId(*id), intervals })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ReplicaId {
        ReplicaId([number; 16])
    }

    fn knows(ranges: &[(u8, u64, u64)]) -> Knowledge {
        let mut knowledge = Knowledge::new();
        ranges.iter().for_each(|&(replica, first, last)| knowledge.insert_range(id(replica), first..=last));
        knowledge
    }

    #[test]
    fn intervals_merge_to_one_form() {
        let whole = knows(&[(1, 1, 9), (2, 4, 4)]);
        let orders: [&[(u8, u64, u64)]; 3] = [
            &[(2, 4, 4), (1, 5, 9), (1, 1, 4)],
            &[(1, 1, 2), (1, 8, 9), (1, 5, 5), (1, 3, 7), (2, 4, 4), (2, 5, 4)],
            &[(1, 0, 9), (2, 4, 4), (1, 2, 3)],
        ];
        for ranges in orders {
            assert_eq!(knows(ranges), whole, "{ranges:?}");
        }
        let edge = knows(&[(1, u64::MAX, u64::MAX), (1, 1, u64::MAX - 1), (1, u64::MAX, u64::MAX)]);
        assert_eq!(edge, knows(&[(1, 1, u64::MAX)]));
    }

    #[test]
    fn a_set_says_what_it_holds_as_a_plain_set_does() {
        let mut plain = std::collections::BTreeSet::new();
        let mut knowledge = Knowledge::new();
        let mut number = 1_u64;
        for _ in 0..500 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (replica, first) = ((number >> 33) as u8 % 3, (number >> 40) % 60);
            let last = first + (number >> 50) % 4;
            knowledge.insert_range(id(replica), first..=last);
            plain.extend((first.max(1)..=last).map(|counter| (replica, counter)));
            if number.is_multiple_of(7) {
                knowledge.forget_after(id(replica), first);
                plain.retain(|&(other, counter)| other != replica || counter <= first);
            }
            for replica in 0..3 {
                for counter in 0..66 {
                    let dot = Dot { replica: id(replica), counter };
                    assert_eq!(knowledge.contains(dot), plain.contains(&(replica, counter)), "{dot:?}");
                }
            }
            let again: Knowledge = plain.iter().fold(Knowledge::new(), |mut all, &(replica, counter)| {
                all.insert(Dot { replica: id(replica), counter });
                all
            });
            assert_eq!(knowledge, again, "one set, one form");
        }
    }

    #[test]
    fn a_union_covers_both() {
        let (left, right) = (knows(&[(1, 1, 3), (3, 2, 2)]), knows(&[(1, 5, 6), (2, 1, 1)]));
        let mut both = left.clone();
        both.union(&right);
        assert!(both.covers(&left) && both.covers(&right) && !left.covers(&both) && !right.covers(&left));
        assert_eq!(both, knows(&[(1, 1, 3), (1, 5, 6), (2, 1, 1), (3, 2, 2)]));
        assert_eq!((both.highest(id(1)), both.highest(id(9))), (6, 0));
    }

    #[test]
    fn only_canonical_bytes_decode() {
        let knowledge = knows(&[(1, 1, 3), (1, 5, 6), (2, 1, 1)]);
        let mut bytes = Vec::new();
        knowledge.encode(&mut bytes);
        assert_eq!(Knowledge::decode(&bytes), Some(knowledge));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bent = bytes.clone();
                bent[at] ^= 1 << bit;
                if let Some(other) = Knowledge::decode(&bent) {
                    let mut again = Vec::new();
                    other.encode(&mut again);
                    assert_eq!(again, bent);
                }
            }
            let mut shorter = Vec::new();
            if let Some(part) = Knowledge::decode(&bytes[..at]) {
                part.encode(&mut shorter);
                assert_eq!(shorter, bytes[..at]);
            }
        }
        assert_eq!(Knowledge::decode(&[[1; 16].as_slice(), &[255; 4]].concat()), None, "a count beyond the bytes");
    }
}
