//! Even blocks of a file as subtrees of its BLAKE3 tree: the digest of the file follows from those of its blocks. So one
//! pass over the bytes serves to compare them and to verify what is made of them, and an edit in place costs the hash of
//! the blocks that it touched. With [`crate::model::digest`] and [`crate::model::batch`] it owns every use of BLAKE3.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::gear::{Cutter, Grain};
use crate::model::Digest;

/// Bytes of a block; the last one of a file may be shorter. A power of two, so that each block is a subtree.
pub const BLOCK_BYTES: u64 = Grain::Chunk.lengths().average as u64;

const _: () = assert!(BLOCK_BYTES.is_power_of_two() && Cutter::Even.most(Grain::Chunk) as u64 == BLOCK_BYTES);

/// The hash of a block at its place: the same bytes elsewhere in a file have another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block([u8; 32]);

impl Block {
    /// Of the bytes that begin at `at`, a multiple of [`BLOCK_BYTES`], and end with the block or the file.
    pub fn of(at: u64, bytes: &[u8]) -> Block {
        debug_assert!(at.is_multiple_of(BLOCK_BYTES) && bytes.len() as u64 <= BLOCK_BYTES, "a block at its place");
        Block(blake3::Hasher::new().set_input_offset(at).update(bytes).finalize_non_root())
    }

    /// Of the stretch that consists of these blocks: a power of two of them that begins at a multiple of it, or the last
    /// ones of the file. Several of those make a file like blocks do. `None` of no blocks.
    pub fn over(blocks: &[Block]) -> Option<Block> {
        (!blocks.is_empty()).then(|| Block(merged(blocks)))
    }

    /// Its first bytes, by which it is compared.
    pub fn id(&self) -> u64 {
        let [first, ..] = self.0.as_chunks::<8>().0 else { unreachable!("a hash has 32 bytes") };
        u64::from_le_bytes(*first)
    }
}

/// The digest of the file that consists of these blocks; `None` of fewer than two, which are no tree.
pub fn digest_of(blocks: &[Block]) -> Option<Digest> {
    let (left, right) = halves(blocks)?;
    Some(Digest(*merge_subtrees_root(&merged(left), &merged(right), Mode::Hash).as_bytes()))
}

fn merged(blocks: &[Block]) -> [u8; 32] {
    match halves(blocks) {
        Some((left, right)) => merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash),
        None => blocks.first().map_or([0; 32], |block| block.0),
    }
}

/// The left subtree is as large as it can be, and leaves something on the right.
fn halves(blocks: &[Block]) -> Option<(&[Block], &[Block])> {
    let left = blocks.len().checked_next_power_of_two().filter(|_| blocks.len() > 1)? / 2;
    Some(blocks.split_at(left))
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::noise;
    use super::*;

    #[test]
    fn the_blocks_of_any_file_make_its_digest() {
        let bytes = noise(19 * BLOCK_BYTES as usize, 1);
        let mut lengths: Vec<usize> = (1..=19).map(|blocks| blocks * BLOCK_BYTES as usize).collect();
        lengths.extend((1..=18).map(|blocks| blocks * BLOCK_BYTES as usize + 1_000 * blocks + 1));
        for length in lengths {
            let bytes = &bytes[..length];
            let places = (0..).step_by(BLOCK_BYTES as usize);
            let blocks: Vec<Block> =
                places.zip(bytes.chunks(BLOCK_BYTES as usize)).map(|(at, block)| Block::of(at, block)).collect();
            let wanted = (blocks.len() > 1).then(|| Digest::of_content(bytes));
            assert_eq!(digest_of(&blocks), wanted, "{length}");
        }
        assert_eq!(digest_of(&[]), None);
    }

    #[test]
    fn stretches_of_blocks_make_the_digest_that_the_blocks_make() {
        let bytes = noise(11 * BLOCK_BYTES as usize + 5, 3);
        let places = (0..).step_by(BLOCK_BYTES as usize);
        let blocks: Vec<Block> =
            places.zip(bytes.chunks(BLOCK_BYTES as usize)).map(|(at, block)| Block::of(at, block)).collect();
        for many in [1, 2, 4, 8] {
            let stretches: Vec<Block> = blocks.chunks(many).filter_map(Block::over).collect();
            assert_eq!(digest_of(&stretches), Some(Digest::of_content(&bytes)), "{many}");
        }
        assert_eq!(Block::over(&[]), None);
    }

    #[test]
    fn a_block_is_known_by_its_place() {
        let bytes = noise(BLOCK_BYTES as usize, 2);
        assert_ne!(Block::of(0, &bytes), Block::of(BLOCK_BYTES, &bytes));
        assert_ne!(Block::of(0, &bytes).id(), Block::of(BLOCK_BYTES, &bytes).id());
    }
}
