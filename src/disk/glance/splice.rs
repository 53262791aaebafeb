//! The next listing of a glance: the rows of the base, but for those that changed. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::super::observe::Observed;
use crate::model::listing::{Builder, FLAG_INCOMPLETE, FLAG_MOUNT, Full, Row};
use crate::model::{Kind, Listing, PathRef, RelPath};

/// What became of a path.
#[derive(Debug)]
pub(super) enum Change {
    /// Nothing is there any more, nor below it.
    Gone,
    /// This is there. Below a directory all is as before, where it is not named itself.
    Row(Observed),
    /// The directory holds something now that the listing does not.
    Incomplete,
    /// The directory of this row came here, and all below it as it was. The listing holds nothing here.
    Came(usize),
}

/// Puts the next listing together, and names the paths at which it differs.
pub(super) fn splice(
    base: &Listing,
    mut changes: BTreeMap<RelPath, Change>,
) -> Result<(Listing, BTreeSet<RelPath>), Full> {
    let names = names(base, &changes);
    if changes.is_empty() {
        return Ok((base.clone(), names));
    }
    let mut open: BTreeMap<RelPath, Option<Change>> = BTreeMap::new();
    for path in changes.keys() {
        // The count of rows below a directory is made anew: it is copied by itself, not along with what is below.
        let mut above = path.as_ref().parent().filter(|parent| !parent.is_root());
        while let Some(parent) = above {
            if changes.contains_key(&parent.to_owned()) || open.insert(parent.to_owned(), None).is_some() {
                break;
            }
            above = parent.parent().filter(|parent| !parent.is_root());
        }
    }
    while let Some((path, change)) = changes.pop_first() {
        open.insert(path, Some(change));
    }
    let next = Builder::with_capacity(base.len() + open.len());
    let mut splicing = Splicing { base, next, cursor: 0, ends: Vec::new() };
    for (path, change) in open {
        splicing.take(&path, change)?;
    }
    splicing.copy(base.len())?;
    Ok((splicing.next.finish(), names))
}

struct Splicing<'a> {
    base: &'a Listing,
    next: Builder,
    /// The first row of the base that was not dealt with yet.
    cursor: usize,
    /// Where the rows end of those directories whose rows are dealt with one by one.
    ends: Vec<usize>,
}

impl Splicing<'_> {
    /// Copies rows as they are, those of one directory at a time.
    fn copy(&mut self, until: usize) -> Result<(), Full> {
        while self.cursor < until {
            while self.ends.pop_if(|end| *end <= self.cursor).is_some() {}
            let stop = self.ends.last().map_or(until, |&end| until.min(end));
            self.next.push_rows(self.base, self.cursor..stop)?;
            self.cursor = stop;
        }
        Ok(())
    }

    fn take(&mut self, path: &RelPath, change: Option<Change>) -> Result<(), Full> {
        let (at, row) = match self.base.find(path.as_ref()) {
            Ok(at) => (at, Some(self.base.row(at))),
            Err(at) => (at, None),
        };
        if at < self.cursor {
            // Below something that is gone, and gone with it.
            return Ok(());
        }
        self.copy(at)?;
        let whole = row.map_or(0, |row| 1 + row.below());
        match change {
            Some(Change::Gone) => self.cursor = at + whole,
            Some(Change::Row(observed)) => {
                let is_directory = observed.entry.kind == Kind::Directory;
                let kept = row.filter(|row| is_directory && row.kind() == Kind::Directory);
                self.push(path, &observed, kept.map_or(0, |row| row.flags() & (FLAG_INCOMPLETE | FLAG_MOUNT)))?;
                self.cursor = at + whole;
                if kept.is_some() {
                    self.enter(at, whole);
                }
            }
            Some(Change::Incomplete) | None => {
                let Some(row) = row else { return Ok(()) };
                let incomplete = if change.is_some() { FLAG_INCOMPLETE } else { 0 };
                self.next.room_for(path.as_bytes().len() + row.extra_bytes().len())?;
                self.next.push_row_flagged(row, row.flags() | incomplete);
                self.enter(at, whole);
            }
            Some(Change::Came(from)) => self.carry(from, path)?,
        }
        Ok(())
    }

    /// A directory of the base, and all below it, at another path.
    fn carry(&mut self, from: usize, to: &RelPath) -> Result<(), Full> {
        for (path, row) in came(self.base, from, to) {
            self.next.room_for(path.as_bytes().len() + row.extra_bytes().len())?;
            self.next.push_row_at(path.as_ref(), row);
        }
        Ok(())
    }

    /// The rows below a directory come one by one.
    fn enter(&mut self, at: usize, whole: usize) {
        self.ends.push(at + whole);
        self.cursor = at + 1;
    }

    fn push(&mut self, path: &RelPath, observed: &Observed, flags: u8) -> Result<(), Full> {
        let mut extra = Vec::new();
        if let Some(fields) = &observed.entry.extra {
            fields.encode(&mut extra);
        }
        self.next.room_for(path.as_bytes().len() + extra.len())?;
        self.next.push(path.as_ref(), &observed.entry, &observed.stamp, observed.flags | flags);
        Ok(())
    }
}

/// The paths at which the next listing differs, those that went with a directory included.
fn names(base: &Listing, changes: &BTreeMap<RelPath, Change>) -> BTreeSet<RelPath> {
    let mut names = BTreeSet::new();
    for (path, change) in changes {
        let stays = matches!(change, Change::Row(observed) if observed.entry.kind == Kind::Directory);
        if let (Ok(at), Change::Gone | Change::Row(_)) = (base.find(path.as_ref()), change) {
            let below = if stays && base.row(at).kind() == Kind::Directory { 0 } else { base.row(at).below() };
            names.extend((at + 1..=at + below).map(|index| base.row(index).path().to_owned()));
        }
        if let &Change::Came(from) = change {
            names.extend(came(base, from, path).map(|(path, _)| path));
        }
        if !matches!(change, Change::Incomplete) {
            names.insert(path.clone());
        }
    }
    names
}

/// The rows of a directory and of all below it, each with the path that it has where the directory is `to`.
fn came<'a>(base: &'a Listing, from: usize, to: &'a RelPath) -> impl Iterator<Item = (RelPath, Row<'a>)> {
    let prefix = base.row(from).path().as_bytes().len();
    (from..=from + base.row(from).below()).map(move |index| {
        let row = base.row(index);
        let path = [to.as_bytes(), &row.path().as_bytes()[prefix..]].concat();
        (PathRef::trusted(&path).to_owned(), row)
    })
}
