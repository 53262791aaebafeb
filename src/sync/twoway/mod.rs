//! Makes two replicas agree: what either side wrote reaches the other, and nothing that anybody wrote is lost. Start at
//! [`run`].
//!
//! Both ends look at their roots, and compare what they agreed on before; each joins on its own, and both come to the same.
//! Then the ends install one after the other: what one lacks, the other shows.

pub mod answer;
pub mod ask;
pub mod end;
pub mod greet;
mod local;
mod prefer;
mod tell;

use std::time::Instant;

use super::error::Error;
use super::job::{Location, Sync};
use super::refuse;
use super::report::{Gauges, Report, Side as Which, Summary};

/// Runs the job to its end. Problems of single paths are told and counted; an error ends the job.
pub fn run(job: &Sync, report: &mut dyn Report) -> Result<Summary, Error> {
    let started = Instant::now();
    let gauges = Gauges::default();
    report.gauges(&gauges);
    let mut summary = match (&job.left, &job.right) {
        (Location::Local(left), Location::Local(right)) => local::run(job, left, right, &gauges, report)?,
        (Location::Local(root), Location::Remote { host, path }) => {
            ask::run(job, (root, Which::Left), (host, path), &gauges, report)?
        }
        (Location::Remote { host, path }, Location::Local(root)) => {
            ask::run(job, (root, Which::Right), (host, path), &gauges, report)?
        }
        (Location::Remote { .. }, Location::Remote { .. }) => return Err(refuse::both_remote()),
    };
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}
