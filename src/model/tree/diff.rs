//! Compares two trees.

use super::Tree;
use crate::model::listing::Listing;

/// A path at which two listings differ: its rows, at least one of which is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Row of the left listing.
    pub left: Option<usize>,
    /// Row of the right listing.
    pub right: Option<usize>,
}

/// The paths at which two listings differ in the trees' lane, in tree order.
pub fn differences(left: (&Listing, &Tree), right: (&Listing, &Tree)) -> Vec<Difference> {
    let _ = (left, right);
    todo!()
}
