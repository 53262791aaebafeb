//! New directories that get nothing but files: each is filled in staging and put in place whole, so that its files cost no
//! rename. Here from a source on this machine; [`super::cradles`] does it for files that come from afar. Owns which
//! directories these are; [`crate::disk::place::nests`] owns how.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;

use super::{BATCH_BYTES_MAX, BATCH_FILES_MAX, Installer, Told, lock};
use crate::disk::gauge::Gauge;
use crate::disk::place::lacked_room;
use crate::disk::place::nests::Nested;
use crate::disk::stage::Nest;
use crate::model::plan::{Action, Plan, Source, Step};
use crate::model::{Digest, Problem};
use crate::sync::error::Error;
use crate::sync::fetch::Near;

/// Below this a directory of its own costs more than the renames.
const FILES_MIN: usize = 2;

/// A new directory, and all that comes to be in it, as indices of actions.
pub(super) struct Family {
    /// Makes it.
    pub mkdir: usize,
    /// What is in it.
    pub below: Range<usize>,
}

/// A directory whose files are there, and which waits to be put in place.
pub(super) struct Filled {
    /// Makes the directory.
    pub mkdir: usize,
    /// The directory.
    pub nest: Nest,
    /// Its files: their actions, and what is known of them.
    pub files: Vec<(usize, Nested, Digest)>,
}

impl Filled {
    /// The actions of its files, each with the file's inode.
    pub fn inodes(&self) -> impl Iterator<Item = (usize, u64)> {
        self.files.iter().map(|(index, nested, _)| (*index, nested.inode()))
    }
}

/// The directories that can be put in place whole. What is made before the content comes needs them in their place:
/// directories, renames, copies, links to nowhere. Further names of files are made after it.
pub(super) fn families(plan: &Plan) -> Vec<Family> {
    (0..plan.actions.len()).filter_map(|index| family(&plan.actions, index)).collect()
}

fn family(actions: &[Action], mkdir: usize) -> Option<Family> {
    let directory = &actions[mkdir];
    if directory.step != Step::Mkdir || directory.before.is_some() {
        return None;
    }
    let (mut files, mut bytes) = (0, 0_u64);
    let mut end = mkdir + 1;
    while let Some(action) = actions.get(end).filter(|action| action.path.as_ref().is_below(directory.path.as_ref())) {
        if action.path.as_ref().parent() != Some(directory.path.as_ref()) {
            return None;
        }
        match action.step {
            Step::Create(Source::Fetch) => files += 1,
            Step::Create(Source::Link { .. }) => {}
            _ => return None,
        }
        bytes = bytes.saturating_add(action.bytes());
        if files > BATCH_FILES_MAX || bytes > BATCH_BYTES_MAX {
            return None;
        }
        end += 1;
    }
    (files >= FILES_MIN).then_some(Family { mkdir, below: mkdir + 1..end })
}

impl Installer<'_> {
    /// Makes all new directories but those that come whole.
    pub(super) fn directories_in_order(&self, families: &[Family]) -> Result<(), Error> {
        let whole: HashSet<usize> = families.iter().map(|family| family.mkdir).collect();
        for index in self.indices(|step| matches!(step, Step::Mkdir)) {
            if self.halted() {
                break;
            }
            if !whole.contains(&index) {
                self.place(index, None, None);
            }
        }
        self.check()
    }

    /// Fills and places the directories that come whole, and takes their files out of `wants`. What fails for lack of room
    /// is `starved`.
    pub(super) fn nest_all(
        &self,
        near: &dyn Near,
        families: &[Family],
        wants: &mut Vec<usize>,
        starved: &Mutex<Vec<(usize, Problem)>>,
    ) {
        let fetched = |index: &usize| matches!(self.action(*index).step, Step::Create(Source::Fetch));
        let alone: Vec<usize> = families
            .par_iter()
            .flat_map_iter(|family| {
                let files: Vec<usize> = family.below.clone().filter(fetched).collect();
                self.nest(near, family.mkdir, files, starved)
            })
            .collect();
        let nested: HashSet<usize> = families.iter().flat_map(|family| family.below.clone()).collect();
        wants.retain(|index| !nested.contains(index));
        wants.extend(alone);
        wants.sort_unstable();
    }

    /// Fills one directory; gives the files that must come by themselves.
    fn nest(
        &self,
        near: &dyn Near,
        mkdir: usize,
        wants: Vec<usize>,
        starved: &Mutex<Vec<(usize, Problem)>>,
    ) -> Vec<usize> {
        if self.halted() {
            return Vec::new();
        }
        let Some(nest) = self.run.target.nest(self.action(mkdir)) else {
            self.place(mkdir, None, None);
            return wants;
        };
        let mut files = Vec::with_capacity(wants.len());
        let mut bytes = 0;
        for index in wants {
            if self.halted() {
                break;
            }
            match near.nest(self.run, &nest, self.action(index)) {
                Ok((nested, digest)) => {
                    bytes += self.size(index);
                    files.push((index, nested, digest));
                }
                Err(problem) if lacked_room(&problem) => lock(starved).push((index, problem)),
                Err(problem) => (self.run.tell)(Told::Problem(problem)),
            }
        }
        self.push_with(files.len(), bytes, |pending| pending.nests.push(Filled { mkdir, nest, files }));
        Vec::new()
    }

    /// Puts a filled directory in place; where that cannot be, the directory and then each of its files.
    pub(super) fn place_nest(&self, mut filled: Filled) {
        let placed = self.run.target.place_nest(self.action(filled.mkdir), &mut filled.nest);
        let whole = placed.is_ok();
        if let Ok(placed) = placed {
            self.placed(filled.mkdir, Ok(placed), None);
        } else {
            self.place(filled.mkdir, None, None);
        }
        for (index, nested, digest) in filled.files {
            let placed = if whole {
                Ok(nested.into_placed())
            } else {
                self.run.target.place_nested(self.action(index), &filled.nest, &nested)
            };
            let stamp =
                placed.as_ref().ok().filter(|placed| whole && placed.lacks.is_none()).map(|placed| placed.stamp);
            if self.placed(index, placed, Some(digest)) {
                Gauge::add(&self.run.gauge.files_done, 1);
            }
            if let Some(stamp) = stamp {
                self.remember_bare(index, stamp, digest);
            }
        }
    }
}
