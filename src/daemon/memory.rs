//! Memory that is free goes back to the system when a share has come to rest: what its threads keep for what may come next is
//! then held for nothing.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::disk::hash::Cores;

/// Gives back what the allocator keeps for the thread that calls it.
pub type GiveBack = fn();

/// What gives memory back, in every thread of the daemon that lasts.
pub struct Memory {
    give_back: GiveBack,
    /// How often all were asked.
    asked: AtomicU64,
    main: Notify,
}

thread_local! {
    /// What a thread has followed of what was asked.
    static FOLLOWED: Cell<u64> = const { Cell::new(0) };
}

impl Memory {
    /// Nothing is given back until it is asked for.
    pub const fn new(give_back: GiveBack) -> Memory {
        Memory { give_back, asked: AtomicU64::new(0), main: Notify::const_new() }
    }

    /// Asks every thread for what it does not need.
    pub fn rests(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.main.notify_one();
        Cores::each(self.give_back);
    }

    /// A thread of the runtime has nothing to do.
    pub fn parks(&self) {
        let asked = self.asked.load(Ordering::Relaxed);
        if FOLLOWED.replace(asked) != asked {
            (self.give_back)();
        }
    }

    /// Serves the thread that started the daemon, for ever.
    pub async fn serve(&self) {
        loop {
            self.main.notified().await;
            (self.give_back)();
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Memory").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Arc, Mutex, OnceLock};
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    use super::*;

    /// A function has no memory of its own: who gave back is told here.
    static GAVE: OnceLock<Mutex<Sender<ThreadId>>> = OnceLock::new();

    fn give_back() {
        let gave = GAVE.get().expect("the test has begun").lock().expect("no thread panics");
        gave.send(thread::current().id()).expect("the test goes on");
    }

    #[test]
    fn every_thread_gives_back_once_each_time_it_is_asked() {
        let (gave, heard) = channel();
        GAVE.set(Mutex::new(gave)).expect("one test");
        let next = || heard.recv_timeout(Duration::from_secs(60)).expect("a thread gives back");
        let memory = Arc::new(Memory::new(give_back));
        memory.parks();
        assert!(heard.try_recv().is_err(), "nobody asked");
        memory.rests();
        // Those that compute, each in its own time.
        let cores = thread::available_parallelism().expect("known").get();
        (0..cores).for_each(|_| assert_ne!(next(), thread::current().id()));
        memory.parks();
        memory.parks();
        assert_eq!(next(), thread::current().id());
        assert!(heard.try_recv().is_err(), "once");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let served = Arc::clone(&memory);
        runtime.spawn(async move { served.serve().await });
        runtime.block_on(tokio::task::yield_now());
        assert_eq!(next(), thread::current().id(), "the one that began");
    }
}
