//! Builds or refreshes the hash tree of one root.

use super::error::Error;
use super::job::Index;
use super::mirror::{Telling, keep, tell_problems};
use super::narrate::Tally;
use super::report::{Event, Gauges, Report, RootSummary, Side as Which};
use super::side::{self, Side};
use crate::disk::control::{self, Lock};
use crate::disk::root::Root;
use crate::store::forget::move_aside;

/// Scans the root, writes its index, and says what it holds. The last number is the exit status its problems ask for.
pub fn run(job: &Index, report: &mut dyn Report) -> Result<(RootSummary, u8), Error> {
    let gauges = Gauges::default();
    report.gauges(&gauges);
    let root = Root::open(&job.root)?;
    let shown = root.path().display().to_string();
    report.event(Event::Header { left: &shown, right: "" });
    if job.forget {
        forget(&root, report)?;
    }
    let side = Side::new(root, &job.reading, job.cache)?;
    let found = side.scan(&gauges.left)?;
    let tree = found.tree(side::lane(&job.reading, side::superuser()));
    let tally = tell_problems(&found.problems, Tally::default(), &mut Telling { report, which: Which::Left });
    keep(&side, &found, &tree, report);
    Ok((found.summary(&tree), tally.exit))
}

/// Moves what a replica remembers aside, under its lock: the next sync is a first meeting.
fn forget(root: &Root, report: &mut dyn Report) -> Result<(), Error> {
    let control = root.path().join(control::NAME);
    let failed = |source| Error::Memory { path: control.clone(), source };
    if !control.try_exists().map_err(failed)? {
        return Ok(());
    }
    let _lock = Lock::take(root)?;
    if let Some(aside) = move_aside(&control).map_err(failed)? {
        report.event(Event::Forgotten(&aside));
    }
    Ok(())
}
