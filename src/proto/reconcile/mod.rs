//! Finds which entries of two roots differ, and brings over the records of those. Owns the conversation about two trees;
//! knows nothing of content. Start at [`Machine`].
//!
//! Both ends walk their trees from the top down at once, in turns. A message says which of the nodes just received the
//! sender holds as well, and then names, by short ids, the children of its own nodes that are not matched yet. A node that
//! both hold lies below unmatched parents on both sides, so it is looked for there alone. As many levels are skipped as fit
//! QUIC's first flight ([`FIRST_FLIGHT_BYTES`](super::limits::FIRST_FLIGHT_BYTES)); at the end records travel. Both ends know
//! how many entries the other has left, so no message says what is to come.
//!
//! # Why short ids are safe
//! Ids are 4 to 8 bytes of a salted hash, as many as make a false match rare. Whoever matches nodes sends a *seal* with the
//! matches: 16 bytes of BLAKE3 over their whole digests. The other side compares it with its own before it goes on, so a false
//! match is seen at once and costs one repeat under a new salt, never a wrong result. What is matched and sealed, and the
//! records of all the rest, are the whole set of the other side: their number must be the number of entries that it said.
//!
//! # Unreadable rows
//! Such a row equals nothing, not even itself. Where both ends have one at the same path its digests match and nothing
//! travels: each end knows from its own row what the other holds there, and lists the path as differing.
//!
//! # Metadata alone
//! Where nearly all leaf nodes differ, and one end alone wants records, ids of what the leaf nodes hold *beside* metadata go
//! in place of the rows' ids. What matches needs neither path nor digest in its records: a touched tree costs some 7 bytes an
//! entry.
//!
//! # Renamed directories
//! Where much differs, one end alone wants records, and its directories are other ones than those of the end that gives
//! them, it first asks which ones there are, and begins anew with a listing in which its own stand where the other seems to
//! have them (see `outline`). That takes at most [`OUTLINE_QUESTIONS_MAX`](super::limits::OUTLINE_QUESTIONS_MAX) round trips
//! and one more; where little differs, nothing.
//!
//! # Bytes
//! ```text
//! frame   := last u8: 0 more frames of this message follow, 1 it is the last | section +
//! section := 1 hello:   version u8 | lane u8 | wants u8 | salt [16] | entries number | top [32]
//!          | 2 welcome: entries number | top [32]
//!          | 3 equal
//!          | 4 refusal: version u8 | lane u8
//!          | 5 matched: bits number | bits, lowest first | seal [16] of the whole message's matches
//!          | 6 ids:     level u8: 0 rows, 1 leaf nodes, 2.. nodes above | width u8 | ids number | [width] *
//!          | 7 records: batch (see [`super::record`])
//!          | 8 give:    send the records of all that is not matched
//!          | 9 done
//!          | 10 again:  begin anew, with the next salt
//!          | 11 ids of leaf nodes by their bytes alone: as 6
//!          | 12 slim records: batch
//!          | 13 skeleton: [4] of the names of the sender's directories, once, where many of its rows are not matched; alone, it
//!            is the offer of an end that gives records to be asked about them
//!          | 14 question about directories, 15 outlines: see [`outline`]
//!          | 16 stand-in: entries number | top [32] of the listing with which the comparison begins anew, under the next salt
//! message := hello [skeleton] [ids +] | equal | refusal | again [ids +] | [welcome] question | outlines | stand-in [ids +]
//!          | [welcome] matched * ([skeleton] ids + | skeleton | slim * records + | give | done)
//! ```

mod decide;
mod ids;
mod inbox;
mod machine;
mod nodes;
mod outbox;
mod outline;
mod settle;

use std::sync::Arc;

use crate::model::digest::Digest;
use crate::model::entry::Entry;
use crate::model::listing::Listing;
use crate::model::path::RelPath;
use crate::model::tree::Tree;

pub use machine::Machine;

/// One end's set: the entries, and their tree.
#[derive(Debug, Clone)]
pub struct Side {
    /// The entries.
    pub listing: Listing,
    /// Their tree, in the lane that is compared.
    pub tree: Arc<Tree>,
}

/// Who needs the other's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Both ends: a two-way sync, or a report on both.
    Both,
    /// The initiator alone: it is a mirror's target.
    Initiator,
    /// The responder alone: it is a mirror's target.
    Responder,
}

impl Wants {
    const fn to_byte(self) -> u8 {
        match self {
            Wants::Both => 0,
            Wants::Initiator => 1,
            Wants::Responder => 2,
        }
    }

    const fn from_byte(byte: u8) -> Option<Wants> {
        Some(match byte {
            0 => Wants::Both,
            1 => Wants::Initiator,
            2 => Wants::Responder,
            _ => return None,
        })
    }

    const fn named(self, role: Role) -> bool {
        match role {
            Role::Initiator => matches!(self, Wants::Both | Wants::Initiator),
            Role::Responder => matches!(self, Wants::Both | Wants::Responder),
        }
    }
}

/// What the initiator decides for both.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Random bytes, new for each conversation.
    pub salt: [u8; 16],
    /// Who needs the other's records.
    pub wants: Wants,
    /// A difference is expected: the hello brings upper levels of the tree with it.
    pub push: bool,
}

/// Which end of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Initiator,
    Responder,
}

/// A path at which the two ends differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Where.
    pub path: RelPath,
    /// Our row, if we hold the path.
    pub ours: Option<usize>,
    /// What they hold there, if they do.
    pub theirs: Option<Entry>,
}

/// What a conversation found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// All paths that differ, in tree order, on an end that [`Wants`] names; empty on the other.
    pub differing: Vec<Pair>,
    /// Messages it took to know that, half a round trip each. The farewell that only releases the other end is not counted.
    pub round_trips_halves: u32,
    /// The top of their tree.
    pub their_top: Digest,
    /// The number of their entries.
    pub their_entries: u64,
}

/// Names of the sections on the wire.
mod tag {
    pub const HELLO: u8 = 1;
    pub const WELCOME: u8 = 2;
    pub const EQUAL: u8 = 3;
    pub const REFUSAL: u8 = 4;
    pub const MATCHED: u8 = 5;
    pub const IDS: u8 = 6;
    pub const RECORDS: u8 = 7;
    pub const GIVE: u8 = 8;
    pub const DONE: u8 = 9;
    pub const AGAIN: u8 = 10;
    pub const BYTES_IDS: u8 = 11;
    pub const SLIM: u8 = 12;
    pub const SKELETON: u8 = 13;
    pub const QUESTION: u8 = 14;
    pub const OUTLINES: u8 = 15;
    pub const STAND_IN: u8 = 16;
}
