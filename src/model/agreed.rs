//! What the replicas agreed on: a set of siblings a path, held as a listing, so that the same tree and the same conversation
//! compare it. Owns the form of that listing; decides nothing about siblings.
//!
//! A row holds the entry of the greatest sibling, and beside it ([`Extra::versions`]) what else the path holds:
//! ```text
//! versions := 1 | replica [16] | counter u64     one write that replaced nothing, whose entry is the row's
//!           | 2 | siblings                       anything else, in full
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::iter::successors;

use super::dot::{Dot, ReplicaId};
use super::entry::{Entry, Extra, Kind, Stamp};
use super::listing::{Builder, Full, Listing, Row};
use super::path::{PathRef, RelPath};
use super::project::{Projection, Shown, home_of, project, view_of};
use super::siblings::{Siblings, Version};
use super::tree::{Splice, Tree};

const ONE: u8 = 1;
const SEVERAL: u8 = 2;

/// All paths with their siblings. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Agreed {
    listing: Listing,
}

impl Agreed {
    /// Nothing yet.
    pub fn empty() -> Agreed {
        Agreed { listing: Listing::empty() }
    }

    /// The listing, as trees and conversations take it.
    pub const fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The siblings of a path; empty where it holds none.
    pub fn siblings(&self, path: PathRef<'_>) -> Siblings {
        match self.listing.find(path) {
            Ok(index) => siblings_of(&self.listing.row(index).entry()).unwrap_or_default(),
            Err(_) => Siblings::new(),
        }
    }

    /// What a disk shows of a path.
    pub fn project(&self, path: PathRef<'_>) -> Projection {
        self.project_siblings(path, &self.siblings(path))
    }

    /// The path whose projection a name on disk shows, or would show, and what it shows of it now.
    pub fn shown(&self, name: PathRef<'_>) -> (RelPath, Option<Shown>) {
        self.shown_beside(name, &|_| false)
    }

    /// The same where a scan found something at more paths than are agreed on.
    pub fn shown_beside(&self, name: PathRef<'_>, found: &dyn Fn(PathRef<'_>) -> bool) -> (RelPath, Option<Shown>) {
        let held = |path: PathRef<'_>| self.listing.find(path).is_ok();
        let present = |path: PathRef<'_>| self.is_present(path) || found(path);
        let home = home_of(name, &held, &present);
        let Projection { plain, copies } = self.project(home.as_ref());
        let shown = plain.into_iter().chain(copies).find(|shown| shown.name.as_ref() == name);
        (home, shown)
    }

    /// Whether a path is agreed on, or anything below it.
    fn is_present(&self, path: PathRef<'_>) -> bool {
        self.listing.find(path).is_ok() || self.has_live_children(path)
    }

    /// The same with other siblings at some paths; empty siblings remove the path.
    pub fn with(&self, changes: &BTreeMap<RelPath, Siblings>) -> Result<Agreed, Full> {
        let mut next = Builder::with_capacity(self.listing.len() + changes.len());
        let mut rows = self.listing.rows().peekable();
        for (path, siblings) in changes {
            while let Some(row) = rows.next_if(|row| row.path() < path.as_ref()) {
                next.room_for(row.path().as_bytes().len() + row.extra_bytes().len())?;
                next.push_row(row);
            }
            rows.next_if(|row| row.path() == path.as_ref());
            if let Some(entry) = entry_of(siblings) {
                push(&mut next, path.as_ref(), &entry)?;
            }
        }
        for row in rows {
            next.push_row(row);
        }
        Ok(Agreed { listing: next.finish() })
    }

    /// Paths that are shown otherwise in `next`, from which this differs at the paths `changed` and not at these: a copy gives
    /// way to what somebody makes at its name, and takes the name again when that goes; a file gives way to the directory that
    /// something below its path makes of it.
    pub fn displaced(&self, next: &Agreed, changed: &BTreeMap<RelPath, Siblings>) -> BTreeSet<RelPath> {
        let mut displaced = self.overgrown(next, changed);
        for path in changed.keys() {
            // What is made below a name makes a directory of it.
            for name in successors(Some(path.as_ref()), |name| name.parent()) {
                let home = |name: PathRef<'_>| view_of(name).map(|(home, _)| home);
                let homes = successors(home(name), |copied| home(copied.as_ref()));
                displaced.extend(homes.filter(|home| self.project(home.as_ref()) != next.project(home.as_ref())));
            }
        }
        displaced
    }

    /// Paths with versions that are shown otherwise in `next` because something below them came or went.
    fn overgrown(&self, next: &Agreed, changed: &BTreeMap<RelPath, Siblings>) -> BTreeSet<RelPath> {
        let mut above: BTreeSet<PathRef<'_>> = BTreeSet::new();
        for path in changed.keys() {
            let parents = successors(path.as_ref().parent(), |at| at.parent()).filter(|at| !at.is_root());
            // What is above one that was met has been met as well.
            for parent in parents {
                if !above.insert(parent) {
                    break;
                }
            }
        }
        let has_versions = |path: &PathRef<'_>| self.listing.find(*path).is_ok();
        let differs = |path: &PathRef<'_>| {
            self.has_live_children(*path) != next.has_live_children(*path) && self.project(*path) != next.project(*path)
        };
        let overgrown = above.into_iter().filter(|path| has_versions(path) && differs(path));
        overgrown.map(PathRef::to_owned).collect()
    }

    /// The tree of this, given that of `before`, from which it differs at these paths and no others.
    pub fn tree(&self, before: &Agreed, tree: &Tree, changed: &BTreeMap<RelPath, Siblings>) -> Tree {
        let row = |listing: &Listing, path: &RelPath| match listing.find(path.as_ref()) {
            Ok(at) => at..at + 1,
            Err(at) => at..at,
        };
        let mut splices: Vec<Splice> = Vec::with_capacity(changed.len());
        for path in changed.keys() {
            let (old, new) = (row(&before.listing, path), row(&self.listing, path));
            match splices.last_mut() {
                Some(last) if last.old.end == old.start && last.new.end == new.start => {
                    (last.old.end, last.new.end) = (old.end, new.end);
                }
                _ => splices.push(Splice { old, new }),
            }
        }
        tree.update(&before.listing, &self.listing, &splices)
    }

    /// What a disk shall show at these names.
    pub fn wanted_at(&self, names: &BTreeSet<RelPath>) -> Result<Listing, Full> {
        let mut next = Builder::with_capacity(names.len());
        for name in names {
            if let Some(shown) = self.shown(name.as_ref()).1 {
                push(&mut next, name.as_ref(), &shown.entry)?;
            }
        }
        Ok(next.finish())
    }

    /// How many conflict copies a disk shows.
    pub fn copies(&self) -> usize {
        self.conflicts().iter().map(|(_, projection)| projection.copies.len()).sum()
    }

    /// What a disk shall show of all paths.
    pub fn wanted(&self) -> Result<Listing, Full> {
        let rows = || (0..self.listing.len()).map(|index| self.listing.row(index));
        let (mut alone, mut others) = (Vec::with_capacity(self.listing.len()), Vec::new());
        let mut directory = None;
        for (row, next) in rows().zip(rows().skip(1).map(Some).chain([None])) {
            // Neighbours have one directory: it is looked for once.
            if directory != Some(row.path().parent()) {
                directory = Some(row.path().parent());
                self.missing_parents(row.path(), &mut others);
            }
            if is_simple(&(row, next)) {
                alone.push(row);
            } else {
                let Projection { plain, copies } = self.project(row.path());
                others.extend(plain.into_iter().chain(copies).map(|shown| (shown.name, shown.entry)));
            }
        }
        others.sort_by(|left, right| left.0.cmp(&right.0));
        others.dedup_by(|left, right| left.0 == right.0);
        // Nearly all rows are shown as they are: only the others are held beside the listing that is made.
        let mut others = others.into_iter().peekable();
        let mut next = Builder::with_capacity(self.listing.len());
        for row in alone {
            while let Some((path, entry)) = others.next_if(|(path, _)| path.as_ref() < row.path()) {
                push(&mut next, path.as_ref(), &entry)?;
            }
            others.next_if(|(path, _)| path.as_ref() == row.path());
            push(&mut next, row.path(), &without_versions(&row.entry()))?;
        }
        for (path, entry) in others {
            push(&mut next, path.as_ref(), &entry)?;
        }
        Ok(next.finish())
    }

    /// The paths of which a disk shows more than one version, with what it shows of them, in tree order.
    pub fn conflicts(&self) -> Vec<(RelPath, Projection)> {
        let rows = (0..self.listing.len()).map(|index| self.listing.row(index));
        let next = rows.clone().skip(1).map(Some).chain([None]);
        let several = rows.zip(next).filter(|pair| !is_simple(pair));
        let projected = several.map(|(row, _)| (row.path().to_owned(), self.project(row.path())));
        projected.filter(|(_, projection)| !projection.copies.is_empty()).collect()
    }

    fn project_siblings(&self, path: PathRef<'_>, siblings: &Siblings) -> Projection {
        let taken = |name: PathRef<'_>| self.is_present(name);
        project(path, siblings, self.has_live_children(path), &taken)
    }

    /// Whether anything below a path is agreed on.
    pub fn has_live_children(&self, path: PathRef<'_>) -> bool {
        let after = match self.listing.find(path) {
            Ok(index) => index + 1,
            Err(index) => index,
        };
        after < self.listing.len() && self.listing.row(after).path().is_below(path)
    }

    /// A path with live children is a directory, also where nobody wrote it.
    fn missing_parents(&self, path: PathRef<'_>, shown: &mut Vec<(RelPath, Entry)>) {
        let mut missing = Vec::new();
        let mut above = path.parent();
        while let Some(parent) = above.filter(|parent| !parent.is_root() && self.listing.find(*parent).is_err()) {
            missing.push(parent);
            above = parent.parent();
        }
        for parent in missing.into_iter().rev() {
            shown.extend(self.project(parent).plain.map(|shown| (shown.name, shown.entry)));
        }
    }
}

/// Builds the set from siblings in any order.
pub fn gather(mut all: Vec<(RelPath, Siblings)>) -> Result<Agreed, Full> {
    all.sort_by(|left, right| left.0.cmp(&right.0));
    let mut next = Builder::with_capacity(all.len());
    for (path, siblings) in &all {
        if let Some(entry) = entry_of(siblings) {
            push(&mut next, path.as_ref(), &entry)?;
        }
    }
    Ok(Agreed { listing: next.finish() })
}

/// The row's entry for siblings; `None` where there are none.
pub fn entry_of(siblings: &Siblings) -> Option<Entry> {
    let greatest = siblings.iter().max_by_key(|version| (version.entry.mtime, version.dot))?;
    let mut versions = Vec::new();
    if siblings.len() == 1 && greatest.replaced.is_empty() {
        versions.push(ONE);
        versions.extend_from_slice(&greatest.dot.replica.0);
        versions.extend_from_slice(&greatest.dot.counter.to_le_bytes());
    } else {
        versions.push(SEVERAL);
        siblings.encode(&mut versions);
    }
    let mut entry = greatest.entry.clone();
    let extra = entry.extra.take().map_or_else(Extra::default, |extra| *extra);
    entry.extra = Some(Box::new(Extra { versions: Some(versions.into()), ..extra }));
    Some(entry)
}

/// The siblings that a row's entry stands for; `None` where a peer made it up.
pub fn siblings_of(entry: &Entry) -> Option<Siblings> {
    let versions = entry.extra.as_ref()?.versions.as_deref()?;
    let (&form, rest) = versions.split_first()?;
    match form {
        ONE => {
            let (replica, rest) = rest.split_first_chunk::<16>()?;
            let (counter, rest) = rest.split_first_chunk::<8>()?;
            let dot = Dot { replica: ReplicaId(*replica), counter: u64::from_le_bytes(*counter) };
            let mut siblings = Siblings::new();
            siblings.insert(Version { dot, entry: without_versions(entry), replaced: Vec::new() });
            (dot.counter > 0 && rest.is_empty()).then_some(siblings)
        }
        SEVERAL => {
            let siblings = Siblings::decode(rest)?;
            // Only the canonical form: one set of siblings has one digest.
            (entry_of(&siblings).as_ref() == Some(entry)).then_some(siblings)
        }
        _ => None,
    }
}

/// Whether a disk shows of a path, given the row that follows its own, the entry of its row and nothing else.
fn is_simple((row, next): &(Row<'_>, Option<Row<'_>>)) -> bool {
    // What is below a path follows it at once.
    let has_children = next.is_some_and(|next| next.path().is_below(row.path()));
    is_alone(*row) && (row.kind() == Kind::Directory || !has_children)
}

/// Whether a path has one sibling that replaced nothing.
fn is_alone(row: Row<'_>) -> bool {
    let extra = row.extra();
    extra.is_some_and(|extra| extra.versions.as_deref().and_then(<[u8]>::first) == Some(&ONE))
}

fn without_versions(entry: &Entry) -> Entry {
    let extra = entry.extra.as_deref().map(|extra| Extra { versions: None, ..extra.clone() });
    Entry { extra: extra.filter(|extra| !extra.is_empty()).map(Box::new), ..entry.clone() }
}

fn push(next: &mut Builder, path: PathRef<'_>, entry: &Entry) -> Result<(), Full> {
    let mut extra = Vec::new();
    if let Some(fields) = &entry.extra {
        fields.encode(&mut extra);
    }
    next.room_for(path.as_bytes().len() + extra.len())?;
    debug_assert!(entry.kind != Kind::Unreadable, "what could not be read is no write");
    next.push(path, entry, &Stamp::default(), 0);
    Ok(())
}
