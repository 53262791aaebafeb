//! Looking at a share's root, all of it or some directories, and saving what is known of it now and then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::core::{Core, Share, WAIT_MAX};
use crate::disk::dirty::Dirty;
use crate::disk::gauge::Gauge;
use crate::disk::watch::{Coverage, Watch, WatchSettings};
use crate::model::{Problem, ProblemKind, RelPath};
use crate::sync::error::Error;
use crate::sync::found::Found;
use crate::sync::placements::InPlace;

/// What a look brought to light.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// Whether anything was recorded that others have not seen.
    pub changed: bool,
    /// What could not be read, and what the guard held back.
    pub problems: Vec<Problem>,
    /// Files to look at again in a moment, as they were being written; a watch tells of them by itself.
    pub again: BTreeSet<RelPath>,
}

/// A look waits longer for its turn than others do: it is the only one that hears of a change.
const LOOK_WAIT_MAX: Duration = WAIT_MAX.saturating_mul(6);

/// Files that were changed less long ago are left to the next look.
pub(super) const QUIET: Duration = Duration::from_millis(40);

/// The index is saved after so long, where something changed,
const SAVE_AFTER: Duration = Duration::from_secs(300);
/// or once the memory notes so many more names that the index lacks: each takes about 300 bytes. What is to be put in place is
/// noted until it is, so the end of a long run is another occasion.
const NOTED_MAX: usize = 10_000;

impl Share {
    /// Looks at the root and records what happened there. The first look is at all of it, whatever is asked.
    pub async fn look(&self, at: Dirty) -> Result<Looked, Error> {
        let inner = Arc::clone(&self.0);
        let looking = move |core: &mut Core| {
            let looked = core.look(&at, &inner.gauge)?;
            if let Some(watch) = inner.watch.get() {
                watch.cover(&core.end.looked.found.listing);
                watch.touch_again(&looked.again);
            }
            Ok(looked)
        };
        self.step(LOOK_WAIT_MAX, looking).await
    }

    /// Saves the index, where it lacks something: what is noted instead, and the listing, take no memory then.
    pub async fn save(&self) -> Result<(), Error> {
        self.step(WAIT_MAX, |core| if core.looked && core.unsaved { core.save() } else { Ok(()) }).await
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

    /// How much of the root is watched; `None` where nobody watches it.
    pub fn coverage(&self) -> Option<Coverage> {
        self.0.watch.get().map(|watch| watch.coverage())
    }
}

impl Core {
    pub(super) fn look(&mut self, at: &Dirty, gauge: &Gauge) -> Result<Looked, Error> {
        let started = Instant::now();
        let before = self.end.replica.greeting().top;
        if self.looked {
            let found = self.see(at, (None, QUIET), gauge)?;
            self.take(found)?;
        } else {
            self.end.look_again(gauge)?;
            self.looked = true;
            self.open = None;
            self.saved = Instant::now();
            // The index was saved before what is new in it was recorded, and that is noted.
            self.unsaved = self.end.replica.noted() > 0;
        }
        self.standing.looked = Some(SystemTime::now());
        self.standing.look = started.elapsed();
        self.rest();
        let looked = &self.end.looked;
        let problems = looked.found.problems.iter().chain(&looked.problems).cloned().collect();
        let changed = self.end.replica.greeting().top != before;
        Ok(Looked { changed, problems, again: looked.found.again().clone() })
    }

    /// What the root shows now, of a share that was looked at before.
    pub(super) fn see(
        &self,
        at: &Dirty,
        (placed, quiet): (Option<&InPlace>, Duration),
        gauge: &Gauge,
    ) -> Result<Found, Error> {
        let before = &self.end.looked.found;
        let side = self.end.replica.side();
        let glanced = match at {
            Dirty::All => None,
            Dirty::Directories(directories) => side.glance(before, directories, (placed, quiet), gauge)?,
        };
        match glanced {
            Some(found) => Ok(found),
            None => side.rescan(before, placed.unwrap_or(&InPlace::default()), gauge),
        }
    }

    /// Records what was seen.
    pub(super) fn take(&mut self, found: Found) -> Result<(), Error> {
        self.unsaved |= found.changed();
        let problems = self.end.replica.observe(&found)?;
        match (found.names(), &mut self.open) {
            (Some(names), Some(open)) => open.extend(names.iter().cloned()),
            _ => self.open = None,
        }
        match found.names() {
            // Nobody has looked elsewhere: what was held back there is held back still, and the last to say so knows of most.
            Some(_) if problems.is_empty() && !self.end.replica.held().is_empty() => (),
            _ => self.end.looked.problems = problems,
        }
        self.end.looked.found = found;
        self.drop_rot();
        Ok(())
    }

    /// What was found rests: it is told, and becomes what the next look is compared with.
    pub(super) fn rest(&mut self) {
        self.end.looked.found.rest();
        let looked = &self.end.looked;
        self.standing.bytes = looked.found.listing.rows().map(|row| row.size()).sum();
        let problems = looked.found.problems.iter().chain(&looked.problems).cloned();
        (self.standing.held, self.standing.problems) =
            problems.partition(|problem| problem.kind == ProblemKind::Guarded);
        self.standing.local = self.end.replica.kept_here();
    }

    /// Saves the index where that is due.
    pub(super) fn save_if_due(&mut self) -> Result<(), Error> {
        let noted = self.end.replica.noted();
        let is_long = noted > self.left + NOTED_MAX;
        let is_in_place = self.standing.wanted == Some(0) && self.placed.min(noted) > NOTED_MAX;
        let is_due = self.saved.elapsed() >= SAVE_AFTER || is_long || is_in_place;
        if self.looked && self.unsaved && is_due { self.save() } else { Ok(()) }
    }

    /// Saves the index: what it knows is noted no longer, and the listing lies in it, mapped, until it changes.
    pub(super) fn save(&mut self) -> Result<(), Error> {
        let kept = self.end.replica.settle(&self.end.looked.found)?;
        let found = &mut self.end.looked.found;
        found.lie_in(kept.as_ref());
        found.rest();
        (self.unsaved, self.saved) = (false, Instant::now());
        (self.left, self.placed) = (self.end.replica.noted(), 0);
        Ok(())
    }
}
