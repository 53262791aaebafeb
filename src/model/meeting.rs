//! What comes of a meeting of two replicas: both compute it from the same two sides, and both get the same. Pure.

use std::collections::BTreeMap;

use super::agreed::Agreed;
use super::join::join;
use super::knowledge::Knowledge;
use super::listing::Full;
use super::path::RelPath;
use super::siblings::Siblings;

/// One replica's half of what a meeting knows.
#[derive(Debug, Clone, Copy)]
pub struct Half<'a> {
    /// What it agreed on before.
    pub agreed: &'a Agreed,
    /// What it has seen.
    pub knowledge: &'a Knowledge,
}

/// What this replica holds after the meeting.
#[derive(Debug)]
pub struct Joined {
    /// What is agreed on now.
    pub agreed: Agreed,
    /// What has been seen now.
    pub knowledge: Knowledge,
    /// The paths whose siblings changed here; empty siblings for those that are gone.
    pub changed: BTreeMap<RelPath, Siblings>,
}

/// Joins what two replicas hold at the paths at which they differ.
pub fn meet(
    ours: Half<'_>,
    their_knowledge: &Knowledge,
    differing: &[(RelPath, Siblings)],
) -> Result<Joined, Full> {
    let mut changed = BTreeMap::new();
    let mut knowledge = ours.knowledge.clone();
    for (path, theirs) in differing {
        let held = ours.agreed.siblings(path.as_ref());
        let joined = join(&held, ours.knowledge, theirs, their_knowledge);
        if joined != held {
            changed.insert(path.clone(), joined);
        }
    }
    knowledge.union(their_knowledge);
    Ok(Joined { agreed: ours.agreed.with(&changed)?, knowledge, changed })
}
