//! One end of a conversation about two trees: frames in, frames out. Start at [`Machine::handle`].

mod answer;
mod arrive;
mod guess;

use std::sync::Arc;

use guess::Guessing;

use super::ids::{Bits, Lookup, Split};
use super::inbox::{Hello, Their};
use super::nodes::{Aspect, Nodes, Runs};
use super::outbox::{Outbox, Part};
use super::settle::Settle;
use super::{Outcome, Role, Settings, Side, Wants};
use crate::model::path::RelPath;
use crate::model::tree::Tree;
use crate::proto::limits::{FRAME_BYTES_MAX, VOID_BYTES_EACH};
use crate::proto::violation::Violation;
use crate::proto::wire::Reader;

/// One end of a conversation. Feed it the other's frames with [`Machine::handle`], send what [`Machine::poll_transmit`]
/// gives until it gives nothing, and look for the end with [`Machine::poll_outcome`]. After a violation it takes nothing
/// more; a refusal may still be waiting to be sent.
#[derive(Debug)]
pub struct Machine {
    role: Role,
    side: Side,
    wants: Wants,
    salt: [u8; 16],
    their: Option<Their>,
    /// Attempts that failed on a false match.
    repeats: u8,
    /// Messages of this attempt, in both directions.
    step: u8,
    halves: u32,
    /// Our nodes that they do not hold, as far as is known.
    unmatched: Nodes,
    /// How many of our nodes were compared when [`Machine::unmatched`] was found.
    compared: usize,
    /// Our unmatched leaf nodes, by whether they hold the same bytes there, where that was asked.
    by_bytes: Option<Split>,
    /// What their next matches are about.
    sent: Option<Sent>,
    /// The next ids must be of a level below this one.
    ceiling: u8,
    gave_records: bool,
    /// Whether the other end knows our set.
    welcomed: bool,
    guessing: Guessing,
    arriving: Arriving,
    outbox: Outbox,
    outcome: Option<Outcome>,
    over: bool,
}

/// Nodes whose ids, or rows whose records, were sent.
#[derive(Debug)]
struct Sent {
    aspect: Aspect,
    nodes: Nodes,
}

/// The message that is coming in.
#[derive(Debug, Default)]
struct Arriving {
    opened: bool,
    bits: Bits,
    items: Items,
    /// Its matches are false: the rest is not read.
    void: bool,
    void_bytes: u64,
    /// The names of their directories came with it.
    offered: bool,
}

#[derive(Debug, Default)]
enum Items {
    #[default]
    Nothing,
    Ids(Box<Lookup>),
    /// As ids, but of bytes.
    Bytes(Box<Lookup>),
    Records(Box<Settle>),
    Give,
    Done,
    Equal,
    /// About directories of ours.
    Question(Vec<RelPath>),
    /// What was asked about theirs.
    Outlines,
}

impl Machine {
    /// The end that opens the conversation; its hello is ready to be sent.
    pub fn initiator(side: Side, settings: Settings) -> Machine {
        let mut machine = Machine::new(Role::Initiator, side, settings.wants, settings.salt);
        let hello = Hello { wants: settings.wants, salt: settings.salt, set: machine.our_set() };
        machine.outbox.push(Part::Ready(hello.encode(machine.side.tree.lane())));
        machine.count_step();
        if settings.push {
            machine.push_levels();
        }
        machine
    }

    /// The end that answers; it learns the settings from the hello.
    pub fn responder(side: Side) -> Machine {
        Machine::new(Role::Responder, side, Wants::Both, [0; 16])
    }

    fn new(role: Role, mut side: Side, wants: Wants, salt: [u8; 16]) -> Machine {
        // A kept tree may have been paired with a listing that it does not cover.
        if side.tree.rows() != side.listing.len() {
            side.tree = Arc::new(Tree::build(&side.listing, side.tree.lane()));
        }
        Machine {
            role,
            wants,
            salt,
            their: None,
            repeats: 0,
            step: 0,
            halves: 0,
            unmatched: side.whole(),
            compared: 1,
            side,
            by_bytes: None,
            sent: None,
            ceiling: u8::MAX,
            gave_records: false,
            welcomed: role == Role::Initiator,
            guessing: Guessing::default(),
            arriving: Arriving::default(),
            outbox: Outbox::default(),
            outcome: None,
            over: false,
        }
    }

    /// Takes one frame of the other end.
    pub fn handle(&mut self, frame: &[u8]) -> Result<(), Violation> {
        let taken = self.take_frame(frame);
        if taken.is_err() {
            self.over = true;
        }
        taken
    }

    /// The next frame to send, if any.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.next(&self.side)
    }

    /// What was found out, once; there is nothing more to handle then, but there may be frames left to send.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    fn take_frame(&mut self, frame: &[u8]) -> Result<(), Violation> {
        if self.over || !self.outbox.is_empty() {
            return Err(Violation::Turn("a message"));
        }
        if frame.len() > FRAME_BYTES_MAX {
            return Err(Violation::Limit { what: "frame", limit: FRAME_BYTES_MAX as u64 });
        }
        let mut reader = Reader::new(frame, "message");
        let last = reader.u8()?;
        if last > 1 || reader.is_empty() {
            return Err(reader.malformed());
        }
        while !reader.is_empty() && !self.arriving.void {
            self.take_section(&mut reader)?;
        }
        self.arriving.void_bytes += reader.remaining() as u64;
        if self.arriving.void_bytes > FRAME_BYTES_MAX as u64 + self.their_entries() * VOID_BYTES_EACH {
            return Err(Violation::Limit { what: "message", limit: self.arriving.void_bytes });
        }
        if last == 1 { self.end_message() } else { Ok(()) }
    }

    fn count_step(&mut self) {
        self.step += 1;
        self.halves += 1;
    }

    fn our_set(&self) -> Their {
        Their { entries: self.side.tree.rows() as u64, top: self.side.tree.top() }
    }

    fn we_want(&self) -> bool {
        self.wants.named(self.role)
    }

    fn they_want(&self) -> bool {
        let other = if self.role == Role::Initiator { Role::Responder } else { Role::Initiator };
        self.wants.named(other)
    }

    fn their_entries(&self) -> u64 {
        self.their.map_or(0, |their| their.entries)
    }

    fn unmatched_rows(&self) -> Runs {
        if self.unmatched.level == 0 { self.unmatched.runs.clone() } else { self.side.below(&self.unmatched, 0) }
    }

    fn rows_of_leaves(&self, leaves: &Runs) -> Runs {
        self.side.below(&Nodes { level: 1, runs: leaves.clone() }, 0)
    }

    /// What is matched is equal, so the number of their rows that are not follows from ours.
    fn their_unmatched(&self) -> Result<u64, Violation> {
        let matched = (self.side.tree.rows() - self.unmatched_rows().len()) as u64;
        self.their_entries().checked_sub(matched).ok_or(Violation::Count("entries"))
    }
}
