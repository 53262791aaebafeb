//! What a look at one disk path means: nothing, a write, or a delete; and what a write or delete supersedes. Pure: the
//! caller looks, takes dots, and applies.
//!
//! A local change supersedes what its author had before him: the versions that the witness stood for, and those now in E
//! that are the same to the eye. Never "the present winner", which may have been joined and not been installed yet.
//!
//! # What the caller promises
//! - `shown` and `siblings` are those of **E before this scan**, for all paths of the scan; events are applied afterwards.
//!   Else a copy that was moved over the plain file ends both: the write would stand in E when the delete of the copy,
//!   equal to it, is judged.
//! - Installing puts copies in place before it replaces the plain file, and takes a file away last, once its version stands
//!   where it is wanted: so no version that lives is ever without a file, whatever the moment of a crash.
//! - Taking a file away is an open intent until its witness is gone. A file that is there during such an intent, and has
//!   not the stamp of the witness, was put there since: it has no witness, though it may equal the old one.
//! - Where the mode of a directory is changed for a while to write into it, that is an open intent.
//! - What this file system cannot hold (fine times, attributes) is judged as it can hold it, in `shown` as on disk.
//!
//! Start at [`record`].

use super::digest::Digest;
use super::dot::Dot;
use super::entry::{Entry, Kind};
use super::project::{Shown, same_bytes, same_version, yielding};
use super::siblings::{REPLACED_MAX, Replaced, Siblings, Version};

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
    /// Versions of the same path of E whose bytes **other** disk paths hold right now ([`same_bytes`]): those of what their
    /// witness showed, and those of what the projection wants there. Empty for nearly every path: one without copies has no
    /// other disk paths.
    pub standing: &'a [Dot],
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
    /// The versions that it ends.
    pub fn superseded(&self) -> &[Dot] {
        match self {
            Event::Nothing(_) => &[],
            Event::Write { supersedes, .. } | Event::Delete { supersedes } => supersedes,
        }
    }

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
    match (seen.disk, seen.witness) {
        (Some(disk), _) if !is_told(disk) => Event::Nothing(Quiet::Unreadable),
        (None, None) => Event::Nothing(Quiet::Wanted),
        (None, Some(witness)) => vanished(seen, witness),
        (Some(disk), None) => appeared(seen, disk),
        (Some(disk), Some(witness)) => stayed(seen, disk, witness),
    }
}

/// Whether an entry says what is there.
fn is_told(disk: &Entry) -> bool {
    match disk.kind {
        Kind::Unreadable | Kind::Socket => false,
        Kind::File => disk.content != Digest::UNKNOWN,
        _ => true,
    }
}

fn vanished(seen: &Seen<'_>, witness: &Witness) -> Event {
    // Narrower than for a write: a version of the same bytes that is wanted elsewhere is somebody's choice of them, made
    // without knowing of this delete.
    let supersedes = seen.had(witness, |_| false);
    if witness.unseen || supersedes.is_empty() {
        return Event::Nothing(Quiet::Wanted);
    }
    Event::Delete { supersedes }
}

fn appeared(seen: &Seen<'_>, disk: &Entry) -> Event {
    // Directories are made before what is in them, and get their modes after it: one in the making is not a user's.
    let installed = |shown: &Shown| same_version(&shown.entry, disk) || both_directories(&shown.entry, disk);
    if seen.shown.is_some_and(installed) {
        return Event::Nothing(Quiet::Settled);
    }
    Event::Write { entry: disk.clone(), replaced: Vec::new(), supersedes: Vec::new() }
}

fn stayed(seen: &Seen<'_>, disk: &Entry, witness: &Witness) -> Event {
    if unchanged(&witness.entry, disk) {
        return outlived(seen).unwrap_or(Event::Nothing(Quiet::Settled));
    }
    if seen.is_install(disk, witness) {
        return Event::Nothing(Quiet::Settled);
    }
    Event::Write {
        entry: disk.clone(),
        replaced: replaced(seen, disk, witness),
        supersedes: seen.had(witness, |entry| same_version(entry, &witness.entry)),
    }
}

/// The write that is made of a file nobody touched. A touch yielded to an edit, so the file shows the edit's bytes and
/// stands for both; somebody who had seen the edit alone deleted it. What is left is the touch, of bytes that no disk shows
/// any more. What the two were shown as is written anew and supersedes it: so nothing is wanted that nobody can give.
pub fn outlived(seen: &Seen<'_>) -> Option<Event> {
    let (witness, disk) = (seen.witness?, seen.disk?);
    let left: Vec<&Version> = witness.dots.iter().filter_map(|dot| seen.siblings.version(*dot)).collect();
    if left.len() == witness.dots.len() || !witness.entry.is_file() {
        return None;
    }
    let yielding = yielding(seen.siblings);
    let is_here = |version: &&&Version| !seen.standing.contains(&version.dot);
    let (same, other): (Vec<&Version>, Vec<&Version>) =
        left.iter().filter(is_here).partition(|version| same_bytes(&version.entry, &witness.entry));
    let alone = |version: &&Version| version.entry.is_file() && !yielding.contains(&version.dot);
    let alone: Vec<&Version> = other.into_iter().filter(alone).collect();
    if alone.is_empty() {
        return None;
    }
    let mut replaced = vec![Replaced::of(&witness.entry)];
    for past in alone.iter().flat_map(|version| &version.replaced) {
        if !replaced.contains(past) && replaced.len() < REPLACED_MAX {
            replaced.push(*past);
        }
    }
    let mut supersedes: Vec<Dot> = alone.iter().chain(&same).map(|version| version.dot).collect();
    supersedes.sort_unstable();
    Some(Event::Write { entry: disk.clone(), replaced, supersedes })
}

impl Seen<'_> {
    /// The versions that whoever changed this file had before him: those of the witness, and those that are the same to
    /// the eye and wanted here, or `anywhere`. But none that stands elsewhere: it was moved there, by an install whose
    /// witness is missing or by the user, and what was here since then we never saw.
    fn had(&self, witness: &Witness, anywhere: impl Fn(&Entry) -> bool) -> Vec<Dot> {
        let here = |dot: &Dot| self.shown.is_some_and(|shown| shown.dots.contains(dot));
        let had = |version: &&Version| {
            let Version { dot, entry, .. } = version;
            let like = here(dot) && same_version(entry, &witness.entry) || anywhere(entry);
            (witness.dots.contains(dot) || like) && !self.standing.contains(dot)
        };
        self.siblings.iter().filter(had).map(|version| version.dot).collect()
    }

    /// Whether what is here is what we installed, or what a user made just like it. The versions of the witness stay: an
    /// install that was cut off may have replaced their file before they stood where they are wanted now. So a user who
    /// moves a copy over the plain file just when that copy is about to come there has to do it again.
    fn is_install(&self, disk: &Entry, witness: &Witness) -> bool {
        let Some(shown) = self.shown else { return false };
        if same_version(&shown.entry, &witness.entry) {
            // Only metadata is on its way here, so metadata alone tells our install from a user's touch.
            return unchanged(&shown.entry, disk);
        }
        if both_directories(&shown.entry, disk) && !witness.entry.is_directory() {
            // An install puts the versions of a file beside it before it makes a directory in its place. Where one stands
            // nowhere, the user took it away and made the directory, maybe long after a guard refused his delete. Of a link
            // that is not known: it is made anew from what is agreed on, after the directory.
            return !witness.entry.is_file() || self.had(witness, |_| false).is_empty();
        }
        same_version(&shown.entry, disk)
    }
}

fn both_directories(left: &Entry, right: &Entry) -> bool {
    left.is_directory() && right.is_directory()
}

/// Whether nothing changed that takes a dot: of a directory, the time changes with each child.
fn unchanged(before: &Entry, after: &Entry) -> bool {
    let time = both_directories(before, after) || before.mtime == after.mtime;
    let whole = (before.kind, before.mode, before.size, before.content, before.uid, before.gid)
        == (after.kind, after.mode, after.size, after.content, after.uid, after.gid);
    time && whole && before.extra == after.extra
}

/// What a new version on top of the witness remembers to have replaced: what the witness showed, and what that had replaced.
/// Nothing where the witness is in doubt: a touch elsewhere would yield to somebody who never had its bytes before him.
fn replaced(seen: &Seen<'_>, disk: &Entry, witness: &Witness) -> Vec<Replaced> {
    let stands = |version: &Version| {
        let its = witness.dots.contains(&version.dot) || same_bytes(&version.entry, &witness.entry);
        its && seen.standing.contains(&version.dot)
    };
    let is_doubtful = seen.siblings.iter().any(stands);
    if !disk.is_file() || !witness.entry.is_file() || is_doubtful {
        return Vec::new();
    }
    let last = Replaced::of(&witness.entry);
    let is_its =
        |version: &&Version| witness.dots.contains(&version.dot) && version.entry.content == witness.entry.content;
    let past = seen.siblings.iter().find(is_its).map_or(&[][..], |version| &version.replaced).iter();
    // A file that is touched over and over must not push out what it once replaced.
    let past = past.filter(|past| **past != last).take(REPLACED_MAX - 1);
    std::iter::once(&last).chain(past).copied().collect()
}

#[cfg(test)]
mod tests;
