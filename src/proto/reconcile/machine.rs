//! One end of a conversation about two trees: frames in, frames out. Start at [`Machine::handle`].

use std::sync::Arc;

use super::decide::{self, Choice, Standing};
use super::inbox::{Hello, Ids, Matched, Their, check, refusal};
use super::nodes::{Bits, Lookup, Naming, Nodes, Runs, Seal, Walk, next_salt};
use super::outbox::{Outbox, Part};
use super::settle::Settle;
use super::{Outcome, Pair, Role, Settings, Side, Wants, tag};
use crate::model::entry::Record;
use crate::model::tree::Tree;
use crate::proto::limits::{FRAME_BYTES_MAX, REPEATS_MAX, STEPS_MAX};
use crate::proto::record::read_batch;
use crate::proto::violation::Violation;
use crate::proto::wire::Reader;

/// Bytes of a message that is thrown away unread, for each entry of the peer's tree: far more than honest records take.
const VOID_BYTES_EACH: u64 = 1_024;

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
    /// What their next matches are about.
    sent: Option<Nodes>,
    /// The next ids must be of a level below this one.
    ceiling: u8,
    gave_records: bool,
    arriving: Arriving,
    outbox: Outbox,
    outcome: Option<Outcome>,
    over: bool,
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
}

#[derive(Debug, Default)]
enum Items {
    #[default]
    Nothing,
    Ids(Box<Lookup>),
    Records(Box<Settle>),
    Give,
    Done,
    Equal,
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
            side,
            sent: None,
            ceiling: u8::MAX,
            gave_records: false,
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

    fn take_section(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        let tag = reader.u8()?;
        match (tag, self.their) {
            (tag::HELLO, None) if self.role == Role::Responder => self.take_hello(reader),
            (tag::WELCOME, None) if self.role == Role::Initiator => {
                self.their = Some(Their::read(reader)?);
                Ok(())
            }
            (tag::EQUAL, None) if self.role == Role::Initiator => {
                self.their = Some(self.our_set());
                self.arriving.items = Items::Equal;
                Ok(())
            }
            (tag::REFUSAL, None) if self.role == Role::Initiator => {
                check(reader, self.side.tree.lane()).and(Err(reader.malformed()))
            }
            (tag::MATCHED, Some(_)) => self.take_matched(&Matched::read(reader)?),
            (tag::IDS, Some(_)) => self.take_ids(&Ids::read(reader)?),
            (tag::RECORDS, Some(_)) => self.take_records(reader),
            (tag::GIVE, Some(_)) if self.they_want() && !self.gave_records => self.take_word(Items::Give),
            (tag::DONE, Some(_)) if !self.we_want() && self.gave_records => self.take_word(Items::Done),
            (tag::AGAIN, Some(_)) => self.take_again(),
            (tag::HELLO..=tag::AGAIN, _) => Err(Violation::Turn("a section")),
            _ => Err(reader.malformed()),
        }
    }

    fn take_hello(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        let lane = self.side.tree.lane();
        let hello = Hello::read(reader, lane);
        if matches!(hello, Err(Violation::Version { .. } | Violation::Lane { .. })) {
            self.outbox.push(Part::Ready(refusal(lane)));
        }
        let hello = hello?;
        (self.wants, self.salt, self.their) = (hello.wants, hello.salt, Some(hello.set));
        self.arriving.opened = true;
        Ok(())
    }

    fn take_matched(&mut self, matched: &Matched<'_>) -> Result<(), Violation> {
        let expected = self.sent.as_ref().map_or(0, |sent| sent.runs.len());
        if !matches!(self.arriving.items, Items::Nothing) || self.arriving.bits.count + matched.count > expected {
            return Err(Violation::Turn("matches"));
        }
        matched.iter().for_each(|bit| self.arriving.bits.push(bit));
        if self.arriving.bits.count == expected { self.apply_matched(matched.seal) } else { Ok(()) }
    }

    /// Keeps of what was sent what they do not hold, if their seal says that they mean the same.
    fn apply_matched(&mut self, their_seal: [u8; 16]) -> Result<(), Violation> {
        let Some(sent) = self.sent.take() else { return Ok(()) };
        let mut unmatched = Runs::default();
        let mut seal = Seal::new(self.salt);
        let mut scratch = Vec::new();
        for (at, node) in sent.runs.iter().enumerate() {
            if self.arriving.bits.at(at) {
                seal.add(&self.side.digest(sent.level, node, &mut scratch));
            } else {
                unmatched.push(node);
            }
        }
        if seal.finish() != their_seal {
            // Records are compared whole, so no short id can excuse a false match of one.
            if self.gave_records || self.repeats == REPEATS_MAX {
                return Err(Violation::Contradiction);
            }
            self.arriving.void = true;
            return Ok(());
        }
        self.unmatched = Nodes { level: sent.level, runs: unmatched };
        Ok(())
    }

    fn take_ids(&mut self, ids: &Ids<'_>) -> Result<(), Violation> {
        self.expect_items()?;
        let theirs = self.their_unmatched()?;
        if matches!(self.arriving.items, Items::Nothing) {
            if ids.level >= self.ceiling || self.gave_records {
                return Err(Violation::Turn("ids"));
            }
            let nodes = Nodes { level: ids.level, runs: self.side.below(&self.unmatched, ids.level) };
            let naming = Naming { salt: self.salt, width: ids.width };
            self.arriving.items = Items::Ids(Box::new(Lookup::new(&self.side, &nodes, naming)));
        }
        let Items::Ids(lookup) = &mut self.arriving.items else { return Err(Violation::Turn("ids")) };
        if ids.level != lookup.level() || ids.width != lookup.naming.width {
            return Err(Violation::Turn("ids"));
        }
        if (lookup.bits.count + ids.len()) as u64 > theirs {
            return Err(Violation::Count("ids"));
        }
        ids.iter().for_each(|id| lookup.see(id));
        Ok(())
    }

    fn take_records(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        self.expect_items()?;
        let limit = self.their_unmatched()?;
        if !self.we_want() {
            return Err(Violation::Turn("records"));
        }
        let first = matches!(self.arriving.items, Items::Nothing);
        if first {
            let rows = self.unmatched_rows();
            self.arriving.items = Items::Records(Box::new(Settle::new(rows, self.salt)));
        }
        let Items::Records(settle) = &mut self.arriving.items else { return Err(Violation::Turn("records")) };
        let mut order = std::mem::take(&mut settle.order);
        let count = read_batch(reader, &mut order, |record| {
            if settle.seen == limit { Err(Violation::Count("records")) } else { settle.take(&self.side, record) }
        })?;
        settle.order = order;
        if count == 0 && !first { Err(Violation::Malformed("message")) } else { Ok(()) }
    }

    fn take_word(&mut self, word: Items) -> Result<(), Violation> {
        self.expect_items()?;
        if !matches!(self.arriving.items, Items::Nothing) {
            return Err(Violation::Turn("a word"));
        }
        self.arriving.items = word;
        Ok(())
    }

    /// They saw a false match: both begin anew under the next salt.
    fn take_again(&mut self) -> Result<(), Violation> {
        let fresh = matches!(self.arriving.items, Items::Nothing) && self.arriving.bits.count == 0;
        if !fresh || self.arriving.opened || self.step < 2 || self.repeats == REPEATS_MAX {
            return Err(Violation::Turn("a repeat"));
        }
        self.restart();
        self.arriving.opened = true;
        Ok(())
    }

    /// All matches must have come before anything else does.
    fn expect_items(&self) -> Result<(), Violation> {
        if self.sent.is_some() { Err(Violation::Turn("a section before its matches")) } else { Ok(()) }
    }

    fn end_message(&mut self) -> Result<(), Violation> {
        let Arriving { opened, items, void, .. } = std::mem::take(&mut self.arriving);
        if matches!(items, Items::Done) {
            return self.finish(Vec::new());
        }
        self.count_step();
        if self.step > STEPS_MAX {
            return Err(Violation::Steps(STEPS_MAX));
        }
        if void {
            self.begin_again();
            return Ok(());
        }
        if opened && self.halves == 1 && self.their == Some(self.our_set()) {
            self.outbox.push(Part::Ready(vec![tag::EQUAL]));
            self.count_step();
            return self.finish_equal();
        }
        match items {
            Items::Nothing if opened => self.answer(None),
            Items::Equal => self.finish_equal(),
            Items::Ids(lookup) => {
                let level = lookup.level();
                let (runs, bits, seal) = lookup.finish(&self.side);
                // A level that our tree does not have matches nothing, and all stays open.
                if level < self.unmatched.level {
                    self.unmatched = Nodes { level, runs };
                }
                self.answer(Some((bits, seal)))
            }
            Items::Give => self.answer_with(None, Choice::Records),
            Items::Records(settle) => self.take_all_records(*settle),
            Items::Nothing | Items::Done => Err(Violation::Malformed("message")),
        }
    }

    fn take_all_records(&mut self, settle: Settle) -> Result<(), Violation> {
        if settle.seen != self.their_unmatched()? {
            return Err(Violation::Count("records"));
        }
        let settled = settle.finish(&self.side);
        self.unmatched = Nodes { level: 0, runs: settled.unmatched };
        // The tops differ, so something must.
        if settled.pairs.is_empty() {
            return Err(Violation::Contradiction);
        }
        if !self.they_want() {
            self.outbox.push(Part::Ready(vec![tag::DONE]));
        } else if !self.gave_records {
            self.answer_with(Some((settled.bits, settled.seal.finish())), Choice::Records)?;
        }
        self.finish(settled.pairs)
    }

    fn answer(&mut self, matched: Option<(Bits, [u8; 16])>) -> Result<(), Violation> {
        let counts = (0..self.unmatched.level).map(|level| self.side.below(&self.unmatched, level).len()).collect();
        let standing = Standing {
            step: self.step + 1,
            we_want: self.we_want(),
            they_want: self.they_want(),
            ours: self.unmatched_rows().len(),
            theirs: self.their_unmatched()? as usize,
            level: self.unmatched.level,
            counts,
            nodes: self.unmatched.runs.len(),
            taken: matched.as_ref().map_or(0, |(bits, _)| bits.bytes.len()),
        };
        self.answer_with(matched, decide::decide(&standing))
    }

    fn answer_with(&mut self, matched: Option<(Bits, [u8; 16])>, choice: Choice) -> Result<(), Violation> {
        if self.step >= STEPS_MAX || (self.gave_records && choice == Choice::Records) {
            return Err(Violation::Steps(STEPS_MAX));
        }
        if self.role == Role::Responder && self.halves == 1 {
            let mut welcome = vec![tag::WELCOME];
            self.our_set().encode(&mut welcome);
            self.outbox.push(Part::Ready(welcome));
        }
        self.count_step();
        if let Some((bits, seal)) = matched
            && bits.count > 0
        {
            self.outbox.push(Part::Matched { bits, sent: 0, seal });
        }
        match choice {
            Choice::Ids { level, width } => self.send_ids(level, width),
            Choice::Give => self.outbox.push(Part::Ready(vec![tag::GIVE])),
            Choice::Records => {
                let rows = self.unmatched_rows();
                self.outbox.push(Part::Records { rows: Walk::new(rows.clone()), begun: false });
                self.gave_records = true;
                self.sent = (self.we_want() && !rows.is_empty()).then_some(Nodes { level: 0, runs: rows });
            }
        }
        Ok(())
    }

    fn send_ids(&mut self, level: u8, width: u8) {
        let runs = self.side.below(&self.unmatched, level);
        let naming = Naming { salt: self.salt, width };
        self.outbox.push(Part::Ids { naming, level, nodes: Walk::new(runs.clone()) });
        self.ceiling = level;
        self.sent = Some(Nodes { level, runs });
    }

    /// The upper levels, with a hello.
    fn push_levels(&mut self) {
        let counts: Vec<usize> =
            (0..self.unmatched.level).map(|level| self.side.below(&self.unmatched, level).len()).collect();
        if let Some(Choice::Ids { level, width }) = decide::push(&counts) {
            self.send_ids(level, width);
        }
    }

    fn begin_again(&mut self) {
        self.restart();
        self.outbox.push(Part::Ready(vec![tag::AGAIN]));
        self.count_step();
        self.push_levels();
    }

    fn restart(&mut self) {
        self.repeats += 1;
        self.salt = next_salt(self.salt);
        self.step = 0;
        self.unmatched = self.side.whole();
        self.sent = None;
        self.ceiling = u8::MAX;
        self.gave_records = false;
    }

    fn finish_equal(&mut self) -> Result<(), Violation> {
        self.unmatched = Nodes { level: 0, runs: Runs::default() };
        self.finish(Vec::new())
    }

    /// Our unreadable rows that were matched are unreadable there too, and equal nothing.
    fn finish(&mut self, mut differing: Vec<Pair>) -> Result<(), Violation> {
        let their = self.their.ok_or(Violation::Turn("the end"))?;
        if self.we_want() {
            let found = differing.len();
            for &index in self.side.tree.unreadable().iter().filter(|&&index| !self.unmatched.runs.contains(index)) {
                let row = self.side.listing.row(index as usize);
                let path = row.path().to_owned();
                let theirs = Record { path: path.clone(), entry: row.entry() };
                differing.push(Pair { path, ours: Some(index as usize), theirs: Some(theirs) });
            }
            if differing.len() > found {
                differing.sort_by(|left, right| left.path.cmp(&right.path));
            }
        }
        self.over = true;
        self.outcome = Some(Outcome {
            differing,
            round_trips_halves: self.halves,
            their_top: their.top,
            their_entries: their.entries,
        });
        Ok(())
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

    /// What is matched is equal, so the number of their rows that are not follows from ours.
    fn their_unmatched(&self) -> Result<u64, Violation> {
        let matched = (self.side.tree.rows() - self.unmatched_rows().len()) as u64;
        self.their_entries().checked_sub(matched).ok_or(Violation::Count("entries"))
    }
}
