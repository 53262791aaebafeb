//! Reads all files of one root again, and tells which have rotted. Heals nothing: where a daemon keeps the root, it does.

use super::error::Error;
use super::job::Verify;
use super::mirror::{Telling, keep, tell_problems};
use super::narrate::Tally;
use super::replica::STATE;
use super::report::{Event, Gauges, Report, Side as Which};
use super::rot;
use super::side::{self, Side};
use crate::disk::control;
use crate::disk::hash::Cores;
use crate::disk::root::Root;
use crate::model::{Problem, ProblemKind, RelPath};

/// What it came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those whose bytes are not what was written,
    pub rotten: u64,
    /// and those among them that were put right.
    pub healed: u64,
}

/// Reads all files of the root whose bytes are known. What was never hashed before is hashed now, for the next time.
pub fn run(job: &Verify, report: &mut dyn Report) -> Result<Checked, Error> {
    let gauges = Gauges::default();
    report.gauges(&gauges);
    let root = Root::open(&job.root)?;
    report.event(Event::Header { left: &root.path().display().to_string(), right: "" });
    let is_replica = root.path().join(control::NAME).join(STATE).symlink_metadata().is_ok();
    let side = if is_replica {
        Side::of_replica(root, &job.reading, false)?
    } else {
        Side::new(root, &job.reading, job.cache)?
    };
    let found = side.scan(&gauges.left)?;
    let mut telling = Telling { report, which: Which::Left };
    tell_problems(&found.problems, Tally::default(), &mut telling);
    let (verified, _) = rot::read(&found.listing, &side, (None, u64::MAX, Cores::All), &gauges.left);
    if gauges.left.stopped() {
        return Err(Error::Interrupted);
    }
    let problems: Vec<Problem> = verified.rotten.iter().map(problem).collect();
    tell_problems(&problems, Tally::default(), &mut telling);
    if !is_replica {
        keep(&side, &found, &found.tree(side::lane(&job.reading, side::superuser())), report);
    }
    let (files, bytes) = (verified.files, verified.bytes);
    Ok(Checked { files, bytes, rotten: problems.len() as u64, healed: 0 })
}

/// How rot is told.
pub fn problem(path: &RelPath) -> Problem {
    let cause = "it has rotted: its bytes changed, and nobody wrote them".into();
    Problem { path: path.clone(), kind: ProblemKind::Rotten, cause }
}
