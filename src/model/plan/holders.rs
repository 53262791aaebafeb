//! Where the target already holds the bytes that are wanted: rows by content digest. Built only where something is to
//! be created, and only over what is wanted, so that a few new files cost a few entries.

use std::collections::HashMap;

use super::spot::{Fate, Table, known, number};
use crate::model::digest::Digest;

/// The wanted contents, and the rows that hold each.
#[derive(Default)]
pub(super) struct Holders {
    ids: HashMap<Digest, u32>,
    /// (content, row), sorted.
    rows: Vec<(u32, u32)>,
}

impl Holders {
    /// Finds the rows that hold what the spots may have to ask for.
    pub fn of(table: &Table<'_>) -> Holders {
        let mut holders = Holders::default();
        if table.target.is_empty() {
            return holders;
        }
        for index in 0..table.spots.len() {
            if let Some(digest) = table.spots[index].want.as_ref().and_then(|_| asked(table, index)) {
                let next = number(holders.ids.len());
                holders.ids.entry(digest).or_insert(next);
            }
        }
        if !holders.ids.is_empty() {
            holders.look_up(table);
        }
        holders
    }

    fn look_up(&mut self, table: &Table<'_>) {
        for (index, row) in table.target.rows().enumerate() {
            let digest = known(row.kind(), row.size(), row.content());
            if let Some(&id) = digest.and_then(|digest| self.ids.get(&digest)) {
                self.rows.push((id, number(index)));
            }
        }
        self.rows.sort_unstable();
    }

    /// Whether no wanted content is at the target.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of the content that is wanted at a spot; `None` where the target has it nowhere.
    pub fn id(&self, table: &Table<'_>, index: usize) -> Option<u32> {
        let want = table.spots[index].want.as_ref()?;
        let id = *self.ids.get(&known(want.kind, want.size, want.content)?)?;
        let &(_, row) = self.of_id(id).first()?;
        // A peer that states a digest with another size is not believed.
        (table.target.row(row as usize).size() == want.size).then_some(id)
    }

    /// The rows that hold a content, as (content, row).
    pub fn of_id(&self, id: u32) -> &[(u32, u32)] {
        let start = self.rows.partition_point(|&(other, _)| other < id);
        let count = self.rows[start..].partition_point(|&(other, _)| other == id);
        &self.rows[start..start + count]
    }
}

/// The content that a spot may have to ask for: not where it only needs other metadata, unless it must leave a
/// hard-link group, which only rows with extra fields can.
fn asked(table: &Table<'_>, index: usize) -> Option<Digest> {
    let spot = &table.spots[index];
    let want = spot.want.as_ref()?;
    let digest = known(want.kind, want.size, want.content)?;
    let in_place = table.row(index).is_some_and(|row| row.extra_bytes().is_empty()) && table.same_body(index);
    (spot.fate != Fate::Blocked && !in_place).then_some(digest)
}

/// Calls `each` with the members of `left` and `right` that have equal keys, class by class.
pub(super) fn join<K: Ord>(
    left: &mut [u32],
    right: &mut [u32],
    key: impl Fn(u32) -> K,
    mut each: impl FnMut(&[u32], &[u32]),
) {
    left.sort_by_cached_key(|&index| (key(index), index));
    right.sort_by_cached_key(|&index| (key(index), index));
    let (mut left, mut right) = (&*left, &*right);
    while let (Some(&l), Some(&r)) = (left.first(), right.first()) {
        let least = key(l).min(key(r));
        let take = |from: &[u32]| from.partition_point(|&index| key(index) <= least);
        let (in_left, in_right) = (take(left), take(right));
        if in_left > 0 && in_right > 0 {
            each(&left[..in_left], &right[..in_right]);
        }
        (left, right) = (&left[in_left..], &right[in_right..]);
    }
}
