//! Compares two trees from the top down: nodes with equal digests are passed over, whatever their place, and the rows of
//! the leaf nodes that remain are merged.

use std::cmp::Ordering;

use super::Tree;
use crate::model::entry::Kind;
use crate::model::listing::Listing;
use crate::model::merge::{Pair, Pairs};
use crate::model::path::PathRef;

/// A path at which two listings differ: its rows, at least one of which is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Row of the left listing.
    pub left: Option<usize>,
    /// Row of the right listing.
    pub right: Option<usize>,
}

/// The paths at which two listings differ in the trees' lane, in tree order. A row that could not be read differs from
/// everything, also from one that could not be read either. Each tree is the tree of its listing, both in one lane.
pub fn differences(left: (&Listing, &Tree), right: (&Listing, &Tree)) -> Vec<Difference> {
    let (left, right) = (Side { listing: left.0, tree: left.1 }, Side { listing: right.0, tree: right.1 });
    let lane = left.tree.lane;
    if left.is_whole() && left.tree.top == right.tree.top && right.is_whole() && left.tree.unreadable.is_empty() {
        return Vec::new();
    }
    let (lefts, rights) = unequal_leaves(left, right);
    let pairs = Pairs::new((left.listing, left.rows(&lefts)), (right.listing, right.rows(&rights)));
    let difference = |pair| match pair {
        Pair::Left(left) => Some(Difference { left: Some(left), right: None }),
        Pair::Right(right) => Some(Difference { left: None, right: Some(right) }),
        Pair::Both(at_left, at_right) => {
            let (row, other) = (left.listing.row(at_left), right.listing.row(at_right));
            let equal = row.kind() != Kind::Unreadable && lane.equal_rows(row, other);
            (!equal).then_some(Difference { left: Some(at_left), right: Some(at_right) })
        }
    };
    pairs.filter_map(difference).collect()
}

/// A listing and its tree.
#[derive(Clone, Copy)]
struct Side<'a> {
    listing: &'a Listing,
    tree: &'a Tree,
}

impl<'a> Side<'a> {
    /// Whether the tree covers the listing: a damaged index may pair two that do not belong together.
    fn is_whole(&self) -> bool {
        self.tree.rows == self.listing.len()
    }

    /// The first path of a node.
    fn path(&self, level: usize, node: usize) -> PathRef<'a> {
        self.listing.row(self.tree.rows_of(level, node).start).path()
    }

    /// Whether a node covers a row that could not be read.
    fn is_unreadable(&self, level: usize, node: usize) -> bool {
        let unreadable = &self.tree.unreadable;
        if unreadable.is_empty() {
            return false;
        }
        let rows = self.tree.rows_of(level, node);
        let next = unreadable.partition_point(|&row| (row as usize) < rows.start);
        unreadable.get(next).is_some_and(|&row| (row as usize) < rows.end)
    }

    /// The nodes of the level below.
    fn below(&self, level: usize, nodes: &[usize]) -> Vec<usize> {
        nodes.iter().flat_map(|&node| self.tree.children(level, node)).collect()
    }

    /// The rows of leaf nodes; all rows where no nodes are given.
    fn rows(self, leaves: &Option<Vec<usize>>) -> impl Iterator<Item = usize> {
        let all = if leaves.is_none() { 0..self.listing.len() } else { 0..0 };
        all.chain(leaves.iter().flatten().flat_map(move |&leaf| self.tree.children(0, leaf)))
    }
}

/// The leaf nodes of each side that have no equal on the other; `None` for all, where the trees cannot be compared.
fn unequal_leaves(left: Side<'_>, right: Side<'_>) -> (Option<Vec<usize>>, Option<Vec<usize>>) {
    let height = left.tree.levels.len().min(right.tree.levels.len());
    if height == 0 || !left.is_whole() || !right.is_whole() || left.tree.lane != right.tree.lane {
        return (None, None);
    }
    let mut lefts: Vec<usize> = (0..left.tree.levels[height - 1].len()).collect();
    let mut rights: Vec<usize> = (0..right.tree.levels[height - 1].len()).collect();
    for level in (0..height).rev() {
        (lefts, rights) = unequal((left, &lefts), (right, &rights), level);
        if level > 0 {
            (lefts, rights) = (left.below(level, &lefts), right.below(level, &rights));
        }
    }
    (Some(lefts), Some(rights))
}

/// The nodes of each side that have no equal among those of the other: a merge by first path, which equal nodes share.
fn unequal(left: (Side<'_>, &[usize]), right: (Side<'_>, &[usize]), level: usize) -> (Vec<usize>, Vec<usize>) {
    let ((left, lefts), (right, rights)) = (left, right);
    let (mut left_kept, mut right_kept) = (Vec::new(), Vec::new());
    let (mut at_left, mut at_right) = (0, 0);
    while let (Some(&node), Some(&other)) = (lefts.get(at_left), rights.get(at_right)) {
        let equal = left.tree.levels[level].digests[node] == right.tree.levels[level].digests[other];
        let order = if equal { Ordering::Equal } else { left.path(level, node).cmp(&right.path(level, other)) };
        let keep = !equal || left.is_unreadable(level, node);
        if order.is_le() {
            at_left += 1;
            left_kept.extend(keep.then_some(node));
        }
        if order.is_ge() {
            at_right += 1;
            right_kept.extend(keep.then_some(other));
        }
    }
    left_kept.extend_from_slice(&lefts[at_left..]);
    right_kept.extend_from_slice(&rights[at_right..]);
    (left_kept, right_kept)
}
