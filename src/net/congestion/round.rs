//! One round: from one moment to the acknowledgement of what was sent after it. What was delivered, lost and seen of the path meanwhile.

use std::time::Duration;

/// What a round showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Bytes a second that arrived.
    pub(super) rate: f64,
    /// The shortest round trip.
    pub(super) rtt: Duration,
    /// The part of what was sent that was lost.
    pub(super) loss: f64,
    /// How many bytes were lost.
    pub(super) lost: u64,
    /// Whether there was less to send than the window allowed, so that the rate says little of the path.
    pub(super) limited: bool,
}

/// The round that is going on.
#[derive(Debug, Clone)]
pub(super) struct Round {
    begun: Duration,
    delivered: u64,
    lost: u64,
    rtt: Duration,
    limited: bool,
}

impl Round {
    pub(super) const fn begin(now: Duration) -> Self {
        Self { begun: now, delivered: 0, lost: 0, rtt: Duration::MAX, limited: false }
    }

    pub(super) fn delivered(&mut self, bytes: u64, rtt: Duration, limited: bool) {
        self.delivered += bytes;
        self.rtt = self.rtt.min(rtt);
        self.limited |= limited;
    }

    pub(super) const fn lost(&mut self, bytes: u64) {
        self.lost += bytes;
    }

    /// Whether the acknowledgement of what was sent at `sent` ends this round.
    pub(super) fn ends_with(&self, sent: Duration) -> bool {
        sent >= self.begun
    }

    pub(super) fn seen(&self, now: Duration) -> Seen {
        let seconds = now.saturating_sub(self.begun).as_secs_f64().max(1e-6);
        let all = (self.delivered + self.lost).max(1);
        Seen {
            rate: self.delivered as f64 / seconds,
            rtt: self.rtt,
            loss: self.lost as f64 / all as f64,
            lost: self.lost,
            limited: self.limited,
        }
    }
}
