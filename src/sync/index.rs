//! Builds or refreshes the hash tree of one root.

use super::error::Error;
use super::job::Index;
use super::mirror::{Telling, keep, tell_problems};
use super::narrate::Tally;
use super::report::{Event, Gauges, Report, RootSummary, Side as Which};
use super::side::{self, Side};
use crate::disk::root::Root;

/// Scans the root, writes its index, and says what it holds. The last number is the exit status its problems ask for.
pub fn run(job: &Index, report: &mut dyn Report) -> Result<(RootSummary, u8), Error> {
    let gauges = Gauges::default();
    report.gauges(&gauges);
    let root = Root::open(&job.root)?;
    let shown = root.path().display().to_string();
    report.event(Event::Header { left: &shown, right: "" });
    let side = Side::new(root, &job.reading, job.cache)?;
    let found = side.scan(&gauges.left)?;
    let tree = found.tree(side::lane(&job.reading, side::superuser()));
    let tally = tell_problems(&found.problems, Tally::default(), &mut Telling { report, which: Which::Left });
    keep(&side, &found, &tree, report);
    Ok((found.summary(&tree), tally.exit))
}
