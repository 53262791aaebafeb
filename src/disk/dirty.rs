//! Where a root may have changed since it was looked at. A hint: looking is what tells.

use std::collections::BTreeSet;

use crate::model::RelPath;

/// Directories that are named one by one; more, and all of the root is looked at. That costs about as much.
pub const DIRECTORIES_MAX: usize = 4096;

/// Where a root may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dirty {
    /// Anywhere.
    All,
    /// In these directories and in what is new below them; the empty path is the root. Not in the directories below that
    /// were known before.
    Directories(BTreeSet<RelPath>),
}

impl Dirty {
    /// Nowhere.
    pub const fn nowhere() -> Dirty {
        Dirty::Directories(BTreeSet::new())
    }

    /// Whether it is nowhere.
    pub fn is_nowhere(&self) -> bool {
        matches!(self, Dirty::Directories(directories) if directories.is_empty())
    }

    /// Wherever either of the two is.
    pub fn and(self, other: Dirty) -> Dirty {
        match (self, other) {
            (Dirty::Directories(mut ours), Dirty::Directories(theirs)) => {
                ours.extend(theirs);
                if ours.len() > DIRECTORIES_MAX { Dirty::All } else { Dirty::Directories(ours) }
            }
            _ => Dirty::All,
        }
    }
}
