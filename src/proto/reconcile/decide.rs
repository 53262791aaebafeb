//! What an end says next. A pure decision: where the conversation stands in, a choice out. Both ends follow it, so that
//! records are always on their way by the last step.

use super::nodes::Naming;
use crate::proto::limits::{FIRST_FLIGHT_BYTES, PUSH_BYTES};
use crate::proto::record::RECORD_BYTES_TYPICAL;

/// Hello without ids.
const HELLO_BYTES: usize = 80;
/// Welcome, seal, and what stands in front of bits and ids.
const ANSWER_BYTES: usize = 80;

/// Where the conversation stands when it is our turn.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Number of the step to be taken; the opening is 1.
    pub step: u8,
    /// We need their records.
    pub we_want: bool,
    /// They need ours.
    pub they_want: bool,
    /// Our rows that are not matched yet.
    pub ours: usize,
    /// Theirs.
    pub theirs: usize,
    /// The level of our unmatched nodes.
    pub level: u8,
    /// How many nodes we have below those, for each level from 0 to below [`Standing::level`].
    pub counts: Vec<usize>,
    /// How many unmatched nodes: each differs in at least one row.
    pub nodes: usize,
    /// Bytes of the message that are taken already.
    pub taken: usize,
}

/// What to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The ids of our nodes at a level.
    Ids { level: u8, width: u8 },
    /// The records of all our unmatched rows.
    Records,
    /// They shall send theirs.
    Give,
}

/// The level of the ids that go with the hello.
pub fn push(counts: &[usize]) -> Option<Choice> {
    let highest = u8::try_from(counts.len()).ok()?.checked_sub(1).filter(|&highest| highest > 0)?;
    let fits = |level: &u8| {
        let count = counts[usize::from(*level)];
        HELLO_BYTES + count * usize::from(Naming::width_for(count, count)) <= PUSH_BYTES
    };
    let level = (1..=highest).find(fits).unwrap_or(highest);
    let count = counts[usize::from(level)];
    Some(Choice::Ids { level, width: Naming::width_for(count, count) })
}

/// What to say in answer.
pub fn decide(at: &Standing) -> Choice {
    if at.they_want && at.records_now() {
        return Choice::Records;
    }
    // What we matched ourselves is not certain before they have seen our seal, so they are asked also where all seems clear.
    if !at.they_want && (at.level == 0 || at.ours == 0 || at.theirs == 0) {
        return Choice::Give;
    }
    let level = at.next_level();
    Choice::Ids { level, width: at.width(level) }
}

impl Standing {
    fn width(&self, level: u8) -> u8 {
        let ours = self.counts[usize::from(level)];
        // Their nodes hold as many rows as ours.
        let theirs = (ours as u64 * self.theirs as u64).div_ceil(self.ours.max(1) as u64) as usize;
        Naming::width_for(ours, theirs.max(ours))
    }

    fn ids_bytes(&self, level: u8) -> usize {
        self.counts[usize::from(level)] * usize::from(self.width(level))
    }

    /// Records of all our unmatched rows: where they fit the first flight, where ids would not save their own bytes, and
    /// where no step is left for anything else.
    fn records_now(&self) -> bool {
        let surely_needed = self.ours.saturating_sub(self.theirs).max(self.nodes.min(self.ours));
        let wasted = (self.ours - surely_needed) * RECORD_BYTES_TYPICAL;
        self.level == 0
            || self.theirs == 0
            || self.taken + self.ours * RECORD_BYTES_TYPICAL + ANSWER_BYTES <= FIRST_FLIGHT_BYTES
            || wasted <= self.ids_bytes(0)
            || self.step >= 5
    }

    fn next_level(&self) -> u8 {
        let room = FIRST_FLIGHT_BYTES.saturating_sub(self.taken + ANSWER_BYTES);
        let fits = |level: &u8| self.ids_bytes(*level) <= room;
        let next = self.level - 1;
        if next == 0 {
            return 0;
        }
        if self.we_want && self.step >= 4 {
            // Their next message must be records: of rows, exact, or of whole leaf nodes where these are few.
            return u8::from(self.ids_bytes(1) + self.nodes * 9 * RECORD_BYTES_TYPICAL <= room);
        }
        let deepest = (1..=next).find(fits).unwrap_or(next);
        if deepest == 1 && next > 1 && !self.we_want {
            // They answer with leaf nodes, which all fit, and get our records in the same step as if we had named them.
            return 2;
        }
        deepest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn million() -> Standing {
        let counts = vec![1_000_000, 111_000, 6_500, 384, 22];
        Standing {
            step: 2,
            we_want: true,
            they_want: true,
            ours: 1_000_000,
            theirs: 1_000_000,
            level: 5,
            counts,
            nodes: 1,
            taken: 0,
        }
    }

    #[test]
    fn what_fits_the_first_flight_goes_at_once() {
        assert_eq!(decide(&million()), Choice::Ids { level: 3, width: 4 });
        let few = Standing { ours: 150, counts: vec![150, 17], level: 2, theirs: 150, ..million() };
        assert_eq!(decide(&few), Choice::Records);
        let leaves = Standing { ours: 2_600, theirs: 2_600, counts: vec![2_600, 289, 17], level: 3, ..million() };
        assert_eq!(decide(&leaves), Choice::Ids { level: 1, width: 4 });
        assert_eq!(decide(&Standing { we_want: false, ..leaves }), Choice::Ids { level: 2, width: 4 });
        assert_eq!(push(&million().counts), Some(Choice::Ids { level: 3, width: 4 }));
        assert_eq!(push(&[0]), None);
    }

    #[test]
    fn an_end_that_has_nothing_asks_for_everything() {
        let empty = Standing { ours: 0, counts: vec![0, 0], level: 1, nodes: 1, ..million() };
        assert_eq!(decide(&empty), Choice::Records);
        assert_eq!(decide(&Standing { they_want: false, ..empty }), Choice::Give);
        assert_eq!(decide(&Standing { theirs: 0, ..million() }), Choice::Records);
        assert_eq!(decide(&Standing { theirs: 0, they_want: false, ..million() }), Choice::Give);
    }

    #[test]
    fn records_are_on_their_way_by_the_last_step() {
        for level in 1..=5 {
            for (we_want, they_want) in [(true, true), (true, false), (false, true)] {
                let counts = million().counts[..usize::from(level)].to_vec();
                let at = Standing { step: 4, level, counts, nodes: 300, we_want, they_want, ..million() };
                let lowest = matches!(decide(&at), Choice::Records | Choice::Ids { level: 0 | 1, .. });
                assert!(lowest || !we_want, "{level}");
                assert!(!they_want || decide(&Standing { step: 5, ..at }) == Choice::Records);
            }
        }
    }
}
