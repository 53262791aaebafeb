//! When a process that was just started is ready for a signal.

use std::process::Child;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::Signal;

/// Longer than any start takes.
const START: Duration = Duration::from_secs(60);

/// Waits until a child handles a signal itself: sent before, the signal would end it by its default.
#[track_caller]
pub fn await_handler(child: &Child, signal: Signal) {
    let until = Instant::now() + START;
    while !handles(child.id(), signal) {
        assert!(Instant::now() < until, "the process never handles {signal:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the signal is among those that a process catches, by the kernel's word.
fn handles(process: u32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal.as_raw() - 1) & 1 == 1
}
