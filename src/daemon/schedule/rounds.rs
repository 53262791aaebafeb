//! The rounds of one share: at a jittered interval a random live member is met, unless it is known to hold the same; and a
//! change here is told to all, many changes at once in one word.

use std::collections::{BTreeMap, BTreeSet};

use super::{Chance, Moment, jittered};

/// Changes within so long are told together.
const GATHER_MS: u64 = 20;
/// Rounds that are skipped at most before a mark is told again, for one that was lost: one after a change, then twice as many
/// each time. Without the first ones, a lost word would leave members in doubt of each other for ten minutes.
const SKIPS_MAX: u32 = 60;
/// After a meeting that failed the member is left alone for this long, doubled each time.
const SPARE_MS: u64 = 500;
/// A meeting that goes on for so long holds up no other: its member may not hear us. This part of an interval.
const SLOW_PART: u64 = 4;
/// Meetings that begin here and go on at a time.
const MEETINGS_MAX: usize = 4;

/// What a replica holds, as one digest: its top and all that it has seen. Equal marks, nothing to meet for.
pub type Mark = [u8; 16];

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due<K> {
    /// Meet this member.
    Meet(K),
    /// Tell this member what is held here.
    Tell(K),
}

/// The rounds of one share.
#[derive(Debug)]
pub struct Rounds<K> {
    interval_ms: u64,
    ours: Mark,
    live: BTreeMap<K, Live>,
    next: Moment,
    tell: Option<Moment>,
    /// Who is known to hold something else, and may be met out of turn.
    eager: BTreeSet<K>,
    /// Meetings that began here and go on, and since when.
    begun: BTreeMap<K, Moment>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Live {
    theirs: Option<Mark>,
    skipped: u32,
    /// So many rounds are skipped before the mark is told again.
    skips: u32,
    failures: u32,
    spared_until: Moment,
    /// What both held when a meeting between them changed nothing, as one of them takes nothing.
    settled: Option<(Mark, Mark)>,
}

/// A meeting that ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meeting {
    /// What this replica held before.
    pub ours: Mark,
    /// What the member held before.
    pub theirs: Mark,
    /// Whether one of the two takes nothing, so that they may never hold the same.
    pub one_way: bool,
}

impl<K: Ord + Copy> Rounds<K> {
    /// Rounds of a share that holds `ours`. The first is soon.
    pub fn new(interval_ms: u64, ours: Mark, now: Moment) -> Rounds<K> {
        let (live, eager, begun) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Rounds { interval_ms, ours, live, next: now, tell: None, eager, begun }
    }

    /// Another interval from now on.
    pub fn every(&mut self, interval_ms: u64, now: Moment) {
        if self.interval_ms != interval_ms {
            self.interval_ms = interval_ms;
            self.next = now;
        }
    }

    /// Who lives. A member that is new among them is told what is held here, and met soon.
    pub fn live(&mut self, live: impl IntoIterator<Item = K>, now: Moment) {
        let mut before = std::mem::take(&mut self.live);
        for key in live {
            let known = before.remove(&key);
            if known.is_none() {
                self.eager.insert(key);
                self.tell = Some(self.tell.unwrap_or(now));
            }
            self.live.insert(key, known.unwrap_or_default());
        }
        self.eager.retain(|key| self.live.contains_key(key));
    }

    /// This replica holds something else now; all shall know.
    pub fn changed(&mut self, ours: Mark, now: Moment) {
        if self.ours != ours {
            self.ours = ours;
            self.tell.get_or_insert(now + GATHER_MS);
        }
    }

    /// What is held here.
    pub const fn ours(&self) -> &Mark {
        &self.ours
    }

    /// A member told what it holds.
    pub fn heard(&mut self, key: K, theirs: Mark) {
        let Some(live) = self.live.get_mut(&key) else { return };
        live.theirs = Some(theirs);
        (live.failures, live.spared_until) = (0, 0);
        if theirs == self.ours {
            self.eager.remove(&key)
        } else {
            self.eager.insert(key)
        };
    }

    /// A meeting with a member ended well. What it holds since it tells by itself; until then it is not met out of turn.
    pub fn met(&mut self, key: K, meeting: Meeting) {
        let Some(live) = self.live.get_mut(&key) else { return };
        live.theirs = Some(meeting.theirs);
        live.settled = meeting.one_way.then_some((meeting.ours, meeting.theirs));
        (live.failures, live.spared_until) = (0, 0);
        self.eager.remove(&key);
    }

    /// Something that goes with the mark changed: all are told again.
    pub fn tell(&mut self, now: Moment) {
        self.tell.get_or_insert(now + GATHER_MS);
    }

    /// A meeting failed: the member is spared for a while.
    pub fn failed(&mut self, key: K, now: Moment, chance: Chance<'_>) {
        let longest = self.interval_ms.max(SPARE_MS);
        let Some(live) = self.live.get_mut(&key) else { return };
        let spare = (SPARE_MS << live.failures.min(16)).min(longest);
        live.failures = live.failures.saturating_add(1);
        live.spared_until = now + jittered(spare, chance);
        // What it holds is not known any more.
        live.theirs = None;
        self.eager.insert(key);
    }

    /// Who is to be told now what is held here.
    pub fn tells(&mut self, now: Moment) -> Vec<K> {
        if self.tell.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.tell = None;
        self.live.values_mut().for_each(|live| (live.skipped, live.skips) = (0, 0));
        self.live.keys().copied().collect()
    }

    /// When all are to be told next.
    pub const fn next_tell(&self) -> Option<Moment> {
        self.tell
    }

    /// Whom to meet now. A meeting has begun then, until it is said to have [ended](Rounds::ended).
    pub fn meets(&mut self, now: Moment, chance: Chance<'_>) -> Option<Due<K>> {
        if self.free() > now {
            return None;
        }
        let due = if let Some(key) = self.out_of_turn(now, chance) {
            self.eager.remove(&key);
            self.next = now + jittered(self.interval_ms, chance);
            Some(Due::Meet(key))
        } else if self.next <= now {
            self.next = now + jittered(self.interval_ms, chance);
            self.in_turn(now, chance)
        } else {
            None
        };
        if let Some(Due::Meet(key)) = due {
            self.begun.insert(key, now);
        }
        due
    }

    /// A meeting that began here is over, however it ended.
    pub fn ended(&mut self, key: K) {
        self.begun.remove(&key);
    }

    /// None of those that began here goes on.
    pub fn all_ended(&mut self) {
        self.begun.clear();
    }

    /// Whether any that began here goes on.
    pub fn is_meeting(&self) -> bool {
        !self.begun.is_empty()
    }

    /// When a meeting is due next.
    pub fn next_meeting(&self) -> Moment {
        let eager = self.eager.iter().filter(|key| !self.begun.contains_key(key)).filter_map(|key| self.live.get(key));
        let eager = eager.map(|live| live.spared_until).min();
        eager.map_or(self.next, |eager| eager.min(self.next)).max(self.free())
    }

    /// When a meeting may begin beside those that go on.
    fn free(&self) -> Moment {
        if self.begun.len() >= MEETINGS_MAX {
            return Moment::MAX;
        }
        self.begun.values().max().map_or(0, |last| last + self.interval_ms / SLOW_PART)
    }

    /// Of each live member, whether it holds the same, or all that it will ever take; `None` where that is not known.
    pub fn levels(&self) -> impl Iterator<Item = (K, Option<bool>)> {
        self.live.iter().map(|(key, live)| (*key, live.theirs.map(|_| live.is_level(self.ours))))
    }

    fn out_of_turn(&self, now: Moment, chance: Chance<'_>) -> Option<K> {
        let is_spared = |key: &K| self.live.get(key).is_none_or(|live| live.spared_until > now);
        let ready = |key: &&K| !is_spared(key) && !self.begun.contains_key(key);
        pick(&self.eager.iter().filter(ready).copied().collect::<Vec<K>>(), chance)
    }

    fn in_turn(&mut self, now: Moment, chance: Chance<'_>) -> Option<Due<K>> {
        let is_begun = |key: &K| self.begun.contains_key(key);
        let ready = |(key, live): (&K, &Live)| (live.spared_until <= now && !is_begun(key)).then_some(*key);
        let key = pick(&self.live.iter().filter_map(ready).collect::<Vec<K>>(), chance)?;
        let live = self.live.get_mut(&key)?;
        if !live.is_level(self.ours) {
            return Some(Due::Meet(key));
        }
        live.skipped += 1;
        if live.skipped < live.skips {
            return None;
        }
        (live.skipped, live.skips) = (0, (live.skips * 2).clamp(1, SKIPS_MAX));
        Some(Due::Tell(key))
    }
}

impl Live {
    fn is_level(&self, ours: Mark) -> bool {
        let held = |theirs: Mark| theirs == ours || self.settled == Some((ours, theirs));
        self.theirs.is_some_and(held)
    }
}

fn pick<K: Copy>(keys: &[K], chance: Chance<'_>) -> Option<K> {
    if keys.is_empty() { None } else { keys.get(chance(keys.len() as u64) as usize).copied() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mark = [1; 16];
    const THEIRS: Mark = [2; 16];

    fn first(_: u64) -> u64 {
        0
    }

    fn rounds(live: &[u8]) -> Rounds<u8> {
        let mut rounds = Rounds::new(10_000, OURS, 0);
        rounds.live(live.iter().copied(), 0);
        rounds
    }

    fn level() -> Meeting {
        Meeting { ours: OURS, theirs: OURS, one_way: false }
    }

    /// Everything that is due until a time; each meeting ends at once.
    fn until(rounds: &mut Rounds<u8>, from: Moment, to: Moment) -> Vec<(Moment, Due<u8>)> {
        let (mut now, mut all) = (from, Vec::new());
        while now <= to {
            all.extend(rounds.tells(now).into_iter().map(|key| (now, Due::Tell(key))));
            all.extend(rounds.meets(now, &mut first).map(|due| (now, due)));
            rounds.all_ended();
            now = rounds.next_tell().unwrap_or(Moment::MAX).min(rounds.next_meeting()).max(now + 1);
        }
        all
    }

    #[test]
    fn a_new_member_is_told_and_met_at_once() {
        assert_eq!(until(&mut rounds(&[7]), 0, 100), [(0, Due::Tell(7)), (0, Due::Meet(7))]);
    }

    #[test]
    fn equal_members_are_not_met_and_their_mark_is_told_again_now_and_then() {
        let mut rounds = rounds(&[7]);
        until(&mut rounds, 0, 0);
        rounds.met(7, level());
        let hour = until(&mut rounds, 1, 3_600_000);
        assert!(hour.iter().all(|(_, due)| *due == Due::Tell(7)), "{hour:?}");
        assert!((11..=15).contains(&hour.len()), "{hour:?}");
    }

    #[test]
    fn a_change_that_was_told_is_told_again_soon_in_case_it_was_lost() {
        let mut rounds = rounds(&[7]);
        until(&mut rounds, 0, 0);
        rounds.met(7, level());
        until(&mut rounds, 1, 3_600_000);
        rounds.changed(THEIRS, 3_600_000);
        rounds.heard(7, THEIRS);
        let minute = until(&mut rounds, 3_600_001, 3_660_000);
        assert!((3..=5).contains(&minute.len()) && minute.iter().all(|(_, due)| *due == Due::Tell(7)), "{minute:?}");
    }

    #[test]
    fn a_member_that_may_differ_is_met_every_interval() {
        let mut rounds = rounds(&[7]);
        until(&mut rounds, 0, 0);
        let met: Vec<Moment> = until(&mut rounds, 1, 60_000).into_iter().map(|(now, _)| now).collect();
        assert_eq!(met, (1..=8).map(|round| round * 7500).collect::<Vec<_>>());
    }

    #[test]
    fn many_changes_are_told_once() {
        let mut rounds = rounds(&[7, 8]);
        until(&mut rounds, 0, 0);
        until(&mut rounds, 1, 1);
        rounds.met(7, level());
        rounds.met(8, level());
        for now in 100..110 {
            rounds.changed([now as u8; 16], now);
        }
        assert_eq!(until(&mut rounds, 110, 200), [(120, Due::Tell(7)), (120, Due::Tell(8))]);
    }

    #[test]
    fn who_tells_of_something_else_is_met_out_of_turn() {
        let mut rounds = rounds(&[7]);
        until(&mut rounds, 0, 0);
        rounds.met(7, level());
        rounds.heard(7, THEIRS);
        assert_eq!(until(&mut rounds, 5, 100), [(5, Due::Meet(7))]);
    }

    #[test]
    fn who_takes_nothing_is_not_met_again_and_again() {
        let mut rounds = rounds(&[7]);
        until(&mut rounds, 0, 0);
        rounds.met(7, Meeting { ours: OURS, theirs: THEIRS, one_way: true });
        let told = until(&mut rounds, 1, 100_000);
        assert!(told.iter().all(|(_, due)| *due == Due::Tell(7)), "{told:?}");
        assert_eq!(rounds.levels().collect::<Vec<_>>(), [(7, Some(true))]);
        rounds.heard(7, [3; 16]);
        assert_eq!(until(&mut rounds, 100_001, 100_100), [(100_001, Due::Meet(7))]);
    }

    #[test]
    fn after_a_meeting_the_other_side_has_time_to_tell_what_it_holds_since() {
        let mut rounds = rounds(&[7]);
        until(&mut rounds, 0, 0);
        rounds.met(7, Meeting { ours: OURS, theirs: THEIRS, one_way: false });
        assert_eq!(until(&mut rounds, 1, 7499), []);
        assert_eq!(until(&mut rounds, 7500, 7500), [(7500, Due::Meet(7))]);
    }

    #[test]
    fn a_meeting_that_fails_is_not_repeated_in_a_hurry_but_soon() {
        let mut rounds = rounds(&[7]);
        until(&mut rounds, 0, 0);
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..7 {
            rounds.failed(7, now, &mut |bound| bound / 2);
            let next = until(&mut rounds, now + 1, now + 20_000).first().map(|(at, _)| *at).expect("a meeting");
            waits.push(next - now);
            now = next;
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn a_meeting_with_one_that_does_not_answer_holds_up_the_others_for_a_part_of_an_interval() {
        let mut rounds = rounds(&[7, 8]);
        assert_eq!(rounds.meets(0, &mut first), Some(Due::Meet(7)));
        assert_eq!(rounds.meets(2499, &mut first), None);
        assert_eq!(rounds.next_meeting(), 2500);
        assert_eq!(rounds.meets(2500, &mut first), Some(Due::Meet(8)));
        rounds.ended(8);
        rounds.heard(7, THEIRS);
        assert_eq!(rounds.meets(5000, &mut first), None, "one is met once at a time");
        rounds.ended(7);
        assert_eq!(rounds.meets(5000, &mut first), Some(Due::Meet(7)));
    }

    #[test]
    fn who_is_gone_is_not_met() {
        let mut rounds = rounds(&[7]);
        rounds.live([], 0);
        assert_eq!(until(&mut rounds, 0, 100_000), []);
    }
}
