//! The form for people: first line both roots, then one line a path where asked for, last line what it came to.

use std::path::Path;

use super::form::{Direction, Ending, Form};
use super::line::{self, Line};
use super::versions;
use crate::cli::output::Output;
use crate::cli::paint::safe;
use crate::cli::quantity;
use crate::model::RelPath;
use crate::model::entry::Kind;
use crate::model::plan::{Action, Step};
use crate::sync::report::{Conflict, RootSummary, Side, Summary, Version};

/// Which lines stand between the first and the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// None.
    Nothing,
    /// The marks of the diff.
    Marks,
    /// rsync's eleven characters.
    Items,
}

/// What is said, and how.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Which lines stand between the first and the last one.
    pub listing: Listing,
    /// Nothing but problems.
    pub quiet: bool,
    /// A table of figures before the last line.
    pub stats: bool,
    /// Which way changes go.
    pub direction: Direction,
    /// Files that were never hashed are compared by size and time: the first line says so.
    pub quick: bool,
}

impl Form for Text {
    fn header(&mut self, out: &mut Output, left: &str, right: &str) {
        if self.quiet {
            return;
        }
        let quick = if self.quick { "  (quick: files never hashed are compared by size and time)" } else { "" };
        let arrow = match self.direction {
            _ if right.is_empty() => "",
            Direction::Right => " -> ",
            Direction::Both => " <-> ",
        };
        out.line(format_args!("{}{arrow}{}{quick}", safe(left), safe(right)));
    }

    fn action(&mut self, out: &mut Output, action: &Action, side: Side) {
        match self.listing {
            Listing::Nothing => {}
            _ if self.quiet => {}
            Listing::Marks => {
                let line = Line::new(action, side);
                let mark = out.paint.tone(line.tone, line.mark);
                out.line(format_args!("{mark} {}{}", line.path, line.details));
            }
            Listing::Items => out.line(itemized(action)),
        }
    }

    fn forgotten(&mut self, out: &mut Output, place: &Path) {
        if !self.quiet {
            let place = place.display().to_string();
            out.line(format_args!("what was remembered is in {}: delete it once it is not missed", safe(&place)));
        }
    }

    fn conflict(&mut self, out: &mut Output, conflict: &Conflict) {
        if !self.quiet {
            versions::conflict_lines(out, conflict);
        }
    }

    fn edited_at_old_name(&mut self, out: &mut Output, from: &RelPath, to: &RelPath) {
        if !self.quiet {
            versions::edited_at_old_name_line(out, from, to);
        }
    }

    fn settled(&mut self, out: &mut Output, path: &RelPath, kept: &[RelPath]) {
        if !self.quiet {
            versions::settled_line(out, path, kept);
        }
    }

    fn version(&mut self, out: &mut Output, path: &RelPath, version: &Version) {
        if !self.quiet {
            versions::version_line(out, path, version);
        }
    }

    fn ending(&mut self, out: &mut Output, ending: Ending<'_>) {
        if self.quiet {
            return;
        }
        match ending {
            Ending::Counted { noun, count } => out.line(quantity::count(count, noun)),
            Ending::Verified(checked) => out.line(format_args!(
                "{}, {}, {} rotten, {} put right",
                quantity::count(checked.files, "file"),
                quantity::bytes(checked.bytes),
                checked.rotten,
                checked.healed
            )),
            Ending::Pair(summary) | Ending::Alone(summary) => {
                if self.stats {
                    table(out, &figures(summary));
                }
                out.line(last(summary));
            }
            Ending::Single { root, problems, seconds } => {
                out.line(format_args!("top {}", root.top));
                if self.stats {
                    table(out, &of_root("", root));
                }
                out.line(format_args!(
                    "{}, {}, {} in {} ({} hashed)",
                    quantity::entries(root.entries),
                    quantity::bytes(root.bytes),
                    quantity::count(problems, "problem"),
                    quantity::seconds(seconds),
                    quantity::bytes(root.hashed_bytes)
                ));
            }
        }
    }
}

/// The line that rsync would print.
fn itemized(action: &Action) -> String {
    let item = crate::model::plan::itemize(action);
    let slash = if line::is_directory(action) { "/" } else { "" };
    let tail = match (&action.step, &action.wanted) {
        (Step::Rename { from }, _) => format!(" <- {from}{slash}"),
        (Step::Create(source) | Step::Update(source), _) if leader(source).is_some() => {
            format!(" => {}", leader(source).unwrap_or_default())
        }
        (_, Some(entry)) if entry.kind == Kind::Symlink => {
            format!(" -> {}", line::shown(entry.target().unwrap_or_default()))
        }
        _ => String::new(),
    };
    format!("{item} {}{slash}{tail}", action.path)
}

fn leader(source: &crate::model::plan::Source) -> Option<String> {
    match source {
        crate::model::plan::Source::Link { to } => Some(to.to_string()),
        _ => None,
    }
}

/// The last line of a job between two roots.
fn last(summary: &Summary) -> String {
    if summary.alike && summary.conflicts + summary.problems == 0 && summary.totals == Default::default() {
        return "alike".into();
    }
    let totals = &summary.totals;
    format!(
        "{}, {}, {}, {}, {}, {} in {} ({} sent, {} received{})",
        quantity::count(totals.files, "file"),
        quantity::bytes(totals.bytes),
        quantity::count(totals.renames, "rename"),
        quantity::count(totals.deletes, "delete"),
        quantity::count(summary.conflicts, "conflict"),
        quantity::count(summary.problems, "problem"),
        quantity::seconds(summary.seconds),
        quantity::bytes(summary.sent),
        quantity::bytes(summary.received),
        if summary.reused > 0 { format!(", {} reused", quantity::bytes(summary.reused)) } else { String::new() }
    )
}

/// A figure with its name.
type Figure = (String, String);

/// The table of `--stats`.
fn figures(summary: &Summary) -> Vec<Figure> {
    let totals = &summary.totals;
    let mut figures: Vec<Figure> = [
        ("files", totals.files.to_string()),
        ("bytes", sized(totals.bytes)),
        ("directories", totals.mkdirs.to_string()),
        ("metadata only", totals.metadata.to_string()),
        ("renames", totals.renames.to_string()),
        ("deletes", totals.deletes.to_string()),
        ("conflicts", summary.conflicts.to_string()),
        ("problems", summary.problems.to_string()),
        ("sent", sized(summary.sent)),
        ("received", sized(summary.received)),
        ("reused", sized(summary.reused)),
        ("round trips", summary.round_trips.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (side, root) in [("left ", &summary.left), ("right ", &summary.right)] {
        figures.push((format!("{side}top"), root.top.to_string()));
        figures.extend(of_root(side, root));
    }
    figures.push(("seconds".into(), format!("{:.3}", summary.seconds)));
    figures
}

fn of_root(side: &str, root: &RootSummary) -> Vec<Figure> {
    [("entries", root.entries.to_string()), ("bytes", sized(root.bytes)), ("hashed", sized(root.hashed_bytes))]
        .map(|(name, value)| (format!("{side}{name}"), value))
        .into()
}

/// Exact and readable.
fn sized(bytes: u64) -> String {
    if bytes < 1000 { format!("{bytes} B") } else { format!("{bytes} B ({})", quantity::bytes(bytes)) }
}

fn table(out: &mut Output, figures: &[Figure]) {
    let width = figures.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in figures {
        out.line(format_args!("{name:width$}  {value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::tests::pages;
    use crate::cli::told::samples;

    const LOUD: Text =
        Text { listing: Listing::Marks, quiet: false, stats: false, direction: Direction::Right, quick: false };

    fn told(mut text: Text, summary: &Summary) -> (String, String) {
        let (mut out, stdout, stderr) = pages();
        text.header(&mut out, "/a\x1b", "host:/b");
        text.action(&mut out, &samples::actions()[3], Side::Right);
        text.problem(&mut out, &samples::problem(), Side::Left);
        text.ending(&mut out, Ending::Pair(summary));
        (stdout.text(), stderr.text())
    }

    #[test]
    fn the_first_line_names_the_roots_and_the_last_one_says_what_it_came_to() {
        let (stdout, stderr) = told(LOUD, &samples::summary());
        assert_eq!(
            stdout,
            "/a\\u{1b} -> host:/b\n>+ a\\xff/new  1.5 kB\n\
             12 files, 3.1 MB, 2 renames, 1 delete, 0 conflicts, 0 problems in 0.41 s (38.2 kB sent, 1.1 kB received)\n"
        );
        assert_eq!(stderr, "error: `p\\n`: permission \\u{7} denied\n");
    }

    #[test]
    fn quiet_tells_problems_alone() {
        let (stdout, stderr) = told(Text { quiet: true, ..LOUD }, &samples::summary());
        assert_eq!((stdout.as_str(), stderr.as_str()), ("", "error: `p\\n`: permission \\u{7} denied\n"));
    }

    #[test]
    fn nothing_to_do_is_alike_and_anything_else_is_not() {
        let nothing = Summary { totals: Default::default(), ..samples::summary() };
        assert_eq!(last(&nothing), "alike");
        assert!(last(&Summary { problems: 1, ..nothing.clone() }).contains("1 problem in"));
        assert!(last(&Summary { alike: false, ..nothing }).starts_with("0 files"));
        let reused = Summary { reused: 1_500, ..samples::summary() };
        assert!(last(&reused).ends_with("(38.2 kB sent, 1.1 kB received, 1.5 kB reused)"));
    }

    #[test]
    fn the_table_is_exact() {
        let (mut out, stdout, _) = pages();
        table(&mut out, &figures(&samples::summary())[..4]);
        assert_eq!(
            stdout.text(),
            "files          12\nbytes          3100000 B (3.1 MB)\ndirectories    4\nmetadata only  5\n"
        );
    }
}
