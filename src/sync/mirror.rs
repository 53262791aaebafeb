//! Makes a target equal to a source.

use super::error::Error;
use super::job::Mirror;
use super::report::{Report, Summary};

/// Runs the job to its end. Problems of single paths are told and counted; an error ends the job.
pub fn run(job: &Mirror, report: &mut dyn Report) -> Result<Summary, Error> {
    let _ = (job, report);
    todo!("in work")
}
