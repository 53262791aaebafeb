//! One's own folders: how they nest, and what each holds wherever it stands.

use crate::model::batch::Batch;
use crate::model::digest::{Digest, Domain, Hasher};
use crate::model::entry::Kind;
use crate::model::lane::Lane;
use crate::model::listing::{Listing, ROWS_AT_ONCE};
use crate::model::path::PathRef;
use crate::proto::limits::FOLDER_ROWS_MIN;

/// Directories with many rows below, in tree order.
#[derive(Debug)]
pub struct Folders {
    all: Vec<Folder>,
    /// Of the root.
    skeleton: u32,
}

/// A directory with many rows below.
#[derive(Debug, Clone, Copy)]
struct Folder {
    row: u32,
    /// Behind its last row.
    end: u32,
    /// The next folder that is not below it.
    next: u32,
    skeleton: u32,
}

impl Folders {
    /// The folders of a listing.
    pub fn of(listing: &Listing) -> Folders {
        let mut all = rows_of_folders(listing);
        // From behind: what is below a folder is complete before it.
        for at in (0..all.len()).rev() {
            let mut next = at + 1;
            while all.get(next).is_some_and(|folder| folder.row < all[at].end) {
                next = all[next].next as usize;
            }
            all[at].next = next as u32;
            all[at].skeleton = skeleton(listing, &all, Some(at));
        }
        let skeleton = skeleton(listing, &all, None);
        Folders { all, skeleton }
    }

    /// Stands for the names of all folders of the tree and how they nest.
    pub const fn skeleton(&self) -> u32 {
        self.skeleton
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// The folder of a row.
    pub fn at_row(&self, row: usize) -> Option<usize> {
        self.all.binary_search_by_key(&row, |folder| folder.row as usize).ok()
    }

    /// The row of a folder.
    pub fn row(&self, folder: usize) -> usize {
        self.all[folder].row as usize
    }

    /// The number of rows below a folder.
    pub fn below(&self, folder: usize) -> u64 {
        u64::from(self.all[folder].end - self.all[folder].row - 1)
    }

    /// Stands for the names of the folders below one.
    pub fn skeleton_of(&self, folder: usize) -> u32 {
        self.all[folder].skeleton
    }

    /// The folders right below one, or below the root.
    pub fn children(&self, of: Option<usize>) -> impl Iterator<Item = usize> {
        children(&self.all, of)
    }
}

fn children(all: &[Folder], of: Option<usize>) -> impl Iterator<Item = usize> {
    let (first, end) = of.map_or((0, all.len()), |at| (at + 1, all[at].next as usize));
    let next = move |&at: &usize| Some(all[at].next as usize).filter(|&next| next < end);
    std::iter::successors(Some(first).filter(|&first| first < end), next)
}

/// What is right below a directory has this name there.
pub fn name_below<'a>(path: PathRef<'a>, directory: PathRef<'_>) -> &'a [u8] {
    match directory.is_root() {
        true => path.as_bytes(),
        false => &path.as_bytes()[directory.as_bytes().len() + 1..],
    }
}

fn rows_of_folders(listing: &Listing) -> Vec<Folder> {
    let (mut all, mut index, mut rested) = (Vec::new(), 0, 0);
    while index < listing.len() {
        if index - rested >= ROWS_AT_ONCE {
            rested = index;
            listing.rest();
        }
        let below = listing.row(index).below();
        let is_folder = below as u64 >= FOLDER_ROWS_MIN;
        if is_folder {
            // A listing holds fewer rows than 32 bits count.
            all.push(Folder { row: index as u32, end: (index + 1 + below) as u32, next: 0, skeleton: 0 });
        }
        // Nothing below a small directory is a folder.
        index += if is_folder { 1 } else { 1 + below };
    }
    all
}

fn skeleton(listing: &Listing, all: &[Folder], of: Option<usize>) -> u32 {
    let path = of.map_or(PathRef::ROOT, |at| listing.row(all[at].row as usize).path());
    let mut hasher = Hasher::new(Domain::Outline);
    let mut count = 0;
    for child in children(all, of) {
        let name = name_below(listing.row(all[child].row as usize).path(), path);
        hasher.update(&(name.len() as u32).to_le_bytes()).update(name);
        hasher.update(&all[child].skeleton.to_le_bytes());
        count += 1;
    }
    // No folders: nothing to compare by.
    if count == 0 { 0 } else { u32::from_le_bytes(*hasher.finish().0.first_chunk().expect("32 bytes hold 4")) }
}

/// Of each row, what stands there and below, but for its path. 0 where that cannot be known: what could not be read equals
/// nothing.
#[derive(Debug)]
pub struct Bodies(Vec<u64>);

/// Rows whose digests are computed together.
const BLOCK_ROWS: usize = 512;

impl Bodies {
    /// Hashes all rows, and what they stand for together.
    pub fn of(listing: &Listing, lane: Lane) -> Bodies {
        let mut bodies = entries(listing, lane);
        let mut message = Vec::new();
        for index in (0..listing.len()).rev() {
            let row = listing.row(index);
            if row.below() > 0 && bodies[index] != 0 {
                Domain::Outline.open(&mut message);
                let whole = with_below(listing, &bodies, index, &mut message);
                Domain::close(&mut message);
                bodies[index] = if whole { short(&Digest::of_message(&message)) } else { 0 };
            }
        }
        Bodies(bodies)
    }

    /// Of one row.
    pub fn of_row(&self, row: usize) -> u64 {
        self.0[row]
    }
}

fn entries(listing: &Listing, lane: Lane) -> Vec<u64> {
    let mut bodies = Vec::with_capacity(listing.len());
    let (mut digests, mut message) = (Vec::with_capacity(BLOCK_ROWS), Vec::new());
    for from in (0..listing.len()).step_by(BLOCK_ROWS) {
        if from % ROWS_AT_ONCE == 0 {
            listing.rest();
        }
        let mut batch = Batch::default();
        digests.clear();
        let rows = from..(from + BLOCK_ROWS).min(listing.len());
        for index in rows.clone() {
            lane.message_of_body(listing.row(index), &mut message);
            batch.push(&message, &mut digests);
        }
        batch.finish(&mut digests);
        bodies.extend(rows.zip(&digests).map(|(index, digest)| match listing.row(index).kind() {
            Kind::Unreadable => 0,
            _ => short(digest),
        }));
    }
    bodies
}

/// Appends a directory's own entry and the names and bodies right below it; whether all of them are known.
fn with_below(listing: &Listing, bodies: &[u64], index: usize, message: &mut Vec<u8>) -> bool {
    let row = listing.row(index);
    message.extend_from_slice(&bodies[index].to_le_bytes());
    let end = index + 1 + row.below();
    let mut child = index + 1;
    while child < end {
        if bodies[child] == 0 {
            return false;
        }
        let below = listing.row(child);
        let name = name_below(below.path(), row.path());
        message.extend_from_slice(&(name.len() as u32).to_le_bytes());
        message.extend_from_slice(name);
        message.extend_from_slice(&bodies[child].to_le_bytes());
        child += 1 + below.below();
    }
    true
}

/// As much of a digest as a guess needs.
fn short(digest: &Digest) -> u64 {
    // 0 has a meaning of its own.
    u64::from_le_bytes(*digest.0.first_chunk().expect("32 bytes hold 8")).max(1)
}
