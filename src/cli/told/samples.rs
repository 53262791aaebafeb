//! Actions and summaries for the tests of the forms.

use crate::model::entry::{Entry, Extra, Kind, Stamp, Time};
use crate::model::plan::{Action, Changes, Source, Step};
use crate::model::plan::{Before, Totals};
use crate::model::{Digest, Problem, ProblemKind, RelPath};
use crate::sync::report::{RootSummary, Summary};

pub fn path(text: &[u8]) -> RelPath {
    RelPath::new(text).expect("a legal path")
}

fn entry(kind: Kind, size: u64) -> Entry {
    Entry { kind, mode: 0o644, mtime: Time::default(), size, content: Digest::UNKNOWN, uid: 0, gid: 0, extra: None }
}

fn before(entry: Entry) -> Option<Box<Before>> {
    Some(Box::new(Before { kind: entry.kind, stamp: Stamp::default(), entry }))
}

fn new(at: &[u8], step: Step, wanted: Entry) -> Action {
    Action { path: path(at), step, wanted: Some(wanted), before: None, changes: Changes::default() }
}

/// One of each kind, in tree order.
pub fn actions() -> Vec<Action> {
    let link = Extra { target: Some((*b"../\x1b[2J").into()), ..Extra::default() };
    let kind = Changes { kind: true, ..Changes::default() };
    let content = Changes { content: true, size: true, mtime: true, ..Changes::default() };
    let touched = Changes { mtime: true, mode: true, xattrs: true, ..Changes::default() };
    vec![
        new(b"a\xff", Step::Mkdir, entry(Kind::Directory, 0)),
        new(b"a\xff/copy", Step::Create(Source::Copy { from: path(b"z\n") }), entry(Kind::File, 2000)),
        new(b"a\xff/hard", Step::Create(Source::Link { to: path(b"z") }), entry(Kind::File, 7)),
        new(b"a\xff/new", Step::Create(Source::Fetch), entry(Kind::File, 1500)),
        new(b"a\xff/soft", Step::Create(Source::None), Entry { extra: Some(link.into()), ..entry(Kind::Symlink, 0) }),
        Action {
            before: before(entry(Kind::File, 3)),
            changes: content,
            ..new(b"b", Step::Update(Source::Fetch), entry(Kind::File, 4))
        },
        Action {
            before: before(entry(Kind::File, 3)),
            changes: kind,
            ..new(b"c", Step::Mkdir, entry(Kind::Directory, 0))
        },
        Action {
            before: before(entry(Kind::File, 3)),
            changes: touched,
            ..new(b"d", Step::Metadata, Entry { mode: 0o4755, ..entry(Kind::File, 3) })
        },
        new(b"e", Step::Rename { from: path(b"old\xfe") }, entry(Kind::Directory, 0)),
        Action {
            path: path(b"f"),
            step: Step::Delete { whole: false, within: false },
            wanted: None,
            before: before(entry(Kind::File, 5)),
            changes: Changes::default(),
        },
    ]
}

pub fn problem() -> Problem {
    Problem { path: path(b"p\n"), kind: ProblemKind::Unreadable, cause: "permission \x07 denied".into() }
}

pub fn summary() -> Summary {
    let root = RootSummary { top: Digest([0xab; 32]), entries: 12, bytes: 34_000, hashed_bytes: 56, ignoring: false };
    Summary {
        alike: true,
        left: root,
        right: root,
        totals: Totals {
            files: 12,
            bytes: 3_100_000,
            renames: 2,
            deletes: 1,
            mkdirs: 4,
            metadata: 5,
            ..Totals::default()
        },
        conflicts: 0,
        problems: 0,
        problem_exit: 0,
        sent: 38_200,
        received: 1100,
        reused: 0,
        round_trips: 2,
        seconds: 0.41,
    }
}
