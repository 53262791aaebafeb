//! Rows of many small listings, side by side in a few large blocks. Owns how they are packed while the walk goes on, and
//! that a block is given back with the last of its listings: blocks of a few rows, made by many threads and freed by one,
//! would stay with the allocator.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::Listing;
use crate::model::listing::SharedBytes;

/// Large enough to be given back to the system each by itself.
const BLOCK_BYTES: usize = 512 * 1024;

/// Where a listing was put.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Packed {
    block: usize,
    start: usize,
    /// Number of its rows.
    pub rows: usize,
}

/// Blocks that are being filled.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Each with the number of its listings.
    blocks: Vec<(Vec<u8>, usize)>,
    /// The block that each thread fills: what one thread finds lies near in the tree.
    open: HashMap<Option<usize>, usize>,
}

/// Blocks that are full, each until all its listings are taken.
pub(super) struct Sealed(Vec<(Option<SharedBytes>, usize)>);

impl Blocks {
    /// Puts a listing away.
    pub fn pack(&mut self, listing: &Listing) -> Packed {
        let bytes = listing.as_bytes();
        let open = self.open.entry(rayon::current_thread_index()).or_insert(usize::MAX);
        if self.blocks.get(*open).is_none_or(|(block, _)| block.capacity() - block.len() < bytes.len()) {
            *open = self.blocks.len();
            self.blocks.push((Vec::with_capacity(BLOCK_BYTES.max(bytes.len())), 0));
        }
        let (block, listings) = &mut self.blocks[*open];
        let packed = Packed { block: *open, start: block.len(), rows: listing.len() };
        block.extend_from_slice(bytes);
        *listings += 1;
        packed
    }

    /// Nothing more comes.
    pub fn seal(self) -> Sealed {
        let share = |(block, listings)| (Some(Arc::new(block) as SharedBytes), listings);
        Sealed(self.blocks.into_iter().map(share).collect())
    }
}

impl Sealed {
    /// The listing that was put there.
    pub fn look(&self, packed: Packed) -> Listing {
        let block = self.0[packed.block].0.as_ref().expect("a listing that is taken is not looked at again");
        Listing::parse(SharedBytes::clone(block), packed.start).expect("`pack` put the bytes of a listing there").0
    }

    /// As [`Sealed::look`], for the last time: the block lives as long as the last listing that is taken from it.
    pub fn take(&mut self, packed: Packed) -> Listing {
        let listing = self.look(packed);
        let (block, left) = &mut self.0[packed.block];
        *left -= 1;
        if *left == 0 {
            *block = None;
        }
        listing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::listing::Builder;
    use crate::model::{Digest, Entry, Kind, RelPath, Stamp, Time};

    fn listing(rows: usize) -> Listing {
        let (mtime, content) = (Time::default(), Digest::UNKNOWN);
        let entry = Entry { kind: Kind::File, mode: 0o644, mtime, size: 1, content, uid: 0, gid: 0, extra: None };
        let mut builder = Builder::default();
        for row in 0..rows {
            let path = RelPath::new(format!("{row:06}").as_bytes()).expect("legal");
            builder.push(path.as_ref(), &entry, &Stamp::default(), 0);
        }
        builder.finish()
    }

    #[test]
    fn what_is_packed_comes_back_whatever_its_size() {
        let listings = [1, 700, 3, 9000, 0, 2000, 4000, 1].map(listing);
        let mut blocks = Blocks::default();
        let packed: Vec<Packed> = listings.iter().map(|listing| blocks.pack(listing)).collect();
        assert!(blocks.blocks.len() < listings.len());
        let mut sealed = blocks.seal();
        for (packed, listing) in packed.into_iter().zip(&listings) {
            assert_eq!(packed.rows, listing.len());
            assert_eq!(sealed.look(packed).as_bytes(), listing.as_bytes());
            assert_eq!(sealed.take(packed).as_bytes(), listing.as_bytes());
        }
        assert!(sealed.0.iter().all(|(block, _)| block.is_none()), "no block outlives its listings");
    }
}
