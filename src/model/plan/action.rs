//! The plan as a value: one action a path, in tree order. It is the dry run, and it is what runs.
//!
//! A plan is sound in this order, and in no other:
//! 1. the content of every [`Source::Copy`] is staged, from where it lies before anything moves;
//! 2. [`Step::Mkdir`], parents first;
//! 3. [`Plan::renames`], in their order;
//! 4. [`Step::Create`] and [`Step::Update`] but for links;
//! 5. those with [`Source::Link`];
//! 6. metadata of what is not a directory: [`Step::Metadata`], and what was renamed;
//! 7. [`Step::Delete`] in reverse tree order, but for what goes `within` another;
//! 8. metadata of [`Plan::directories_to_finish`], deepest first.

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
        /// Another path of the hard-link group: the least that stays in place, else the least of all.
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
    /// Move what is at `from` here, a directory with all that is below it, and set its metadata. [`Move`] says what
    /// becomes of what is here. There is no other action at `from`, unless the source has an entry there.
    Rename {
        /// Where it is when the step runs. Directories move first, so for a file it may lie in one that just moved.
        from: RelPath,
    },
    /// Set metadata; the content stays.
    Metadata,
    /// Move to the trash. A directory that does not go as a whole is removed only if it is empty by then: it holds
    /// things that the listing does not.
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

/// What the target held at a path when it was scanned: the precondition of every step that replaces or deletes. The
/// change time of a file with several names moves with each of them, so for one that has `links` it holds no longer
/// than until the first step at any of them.
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
    /// What the path holds when the step runs; `None` where nothing is. Below a directory that the plan moves, it is
    /// what that directory brings along. In a cycle of three or more renames all but the first find what an exchange
    /// has just put there, whose change time is then not that of the stamp.
    pub before: Option<Box<Before>>,
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

/// What stands at the path that a rename goes to, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onto {
    /// Nothing stands there: a plain rename that replaces nothing.
    Nothing,
    /// Something that goes: the two are exchanged, and what then lies at `from` is moved to the trash at once.
    Doomed,
    /// Something that another path wants: the two are exchanged, and what then lies at `from` stays there, because the
    /// next rename of the cycle takes it from there, or because that is where it belongs.
    Wanted,
}

/// How one rename is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// What stands at `from` when the step runs: the precondition. Its stamp holds in every field.
    pub moved: Before,
    /// What stands at the path.
    pub onto: Onto,
}

/// What a run would do, and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// One a path, in tree order.
    pub actions: Vec<Action>,
    /// Indices into `actions` of the renames, in the order in which they must run: directories first, then chains of
    /// files from their free end. A cycle of n paths is n - 1 exchanges: the action at its last path is not listed here,
    /// as the exchange before it has put the right file there (so a swap is one exchange and two actions).
    pub renames: Vec<usize>,
    /// How each of `renames` is done; as many as there are of those.
    pub moves: Vec<Move>,
    /// Paths that cannot be made alike, each with its cause.
    pub problems: Vec<Problem>,
    /// Deletes that the guard held back.
    pub held: usize,
}
