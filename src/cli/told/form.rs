//! One way to say what a job tells.

use std::path::Path;

use super::progress::Progress;
use crate::cli::output::Output;
use crate::model::plan::Action;
use crate::model::{Problem, RelPath};
use crate::sync::report::{Conflict, RootSummary, Side, Summary, Version};
use crate::sync::verify::Checked;

/// How a job ended.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'a> {
    /// A job between two roots.
    Pair(&'a Summary),
    /// A job that changed one root; its `right` means nothing.
    Alone(&'a Summary),
    /// Files were read again.
    Verified(&'a Checked),
    /// A list of things of one kind.
    Counted {
        /// One of them.
        noun: &'static str,
        /// How many.
        count: u64,
    },
    /// A job on one root.
    Single {
        /// What the root holds.
        root: &'a RootSummary,
        /// Problems told.
        problems: u64,
        /// Wall-clock seconds.
        seconds: f64,
    },
}

/// Which way changes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From left to right.
    Right,
    /// Both ways.
    Both,
}

/// One way to say what a job tells. Called in the order of the events.
pub trait Form: Send {
    /// Both roots, resolved; of a job on one root `right` is empty.
    fn header(&mut self, out: &mut Output, left: &str, right: &str);

    /// Done, or in a dry run to be done.
    fn action(&mut self, out: &mut Output, action: &Action, side: Side);

    /// A path failed. People read it on standard error, whatever the form.
    fn problem(&mut self, out: &mut Output, problem: &Problem, _side: Side) {
        out.error(problem_text(&problem.path, &problem.cause));
    }

    /// A replica's memory was moved aside.
    fn forgotten(&mut self, _out: &mut Output, _place: &Path) {}

    /// A path of which there is more than one version.
    fn conflict(&mut self, _out: &mut Output, _conflict: &Conflict) {}

    /// A file was renamed on one side and edited on the other: both are kept.
    fn edited_at_old_name(&mut self, _out: &mut Output, _from: &RelPath, _to: &RelPath) {}

    /// A conflict is settled.
    fn settled(&mut self, _out: &mut Output, _path: &RelPath, _kept: &[RelPath]) {}

    /// A version that is present.
    fn version(&mut self, _out: &mut Output, _path: &RelPath, _version: &Version) {}

    /// How far it is: at most five times a second.
    fn progress(&mut self, _out: &mut Output, _progress: &Progress) {}

    /// The last of all.
    fn ending(&mut self, out: &mut Output, ending: Ending<'_>);
}

/// `` `path`: cause``, safe for a terminal.
fn problem_text(path: &RelPath, cause: &str) -> String {
    format!("`{path}`: {}", crate::cli::paint::safe(cause))
}
