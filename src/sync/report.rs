//! What a job tells while it runs. The library calls, the terminal implements; a test collects.

use std::path::Path;
use std::sync::Arc;

use crate::disk::gauge::Gauge;
use crate::model::plan::{Action, Totals};
use crate::model::project::Shown;
use crate::model::resolve::digest_of;
use crate::model::{Digest, Dot, Kind, Problem, RelPath, ReplicaId, Siblings, Time};
use crate::proto::message::Scanned;

/// Left and right as the user named them: in a mirror the source is left and the target right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Side {
    /// The first location.
    Left,
    /// The second location.
    Right,
}

/// Something worth telling.
#[derive(Debug)]
pub enum Event<'a> {
    /// First of all: both roots, resolved (`host:path` for a remote one).
    Header {
        /// The left root.
        left: &'a str,
        /// The right root.
        right: &'a str,
    },
    /// Something for `-v`: which carrier, what was rescanned, what ssh said.
    Note(&'a str),
    /// The comparison is done: from here on totals are exact. Comes once, before any action.
    Planned(&'a Totals),
    /// In a dry run: would be done. In a run: was done. In plan order.
    Action(&'a Action, Side),
    /// A path failed; the job goes on.
    Problem(&'a Problem, Side),
    /// A replica's memory was moved aside, to this place.
    Forgotten(&'a Path),
    /// A path of which there is more than one version.
    Conflict(&'a Conflict),
    /// A file was renamed on one side and edited on the other, at its old name: both are kept.
    EditedAtOldName {
        /// The old name, which holds the edit.
        from: &'a RelPath,
        /// The new one.
        to: &'a RelPath,
    },
    /// A conflict is settled: its path, and the names under which something was kept.
    Settled(&'a RelPath, &'a [RelPath]),
    /// A version of a path that is present.
    Version(&'a RelPath, &'a Version),
}

/// A path of which there is more than one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The path.
    pub path: RelPath,
    /// Its versions, the one with the plain name first.
    pub versions: Vec<Version>,
}

/// One version of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Who wrote it; `None` for a directory that only its children make.
    pub write: Option<Dot>,
    /// Whether this replica did.
    pub own: bool,
    /// What it is.
    pub kind: Kind,
    /// Of its bytes, or of a link's target; a directory has none.
    pub digest: Option<Digest>,
    /// Its size.
    pub bytes: u64,
    /// Its modification time.
    pub mtime: Time,
    /// Which name on disk shows it; `None` where its bytes are not here.
    pub at: Option<RelPath>,
}

impl Version {
    /// What is told of a version that a disk shows, of which `own` is the replica.
    pub fn of(shown: &Shown, siblings: &Siblings, own: ReplicaId, on_disk: bool) -> Version {
        let versions = shown.dots.iter().filter_map(|dot| siblings.version(*dot));
        // Where several replicas wrote the same, the one whose entry is shown is told.
        let told = versions.max_by_key(|version| (version.entry == shown.entry, version.entry.mtime));
        let write = told.map(|version| version.dot);
        Version {
            write,
            own: write.is_some_and(|write| write.replica == own),
            kind: shown.entry.kind,
            digest: digest_of(&shown.entry),
            bytes: shown.entry.size,
            mtime: shown.entry.mtime,
            at: on_disk.then(|| shown.name.clone()),
        }
    }
}

/// Receives what a job tells. Called from the job's own thread, never at once from two.
pub trait Report {
    /// Called once before anything else with the counters that the job turns; they may be read at any time
    /// (`files_done` and `bytes_done` against the totals of [`Event::Planned`]), and [`Gauge::stop`] stops the job.
    fn gauges(&mut self, gauges: &Gauges);

    /// Called for each event.
    fn event(&mut self, event: Event<'_>);
}

/// The counters of a job.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Of the scan of the left root, where it is local.
    pub left: Arc<Gauge>,
    /// Of the scan of the right root, where it is local; and of everything done at the target, local or not.
    pub right: Arc<Gauge>,
}

impl Gauges {
    /// Bytes that did not have to come to either end.
    pub fn reused(&self) -> u64 {
        self.left.reused() + self.right.reused()
    }
}

/// One root at the end of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct RootSummary {
    /// The tree's highest digest.
    pub top: Digest,
    /// Number of entries.
    pub entries: u64,
    /// Bytes of all regular files.
    pub bytes: u64,
    /// Bytes that were read and hashed.
    pub hashed_bytes: u64,
    /// Whether any ignore file was obeyed.
    pub ignoring: bool,
}

/// The end of a mirror or a diff.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Whether both roots are alike now (or were, in a dry run).
    pub alike: bool,
    /// The left root (its state at the scan).
    pub left: RootSummary,
    /// The right root: after the run; in a dry run at the scan.
    pub right: RootSummary,
    /// What was done, or in a dry run would be done.
    pub totals: Totals,
    /// Conflict copies that each root shows.
    pub conflicts: u64,
    /// Problems of each kind are told as events; this is their number.
    pub problems: u64,
    /// The exit status that the problems ask for: 0, 23, 24 or 25.
    pub problem_exit: u8,
    /// Bytes on the wire, sent by this process.
    pub sent: u64,
    /// Bytes on the wire, received by this process.
    pub received: u64,
    /// Bytes of content that did not have to come, as old versions or what an earlier run left had them.
    pub reused: u64,
    /// Round trips of the comparison after the handshake; 0 between local roots.
    pub round_trips: u32,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl From<Scanned> for RootSummary {
    fn from(scanned: Scanned) -> RootSummary {
        let Scanned { top, entries, bytes, hashed_bytes, ignoring } = scanned;
        RootSummary { top, entries, bytes, hashed_bytes, ignoring }
    }
}

impl From<RootSummary> for Scanned {
    fn from(summary: RootSummary) -> Scanned {
        let RootSummary { top, entries, bytes, hashed_bytes, ignoring } = summary;
        Scanned { top, entries, bytes, hashed_bytes, ignoring }
    }
}
