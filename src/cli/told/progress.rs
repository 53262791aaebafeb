//! How far a job is: what the counters say at one moment, and how fast it goes. Pure; time is an argument.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::cli::quantity;
use crate::model::plan::Totals;
use crate::sync::report::Gauges;

/// A smoothed rate forgets by half in about this time.
const MEMORY: Duration = Duration::from_secs(3);

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Progress {
    /// What is going on.
    pub phase: Phase,
    /// Entries seen on both sides.
    pub entries: u64,
    /// Bytes hashed on both sides.
    pub hashed_bytes: u64,
    /// Files put in place.
    pub files: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Files that shall be put in place, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_total: Option<u64>,
    /// Bytes that shall come, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<u64>,
}

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The roots are read and compared.
    #[default]
    Scan,
    /// The target is written.
    Transfer,
}

impl Progress {
    /// Reads the counters.
    pub fn read(gauges: &Gauges, totals: Option<&Totals>) -> Progress {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Progress {
            phase: if totals.is_some() { Phase::Transfer } else { Phase::Scan },
            entries: get(&gauges.left.entries) + get(&gauges.right.entries),
            hashed_bytes: get(&gauges.left.bytes_hashed) + get(&gauges.right.bytes_hashed),
            files: get(&gauges.right.files_done),
            bytes: get(&gauges.right.bytes_done),
            files_total: totals.map(|totals| totals.files),
            bytes_total: totals.map(|totals| totals.bytes),
        }
    }

    /// One line for a terminal.
    pub fn text(&self, pace: &Pace) -> String {
        let (Some(files), Some(bytes)) = (self.files_total, self.bytes_total) else {
            let hashed = quantity::bytes(self.hashed_bytes);
            return format!("{} entries scanned, {hashed} hashed", self.entries);
        };
        let done = format!("{}/{files} files, {}/{}", self.files, quantity::bytes(self.bytes), quantity::bytes(bytes));
        let rate = pace.rate();
        if rate == 0 {
            return done;
        }
        let left = quantity::left(bytes.saturating_sub(self.bytes).div_ceil(rate));
        format!("{done}, {}/s, {left} left", quantity::bytes(rate))
    }

    /// How much of the whole is done, in thousandths; files count where no bytes move.
    pub fn permille(&self) -> u64 {
        let part = |done: u64, total: u64| (u128::from(done.min(total)) * 1000 / u128::from(total)) as u64;
        match (self.bytes_total, self.files_total) {
            (Some(total @ 1..), _) => part(self.bytes, total),
            (_, Some(total @ 1..)) => part(self.files, total),
            _ => 0,
        }
    }
}

/// How fast bytes come: an average that forgets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    last: Option<(Duration, u64)>,
    bytes_per_second: f64,
}

impl Pace {
    /// Takes note of the bytes that have come at a moment since the start.
    pub fn note(&mut self, at: Duration, bytes: u64) {
        if let Some((before, had)) = self.last.filter(|&(before, _)| before < at) {
            let passed = (at - before).as_secs_f64();
            let now = bytes.saturating_sub(had) as f64 / passed;
            let weight = 0.5_f64.powf(passed / MEMORY.as_secs_f64());
            let old = if self.bytes_per_second == 0.0 { now } else { self.bytes_per_second };
            self.bytes_per_second = old * weight + now * (1.0 - weight);
        }
        self.last = Some((at, bytes));
    }

    /// Bytes a second.
    pub fn rate(&self) -> u64 {
        self.bytes_per_second as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_way() -> Progress {
        Progress {
            phase: Phase::Transfer,
            files: 5,
            bytes: 50_000_000,
            files_total: Some(10),
            bytes_total: Some(100_000_000),
            ..Progress::default()
        }
    }

    #[test]
    fn a_steady_pace_tells_the_time_left() {
        let mut pace = Pace::default();
        for second in 0..=10 {
            pace.note(Duration::from_secs(second), second * 5_000_000);
        }
        assert_eq!(pace.rate(), 5_000_000);
        assert_eq!(half_way().text(&pace), "5/10 files, 50.0 MB/100.0 MB, 5.0 MB/s, 10 s left");
    }

    #[test]
    fn before_the_plan_the_scan_is_told() {
        let scan = Progress { entries: 1234, hashed_bytes: 2000, ..Progress::default() };
        assert_eq!(scan.text(&Pace::default()), "1234 entries scanned, 2.0 kB hashed");
    }

    #[test]
    fn files_count_where_no_bytes_move() {
        assert_eq!(half_way().permille(), 500);
        assert_eq!(Progress { bytes_total: Some(0), ..half_way() }.permille(), 500);
        assert_eq!(Progress { bytes_total: Some(0), files_total: Some(0), ..half_way() }.permille(), 0);
    }
}
