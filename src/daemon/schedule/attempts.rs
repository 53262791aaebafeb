//! When to try again to reach members that are down. One that was seen lately is tried every interval; one that has been away
//! for long ever more rarely. Any sign of life begins anew.

use std::collections::BTreeMap;

use super::{Chance, Moment, jittered};

/// A member that was seen within a day may be back at any moment.
const LATELY_MS: u64 = 24 * 3600 * 1000;
/// The rarest that anybody is tried.
const RAREST_MS: u64 = 5 * 60 * 1000;

/// The members that are wanted and not connected, each with its next attempt.
#[derive(Debug)]
pub struct Attempts<K> {
    interval_ms: u64,
    members: BTreeMap<K, Away>,
}

#[derive(Debug, Clone, Copy)]
struct Away {
    /// `None` where it was never seen since the daemon began.
    seen: Option<Moment>,
    failures: u32,
    next: Moment,
    connected: bool,
    /// An attempt is under way.
    trying: bool,
    /// A sign of life came meanwhile.
    hasty: bool,
}

impl<K: Ord + Copy> Attempts<K> {
    /// Nobody is wanted yet.
    pub const fn new(interval_ms: u64) -> Attempts<K> {
        Attempts { interval_ms, members: BTreeMap::new() }
    }

    /// Another interval from now on.
    pub fn every(&mut self, interval_ms: u64) {
        self.interval_ms = interval_ms;
    }

    /// Who is wanted; a new one is tried at once.
    pub fn want(&mut self, wanted: impl IntoIterator<Item = K>, now: Moment) {
        let mut before = std::mem::take(&mut self.members);
        let fresh = Away { seen: None, failures: 0, next: now, connected: false, trying: false, hasty: false };
        self.members = wanted.into_iter().map(|key| (key, before.remove(&key).unwrap_or(fresh))).collect();
    }

    /// A packet of it came, or others say that it lives: it is tried at once.
    pub fn alive(&mut self, key: K, now: Moment) {
        if let Some(away) = self.members.get_mut(&key) {
            *away = Away { seen: Some(now), failures: 0, next: now, hasty: away.trying, ..*away };
        }
    }

    /// It is connected, so that there is nothing to try.
    pub fn connected(&mut self, key: K, now: Moment) {
        if let Some(away) = self.members.get_mut(&key) {
            let (trying, hasty) = (false, false);
            *away = Away { seen: Some(now), failures: 0, next: now, connected: true, trying, hasty };
        }
    }

    /// It is connected no longer. The next attempt waits a little: a peer that closed is not called back at once.
    pub fn lost(&mut self, key: K, now: Moment, chance: Chance<'_>) {
        let soon = jittered(self.interval_ms / 4, chance);
        if let Some(away) = self.members.get_mut(&key) {
            let (trying, hasty) = (false, false);
            *away = Away { seen: Some(now), failures: 0, next: now + soon, connected: false, trying, hasty };
        }
    }

    /// An attempt failed.
    pub fn failed(&mut self, key: K, now: Moment, chance: Chance<'_>) {
        let interval_ms = self.interval_ms;
        let Some(away) = self.members.get_mut(&key) else { return };
        let lately = away.seen.map_or(now, |seen| now - seen) < LATELY_MS;
        away.failures = if lately { 0 } else { away.failures.saturating_add(1) };
        let wait = (interval_ms << away.failures.min(16)).min(RAREST_MS.max(interval_ms));
        away.trying = false;
        away.next = if std::mem::take(&mut away.hasty) { now } else { now + jittered(wait, chance) };
    }

    /// Who is to be tried now. Each is tried again only once it is known how the attempt ended.
    pub fn due(&mut self, now: Moment) -> Vec<K> {
        let mut due = Vec::new();
        for (key, away) in self.members.iter_mut().filter(|(_, away)| away.is_due(now)) {
            away.trying = true;
            due.push(*key);
        }
        due
    }

    /// When somebody is due next.
    pub fn next(&self) -> Option<Moment> {
        self.members.values().filter(|away| away.is_due(Moment::MAX)).map(|away| away.next).min()
    }
}

impl Away {
    const fn is_due(&self, now: Moment) -> bool {
        !self.connected && !self.trying && self.next <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * 1000;

    /// Fails every attempt from a time on; the waits between attempts.
    fn waits(attempts: &mut Attempts<u8>, from: Moment, count: usize) -> Vec<u64> {
        let mut now = from;
        let mut waits = Vec::new();
        for _ in 0..count {
            assert_eq!(attempts.due(now), [1]);
            attempts.failed(1, now, &mut |bound| bound / 2);
            let next = attempts.next().expect("it is wanted");
            waits.push(next - now);
            now = next;
        }
        waits
    }

    #[test]
    fn who_was_seen_lately_is_tried_every_interval() {
        let mut attempts = Attempts::new(10_000);
        attempts.want([1], 0);
        assert_eq!(waits(&mut attempts, 0, 5), [10_000; 5]);
    }

    #[test]
    fn who_is_away_for_long_is_tried_ever_more_rarely_and_any_sign_of_life_begins_anew() {
        let mut attempts = Attempts::new(10_000);
        attempts.want([1], 0);
        attempts.connected(1, 0);
        attempts.lost(1, 0, &mut |_| 0);
        let late = 25 * HOUR;
        assert_eq!(waits(&mut attempts, late, 7), [20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
        attempts.alive(1, late + 2 * HOUR);
        assert_eq!(waits(&mut attempts, late + 2 * HOUR, 2), [10_000; 2]);
    }

    #[test]
    fn who_is_connected_or_not_wanted_is_not_tried() {
        let mut attempts = Attempts::new(10_000);
        attempts.want([1, 2, 3], 0);
        attempts.connected(1, 0);
        attempts.want([1, 3], 5);
        assert_eq!(attempts.due(5), [3]);
        assert_eq!(attempts.due(6), [0; 0], "one attempt at a time");
        assert_eq!(attempts.next(), None);
        attempts.alive(3, 7);
        attempts.failed(3, 8, &mut |_| 0);
        assert_eq!(attempts.due(8), [3], "a sign of life during an attempt begins another at once");
    }
}
