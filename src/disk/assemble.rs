//! The next listing, from the base and what the walk found. Owns the order of rows, hard-link groups and the
//! incompleteness of directories. Touches no file. Start at [`assemble`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use super::blocks::Sealed;
use super::found::{Claim, Contents, Fix, Found, Group, Late, Span, unreadable_row};
use super::observe::{Observed, Outcome};
use crate::model::entry::Extra;
use crate::model::listing::{Builder, FLAG_INCOMPLETE, Row};
use crate::model::{Kind, Listing, PathRef, Problem, RelPath};

/// The rows do not fit one listing.
pub(super) struct TooMany;

/// Puts the next listing together; `None` where it is the base.
pub(super) fn assemble(base: &Listing, found: &mut Found) -> Result<Option<Listing>, TooMany> {
    let blocks = std::mem::take(&mut found.blocks).seal();
    let links = Links::gather(base, found, &blocks);
    let marked = ancestors(&found.incomplete);
    if found.contents.is_empty() && marks_are_kept(base, found.flagged, &marked) {
        return Ok(None);
    }
    let rows = base.len() + fresh_rows(found);
    let mut assembly = Assembly {
        base,
        touched: touched(base, found, &links, &marked),
        contents: std::mem::take(&mut found.contents),
        blocks,
        outcomes: Outcomes { claims: &found.claims, late: &found.late },
        links,
        marked,
        next: Builder::with_capacity(rows),
        work: Vec::new(),
    };
    assembly.enter(PathRef::ROOT, 0..base.len());
    while let Some(work) = assembly.work.pop() {
        assembly.step(work)?;
    }
    let next = assembly.next.finish();
    Ok(Some(next).filter(|next| next.as_bytes() != base.as_bytes()))
}

fn fresh_rows(found: &Found) -> usize {
    let rows = |contents: &Contents| match contents {
        Contents::Pieces(pieces) => pieces.iter().map(|piece| piece.rows.rows).sum(),
        Contents::Gone | Contents::Unreadable(_) => 0,
    };
    found.contents.values().map(rows).sum()
}

/// What is still to be done, the next last.
enum Work {
    Kept(Range<usize>),
    Fresh(Rc<Fresh>, Range<usize>),
}

/// The new rows of a piece.
struct Fresh {
    rows: Listing,
    fixes: HashMap<usize, Fix>,
}

impl Fresh {
    /// Where the first of the rows is that is not taken over as it is; their end where there is none.
    fn plain(&self, mut rows: Range<usize>) -> usize {
        let end = rows.end;
        let is_plain = |row: usize| self.rows.row(row).kind() != Kind::Directory && !self.fixes.contains_key(&row);
        rows.find(|&row| !is_plain(row)).unwrap_or(end)
    }
}

struct Assembly<'a> {
    base: &'a Listing,
    /// Rows of the base at or below which something differs, sorted.
    touched: Vec<usize>,
    contents: HashMap<Box<[u8]>, Contents>,
    blocks: Sealed,
    outcomes: Outcomes<'a>,
    links: Links,
    /// Directories that are incomplete, themselves or below.
    marked: HashSet<RelPath>,
    next: Builder,
    work: Vec<Work>,
}

impl Assembly<'_> {
    fn step(&mut self, work: Work) -> Result<(), TooMany> {
        match work {
            Work::Kept(rows) => self.copy(rows),
            Work::Fresh(piece, rows) => {
                let plain = piece.plain(rows.clone());
                self.next.push_rows(&piece.rows, rows.start..plain).map_err(|_| TooMany)?;
                if plain == rows.end {
                    return Ok(());
                }
                self.work.push(Work::Fresh(Rc::clone(&piece), plain + 1..rows.end));
                self.fresh(&piece, plain)
            }
        }
    }

    /// Copies neighbours of the base up to the one that is touched, handles that one, and leaves the rest for later.
    fn copy(&mut self, rows: Range<usize>) -> Result<(), TooMany> {
        let base = self.base;
        let at = self.touched.partition_point(|&index| index < rows.start);
        let touched = self.touched.get(at).copied().unwrap_or(usize::MAX);
        let mut stop = if touched < rows.end { rows.start } else { rows.end };
        while stop < rows.end && stop + base.row(stop).below() < touched {
            stop += 1 + base.row(stop).below();
        }
        self.next.push_rows(base, rows.start..stop).map_err(|_| TooMany)?;
        if stop == rows.end {
            return Ok(());
        }
        let row = base.row(stop);
        self.work.push(Work::Kept(stop + 1 + row.below()..rows.end));
        self.kept(row, stop)
    }

    /// One row of the base, of which something differs.
    fn kept(&mut self, row: Row<'_>, index: usize) -> Result<(), TooMany> {
        if row.kind() == Kind::Directory {
            return self.directory(row, index + 1..index + 1 + row.below());
        }
        let wanted = self.links.least.get(&index);
        match wanted {
            None => self.push(row, row.flags()),
            Some(least) => {
                let entry = row.entry();
                let observed = Observed { entry, stamp: row.stamp(), flags: row.flags() };
                let linked = with_links(&observed, least.as_deref());
                self.push_observed(row.path(), &linked)
            }
        }
    }

    /// One row of a piece: a directory, or one that is filled in now.
    fn fresh(&mut self, piece: &Fresh, index: usize) -> Result<(), TooMany> {
        let row = piece.rows.row(index);
        let Some(&fix) = piece.fixes.get(&index) else {
            return self.directory(row, children(self.base, row.path()));
        };
        match self.outcomes.of(fix) {
            Outcome::Gone => Ok(()),
            Outcome::Unreadable(kind, _) => self.push_observed(row.path(), &unreadable_row(*kind)),
            Outcome::Row(observed) => {
                let linked = match fix {
                    Fix::Group(group) => with_links(observed, self.links.of(group)),
                    Fix::Late(_) => observed.clone(),
                };
                self.push_observed(row.path(), &linked)
            }
        }
    }

    /// A directory's row, then what is in it.
    fn directory(&mut self, row: Row<'_>, base: Range<usize>) -> Result<(), TooMany> {
        let path = row.path();
        match self.contents.get(path.as_bytes()) {
            Some(Contents::Gone) => Ok(()),
            Some(Contents::Unreadable(kind)) => self.push_observed(path, &unreadable_row(*kind)),
            Some(Contents::Pieces(_)) | None => {
                let incomplete = !self.marked.is_empty() && self.marked.contains(&path.to_owned());
                let flags = row.flags() & !FLAG_INCOMPLETE | if incomplete { FLAG_INCOMPLETE } else { 0 };
                self.push(row, flags)?;
                self.enter(path, base);
                Ok(())
            }
        }
    }

    /// Lines up what is in a directory; `base` are the rows that the base has below it.
    fn enter(&mut self, path: PathRef<'_>, base: Range<usize>) {
        let Some(Contents::Pieces(mut pieces)) = self.contents.remove(path.as_bytes()) else {
            return self.work.push(Work::Kept(base));
        };
        pieces.sort_unstable_by_key(|piece| piece.part);
        let mut lined = Vec::new();
        let mut cursor = base.start;
        for piece in pieces {
            lined.push(Work::Kept(cursor..piece.base.start.max(cursor)));
            cursor = piece.base.end.max(cursor);
            let fresh = Rc::new(Fresh { rows: self.blocks.take(piece.rows), fixes: piece.fixes });
            lined.extend(piece.spans.into_iter().map(|span| match span {
                Span::Kept(rows) => Work::Kept(rows),
                Span::Fresh(rows) => Work::Fresh(Rc::clone(&fresh), rows),
            }));
        }
        lined.push(Work::Kept(cursor..base.end));
        self.work.extend(lined.into_iter().rev());
    }

    fn push(&mut self, row: Row<'_>, flags: u8) -> Result<(), TooMany> {
        self.next.room_for(row.path().as_bytes().len() + row.extra_bytes().len()).map_err(|_| TooMany)?;
        self.next.push_row_flagged(row, flags);
        Ok(())
    }

    fn push_observed(&mut self, path: PathRef<'_>, observed: &Observed) -> Result<(), TooMany> {
        let mut extra = Vec::new();
        if let Some(fields) = &observed.entry.extra {
            fields.encode(&mut extra);
        }
        self.next.room_for(path.as_bytes().len() + extra.len()).map_err(|_| TooMany)?;
        self.next.push(path, &observed.entry, &observed.stamp, observed.flags);
        Ok(())
    }
}

/// The outcomes that were not there when their rows were made.
struct Outcomes<'a> {
    claims: &'a HashMap<Group, Claim>,
    late: &'a [Late],
}

impl<'a> Outcomes<'a> {
    fn of(&self, fix: Fix) -> &'a Outcome {
        match fix {
            Fix::Late(index) => &self.late[index].outcome,
            Fix::Group(group) => match &self.claims[&group] {
                Claim::Done(outcome) => outcome,
                Claim::Late(index) => &self.late[*index].outcome,
                Claim::Pending => unreachable!("the walk ended, so every claim was settled"),
            },
        }
    }
}

/// Which files with several names have more than one path in the tree, and the least of them.
#[derive(Default)]
struct Links {
    /// The least path and the number of paths, by group.
    groups: HashMap<Group, (RelPath, usize)>,
    /// Rows of the base whose link is another one now.
    least: HashMap<usize, Option<Box<[u8]>>>,
}

impl Links {
    /// Counts the paths of every group, and names the problems of rows whose one look failed.
    fn gather(base: &Listing, found: &mut Found, blocks: &Sealed) -> Links {
        let mut links = Links::default();
        // Nothing new and nothing gone: every group is what it was.
        if found.contents.is_empty() {
            return links;
        }
        let outcomes = Outcomes { claims: &found.claims, late: &found.late };
        for (directory, contents) in &found.contents {
            let Contents::Pieces(pieces) = contents else { continue };
            for piece in pieces.iter().filter(|piece| !piece.fixes.is_empty()) {
                let rows = blocks.look(piece.rows);
                for (&index, &fix) in &piece.fixes {
                    let path = rows.row(index).path();
                    match (outcomes.of(fix), fix) {
                        (Outcome::Row(_), Fix::Group(group)) => links.count(group, path),
                        (Outcome::Row(_), Fix::Late(_)) | (Outcome::Gone, _) => {}
                        (Outcome::Unreadable(kind, cause), _) => {
                            found.incomplete.push(PathRef::trusted(directory).to_owned());
                            found.problems.push(Problem { path: path.to_owned(), kind: *kind, cause: cause.clone() });
                        }
                    }
                }
            }
        }
        for &(group, index) in &found.linked {
            links.count(group, base.row(index).path());
        }
        for &(group, index) in &found.linked {
            let row = base.row(index);
            let before = row.extra().and_then(|extra| extra.links);
            let now = links.of(group);
            if before.as_deref() != now {
                let now = now.map(Into::into);
                links.least.insert(index, now);
            }
        }
        links
    }

    fn count(&mut self, group: Group, path: PathRef<'_>) {
        let (least, paths) = self.groups.entry(group).or_insert_with(|| (path.to_owned(), 0));
        *paths += 1;
        if path < least.as_ref() {
            *least = path.to_owned();
        }
    }

    fn of(&self, group: Group) -> Option<&[u8]> {
        self.groups.get(&group).filter(|(_, paths)| *paths > 1).map(|(least, _)| least.as_bytes())
    }
}

fn with_links(observed: &Observed, least: Option<&[u8]>) -> Observed {
    let mut linked = observed.clone();
    let extra = linked.entry.extra.take().map_or_else(Extra::default, |extra| *extra);
    let extra = Extra { links: least.map(Into::into), ..extra };
    linked.entry.extra = Some(extra).filter(|extra| !extra.is_empty()).map(Box::new);
    linked
}

/// The rows of the base below a directory that the base has; else none.
fn children(base: &Listing, path: PathRef<'_>) -> Range<usize> {
    match base.find(path) {
        Ok(index) => index + 1..index + 1 + base.row(index).below(),
        Err(_) => 0..0,
    }
}

fn ancestors(paths: &[RelPath]) -> HashSet<RelPath> {
    let mut marked = HashSet::new();
    for path in paths {
        let mut path = path.as_ref();
        while !path.is_root() && marked.insert(path.to_owned()) {
            path = path.parent().unwrap_or(PathRef::ROOT);
        }
    }
    marked
}

/// Whether the directories that are incomplete are those that were.
fn marks_are_kept(base: &Listing, flagged: usize, marked: &HashSet<RelPath>) -> bool {
    let is_flagged =
        |path: &RelPath| base.find(path.as_ref()).is_ok_and(|index| base.row(index).flags() & FLAG_INCOMPLETE != 0);
    flagged == marked.len() && marked.iter().all(is_flagged)
}

/// The rows of the base that cannot be copied along with their neighbours.
fn touched(base: &Listing, found: &Found, links: &Links, marked: &HashSet<RelPath>) -> Vec<usize> {
    let row = |path: &[u8]| base.find(PathRef::trusted(path)).ok();
    let mut touched: BTreeSet<usize> = found.contents.keys().filter_map(|path| row(path)).collect();
    touched.extend(marked.iter().filter_map(|path| row(path.as_bytes())));
    touched.extend(links.least.keys());
    if found.flagged > 0 {
        let flagged = |index: &usize| base.row(*index).flags() & FLAG_INCOMPLETE != 0;
        touched.extend((0..base.len()).filter(flagged));
    }
    touched.into_iter().collect()
}
