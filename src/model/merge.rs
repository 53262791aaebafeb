//! Merges rows of two listings by path.

use std::cmp::Ordering;

use crate::model::listing::Listing;

/// Rows of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// Both listings hold the path.
    Both(usize, usize),
    /// The left one alone.
    Left(usize),
    /// The right one alone.
    Right(usize),
}

/// The paths of two sets of rows in tree order. Rows come ascending.
pub struct Pairs<'a, L, R> {
    left: &'a Listing,
    right: &'a Listing,
    lefts: L,
    rights: R,
    /// The next row of each side.
    next: (Option<usize>, Option<usize>),
}

impl<'a, L: Iterator<Item = usize>, R: Iterator<Item = usize>> Pairs<'a, L, R> {
    /// Merges rows of a left and of a right listing.
    pub fn new((left, mut lefts): (&'a Listing, L), (right, mut rights): (&'a Listing, R)) -> Pairs<'a, L, R> {
        let next = (lefts.next(), rights.next());
        Pairs { left, right, lefts, rights, next }
    }
}

impl<L: Iterator<Item = usize>, R: Iterator<Item = usize>> Iterator for Pairs<'_, L, R> {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        let order = match self.next {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => {
                let (left, right) = (self.left.row(left).path(), self.right.row(right).path());
                // Equality is one comparison of memory, and what nearly every pair is.
                if left == right { Ordering::Equal } else { left.cmp(&right) }
            }
        };
        let left = if order.is_le() { std::mem::replace(&mut self.next.0, self.lefts.next()) } else { None };
        let right = if order.is_ge() { std::mem::replace(&mut self.next.1, self.rights.next()) } else { None };
        match (left, right) {
            (Some(left), Some(right)) => Some(Pair::Both(left, right)),
            (Some(left), None) => Some(Pair::Left(left)),
            (None, right) => right.map(Pair::Right),
        }
    }
}
