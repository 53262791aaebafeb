//! What a run tells, kept until somebody asks: a run of 79,000 files must not wake its listener 79,000 times.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::execute::Told;

/// How often a listener asks. Short enough for a person, long enough to cost nothing.
pub const ASK_INTERVAL: Duration = Duration::from_millis(20);

/// What was told and not yet heard.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Vec<Told>>);

impl Ledger {
    /// Tells something.
    pub fn tell(&self, told: Told) {
        self.lock().push(told);
    }

    /// Takes all that was told since the last time, in the order in which it was told.
    pub fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
