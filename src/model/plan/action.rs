//! The plan as a value: one action a path, in tree order. It is the dry run, and it is what runs.

use crate::model::entry::{Entry, Kind, Stamp};
use crate::model::path::RelPath;
use crate::model::problem::Problem;

/// Where the bytes of a file come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Asked of the peer, by path and digest.
    Fetch,
    /// Copied within the target before anything moves: another path of the target already holds the bytes.
    Copy {
        /// Where the bytes are now.
        from: RelPath,
    },
    /// One more name of a file that the plan leaves or puts at `to`.
    Link {
        /// The least path of the hard-link group.
        to: RelPath,
    },
    /// The entry has no bytes: a symbolic link, a fifo, a device.
    None,
}

/// What is done at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a directory, in place of whatever else is there.
    Mkdir,
    /// Put an entry where nothing is.
    Create(Source),
    /// Put an entry in place of another one: the old one goes to the trash.
    Update(Source),
    /// Move what is at `from` here, a directory with all that is below it. What is here is exchanged and then deleted.
    Rename {
        /// Where it is now.
        from: RelPath,
    },
    /// Set metadata; the content stays.
    Metadata,
    /// Move to the trash.
    Delete {
        /// This directory goes with all below it, in one rename: the actions below it are already done by it.
        whole: bool,
        /// A directory above goes as a whole, or is replaced: nothing is left to do here.
        within: bool,
    },
}

/// Which fields differ, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// The bytes (or a link's target).
    pub content: bool,
    /// The size.
    pub size: bool,
    /// The modification time.
    pub mtime: bool,
    /// The permission bits.
    pub mode: bool,
    /// The owner.
    pub owner: bool,
    /// The group.
    pub group: bool,
    /// Extended attributes or ACLs.
    pub xattrs: bool,
    /// The hard-link group.
    pub links: bool,
    /// The kind.
    pub kind: bool,
}

/// What the target held at a path when it was scanned: the precondition of every step that replaces or deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Its kind.
    pub kind: Kind,
    /// Its stamp.
    pub stamp: Stamp,
    /// The whole entry.
    pub entry: Entry,
}

/// One path, one intention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Where, at the target.
    pub path: RelPath,
    /// What.
    pub step: Step,
    /// What the path shall hold; `None` for a delete.
    pub wanted: Option<Entry>,
    /// What the path holds now; `None` where nothing is.
    pub before: Option<Before>,
    /// Which fields differ.
    pub changes: Changes,
}

impl Action {
    /// Bytes of content that move from the source: what totals and progress count.
    pub fn bytes(&self) -> u64 {
        match (&self.step, &self.wanted) {
            (Step::Create(Source::Fetch) | Step::Update(Source::Fetch), Some(entry)) => entry.size,
            _ => 0,
        }
    }
}

/// What a run would do, and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// One a path, in tree order.
    pub actions: Vec<Action>,
    /// Indices into `actions` of the renames, in the order in which they must run.
    pub renames: Vec<usize>,
    /// Paths that cannot be made alike, each with its cause.
    pub problems: Vec<Problem>,
    /// Deletes that the guard held back.
    pub held: usize,
}

/// What a plan comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// Files, links and specials put in place (created or updated).
    pub files: u64,
    /// Bytes of content that move from the source.
    pub bytes: u64,
    /// Renames.
    pub renames: u64,
    /// Entries deleted.
    pub deletes: u64,
    /// Directories made.
    pub directories: u64,
    /// Entries whose metadata alone changes.
    pub metadata: u64,
}
