//! The slow scrub: a share's files are read again, a little at a time, so that all are read about once in the time that is
//! configured. Where it goes on is kept, so that a daemon that is started often comes through as well.

use super::task::{Task, why};
use super::{lock, work};
use crate::daemon::journal::Level;
use crate::daemon::schedule::Moment;
use crate::model::RelPath;
use crate::sync::error::Error;
use crate::sync::share::{Share, Standing, Verified};

/// Into so many steps all of it is divided,
const STEPS: u64 = 720;
/// which come at least so often,
const STEP_MS_MAX: u64 = 3_600_000;
/// and at most so often.
const STEP_MS_MIN: u64 = 100;

/// Where the scrub is.
#[derive(Debug, Default)]
pub struct Scrub {
    at: Option<Moment>,
    running: bool,
    from: Option<RelPath>,
}

impl Scrub {
    /// From where an earlier life of the daemon left it.
    pub fn from(from: Option<RelPath>) -> Scrub {
        Scrub { from, ..Scrub::default() }
    }

    /// When the next step is due.
    pub fn next(&self) -> Option<Moment> {
        self.at.filter(|_| !self.running)
    }
}

/// How often a step comes, and what part of all it reads, for a time within which all is to be read.
fn step(all_ms: u64, bytes: u64) -> (u64, u64) {
    let every_ms = (all_ms / STEPS).clamp(STEP_MS_MIN, STEP_MS_MAX);
    let part = u128::from(bytes) * u128::from(every_ms) / u128::from(all_ms.max(1));
    (every_ms, u64::try_from(part).unwrap_or(u64::MAX).max(1))
}

impl Task {
    /// Begins a step where one is due.
    pub(super) fn scrub(&mut self, share: &Share, now: Moment) {
        let Some(all_ms) = self.hub.scrub_ms() else {
            self.scrub.at = None;
            return;
        };
        let (every_ms, bytes) = step(all_ms, share.standing().bytes);
        // Another time may have been configured since.
        let at = self.scrub.at.map_or(now + every_ms, |at| at.min(now + every_ms));
        self.scrub.at = Some(at);
        if at <= now && !self.scrub.running {
            self.scrub.running = true;
            self.work.spawn(work::verify(share.clone(), self.scrub.from.clone(), bytes));
        }
    }

    /// A step has ended.
    pub(super) fn scrubbed(&mut self, verified: Result<Verified, Error>) {
        (self.scrub.running, self.scrub.at) = (false, None);
        let verified = match verified {
            Ok(verified) => verified,
            Err(error) => return self.say(Level::Debug, "not read again", &[("why", why(&error))]),
        };
        if self.scrub.from != verified.next {
            self.scrub.from.clone_from(&verified.next);
            if let Err(error) = self.hub.place.keep_scrub(&self.keeper.name, verified.next.as_ref()) {
                self.say(Level::Error, "cannot keep where the scrub is", &[("why", error.to_string())]);
            }
        }
        self.verified(&verified);
    }

    /// Files were read again: what has rotted is put right next.
    pub(super) fn verified(&mut self, verified: &Verified) {
        let mut now = lock(&self.keeper.now);
        now.counters.scrubbed += verified.bytes;
        now.counters.rotted += verified.rotten.len() as u64;
        drop(now);
        for path in &verified.rotten {
            self.say(Level::Error, "rotted", &[("path", path.to_string())]);
        }
        if !verified.rotten.is_empty() {
            self.refresh();
            self.steps.unplaced = true;
            self.steps.place_after = self.hub.now();
        }
    }

    /// Says what was put right between two standings.
    pub(super) fn tell_healed(&self, before: &Standing, after: &Standing) {
        for path in before.rotten.iter().filter(|path| !after.rotten.contains(path)) {
            self.say(Level::Info, "not rotten any more", &[("path", path.to_string())]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * 3_600_000;

    #[test]
    fn all_is_read_within_the_time_in_steps_that_are_small() {
        assert_eq!(step(30 * DAY_MS, 720 << 30), (3_600_000, 1 << 30));
        assert_eq!(step(300 * DAY_MS, 7200 << 30), (3_600_000, 1 << 30), "a step an hour at least");
        assert_eq!(step(30 * DAY_MS, 0), (3_600_000, 1), "one file at least");
        assert_eq!(step(1, u64::MAX).0, STEP_MS_MIN);
    }
}
