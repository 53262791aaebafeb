//! The form for programs: one JSON object a line. Version 1; fields are added, never changed.
//!
//! ```text
//! {"v":1,"type":"header","verb":"mirror","left":"/a","right":"host:/b","direction":"right","dry_run":false,"quick":false}
//! {"v":1,"type":"action","op":"create","side":"right","path":"a/b","bytes":12}      also "from", "path_b64", "from_b64"
//! {"v":1,"type":"progress","phase":"scan"|"transfer","entries":N,"hashed_bytes":N,"files":N,"bytes":N,...}
//! {"v":1,"type":"problem","path":"a/b","kind":"unreadable","cause":"permission denied","side":"left"}
//! {"v":1,"type":"forgotten","path":"/a/.alike/forgotten-1"}          others: [`super::versions`]
//! {"v":1,"type":"summary","alike":true,"left":{"top":"...","entries":N},...}
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::form::{Direction, Ending, Form};
use super::progress::Progress;
use super::versions::{Apart, Conflicting, Present, Settled};
use crate::cli::base64;
use crate::cli::output::Output;
use crate::model::plan::{Action, Step};
use crate::model::{Problem, ProblemKind, RelPath};
use crate::sync::report::{Conflict, RootSummary, Side, Version};

const VERSION: u32 = 1;

/// What the header says beside the roots.
#[derive(Debug, Clone, Copy)]
pub struct Json {
    /// The command.
    pub verb: &'static str,
    /// Which way changes go.
    pub direction: Direction,
    /// Nothing is changed.
    pub dry_run: bool,
    /// Files that were never hashed are compared by size and time.
    pub quick: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Event<'a> {
    Header(Header<'a>),
    Action(Done<'a>),
    Progress(Progress),
    Problem(Failed<'a>),
    Forgotten {
        path: Cow<'a, str>,
    },
    Conflict(Conflicting),
    #[serde(rename = "edited-at-old-name")]
    EditedAtOldName(Apart),
    Settled(Settled),
    Version(Present),
    Summary(Ended),
}

#[derive(Serialize)]
struct Versioned<'a, E> {
    v: u32,
    #[serde(flatten)]
    event: &'a E,
}

#[derive(Serialize)]
struct Header<'a> {
    verb: &'static str,
    left: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    right: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    dry_run: bool,
    quick: bool,
}

#[derive(Serialize)]
struct Done<'a> {
    op: &'static str,
    side: &'static str,
    path: Cow<'a, str>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_b64: Option<String>,
}

#[derive(Serialize)]
struct Failed<'a> {
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    kind: &'static str,
    cause: &'a str,
    side: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Ended {
    Pair(Pair),
    Single(Single),
    Counted(BTreeMap<String, u64>),
}

#[derive(Serialize)]
struct Pair {
    alike: bool,
    left: Root,
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<Root>,
    files: u64,
    bytes: u64,
    renames: u64,
    deletes: u64,
    conflicts: u64,
    problems: u64,
    sent: u64,
    received: u64,
    reused: u64,
    round_trips: u32,
    seconds: f64,
}

#[derive(Serialize)]
struct Root {
    top: String,
    entries: u64,
}

#[derive(Serialize)]
struct Single {
    top: String,
    entries: u64,
    bytes: u64,
    hashed_bytes: u64,
    problems: u64,
    seconds: f64,
}

impl Form for Json {
    fn header(&mut self, out: &mut Output, left: &str, right: &str) {
        let direction = match self.direction {
            _ if right.is_empty() => None,
            Direction::Right => Some("right"),
            Direction::Both => Some("both"),
        };
        let Json { verb, dry_run, quick, .. } = *self;
        write(out, &Event::Header(Header { verb, left, right, direction, dry_run, quick }));
    }

    fn action(&mut self, out: &mut Output, action: &Action, side: Side) {
        let from = match &action.step {
            Step::Rename { from } => Some(from),
            _ => None,
        };
        write(
            out,
            &Event::Action(Done {
                op: op(&action.step),
                side: name(side),
                path: text(&action.path),
                bytes: action.bytes(),
                from: from.map(text),
                path_b64: raw(&action.path),
                from_b64: from.and_then(raw),
            }),
        );
    }

    fn problem(&mut self, out: &mut Output, problem: &Problem, side: Side) {
        let Problem { path, kind, cause } = problem;
        let (path, path_b64) = (text(path), raw(path));
        write(out, &Event::Problem(Failed { path, path_b64, kind: class(*kind), cause, side: name(side) }));
        out.flush();
    }

    fn forgotten(&mut self, out: &mut Output, place: &Path) {
        write(out, &Event::Forgotten { path: place.to_string_lossy() });
    }

    fn conflict(&mut self, out: &mut Output, conflict: &Conflict) {
        write(out, &Event::Conflict(Conflicting::new(conflict)));
    }

    fn edited_at_old_name(&mut self, out: &mut Output, from: &RelPath, to: &RelPath) {
        write(out, &Event::EditedAtOldName(Apart::new(from, to)));
    }

    fn settled(&mut self, out: &mut Output, path: &RelPath, kept: &[RelPath]) {
        write(out, &Event::Settled(Settled::new(path, kept)));
    }

    fn version(&mut self, out: &mut Output, path: &RelPath, version: &Version) {
        write(out, &Event::Version(Present::new(path, version)));
    }

    fn progress(&mut self, out: &mut Output, progress: &Progress) {
        write(out, &Event::Progress(*progress));
    }

    fn ending(&mut self, out: &mut Output, ending: Ending<'_>) {
        write(out, &Event::Summary(Ended::new(ending)));
    }
}

impl Ended {
    fn new(ending: Ending<'_>) -> Ended {
        match ending {
            Ending::Counted { noun, count } => Ended::Counted(BTreeMap::from([(format!("{noun}s"), count)])),
            Ending::Verified(checked) => Ended::Counted(BTreeMap::from([
                ("files".into(), checked.files),
                ("bytes".into(), checked.bytes),
                ("rotten".into(), checked.rotten),
                ("healed".into(), checked.healed),
            ])),
            Ending::Pair(summary) | Ending::Alone(summary) => Ended::Pair(Pair {
                alike: summary.alike,
                left: Root::new(&summary.left),
                right: matches!(ending, Ending::Pair(_)).then(|| Root::new(&summary.right)),
                files: summary.totals.files,
                bytes: summary.totals.bytes,
                renames: summary.totals.renames,
                deletes: summary.totals.deletes,
                conflicts: summary.conflicts,
                problems: summary.problems,
                sent: summary.sent,
                received: summary.received,
                reused: summary.reused,
                round_trips: summary.round_trips,
                seconds: summary.seconds,
            }),
            Ending::Single { root, problems, seconds } => Ended::Single(Single {
                top: root.top.to_hex(),
                entries: root.entries,
                bytes: root.bytes,
                hashed_bytes: root.hashed_bytes,
                problems,
                seconds,
            }),
        }
    }
}

impl Root {
    fn new(root: &RootSummary) -> Root {
        Root { top: root.top.to_hex(), entries: root.entries }
    }
}

/// One object on a line of its own.
pub fn write(out: &mut Output, event: &impl Serialize) {
    let line = serde_json::to_string(&Versioned { v: VERSION, event });
    out.line(line.expect("strings and finite numbers have a JSON form"));
}

fn op(step: &Step) -> &'static str {
    match step {
        Step::Mkdir => "mkdir",
        Step::Create(_) => "create",
        Step::Update(_) => "update",
        Step::Rename { .. } => "rename",
        Step::Metadata => "metadata",
        Step::Delete { .. } => "delete",
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

/// The class of a problem.
pub fn class(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Unreadable => "unreadable",
        ProblemKind::Rotten => "rotten",
        ProblemKind::Changed => "changed",
        ProblemKind::Vanished => "vanished",
        ProblemKind::Unwritable => "unwritable",
        ProblemKind::Unrepresentable => "unrepresentable",
        ProblemKind::Missing => "missing",
        ProblemKind::Guarded => "guarded",
    }
}

/// The path as text; the root itself is `.`.
pub fn text(path: &RelPath) -> Cow<'_, str> {
    if path.as_ref().is_root() { Cow::Borrowed(".") } else { String::from_utf8_lossy(path.as_bytes()) }
}

/// The path's bytes, where text cannot carry them.
pub fn raw(path: &RelPath) -> Option<String> {
    std::str::from_utf8(path.as_bytes()).is_err().then(|| base64::encode(path.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::tests::pages;
    use crate::cli::told::progress::Phase;
    use crate::cli::told::samples;

    #[test]
    fn every_object_has_its_documented_form() {
        let (mut out, stdout, stderr) = pages();
        let mut json = Json { verb: "mirror", direction: Direction::Right, dry_run: false, quick: true };
        json.header(&mut out, "/a\"", "h:/b");
        json.header(&mut out, "/a", "");
        for at in [3, 8, 9] {
            json.action(&mut out, &samples::actions()[at], Side::Right);
        }
        json.progress(&mut out, &Progress { phase: Phase::Transfer, files_total: Some(2), ..Progress::default() });
        json.problem(&mut out, &samples::problem(), Side::Left);
        json.ending(&mut out, Ending::Pair(&samples::summary()));
        json.ending(&mut out, Ending::Single { root: &samples::summary().left, problems: 3, seconds: 0.5 });
        let root = format!(r#"{{"top":"{}","entries":12}}"#, "ab".repeat(32));
        let wanted = [
            r#""header","verb":"mirror","left":"/a\"","right":"h:/b","direction":"right","dry_run":false,"quick":true}"#,
            r#""header","verb":"mirror","left":"/a","dry_run":false,"quick":true}"#,
            r#""action","op":"create","side":"right","path":"a?/new","bytes":1500,"path_b64":"Yf8vbmV3"}"#,
            r#""action","op":"rename","side":"right","path":"e","bytes":0,"from":"old?","from_b64":"b2xk/g=="}"#,
            r#""action","op":"delete","side":"right","path":"f","bytes":0}"#,
            r#""progress","phase":"transfer","entries":0,"hashed_bytes":0,"files":0,"bytes":0,"files_total":2}"#,
            r#""problem","path":"p\n","kind":"unreadable","cause":"permission \u0007 denied","side":"left"}"#,
            &format!(
                r#""summary","alike":true,"left":{root},"right":{root},"files":12,"bytes":3100000,"renames":2,{}}}"#,
                r#""deletes":1,"conflicts":0,"problems":0,"sent":38200,"received":1100,"reused":0,"round_trips":2,"seconds":0.41"#
            ),
            &format!(
                r#""summary",{},"bytes":34000,"hashed_bytes":56,"problems":3,"seconds":0.5}}"#,
                root.trim_matches(['{', '}'])
            ),
        ];
        let text = stdout.text().replace('\u{fffd}', "?");
        let lines: Vec<&str> =
            text.lines().map(|line| line.strip_prefix(r#"{"v":1,"type":"#).unwrap_or(line)).collect();
        assert_eq!(lines, wanted);
        assert_eq!(stderr.text(), "");
    }
}
