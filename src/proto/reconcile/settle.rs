//! Their records against our unmatched rows: a merge of two sorted runs that yields what differs.

use std::cmp::Ordering;

use super::ids::{Bits, Seal};
use super::nodes::{Runs, Walk};
use super::{Pair, Side};
use crate::model::digest::Digest;
use crate::model::entry::{Entry, Kind, Record};
use crate::model::path::compare;
use crate::proto::record::Order;
use crate::proto::violation::Violation;

/// Pairs for which there is room at first.
const PAIRS_AT_FIRST_MAX: usize = 1 << 18;

/// A merge under way; records come in tree order.
#[derive(Debug)]
pub struct Settle {
    rows: Walk,
    /// Records seen.
    pub seen: u64,
    /// Whether a batch of whole records has come.
    pub begun: bool,
    /// Where the batches stand.
    pub order: Order,
    /// Our rows of which they hold the same bytes, for slim records.
    slim: Walk,
    slim_pairs: Vec<Pair>,
    settled: Settled,
    scratch: Vec<u8>,
}

/// What the merge yields.
#[derive(Debug)]
pub struct Settled {
    /// The paths that differ, in tree order.
    pub pairs: Vec<Pair>,
    /// Our rows among them.
    pub unmatched: Runs,
    /// One bit a record: whether we hold exactly that.
    pub bits: Bits,
    /// The seal of our rows that they hold as well.
    pub seal: Seal,
}

impl Settle {
    /// `rows` are told whole, `slim` those of which they hold the same bytes; `theirs` is how many records are to come.
    pub fn new(rows: Runs, slim: Runs, salt: [u8; 16], theirs: u64) -> Settle {
        // Room that is not filled costs addresses, not memory; room that grows is paid for twice. What a peer says it
        // has is believed so far and no further.
        let most = (theirs as usize).saturating_add(rows.len()).min(PAIRS_AT_FIRST_MAX);
        let settled = Settled {
            pairs: Vec::with_capacity(most),
            unmatched: Runs::default(),
            bits: Bits::default(),
            seal: Seal::new(salt),
        };
        Settle {
            rows: Walk::new(rows),
            seen: 0,
            begun: false,
            order: Order::default(),
            slim: Walk::new(slim),
            slim_pairs: Vec::new(),
            settled,
            scratch: Vec::new(),
        }
    }

    /// Takes their next slim record: the rest of it is what our row says.
    pub fn take_slim(&mut self, side: &Side, mut entry: Entry) -> Result<(), Violation> {
        let index = self.slim.peek().ok_or(Violation::Count("records"))?;
        let row = side.listing.row(index as usize);
        // What was too long to send comes as unreadable.
        if entry.kind != row.kind() && entry.kind != Kind::Unreadable {
            return Err(Violation::Contradiction);
        }
        if entry.kind == Kind::File {
            (entry.size, entry.content) = (row.size(), row.content());
        }
        let path = row.path();
        if self.equal(side, index, &entry).is_none() {
            self.slim_pairs.push(Pair { path: path.to_owned(), ours: Some(index as usize), theirs: Some(entry) });
        }
        self.seen += 1;
        self.slim.step();
        Ok(())
    }

    /// Whether all slim records have come.
    pub fn is_slim_done(&self) -> bool {
        self.slim.peek().is_none()
    }

    /// Takes their next record.
    pub fn take(&mut self, side: &Side, record: Record) -> Result<(), Violation> {
        self.seen += 1;
        while let Some(index) = self.rows.peek() {
            let row = side.listing.row(index as usize);
            match compare(row.path().as_bytes(), record.path.as_bytes()) {
                Ordering::Less => self.ours_alone(side, index),
                Ordering::Equal => {
                    self.both(side, index, record);
                    return Ok(());
                }
                Ordering::Greater => break,
            }
        }
        // A path that we hold and that was matched: then their matches and their records contradict each other.
        if side.listing.find(record.path.as_ref()).is_ok() {
            return Err(Violation::Contradiction);
        }
        self.settled.bits.push(false);
        self.settled.pairs.push(Pair { path: record.path, ours: None, theirs: Some(record.entry) });
        Ok(())
    }

    /// All records have come.
    pub fn finish(mut self, side: &Side) -> Settled {
        while let Some(index) = self.rows.peek() {
            self.ours_alone(side, index);
        }
        if !self.slim_pairs.is_empty() {
            self.settled.pairs.append(&mut self.slim_pairs);
            self.settled.pairs.sort_by(|left, right| left.path.cmp(&right.path));
            let rows = self.settled.pairs.iter().filter_map(|pair| pair.ours);
            self.settled.unmatched = rows.fold(Runs::default(), |mut runs, row| {
                runs.push(row as u32);
                runs
            });
        }
        self.settled
    }

    fn ours_alone(&mut self, side: &Side, index: u32) {
        let path = side.listing.row(index as usize).path().to_owned();
        self.settled.pairs.push(Pair { path, ours: Some(index as usize), theirs: None });
        self.settled.unmatched.push(index);
        self.rows.step();
    }

    fn both(&mut self, side: &Side, index: u32, record: Record) {
        let equal = self.equal(side, index, &record.entry);
        self.settled.bits.push(equal.is_some());
        if let Some(digest) = equal {
            self.settled.seal.add(&digest);
        } else {
            let pair = Pair { path: record.path, ours: Some(index as usize), theirs: Some(record.entry) };
            self.settled.pairs.push(pair);
            self.settled.unmatched.push(index);
        }
        self.rows.step();
    }

    /// The digest of our row, where theirs is equal. Kind and time are part of every lane, so most that differ are not hashed.
    fn equal(&mut self, side: &Side, index: u32, theirs: &Entry) -> Option<Digest> {
        let row = side.listing.row(index as usize);
        if theirs.kind != row.kind() || (theirs.kind != Kind::Unreadable && theirs.mtime != row.mtime()) {
            return None;
        }
        let digest = side.row_digest(index, &mut self.scratch);
        (digest == side.tree.lane().digest_entry(row.path(), theirs)).then_some(digest)
    }
}
