//! Counters that long jobs turn and others read, and the flag that asks a job to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a scan or an install has done so far. Read at any time from any thread.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Entries seen by the walk.
    pub entries: AtomicU64,
    /// Files opened to be hashed.
    pub files_opened: AtomicU64,
    /// Bytes read and hashed.
    pub bytes_hashed: AtomicU64,
    /// Files put in place.
    pub files_done: AtomicU64,
    /// Bytes of content that came from the source, or would have, had they not been here.
    pub bytes_done: AtomicU64,
    /// Those of them that were here: in an old version, or in what an earlier run left.
    pub bytes_reused: AtomicU64,
    stop: AtomicBool,
}

impl Gauge {
    /// Asks every job that holds this gauge to stop at the next file.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the job shall stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Files and bytes put in place so far.
    pub fn done(&self) -> (u64, u64) {
        (self.files_done.load(Ordering::Relaxed), self.bytes_done.load(Ordering::Relaxed))
    }

    /// Bytes that did not have to come.
    pub fn reused(&self) -> u64 {
        self.bytes_reused.load(Ordering::Relaxed)
    }

    /// Sets one of the counters to what another machine told.
    pub fn set(counter: &AtomicU64, amount: u64) {
        counter.store(amount, Ordering::Relaxed);
    }

    /// Adds to one of the counters.
    pub fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}
