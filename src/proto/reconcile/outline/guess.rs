//! Which of one's own folders the other end seems to hold under another path. A pure decision over what was told so far;
//! it is made anew from the root down after each answer.

use std::collections::{HashMap, HashSet};

use super::folders::{Bodies, Folders, name_below};
use super::known::{Child, Known};
use crate::model::listing::Listing;
use crate::model::path::{PathRef, RelPath};
use crate::proto::limits::{
    GUESS_DEPTH_MAX, GUESS_ROWS_TIMES, GUESS_STRANGERS_DEEP, OUTLINE_PATHS_MAX, OUTLINE_QUESTION_BYTES_MAX,
};

/// What seems to be so, and what to ask to know more.
#[derive(Debug, Default)]
pub struct Guess {
    /// Paths at which something else stands than one's own listing says: a folder of it, or nothing at all.
    pub overlays: Vec<(RelPath, Option<usize>)>,
    /// Rows of all folders that are laid somewhere.
    pub rows: u64,
    /// Directories of the other end whose folders would tell more.
    pub ask: Vec<RelPath>,
}

impl Guess {
    fn ask(&mut self, path: RelPath) {
        let bytes = self.ask.iter().map(|path| path.as_bytes().len()).sum::<usize>() + path.as_bytes().len();
        if self.ask.len() < OUTLINE_PATHS_MAX && bytes <= OUTLINE_QUESTION_BYTES_MAX {
            self.ask.push(path);
        }
    }
}

/// A directory of the other end, and what stands there for us.
struct Visit {
    path: RelPath,
    /// Our folder that is or is laid there; the root has none.
    ours: Option<usize>,
    /// How many directories above this one are like none of ours.
    strangers: u8,
    depth: u8,
}

/// Compares what was told with one's own folders.
pub fn guess(listing: &Listing, (folders, bodies): (&Folders, &Bodies), known: &Known) -> Guess {
    let mut guesser =
        Guesser { listing, folders, bodies, index: Index::of(listing, folders, bodies), found: Guess::default() };
    let mut visits = vec![Visit { path: RelPath::default(), ours: None, strangers: 0, depth: 0 }];
    while let Some(visit) = visits.pop() {
        match known.children(&visit.path) {
            Some(children) => guesser.compare(&visit, children, &mut visits),
            None if known.was_asked(&visit.path) => {}
            None => guesser.found.ask(visit.path),
        }
    }
    guesser.found
}

/// Our folders by what they could be known again.
struct Index<'a> {
    by_body: HashMap<u64, usize>,
    by_skeleton: HashMap<u32, usize>,
    by_name: HashMap<&'a [u8], Vec<usize>>,
}

impl<'a> Index<'a> {
    fn of(listing: &'a Listing, folders: &Folders, bodies: &Bodies) -> Index<'a> {
        let mut index = Index { by_body: HashMap::new(), by_skeleton: HashMap::new(), by_name: HashMap::new() };
        for folder in 0..folders.len() {
            let row = folders.row(folder);
            index.by_body.entry(bodies.of_row(row)).or_insert(folder);
            index.by_skeleton.entry(folders.skeleton_of(folder)).or_insert(folder);
            index.by_name.entry(listing.row(row).path().name()).or_default().push(folder);
        }
        // What cannot be known, and what has no folders below, is like many others.
        index.by_body.remove(&0);
        index.by_skeleton.remove(&0);
        index
    }
}

struct Guesser<'a> {
    listing: &'a Listing,
    folders: &'a Folders,
    bodies: &'a Bodies,
    index: Index<'a>,
    found: Guess,
}

impl Guesser<'_> {
    fn compare(&mut self, visit: &Visit, children: &[Child], visits: &mut Vec<Visit>) {
        let own = self.own_children(visit);
        let theirs: HashSet<&[u8]> =
            children.iter().map(|child| name_below(child.path.as_ref(), visit.path.as_ref())).collect();
        // Where the folder itself is no longer there, it was renamed or removed.
        let mut gone: Vec<usize> =
            own.iter().filter(|(name, _)| !theirs.contains(name.as_slice())).map(|own| own.1).collect();
        let own: HashMap<Vec<u8>, usize> = own.into_iter().collect();
        for child in children {
            let same = own.get(name_below(child.path.as_ref(), visit.path.as_ref())).copied();
            let (ours, laid) = match self.equal(child, same) {
                Some(folder) => {
                    if same != Some(folder) {
                        self.lay(child, folder);
                    }
                    continue;
                }
                None if same.is_some() => (same, false),
                None => (self.alike(child, &mut gone), true),
            };
            let laid = ours.filter(|_| laid).is_none_or(|folder| self.lay(child, folder));
            let is_told = ours.is_some_and(|folder| self.folders.skeleton_of(folder) == child.skeleton);
            let strangers = visit.strangers + u8::from(ours.is_none());
            if laid && !is_told && strangers <= GUESS_STRANGERS_DEEP && visit.depth < GUESS_DEPTH_MAX {
                visits.push(Visit { path: child.path.clone(), ours, strangers, depth: visit.depth + 1 });
            }
        }
        self.remove(visit, own, &theirs);
    }

    /// Our folders right below, by their names there.
    fn own_children(&self, visit: &Visit) -> Vec<(Vec<u8>, usize)> {
        if visit.ours.is_none() && !visit.path.as_ref().is_root() {
            return Vec::new();
        }
        let path = visit.ours.map_or(PathRef::ROOT, |folder| self.path_of(folder));
        let children = self.folders.children(visit.ours);
        children.map(|child| (name_below(self.path_of(child), path).to_vec(), child)).collect()
    }

    fn path_of(&self, folder: usize) -> PathRef<'_> {
        self.listing.row(self.folders.row(folder)).path()
    }

    /// A folder of ours that holds just the same; the one of the same name first.
    fn equal(&self, child: &Child, same: Option<usize>) -> Option<usize> {
        if child.body == 0 {
            return None;
        }
        let is_equal = |&folder: &usize| self.bodies.of_row(self.folders.row(folder)) == child.body;
        same.filter(is_equal).or_else(|| self.index.by_body.get(&child.body).copied())
    }

    /// A folder of ours that may have become this one: one that is gone from beside it, one with the same folders below, or
    /// one of the same name; and of about the same size.
    fn alike(&self, child: &Child, gone: &mut Vec<usize>) -> Option<usize> {
        let below = |folder: usize| self.folders.below(folder);
        let is_near = |folder: usize| below(folder) / 2 <= child.below && child.below / 2 <= below(folder);
        let distance = |folder: &usize| below(*folder).abs_diff(child.below);
        let is_built_alike = |folder: usize| child.skeleton != 0 && self.folders.skeleton_of(folder) == child.skeleton;
        let beside = (0..gone.len()).filter(|&at| is_near(gone[at]));
        let beside = beside.min_by_key(|&at| (!is_built_alike(gone[at]), distance(&gone[at])));
        if let Some(at) = beside.filter(|&at| is_built_alike(gone[at])) {
            return Some(gone.swap_remove(at));
        }
        if let Some(&folder) = self.index.by_skeleton.get(&child.skeleton).filter(|&&folder| is_near(folder)) {
            return Some(folder);
        }
        if let Some(at) = beside {
            return Some(gone.swap_remove(at));
        }
        let named = self.index.by_name.get(child.path.as_ref().name());
        named?.iter().copied().filter(|&folder| is_near(folder)).min_by_key(distance)
    }

    /// Lays a folder of ours where they have one; not where that makes a listing much larger than ours.
    fn lay(&mut self, child: &Child, folder: usize) -> bool {
        let rows = self.found.rows + self.folders.below(folder) + 1;
        if rows > self.listing.len() as u64 * GUESS_ROWS_TIMES {
            return false;
        }
        self.found.rows = rows;
        self.found.overlays.push((child.path.clone(), Some(folder)));
        true
    }

    /// Takes away what they do not have here: at most a small directory of that name is left there.
    fn remove(&mut self, visit: &Visit, own: HashMap<Vec<u8>, usize>, theirs: &HashSet<&[u8]>) {
        for (name, _) in own {
            if theirs.contains(name.as_slice()) {
                continue;
            }
            let path = if visit.path.as_ref().is_root() { name } else { [visit.path.as_bytes(), b"/", &name].concat() };
            self.found.overlays.extend(RelPath::new(&path).ok().map(|path| (path, None)));
        }
    }
}
