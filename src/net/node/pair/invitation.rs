//! The invitations that are open: each for a while, for one key, and for so many wrong proofs.

use std::time::{Duration, Instant, SystemTime};

use super::super::key::PublicKey;
use super::super::ticket::Secret;

/// Wrong proofs that close an invitation.
pub(in crate::net::node) const TRIES: u32 = 3;
/// Invitations that are open at a time; above it the oldest closes.
const OPEN_MAX: usize = 16;

/// Now, by both clocks: the steady one stops while the machine sleeps, the other one can be set back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    fn after(self, wait: Duration) -> Self {
        Self { steady: self.steady + wait, wall: self.wall + wait }
    }

    /// Over as soon as either clock says so.
    fn is_past(self, now: Self) -> bool {
        now.steady >= self.steady || now.wall >= self.wall
    }
}

#[derive(Debug)]
struct Invitation {
    secret: Secret,
    until: Moment,
    /// The key that used it: the same one may come again where the answer was lost.
    used_by: Option<PublicKey>,
    tries: u32,
}

/// All that are open.
#[derive(Debug, Default)]
pub(in crate::net::node) struct Invitations(Vec<Invitation>);

/// What a proof is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is that of this invitation, which is this key's from now on.
    Proven(Secret),
    /// It is of none. Every open invitation has so many tries left at least; those without are closed.
    Unproven { tries_left: u32 },
}

impl Invitations {
    pub(in crate::net::node) fn open(&mut self, secret: Secret, lasts: Duration) {
        self.open_at(secret, lasts, Moment::now());
    }

    fn open_at(&mut self, secret: Secret, lasts: Duration, now: Moment) {
        self.expire(now);
        self.0.retain(|open| open.secret != secret);
        if self.0.len() == OPEN_MAX {
            self.0.remove(0);
        }
        self.0.push(Invitation { secret, until: now.after(lasts), used_by: None, tries: TRIES });
    }

    pub(in crate::net::node) fn close(&mut self, secret: &Secret) {
        self.0.retain(|open| open.secret != *secret);
    }

    /// Whether anybody is invited now.
    pub(in crate::net::node) fn any(&mut self) -> bool {
        self.expire(Moment::now());
        !self.0.is_empty()
    }

    /// Judges the proof of `key`; `holds` says whether it is that of a secret.
    pub(super) fn judge(&mut self, key: PublicKey, holds: impl Fn(&Secret) -> bool, now: Moment) -> Verdict {
        self.expire(now);
        let proven = self.0.iter_mut().find(|open| holds(&open.secret) && open.used_by.is_none_or(|by| by == key));
        if let Some(open) = proven {
            open.used_by = Some(key);
            return Verdict::Proven(open.secret);
        }
        // It is not known which one was meant, so all of them pay.
        for open in &mut self.0 {
            open.tries -= 1;
        }
        let tries_left = self.0.iter().map(|open| open.tries).min().unwrap_or(0);
        self.0.retain(|open| open.tries > 0);
        Verdict::Unproven { tries_left }
    }

    fn expire(&mut self, now: Moment) {
        self.0.retain(|open| !open.until.is_past(now));
    }
}

#[cfg(test)]
mod laws {
    use super::*;

    const RIGHT: Secret = Secret([1; 16]);
    const OTHER: Secret = Secret([2; 16]);
    const LASTS: Duration = Duration::from_secs(600);
    const ALICE: PublicKey = PublicKey([1; 32]);
    const MALLORY: PublicKey = PublicKey([2; 32]);

    fn opened(now: Moment) -> Invitations {
        let mut invitations = Invitations::default();
        invitations.open_at(RIGHT, LASTS, now);
        invitations
    }

    fn with(known: Secret) -> impl Fn(&Secret) -> bool {
        move |secret| *secret == known
    }

    #[test]
    fn an_invitation_is_for_one_key_which_may_come_again() {
        let now = Moment::now();
        let mut invitations = opened(now);
        assert_eq!(invitations.judge(ALICE, with(RIGHT), now), Verdict::Proven(RIGHT));
        assert_eq!(invitations.judge(ALICE, with(RIGHT), now), Verdict::Proven(RIGHT));
        assert_eq!(invitations.judge(MALLORY, with(RIGHT), now), Verdict::Unproven { tries_left: 2 });
    }

    #[test]
    fn the_third_wrong_proof_closes_it() {
        let now = Moment::now();
        let mut invitations = opened(now);
        for tries_left in [2, 1, 0] {
            assert_eq!(invitations.judge(MALLORY, with(OTHER), now), Verdict::Unproven { tries_left });
        }
        assert_eq!(invitations.judge(ALICE, with(RIGHT), now), Verdict::Unproven { tries_left: 0 });
    }

    #[test]
    fn it_ends_when_either_clock_says_so() {
        let now = Moment::now();
        let asleep = Moment { wall: now.wall + LASTS, ..now };
        let set_back = Moment { steady: now.steady + LASTS, wall: now.wall - LASTS };
        for later in [asleep, set_back, now.after(LASTS)] {
            assert_eq!(opened(now).judge(ALICE, with(RIGHT), later), Verdict::Unproven { tries_left: 0 });
        }
        let almost = now.after(LASTS - Duration::from_secs(1));
        assert_eq!(opened(now).judge(ALICE, with(RIGHT), almost), Verdict::Proven(RIGHT));
    }

    #[test]
    fn several_are_open_at_a_time_and_the_oldest_makes_room() {
        let now = Moment::now();
        let mut invitations = opened(now);
        for number in 0..OPEN_MAX as u8 {
            invitations.open_at(Secret([100 + number; 16]), LASTS, now);
        }
        assert_eq!(invitations.judge(ALICE, with(Secret([100; 16])), now), Verdict::Proven(Secret([100; 16])));
        assert!(matches!(invitations.judge(ALICE, with(RIGHT), now), Verdict::Unproven { .. }));
        invitations.close(&Secret([100; 16]));
        assert!(matches!(invitations.judge(ALICE, with(Secret([100; 16])), now), Verdict::Unproven { .. }));
    }
}
