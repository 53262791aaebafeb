//! What comes of a meeting of two replicas: both compute it from the same two sides, and both get the same. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::agreed::Agreed;
use super::dot::ReplicaId;
use super::era::{Eras, Parting, Story};
use super::join::join;
use super::knowledge::Knowledge;
use super::listing::Full;
use super::path::RelPath;
use super::project::{self, yielding};
use super::siblings::Siblings;

/// What a replica says of itself before a meeting.
#[derive(Debug, Clone, Copy)]
pub struct Teller<'a> {
    /// Who it is.
    pub id: ReplicaId,
    /// What it has seen.
    pub knowledge: &'a Knowledge,
    /// The eras of all replicas that it knows of.
    pub eras: &'a BTreeMap<ReplicaId, Eras>,
}

/// What must be set right before two replicas may join: their memories were restored or cloned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doubts {
    /// Who takes a new id: the asking one, the other.
    pub renamed: [bool; 2],
    /// Ids whose stories part.
    pub partings: Vec<(ReplicaId, Parting)>,
}

impl Doubts {
    /// Whether all is well.
    pub fn is_empty(&self) -> bool {
        *self == Doubts::default()
    }
}

impl<'a> Teller<'a> {
    fn story(self, id: ReplicaId) -> Story<'a> {
        Story { eras: self.eras.get(&id).unwrap_or(&NO_ERAS), highest: self.knowledge.highest(id) }
    }
}

static NO_ERAS: Eras = Eras::new();

/// Compares what two replicas say of themselves; both come to the same. `left` is the one that asks.
pub fn doubts(left: Teller<'_>, right: Teller<'_>) -> Doubts {
    let mut doubts = Doubts { renamed: [left.id == right.id; 2], ..Doubts::default() };
    let ids: BTreeSet<ReplicaId> =
        left.eras.keys().chain(right.eras.keys()).copied().chain([left.id, right.id]).collect();
    for id in ids {
        let (ours, theirs) = (left.story(id), right.story(id));
        let parting = ours.parting(theirs);
        doubts.renamed[0] |= id == left.id && (ours.is_behind(theirs) || parting.is_some());
        doubts.renamed[1] |= id == right.id && (theirs.is_behind(ours) || parting.is_some());
        doubts.partings.extend(parting.map(|parting| (id, parting)));
    }
    doubts
}

/// One replica's half of what a meeting knows.
#[derive(Debug, Clone, Copy)]
pub struct Half<'a> {
    /// What it agreed on before.
    pub agreed: &'a Agreed,
    /// What it has seen.
    pub knowledge: &'a Knowledge,
}

/// What is to be done when both have joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joining {
    /// Nothing.
    Done,
    /// A version that was shown in another one of the same path stands alone now: whose disk shows the two writes them anew
    /// ([`outlived`](super::record::outlived)). Both come to this, and tell each other what they wrote.
    Outlived,
}

/// What this replica holds after the meeting.
#[derive(Debug)]
pub struct Joined {
    /// What is to be done when both have joined.
    pub joining: Joining,
    /// What is agreed on now.
    pub agreed: Agreed,
    /// What has been seen now.
    pub knowledge: Knowledge,
    /// The paths whose siblings changed here; empty siblings for those that are gone.
    pub changed: BTreeMap<RelPath, Siblings>,
}

/// Joins what two replicas hold at the paths at which they differ.
pub fn meet(ours: Half<'_>, their_knowledge: &Knowledge, differing: &[(RelPath, Siblings)]) -> Result<Joined, Full> {
    let mut changed = BTreeMap::new();
    let mut knowledge = ours.knowledge.clone();
    let mut joining = Joining::Done;
    for (path, theirs) in differing {
        let held = ours.agreed.siblings(path.as_ref());
        let joined = join(&held, ours.knowledge, theirs, their_knowledge);
        if outlives([&held, theirs], &joined) {
            joining = Joining::Outlived;
        }
        if joined != held {
            changed.insert(path.clone(), joined);
        }
    }
    knowledge.union(their_knowledge);
    let agreed = if changed.is_empty() { ours.agreed.clone() } else { ours.agreed.with(&changed)? };
    Ok(Joined { joining, agreed, knowledge, changed })
}

/// Whether a version stands alone that yielded before on either side.
fn outlives(before: [&Siblings; 2], joined: &Siblings) -> bool {
    let yielding = yielding(joined);
    let yielded = before.into_iter().filter(|siblings| siblings.len() > 1).flat_map(project::yielding);
    yielded.into_iter().any(|dot| joined.version(dot).is_some() && !yielding.contains(&dot))
}
