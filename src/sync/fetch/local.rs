//! Content from a root on this machine: no network, several files at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::{Fetch, Fetched, MISSING};
use crate::disk::gauge::Gauge;
use crate::disk::place::cause;
use crate::disk::read::Reader;
use crate::model::plan::Action;
use crate::model::{Digest, Problem, ProblemKind};
use crate::sync::error::Error;
use crate::sync::execute::Run;
use crate::sync::holdings::Holdings;

/// Rows that are looked up before they rest: each lies on pages of its own.
const LOOKED_UP_MAX: usize = 1024;

/// A root on this machine as the source.
pub struct LocalSource<'a> {
    /// Opens its files.
    pub reader: Reader<'a>,
    /// What was found there.
    holdings: &'a Holdings,
    /// Rows looked up since they last rested.
    looked_up: AtomicUsize,
}

impl Fetch for LocalSource<'_> {
    fn fetch(&self, run: &Run<'_>, wants: &[usize], done: &(dyn Fn(usize, Fetched) + Sync)) -> Result<(), Error> {
        // Neighbours in tree order stay on one thread: they share directories.
        wants.par_iter().with_min_len(16).for_each(|&index| {
            if !run.gauge.stopped() {
                done(index, self.copy(run, &run.plan.actions[index]));
            }
        });
        Ok(())
    }
}

impl<'a> LocalSource<'a> {
    /// A source that was found to hold this.
    pub const fn new(reader: Reader<'a>, holdings: &'a Holdings) -> LocalSource<'a> {
        LocalSource { reader, holdings, looked_up: AtomicUsize::new(0) }
    }

    fn copy(&self, run: &Run<'_>, action: &Action) -> Fetched {
        let problem = |kind, cause: String| Problem { path: action.path.clone(), kind, cause };
        let changed = || problem(ProblemKind::Changed, "changed since it was scanned".into());
        let wanted = action.wanted.as_ref().map_or(Digest::UNKNOWN, |wanted| wanted.content);
        let missing = || problem(ProblemKind::Missing, MISSING.into());
        let row = self.holdings.find(action.path.as_ref(), &wanted).ok_or_else(missing)?;
        let opened = self.reader.open(row.path()).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => problem(ProblemKind::Vanished, "vanished since it was scanned".into()),
            _ => problem(ProblemKind::Unreadable, cause(&e)),
        })?;
        if self.looked_up.fetch_add(1, Ordering::Relaxed) % LOOKED_UP_MAX == LOOKED_UP_MAX - 1 {
            self.holdings.rest();
        }
        if opened.stamp != row.stamp() {
            return Err(changed());
        }
        let known = Some(row.content()).filter(|digest| *digest != Digest::UNKNOWN);
        let copied = run.target.copy_from(&opened.file, row.size(), known.as_ref());
        let unchanged = opened.unchanged().map_err(|e| problem(ProblemKind::Unreadable, cause(&e)))?;
        match copied {
            Ok(fetched) if unchanged => {
                Gauge::add(&run.gauge.bytes_done, row.size());
                Ok(fetched)
            }
            Ok(_) => Err(changed()),
            Err(_) if !unchanged => Err(changed()),
            Err(error) => Err(error.into_problem(&action.path)),
        }
    }
}
