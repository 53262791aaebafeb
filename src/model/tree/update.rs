//! Changes a tree where its listing changed.

use std::ops::Range;

/// Rows `old` of the old listing gave way to rows `new` of the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Rows of the old listing.
    pub old: Range<usize>,
    /// Rows of the new listing.
    pub new: Range<usize>,
}
