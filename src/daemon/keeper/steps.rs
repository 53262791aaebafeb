//! What is under way in a share, what is to be done when, and how long something that failed, or that could not be had, is left
//! alone. Pure.

use crate::daemon::schedule::Moment;
use crate::disk::dirty::Dirty;

/// A root that cannot be opened, or a step that failed, is tried again after this long; doubled up to [`AGAIN_MAX_MS`].
const AGAIN_MS: u64 = 1000;
/// The rarest.
const AGAIN_MAX_MS: u64 = 5 * 60 * 1000;

/// The longest pause after a look.
const PAUSE_MAX_MS: u64 = 1000;

/// What is under way, and what is to be done when.
#[derive(Debug, Default)]
pub struct Steps {
    pub opening: bool,
    /// Whether the open share is watched, or is about to be.
    pub watched: bool,
    /// It is not watched before: that failed.
    pub watch_after: Moment,
    pub looking: bool,
    pub placing: bool,
    /// Where the root may have changed.
    pub dirty: Option<Dirty>,
    /// Whether the look that goes on was asked for by the watch.
    pub hinted: bool,
    /// Whether the disk may not show what is agreed on.
    pub unplaced: bool,
    /// Nothing is put in place before; it failed before.
    pub place_after: Moment,
    /// Whether a member has got something since what is being put in place was begun.
    pub asks_again: bool,
    /// Nothing is looked at before.
    pub look_after: Moment,
    pub open_after: Moment,
    pub rescan_at: Moment,
    /// When the share has come to rest, where nothing else happens.
    pub rest_at: Option<Moment>,
    /// Steps in a row that failed.
    failures: u32,
    /// Times in a row that something stayed wanted.
    tries: u32,
}

impl Steps {
    /// Everything is to be looked at.
    pub fn new() -> Steps {
        Steps { dirty: Some(Dirty::All), ..Steps::default() }
    }

    /// All work ended in a bug: everything is begun anew, after a while.
    pub fn broke(&mut self, now: Moment) {
        let at = self.failed(now);
        let (failures, rescan_at) = (self.failures, self.rescan_at);
        let (unplaced, place_after, look_after, open_after) = (true, at, at, at);
        *self = Steps { unplaced, place_after, look_after, open_after, failures, rescan_at, ..Steps::new() };
    }

    /// A step failed; when it may be tried again.
    pub fn failed(&mut self, now: Moment) -> Moment {
        let wait = again_ms(self.failures);
        self.failures = self.failures.saturating_add(1);
        now + wait
    }

    /// A step went well.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// A look took so long. The next waits as long, so that changes which never end in a large directory cost half of the time at
    /// most.
    pub fn looked(&mut self, took_ms: u64, now: Moment) {
        self.look_after = now + took_ms.min(PAUSE_MAX_MS);
    }

    /// Whether the last step failed.
    pub const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Something is wanted still after all that could be had was put in place. It is asked for again after a while, at once where
    /// a member has got something meanwhile; what the guard holds waits for whoever approves it.
    pub fn wanting(&mut self, is_held: bool, now: Moment) {
        self.unplaced |= !is_held;
        self.place_after = now + if self.asks_again { 0 } else { again_ms(self.tries) };
        self.tries = self.tries.saturating_add(1);
    }

    /// Something was put in place, or nothing is wanted.
    pub const fn served(&mut self) {
        self.tries = 0;
    }

    /// What is new does not wait for what could not be had.
    pub const fn hurry(&mut self, is_new: bool, now: Moment) {
        if is_new && self.tries > 0 {
            (self.tries, self.place_after) = (0, now);
        }
    }

    /// A member holds all that it wants, which it did not before: it may have got what is wanted here.
    pub const fn offered(&mut self, now: Moment) {
        (self.place_after, self.asks_again) = (now, true);
    }
}

/// After so many tries.
fn again_ms(tries: u32) -> u64 {
    (AGAIN_MS << tries.min(16)).min(AGAIN_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long what stays wanted is left alone, try by try.
    fn pauses(steps: &mut Steps, tries: usize) -> Vec<u64> {
        let mut now = 0;
        let pause = |_| {
            steps.wanting(false, now);
            let pause = steps.place_after - now;
            now = steps.place_after;
            pause
        };
        (0..tries).map(pause).collect()
    }

    #[test]
    fn what_nobody_has_is_asked_for_ever_more_rarely() {
        let mut steps = Steps::default();
        assert_eq!(pauses(&mut steps, 10), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300].map(|seconds| seconds * 1000));
        assert!(steps.unplaced);
        steps.served();
        assert_eq!(pauses(&mut steps, 1), [1000]);
    }

    #[test]
    fn what_is_new_does_not_wait_for_what_could_not_be_had() {
        let mut steps = Steps::default();
        pauses(&mut steps, 9);
        let now = steps.place_after - 200_000;
        steps.hurry(false, now);
        assert_eq!(steps.place_after, now + 200_000, "nothing is new");
        steps.hurry(true, now);
        assert_eq!(steps.place_after, now);
        assert_eq!(pauses(&mut steps, 2), [1000, 2000]);
    }

    #[test]
    fn a_step_that_failed_is_not_hurried() {
        let mut steps = Steps::default();
        steps.place_after = steps.failed(5000);
        steps.hurry(true, 5500);
        assert_eq!(steps.place_after, 6000);
    }

    #[test]
    fn who_has_got_something_meanwhile_is_asked_at_once() {
        let mut steps = Steps::default();
        pauses(&mut steps, 9);
        let now = steps.place_after - 200_000;
        steps.offered(now);
        assert_eq!(steps.place_after, now);
        steps.wanting(false, now);
        assert_eq!(steps.place_after, now, "it was told while it was asked for in vain");
    }

    #[test]
    fn what_the_guard_holds_is_not_tried_again_by_itself() {
        let mut steps = Steps::default();
        steps.wanting(true, 0);
        assert!(!steps.unplaced);
    }

    #[test]
    fn the_next_look_waits_as_long_as_the_last_one_took_and_a_second_at_most() {
        let mut steps = Steps::new();
        steps.looked(3, 100);
        assert_eq!(steps.look_after, 103);
        steps.looked(60_000, 200);
        assert_eq!(steps.look_after, 1200);
    }

    #[test]
    fn after_a_bug_everything_is_begun_anew_and_later_each_time() {
        let mut steps = Steps { looking: true, placing: true, watched: true, rescan_at: 7, ..Steps::default() };
        steps.broke(0);
        assert!(!steps.looking && !steps.placing && !steps.watched && steps.unplaced && steps.dirty.is_some());
        assert_eq!((steps.look_after, steps.place_after, steps.open_after, steps.rescan_at), (1000, 1000, 1000, 7));
        steps.broke(1000);
        assert_eq!(steps.open_after, 3000);
    }
}
