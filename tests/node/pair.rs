//! Devices on loopback, and waiting for what happens at them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use alike::net::Link;
use alike::net::node::{Asked, DeviceKey, Event, Events, Node, NodeSettings, PublicKey, Why};
use bytes::Bytes;

/// No test hangs.
const DEADLINE: Duration = Duration::from_secs(120);
/// The silence after which a peer is given up, in tests that are not about it.
const SILENCE: Duration = Duration::from_secs(60);

pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await.expect("no test hangs") })
}

/// A device and what happens at it.
pub struct Device {
    pub node: Node,
    events: Events,
    seed: u8,
    /// Where it really listens.
    port: u16,
    runtime: Option<tokio::runtime::Runtime>,
}

/// A device whose key comes of a seed, on a free port of every loopback address.
pub fn fresh(seed: u8) -> Device {
    Device::open(seed, 0, SILENCE)
}

/// Two that know each other, with a connection that the first has dialled.
pub async fn pair() -> (Device, Device) {
    let (mut a, mut b) = (fresh(1), fresh(2));
    Device::acquaint(&a, &b);
    a.node.reach(b.key(), &b.addresses()).await.expect("reached");
    assert_eq!(a.up().await, b.key());
    assert_eq!(b.up().await, a.key());
    (a, b)
}

impl Device {
    /// On a runtime of its own, so that it can be stopped without a word.
    fn open(seed: u8, port: u16, silence: Duration) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let key = DeviceKey::from_seed([seed; 32]).expect("a key");
        let listen = SocketAddr::from(([0; 16], port));
        let (node, events) = {
            let _within = runtime.enter();
            Node::open(NodeSettings { listen, silence, ..NodeSettings::new(key) }).expect("a node")
        };
        let port = node.local_addresses().first().expect("an address").port();
        Self { node, events, seed, port, runtime: Some(runtime) }
    }

    /// One that gives up a peer after so long.
    pub fn silent_after(seed: u8, silence: Duration) -> Self {
        Self::open(seed, 0, silence)
    }

    pub fn key(&self) -> PublicKey {
        self.node.key()
    }

    /// Where others on this machine reach it.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        vec![SocketAddr::from(([127, 0, 0, 1], self.port))]
    }

    /// Each lets the other in, and nobody else.
    pub fn acquaint(a: &Self, b: &Self) {
        a.node.allow(BTreeSet::from([b.key()]));
        b.node.allow(BTreeSet::from([a.key()]));
    }

    /// The next event that `of` knows; others are passed over.
    pub async fn next<T>(&mut self, mut of: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = of(self.events.next().await.expect("the node is open")) {
                return found;
            }
        }
    }

    pub async fn up(&mut self) -> PublicKey {
        self.next(|event| if let Event::Up { peer, .. } = event { Some(peer) } else { None }).await
    }

    pub async fn down(&mut self) -> (PublicKey, Why) {
        self.next(|event| if let Event::Down { peer, why } = event { Some((peer, why)) } else { None }).await
    }

    pub async fn told(&mut self) -> (PublicKey, Bytes) {
        self.next(|event| if let Event::Told { peer, datagram } = event { Some((peer, datagram)) } else { None }).await
    }

    pub async fn asked(&mut self) -> Asked {
        self.next(|event| if let Event::Asked(asked) = event { Some(asked) } else { None }).await
    }

    /// A conversation that this one begins: our end and theirs.
    pub async fn converse(&self, other: &mut Self) -> (Link, Link) {
        let peer = other.key();
        let answering = async { other.asked().await.answer(b"yes").await.expect("a link") };
        let (asked, theirs) = tokio::join!(self.node.ask(peer, Bytes::from_static(b"talk")), answering);
        (asked.expect("an answer").1, theirs)
    }

    /// Its process is killed, as far as the peers can see, and started again with the same key on the same port.
    pub async fn crash_and_start_again(mut self) -> Self {
        let (seed, port) = (self.seed, self.port);
        let runtime = self.runtime.take().expect("a runtime");
        // Without its tasks nothing is sent any more, not even the end of a connection.
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5))).await.expect("stopped");
        drop(self);
        Self::open(seed, port, SILENCE)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
