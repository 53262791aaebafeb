//! How deletes are carried out: a directory that is wholly known goes in one rename, with all that is below it.

use super::spot::{Fate, Table};
use super::triage::incomplete;
use crate::model::entry::Kind;

/// How one spot is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Way {
    pub whole: bool,
    pub within: bool,
}

/// Takes back the deletes of directories that hold what must stay, or what was not looked at: they are not empty in the
/// end, and a rehearsal shall not tell of deletes that a run cannot do.
pub(super) fn spare(table: &mut Table<'_>) {
    let blocked = incomplete(table);
    for (spot, blocked) in table.spots.iter_mut().zip(blocked) {
        if blocked && spot.fate == Fate::Delete {
            spot.fate = Fate::Blocked;
        }
    }
}

/// For each spot, how it is deleted, if it is.
pub(super) fn ways(table: &Table<'_>) -> Vec<Way> {
    let incomplete = incomplete(table);
    let mut ways = vec![Way::default(); table.spots.len()];
    for index in 0..table.spots.len() {
        let directory = table.row(index).is_some_and(|row| row.kind() == Kind::Directory);
        let within = table.parent(index).is_some_and(|parent| match table.spots[parent].fate {
            Fate::Delete => ways[parent].whole || ways[parent].within,
            // What replaces a directory takes the whole of it away.
            Fate::Body(_) | Fate::Link(_) => true,
            _ => false,
        });
        ways[index] = Way { whole: directory && !within && !incomplete[index], within };
    }
    ways
}
