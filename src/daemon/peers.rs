//! The other devices: who is connected, since when not and why, where each was seen, and when to try again. Knows nothing of
//! shares.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::schedule::{Attempts, Chance, Moment};
use crate::net::node::PublicKey;

/// Addresses of a device that others told of and that are not on its card.
const HINTS_MAX: usize = 8;
/// Devices that called and are no members.
const STRANGERS_MAX: usize = 32;

/// A device that called and did not hear the answer is taken for deaf this long: it is reported once a minute.
const UNHEARD: Duration = Duration::from_secs(90);
/// In words.
pub const UNHEARD_WHY: &str = "it hears nothing of this device: packets to it are lost, those from it arrive";

/// All other devices.
#[derive(Debug)]
pub struct Peers {
    inner: Mutex<Inner>,
    /// Somebody may be due to be tried.
    pub wake: Notify,
}

#[derive(Debug)]
struct Inner {
    notes: BTreeMap<PublicKey, Note>,
    attempts: Attempts<PublicKey>,
    strangers: Vec<Stranger>,
}

/// What is known of a device.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// Whether there is a connection.
    pub connected: bool,
    /// When it was heard of last; `None` where never since the daemon began.
    pub seen: Option<Instant>,
    /// Why there is no connection.
    pub why: Option<String>,
    /// When it called last and did not hear what it was answered.
    pub unheard: Option<Instant>,
    /// When it left a request without an answer; `None` where it has answered since.
    pub deaf: Option<Instant>,
    /// Where it was seen, besides what its card says; the newest first.
    pub hints: Vec<SocketAddr>,
}

/// Whether a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// In time.
    Well,
    /// Not in time, over a connection that is up.
    Not,
}

/// A device that called and is no member.
#[derive(Debug, Clone)]
pub struct Stranger {
    /// Its key.
    pub key: PublicKey,
    /// Where it called from.
    pub address: SocketAddr,
    /// When.
    pub at: Instant,
}

impl Peers {
    /// Nobody is known.
    pub fn new(interval_ms: u64) -> Peers {
        let inner = Inner { notes: BTreeMap::new(), attempts: Attempts::new(interval_ms), strangers: Vec::new() };
        Peers { inner: Mutex::new(inner), wake: Notify::new() }
    }

    /// Who shall be connected.
    pub fn want(&self, wanted: &BTreeSet<PublicKey>, interval_ms: u64, now: Moment) {
        let mut inner = self.lock();
        inner.attempts.every(interval_ms);
        inner.attempts.want(wanted.iter().copied(), now);
        inner.notes.retain(|key, _| wanted.contains(key));
        for key in wanted {
            inner.notes.entry(*key).or_default();
        }
        inner.strangers.retain(|stranger| !wanted.contains(&stranger.key));
        drop(inner);
        self.wake.notify_one();
    }

    /// There is a connection to it. Whether that is news; of who is not wanted yet it is told again once an attempt finds it.
    pub fn up(&self, key: PublicKey, address: SocketAddr, now: Moment) -> bool {
        let mut inner = self.lock();
        inner.attempts.connected(key, now);
        let Some(note) = inner.notes.get_mut(&key) else { return false };
        note.hint(address);
        let is_news = !note.connected;
        let seen = Some(Instant::now());
        *note = Note { connected: true, seen, why: None, unheard: None, deaf: None, ..note.clone() };
        is_news
    }

    /// There is none any more.
    pub fn down(&self, key: PublicKey, why: String, now: Moment, chance: Chance<'_>) {
        let mut inner = self.lock();
        inner.attempts.lost(key, now, chance);
        if let Some(note) = inner.notes.get_mut(&key) {
            *note = Note { connected: false, seen: Some(Instant::now()), why: Some(why), ..note.clone() };
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// An attempt failed.
    pub fn failed(&self, key: PublicKey, why: String, now: Moment, chance: Chance<'_>) {
        let mut inner = self.lock();
        inner.attempts.failed(key, now, chance);
        if let Some(note) = inner.notes.get_mut(&key).filter(|note| !note.connected) {
            note.why = Some(why);
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// It calls and does not hear this device.
    pub fn unheard(&self, key: PublicKey) {
        if let Some(note) = self.lock().notes.get_mut(&key) {
            note.unheard = Some(Instant::now());
        }
    }

    /// It may be reached there.
    pub fn hint(&self, key: PublicKey, address: SocketAddr, now: Moment) {
        let mut inner = self.lock();
        let Some(note) = inner.notes.get_mut(&key) else { return };
        if note.hint(address) && !note.connected {
            inner.attempts.alive(key, now);
            drop(inner);
            self.wake.notify_one();
        }
    }

    /// Something has changed for all of them: who is down is tried at once.
    pub fn retry(&self, now: Moment) {
        let mut inner = self.lock();
        let down: Vec<PublicKey> =
            inner.notes.iter().filter(|(_, note)| !note.connected).map(|(key, _)| *key).collect();
        for key in down {
            inner.attempts.alive(key, now);
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// It calls and is no member.
    pub fn stranger(&self, key: PublicKey, address: SocketAddr) {
        let mut inner = self.lock();
        inner.strangers.retain(|stranger| stranger.key != key);
        inner.strangers.truncate(STRANGERS_MAX - 1);
        inner.strangers.insert(0, Stranger { key, address, at: Instant::now() });
    }

    /// Who called and is no member, the newest first.
    pub fn strangers(&self) -> Vec<Stranger> {
        self.lock().strangers.clone()
    }

    /// Whether it answered a request.
    pub fn answered(&self, key: PublicKey, answered: Answered) {
        if let Some(note) = self.lock().notes.get_mut(&key) {
            note.deaf = (answered == Answered::Not).then(Instant::now);
        }
    }

    /// Who is to be tried now.
    pub fn due(&self, now: Moment) -> Vec<PublicKey> {
        self.lock().attempts.due(now)
    }

    /// When somebody is to be tried next.
    pub fn next(&self) -> Option<Moment> {
        self.lock().attempts.next()
    }

    /// Who is connected.
    pub fn connected(&self) -> BTreeSet<PublicKey> {
        self.lock().notes.iter().filter(|(_, note)| note.connected).map(|(key, _)| *key).collect()
    }

    /// What is known of a device.
    pub fn note(&self, key: PublicKey) -> Note {
        self.lock().notes.get(&key).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Note {
    /// Why there is no connection: what is known of the direction that fails goes before what an attempt came to.
    pub fn reason(&self) -> Option<String> {
        let unheard = self.unheard.is_some_and(|since| since.elapsed() < UNHEARD);
        if unheard { Some(UNHEARD_WHY.into()) } else { self.why.clone() }
    }

    /// Whether that is news.
    fn hint(&mut self, address: SocketAddr) -> bool {
        let known = self.hints.contains(&address);
        self.hints.retain(|hint| *hint != address);
        self.hints.truncate(HINTS_MAX - 1);
        self.hints.insert(0, address);
        !known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_came_before_its_peer_was_wanted_is_news_when_an_attempt_finds_it() {
        let (peers, key, address) = (Peers::new(10_000), PublicKey([1; 32]), SocketAddr::from(([192, 0, 2, 7], 1)));
        assert!(!peers.up(key, address, 0), "nobody wants it");
        peers.want(&BTreeSet::from([key]), 10_000, 1);
        assert_eq!(peers.due(1), [key], "the word of the connection was lost, so it is tried");
        assert!(peers.up(key, address, 2));
        assert!(!peers.up(key, address, 3), "told once");
        assert_eq!((peers.connected(), peers.next()), (BTreeSet::from([key]), None));
    }
}
