//! Which of several versions of a path shall stay, as somebody who saw them all decides it. Pure: what is agreed on in,
//! writes and deletes out; the caller takes dots for them and makes the disk show what comes of it.
//!
//! A decision is a write like any other: a new version that supersedes all that the path holds. So a replica that decided
//! otherwise meanwhile is a conflict again, and one that edited what was kept is none. Start at [`settle`].

use super::agreed::Agreed;
use super::digest::Digest;
use super::dot::Dot;
use super::entry::{Entry, Extra, Kind};
use super::path::{PathRef, RelPath};
use super::project::{Projection, Shown, same_bytes, same_version};
use super::record::Event;
use super::siblings::{REPLACED_MAX, Replaced, Siblings};

/// What marks the name of a conflict copy, and of the ordinary file that it becomes.
const COPY: &[u8] = b".conflict-";
const KEPT: &[u8] = b".kept-";
/// How many names are tried for a copy that becomes an ordinary file.
const ATTEMPTS_MAX: u32 = 999;

/// Which version shall stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// The one that has the plain name.
    Plain,
    /// The one of the greatest modification time.
    Newest,
    /// The one of the least modification time.
    Oldest,
    /// All of them: the copies become ordinary files.
    Both,
    /// The one whose digest, or of whose writers one's id, begins with these hexadecimal digits.
    Named(String),
}

/// A path of which a disk shows more than one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The path.
    pub path: RelPath,
    /// What a disk shows of it.
    pub shown: Projection,
}

/// What a decision comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Settled {
    /// Writes and deletes, each of a path of its own.
    pub events: Vec<(RelPath, Event)>,
    /// The names under which something is kept.
    pub kept: Vec<RelPath>,
}

/// Why nothing was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undecided {
    /// No version is what shall stay.
    Nothing,
    /// Several are.
    Several,
}

/// All conflicts, in tree order.
pub fn conflicts(agreed: &Agreed) -> Vec<Conflict> {
    agreed.conflicts().into_iter().map(|(path, shown)| Conflict { path, shown }).collect()
}

/// Decides a conflict. `taken`: something is, or will be, under that name.
pub fn settle(
    agreed: &Agreed,
    conflict: &Conflict,
    keep: &Keep,
    taken: &dyn Fn(PathRef<'_>) -> bool,
) -> Result<Settled, Undecided> {
    let settling = Settling { agreed, conflict, taken };
    match keep {
        Keep::Both => Ok(settling.both()),
        Keep::Plain => settling.one(conflict.shown.plain.as_ref().ok_or(Undecided::Nothing)?),
        Keep::Newest => settling.one(settling.by_time(|best, next| next.mtime > best.mtime)?),
        Keep::Oldest => settling.one(settling.by_time(|best, next| next.mtime < best.mtime)?),
        Keep::Named(digits) => settling.one(settling.named(digits)?),
    }
}

/// Makes versions that differ in mode alone one, of the bits that all of them have: nobody is let in whom one of them
/// keeps out. The others stay versions.
pub fn settle_modes(agreed: &Agreed, conflict: &Conflict) -> Settled {
    let siblings = agreed.siblings(conflict.path.as_ref());
    let mut events = Vec::new();
    let mut done: Vec<Dot> = Vec::new();
    for shown in conflict.shown.iter().filter(|shown| !shown.entry.is_directory()) {
        let alike = || conflict.shown.iter().filter(|other| same_bytes(&shown.entry, &other.entry));
        if alike().count() < 2 || shown.dots.iter().any(|dot| done.contains(dot)) {
            continue;
        }
        let mode = alike().fold(shown.entry.mode, |mode, other| mode & other.entry.mode);
        let mut supersedes: Vec<Dot> = alike().flat_map(|other| other.dots.iter().copied()).collect();
        supersedes.sort_unstable();
        done.extend(&supersedes);
        let entry = Entry { mode, ..shown.entry.clone() };
        let replaced = replaced(&siblings, &shown.entry);
        events.push((conflict.path.clone(), Event::Write { entry, replaced, supersedes }));
    }
    Settled { events, kept: Vec::new() }
}

/// Decides a conflict for the version that a disk shows under the plain name.
pub fn settle_as_shown(
    agreed: &Agreed,
    conflict: &Conflict,
    on_disk: &Entry,
    taken: &dyn Fn(PathRef<'_>) -> bool,
) -> Result<Settled, Undecided> {
    let settling = Settling { agreed, conflict, taken };
    let siblings = agreed.siblings(conflict.path.as_ref());
    let plain = conflict.shown.plain.as_ref().filter(|plain| plain.entry.is_directory() && on_disk.is_directory());
    let stands_for = |shown: &&Shown| {
        let of = |dot: &Dot| siblings.version(*dot).is_some_and(|version| same_version(&version.entry, on_disk));
        shown.dots.iter().any(of)
    };
    let shown = plain.or_else(|| conflict.shown.iter().find(stands_for));
    settling.one(shown.ok_or(Undecided::Nothing)?)
}

/// The digest that names an entry's bytes; a directory has none.
pub fn digest_of(entry: &Entry) -> Option<Digest> {
    match entry.kind {
        Kind::File => Some(entry.content),
        Kind::Symlink => Some(Digest::of_content(entry.target().unwrap_or_default())),
        _ => None,
    }
}

struct Settling<'a> {
    agreed: &'a Agreed,
    conflict: &'a Conflict,
    taken: &'a dyn Fn(PathRef<'_>) -> bool,
}

impl Settling<'_> {
    /// What was written, by whomever: a directory that only its children make is nobody's version.
    fn written(&self) -> impl Iterator<Item = &Shown> {
        self.conflict.shown.iter().filter(|shown| !shown.dots.is_empty())
    }

    /// Of equals the first.
    fn by_time(&self, better: impl Fn(&Entry, &Entry) -> bool) -> Result<&Shown, Undecided> {
        let better = |best: &Shown, next: &Shown| better(&best.entry, &next.entry);
        self.written().reduce(|best, next| if better(best, next) { next } else { best }).ok_or(Undecided::Nothing)
    }

    fn named(&self, digits: &str) -> Result<&Shown, Undecided> {
        let digits = digits.to_ascii_lowercase();
        let is_named = |shown: &&Shown| {
            let digest = digest_of(&shown.entry).is_some_and(|digest| digest.to_hex().starts_with(&digits));
            digest || shown.dots.iter().any(|dot| dot.replica.to_string().starts_with(&digits))
        };
        let mut named = self.written().filter(is_named);
        match (named.next(), named.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Undecided::Nothing),
            (Some(_), Some(_)) => Err(Undecided::Several),
        }
    }

    /// One version stays. What a directory holds stays too, so a file that is chosen against it stands beside it.
    fn one(&self, chosen: &Shown) -> Result<Settled, Undecided> {
        let plain = self.conflict.shown.plain.as_ref().ok_or(Undecided::Nothing)?;
        let path = &self.conflict.path;
        if self.agreed.has_live_children(path.as_ref()) && !chosen.entry.is_directory() {
            return Ok(self.beside(plain, std::slice::from_ref(chosen)));
        }
        Ok(Settled { events: vec![(path.clone(), self.stays(chosen))], kept: vec![chosen.name.clone()] })
    }

    fn both(&self) -> Settled {
        match &self.conflict.shown.plain {
            Some(plain) => self.beside(plain, &self.conflict.shown.copies),
            None => Settled { events: Vec::new(), kept: Vec::new() },
        }
    }

    /// The plain version stays, and copies become ordinary files.
    fn beside(&self, plain: &Shown, copies: &[Shown]) -> Settled {
        let mut settled =
            Settled { events: vec![(plain.name.clone(), self.stays(plain))], kept: vec![plain.name.clone()] };
        for copy in copies {
            let names = (1..=ATTEMPTS_MAX).filter_map(|attempt| kept_name(copy.name.as_ref(), attempt));
            let is_free = |name: &RelPath| !(self.taken)(name.as_ref()) && !settled.kept.contains(name);
            // With no name left nothing is decided about the path: it stays a conflict.
            let Some(name) = names.into_iter().find(is_free) else {
                return Settled { events: Vec::new(), kept: Vec::new() };
            };
            let event = Event::Write { entry: alone(&copy.entry), replaced: Vec::new(), supersedes: Vec::new() };
            settled.events.push((name.clone(), event));
            settled.kept.push(name);
        }
        settled
    }

    /// The write that leaves one version of the path.
    fn stays(&self, shown: &Shown) -> Event {
        let siblings = self.agreed.siblings(self.conflict.path.as_ref());
        let supersedes = siblings.iter().map(|version| version.dot).collect();
        if shown.dots.is_empty() {
            return Event::Delete { supersedes };
        }
        Event::Write { entry: shown.entry.clone(), replaced: replaced(&siblings, &shown.entry), supersedes }
    }
}

/// What a decision replaced: all that the path held, the kept bytes first. So an edit of the kept version that was made
/// apart is no conflict with the decision, and neither is a touch of a version that was given up.
fn replaced(siblings: &Siblings, kept: &Entry) -> Vec<Replaced> {
    if !kept.is_file() {
        return Vec::new();
    }
    let files = siblings.iter().filter(|version| version.entry.is_file());
    let past = siblings.iter().flat_map(|version| version.replaced.iter().copied());
    let mut all = vec![Replaced::of(kept)];
    for next in files.map(|version| Replaced::of(&version.entry)).chain(past) {
        if !all.contains(&next) && all.len() < REPLACED_MAX {
            all.push(next);
        }
    }
    all
}

/// An entry as it is under a name of its own: other names of the file are the plain path's.
fn alone(entry: &Entry) -> Entry {
    let extra = entry.extra.as_deref().map(|extra| Extra { links: None, ..extra.clone() });
    Entry { extra: extra.filter(|extra| !extra.is_empty()).map(Box::new), ..entry.clone() }
}

/// `stem.kept-<digits>.ext` for a copy's name; with `-2` and so on behind the digits for a later attempt.
fn kept_name(copy: PathRef<'_>, attempt: u32) -> Option<RelPath> {
    let last = copy.name();
    let at = last.windows(COPY.len()).rposition(|window| window == COPY)?;
    let (stem, rest) = (&last[..at], &last[at + COPY.len()..]);
    let digits = rest.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(rest.len());
    let (digits, extension) = rest.split_at(digits);
    let number = if attempt > 1 { format!("-{attempt}") } else { String::new() };
    let name = [stem, KEPT, digits, number.as_bytes(), extension].concat();
    copy.parent().unwrap_or(PathRef::ROOT).to_owned().join(&name).ok()
}

#[cfg(test)]
mod tests;
