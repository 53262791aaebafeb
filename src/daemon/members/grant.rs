//! What a device may do in a share, as somebody granted it and signed it.

use super::charter::ShareId;
use crate::daemon::config::Role;
use crate::net::node::{DeviceKey, PublicKey};

/// What is granted. Of two grants of one generation the stricter, which is the later in this order, counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Granted {
    /// Takes changes and makes them; may invite others, and forget them.
    ReadWrite,
    /// Makes changes.
    Send,
    /// Takes changes.
    Receive,
    /// Is a member no longer.
    Forgotten,
}

/// A grant. Its order is that in which grants of one device count: the greatest one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Grant {
    /// To whom.
    pub member: PublicKey,
    /// The how-manieth about this device that its granter knew of.
    pub generation: u32,
    /// What.
    pub granted: Granted,
    /// By whom.
    pub by: PublicKey,
    /// By the granter's key, over the share and all of the above.
    pub(super) signature: Signature,
}

/// A signature of Ed25519, in two halves: that is what the codec knows arrays of.
pub(super) type Signature = ([u8; 32], [u8; 32]);

pub(super) fn signature(bytes: [u8; 64]) -> Signature {
    (std::array::from_fn(|at| bytes[at]), std::array::from_fn(|at| bytes[32 + at]))
}

pub(super) fn whole((first, second): &Signature) -> [u8; 64] {
    std::array::from_fn(|at| if at < 32 { first[at] } else { second[at - 32] })
}

impl Grant {
    /// A grant, signed.
    pub(super) fn sign(
        share: ShareId,
        by: &DeviceKey,
        member: PublicKey,
        (generation, granted): (u32, Granted),
    ) -> Grant {
        let grant = Grant { member, generation, granted, by: by.public(), signature: ([0; 32], [0; 32]) };
        Grant { signature: signature(by.sign(&grant.message(share))), ..grant }
    }

    /// Whether the granter signed it for this share.
    pub(super) fn is_signed(&self, share: ShareId) -> bool {
        self.by.has_signed(&self.message(share), &whole(&self.signature))
    }

    /// Whether a device says of itself that it leaves: nobody need allow that.
    pub(super) fn is_leaving(&self) -> bool {
        self.by == self.member && self.granted == Granted::Forgotten
    }

    fn message(&self, share: ShareId) -> Vec<u8> {
        let rank = [self.granted as u8];
        [&b"alike grant 1"[..], &share.0, &self.member.0, &self.generation.to_le_bytes(), &rank, &self.by.0].concat()
    }
}

impl Granted {
    /// The role; `None` of who is forgotten.
    pub const fn role(self) -> Option<Role> {
        match self {
            Granted::ReadWrite => Some(Role::ReadWrite),
            Granted::Send => Some(Role::Send),
            Granted::Receive => Some(Role::Receive),
            Granted::Forgotten => None,
        }
    }
}

impl From<Role> for Granted {
    fn from(role: Role) -> Granted {
        match role {
            Role::ReadWrite => Granted::ReadWrite,
            Role::Send => Granted::Send,
            Role::Receive => Granted::Receive,
        }
    }
}
