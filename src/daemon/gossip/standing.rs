//! What members hold, as they last said, and whom to tell when we hold something else. Pure.
//!
//! A change is told a moment later, so that several are told as one; and again now and then, as a datagram may be lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::daemon::schedule::Moment;
use crate::net::node::PublicKey;

/// Changes within so long are told as one, in milliseconds.
const COALESCED_MS: u64 = 20;
/// A share that changes all the time is told of so often, in milliseconds.
const SPACED_MS: u64 = 500;
/// What was not said for so long is said again, in milliseconds.
const AGAIN_MS: u64 = 300_000;

/// What a replica holds, in digests: equal standings, equal replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Standing {
    /// Of its tree.
    pub top: [u8; 16],
    /// Of the writes that it has seen.
    pub knowledge: [u8; 16],
    /// Of its list of members.
    pub members: [u8; 16],
}

impl Standing {
    pub(super) fn encode(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..16].copy_from_slice(&self.top);
        bytes[16..32].copy_from_slice(&self.knowledge);
        bytes[32..].copy_from_slice(&self.members);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 48] = bytes.try_into().ok()?;
        let third = |at: usize| bytes[at..].first_chunk().copied();
        Some(Self { top: third(0)?, knowledge: third(16)?, members: third(32)? })
    }

    /// Whether nothing of the files differs.
    pub fn holds_the_same(&self, other: &Self) -> bool {
        (self.top, self.knowledge) == (other.top, other.knowledge)
    }
}

/// The standings of one share: ours, and what each member that is connected said of its own.
#[derive(Debug, Default)]
pub struct Standings {
    ours: Option<Standing>,
    theirs: BTreeMap<PublicKey, Standing>,
    /// Who has not been told what we hold.
    untold: BTreeSet<PublicKey>,
    due: Option<Moment>,
    told: Option<Moment>,
}

impl Standings {
    /// What we hold now. Nothing happens where it is what we held.
    pub fn hold(&mut self, standing: Standing, now: Moment) {
        if self.ours == Some(standing) {
            return;
        }
        self.ours = Some(standing);
        self.untold.extend(self.theirs.keys().copied());
        self.soon(now);
    }

    /// What we hold.
    pub fn ours(&self) -> Option<&Standing> {
        self.ours.as_ref()
    }

    /// A member is connected: it is to hear what we hold.
    pub fn up(&mut self, member: PublicKey, now: Moment) {
        self.theirs.entry(member).or_default();
        self.untold.insert(member);
        self.soon(now);
    }

    /// A member is not connected any more: what it said may be another's now.
    pub fn down(&mut self, member: PublicKey) {
        self.theirs.remove(&member);
        self.untold.remove(&member);
    }

    /// A member says, or has shown in a meeting, what it holds. True where that is not what we hold, so that there is something to
    /// meet for.
    pub fn heard(&mut self, member: PublicKey, standing: Standing) -> bool {
        self.theirs.insert(member, standing);
        self.ours != Some(standing)
    }

    /// What a member holds, as far as it said since it is connected.
    pub fn of(&self, member: &PublicKey) -> Option<&Standing> {
        self.theirs.get(member).filter(|standing| **standing != Standing::default())
    }

    /// When [`Self::tell`] wants to be called.
    pub fn due(&self) -> Option<Moment> {
        let again = self.told.filter(|_| !self.theirs.is_empty()).map(|told| told + AGAIN_MS);
        self.due.into_iter().chain(again).min()
    }

    /// Whom to tell what we hold now, if it is time.
    pub fn tell(&mut self, now: Moment) -> Option<(Standing, BTreeSet<PublicKey>)> {
        let ours = self.ours?;
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        if self.due.is_none() {
            self.untold.extend(self.theirs.keys().copied());
        }
        (self.due, self.told) = (None, Some(now));
        Some((ours, std::mem::take(&mut self.untold))).filter(|(_, members)| !members.is_empty())
    }

    fn soon(&mut self, now: Moment) {
        if self.ours.is_some() && !self.untold.is_empty() {
            let spaced = self.told.map_or(0, |told| told + SPACED_MS);
            self.due.get_or_insert((now + COALESCED_MS).max(spaced));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PublicKey = PublicKey([1; 32]);
    const B: PublicKey = PublicKey([2; 32]);

    fn holding(top: u8) -> Standing {
        Standing { top: [top; 16], knowledge: [7; 16], members: [8; 16] }
    }

    fn both() -> BTreeSet<PublicKey> {
        BTreeSet::from([A, B])
    }

    fn connected() -> Standings {
        let mut standings = Standings::default();
        standings.hold(holding(1), 0);
        standings.up(A, 0);
        standings.up(B, 0);
        assert_eq!(standings.tell(COALESCED_MS), Some((holding(1), both())));
        standings
    }

    #[test]
    fn a_burst_of_changes_is_told_once_and_the_next_one_waits() {
        let mut standings = connected();
        for top in 2..100 {
            standings.hold(holding(top), 10_000);
        }
        assert_eq!(standings.due(), Some(10_000 + COALESCED_MS));
        assert_eq!(standings.tell(10_000), None);
        assert_eq!(standings.tell(10_020), Some((holding(99), both())));
        standings.hold(holding(100), 10_030);
        assert_eq!(standings.due(), Some(10_020 + SPACED_MS));
    }

    #[test]
    fn holding_the_same_is_told_to_nobody_until_it_is_said_again() {
        let mut standings = connected();
        standings.hold(holding(1), 50);
        assert_eq!(standings.due(), Some(COALESCED_MS + AGAIN_MS));
        assert_eq!(standings.tell(AGAIN_MS), None);
        assert_eq!(standings.tell(AGAIN_MS + COALESCED_MS), Some((holding(1), both())));
    }

    #[test]
    fn who_connects_is_told_and_who_leaves_is_not() {
        let mut standings = connected();
        standings.down(A);
        standings.up(B, 5000);
        assert_eq!(standings.tell(6000), Some((holding(1), BTreeSet::from([B]))));
        standings.down(B);
        assert_eq!((standings.due(), standings.tell(u64::MAX)), (None, None));
    }

    #[test]
    fn what_a_member_holds_is_known_until_it_leaves() {
        let mut standings = connected();
        assert_eq!(standings.of(&A), None);
        assert!(standings.heard(A, holding(2)) && !standings.heard(B, holding(1)));
        assert_eq!(standings.of(&A), Some(&holding(2)));
        standings.down(A);
        assert_eq!(standings.of(&A), None);
    }
}
