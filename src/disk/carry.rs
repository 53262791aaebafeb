//! Stretches of one file that become part of another, which is in staging: read once, hashed block by block, and written.
//! What is hashed is the very memory that is written, so that a file that changes meanwhile is never taken for what it
//! was. On all cores. Where the file system shares blocks, nothing is written: what is shared is read where it went.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use super::gauge::Gauge;
use super::stage::Staged;
use crate::model::chunk::{BLOCK_BYTES, Block, Chunk, Chunks, Cutter, even_bytes, even_node};
use crate::model::{Digest, chunk};

/// What one thread takes at once: within a core's cache.
const PART_BYTES: u64 = 16 * BLOCK_BYTES;

/// A block of the file systems that share them.
const SHARED_BYTES: u64 = 4 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A stretch of a source, and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// Where it begins in the source.
    pub from: u64,
    /// Where it goes.
    pub at: u64,
    /// Its length.
    pub bytes: u64,
}

impl Stretch {
    /// What comes before the whole blocks of a file system that move with it, those, and what comes behind; `None` where
    /// they move by parts of a block.
    fn shareable(self) -> Option<[Stretch; 3]> {
        let Stretch { from, at, bytes } = self;
        let (start, end) = (at.next_multiple_of(SHARED_BYTES), (at + bytes) / SHARED_BYTES * SHARED_BYTES);
        let part = |start: u64, end: u64| Stretch { from: from + (start - at), at: start, bytes: end - start };
        let moves = from.abs_diff(at).is_multiple_of(SHARED_BYTES) && start < end;
        moves.then(|| [part(at, start), part(start, end), part(end, at + bytes)])
    }
}

/// What the staged file holds before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Nothing: zeros stay holes.
    Empty,
    /// Anything.
    Any,
    /// The stretch itself: it is only hashed.
    Laid,
}

/// The blocks of a file that is being made, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    size: u64,
    known: Vec<Option<Block>>,
}

impl Blocks {
    /// None are known of a file of this size.
    pub fn new(size: u64) -> Blocks {
        Blocks { size, known: vec![None; size.div_ceil(BLOCK_BYTES) as usize] }
    }

    /// The file's even chunks, where all are known.
    pub fn chunks(&self) -> Option<Chunks> {
        let chunks = self.known.iter().enumerate().map(|(index, block)| self.chunk(index, *block));
        Some(Chunks::new(Cutter::Even, chunks.collect::<Option<_>>()?))
    }

    fn chunk(&self, index: usize, block: Option<Block>) -> Option<Chunk> {
        let bytes = BLOCK_BYTES.min(self.size - index as u64 * BLOCK_BYTES);
        block.map(|block| Chunk { id: block.id(), bytes })
    }

    /// Carries a stretch over, and notes the blocks that it fills; false where the gauge asked to stop. Fails where the
    /// source ends before.
    pub fn carry(
        &mut self,
        (source, staged): (&File, &Staged),
        stretch: Stretch,
        ground: Ground,
        gauge: &Gauge,
    ) -> io::Result<bool> {
        let Stretch { from, at, bytes } = stretch;
        let end = at + bytes;
        let parts: Vec<(u64, u64)> = parts(at, end).collect();
        let carry = |&(start, stop): &(u64, u64)| {
            if gauge.stopped() {
                return Ok(Vec::new());
            }
            BUFFER.with_borrow_mut(|buffer| {
                buffer.resize(PART_BYTES as usize, 0);
                let bytes = &mut buffer[..(stop - start) as usize];
                match ground {
                    Ground::Laid => staged.file().read_exact_at(bytes, start)?,
                    Ground::Empty | Ground::Any => source.read_exact_at(bytes, from + (start - at))?,
                }
                let hashed = hashed(bytes, start, self.size);
                match ground {
                    Ground::Laid => {}
                    Ground::Empty => staged.write_sparse(bytes, start)?,
                    Ground::Any => staged.file().write_all_at(bytes, start)?,
                }
                io::Result::Ok(hashed)
            })
        };
        let carried: io::Result<Vec<Vec<(usize, Block)>>> = parts.par_iter().map(carry).collect();
        for (index, block) in carried?.into_iter().flatten() {
            if let Some(known) = self.known.get_mut(index) {
                *known = Some(block);
            }
        }
        Ok(!gauge.stopped())
    }

    /// The same where the file system shares blocks: it does where the stretch moves by whole ones of them.
    pub fn share(
        &mut self,
        (source, staged): (&File, &Staged),
        stretch: Stretch,
        ground: Ground,
        gauge: &Gauge,
    ) -> io::Result<bool> {
        let Some([before, shared, behind]) = stretch.shareable() else {
            return self.carry((source, staged), stretch, ground, gauge);
        };
        staged.copy_range(source, (shared.from, shared.at), shared.bytes)?;
        Ok(self.carry((source, staged), before, ground, gauge)?
            && self.carry((source, staged), behind, ground, gauge)?
            && self.carry((source, staged), shared, Ground::Laid, gauge)?)
    }

    /// The node of even blocks with this number at a level, where all its blocks are known.
    pub fn node(&self, level: u32, number: usize) -> Option<u64> {
        let each = (even_bytes(level) / BLOCK_BYTES) as usize;
        let first = number.checked_mul(each)?;
        let known = self.known.get(first..self.known.len().min(first + each))?;
        let chunks: Option<Vec<Chunk>> = (first..).zip(known).map(|(index, block)| self.chunk(index, *block)).collect();
        even_node(level, &chunks?).map(|node| node.id)
    }

    /// What lies here is written over.
    pub fn forget(&mut self, at: u64, bytes: u64) {
        let (first, end) = (at / BLOCK_BYTES, (at + bytes).div_ceil(BLOCK_BYTES));
        let (first, end) = (first as usize, (end as usize).min(self.known.len()));
        if let Some(known) = self.known.get_mut(first..end) {
            known.fill(None);
        }
    }

    /// The digest of the whole file: blocks that are not known yet are read. `None` where the file is shorter, or the gauge
    /// asked to stop.
    pub fn digest(mut self, file: &File, gauge: &Gauge) -> io::Result<Option<Digest>> {
        if file.metadata()?.len() != self.size {
            return Ok(None);
        }
        let missing: Vec<usize> = (0..self.known.len()).filter(|&index| self.known[index].is_none()).collect();
        if self.known.len() < 2 || missing.len() > self.known.len() / 2 {
            return super::hash::digest_of(file, self.size, gauge);
        }
        let read = |&index: &usize| {
            BUFFER.with_borrow_mut(|buffer| {
                let at = index as u64 * BLOCK_BYTES;
                buffer.resize(PART_BYTES as usize, 0);
                let bytes = &mut buffer[..BLOCK_BYTES.min(self.size - at) as usize];
                file.read_exact_at(bytes, at)?;
                io::Result::Ok((index, Block::of(at, bytes)))
            })
        };
        let found: io::Result<Vec<(usize, Block)>> = missing.par_iter().map(read).collect();
        for (index, block) in found? {
            self.known[index] = Some(block);
        }
        let all: Option<Vec<Block>> = self.known.iter().copied().collect();
        Ok(all.as_deref().and_then(chunk::digest_of).filter(|_| !gauge.stopped()))
    }
}

/// A stretch in parts that end where [`PART_BYTES`] do.
fn parts(at: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
    let first = at / PART_BYTES;
    (first..end.div_ceil(PART_BYTES)).map(move |part| ((part * PART_BYTES).max(at), ((part + 1) * PART_BYTES).min(end)))
}

/// The blocks that these bytes at `at` fill, in a file of `size` bytes.
fn hashed(bytes: &[u8], at: u64, size: u64) -> Vec<(usize, Block)> {
    let end = at + bytes.len() as u64;
    let first = at.div_ceil(BLOCK_BYTES);
    let blocks = (first..end.div_ceil(BLOCK_BYTES)).map(|index| {
        let (start, stop) = (index * BLOCK_BYTES, ((index + 1) * BLOCK_BYTES).min(size));
        (stop <= end).then(|| (index as usize, Block::of(start, &bytes[(start - at) as usize..(stop - at) as usize])))
    });
    blocks.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::chunk::list::tests::noise;

    #[test]
    fn parts_cover_a_stretch_in_order_and_end_at_blocks() {
        for (at, end) in [(0, 1), (5, PART_BYTES + 5), (PART_BYTES, 3 * PART_BYTES), (7, 7)] {
            let parts: Vec<_> = parts(at, end).filter(|(start, stop)| start < stop).collect();
            let mut next = at;
            for (start, stop) in parts {
                assert_eq!(start, next);
                assert!(stop == end || stop % PART_BYTES == 0);
                next = stop;
            }
            assert_eq!(next, end);
        }
    }

    #[test]
    fn whole_blocks_of_the_file_system_are_shared_and_the_rest_is_not() {
        let parts = |from, at, bytes| {
            let parts = Stretch { from, at, bytes }.shareable();
            parts.map(|parts| parts.map(|part| (part.from, part.at, part.bytes)))
        };
        assert_eq!(parts(0, 4096, 8192), Some([(0, 4096, 0), (0, 4096, 8192), (8192, 12288, 0)]));
        assert_eq!(parts(4095, 8191, 4100), Some([(4095, 8191, 1), (4096, 8192, 4096), (8192, 12288, 3)]));
        assert_eq!(parts(1, 4096, 81920), None, "they move by parts of a block");
        assert_eq!(parts(1, 1, 8190), None, "none is whole");
    }

    #[test]
    fn nodes_of_known_blocks_are_those_of_the_file() {
        let bytes = noise(40 * BLOCK_BYTES as usize + 77, 3);
        let mut blocks = Blocks::new(bytes.len() as u64);
        for (index, block) in hashed(&bytes, 0, bytes.len() as u64) {
            blocks.known[index] = Some(block);
        }
        let chunks = blocks.chunks().expect("all are known");
        for level in [0, 1] {
            let nodes: Vec<u64> = chunks.nodes(level as usize).iter().map(|node| node.id).collect();
            let found: Vec<u64> = (0..).map_while(|number| blocks.node(level, number)).collect();
            assert_eq!(found, nodes, "{level}");
        }
        blocks.forget(20 * BLOCK_BYTES, 1);
        assert!(blocks.node(1, 1).is_none() && blocks.node(1, 0).is_some() && blocks.node(1, 2).is_some());
    }

    #[test]
    fn only_whole_blocks_are_hashed_and_the_last_one_is_whole_at_the_end() {
        let bytes = noise(3 * BLOCK_BYTES as usize + 100, 1);
        let size = bytes.len() as u64;
        let indices = |from: usize, to: usize| -> Vec<usize> {
            hashed(&bytes[from..to], from as u64, size).into_iter().map(|(index, _)| index).collect()
        };
        let block = BLOCK_BYTES as usize;
        assert_eq!(indices(0, bytes.len()), [0, 1, 2, 3]);
        assert_eq!(indices(1, bytes.len()), [1, 2, 3]);
        assert_eq!(indices(1, bytes.len() - 1), [1, 2]);
        assert_eq!(indices(block, 2 * block), [1]);
        assert_eq!(indices(block + 1, 2 * block), [0; 0]);
    }

    #[test]
    fn blocks_that_are_known_and_blocks_that_are_read_make_the_digest() {
        let bytes = noise(5 * BLOCK_BYTES as usize + 77, 2);
        let named = tempfile::NamedTempFile::new().expect("a temporary file");
        named.as_file().write_all_at(&bytes, 0).expect("written");
        let gauge = Gauge::default();
        let mut blocks = Blocks::new(bytes.len() as u64);
        for (index, block) in hashed(&bytes, 0, bytes.len() as u64) {
            blocks.known[index] = Some(block);
        }
        assert!(blocks.chunks().is_some());
        blocks.forget(BLOCK_BYTES + 5, 10);
        assert!(blocks.known[1].is_none() && blocks.chunks().is_none());
        let digest = |blocks: &Blocks| blocks.clone().digest(named.as_file(), &gauge).expect("read");
        assert_eq!(digest(&blocks), Some(Digest::of_content(&bytes)));
        // What was known and was not forgotten is believed, and what is read is what is there.
        named.as_file().write_all_at(b"x", BLOCK_BYTES + 5).expect("written");
        assert_ne!(digest(&blocks), Some(Digest::of_content(&bytes)));
        assert_eq!(Blocks::new(bytes.len() as u64 + 1).digest(named.as_file(), &gauge).expect("read"), None);
    }
}
