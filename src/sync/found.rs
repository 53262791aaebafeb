//! A root as it was found: its listing, what is wrong with it, and how it differs from what was known before. Owns what is
//! said of it; reads nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use super::grow;
use super::report::RootSummary;
use crate::disk::map;
use crate::model::digest::Digest;
use crate::model::lane::Lane;
use crate::model::listing::ROWS_AT_ONCE;
use crate::model::tree::Tree;
use crate::model::{Listing, Problem, RelPath};
use crate::store::index;

/// A root as it was found.
#[derive(Debug)]
pub struct Found {
    /// Its entries.
    pub listing: Listing,
    /// What could not be read.
    pub problems: Vec<Problem>,
    pub(super) obeyed: bool,
    /// Bytes that were read and hashed.
    pub hashed_bytes: u64,
    /// What the index held, and its tree where it still covers the listing.
    pub(super) before: Option<(Listing, Option<Tree>)>,
    pub(super) changed: bool,
    /// The paths at which the listing differs from what was before; `None` where nobody has counted them.
    pub(super) names: Option<BTreeSet<RelPath>>,
    /// Files that were being written.
    pub(super) again: BTreeSet<RelPath>,
}

impl Found {
    /// A root that is not there yet.
    pub fn nothing() -> Found {
        Found {
            listing: Listing::empty(),
            problems: Vec::new(),
            obeyed: false,
            hashed_bytes: 0,
            before: None,
            changed: false,
            names: None,
            again: BTreeSet::new(),
        }
    }

    /// The paths at which the root differs from what was before, where only they were looked at.
    pub const fn names(&self) -> Option<&BTreeSet<RelPath>> {
        self.names.as_ref()
    }

    /// These paths are judged as well, where not all are: something happened there that the listings before and after do not show.
    pub fn consider(&mut self, paths: &BTreeSet<RelPath>) {
        if let Some(names) = &mut self.names {
            names.extend(paths.iter().cloned());
        }
    }

    /// Files to look at again in a moment: they were being written.
    pub const fn again(&self) -> &BTreeSet<RelPath> {
        &self.again
    }

    /// What was found becomes what was before: from here on it is not compared with anything older, and any index that is
    /// kept of it is written whole.
    pub fn rest(&mut self) {
        self.before = Some((self.listing.clone(), None));
        self.changed = true;
        self.names = Some(BTreeSet::new());
    }

    /// Whether any ignore file was obeyed.
    pub fn obeyed(&self) -> bool {
        self.obeyed
    }

    /// Whether the root differs from what the index knew: then its peer will most likely differ too.
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// What the index held before this scan; `None` where there was none.
    pub fn before(&self) -> Option<&Listing> {
        self.before.as_ref().map(|(listing, _)| listing)
    }

    pub(super) fn kept(&self) -> Option<(&Listing, &Tree)> {
        self.before.as_ref().and_then(|(listing, tree)| Some((listing, tree.as_ref()?)))
    }

    /// Takes the listing from the index that was just written: mapped, it takes no memory while it rests.
    pub fn lie_in(&mut self, kept: Option<&File>) {
        let mapped = kept.and_then(|file| Listing::parse(Arc::new(map::map(file).ok()?), index::BODY_AT).ok());
        if let Some((listing, _)) = mapped.filter(|(listing, _)| listing.len() == self.listing.len()) {
            listing.rest();
            self.listing = listing;
        }
    }

    /// Files that were not read by the scan have been read since: by row.
    pub fn learn(&mut self, contents: Vec<(u32, Digest)>) {
        let read: u64 = contents.iter().map(|&(index, _)| self.listing.row(index as usize).size()).sum();
        self.listing =
            self.listing.with_contents(contents.into_iter().map(|(index, content)| (index as usize, content)));
        self.hashed_bytes += read;
        self.changed = true;
    }

    /// The tree of the listing in `lane`, with as little work as what the index kept allows.
    pub fn tree(&self, lane: Lane) -> Tree {
        match self.kept() {
            Some((_, tree)) if tree.lane() == lane && !self.changed => tree.clone(),
            Some((before, tree)) if tree.lane() == lane => tree.refresh(before, &self.listing),
            _ => grow::tree(&self.listing, lane),
        }
    }

    /// What is told of the root.
    pub fn summary(&self, tree: &Tree) -> RootSummary {
        let rows = self.listing.rows().enumerate();
        let sizes = rows.map(|(index, row)| {
            if index % ROWS_AT_ONCE == 0 {
                self.listing.rest();
            }
            row.size()
        });
        let bytes = sizes.sum();
        self.listing.rest();
        RootSummary {
            top: tree.top(),
            entries: self.listing.len() as u64,
            bytes,
            hashed_bytes: self.hashed_bytes,
            ignoring: self.obeyed,
        }
    }
}
