//! What follows from a whole message: the answer, or the end.

use super::{Arriving, Items, Machine, Sent};
use crate::proto::limits::STEPS_MAX;
use crate::proto::reconcile::decide::{self, Choice, Standing};
use crate::proto::reconcile::ids::{Bits, Lookup, Naming, next_salt};
use crate::proto::reconcile::nodes::{Aspect, Nodes, Runs, Walk};
use crate::proto::reconcile::outbox::Part;
use crate::proto::reconcile::settle::Settle;
use crate::proto::reconcile::{Outcome, Pair, tag};
use crate::proto::record::Form;
use crate::proto::violation::Violation;

impl Machine {
    pub(super) fn end_message(&mut self) -> Result<(), Violation> {
        let Arriving { opened, items, void, offered, .. } = std::mem::take(&mut self.arriving);
        if matches!(items, Items::Done) {
            return self.finish(Vec::new());
        }
        match items {
            Items::Question(paths) => return self.answer_question(&paths),
            Items::Outlines => return self.go_on_guessing(),
            _ => {}
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
            Items::Nothing if opened || offered => self.answer(None),
            Items::Equal => self.finish_equal(),
            Items::Ids(lookup) => self.take_lookup(*lookup),
            Items::Bytes(lookup) => {
                let (split, bits, seal) = lookup.finish(&self.side);
                self.by_bytes = Some(split);
                let choice = if self.they_want() { Choice::Records } else { Choice::Give };
                self.answer_with(Some((bits, seal)), choice)
            }
            Items::Give => self.answer_with(None, Choice::Records),
            Items::Records(settle) => self.take_all_records(*settle),
            Items::Nothing | Items::Done | Items::Question(_) | Items::Outlines => Err(Violation::Malformed("message")),
        }
    }

    fn take_lookup(&mut self, lookup: Lookup) -> Result<(), Violation> {
        let (level, compared) = (lookup.level(), lookup.len());
        let (split, bits, seal) = lookup.finish(&self.side);
        // A level that our tree does not have matches nothing, and all stays open.
        if level < self.unmatched.level {
            self.compared = compared;
            self.unmatched = Nodes { level, runs: split.unmatched };
        }
        self.answer(Some((bits, seal)))
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

    pub(super) fn answer(&mut self, matched: Option<(Bits, [u8; 16])>) -> Result<(), Violation> {
        if self.is_worth_a_guess()? {
            return if self.we_want() { self.begin_guessing(matched) } else { self.offer(matched) };
        }
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
            compared: self.compared,
            taken: matched.as_ref().map_or(0, |(bits, _)| bits.bytes.len()),
        };
        self.answer_with(matched, decide::decide(&standing))
    }

    fn answer_with(&mut self, matched: Option<(Bits, [u8; 16])>, choice: Choice) -> Result<(), Violation> {
        if self.step >= STEPS_MAX || (self.gave_records && choice == Choice::Records) {
            return Err(Violation::Steps(STEPS_MAX));
        }
        self.begin_answer(matched);
        match choice {
            Choice::Ids { level, width } => self.send_ids(Aspect::Lane, level, width),
            Choice::Bytes { width } => self.send_ids(Aspect::Bytes, 1, width),
            Choice::Give => self.outbox.push(Part::Ready(vec![tag::GIVE])),
            Choice::Records => self.send_records(),
        }
        Ok(())
    }

    /// What stands in front of each answer.
    pub(super) fn begin_answer(&mut self, matched: Option<(Bits, [u8; 16])>) {
        self.welcome();
        self.count_step();
        if let Some((bits, seal)) = matched
            && bits.count > 0
        {
            self.outbox.push(Part::Matched { bits, sent: 0, seal });
        }
    }

    /// Tells our set, once, where the hello did not.
    pub(super) fn welcome(&mut self) {
        if !std::mem::replace(&mut self.welcomed, true) {
            let mut welcome = vec![tag::WELCOME];
            self.our_set().encode(&mut welcome);
            self.outbox.push(Part::Ready(welcome));
        }
    }

    fn send_ids(&mut self, aspect: Aspect, level: u8, width: u8) {
        let runs = match aspect {
            Aspect::Bytes => self.unmatched.runs.clone(),
            Aspect::Lane => self.side.below(&self.unmatched, level),
        };
        let naming = Naming { salt: self.salt, width, aspect };
        self.tell_skeleton();
        self.outbox.push(Part::Ids { naming, level, nodes: Walk::new(runs.clone()) });
        self.ceiling = if aspect == Aspect::Bytes { 0 } else { level };
        self.sent = Some(Sent { aspect, nodes: Nodes { level, runs } });
    }

    fn send_records(&mut self) {
        let part = |form, rows| Part::Records { form, rows: Walk::new(rows), begun: false };
        self.gave_records = true;
        if let Some(split) = &self.by_bytes {
            let (slim, rows) = (self.rows_of_leaves(&split.matched), self.rows_of_leaves(&split.unmatched));
            if !slim.is_empty() {
                self.outbox.push(part(Form::Slim, slim));
            }
            self.outbox.push(part(Form::Whole, rows));
            return;
        }
        let rows = self.unmatched_rows();
        self.outbox.push(part(Form::Whole, rows.clone()));
        if self.we_want() && !rows.is_empty() {
            self.sent = Some(Sent { aspect: Aspect::Lane, nodes: Nodes { level: 0, runs: rows } });
        }
    }

    /// The upper levels, with a hello.
    pub(super) fn push_levels(&mut self) {
        let counts: Vec<usize> =
            (0..self.unmatched.level).map(|level| self.side.below(&self.unmatched, level).len()).collect();
        if let Some(Choice::Ids { level, width }) = decide::push(&counts) {
            self.send_ids(Aspect::Lane, level, width);
        }
    }

    fn begin_again(&mut self) {
        self.repeats += 1;
        self.restart();
        self.outbox.push(Part::Ready(vec![tag::AGAIN]));
        self.count_step();
        self.push_levels();
    }

    pub(super) fn restart(&mut self) {
        self.salt = next_salt(self.salt);
        self.step = 0;
        self.unmatched = self.side.whole();
        self.compared = 1;
        self.by_bytes = None;
        self.sent = None;
        self.ceiling = u8::MAX;
        self.gave_records = false;
    }

    pub(super) fn finish_equal(&mut self) -> Result<(), Violation> {
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
                let theirs = Some(row.entry());
                differing.push(Pair { path: row.path().to_owned(), ours: Some(index as usize), theirs });
            }
            if differing.len() > found {
                differing.sort_by(|left, right| left.path.cmp(&right.path));
            }
            differing = self.settle_guess(differing);
        }
        let their = self.guessing.their_own().unwrap_or(their);
        self.over = true;
        self.outcome = Some(Outcome {
            differing,
            round_trips_halves: self.halves,
            their_top: their.top,
            their_entries: their.entries,
        });
        Ok(())
    }
}
