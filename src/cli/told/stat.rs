//! `--stat`: what would be done, counted by the first component of the path.

use std::collections::BTreeMap;

use super::form::{Ending, Form};
use super::text::Text;
use crate::cli::output::Output;
use crate::cli::quantity;
use crate::model::PathRef;
use crate::model::plan::{Action, Step};
use crate::sync::report::Side;

/// Counts while the actions come, and prints a table at the end.
pub struct Stat {
    text: Text,
    rows: BTreeMap<String, Row>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Row {
    new: u64,
    changed: u64,
    moved: u64,
    touched: u64,
    deleted: u64,
    bytes: u64,
}

impl Stat {
    /// The first and the last line are those of `text`.
    pub fn new(text: Text) -> Stat {
        Stat { text, rows: BTreeMap::new() }
    }
}

impl Row {
    fn add(&mut self, action: &Action) {
        let counter = match action.step {
            Step::Mkdir | Step::Create(_) => &mut self.new,
            Step::Update(_) => &mut self.changed,
            Step::Rename { .. } => &mut self.moved,
            Step::Metadata => &mut self.touched,
            Step::Delete { .. } => &mut self.deleted,
        };
        *counter += 1;
        self.bytes += action.bytes();
    }

    fn print(&self, out: &mut Output, name: &str, width: usize) {
        let Row { new, changed, moved, touched, deleted, bytes } = self;
        let bytes = quantity::bytes(*bytes);
        out.line(format_args!("{name:width$} {new:>9} {changed:>9} {moved:>9} {touched:>9} {deleted:>9} {bytes:>10}"));
    }
}

impl Form for Stat {
    fn header(&mut self, out: &mut Output, left: &str, right: &str) {
        self.text.header(out, left, right);
    }

    fn action(&mut self, _: &mut Output, action: &Action, _: Side) {
        let first = action.path.as_ref().components().next().unwrap_or_default();
        let name = PathRef::new(first).map(|name| name.to_string()).unwrap_or_default();
        self.rows.entry(name).or_default().add(action);
    }

    fn ending(&mut self, out: &mut Output, ending: Ending<'_>) {
        if !self.rows.is_empty() {
            let width = self.rows.keys().map(|name| name.chars().count()).max().unwrap_or(0);
            out.line(format_args!(
                "{:width$} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}",
                "", "new", "changed", "moved", "metadata", "deleted", "bytes"
            ));
            for (name, row) in &self.rows {
                row.print(out, name, width);
            }
        }
        self.text.ending(out, ending);
    }
}
