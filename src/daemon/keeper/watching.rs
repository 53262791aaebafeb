//! Hears of changes on disk, in a thread of its own: a watch is waited for, and the task of a share waits for nothing. Notes how
//! much is watched; what is not is looked at as often as it is talked about.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::task::{Task, why};
use super::{Keeper, Word, lock};
use crate::daemon::journal::Level;
use crate::disk::dirty::Dirty;
use crate::disk::watch::{Coverage, Hint, Watch};
use crate::sync::error::Error;

/// How long one wait lasts; a share that is closed is noticed after it.
const WAIT: Duration = Duration::from_secs(2);

impl Task {
    /// Something may have changed there.
    pub(super) fn dirty(&mut self, dirty: Dirty) {
        self.steps.hinted = true;
        let before = self.steps.dirty.take();
        self.steps.dirty = Some(before.map_or(dirty.clone(), |before| before.and(dirty)));
        self.cover();
    }

    /// The watch has begun, or cannot.
    pub(super) fn watched(&mut self, watched: Result<Arc<Watch>, Error>) {
        match watched {
            Ok(watch) => {
                self.covered(watch.coverage());
                follow(&self.keeper, &watch);
            }
            Err(error) => {
                self.steps.watched = false;
                self.steps.watch_after = self.hub.now() + self.hub.interval_ms();
                self.unwatched(Some(why(&error)));
            }
        }
    }

    /// Notes how much is watched now.
    pub(super) fn cover(&mut self) {
        if let Some(coverage) = self.keeper.share().and_then(|share| share.coverage()) {
            self.covered(coverage);
        }
    }

    fn covered(&mut self, Coverage { directories, blind }: Coverage) {
        if blind.is_some() {
            self.unwatched(blind);
        } else {
            let mut now = lock(&self.keeper.now);
            (now.watching, now.blind) = (true, None);
        }
        lock(&self.keeper.now).directories = directories as u64;
    }

    /// Not all is watched, for a reason or because the share is closed: all is looked at as often as if nothing were.
    pub(super) fn unwatched(&mut self, because: Option<String>) {
        let mut now = lock(&self.keeper.now);
        let news = because.as_ref().filter(|why| now.blind.as_ref() != Some(*why)).cloned();
        (now.watching, now.directories, now.blind) = (false, 0, because);
        drop(now);
        // The next look was meant for what is watched, and may be an hour away.
        self.steps.rescan_at = self.steps.rescan_at.min(self.hub.now() + self.hub.interval_ms());
        if let Some(why) = news {
            self.say(Level::Warn, "not all is watched: looked at every interval", &[("why", why)]);
        }
    }
}

/// Passes on what a watch hints at, as long as the share is open.
fn follow(keeper: &Arc<Keeper>, watch: &Arc<Watch>) {
    let (keeper, watch) = (Arc::downgrade(keeper), Arc::downgrade(watch));
    let named = std::thread::Builder::new().name("hints".into());
    // Where there is no thread to be had, the timed looks find what changes.
    let _ = named.spawn(move || listen(&keeper, &watch));
}

fn listen(keeper: &Weak<Keeper>, watch: &Weak<Watch>) {
    loop {
        let Some(watch) = watch.upgrade() else { return };
        let word = match watch.next(WAIT) {
            Hint::Nothing => continue,
            Hint::Dirty(dirty) => Word::Dirty(dirty),
            Hint::Gone => Word::Gone,
        };
        let Some(keeper) = keeper.upgrade() else { return };
        keeper.say(word);
    }
}
