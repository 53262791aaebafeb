//! The bytes of a tree in the index. Decoding survives arbitrary bytes and gives only trees that can be walked without a
//! panic; that digests belong to a listing is the writer's promise, which the index's checksum carries.
//!
//! ```text
//! tree := lane u8 | levels u8 | zero u16 | unreadable u32 | rows u64 | top [32] | row u32 * unreadable | level * levels
//! level := nodes u32 | first child u32 * nodes | digest [32] * nodes      (leaf nodes first)
//! ```

use super::{Level, Tree, index_of};
use crate::model::cut::{Rule, TOP_NODES_MAX};
use crate::model::digest::Digest;
use crate::model::lane::Lane;

impl Tree {
    /// Appends the bytes that [`Tree::decode`] takes: 50, and about 4.3 an entry.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.lane.to_byte());
        out.push(u8::try_from(self.levels.len()).expect("levels shrink nine-fold, so 2^32 rows have eleven"));
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&index_of(self.unreadable.len()).to_le_bytes());
        out.extend_from_slice(&(self.rows as u64).to_le_bytes());
        out.extend_from_slice(&self.top.0);
        put_all(out, &self.unreadable);
        for level in &self.levels {
            out.extend_from_slice(&index_of(level.len()).to_le_bytes());
            put_all(out, &level.firsts);
            out.extend_from_slice(level.digests.iter().map(|digest| digest.0).collect::<Vec<_>>().as_flattened());
        }
    }

    /// Reads a tree, and says how many bytes it took; `None` for bytes that are none.
    pub fn decode(bytes: &[u8]) -> Option<(Tree, usize)> {
        let mut rest = bytes;
        let [lane, levels, 0, 0] = *take::<4>(&mut rest)? else {
            return None;
        };
        let lane = Lane::from_byte(lane)?;
        let unreadable = u32::from_le_bytes(*take(&mut rest)?);
        let rows = u64::from_le_bytes(*take(&mut rest)?);
        let rows = u32::try_from(rows).ok()?;
        let top = Digest(*take(&mut rest)?);
        let unreadable = take_all(&mut rest, unreadable)?;
        if !unreadable.is_sorted_by(|row, next| row < next) || unreadable.last().is_some_and(|&last| last >= rows) {
            return None;
        }
        let levels = take_levels(&mut rest, levels, rows)?;
        let tree = Tree { lane, rows: rows as usize, unreadable, levels, top };
        Some((tree, bytes.len() - rest.len()))
    }
}

/// Reads levels over `rows`, and checks that every node has children, that the children are those there are, and that
/// there are as many levels as such nodes need.
fn take_levels(rest: &mut &[u8], count: u8, rows: u32) -> Option<Vec<Level>> {
    let mut levels = Vec::new();
    let mut children = rows;
    for height in 0..usize::from(count) {
        if children == 0 || (height > 0 && children as usize <= TOP_NODES_MAX) {
            return None;
        }
        let nodes = u32::from_le_bytes(*take(rest)?);
        let firsts = take_all(rest, nodes)?;
        let (digests, after) = rest.split_at_checked((nodes as usize).checked_mul(32)?)?;
        *rest = after;
        let ends = firsts.iter().skip(1).chain([&children]);
        let most = Rule::of_level(height).most();
        let filled = firsts
            .iter()
            .zip(ends)
            .all(|(first, end)| end.checked_sub(*first).is_some_and(|n| n > 0 && n as usize <= most));
        if firsts.first() != Some(&0) || !filled {
            return None;
        }
        let digests = digests.as_chunks::<32>().0.iter().map(|&digest| Digest(digest)).collect();
        levels.push(Level { firsts, digests });
        children = nodes;
    }
    let complete = if rows == 0 { count == 0 } else { count > 0 && children as usize <= TOP_NODES_MAX };
    complete.then_some(levels)
}

fn put_all(out: &mut Vec<u8>, numbers: &[u32]) {
    out.reserve(numbers.len() * 4);
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (value, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(value)
}

/// Reads numbers; allocates only for bytes that are there.
fn take_all(rest: &mut &[u8], count: u32) -> Option<Vec<u32>> {
    let (bytes, after) = rest.split_at_checked((count as usize).checked_mul(4)?)?;
    *rest = after;
    Some(bytes.as_chunks::<4>().0.iter().map(|&number| u32::from_le_bytes(number)).collect())
}
