//! Gossip as the daemon runs it: gives the circle what happens at the node, sends what it gives, and passes on what comes of it:
//! where members are, and that one is back.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::converse::name;
use super::gossip::{Circle, Heard, Liveness, News, Presence, ShareTag};
use super::hub::{Hub, chance};
use super::journal::Level;
use super::members::ShareId;
use crate::net::node::PublicKey;

/// With nothing due it is looked again after so long.
const IDLE_MS: u64 = 60_000;

/// The gossip of all shares.
pub struct Rumours {
    circle: Mutex<Circle>,
    tags: Mutex<BTreeSet<ShareTag>>,
    wake: Notify,
}

impl Rumours {
    /// Of this device. Its life is told from earlier ones by its bump, which is greater.
    pub fn new(own: Presence) -> Rumours {
        let circle = Circle::new(own, chance(u64::MAX));
        Rumours { circle: Mutex::new(circle), tags: Mutex::default(), wake: Notify::new() }
    }

    /// Who is a member of what has changed.
    pub fn listed(&self, hub: &Hub) {
        let mut tags = BTreeSet::new();
        for keeper in hub.keepers() {
            let members = keeper.members().each().map(|member| member.key).collect();
            let tag = tag(keeper.id);
            self.circle().share(tag, members, hub.now());
            tags.insert(tag);
        }
        let before = std::mem::replace(&mut *self.tags.lock().unwrap_or_else(PoisonError::into_inner), tags.clone());
        for gone in before.difference(&tags) {
            self.circle().part(*gone, hub.now());
        }
        self.pass_on(hub);
    }

    /// A connection came up.
    pub fn up(&self, hub: &Hub, peer: PublicKey) {
        self.circle().up(peer, hub.now());
        self.pass_on(hub);
    }

    /// A connection went down.
    pub fn down(&self, hub: &Hub, peer: PublicKey) {
        self.circle().down(peer);
        self.pass_on(hub);
    }

    /// A datagram came that may be gossip.
    pub fn told(&self, hub: &Hub, peer: PublicKey, datagram: &Bytes) {
        self.circle().told(peer, datagram, hub.now());
        self.pass_on(hub);
    }

    /// Tells everybody that this device stops.
    pub fn leave(&self, hub: &Hub) {
        self.circle().leave(hub.now());
        self.pass_on(hub);
    }

    /// This device listens elsewhere now.
    pub fn moved(&self, hub: &Hub, addresses: &[SocketAddr]) {
        self.circle().moved(addresses, hub.now());
        self.pass_on(hub);
    }

    /// Whether others had no answer of a member.
    pub fn is_suspect(&self, share: ShareId, key: PublicKey) -> bool {
        let seen = self.circle().seen(tag(share));
        seen.iter().any(|seen| seen.key == key && seen.liveness == Liveness::Suspect)
    }

    /// Does what is due, for ever.
    pub async fn run(hub: Arc<Hub>) {
        loop {
            let due = hub.rumours.circle().due().unwrap_or_else(|| hub.now() + IDLE_MS);
            let wait = due.saturating_sub(hub.now());
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait.max(1))) => {}
                () = hub.rumours.wake.notified() => continue,
            }
            hub.rumours.circle().tick(hub.now());
            hub.rumours.pass_on(&hub);
        }
    }

    fn pass_on(&self, hub: &Hub) {
        let (out, heard) = {
            let mut circle = self.circle();
            (circle.take_datagrams(), circle.take_heard())
        };
        for (peer, datagram) in out {
            hub.node.tell(peer, datagram);
        }
        for heard in heard {
            self.heard(hub, heard);
        }
        self.wake.notify_one();
    }

    fn heard(&self, hub: &Hub, heard: Heard) {
        match heard {
            Heard::News(_, News::Up(presence)) => {
                // It may have moved, or be back: where it says that it listens it is tried at once.
                for address in presence.addresses {
                    hub.peers.hint(presence.key, address, hub.now());
                }
            }
            Heard::News(_, News::Down(key)) => {
                hub.journal.say(Level::Debug, "others hold a member down", vec![("peer", name(hub, key))]);
                hub.changed();
            }
            Heard::News(_, News::Reborn(bump)) => keep_life(hub, bump),
            Heard::Differs(..) | Heard::Same(..) => {}
        }
    }

    fn circle(&self) -> MutexGuard<'_, Circle> {
        self.circle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the count of this life: the next one begins above it.
pub fn keep_life(hub: &Hub, bump: u64) {
    if let Err(error) = hub.place.keep_bump(bump) {
        hub.journal.say(Level::Error, "cannot keep the count of lives", vec![("why", error.to_string())]);
    }
}

fn tag(share: ShareId) -> ShareTag {
    std::array::from_fn(|at| share.0[at])
}
