//! The numbers of a node, each with its reason.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::key::DeviceKey;

/// The port that a device listens on, unless it is told otherwise.
pub const PORT: u16 = 22_067;
/// What a datagram may hold on any path: a packet of 1200 bytes less what QUIC needs of it.
pub const DATAGRAM_MAX: usize = 1100;

/// Silence for so long ends a connection, unless the settings say otherwise.
const SILENCE: Duration = Duration::from_secs(60);
/// The dialling side gives a sign of life so often where nothing else is said. What lies between two devices forgets a flow
/// after 30 s at the earliest.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long a handshake may take, the greeting included.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes of others at a time: each costs a signature and memory, and anybody on the network can start one.
pub(super) const HANDSHAKES_MAX: usize = 64;
/// Above so many handshakes, whoever did not prove to have its address has to do that first.
pub(super) const HANDSHAKES_FREE: usize = 8;
/// What an attempt that is not accepted yet may send.
pub(super) const EARLY_MAX: u64 = 16 << 10;
/// The longest request, and the longest answer to it.
pub(super) const REQUEST_MAX: usize = 64 << 10;
/// Conversations that a peer may have begun at a time.
pub(super) const CONVERSATIONS_MAX: usize = 64;
/// How long a request may be under way, and how long its answer may be made.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// A conversation whose peer neither sends nor takes anything for so long, is over: it would hold its place for ever.
pub(super) const CONVERSATION_SILENCE: Duration = Duration::from_secs(300);
/// How often a connection is looked after at least.
pub(super) const WATCH: Duration = Duration::from_secs(5);
/// A peer that owes us something, is asked for a sign of life after a third of this, and is not heard for so long, is gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(6);
/// Two connections that came up within so long were dialled at the same time.
pub(super) const RACE: Duration = Duration::from_secs(10);
/// A connection that lost to another is kept so long for what is still under way to it.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// Connections of a peer that linger at a time.
pub(super) const LINGERING_MAX: usize = 4;
/// Events that wait to be read.
pub(super) const EVENTS_MAX: usize = 1024;
/// Places among the events that datagrams leave free.
pub(super) const EVENTS_FREE: usize = EVENTS_MAX / 4;
/// How long the last packets may take when a node closes.
pub(super) const CLOSING: Duration = Duration::from_secs(1);

/// What a node is opened with.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// Who we are.
    pub key: DeviceKey,
    /// Where to listen, and what to dial from. The unspecified address of IPv6 means every address of both families; port 0 means
    /// any free one.
    pub listen: SocketAddr,
    /// A peer that is not heard for so long has gone.
    pub silence: Duration,
}

impl NodeSettings {
    /// Every address, the port of [`PORT`].
    pub fn new(key: DeviceKey) -> Self {
        Self { key, listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)), silence: SILENCE }
    }
}
