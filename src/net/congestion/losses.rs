//! What losses mean. A queue that overflows loses less when less is sent; a path that loses at random does not care. So the
//! window yields to losses at first, and where that changes nothing, so many losses count as the path's own.

use super::round::Seen;

/// Losses that need no explanation: radio and long lines have such.
const TOLERATED: f64 = 0.025;
/// No path is believed to lose more than this by itself.
const TOLERATED_MAX: f64 = 0.3;
/// Fewer packets than this say nothing about a part.
const PACKETS_MIN: u64 = 6;
/// What is left of the window after a round that lost too much.
const CUT: f64 = 0.85;
/// What comes back with each round that did not.
const BACK: f64 = 0.05;
/// The window yields so many times before losses count as the path's own: by then it is at 0.61, and a queue would be empty.
const CUTS: u32 = 3;
/// How much a round counts in what is usual.
const SMOOTHING: f64 = 0.2;
/// The least part of the window that losses leave.
const PART_MIN: f64 = 0.3;

/// What is known of a path's losses.
#[derive(Debug, Clone)]
pub(super) struct Losses {
    tolerated: f64,
    part: f64,
    cuts: u32,
    /// The loss at the first cut.
    first: f64,
    /// What the path loses by itself, smoothed.
    usual: f64,
}

impl Losses {
    pub(super) const fn new() -> Self {
        Self { tolerated: TOLERATED, part: 1.0, cuts: 0, first: 0.0, usual: 0.0 }
    }

    /// What losses make of the window: less where they show a queue that overflows, more where so much has to be sent for what arrives.
    pub(super) fn factor(&self) -> f64 {
        self.part / (1.0 - self.usual)
    }

    /// Whether a round lost more than the path does by itself.
    pub(super) fn too_many(&self, seen: &Seen, packet: u64) -> bool {
        seen.loss > self.tolerated && seen.lost >= PACKETS_MIN * packet
    }

    pub(super) fn round(&mut self, seen: &Seen, packet: u64) {
        if !self.too_many(seen, packet) {
            self.usual += (seen.loss.min(self.tolerated) - self.usual) * SMOOTHING;
            self.part = (self.part + BACK).min(1.0);
            if self.part >= 1.0 {
                self.cuts = 0;
                self.tolerated = (self.tolerated * 0.99).max(TOLERATED);
            }
            return;
        }
        if self.cuts == 0 {
            self.first = seen.loss;
        }
        self.cuts += 1;
        self.part = (self.part * CUT).max(PART_MIN);
        if self.cuts >= CUTS {
            if seen.loss > self.first * 0.6 {
                self.tolerated = (seen.loss * 1.5).min(TOLERATED_MAX);
                self.part = 1.0;
            }
            self.cuts = 0;
        }
    }
}
