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
