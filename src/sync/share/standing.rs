//! How a share stands: what `status` tells of it, kept beside the mutex so that it can be asked at any time.

use std::time::{Duration, SystemTime};

use super::core::Core;
use crate::model::digest::{Domain, Hasher};
use crate::model::{Digest, Knowledge, Problem, RelPath, ReplicaId};
use crate::sync::error::Error;

/// How a share stands.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Who the replica is; another one after a memory was restored or cloned.
    pub id: Option<ReplicaId>,
    /// Top of the tree of all that is agreed on.
    pub top: Digest,
    /// Digest of all writes seen. Two replicas with equal tops and equal digests have nothing to tell each other.
    pub knowledge: Digest,
    /// Number of paths agreed on.
    pub entries: u64,
    /// Bytes of the files on disk.
    pub bytes: u64,
    /// Conflict copies that the disk shall show.
    pub conflicts: u64,
    /// Paths at which the disk does not yet show what is agreed on, as of the last plan; `None` where a join came after it.
    pub wanted: Option<u64>,
    /// Deletes that the guard holds back until they are approved, for a person; empty where there are none.
    pub held: Vec<Problem>,
    /// What the last look could not read, and the last install could not do.
    pub problems: Vec<Problem>,
    /// Changes here that are no writes, as this member only receives: they stay until the paths change elsewhere.
    pub local: Vec<RelPath>,
    /// Files whose bytes changed though nobody wrote them, until they are put right.
    pub rotten: Vec<RelPath>,
    /// Whether the index lacks something, which costs memory until it is [saved](super::Share::save).
    pub unsaved: bool,
    /// When the root was looked at last; `None` before the first look.
    pub looked: Option<SystemTime>,
    /// How long that took.
    pub look: Duration,
}

/// A digest of all writes that a replica has seen.
pub fn digest_of(knowledge: &Knowledge) -> Digest {
    let mut bytes = Vec::new();
    knowledge.encode(&mut bytes);
    Hasher::new(Domain::Session).update(&bytes).finish()
}

impl Core {
    /// Notes what the memory says by now.
    pub fn tell_memory(&mut self) -> Result<(), Error> {
        let greeting = self.end.replica.greeting();
        let standing = &mut self.standing;
        standing.id = Some(greeting.id);
        standing.top = greeting.top;
        standing.knowledge = digest_of(&greeting.knowledge);
        standing.entries = greeting.entries;
        standing.conflicts = self.end.replica.copies();
        standing.unsaved = self.looked && self.unsaved;
        Ok(())
    }
}
