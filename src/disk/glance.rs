//! A glance: what some directories of a root hold now, against what is remembered of all of it. Costs what these directories
//! hold, and a copy of the rows, two where a directory has moved. Reads the root and never writes to it.
//!
//! It says the same as a scan wherever it looks. What it cannot say alone (hard links, whose names may be anywhere; ignore
//! files, which decide about others; names that no path can hold) it leaves to a scan: [`Glance::Whole`]. A directory that
//! is flagged as incomplete stays so until a scan. Start at [`glance`].

mod carried;
mod splice;
mod visit;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

pub use carried::Moved;

use super::error::Error;
use super::filter::Filter;
use super::gauge::Gauge;
use super::moved;
use super::observe::Observer;
use super::root::Root;
use super::scan::{Memory, ScanOptions};
use crate::model::{Listing, Problem, RelPath};

/// How a glance looks.
#[derive(Debug, Clone, Copy)]
pub struct GlanceOptions<'a> {
    /// What is left out.
    pub filter: &'a Filter,
    /// Files that were changed less long ago are left for later, in nanoseconds: somebody is writing them.
    pub quiet_ns: i64,
    /// Directories that were renamed since, none of them within another.
    pub moved: &'a [Moved],
}

/// What a glance comes to.
#[derive(Debug)]
pub enum Glance {
    /// Only a scan can tell.
    Whole,
    /// What it saw.
    Seen(Glanced),
}

/// What a glance saw.
#[derive(Debug)]
pub struct Glanced {
    /// All entries of the root: those of the base where nobody looked.
    pub listing: Listing,
    /// The paths at which that differs from the base.
    pub names: BTreeSet<RelPath>,
    /// The directories that were looked at.
    pub seen: BTreeSet<RelPath>,
    /// Files to look at again in a moment: they were being written.
    pub again: BTreeSet<RelPath>,
    /// Paths that could not be handled.
    pub problems: Vec<Problem>,
    /// Bytes that were read.
    pub hashed_bytes: u64,
}

/// Looks at some directories and at what is new below them.
pub fn glance(
    root: &Root,
    base: &Listing,
    directories: &BTreeSet<RelPath>,
    memory: &dyn Memory,
    (options, gauge): (GlanceOptions<'_>, &Gauge),
) -> Result<Glance, Error> {
    let full = |_| Error::TooMany { path: root.path().into() };
    let Some((rebased, carried)) = carried::carried(base, options.moved).map_err(full)? else {
        return Ok(Glance::Whole);
    };
    let base = &rebased;
    let scan =
        ScanOptions { filter: options.filter, one_file_system: false, checksum: false, quick: false, defer: None };
    let (hashed_files, hashed_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let observer =
        Observer { memory, options: &scan, gauge, moved: moved::Moved::from(Some(base)), hashed_files, hashed_bytes };
    let mut visits = visit::Visits::new(root, base, &observer, options);
    if !visits.run(directories)? {
        return Ok(Glance::Whole);
    }
    let visit::Seen { changes, seen, again, mut problems } = visits.finish();
    if gauge.stopped() {
        return Err(Error::Stopped);
    }
    let (listing, mut names) = splice::splice(base, changes).map_err(full)?;
    names.extend(carried);
    problems.sort_by(|left, right| (&left.path, left.kind).cmp(&(&right.path, right.kind)));
    let hashed_bytes = observer.hashed_bytes.load(Ordering::Relaxed);
    Ok(Glance::Seen(Glanced { listing, names, seen, again, problems, hashed_bytes }))
}
