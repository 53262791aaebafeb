//! Where directories seem to have been renamed: the questions, and the new beginning with a listing that stands in for ours.

use super::{Items, Machine};
use crate::model::lane::{Bytes, Lane};
use crate::model::path::RelPath;
use crate::proto::limits::{GUESS_FOUND_ROWS_MIN, GUESS_ROWS_MIN, OUTLINE_QUESTIONS_MAX};
use crate::proto::reconcile::ids::Bits;
use crate::proto::reconcile::inbox::Their;
use crate::proto::reconcile::outbox::Part;
use crate::proto::reconcile::outline::{self, Bodies, Folders, Known, StandIn};
use crate::proto::reconcile::{Pair, tag};
use crate::proto::violation::Violation;
use crate::proto::wire::Reader;

/// What is known of the directories of both ends.
#[derive(Debug, Default)]
pub(super) struct Guessing {
    /// What the other end said of the names of its directories.
    their_skeleton: Option<u32>,
    told_skeleton: bool,
    /// Questions asked, or answered.
    questions: u8,
    folders: Option<Folders>,
    bodies: Option<Bodies>,
    known: Known,
    asked: Vec<RelPath>,
    /// What is to be said should nothing come of it.
    waiting: Option<Option<(Bits, [u8; 16])>>,
    stand_in: Option<StandIn>,
    /// The set of an end that begins anew with another.
    their_own: Option<Their>,
}

impl Guessing {
    /// The set of the other end, if another one stands in for it.
    pub(super) const fn their_own(&self) -> Option<Their> {
        self.their_own
    }
}

/// The last step after which a giver makes an offer.
const OFFER_STEPS_MAX: u8 = 3;

/// Whether entries can stand at another path and be the same: not where a digest covers how they came about there, or says
/// nothing of their bytes.
const fn is_movable(lane: Lane) -> bool {
    !lane.state && matches!(lane.bytes, Bytes::Digest)
}

impl Machine {
    /// The names of our directories, so that both ends know whether any can have been renamed.
    pub(super) fn tell_skeleton(&mut self) {
        let is_one_way = self.they_want() != self.we_want() && is_movable(self.side.tree.lane());
        if !is_one_way || self.guessing.told_skeleton || self.unmatched_rows().len() < GUESS_ROWS_MIN {
            return;
        }
        self.guessing.told_skeleton = true;
        let mut section = vec![tag::SKELETON];
        section.extend_from_slice(&self.folders().skeleton().to_le_bytes());
        self.outbox.push(Part::Ready(section));
    }

    fn folders(&mut self) -> &Folders {
        self.guessing.folders.get_or_insert_with(|| Folders::of(&self.side.listing))
    }

    pub(super) fn take_skeleton(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        self.expect_items()?;
        let is_one_way = self.they_want() != self.we_want();
        let fits = is_one_way && matches!(self.arriving.items, Items::Nothing);
        if !fits || self.guessing.their_skeleton.is_some() {
            return Err(Violation::Turn("a skeleton"));
        }
        self.guessing.their_skeleton = Some(reader.u32()?);
        self.arriving.offered = true;
        Ok(())
    }

    /// Whether so many records would travel, and in such a place, that renamed directories are likely.
    pub(super) fn is_worth_a_guess(&mut self) -> Result<bool, Violation> {
        let Some(skeleton) = self.guessing.their_skeleton else { return Ok(false) };
        let own = self.unmatched_rows();
        let (ours, theirs) = (own.len(), self.their_unmatched()? as usize);
        let (given, taken, held) = match self.we_want() {
            true => (theirs, ours, self.side.tree.rows() as u64),
            false => (ours, theirs, self.their_entries()),
        };
        let is_open = self.guessing.questions == 0 && is_movable(self.side.tree.lane());
        // An offer takes a step, and by the last one the records must be on their way.
        let is_early = self.we_want() || (!self.guessing.told_skeleton && self.step <= OFFER_STEPS_MAX);
        if !is_open || !is_early || given < GUESS_ROWS_MIN || held < GUESS_FOUND_ROWS_MIN {
            return Ok(false);
        }
        // Rows that only the giver has; or many side by side, where scattered changes would leave some alone.
        let is_lumped = given.saturating_sub(taken) >= GUESS_ROWS_MIN || own.longest() >= GUESS_ROWS_MIN;
        Ok(is_lumped && self.folders().skeleton() != skeleton)
    }

    /// Gives the other end the chance to ask before anything else is told.
    pub(super) fn offer(&mut self, matched: Option<(Bits, [u8; 16])>) -> Result<(), Violation> {
        self.begin_answer(matched);
        self.tell_skeleton();
        Ok(())
    }

    pub(super) fn begin_guessing(&mut self, waiting: Option<(Bits, [u8; 16])>) -> Result<(), Violation> {
        self.guessing.waiting = Some(waiting);
        self.ask(vec![RelPath::default()]);
        Ok(())
    }

    fn ask(&mut self, paths: Vec<RelPath>) {
        self.welcome();
        self.halves += 1;
        self.guessing.questions += 1;
        let mut question = vec![tag::QUESTION];
        outline::write_question(&paths, &mut question);
        self.outbox.push(Part::Ready(question));
        self.guessing.asked = paths;
    }

    pub(super) fn take_question(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        // The giver waits for matches of what it told, or for another word.
        let gives = self.guessing.told_skeleton && !self.gave_records && self.is_fresh();
        if !gives || self.guessing.questions == OUTLINE_QUESTIONS_MAX || self.guessing.their_own.is_some() {
            return Err(Violation::Turn("a question"));
        }
        self.guessing.questions += 1;
        self.arriving.items = Items::Question(outline::read_question(reader)?);
        Ok(())
    }

    pub(super) fn answer_question(&mut self, paths: &[RelPath]) -> Result<(), Violation> {
        self.halves += 2;
        let lane = self.side.tree.lane();
        let (listing, guessing) = (&self.side.listing, &mut self.guessing);
        let folders = guessing.folders.get_or_insert_with(|| Folders::of(listing));
        let bodies = guessing.bodies.get_or_insert_with(|| Bodies::of(listing, lane));
        let mut outlines = vec![tag::OUTLINES];
        outline::answer(listing, (folders, bodies), paths, &mut outlines)?;
        self.outbox.push(Part::Ready(outlines));
        Ok(())
    }

    pub(super) fn take_outlines(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        if self.guessing.asked.is_empty() || !self.is_fresh() {
            return Err(Violation::Turn("outlines"));
        }
        let asked = std::mem::take(&mut self.guessing.asked);
        self.arriving.items = Items::Outlines;
        outline::read_outlines(reader, asked, &mut self.guessing.known)
    }

    /// Asks on, begins anew with what was found, or goes on as if nothing had been asked.
    pub(super) fn go_on_guessing(&mut self) -> Result<(), Violation> {
        self.halves += 1;
        let lane = self.side.tree.lane();
        let (listing, guessing) = (&self.side.listing, &mut self.guessing);
        let folders = guessing.folders.get_or_insert_with(|| Folders::of(listing));
        let bodies = guessing.bodies.get_or_insert_with(|| Bodies::of(listing, lane));
        let found = outline::guess(listing, (folders, bodies), &guessing.known);
        if !found.ask.is_empty() && guessing.questions < OUTLINE_QUESTIONS_MAX {
            self.ask(found.ask);
            return Ok(());
        }
        let waiting = guessing.waiting.take().ok_or(Violation::Turn("outlines"))?;
        let stand_in = (found.rows >= GUESS_FOUND_ROWS_MIN).then(|| StandIn::new(&self.side, folders, found.overlays));
        // What does not fit a listing is told as records.
        let Some(Ok((side, stand_in))) = stand_in else { return self.answer(waiting) };
        self.guessing.stand_in = Some(stand_in);
        self.side = side;
        self.begin_with_stand_in()
    }

    fn begin_with_stand_in(&mut self) -> Result<(), Violation> {
        self.restart();
        self.count_step();
        if self.their == Some(self.our_set()) {
            self.outbox.push(Part::Ready(vec![tag::DONE]));
            return self.finish_equal();
        }
        let mut section = vec![tag::STAND_IN];
        self.our_set().encode(&mut section);
        self.outbox.push(Part::Ready(section));
        self.push_levels();
        Ok(())
    }

    pub(super) fn take_stand_in(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        if self.guessing.questions == 0 || self.we_want() || self.guessing.their_own.is_some() || !self.is_fresh() {
            return Err(Violation::Turn("a stand-in"));
        }
        self.guessing.their_own = self.their;
        self.their = Some(Their::read(reader)?);
        self.restart();
        self.arriving.opened = true;
        Ok(())
    }

    /// Whether the other end can have all it wants: our records, or directories that it found in its own.
    pub(super) const fn may_be_done(&self) -> bool {
        self.gave_records || self.guessing.questions > 0
    }

    /// What differs from our own side, where another stood in for it.
    pub(super) fn settle_guess(&self, differing: Vec<Pair>) -> Vec<Pair> {
        match &self.guessing.stand_in {
            Some(stand_in) => stand_in.settle(&self.side.listing, differing),
            None => differing,
        }
    }
}
