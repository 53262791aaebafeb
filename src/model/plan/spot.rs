//! The table that a plan is decided in: a spot for each path that differs, with what is wanted there and what stands
//! there. Owns the table's order and how an entry compares with a row; decides nothing.

use super::action::Changes;
use super::mirror::Pair;
use crate::model::digest::Digest;
use crate::model::entry::{Entry, Kind};
use crate::model::lane::{Bytes, Lane};
use crate::model::listing::{Listing, Row};
use crate::model::path::RelPath;

/// Stands for "no spot" in [`Table::parents`].
pub(super) const NONE: u32 = u32::MAX;

/// Where a file's bytes come from, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The source.
    Fetch,
    /// Nowhere: it has none.
    Nothing,
    /// A copy of a row's file.
    Copy(u32),
    /// The file that stands at another spot.
    Move(u32),
}

/// Where the file lies that a link is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// At a spot.
    Spot(u32),
    /// At the row of a path that does not differ.
    Row(u32),
}

/// What becomes of a spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not decided yet.
    Open,
    /// Must be left alone, whatever stands there.
    Blocked,
    /// Right as it is, or as soon as its directory has moved.
    Equal,
    /// Becomes a directory.
    Mkdir,
    /// A directory that moves here from a row's path.
    Carried(u32),
    /// Needs an entry that is not a directory.
    Body(Origin),
    /// Becomes one more name of a file.
    Link(Anchor),
    /// Only metadata changes.
    Metadata,
    /// Goes to the trash.
    Delete,
    /// What stands here moves to another spot, and nothing is wanted here.
    Gone,
}

/// A path that differs.
pub(super) struct Spot {
    pub path: RelPath,
    pub want: Option<Entry>,
    /// What stands here, once directories have moved.
    pub row: Option<u32>,
    pub fate: Fate,
}

/// All spots, in tree order.
pub(super) struct Table<'a> {
    pub target: &'a Listing,
    pub lane: Lane,
    pub spots: Vec<Spot>,
    /// The nearest spot above each.
    pub parents: Vec<u32>,
    /// (row, spot) of every row that a spot stands for, by row.
    listed: Vec<(u32, u32)>,
}

impl<'a> Table<'a> {
    pub fn new(pairs: Vec<Pair>, target: &'a Listing, lane: Lane) -> Table<'a> {
        let spots = pairs.into_iter().map(|pair| Spot {
            path: pair.path,
            want: pair.source,
            row: pair.target.map(number),
            fate: Fate::Open,
        });
        let mut table = Table { target, lane, spots: spots.collect(), parents: Vec::new(), listed: Vec::new() };
        table.index();
        table
    }

    /// Sorts the spots again and finds the parents and the rows' spots.
    pub fn index(&mut self) {
        if !self.spots.is_sorted_by(|left, right| left.path <= right.path) {
            self.spots.sort_by(|left, right| left.path.cmp(&right.path));
        }
        self.parents.clear();
        let mut above: Vec<u32> = Vec::new();
        for (index, spot) in self.spots.iter().enumerate() {
            let holds = |&top: &u32| spot.path.as_ref().is_below(self.spots[top as usize].path.as_ref());
            while above.last().is_some_and(|top| !holds(top)) {
                above.pop();
            }
            self.parents.push(above.last().copied().unwrap_or(NONE));
            above.push(number(index));
        }
        self.listed.clear();
        let rows = self.spots.iter().enumerate().filter_map(|(index, spot)| Some((spot.row?, number(index))));
        self.listed.extend(rows);
        self.listed.sort_unstable();
    }

    /// The nearest spot above.
    pub fn parent(&self, index: usize) -> Option<usize> {
        let parent = self.parents[index];
        (parent != NONE).then_some(parent as usize)
    }

    /// What stands at a spot.
    pub fn row(&self, index: usize) -> Option<Row<'a>> {
        self.spots[index].row.map(|row| self.target.row(row as usize))
    }

    /// The spot that stands for a row; `None` for a row that does not differ.
    pub fn spot_of(&self, row: u32) -> Option<usize> {
        let at = self.listed.binary_search_by_key(&row, |&(row, _)| row).ok()?;
        Some(self.listed[at].1 as usize)
    }

    /// For each spot, whether `mark` holds for it or for anything below it.
    pub fn reach_up(&self, mark: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut marked = vec![false; self.spots.len()];
        for index in (0..self.spots.len()).rev() {
            marked[index] |= mark(index);
            if let (true, Some(parent)) = (marked[index], self.parent(index)) {
                marked[parent] = true;
            }
        }
        marked
    }

    /// For each spot, the end of the spots below it.
    pub fn ends(&self) -> Vec<u32> {
        let mut ends: Vec<u32> = (1..=number(self.spots.len())).collect();
        for index in (0..self.spots.len()).rev() {
            if let Some(parent) = self.parent(index) {
                ends[parent] = ends[parent].max(ends[index]);
            }
        }
        ends
    }

    /// Whether what stands at a spot has the kind and the bytes that are wanted there.
    pub fn same_body(&self, index: usize) -> bool {
        match (&self.spots[index].want, self.row(index)) {
            (Some(want), Some(row)) => same_body(self.lane, want, row),
            (Some(_) | None, _) => false,
        }
    }

    /// Which fields of what is wanted differ from what stands there, hard links apart.
    pub fn changes(&self, index: usize) -> Changes {
        match (&self.spots[index].want, self.row(index)) {
            (Some(want), Some(row)) => changes(self.lane, want, row),
            (Some(_) | None, _) => Changes::default(),
        }
    }
}

/// A position as the tables hold it.
pub(super) fn number(index: usize) -> u32 {
    // A listing holds at most 4 GiB of paths, and a spot is a path.
    u32::try_from(index).expect("fewer than 2^32 paths")
}

/// The digest by which a file's bytes are found at another path.
pub(super) fn known(kind: Kind, size: u64, content: Digest) -> Option<Digest> {
    (kind == Kind::File && size > 0 && content != Digest::UNKNOWN).then_some(content)
}

/// Whether a row has the kind and the bytes of an entry.
pub(super) fn same_body(lane: Lane, want: &Entry, row: Row<'_>) -> bool {
    if want.kind != row.kind() {
        return false;
    }
    match want.kind {
        Kind::Directory | Kind::Fifo | Kind::Socket => true,
        Kind::File => same_bytes(lane, want, row),
        Kind::Symlink => row.extra().and_then(|extra| extra.target).as_deref() == want.target(),
        Kind::BlockDevice | Kind::CharDevice => row.extra().map_or(0, |extra| extra.device) == device(want),
        Kind::Unreadable => false,
    }
}

fn same_bytes(lane: Lane, want: &Entry, row: Row<'_>) -> bool {
    let known = want.content != Digest::UNKNOWN && want.content == row.content();
    let quick = lane.bytes == Bytes::SizeAndTime && want.mtime == row.mtime();
    want.size == row.size() && (want.size == 0 || known || quick)
}

fn device(entry: &Entry) -> u64 {
    entry.extra.as_ref().map_or(0, |extra| extra.device)
}

/// Which fields of an entry differ from a row, hard links apart.
pub(super) fn changes(lane: Lane, want: &Entry, row: Row<'_>) -> Changes {
    let kind = want.kind != row.kind();
    Changes {
        content: kind || !same_body(lane, want, row),
        size: want.is_file() && want.size != row.size(),
        mtime: want.mtime != row.mtime(),
        mode: lane.mode && want.kind != Kind::Symlink && want.mode != row.mode(),
        owner: lane.owner && want.uid != row.uid(),
        group: lane.owner && want.gid != row.gid(),
        xattrs: lane.xattrs && xattrs_differ(want, row),
        links: false,
        kind,
    }
}

fn xattrs_differ(want: &Entry, row: Row<'_>) -> bool {
    match row.extra() {
        Some(extra) => want.xattrs() != extra.xattrs,
        None => !want.xattrs().is_empty(),
    }
}
