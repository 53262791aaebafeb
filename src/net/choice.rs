//! Which QUIC connection carries a link's streams, and how long a stream waits for one before it goes through the pipe.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::lane::Lane;
use super::quic::{Quic, Receiving, Sending};

/// Content waits for QUIC at least so long after the link began.
const WAIT_MIN: Duration = Duration::from_millis(300);
/// And so many round trips of the pipe, where that is longer.
const WAIT_ROUND_TRIPS: u32 = 3;

/// The choice of a link; made once.
#[derive(Debug)]
pub(super) struct Choice {
    chosen: OnceLock<Quic>,
    lane: Arc<Lane>,
    /// Cancelled when nothing is to be waited for any more.
    settled: CancellationToken,
    began: Instant,
}

impl Choice {
    pub(super) fn new() -> Arc<Self> {
        let (lane, settled) = (Arc::default(), CancellationToken::new());
        Arc::new(Self { chosen: OnceLock::new(), lane, settled, began: Instant::now() })
    }

    /// The connection, where there is one and it has not ended.
    pub(super) fn quic(&self) -> Option<&Quic> {
        self.chosen.get().filter(|quic| quic.is_up())
    }

    /// Where the control stream goes on.
    pub(super) fn lane(&self) -> Arc<Lane> {
        Arc::clone(&self.lane)
    }

    /// Takes this connection and its first stream; false where another was taken before.
    pub(super) fn take(&self, quic: &Quic, first: (Sending, Receiving)) -> bool {
        let is_first = self.chosen.set(quic.clone()).is_ok();
        if is_first {
            self.lane.put(first);
            self.settled.cancel();
        }
        is_first
    }

    /// Nothing is waited for any more. A connection that comes all the same is taken.
    pub(super) fn give_up(&self) {
        self.settled.cancel();
    }

    /// Whether there is no connection although none is waited for any more; `None` while one may come.
    pub(super) fn is_missing(&self, rtt: Option<Duration>) -> Option<bool> {
        let late = rtt.is_some_and(|rtt| self.began.elapsed() > WAIT_MIN.max(rtt * WAIT_ROUND_TRIPS));
        match self.chosen.get() {
            Some(_) => Some(false),
            None => (late || self.settled.is_cancelled()).then_some(true),
        }
    }

    /// Waits for a connection as long as that is worth it, once.
    pub(super) async fn settle(&self, rtt: impl Fn() -> Option<Duration>) {
        let long_enough = async {
            tokio::time::sleep(WAIT_MIN.saturating_sub(self.began.elapsed())).await;
            // Where the pipe itself has not answered yet, QUIC has no reason to be faster.
            let rtt = loop {
                match rtt() {
                    Some(rtt) => break rtt,
                    None => tokio::time::sleep(WAIT_MIN / 10).await,
                }
            };
            tokio::time::sleep((rtt * WAIT_ROUND_TRIPS).saturating_sub(self.began.elapsed())).await;
        };
        tokio::select! {
            () = self.settled.cancelled() => {}
            () = long_enough => self.give_up(),
        }
    }
}
