//! A listing that stands in for one's own: folders of it laid under other paths. Owns the way there and back.

use std::sync::Arc;

use super::folders::Folders;
use crate::model::entry::{Entry, Kind};
use crate::model::lane::Lane;
use crate::model::listing::{Builder, Full, Listing, Row};
use crate::model::path::{PATH_BYTES_MAX, PathRef, RelPath};
use crate::model::tree::Tree;
use crate::proto::reconcile::{Pair, Side};

/// Where a folder of ours is laid, or nothing is.
type Overlay = (RelPath, Option<usize>);

/// What one's own side was, while another listing stands in for it.
#[derive(Debug)]
pub struct StandIn {
    own: Side,
    /// Of each row that stands in, the own row that it was made from.
    origins: Vec<u32>,
}

impl StandIn {
    /// Lays folders over a listing: the side that stands in, and the way back.
    pub fn new(own: &Side, folders: &Folders, mut overlays: Vec<Overlay>) -> Result<(Side, StandIn), Full> {
        overlays.sort_by(|left, right| left.0.cmp(&right.0));
        overlays.dedup_by(|later, first| later.0 == first.0);
        let lane = own.tree.lane();
        let mut writer = Writer {
            own: &own.listing,
            folders,
            lane,
            builder: Builder::with_capacity(own.listing.len()),
            origins: Vec::with_capacity(own.listing.len()),
        };
        writer.lay((0, own.listing.len()), (PathRef::ROOT, PathRef::ROOT), &overlays)?;
        let (listing, origins) = (writer.builder.finish(), writer.origins);
        let tree = Arc::new(Tree::build(&listing, lane));
        Ok((Side { listing, tree }, StandIn { own: own.clone(), origins }))
    }

    /// What differs from one's own listing, where `pairs` is what differs from the one that stands in.
    pub fn settle(&self, stand_in: &Listing, pairs: Vec<Pair>) -> Vec<Pair> {
        let mut known: Vec<(RelPath, Option<Entry>)> = self.moved(stand_in, &pairs);
        known.extend(pairs.into_iter().map(|pair| (pair.path, pair.theirs)));
        known.extend(self.left_behind(stand_in).map(|row| (row.path().to_owned(), None)));
        // What was told of a path comes in front of what is only missing there.
        known.sort_by(|left, right| left.0.cmp(&right.0));
        known.dedup_by(|later, first| later.0 == first.0);
        known.into_iter().filter_map(|(path, theirs)| self.pair(path, theirs)).collect()
    }

    /// Rows that stand at another path than the one they were made from, and are the same there.
    fn moved(&self, stand_in: &Listing, pairs: &[Pair]) -> Vec<(RelPath, Option<Entry>)> {
        let mut differing = pairs.iter().filter_map(|pair| pair.ours).peekable();
        let mut moved = Vec::new();
        for (index, row) in stand_in.rows().enumerate() {
            let is_equal = differing.next_if_eq(&index).is_none();
            if is_equal && self.is_moved(index, row) {
                moved.push((row.path().to_owned(), Some(row.entry())));
            }
        }
        moved
    }

    fn is_moved(&self, index: usize, row: Row<'_>) -> bool {
        self.own.listing.row(self.origins[index] as usize).path() != row.path()
    }

    /// Own rows that do not stand at their path any more.
    fn left_behind(&self, stand_in: &Listing) -> impl Iterator<Item = Row<'_>> {
        let mut stays = vec![false; self.own.listing.len()];
        for (index, row) in stand_in.rows().enumerate().filter(|&(index, row)| !self.is_moved(index, row)) {
            debug_assert!(!row.path().is_root());
            stays[self.origins[index] as usize] = true;
        }
        self.own.listing.rows().zip(stays).filter(|(_, stays)| !stays).map(|(row, _)| row)
    }

    fn pair(&self, path: RelPath, theirs: Option<Entry>) -> Option<Pair> {
        let ours = self.own.listing.find(path.as_ref()).ok();
        let differs = match (ours, &theirs) {
            (None, None) => false,
            (Some(row), Some(entry)) if entry.kind != Kind::Unreadable => {
                let lane = self.own.tree.lane();
                let row = lane.digest_row(self.own.listing.row(row), &mut Vec::new());
                row != lane.digest_entry(path.as_ref(), entry)
            }
            _ => true,
        };
        differs.then_some(Pair { path, ours, theirs })
    }
}

struct Writer<'a> {
    own: &'a Listing,
    folders: &'a Folders,
    lane: Lane,
    builder: Builder,
    origins: Vec<u32>,
}

impl Writer<'_> {
    /// Writes own rows that lie at or below `ways.0` as if they lay at or below `ways.1`, with overlays below that. An overlay
    /// and all that is below it are neighbours in tree order.
    fn lay(
        &mut self,
        rows: (usize, usize),
        ways: (PathRef<'_>, PathRef<'_>),
        overlays: &[Overlay],
    ) -> Result<(), Full> {
        let (mut index, end) = rows;
        let mut overlays = overlays;
        while index < end {
            let row = self.own.row(index);
            let path = changed(row.path(), ways);
            let hides = |overlay: &Overlay| path.as_ref().is_none_or(|path| overlay.0 <= *path);
            match overlays.split_first().filter(|(first, _)| path.is_some() && hides(first)) {
                Some((first, _)) => {
                    let top = first.0.clone();
                    overlays = self.lay_one(overlays)?;
                    let hidden = |path: PathRef<'_>| path == top.as_ref() || path.is_below(top.as_ref());
                    while index < end
                        && changed(self.own.row(index).path(), ways).is_some_and(|path| hidden(path.as_ref()))
                    {
                        index += 1;
                    }
                }
                None => {
                    self.push(index, row, path, ways)?;
                    index += 1;
                }
            }
        }
        while !overlays.is_empty() {
            overlays = self.lay_one(overlays)?;
        }
        Ok(())
    }

    /// Writes the first overlay with those below it; returns the rest.
    fn lay_one<'o>(&mut self, overlays: &'o [Overlay]) -> Result<&'o [Overlay], Full> {
        let Some(((path, folder), rest)) = overlays.split_first() else { return Ok(overlays) };
        let below = rest.partition_point(|overlay| overlay.0.as_ref().is_below(path.as_ref()));
        if let Some(folder) = *folder {
            let row = self.folders.row(folder);
            let end = row + 1 + self.own.row(row).below();
            let from = self.own.row(row).path().to_owned();
            self.lay((row, end), (from.as_ref(), path.as_ref()), &rest[..below])?;
        }
        Ok(&rest[below..])
    }

    fn push(
        &mut self,
        index: usize,
        row: Row<'_>,
        path: Option<RelPath>,
        ways: (PathRef<'_>, PathRef<'_>),
    ) -> Result<(), Full> {
        let is_moved = ways.0 != ways.1;
        // A row that has no path there is left out, and what could not be read equals nothing there.
        let Some(path) = path.filter(|_| !is_moved || row.kind() != Kind::Unreadable) else { return Ok(()) };
        self.builder.room_for(path.as_bytes().len() + row.extra_bytes().len() + ways.1.as_bytes().len())?;
        if is_moved && self.lane.links && !row.extra_bytes().is_empty() {
            let mut entry = row.entry();
            relink(&mut entry, ways);
            self.builder.push(path.as_ref(), &entry, &row.stamp(), row.flags());
        } else {
            self.builder.push_row_at(path.as_ref(), row);
        }
        // A listing holds fewer rows than 32 bits count.
        self.origins.push(index as u32);
        Ok(())
    }
}

/// The path that something at or below `ways.0` has at or below `ways.1`; `None` where that is too long.
fn changed(path: PathRef<'_>, (from, to): (PathRef<'_>, PathRef<'_>)) -> Option<RelPath> {
    if from == to {
        return Some(path.to_owned());
    }
    let rest = &path.as_bytes()[from.as_bytes().len()..];
    let path = [to.as_bytes(), rest].concat();
    (path.len() <= PATH_BYTES_MAX).then(|| RelPath::new(&path).ok()).flatten()
}

/// A hard-link group whose least path lies in the folder has moved with it.
fn relink(entry: &mut Entry, (from, to): (PathRef<'_>, PathRef<'_>)) {
    let Some(links) = entry.extra.as_mut().and_then(|extra| extra.links.as_mut()) else { return };
    if PathRef::new(links).is_ok_and(|path| path.is_below(from)) {
        *links = [to.as_bytes(), &links[from.as_bytes().len()..]].concat().into();
    }
}
