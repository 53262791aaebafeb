//! Their records against our unmatched rows: a merge of two sorted runs that yields what differs.

use std::cmp::Ordering;

use super::nodes::{Bits, Runs, Seal, Walk};
use super::{Pair, Side};
use crate::model::entry::Record;
use crate::model::path::compare;
use crate::proto::record::Order;
use crate::proto::violation::Violation;

/// A merge under way; records come in tree order.
#[derive(Debug)]
pub struct Settle {
    rows: Walk,
    /// Records seen.
    pub seen: u64,
    /// Where the batches stand.
    pub order: Order,
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
    pub fn new(rows: Runs, salt: [u8; 16]) -> Settle {
        let settled =
            Settled { pairs: Vec::new(), unmatched: Runs::default(), bits: Bits::default(), seal: Seal::new(salt) };
        Settle { rows: Walk::new(rows), seen: 0, order: Order::default(), settled, scratch: Vec::new() }
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
        self.settled.pairs.push(Pair { path: record.path.clone(), ours: None, theirs: Some(record) });
        Ok(())
    }

    /// All records have come.
    pub fn finish(mut self, side: &Side) -> Settled {
        while let Some(index) = self.rows.peek() {
            self.ours_alone(side, index);
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
        let digest = side.digest(0, index, &mut self.scratch);
        let equal = digest == side.tree.lane().digest_entry(record.path.as_ref(), &record.entry);
        self.settled.bits.push(equal);
        if equal {
            self.settled.seal.add(&digest);
        } else {
            let pair = Pair { path: record.path.clone(), ours: Some(index as usize), theirs: Some(record) };
            self.settled.pairs.push(pair);
            self.settled.unmatched.push(index);
        }
        self.rows.step();
    }
}
