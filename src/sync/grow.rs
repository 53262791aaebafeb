//! The tree of a listing, built on all cores. Owns into how many parts the rows are parted; [`crate::model::tree`] owns
//! where that may be.

use rayon::prelude::*;

use crate::model::Listing;
use crate::model::lane::Lane;
use crate::model::tree::{Leaves, Tree};

/// Fewer rows are not worth another thread: 0.1 us each.
const PART_ROWS_MIN: usize = 4096;

/// Builds the tree of all rows.
pub fn tree(listing: &Listing, lane: Lane) -> Tree {
    let parts = (listing.len() / PART_ROWS_MIN).clamp(1, rayon::current_num_threads());
    let mut borders: Vec<usize> =
        (0..parts).map(|part| Leaves::border(listing, part * listing.len() / parts)).collect();
    borders.push(listing.len());
    let parts: Vec<Leaves> = borders.par_windows(2).map(|part| Leaves::over(listing, lane, part[0]..part[1])).collect();
    Tree::over(listing, lane, parts)
}
