//! How a member calls itself, where it is, and which replicas are its own; said and signed by itself alone.

use std::net::SocketAddr;

use super::charter::ShareId;
use super::grant::{Signature, signature, whole};
use super::{ADDRESSES_MAX, NAME_BYTES_MAX, REPLICAS_MAX};
use crate::model::ReplicaId;
use crate::net::node::{DeviceKey, PublicKey};

/// What a member says of itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub struct Introduction {
    /// For people.
    pub name: String,
    /// Where it listens, in order.
    pub addresses: Vec<SocketAddr>,
    /// The replicas that it wrote as, in this share, in order.
    pub replicas: Vec<ReplicaId>,
}

/// The same, signed. Of two the one of the greater revision counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Card {
    /// Raised with each change.
    pub revision: u64,
    /// What it says.
    pub says: Introduction,
    signature: Signature,
}

impl Introduction {
    /// The same within the limits of a card, sorted.
    pub fn bounded(mut self) -> Introduction {
        self.name.retain(|letter| !letter.is_control());
        while self.name.len() > NAME_BYTES_MAX {
            self.name.pop();
        }
        self.addresses.sort_unstable();
        self.addresses.dedup();
        self.addresses.truncate(ADDRESSES_MAX);
        self.replicas.sort_unstable();
        self.replicas.dedup();
        // A device that began anew so often keeps the greatest of its ids: which ones does not matter.
        self.replicas.truncate(REPLICAS_MAX);
        self
    }
}

impl Card {
    pub(super) fn sign(share: ShareId, key: &DeviceKey, revision: u64, says: Introduction) -> Card {
        let card = Card { revision, says: says.bounded(), signature: ([0; 32], [0; 32]) };
        let signed = key.sign(&card.message(share, key.public()));
        Card { signature: signature(signed), ..card }
    }

    /// Whether this member signed it for this share, and it is within the limits.
    pub(super) fn is_sound(&self, share: ShareId, member: PublicKey) -> bool {
        self.says == self.says.clone().bounded()
            && member.has_signed(&self.message(share, member), &whole(&self.signature))
    }

    fn message(&self, share: ShareId, member: PublicKey) -> Vec<u8> {
        let Introduction { name, addresses, replicas } = &self.says;
        let mut message = [&b"alike card 1"[..], &share.0, &member.0, &self.revision.to_le_bytes()].concat();
        let mut part = |bytes: &[u8]| {
            message.extend((bytes.len() as u32).to_le_bytes());
            message.extend_from_slice(bytes);
        };
        part(name.as_bytes());
        addresses.iter().for_each(|address| part(address.to_string().as_bytes()));
        part(&[]);
        replicas.iter().for_each(|replica| part(&replica.0));
        message
    }
}
