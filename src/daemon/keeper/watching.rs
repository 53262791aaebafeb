//! Hears of changes on disk, in a thread of its own: a watch is waited for, and the task of a share waits for nothing.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Keeper, Word};
use crate::disk::watch::{Hint, Watch};

/// How long one wait lasts; a share that is closed is noticed after it.
const WAIT: Duration = Duration::from_secs(2);

/// Passes on what a watch hints at, as long as the share is open.
pub fn follow(keeper: &Arc<Keeper>, watch: &Arc<Watch>) {
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
