//! What the walk reports: only what differs from the base. Owns the pieces from which the next listing is assembled.
//!
//! A directory whose children are as in the base reports nothing at all. Others report pieces: a piece stands for a
//! range of the base's rows and says what is in their place, child by child. Rows below a child directory are that
//! directory's own report.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::blocks::{Blocks, Packed};
use super::observe::{Observed, Outcome, Seen};
use crate::model::listing::{Builder, FLAG_CHANGED, FLAG_MOUNT};
use crate::model::{Digest, Entry, Kind, Listing, PathRef, Problem, ProblemKind, RelPath, Stamp, Time};

thread_local! {
    /// Where a thread builds the rows of one part after the other: a builder a part would leave its outgrown rooms behind.
    static ROWS: RefCell<Builder> = RefCell::default();
}

/// A file that has several names: device and inode.
pub(super) type Group = (u64, u64);

/// What the walk found.
#[derive(Default)]
pub(super) struct Found {
    /// The rows of all pieces.
    pub blocks: Blocks,
    /// The directories with anything to report, by path.
    pub contents: HashMap<Box<[u8]>, Contents>,
    /// Directories that hold something themselves that the listing shall not hold.
    pub incomplete: Vec<RelPath>,
    /// Rows kept from the base of files that have several names.
    pub linked: Vec<(Group, usize)>,
    /// How many directories kept from the base are flagged as incomplete there.
    pub flagged: usize,
    /// What failed.
    pub problems: Vec<Problem>,
    /// The ignore files that were obeyed, each with the digest of what it said.
    pub rules: Vec<(RelPath, Digest)>,
    /// Files that are hashed after the walk; a row refers to one by its index.
    pub late: Vec<Late>,
    /// Files with several names, each looked at once.
    pub claims: HashMap<Group, Claim>,
}

/// What is in a directory.
pub(super) enum Contents {
    /// Pieces in any order of their parts.
    Pieces(Vec<Piece>),
    /// The directory vanished after it was listed in its parent.
    Gone,
    /// It could not be listed.
    Unreadable(ProblemKind),
}

/// A part of a directory's children.
pub(super) struct Piece {
    /// Which part: parts are in the order of the names.
    pub part: usize,
    /// The rows of the base that this part stands for.
    pub base: Range<usize>,
    /// What is there instead.
    pub spans: Vec<Span>,
    /// The rows that spans refer to, among [`Found::blocks`]: the directory's children alone, with whole paths.
    pub rows: Packed,
    /// Rows that are filled in later.
    pub fixes: HashMap<usize, Fix>,
}

/// Some children of a directory.
#[derive(Clone)]
pub(super) enum Span {
    /// Children of the base, each with all below it.
    Kept(Range<usize>),
    /// Rows of the piece.
    Fresh(Range<usize>),
}

/// Where the outcome for a row is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fix {
    /// That of the file with several names.
    Group(Group),
    /// That of a file that is hashed after the walk.
    Late(usize),
}

/// The one look at a file with several names.
pub(super) enum Claim {
    /// It goes on.
    Pending,
    /// It is left for after the walk.
    Late(usize),
    /// It is done.
    Done(Outcome),
}

/// A file that is hashed after the walk: a large one, or one that was changed just now.
pub(super) struct Late {
    pub path: RelPath,
    pub bytes: u64,
    pub grain_ns: i64,
    /// What was seen of it, where it is opened already.
    pub seen: Option<Seen>,
    pub outcome: Outcome,
}

/// A listing row for what could not be read.
pub(super) fn unreadable_row(kind: ProblemKind) -> Observed {
    let entry = Entry {
        kind: Kind::Unreadable,
        mode: 0,
        mtime: Time::default(),
        size: 0,
        content: Digest::UNKNOWN,
        uid: 0,
        gid: 0,
        extra: None,
    };
    let flags = if kind == ProblemKind::Changed { FLAG_CHANGED } else { 0 };
    Observed { entry, stamp: Stamp::default(), flags }
}

/// What one task collects before it reports once.
pub(super) struct Part {
    index: usize,
    base: Range<usize>,
    /// The last run of kept rows.
    run: Range<usize>,
    /// The first row that the last run of fresh rows starts with; `rows.len()` where there is none.
    fresh: usize,
    spans: Vec<Span>,
    rows: Builder,
    fixes: HashMap<usize, Fix>,
    pub incomplete: bool,
    pub linked: Vec<(Group, usize)>,
    pub flagged: usize,
    pub problems: Vec<Problem>,
}

impl Part {
    /// Starts a part that stands for rows of the base.
    pub fn new(index: usize, base: Range<usize>) -> Part {
        Part {
            index,
            run: base.start..base.start,
            base,
            fresh: 0,
            spans: Vec::new(),
            rows: ROWS.take(),
            fixes: HashMap::new(),
            incomplete: false,
            linked: Vec::new(),
            flagged: 0,
            problems: Vec::new(),
        }
    }

    /// A child is as in the base; `rows` is it and all below it.
    pub fn keep(&mut self, rows: Range<usize>) {
        self.close_fresh();
        if self.run.end != rows.start {
            self.close_run();
            self.run.start = rows.start;
        }
        self.run.end = rows.end;
    }

    /// A child is new or changed.
    pub fn push(&mut self, path: PathRef<'_>, observed: &Observed) {
        self.close_run();
        self.rows.push(path, &observed.entry, &observed.stamp, observed.flags);
    }

    /// A child whose row is filled in later.
    pub fn push_fix(&mut self, path: PathRef<'_>, fix: Fix) {
        self.fixes.insert(self.rows.len(), fix);
        let mut row = unreadable_row(ProblemKind::Unreadable);
        row.entry.kind = Kind::File;
        self.push(path, &row);
    }

    /// A child that is there and was not looked at, as was asked: no problem, and never taken for absent.
    pub fn push_unseen(&mut self, path: PathRef<'_>) {
        self.push(path, &unreadable_row(ProblemKind::Unreadable));
        self.incomplete = true;
    }

    /// A directory on which something was mounted, and is not now: what was in it is not gone.
    pub fn push_unmounted(&mut self, path: PathRef<'_>) {
        let row = unreadable_row(ProblemKind::Unreadable);
        self.push(path, &Observed { flags: row.flags | FLAG_MOUNT, ..row });
        self.incomplete = true;
        let cause = "was a mount point, and nothing is mounted there now".into();
        self.problems.push(Problem { path: path.to_owned(), kind: ProblemKind::Unreadable, cause });
    }

    /// A child that could not be read.
    pub fn push_unreadable(&mut self, path: PathRef<'_>, kind: ProblemKind, cause: String) {
        self.push(path, &unreadable_row(kind));
        self.incomplete = true;
        self.problems.push(Problem { path: path.to_owned(), kind, cause });
    }

    fn close_run(&mut self) {
        if !self.run.is_empty() {
            self.spans.push(Span::Kept(self.run.clone()));
        }
        self.run = self.run.end..self.run.end;
    }

    fn close_fresh(&mut self) {
        if self.fresh < self.rows.len() {
            self.spans.push(Span::Fresh(self.fresh..self.rows.len()));
            self.fresh = self.rows.len();
        }
    }

    /// What there is to report: nothing where all is as in the base.
    pub fn finish(mut self) -> Reported {
        let unchanged = self.rows.is_empty() && self.spans.is_empty() && self.run == self.base;
        self.close_run();
        self.close_fresh();
        let Part { index, base, spans, mut rows, fixes, incomplete, linked, flagged, problems, .. } = self;
        let piece =
            (!unchanged).then(|| (rows.drain(), Piece { part: index, base, spans, rows: Packed::default(), fixes }));
        ROWS.set(rows);
        Reported { piece, incomplete, linked, flagged, problems }
    }
}

/// What one task reports.
pub(super) struct Reported {
    /// A piece, and its rows that are still to be packed.
    piece: Option<(Listing, Piece)>,
    incomplete: bool,
    linked: Vec<(Group, usize)>,
    flagged: usize,
    problems: Vec<Problem>,
}

impl Found {
    /// Takes what a task reports about a part of the directory at `path`.
    pub fn take(found: &Mutex<Found>, path: PathRef<'_>, mut reported: Reported) {
        let silent = reported.piece.is_none()
            && !reported.incomplete
            && reported.flagged == 0
            && reported.linked.is_empty()
            && reported.problems.is_empty();
        if silent {
            return;
        }
        let mut found = Found::lock(found);
        if let Some((rows, mut piece)) = reported.piece {
            piece.rows = found.blocks.pack(&rows);
            let contents = found.contents.entry(path.as_bytes().into());
            if let Contents::Pieces(pieces) = contents.or_insert_with(|| Contents::Pieces(Vec::new())) {
                pieces.push(piece);
            }
        }
        if reported.incomplete {
            found.incomplete.push(path.to_owned());
        }
        found.flagged += reported.flagged;
        found.linked.append(&mut reported.linked);
        found.problems.append(&mut reported.problems);
    }

    /// Takes the only look at a file with several names; false where another path of it has done so.
    pub fn claim(found: &Mutex<Found>, group: Group) -> bool {
        let mut found = Found::lock(found);
        let first = !found.claims.contains_key(&group);
        if first {
            found.claims.insert(group, Claim::Pending);
        }
        first
    }

    /// A poisoned lock means that a task panicked; the scope passes that panic on, so no half result is used.
    pub fn lock(found: &Mutex<Found>) -> std::sync::MutexGuard<'_, Found> {
        found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
