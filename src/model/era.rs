//! Whether two memories of one replica id tell the same story. Owns the comparison; random tokens come from the caller.
//!
//! Each time a memory is opened for writing, it begins an *era*: the counter of its next write and a random token. Eras are
//! never continued by a later opening. A memory that was restored or cloned has to open before it writes, so its writes
//! are in an era of its own token, and every number that names two writes lies behind the point where the eras part.
//!
//! Every replica keeps the eras of every id that it knows of, and two that meet compare them **before any join**:
//! - Own id, and a peer knows eras or counters of it that this memory does not: this memory was restored or cloned. It takes
//!   a new id, and recuts the old one.
//! - Any id whose eras part: one side *recuts*. It records again, under its own dots, every version with a dot of that id
//!   behind the parting, and **forgets those dots in K** ([`Knowledge::forget_after`](super::Knowledge::forget_after)).
//!   Without the latter it would pass for having seen, and deleted, the other side's writes of the same names.
//!
//! Start at [`Eras`].

/// The eras of one replica id, as one memory knows them: first counter and token, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Eras {
    eras: Vec<Era>,
}

/// What was written between one opening of a memory and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Era {
    /// Counter of its first write.
    pub first: u64,
    /// Random.
    pub token: u64,
}

impl Eras {
    /// Begins an era. One that had no write gives way.
    pub fn begin(&mut self, era: Era) {
        self.eras.retain(|before| before.first < era.first);
        self.eras.push(era);
    }

    /// The eras.
    pub fn iter(&self) -> std::slice::Iter<'_, Era> {
        self.eras.iter()
    }

    /// The last counter that names the same write in both stories; `None` where one story is a beginning of the other.
    pub fn parting(&self, other: &Eras) -> Option<u64> {
        let same = self.eras.iter().zip(&other.eras).take_while(|(left, right)| left == right).count();
        let (left, right) = (self.eras.get(same)?, other.eras.get(same)?);
        Some(left.first.min(right.first).saturating_sub(1))
    }
}
