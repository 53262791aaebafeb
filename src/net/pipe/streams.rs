//! The streams of a session that somebody still holds: where their data goes and what they may send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::super::life::Fault;
use super::super::queue::{Consumer, End, Producer, queue};
use super::{STREAMS_MAX, Side, WINDOW};

/// Where a stream's data goes, and what may still be sent on it.
#[derive(Debug)]
struct Entry {
    producer: Producer,
    credit: Arc<Semaphore>,
}

#[derive(Debug)]
struct Table {
    entries: HashMap<u32, Entry>,
    /// Our next number.
    next: u32,
    /// The peer's last number.
    last: u32,
    /// How many entries the peer opened.
    theirs: usize,
    /// How many of ours the peer still holds.
    ours: usize,
    /// Set when the link ends: no stream can be opened any more.
    closed: bool,
}

/// All streams of a session.
#[derive(Debug)]
pub(super) struct Streams {
    table: Mutex<Table>,
    side: Side,
}

/// The peer broke a rule; says which.
pub(super) type Broken = &'static str;

impl Streams {
    pub(super) fn new(side: Side) -> Self {
        let (next, last) = match side {
            Side::Client => (1, 0),
            Side::Server => (2, 0),
        };
        let table = Table { entries: HashMap::new(), next, last, theirs: 0, ours: 0, closed: false };
        Self { table: Mutex::new(table), side }
    }

    /// No code panics while it holds the lock, so a poisoned table is whole.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our next stream. `announce` runs under the lock, so that the numbers reach the peer in order.
    pub(super) fn open(&self, announce: impl FnOnce(u32)) -> Option<(u32, Arc<Semaphore>, Consumer)> {
        let mut table = self.lock();
        let id = table.next;
        if table.closed {
            return None;
        }
        table.next = id.checked_add(2)?;
        table.ours += 1;
        announce(id);
        let (credit, consumer) = table.enter(id);
        Some((id, credit, consumer))
    }

    /// The peer's next stream.
    pub(super) fn accept(&self, id: u32) -> Result<(Arc<Semaphore>, Consumer), Broken> {
        let mut table = self.lock();
        if self.is_ours(id) || id <= table.last {
            return Err("it opened a stream with a wrong number");
        }
        if table.theirs >= STREAMS_MAX {
            return Err("it opened too many streams");
        }
        table.last = id;
        table.theirs += 1;
        Ok(table.enter(id))
    }

    fn is_ours(&self, id: u32) -> bool {
        let odd = id % 2 == 1;
        match self.side {
            Side::Client => odd,
            Side::Server => !odd,
        }
    }

    /// Forgets a stream that nobody holds; whether the peer opened it and is to hear of it.
    pub(super) fn remove(&self, id: u32) -> bool {
        let mut table = self.lock();
        let theirs = table.entries.remove(&id).is_some() && !self.is_ours(id);
        if theirs {
            table.theirs -= 1;
        }
        theirs
    }

    /// The peer let go of one of our streams.
    pub(super) fn gone(&self) -> Result<(), Broken> {
        let mut table = self.lock();
        table.ours = table.ours.checked_sub(1).ok_or("it let go of a stream that it did not hold")?;
        Ok(())
    }

    /// Data for a stream. What nobody holds any more is dropped: it was sent before the peer heard of that.
    pub(super) fn data(&self, id: u32, data: Bytes) -> Result<(), Broken> {
        match self.lock().entries.get(&id) {
            Some(entry) => entry.producer.push_now(data).map_err(|_| "it sent more than its credit"),
            None => Ok(()),
        }
    }

    pub(super) fn end(&self, id: u32, end: End) {
        if let Some(entry) = self.lock().entries.get(&id) {
            entry.producer.end(end);
        }
    }

    pub(super) fn stop(&self, id: u32) {
        if let Some(entry) = self.lock().entries.get(&id) {
            entry.credit.close();
        }
    }

    pub(super) fn credit(&self, id: u32, amount: u32) -> Result<(), Broken> {
        if let Some(entry) = self.lock().entries.get(&id) {
            if entry.credit.available_permits() + amount as usize > WINDOW {
                return Err("it gave more credit than a stream can have");
            }
            entry.credit.add_permits(amount as usize);
        }
        Ok(())
    }

    /// The link has ended: every stream that did not end by itself ends with it.
    pub(super) fn fail(&self, fault: &Fault) {
        let mut table = self.lock();
        table.closed = true;
        for entry in table.entries.values() {
            entry.producer.end(End::Fault(fault.clone()));
            entry.credit.close();
        }
    }
}

impl Table {
    fn enter(&mut self, id: u32) -> (Arc<Semaphore>, Consumer) {
        let (producer, consumer) = queue(WINDOW);
        let credit = Arc::new(Semaphore::new(WINDOW));
        self.entries.insert(id, Entry { producer, credit: credit.clone() });
        (credit, consumer)
    }
}
