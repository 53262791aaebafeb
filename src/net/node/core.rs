//! What the tasks of a node have in common: who is let in, the connections, and whom to tell.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quinn::crypto::rustls::QuicClientConfig;
use tokio::sync::{Notify, mpsc};

use super::event::Event;
use super::key::{DeviceKey, PublicKey};
use super::settings::{EVENTS_FREE, LINGER};
use super::table::Table;
use super::trust::Trust;
use super::warm::Warm;
use crate::net::pace::Throttle;
use crate::net::quic::Farewell;

/// Strangers that are remembered, so that each is reported once in a while only.
const LATELY_MAX: usize = 64;
/// How long what was reported is not reported again.
const AGAIN: Duration = Duration::from_secs(60);

/// A node as its tasks see it.
pub(super) struct Core {
    pub(super) key: DeviceKey,
    pub(super) trust: Arc<Trust>,
    pub(super) endpoint: quinn::Endpoint,
    pub(super) client: Arc<QuicClientConfig>,
    /// The same for pairing.
    pub(super) joining: Arc<QuicClientConfig>,
    pub(super) silence: Duration,
    /// What may be sent to all peers together.
    pub(super) throttle: Arc<Throttle>,
    /// Tells this run of the device from any other.
    pub(super) instance: u64,
    pub(super) events: mpsc::Sender<Event>,
    /// A connection has come up.
    pub(super) changed: Notify,
    table: Mutex<Table>,
    strangers: Mutex<Lately<PublicKey>>,
    deaf: Mutex<Lately<IpAddr>>,
}

/// What was reported lately.
#[derive(Debug)]
struct Lately<K>(HashMap<K, Instant>);

impl<K: Eq + Hash> Lately<K> {
    fn new() -> Self {
        Self(HashMap::new())
    }

    /// Whether this is to be reported now.
    fn is_new(&mut self, what: K) -> bool {
        let now = Instant::now();
        self.0.retain(|_, seen| now - *seen < AGAIN);
        if self.0.contains_key(&what) || self.0.len() >= LATELY_MAX {
            return false;
        }
        self.0.insert(what, now);
        true
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Core").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What a core is made of.
pub(super) struct Parts {
    pub(super) key: DeviceKey,
    pub(super) trust: Arc<Trust>,
    pub(super) endpoint: quinn::Endpoint,
    pub(super) client: Arc<QuicClientConfig>,
    /// The same for pairing.
    pub(super) joining: Arc<QuicClientConfig>,
    pub(super) silence: Duration,
    pub(super) instance: u64,
    pub(super) events: mpsc::Sender<Event>,
}

impl Core {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            key: parts.key,
            trust: parts.trust,
            endpoint: parts.endpoint,
            client: parts.client,
            joining: parts.joining,
            silence: parts.silence,
            throttle: Arc::new(Throttle::new(None)),
            instance: parts.instance,
            events: parts.events,
            changed: Notify::new(),
            table: Mutex::default(),
            strangers: Mutex::new(Lately::new()),
            deaf: Mutex::new(Lately::new()),
        })
    }

    /// No code panics while it holds the lock, so a poisoned table is whole.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is a connection to a peer.
    pub(super) async fn up(&self, peer: &PublicKey) {
        loop {
            let changed = self.changed.notified();
            if self.table().first(peer).is_some() {
                return;
            }
            changed.await;
        }
    }

    /// Takes a connection that is up, unless its peer was taken off the list since the handshake.
    pub(super) fn admit(self: &Arc<Self>, warm: Arc<Warm>) -> bool {
        let entered = {
            let mut table = self.table();
            // Asked under the lock: either this sees the new list, or whoever made it sees this connection.
            if !self.trust.allows(&warm.peer) {
                warm.part(Farewell::Forgotten);
                return false;
            }
            table.enter(&self.key.public(), &warm)
        };
        self.changed.notify_waiters();
        if let Some(evicted) = entered.evicted {
            evicted.part(Farewell::Replaced);
        }
        if let Some(loser) = entered.loser {
            tokio::spawn(self.clone().linger(loser));
        }
        tokio::spawn(self.clone().keep(warm, entered.up));
        true
    }

    async fn keep(self: Arc<Self>, warm: Arc<Warm>, up: bool) {
        let peer = warm.peer;
        if up {
            let address = super::addresses::plain(warm.connection.remote_address());
            // Nobody listens to a node that is closed.
            let _ = self.events.send(Event::Up { peer, address }).await;
        }
        let why = warm.run(&self.events).await;
        let last = self.table().leave(&warm);
        if last {
            let _ = self.events.send(Event::Down { peer, why }).await;
        }
    }

    /// Closes a connection that lost to another, once nothing is said on it.
    async fn linger(self: Arc<Self>, loser: Arc<Warm>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LINGER) => {}
                _ = loser.connection.closed() => return,
            }
            let table = self.table();
            if !table.lingers(&loser) {
                return;
            }
            if loser.conversations() == 0 {
                return loser.part(Farewell::Replaced);
            }
        }
    }

    pub(super) fn stranger(&self, key: PublicKey, address: SocketAddr) {
        if self.strangers.lock().unwrap_or_else(PoisonError::into_inner).is_new(key) {
            self.note(Event::Stranger { key, address });
        }
    }

    pub(super) fn deaf(&self, address: SocketAddr) {
        if self.deaf.lock().unwrap_or_else(PoisonError::into_inner).is_new(address.ip()) {
            self.note(Event::Deaf { address });
        }
    }

    /// Reports what may go unreported where nobody reads.
    pub(super) fn note(&self, event: Event) {
        if self.events.capacity() > EVENTS_FREE {
            let _ = self.events.try_send(event);
        }
    }
}
