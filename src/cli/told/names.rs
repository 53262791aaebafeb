//! `--name-only`: the paths that differ and nothing else, for other programs to read.

use super::form::{Ending, Form};
use crate::cli::output::Output;
use crate::model::plan::Action;
use crate::sync::report::Side;

/// One path after the other.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// Raw bytes, each path ended by a NUL; else lines, with control bytes escaped.
    pub null: bool,
}

impl Form for Names {
    fn header(&mut self, _: &mut Output, _: &str, _: &str) {}

    fn action(&mut self, out: &mut Output, action: &Action, _: Side) {
        if self.null {
            out.bytes(action.path.as_bytes());
            out.bytes(b"\0");
        } else {
            out.line(&action.path);
        }
    }

    fn ending(&mut self, _: &mut Output, _: Ending<'_>) {}
}
