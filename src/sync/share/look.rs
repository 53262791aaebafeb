//! Looking at a share's root, all of it or some directories.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::core::{Core, Share, WAIT_MAX};
use crate::disk::dirty::Dirty;
use crate::disk::gauge::Gauge;
use crate::disk::watch::{Watch, WatchSettings};
use crate::model::{Problem, ProblemKind};
use crate::sync::error::Error;

/// What a look brought to light.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// Whether anything was recorded that others have not seen.
    pub changed: bool,
    /// What could not be read, and what the guard held back.
    pub problems: Vec<Problem>,
}

/// A look waits longer for its turn than others do: it is the only one that hears of a change.
const LOOK_WAIT_MAX: Duration = WAIT_MAX.saturating_mul(6);

impl Share {
    /// Looks at the root and records what happened there.
    pub async fn look(&self, _at: Dirty) -> Result<Looked, Error> {
        let inner = Arc::clone(&self.0);
        let looking = move |core: &mut Core| {
            let looked = core.look(&inner.gauge)?;
            if let Some(watch) = inner.watch.get() {
                watch.cover(&core.end.looked.found.listing);
            }
            Ok(looked)
        };
        self.step(LOOK_WAIT_MAX, looking).await
    }

    /// Watches the root from now on, as far as the system allows. Blocks for the time of one walk over its directories.
    /// The watch says first that all of the root is to be looked at; the second call gives the first one's watch.
    pub fn watch(&self, settings: WatchSettings) -> Result<Arc<Watch>, Error> {
        if let Some(watch) = self.0.watch.get() {
            return Ok(Arc::clone(watch));
        }
        let listing = self.0.listing();
        let root = self.0.side.root().try_clone()?;
        let watch = Watch::start(root, &listing, settings);
        let watch = watch.map_err(|source| Error::Watch { path: self.root().into(), source })?;
        Ok(Arc::clone(self.0.watch.get_or_init(|| Arc::new(watch))))
    }
}

impl Core {
    fn look(&mut self, gauge: &Gauge) -> Result<Looked, Error> {
        let started = Instant::now();
        let before = self.end.replica.greeting().top;
        self.end.look_again(gauge)?;
        self.looked = true;
        let looked = &self.end.looked;
        let problems: Vec<Problem> = looked.found.problems.iter().chain(&looked.problems).cloned().collect();
        self.standing.bytes = looked.found.listing.rows().map(|row| row.size()).sum();
        self.standing.looked = Some(SystemTime::now());
        self.standing.look = started.elapsed();
        let (held, others) = problems.iter().cloned().partition(|problem| problem.kind == ProblemKind::Guarded);
        (self.standing.held, self.standing.problems) = (held, others);
        Ok(Looked { changed: self.end.replica.greeting().top != before, problems })
    }
}
