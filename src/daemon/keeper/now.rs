//! How a share stands, beside what the share says of itself: published by its task after each step, for whoever looks.

use std::collections::BTreeMap;

use crate::daemon::control::status::At;
use crate::daemon::schedule::Moment;
use crate::net::node::PublicKey;
use crate::sync::share::Standing;

/// Over so long the rate is measured.
const RATE_MS: u64 = 10_000;

/// How a share stands.
#[derive(Debug, Clone)]
pub struct Now {
    /// What it is at.
    pub at: At,
    /// What it said of itself when it was open last.
    pub standing: Standing,
    /// When a member told what it holds, or was met.
    pub heard: BTreeMap<PublicKey, Moment>,
    /// What members are known to hold.
    pub levels: BTreeMap<PublicKey, Level>,
    /// Why it cannot be opened, or why its last step failed.
    pub problem: Option<String>,
    /// Whether changes are seen as they happen, and of how many directories.
    pub watching: bool,
    /// Directories that are watched.
    pub directories: u64,
    /// Why not all are.
    pub blind: Option<String>,
    /// What was done so far.
    pub counters: Counters,
    /// Bytes of content that came, at some moments of the last seconds.
    pub(super) samples: Vec<(Moment, u64)>,
}

/// What a member is known to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Whether it is the same.
    pub alike: Option<bool>,
    /// Paths that its disk does not show yet, as it said.
    pub wanted: Option<u32>,
}

/// What was done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Meetings that ended well.
    pub rounds: u64,
    /// Meetings that did not.
    pub failed: u64,
    /// Round trips of all of them.
    pub round_trips: u64,
    /// Bytes that were said and heard in all of them.
    pub meeting_bytes: u64,
    /// Files that were put in place.
    pub files: u64,
    /// Bytes of content that came for them.
    pub bytes: u64,
    /// Bytes that were read again.
    pub scrubbed: u64,
    /// Files that were found rotten then.
    pub rotted: u64,
    /// Looks at the root.
    pub looks: u64,
    /// Milliseconds that they took.
    pub look_ms: u64,
}

impl Default for Now {
    fn default() -> Now {
        Now {
            at: At::Opening,
            standing: Standing::default(),
            heard: BTreeMap::new(),
            levels: BTreeMap::new(),
            problem: None,
            watching: false,
            directories: 0,
            blind: None,
            counters: Counters::default(),
            samples: Vec::new(),
        }
    }
}

impl Now {
    /// Notes how much content has come by now.
    pub(super) fn sample(&mut self, now: Moment) {
        self.samples.retain(|(at, _)| at + RATE_MS >= now);
        self.samples.push((now, self.counters.bytes));
    }

    /// Bytes of content a second, of late.
    pub fn rate(&self, now: Moment) -> u64 {
        let first = self.samples.iter().find(|(at, _)| at + RATE_MS >= now);
        first.map_or(0, |(_, bytes)| (self.counters.bytes - bytes) * 1000 / RATE_MS)
    }
}
