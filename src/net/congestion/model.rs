//! The model of a path and the window that follows from it.
//!
//! In the manner of BBR (Cardwell et al. 2016) and of what came after it, cut down to one number, the window: what paces the packets
//! takes its rate from the window too. The rate is the greatest of the last rounds, the delay is the shortest round trip of the last
//! seconds, and the window is their product and a small queue. Losses below a part do not matter, above it they make the window yield.
//!
//! ```text
//! grow ──(a queue, a lossy round, or no more rate)──► hold ──(one round)──► drain ──► cruise ──► probe ──► drain, or grow again
//! ```
//! - *grow*: the window doubles every round.
//! - *hold*: the window stands for a round, so that the rate of the full path is measured.
//! - *drain*: the window is less than the path holds, so that the queue goes and the round trip shows itself.
//! - *probe*: the window is a quarter larger for a round; where that brought more rate, it grows again.
//!
//! Where the queue does not go although we drained our part of it, somebody else fills it, by losses alone as TCP's cubic does: then
//! the window is twice the product, or we would be left with nothing.

use std::time::Duration;

use super::extreme::{Greatest, Least, Recent};
use super::losses::Losses;
use super::round::{Round, Seen};

/// The shortest round trip is that of the last five to ten seconds: routes change.
const RTT_SPAN: Duration = Duration::from_secs(5);
/// Rounds over which the greatest rate counts: one whole cycle and a little.
const RATES: usize = 12;
/// Rounds between a drain and the next probe.
const CRUISE: u32 = 6;
/// The queue that we leave standing, at least: what keeps the path busy while timers are late by a millisecond or two.
const QUEUE_MIN: Duration = Duration::from_millis(4);
/// It is a part of the round trip where that is more.
const QUEUE_PART: u32 = 16;
/// A round trip that is longer by this part, and by [`QUEUE_MIN`], shows a queue.
const QUEUED_PART: u32 = 16;
const DRAINING: Phase = Phase::Drain { left: 1 };
/// Tenths of the window that stay when growing has made a queue: what was sent meanwhile made more of it.
const HELD: u64 = 7;
const PROBE: f64 = 1.25;
const DRAIN: f64 = 0.85;
/// Beside somebody who fills the queue.
const BESIDE: f64 = 2.0;
/// The rate has grown where a round brought so much more.
const GROWN: f64 = 1.1;
/// Rounds of growing without more rate.
const FLAT_MAX: u32 = 3;
/// Cycles in which the queue did not go.
const STANDING_MAX: u32 = 2;
/// Packets in flight at least.
const PACKETS_MIN: u64 = 4;
/// No window is larger: it is beyond any limit of what may be in flight.
const WINDOW_MAX: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Grow {
        flat: u32,
    },
    Hold,
    /// Two rounds: what the first shows was sent before it.
    Drain {
        left: u32,
    },
    Cruise {
        left: u32,
    },
    Probe,
    /// What the probe brought is seen one round after it.
    Judge,
}

/// A path, as far as it is known.
#[derive(Debug, Clone)]
pub(in crate::net) struct Model {
    packet: u64,
    first: u64,
    window: u64,
    phase: Phase,
    round: Round,
    rtt: Least,
    rates: Greatest<RATES>,
    /// The rate before the probe.
    base: f64,
    losses: Losses,
    /// What round trips take just now.
    recent: Recent,
    standing: u32,
}

impl Model {
    /// A path of which nothing is known; `window` may be in flight at first.
    pub(in crate::net) const fn new(now: Duration, packet: u16, window: u64) -> Self {
        Self {
            packet: packet as u64,
            first: window,
            window,
            phase: Phase::Grow { flat: 0 },
            round: Round::begin(now),
            rtt: Least::new(RTT_SPAN),
            rates: Greatest::new(),
            base: 0.0,
            losses: Losses::new(),
            recent: Recent::new(),
            standing: 0,
        }
    }

    /// Packets are this large from now on.
    pub(in crate::net) const fn resize(&mut self, packet: u16) {
        self.packet = packet as u64;
    }

    /// How many bytes may be in flight.
    pub(in crate::net) const fn window(&self) -> u64 {
        self.window
    }

    /// What may be in flight at first.
    pub(in crate::net) const fn first(&self) -> u64 {
        self.first
    }

    /// A packet of `bytes` that left at `sent` has arrived. `limited`: there is nothing more to send.
    pub(in crate::net) fn acked(&mut self, now: Duration, sent: Duration, bytes: u64, limited: bool) {
        let rtt = now.saturating_sub(sent);
        self.rtt.see(now, rtt);
        self.round.delivered(bytes, rtt, limited);
        if matches!(self.phase, Phase::Grow { .. }) && !limited {
            self.window = (self.window + bytes).min(WINDOW_MAX);
            // Not waited for until the round ends: by then the queue would be twice as long.
            if self.recent.see(now, rtt).is_some_and(|rtt| self.is_queued(rtt)) {
                self.phase = Phase::Hold;
                self.window = (self.window * HELD / 10).max(PACKETS_MIN * self.packet);
                self.round = Round::begin(now);
            }
        }
        if self.round.ends_with(sent) {
            let seen = self.round.seen(now);
            self.round = Round::begin(now);
            self.judge(&seen);
        }
    }

    /// Bytes did not arrive. `all`: nothing did for a long time.
    pub(in crate::net) fn lost(&mut self, now: Duration, bytes: u64, all: bool) {
        self.round.lost(bytes);
        if all {
            // Whatever was known is about a path that is gone.
            *self = Self::new(now, self.packet as u16, self.first);
        }
    }

    /// A round is over.
    fn judge(&mut self, seen: &Seen) {
        let before = self.rates.value();
        if !seen.limited || seen.rate > before {
            self.rates.see(seen.rate);
        }
        let lossy = self.losses.too_many(seen, self.packet);
        let growing = matches!(self.phase, Phase::Grow { .. });
        if !growing {
            self.losses.round(seen, self.packet);
        }
        self.phase = match self.phase {
            Phase::Grow { .. } if lossy => DRAINING,
            Phase::Grow { flat } if seen.limited => Phase::Grow { flat },
            Phase::Grow { .. } if seen.rate > before * PROBE => Phase::Grow { flat: 0 },
            Phase::Grow { flat } if flat + 1 < FLAT_MAX => Phase::Grow { flat: flat + 1 },
            Phase::Grow { .. } | Phase::Hold => DRAINING,
            Phase::Drain { left: 0 } => {
                self.standing = if self.is_queued(seen.rtt) { self.standing + 1 } else { 0 };
                Phase::Cruise { left: CRUISE - 1 }
            }
            Phase::Drain { left } => Phase::Drain { left: left - 1 },
            Phase::Cruise { left: 0 } if lossy || seen.limited => Phase::Cruise { left: 0 },
            Phase::Cruise { left: 0 } => {
                self.base = self.rates.value();
                Phase::Probe
            }
            Phase::Cruise { left } => Phase::Cruise { left: left - 1 },
            Phase::Probe if lossy => DRAINING,
            Phase::Probe => Phase::Judge,
            Phase::Judge if seen.rate > self.base * GROWN && !lossy => Phase::Grow { flat: 0 },
            Phase::Judge => DRAINING,
        };
        if !matches!(self.phase, Phase::Grow { .. }) {
            self.window = self.modelled();
        }
    }

    /// The window that the model gives.
    fn modelled(&self) -> u64 {
        let rtt = self.rtt.value().unwrap_or_default();
        let queue = (rtt / QUEUE_PART).max(QUEUE_MIN);
        let base = if self.standing >= STANDING_MAX { BESIDE } else { 1.0 };
        let factor = match self.phase {
            Phase::Probe => base * PROBE,
            Phase::Drain { .. } => DRAIN,
            Phase::Grow { .. } | Phase::Hold | Phase::Cruise { .. } | Phase::Judge => base,
        };
        let held = self.rates.value() * (rtt.as_secs_f64() * factor + queue.as_secs_f64());
        let window = held * self.losses.factor();
        (window as u64).clamp(PACKETS_MIN * self.packet, WINDOW_MAX)
    }

    /// Whether a round trip shows a queue.
    fn is_queued(&self, rtt: Duration) -> bool {
        let least = self.rtt.value().unwrap_or(rtt);
        rtt > least + (least / QUEUED_PART).max(QUEUE_MIN)
    }
}
