//! What a look at one disk path means: nothing, a write, or a delete. Start at [`record`].

use super::dot::Dot;
use super::entry::Entry;
use super::project::Shown;
use super::siblings::{Replaced, Siblings, Version};

/// What we last saw at a disk path, or last installed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The writes that it stood for.
    pub dots: Vec<Dot>,
    /// What the disk showed.
    pub entry: Entry,
    /// The path was ignored, filtered or unreadable since: its absence tells nothing.
    pub unseen: bool,
}

/// One disk path at a scan.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What we last saw here.
    pub witness: Option<&'a Witness>,
    /// What is here now.
    pub disk: Option<&'a Entry>,
    /// What the projection of the present E wants here.
    pub shown: Option<&'a Shown>,
    /// What E holds: of the path whose versions the witness stood for; without a witness, of
    /// [`home_of`](super::project::home_of) the name.
    pub siblings: &'a Siblings,
}

/// What happened at a disk path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// No write and no delete: no dot is taken.
    Nothing(Quiet),
    /// Somebody wrote. The caller takes a new dot.
    Write {
        /// What was written.
        entry: Entry,
        /// What the new version remembers to have replaced.
        replaced: Vec<Replaced>,
        /// Versions in E that the writer had before him, ascending.
        supersedes: Vec<Dot>,
    },
    /// Somebody deleted. The caller takes a new dot.
    Delete {
        /// Versions in E that were deleted, ascending; at least one.
        supersedes: Vec<Dot>,
    },
}

/// Why nothing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// What is here is what the witness showed, or what we installed, or will be replaced by what the projection wants.
    Settled,
    /// Nothing is here, and what the projection wants here, if anything, has not come yet or went unseen: the witness, if
    /// any, is to be dropped.
    Wanted,
    /// What is here cannot be told: the witness is kept, and is unseen from now on.
    Unreadable,
}

impl Event {
    /// Puts the event into the siblings of its path, under the dot that was taken for it.
    pub fn apply(self, dot: Dot, siblings: &mut Siblings) {
        match self {
            Event::Nothing(_) => {}
            Event::Delete { supersedes } => supersedes.into_iter().for_each(|gone| drop(siblings.remove(gone))),
            Event::Write { entry, replaced, supersedes } => {
                supersedes.into_iter().for_each(|gone| drop(siblings.remove(gone)));
                siblings.insert(Version { dot, entry, replaced });
            }
        }
    }
}

/// What a look at one disk path means.
pub fn record(seen: &Seen<'_>) -> Event {
    let _ = seen;
    Event::Nothing(Quiet::Settled)
}
