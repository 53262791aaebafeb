//! Looking at a share's root, all of it or some directories.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use super::core::{Core, Share, WAIT_MAX};
use crate::model::{Problem, ProblemKind, RelPath};
use crate::sync::error::Error;

/// Where a root may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dirty {
    /// Anywhere.
    All,
    /// In these directories, themselves and what is new below them; the empty path is the root.
    Directories(BTreeSet<RelPath>),
}

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
        let gauge = self.0.gauge.clone();
        self.step(LOOK_WAIT_MAX, move |core| core.look(&gauge)).await
    }
}

impl Core {
    fn look(&mut self, gauge: &crate::disk::gauge::Gauge) -> Result<Looked, Error> {
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
