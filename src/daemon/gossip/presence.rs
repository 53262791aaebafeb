//! A member as gossip names it: its key, where it is, and a number that rises with each life of it.

use std::net::SocketAddr;

use foca::Identity;

use crate::net::node::PublicKey;

/// Addresses that travel by gossip.
pub(super) const ADDRESSES_MAX: usize = 4;

/// One life of a member. Where it comes back after it was declared down, or at another address, it is with a greater bump.
#[derive(Debug, Clone)]
pub struct Presence {
    /// Who.
    pub key: PublicKey,
    /// Which life: milliseconds since 1970 when it began, or one more than the one before.
    pub bump: u64,
    /// Where it listens, best first; what is above four is left out.
    pub addresses: Vec<SocketAddr>,
}

impl Presence {
    /// A member of which nothing is known but its key.
    pub(super) fn unknown(key: PublicKey) -> Self {
        Self { key, bump: 0, addresses: Vec::new() }
    }

    /// A life of which only the addresses, or only the reason, is another.
    pub(super) fn after(&self, bump: u64) -> Self {
        Self { bump: bump.saturating_add(1), ..self.clone() }
    }
}

/// The addresses are told with a life and do not make it another.
impl PartialEq for Presence {
    fn eq(&self, other: &Self) -> bool {
        (self.key, self.bump) == (other.key, other.bump)
    }
}

impl Eq for Presence {}

impl Identity for Presence {
    type Addr = PublicKey;

    fn renew(&self) -> Option<Self> {
        Some(self.after(self.bump))
    }

    fn addr(&self) -> PublicKey {
        self.key
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.bump > adversary.bump
    }
}
