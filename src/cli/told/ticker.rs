//! The thread that looks at the counters five times a second.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::desk::Desk;

/// At most five progress events a second.
const INTERVAL: Duration = Duration::from_millis(200);

/// Ticks until it is dropped.
pub struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts to tick. Where no thread can be started, nothing ticks, and the job runs all the same.
    pub fn start(desk: Arc<Desk>) -> Ticker {
        let (stop, stopped) = mpsc::channel::<()>();
        let tick = move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                desk.tick();
            }
        };
        let thread = thread::Builder::new().name("progress".into()).spawn(tick).ok();
        Ticker { stop: Some(stop), thread }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
