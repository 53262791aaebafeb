//! Which connection to a peer is the one: the newer, or, of two that were dialled at the same time, that of the greater key.
//!
//! The other lingers: what was begun on it comes to its end, and both sides judge alike without a word.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::addresses::plain;
use super::key::PublicKey;
use super::peer::PeerNow;
use super::settings::{LINGERING_MAX, RACE};
use super::warm::{Dialled, Warm};

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: HashMap<PublicKey, Row>,
}

#[derive(Debug, Default)]
struct Row {
    first: Option<Arc<Warm>>,
    lingering: Vec<Arc<Warm>>,
    /// Who dials the peer holds it.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Where the peer was reached last.
    address: Option<SocketAddr>,
    /// What connections that are gone have moved.
    sent: u64,
    received: u64,
}

/// What became of a new connection.
#[derive(Debug)]
pub(super) struct Entered {
    /// There was none before.
    pub(super) up: bool,
    /// The one that lingers from now on.
    pub(super) loser: Option<Arc<Warm>>,
    /// One that lingered too long.
    pub(super) evicted: Option<Arc<Warm>>,
}

impl Table {
    /// The connection to use.
    pub(super) fn first(&self, peer: &PublicKey) -> Option<Arc<Warm>> {
        let first = self.rows.get(peer)?.first.as_ref()?;
        // One that has just closed is still here until its task has seen it.
        first.connection.close_reason().is_none().then(|| first.clone())
    }

    /// Where the peer was reached last.
    pub(super) fn last_address(&self, peer: &PublicKey) -> Option<SocketAddr> {
        self.rows.get(peer)?.address
    }

    /// What whoever dials the peer holds.
    pub(super) fn turn(&mut self, peer: PublicKey) -> Arc<tokio::sync::Mutex<()>> {
        self.rows.entry(peer).or_default().turn.clone()
    }

    /// Enters a new connection; `ours` is our own key.
    pub(super) fn enter(&mut self, ours: &PublicKey, new: &Arc<Warm>) -> Entered {
        let row = self.rows.entry(new.peer).or_default();
        row.address = Some(plain(new.connection.remote_address()));
        let loser = match &row.first {
            None => None,
            Some(old) if is_better(ours, new, old) => Some(old.clone()),
            Some(_) => Some(new.clone()),
        };
        let up = row.first.is_none();
        if loser.as_ref().is_none_or(|loser| !Arc::ptr_eq(loser, new)) {
            row.first = Some(new.clone());
        }
        row.lingering.extend(loser.clone());
        let evicted = (row.lingering.len() > LINGERING_MAX).then(|| row.lingering.remove(0));
        Entered { up, loser, evicted }
    }

    /// Takes out a connection that has ended. Whether it was the last one to its peer.
    pub(super) fn leave(&mut self, gone: &Arc<Warm>) -> bool {
        let Some(row) = self.rows.get_mut(&gone.peer) else { return false };
        let stats = gone.connection.stats();
        row.sent += stats.udp_tx.bytes;
        row.received += stats.udp_rx.bytes;
        row.lingering.retain(|other| !Arc::ptr_eq(other, gone));
        if row.first.as_ref().is_some_and(|first| Arc::ptr_eq(first, gone)) {
            row.first = row.lingering.pop();
        }
        row.first.is_none()
    }

    /// Whether a connection lingers.
    pub(super) fn lingers(&self, warm: &Arc<Warm>) -> bool {
        let row = self.rows.get(&warm.peer);
        row.is_some_and(|row| row.lingering.iter().any(|other| Arc::ptr_eq(other, warm)))
    }

    /// All connections to peers that `allows` does not name.
    pub(super) fn others(&self, allows: impl Fn(&PublicKey) -> bool) -> Vec<Arc<Warm>> {
        let rows = self.rows.iter().filter(|(key, _)| !allows(key));
        rows.flat_map(|(_, row)| row.first.iter().chain(&row.lingering).cloned()).collect()
    }

    /// Forgets what was moved with peers that `allows` does not name.
    pub(super) fn prune(&mut self, allows: impl Fn(&PublicKey) -> bool) {
        self.rows.retain(|key, row| row.first.is_some() || allows(key));
    }

    pub(super) fn peers(&self) -> Vec<PeerNow> {
        let mut peers: Vec<_> = self.rows.iter().filter_map(|(key, row)| row.now(*key)).collect();
        peers.sort_by_key(|peer| peer.key);
        peers
    }
}

impl Row {
    fn now(&self, key: PublicKey) -> Option<PeerNow> {
        let first = self.first.as_ref()?;
        let all = || self.lingering.iter().chain([first]).map(|warm| warm.connection.stats());
        Some(PeerNow {
            key,
            address: plain(first.connection.remote_address()),
            seen_at: first.theirs.seen,
            rtt: first.connection.rtt(),
            sent: self.sent + all().map(|stats| stats.udp_tx.bytes).sum::<u64>(),
            received: self.received + all().map(|stats| stats.udp_rx.bytes).sum::<u64>(),
            conversations: self.lingering.iter().chain([first]).map(|warm| warm.conversations()).sum(),
            since: first.since,
        })
    }
}

fn is_better(ours: &PublicKey, new: &Warm, old: &Warm) -> bool {
    let race = new.dialled != old.dialled && new.theirs.instance == old.theirs.instance && old.since.elapsed() < RACE;
    // A peer that dials although there is a connection has lost it, or was started anew.
    !race || (new.dialled == Dialled::ByUs) == (*ours > new.peer)
}
