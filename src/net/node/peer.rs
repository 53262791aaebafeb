//! How a peer stands, for those who look.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::key::PublicKey;

/// A peer with a connection, now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerNow {
    /// Who.
    pub key: PublicKey,
    /// Where.
    pub address: SocketAddr,
    /// Where it sees this device: another address than ours where something in between translates.
    pub seen_at: SocketAddr,
    /// The round trip.
    pub rtt: Duration,
    /// Bytes of UDP payload to it, over all connections since the node was opened.
    pub sent: u64,
    /// Bytes of UDP payload from it.
    pub received: u64,
    /// Conversations that are open.
    pub conversations: usize,
    /// When the connection came up.
    pub since: Instant,
}
