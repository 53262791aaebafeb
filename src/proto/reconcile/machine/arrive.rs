//! Sections of the message that is coming in, each checked against the state of the conversation.

use super::{Items, Machine};
use crate::proto::limits::REPEATS_MAX;
use crate::proto::reconcile::ids::{Lookup, Naming, Seal, Split};
use crate::proto::reconcile::inbox::{Hello, Ids, Matched, Their, check, refusal};
use crate::proto::reconcile::nodes::{Aspect, Nodes, Runs};
use crate::proto::reconcile::outbox::Part;
use crate::proto::reconcile::settle::Settle;
use crate::proto::reconcile::{Role, Wants, tag};
use crate::proto::record::{read_batch, read_slim};
use crate::proto::violation::Violation;
use crate::proto::wire::Reader;

impl Machine {
    pub(super) fn take_section(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
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
            (tag::BYTES_IDS, Some(_)) => self.take_bytes_ids(&Ids::read(reader)?),
            (tag::SLIM, Some(_)) => self.take_slim(reader),
            (tag::RECORDS, Some(_)) => self.take_records(reader),
            (tag::GIVE, Some(_)) if self.they_want() && !self.gave_records => self.take_word(Items::Give),
            (tag::DONE, Some(_)) if !self.we_want() && self.may_be_done() => {
                // An end that found all it wants in its own directories needs no matches.
                self.sent = None;
                self.take_word(Items::Done)
            }
            (tag::AGAIN, Some(_)) => self.take_again(),
            (tag::SKELETON, Some(_)) => self.take_skeleton(reader),
            (tag::QUESTION, Some(_)) => self.take_question(reader),
            (tag::OUTLINES, Some(_)) => self.take_outlines(reader),
            (tag::STAND_IN, Some(_)) => self.take_stand_in(reader),
            (tag::HELLO..=tag::STAND_IN, _) => Err(Violation::Turn("a section")),
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
        let expected = self.sent.as_ref().map_or(0, |sent| sent.nodes.runs.len());
        if !matches!(self.arriving.items, Items::Nothing) || self.arriving.bits.count + matched.count > expected {
            return Err(Violation::Turn("matches"));
        }
        matched.iter().for_each(|bit| self.arriving.bits.push(bit));
        if self.arriving.bits.count == expected { self.apply_matched(matched.seal) } else { Ok(()) }
    }

    /// Keeps of what was sent what they do not hold, if their seal says that they mean the same.
    fn apply_matched(&mut self, their_seal: [u8; 16]) -> Result<(), Violation> {
        let Some(sent) = self.sent.take() else { return Ok(()) };
        let mut split = Split::default();
        for (at, node) in sent.nodes.runs.iter().enumerate() {
            if self.arriving.bits.at(at) { split.matched.push(node) } else { split.unmatched.push(node) }
        }
        if Seal::of(&self.side, self.salt, (sent.aspect, sent.nodes.level), &split.matched) != their_seal {
            // Records are compared whole, so no short id can excuse a false match of one.
            if self.gave_records || self.repeats == REPEATS_MAX {
                return Err(Violation::Contradiction);
            }
            self.arriving.void = true;
            return Ok(());
        }
        match sent.aspect {
            Aspect::Bytes => self.by_bytes = Some(split),
            Aspect::Lane => {
                self.compared = sent.nodes.runs.len();
                self.unmatched = Nodes { level: sent.nodes.level, runs: split.unmatched };
            }
        }
        Ok(())
    }

    fn take_ids(&mut self, ids: &Ids<'_>) -> Result<(), Violation> {
        self.expect_items()?;
        if matches!(self.arriving.items, Items::Nothing) {
            if ids.level >= self.ceiling || self.gave_records {
                return Err(Violation::Turn("ids"));
            }
            let nodes = Nodes { level: ids.level, runs: self.side.below(&self.unmatched, ids.level) };
            let naming = Naming { salt: self.salt, width: ids.width, aspect: Aspect::Lane };
            self.arriving.items = Items::Ids(Box::new(Lookup::new(&self.side, &nodes, naming)));
        }
        let theirs = self.their_unmatched()?;
        match &mut self.arriving.items {
            Items::Ids(lookup) => look_up(lookup, ids, theirs),
            _ => Err(Violation::Turn("ids")),
        }
    }

    /// Ids of leaf nodes by their bytes; only one end may want records then, and none but records follow.
    fn take_bytes_ids(&mut self, ids: &Ids<'_>) -> Result<(), Violation> {
        self.expect_items()?;
        if matches!(self.arriving.items, Items::Nothing) {
            let fits = ids.level == 1 && self.unmatched.level >= 1 && self.ceiling > 0;
            if !fits || self.gave_records || self.wants == Wants::Both {
                return Err(Violation::Turn("ids of bytes"));
            }
            if self.unmatched.level > 1 {
                self.unmatched = Nodes { level: 1, runs: self.side.below(&self.unmatched, 1) };
            }
            self.ceiling = 0;
            let naming = Naming { salt: self.salt, width: ids.width, aspect: Aspect::Bytes };
            self.arriving.items = Items::Bytes(Box::new(Lookup::new(&self.side, &self.unmatched, naming)));
        }
        let theirs = self.their_unmatched()?;
        match &mut self.arriving.items {
            Items::Bytes(lookup) => look_up(lookup, ids, theirs),
            _ => Err(Violation::Turn("ids of bytes")),
        }
    }

    /// Makes ready for records, unless some have come already.
    fn begin_records(&mut self) -> Result<(), Violation> {
        self.expect_items()?;
        if !self.we_want() {
            return Err(Violation::Turn("records"));
        }
        if matches!(self.arriving.items, Items::Nothing) {
            let (rows, slim) = match &self.by_bytes {
                Some(split) => (self.rows_of_leaves(&split.unmatched), self.rows_of_leaves(&split.matched)),
                None => (self.unmatched_rows(), Runs::default()),
            };
            self.arriving.items = Items::Records(Box::new(Settle::new(rows, slim, self.salt, self.their_unmatched()?)));
        }
        Ok(())
    }

    fn take_slim(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        self.begin_records()?;
        let Items::Records(settle) = &mut self.arriving.items else { return Err(Violation::Turn("records")) };
        let count = read_slim(reader, |entry| settle.take_slim(&self.side, entry))?;
        if count == 0 { Err(Violation::Malformed("message")) } else { Ok(()) }
    }

    fn take_records(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        self.begin_records()?;
        let limit = self.their_unmatched()?;
        let Items::Records(settle) = &mut self.arriving.items else { return Err(Violation::Turn("records")) };
        if !settle.is_slim_done() {
            return Err(Violation::Count("records"));
        }
        let mut order = std::mem::take(&mut settle.order);
        let count = read_batch(reader, &mut order, |record| {
            if settle.seen == limit { Err(Violation::Count("records")) } else { settle.take(&self.side, record) }
        })?;
        settle.order = order;
        // A message without end would be made of empty sections.
        let again = std::mem::replace(&mut settle.begun, true);
        if count == 0 && again { Err(Violation::Malformed("message")) } else { Ok(()) }
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
        if !self.is_fresh() || self.step < 2 || self.repeats == REPEATS_MAX {
            return Err(Violation::Turn("a repeat"));
        }
        self.repeats += 1;
        self.restart();
        self.arriving.opened = true;
        Ok(())
    }

    /// Whether nothing of the message has come yet.
    pub(super) fn is_fresh(&self) -> bool {
        matches!(self.arriving.items, Items::Nothing) && self.arriving.bits.count == 0 && !self.arriving.opened
    }

    /// All matches must have come before anything else does.
    pub(super) fn expect_items(&self) -> Result<(), Violation> {
        if self.sent.is_some() { Err(Violation::Turn("a section before its matches")) } else { Ok(()) }
    }
}

fn look_up(lookup: &mut Lookup, ids: &Ids<'_>, theirs: u64) -> Result<(), Violation> {
    if ids.level != lookup.level() || ids.width != lookup.naming.width {
        return Err(Violation::Turn("ids"));
    }
    // Each node holds at least one row.
    if (lookup.bits.count + ids.len()) as u64 > theirs {
        return Err(Violation::Count("ids"));
    }
    ids.iter().for_each(|id| lookup.see(id));
    Ok(())
}
