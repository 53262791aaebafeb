//! What two replicas that meet agree on about one path. Owns the rule; the caller joins each path at which the two differ,
//! and then unites what the two know.
//!
//! A version stays iff both hold it, or one holds it and the other has not seen it: who has seen a write and does not hold
//! it saw it replaced or deleted. Commutative, associative and idempotent, so that any order of meetings ends alike. The
//! whole set E is a function of K alone: *equal K, equal E*.
//!
//! # Deletes that the guard refuses
//! - One that a **scan** would mint is not minted: E and K stay, the witness stays, the path is left out of the plan.
//! - One that a **peer** made is joined like everything else, and *held*: it is left out of the plan, and the witness stays.
//!   [`super::record`] says `Settled` of such a path for as long as nobody touches it; touching it is an edit, which brings
//!   it back everywhere; the next plan has the delete in it again, to be judged anew; leave to delete is leave to carry it
//!   out. So no state beyond the witness is needed, and edits flow.
//!
//! There is no partial join that refuses the delete itself and takes the edits. It would keep in E what the peer's K
//! buries, so it could not take that K; it could take only the dots of the versions that it takes. But those replaced
//! others, which then are missing in K: r2 replaced r1, and we know r2 alone. Whoever still holds r1 brings it to us, as we
//! have not seen it; so we hold r1 and r2 and know both, and others who know just the same hold r2 alone: a conflict that
//! nobody made, and equal K with unequal E, which every replica must take for corruption. Only the author of a delete could
//! tell which of its dots are deletes, and only by keeping tombstones.
//!
//! Start at [`join`].

use super::knowledge::Knowledge;
use super::siblings::{Siblings, Version};

/// The versions of one path on which two replicas agree, given what each holds and has seen. Where both hold a dot, the
/// left one's version is taken: they are the same.
pub fn join(left: &Siblings, left_knows: &Knowledge, right: &Siblings, right_knows: &Knowledge) -> Siblings {
    let mut joined = Siblings::new();
    let stays = |version: &&Version, other: &Siblings, other_knows: &Knowledge| {
        other.version(version.dot).is_some() || !other_knows.contains(version.dot)
    };
    for version in left.iter().filter(|version| stays(version, right, right_knows)) {
        joined.insert(version.clone());
    }
    let news = right.iter().filter(|version| left.version(version.dot).is_none() && !left_knows.contains(version.dot));
    news.for_each(|version| joined.insert(version.clone()));
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;
    use crate::model::dot::{Dot, ReplicaId};
    use crate::model::entry::{Entry, Kind, Time};

    /// What one replica holds of a path, and knows.
    type Side = (Siblings, Knowledge);

    fn version(counter: u64) -> Version {
        let (mtime, content) = (Time::default(), Digest([counter as u8; 32]));
        let entry = Entry { kind: Kind::File, mode: 0, mtime, size: 0, content, uid: 0, gid: 0, extra: None };
        Version { dot: Dot { replica: ReplicaId([1; 16]), counter }, entry, replaced: Vec::new() }
    }

    fn side(holds: &[u64], knows: &[u64]) -> Side {
        let (mut siblings, mut knowledge) = (Siblings::new(), Knowledge::new());
        holds.iter().for_each(|&counter| siblings.insert(version(counter)));
        knows.iter().chain(holds).for_each(|&counter| knowledge.insert(version(counter).dot));
        (siblings, knowledge)
    }

    fn meet(left: &Side, right: &Side) -> Side {
        let mut knows = left.1.clone();
        knows.union(&right.1);
        (join(&left.0, &left.1, &right.0, &right.1), knows)
    }

    #[test]
    fn who_knows_and_does_not_hold_has_seen_it_go() {
        let table: [(&str, Side, Side, &[u64]); 6] = [
            ("new on one side", side(&[1], &[]), side(&[], &[]), &[1]),
            ("held by both", side(&[1], &[]), side(&[1], &[]), &[1]),
            ("deleted on one side", side(&[1], &[]), side(&[], &[1, 2]), &[]),
            ("edited on one side", side(&[1], &[]), side(&[2], &[1]), &[2]),
            ("edited on both sides", side(&[2], &[1]), side(&[3], &[1]), &[2, 3]),
            ("edited here, deleted there", side(&[2], &[1]), side(&[], &[1, 3]), &[2]),
        ];
        for (says, left, right, holds) in table {
            let counters: Vec<u64> = meet(&left, &right).0.iter().map(|version| version.dot.counter).collect();
            assert_eq!(counters, holds, "{says}");
        }
    }

    #[test]
    fn the_join_commutes_associates_and_is_idempotent() {
        // Whatever each side has seen of three writes, and of those holds. A write that is held somewhere and known
        // elsewhere may be gone there: all such states, also those that no history makes.
        let sides: Vec<Side> = (0..64_u64)
            .map(|number| {
                let seen: Vec<u64> = (1..=3).filter(|counter| number >> (counter - 1) & 1 == 1).collect();
                let held: Vec<u64> = seen.iter().copied().filter(|counter| number >> (counter + 2) & 1 == 0).collect();
                side(&held, &seen)
            })
            .collect();
        for left in &sides {
            assert_eq!(meet(left, left), *left);
            for right in &sides {
                assert_eq!(meet(left, right), meet(right, left));
                for third in &sides {
                    assert_eq!(meet(&meet(left, right), third), meet(left, &meet(right, third)));
                }
            }
        }
    }
}
