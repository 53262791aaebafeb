//! Problems: one path failed and the job goes on. Owns their kinds and how each counts; errors that end a job are elsewhere.

use super::path::RelPath;

/// Why a path could not be handled. The exit status follows from the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum ProblemKind {
    /// Could not be read on the side that holds it (exit 23).
    Unreadable,
    /// Changed while it was read; not sent torn (exit 24).
    Changed,
    /// Vanished while it was read (exit 24).
    Vanished,
    /// Could not be written at the target: full disk, permission, a local edit in between (exit 23).
    Unwritable,
    /// The target cannot represent it or a part of its metadata (exit 23).
    Unrepresentable,
    /// Nobody reachable has the bytes (exit 23).
    Missing,
    /// The guard held its deletion back (exit 25).
    Guarded,
    /// Its bytes changed, and nobody wrote them (exit 23).
    Rotten,
}

/// One path failed; the job went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which path.
    pub path: RelPath,
    /// Why, in a class.
    pub kind: ProblemKind,
    /// Why, for a person: lower case, no path, no full stop.
    pub cause: String,
}
