//! The list of a share's members: what was granted, what members say of themselves, and what follows from both.

use std::collections::{BTreeMap, BTreeSet};

use super::card::{Card, Introduction};
use super::charter::{Charter, ShareId};
use super::grant::{Grant, Granted};
use super::{CARDS_MAX, GRANTS_MAX, ListError, codec};
use crate::daemon::config::Role;
use crate::model::{Digest, ReplicaId};
use crate::net::node::{DeviceKey, PublicKey};

/// Who is a member of a share. Everything in it was signed by somebody who may say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    pub(super) charter: Charter,
    pub(super) grants: BTreeSet<Grant>,
    pub(super) cards: BTreeMap<PublicKey, Card>,
}

/// One member.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Its device.
    pub key: PublicKey,
    /// What it may do.
    pub role: Role,
    /// What it says of itself; `None` where nobody has heard.
    pub says: Option<&'a Introduction>,
}

/// Only members that read and write may grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only a member that may read and write can do this")]
pub struct NotAllowed;

impl Members {
    /// The list of a new share: its founder.
    pub fn found(founder: &DeviceKey, nonce: [u8; 16]) -> Members {
        let charter = Charter { founder: founder.public(), nonce };
        let first = Grant::sign(charter.share(), founder, founder.public(), (0, Granted::ReadWrite));
        Members { charter, grants: BTreeSet::from([first]), cards: BTreeMap::new() }
    }

    /// The share.
    pub fn share(&self) -> ShareId {
        self.charter.share()
    }

    /// What a device may do; `None` of who is no member, or was forgotten.
    pub fn role(&self, key: PublicKey) -> Option<Role> {
        self.held(key).and_then(|grant| grant.granted.role())
    }

    /// Whether a device was a member and is one no longer.
    pub fn is_forgotten(&self, key: PublicKey) -> bool {
        self.held(key).is_some_and(|grant| grant.granted == Granted::Forgotten)
    }

    /// The members, in the order of their keys.
    pub fn each(&self) -> impl Iterator<Item = Member<'_>> {
        let keys: BTreeSet<PublicKey> = self.grants.iter().map(|grant| grant.member).collect();
        let member = |key: PublicKey| {
            Some(Member { key, role: self.role(key)?, says: self.cards.get(&key).map(|card| &card.says) })
        };
        keys.into_iter().filter_map(member)
    }

    /// Grants something to a device, or takes it back.
    pub fn grant(&mut self, by: &DeviceKey, member: PublicKey, granted: Granted) -> Result<(), NotAllowed> {
        let leaves = by.public() == member && granted == Granted::Forgotten;
        if self.role(by.public()) != Some(Role::ReadWrite) && !leaves {
            return Err(NotAllowed);
        }
        let before = self.held(member);
        if before.is_none_or(|grant| grant.granted != granted) {
            let generation = before.map_or(0, |grant| grant.generation.saturating_add(1));
            self.grants.insert(Grant::sign(self.share(), by, member, (generation, granted)));
        }
        Ok(())
    }

    /// What this device says of itself; whether that is news. Who was never a member has nothing to say.
    pub fn introduce(&mut self, key: &DeviceKey, says: Introduction) -> bool {
        if self.held(key.public()).is_none() {
            return false;
        }
        let before = self.cards.get(&key.public());
        let says = says.bounded();
        if before.is_some_and(|card| card.says == says) {
            return false;
        }
        let revision = before.map_or(0, |card| card.revision + 1);
        let card = Card::sign(self.share(), key, revision, says);
        self.cards.insert(key.public(), card);
        true
    }

    /// Whether writes of a replica are taken. Those of a replica that no member calls its own come from a directory that was
    /// synced with a member's by hand: whoever did that may write.
    pub fn may_write(&self, replica: &ReplicaId) -> bool {
        let owner = |(key, card): (&PublicKey, &Card)| card.says.replicas.contains(replica).then_some(*key);
        let mut owners = self.cards.iter().filter_map(owner).peekable();
        // What a forgotten member had written before stays.
        let writes = |key: PublicKey| self.role(key).is_none_or(Role::may_write);
        owners.peek().is_none() || owners.any(writes)
    }

    /// Takes what another list knows; whether anything was news.
    pub fn join(&mut self, theirs: &Members) -> Result<bool, ListError> {
        if theirs.charter != self.charter {
            return Err(ListError::Foreign);
        }
        let mut joined = self.clone();
        joined.grants.extend(&theirs.grants);
        for (key, card) in &theirs.cards {
            let ours = joined.cards.entry(*key).or_insert_with(|| card.clone());
            if card > ours {
                *ours = card.clone();
            }
        }
        if joined.grants.len() > GRANTS_MAX || joined.cards.len() > CARDS_MAX {
            return Err(ListError::TooLong);
        }
        let news = joined != *self;
        *self = joined;
        Ok(news)
    }

    /// Equal lists have equal digests.
    pub fn digest(&self) -> Digest {
        Digest::of_content(&codec::encode(self))
    }

    /// The list as bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// A list from anywhere: what nobody entitled signed is left out.
    pub fn decode(bytes: &[u8]) -> Result<Members, ListError> {
        codec::decode(bytes).map(Members::entitled)
    }

    /// The grant that holds for a device.
    fn held(&self, key: PublicKey) -> Option<&Grant> {
        self.grants.iter().rfind(|grant| grant.member == key)
    }

    /// The list without what nobody entitled signed.
    fn entitled(self) -> Members {
        let Members { charter, grants, cards } = self;
        let share = charter.share();
        let mut left: Vec<Grant> = grants.into_iter().filter(|grant| grant.is_signed(share)).collect();
        // Who may grant is who was ever granted that: the founder, whom it took in, and so on.
        let mut granters = BTreeSet::from([charter.founder]);
        let mut grants = BTreeSet::new();
        loop {
            let (taken, others): (Vec<Grant>, Vec<Grant>) =
                left.into_iter().partition(|grant| granters.contains(&grant.by) || grant.is_leaving());
            let writers = taken.iter().filter(|grant| grant.granted == Granted::ReadWrite);
            granters.extend(writers.map(|grant| grant.member));
            let done = taken.is_empty();
            grants.extend(taken);
            left = others;
            if done {
                break;
            }
        }
        let members: BTreeSet<PublicKey> = grants.iter().map(|grant| grant.member).collect();
        let sound = |key: &PublicKey, card: &mut Card| members.contains(key) && card.is_sound(share, *key);
        let mut cards = cards;
        cards.retain(sound);
        Members { charter, grants, cards }
    }
}

#[cfg(test)]
mod tests;
