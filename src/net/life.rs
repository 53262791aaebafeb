//! Whether the peer is still there: one place that knows why a link ended, asked by every stream of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::{Cause, Error};
use super::pace::{Pace, Throttle};

/// Why a link ended.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    Lost(String),
    TimedOut(Duration),
    Violation(String),
    Closed,
}

impl Fault {
    pub(super) fn error(&self, peer: &str) -> Error {
        let peer = peer.to_owned();
        match self {
            Self::Lost(cause) => Error::Lost { peer, source: Cause(cause.clone()) },
            Self::TimedOut(after) => Error::TimedOut { peer, after: *after },
            Self::Violation(what) => Error::Violation { peer, source: Cause(what.clone()) },
            Self::Closed => Error::Lost { peer, source: Cause("the link was closed".to_owned()) },
        }
    }
}

/// The life of one link. The first fault is the one that counts.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) peer: Arc<str>,
    /// Silence for so long ends it.
    pub(super) timeout: Duration,
    /// What the user allows to be sent.
    throttle: Option<Arc<Throttle>>,
    fault: OnceLock<Fault>,
    /// Cancelled when the link has ended, for whatever reason.
    pub(super) ended: CancellationToken,
    /// Cancelled when the peer has said that it wants nothing more.
    pub(super) bye: CancellationToken,
}

impl Life {
    pub(super) fn new(peer: &str, timeout: Duration) -> Arc<Self> {
        Self::paced(peer, timeout, Pace::default())
    }

    pub(super) fn paced(peer: &str, timeout: Duration, pace: Pace) -> Arc<Self> {
        Self::limited(peer, timeout, pace.limit.map(|limit| Arc::new(Throttle::new(Some(limit)))))
    }

    /// One of several that share a limit.
    pub(super) fn sharing(peer: &str, timeout: Duration, throttle: &Arc<Throttle>) -> Arc<Self> {
        Self::limited(peer, timeout, Some(Arc::clone(throttle)))
    }

    fn limited(peer: &str, timeout: Duration, throttle: Option<Arc<Throttle>>) -> Arc<Self> {
        let (ended, bye) = (CancellationToken::new(), CancellationToken::new());
        Arc::new(Self { peer: peer.into(), timeout, throttle, fault: OnceLock::new(), ended, bye })
    }

    /// What the user allows to be sent, where there is a limit now.
    pub(super) fn throttle(&self) -> Option<&Throttle> {
        self.throttle.as_deref().filter(|throttle| throttle.is_on())
    }

    pub(super) fn end(&self, fault: Fault) {
        // A second fault is a consequence of the first.
        let _ = self.fault.set(fault);
        self.ended.cancel();
    }

    pub(super) fn fault(&self) -> Fault {
        self.fault.get().cloned().unwrap_or(Fault::Closed)
    }

    pub(super) fn error(&self) -> Error {
        self.fault().error(&self.peer)
    }
}

/// Counts what a link sent and received, over all its carriers.
#[derive(Debug, Default)]
pub(super) struct Meter {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Meter {
    pub(super) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}
