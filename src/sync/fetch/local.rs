//! Content from a root on this machine: no network, several files at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::{Fetch, Fetched, MISSING, Near};
use crate::disk::copy::PlaceError;
use crate::disk::gauge::Gauge;
use crate::disk::place::cause;
use crate::disk::place::nests::Nested;
use crate::disk::read::{Opened, Reader};
use crate::disk::scan::Memory;
use crate::disk::stage::Nest;
use crate::model::listing::Row;
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
    /// Is told the digests of files that nobody had hashed before.
    notes: Option<&'a dyn Memory>,
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

    fn near(&self) -> Option<&dyn Near> {
        Some(self)
    }
}

/// Whether the file that was read is still what it was when it was opened.
type Check<'a> = &'a dyn Fn() -> Result<(), PlaceError>;

impl<'a> LocalSource<'a> {
    /// A source that was found to hold this.
    pub const fn new(reader: Reader<'a>, holdings: &'a Holdings) -> LocalSource<'a> {
        LocalSource { reader, holdings, notes: None, looked_up: AtomicUsize::new(0) }
    }

    /// The same, which keeps the digests of files that nobody had hashed before.
    pub fn noting(self, notes: Option<&'a dyn Memory>) -> LocalSource<'a> {
        LocalSource { notes, ..self }
    }

    fn copy(&self, run: &Run<'_>, action: &Action) -> Fetched {
        self.each_way(run, action, |opened, row, known, check| {
            let entry = action.wanted.as_ref().ok_or(PlaceError::Changed)?;
            let staged = run.target.stage_for(entry).map_err(PlaceError::Write)?;
            let digest = run.target.fill(&staged, &opened.file, row.size(), known)?;
            check()?;
            Ok((staged, digest))
        })
    }

    /// Opens the file that has what is wanted, and tells how it went to copy it.
    fn each_way<T>(
        &self,
        run: &Run<'_>,
        action: &Action,
        copy: impl FnOnce(&Opened, Row<'_>, Option<&Digest>, Check<'_>) -> Result<(T, Digest), PlaceError>,
    ) -> Result<(T, Digest), Problem> {
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
        if known.is_none() {
            // Otherwise the digest would tell.
            opened.wait_out_writer().map_err(|e| problem(ProblemKind::Unreadable, cause(&e)))?;
        }
        let check = || match opened.unchanged() {
            Ok(true) => Ok(()),
            Ok(false) => Err(PlaceError::Changed),
            Err(error) => Err(PlaceError::Read(error)),
        };
        match copy(&opened, row, known.as_ref(), &check) {
            Ok(copied) => {
                Gauge::add(&run.gauge.bytes_done, row.size());
                if let (Some(notes), None) = (self.notes, known) {
                    notes.note(row.path(), &opened.stamp, &copied.1);
                    self.holdings.learn(row.path(), copied.1);
                }
                Ok(copied)
            }
            Err(error) => match opened.unchanged() {
                Ok(false) => Err(changed()),
                Ok(true) | Err(_) => Err(error.into_problem(&action.path)),
            },
        }
    }
}

impl Near for LocalSource<'_> {
    fn nest(&self, run: &Run<'_>, nest: &Nest, action: &Action) -> Result<(Nested, Digest), Problem> {
        self.each_way(run, action, |opened, row, known, check| {
            run.target.nest_copy(nest, action, (&opened.file, row.size(), known), check)
        })
    }
}
