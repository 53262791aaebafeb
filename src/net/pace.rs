//! How fast a link may send: which controller of congestion its QUIC uses, and the user's own limit, one bucket for all its streams.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who decides how much may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Congestion {
    /// A model of the path, which losses do not confuse; between processes of one machine: cubic.
    #[default]
    Auto,
    /// CUBIC, as TCP has it.
    Cubic,
    /// BBR in its first version.
    Bbr,
}

/// How fast a link may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// Who decides how much may be in flight.
    pub congestion: Congestion,
    /// Bytes a second, of all streams together, in each direction.
    pub limit: Option<NonZeroU64>,
}

impl Pace {
    /// Bytes on the wire.
    pub(super) const BYTES: usize = 9;

    pub(super) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = match self.congestion {
            Congestion::Auto => 0,
            Congestion::Cubic => 1,
            Congestion::Bbr => 2,
        };
        bytes[1..].copy_from_slice(&self.limit.map_or(0, NonZeroU64::get).to_le_bytes());
        bytes
    }

    /// What we do not know is left to us.
    pub(super) fn decode([congestion, limit @ ..]: [u8; Self::BYTES]) -> Self {
        let congestion = match congestion {
            1 => Congestion::Cubic,
            2 => Congestion::Bbr,
            _ => Congestion::Auto,
        };
        Self { congestion, limit: NonZeroU64::new(u64::from_le_bytes(limit)) }
    }
}

/// What may be sent at once after a pause: a tenth of a second's worth, and not less than a small message.
const BURST: Duration = Duration::from_millis(100);
const BURST_MIN_BYTES: u64 = 4 << 10;

/// The bucket of a link, or of all links of a device: whoever sends waits for its turn.
#[derive(Debug)]
pub(super) struct Throttle {
    /// Bytes a second; 0 where there is no limit.
    limit: AtomicU64,
    /// When the bucket will be as full as it can be.
    full: Mutex<Instant>,
}

impl Throttle {
    pub(super) fn new(limit: Option<NonZeroU64>) -> Self {
        Self { limit: AtomicU64::new(limit.map_or(0, NonZeroU64::get)), full: Mutex::new(Instant::now()) }
    }

    /// Another limit from now on. Whoever waits for its turn already waits as it was told.
    pub(super) fn limit(&self, limit: Option<NonZeroU64>) {
        self.limit.store(limit.map_or(0, NonZeroU64::get), Ordering::Relaxed);
    }

    /// The limit of now.
    pub(super) fn limited(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|&limit| limit > 0)
    }

    /// Whether there is a limit now.
    pub(super) fn is_on(&self) -> bool {
        self.limit.load(Ordering::Relaxed) != 0
    }

    /// The most that should be sent with one turn.
    pub(super) fn piece(&self) -> usize {
        match self.limit.load(Ordering::Relaxed) {
            0 => usize::MAX,
            limit => (limit / 10).clamp(BURST_MIN_BYTES, 256 << 10) as usize,
        }
    }

    /// Waits until `bytes` may be sent. They count also where the caller gives up while it waits.
    pub(super) async fn take(&self, bytes: usize) {
        let turn = self.turn(Instant::now(), bytes);
        tokio::time::sleep_until(turn.into()).await;
    }

    /// When `bytes` may be sent.
    fn turn(&self, now: Instant, bytes: usize) -> Instant {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return now;
        }
        let takes = Duration::from_secs_f64(bytes as f64 / limit as f64);
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*full).max(now);
        *full = turn + takes;
        turn.checked_sub(BURST).map_or(now, |turn| turn.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_survives_the_wire_and_any_bytes_are_one() {
        for congestion in [Congestion::Auto, Congestion::Cubic, Congestion::Bbr] {
            for limit in [None, NonZeroU64::new(1), NonZeroU64::new(u64::MAX)] {
                let pace = Pace { congestion, limit };
                assert_eq!(Pace::decode(pace.encode()), pace);
            }
        }
        assert_eq!(Pace::decode([9; 9]).congestion, Congestion::Auto);
    }

    #[test]
    fn all_senders_together_keep_the_rate_to_a_part_in_a_hundred() {
        let throttle = Throttle::new(NonZeroU64::new(300_000));
        let begun = Instant::now();
        // Four senders, each as soon as it may.
        let mut at = [begun; 4];
        for _ in 0..75 {
            for sender in &mut at {
                *sender = throttle.turn(*sender, 10_000);
            }
        }
        let seconds = (*at.iter().max().expect("four") - begun).as_secs_f64();
        assert!((9.8..10.1).contains(&seconds), "{seconds}");
        // A pause gives no more than a burst.
        let later = at[3] + Duration::from_secs(60);
        let turns: Vec<Instant> = (0..100).map(|_| throttle.turn(later, 10_000)).collect();
        let seconds = (turns[99] - later).as_secs_f64();
        assert!((3.1..3.4).contains(&seconds), "{seconds}");
        throttle.limit(None);
        assert!(!throttle.is_on() && throttle.turn(later, 10_000) == later, "a limit that is lifted holds up nobody");
    }
}
