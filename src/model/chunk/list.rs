//! The chunks of one file as a Merkle tree: the cut rule of the tree of entries over the chunks' own ids, so that equal
//! stretches have equal nodes wherever they lie. Even blocks are grouped by their number.
//!
//! An id is short. Two that meet by chance spoil a file, which its digest shows, and which is then fetched whole.

use std::collections::HashMap;
use std::ops::Range;

use super::block::{BLOCK_BYTES, Block};
use super::gear::Cutter;
use crate::model::Digest;
use crate::model::cut::{Cuts, Rule, TOP_NODES_MAX};
use crate::model::digest::{Domain, Hasher};

/// Blocks or nodes under one node of even blocks.
const EVEN_FANOUT: usize = 16;

/// A stretch of a file: a chunk, a piece, or all that lies below a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The first 8 bytes of its digest, or of its block.
    pub id: u64,
    /// Its length.
    pub bytes: u64,
}

/// The chunks of a file and the nodes above them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunks {
    /// From the chunks up to a level of a few nodes.
    levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Level {
    nodes: Vec<Chunk>,
    /// The first chunk below each node, and the number of chunks.
    starts: Vec<u32>,
}

/// A stretch of a file, as somebody sees it who knows the nodes of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// Nodes that the other has: so many from this one on, as the other counts them.
    Known(u32, u32),
    /// Chunks below nodes that the other does not have.
    New(Vec<Chunk>),
}

impl Chunk {
    /// The stretch with these bytes, wherever they lie.
    pub fn of(bytes: &[u8]) -> Chunk {
        Chunk { id: short(&Digest::of_content(bytes)), bytes: bytes.len() as u64 }
    }

    /// The chunk with these bytes at `at` in a file that is cut like this: an even block is known by its place as well.
    pub fn cut(cutter: Cutter, at: u64, bytes: &[u8]) -> Chunk {
        match cutter {
            Cutter::Even => Chunk { id: Block::of(at, bytes).id(), bytes: bytes.len() as u64 },
            Cutter::Content => Chunk::of(bytes),
        }
    }
}

/// Bytes below a node of even blocks at a level.
pub const fn even_bytes(level: u32) -> u64 {
    BLOCK_BYTES.saturating_mul((EVEN_FANOUT as u64).saturating_pow(level))
}

/// The node of even blocks at a level over these ones, which begin at a multiple of [`even_bytes`] and go on for as much, or
/// to the end of the file. `None` of no blocks.
pub fn even_node(level: u32, blocks: &[Chunk]) -> Option<Chunk> {
    let Some(below) = level.checked_sub(1) else { return blocks.first().copied() };
    let children = blocks.chunks(EVEN_FANOUT.pow(below)).filter_map(|blocks| even_node(below, blocks));
    let children: Vec<Chunk> = children.collect();
    (!children.is_empty()).then(|| node(&children))
}

impl Chunks {
    /// The tree over these chunks, in the order of the file.
    pub fn new(cutter: Cutter, chunks: Vec<Chunk>) -> Chunks {
        let starts = (0..=chunks.len() as u32).collect();
        let mut levels = vec![Level { nodes: chunks, starts }];
        while let Some(below) = levels.last()
            && below.nodes.len() > TOP_NODES_MAX
        {
            let next = below.grouped(cutter, levels.len() - 1);
            levels.push(next);
        }
        Chunks { levels }
    }

    /// The nodes of a level; the chunks are level 0. A file of few chunks has no higher levels: then its highest.
    pub fn nodes(&self, level: usize) -> &[Chunk] {
        self.at(level).map_or(&[], |level| &level.nodes)
    }

    /// The chunks below a node.
    pub fn below(&self, level: usize, node: usize) -> &[Chunk] {
        let below = self.at(level).and_then(|level| Some(*level.starts.get(node)?..*level.starts.get(node + 1)?));
        let below: Range<u32> = below.unwrap_or_default();
        &self.levels[0].nodes[below.start as usize..below.end as usize]
    }

    /// The lowest level with no more nodes than this.
    pub fn level_of(&self, nodes_max: usize) -> usize {
        self.levels
            .iter()
            .position(|level| level.nodes.len() <= nodes_max)
            .unwrap_or(self.levels.len().saturating_sub(1))
    }

    /// This file for somebody who has nodes with these ids.
    pub fn describe(&self, level: usize, known: &[u64]) -> Vec<Span> {
        let mut places: HashMap<u64, u32> = HashMap::with_capacity(known.len());
        for (place, &id) in (0..).zip(known) {
            places.entry(id).or_insert(place);
        }
        let mut spans: Vec<Span> = Vec::new();
        for (index, node) in self.nodes(level).iter().enumerate() {
            // What went on so far may go on, also where the same node stands in several places.
            let next = match spans.last() {
                Some(Span::Known(first, count)) => Some(first + count),
                _ => None,
            };
            let goes_on = next.filter(|&next| known.get(next as usize) == Some(&node.id));
            match (goes_on.or_else(|| places.get(&node.id).copied()), spans.last_mut()) {
                (Some(_), Some(Span::Known(_, count))) if goes_on.is_some() => *count += 1,
                (Some(place), _) => spans.push(Span::Known(place, 1)),
                (None, Some(Span::New(chunks))) => chunks.extend_from_slice(self.below(level, index)),
                (None, _) => spans.push(Span::New(self.below(level, index).to_vec())),
            }
        }
        spans
    }

    fn at(&self, level: usize) -> Option<&Level> {
        self.levels.get(level.min(self.levels.len().saturating_sub(1)))
    }
}

impl Level {
    fn grouped(&self, cutter: Cutter, level: usize) -> Level {
        let count = self.nodes.len();
        let mut grouped = Level::default();
        let mut close = |children: Range<usize>| {
            grouped.starts.push(self.starts[children.start]);
            grouped.nodes.push(node(&self.nodes[children]));
        };
        match cutter {
            Cutter::Even => {
                for start in (0..count).step_by(EVEN_FANOUT) {
                    close(start..count.min(start + EVEN_FANOUT));
                }
            }
            Cutter::Content => {
                let rule = Rule::of_level(level);
                let mut cuts = Cuts::after(rule, 0, count, |child| rule.mark_of_hash(self.nodes[child].id));
                let mut start = 0;
                while start < count {
                    let end = cuts.next_start();
                    close(start..end);
                    start = end;
                }
            }
        }
        grouped.starts.extend(self.starts.last());
        grouped
    }
}

fn node(children: &[Chunk]) -> Chunk {
    let mut hasher = Hasher::new(Domain::Chunks);
    for child in children {
        hasher.update(&child.id.to_le_bytes()).update(&child.bytes.to_le_bytes());
    }
    Chunk { id: short(&hasher.finish()), bytes: children.iter().map(|child| child.bytes).sum() }
}

fn short(digest: &Digest) -> u64 {
    let [first, ..] = digest.0.as_chunks::<8>().0 else { unreachable!("a digest has 32 bytes") };
    u64::from_le_bytes(*first)
}

#[cfg(test)]
#[allow(missing_docs, reason = "for the tests of other modules")]
pub mod tests {
    use super::*;
    use crate::model::chunk::gear::Grain;

    /// Bytes that do not repeat.
    pub fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
        };
        std::iter::repeat_with(&mut next).flatten().take(bytes).collect()
    }

    /// The tree of some bytes.
    pub fn chunks_of(cutter: Cutter, bytes: &[u8]) -> Chunks {
        let mut chunks = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let length = cutter.cut(Grain::Chunk, at as u64, &bytes[at..]);
            chunks.push(Chunk::cut(cutter, at as u64, &bytes[at..at + length]));
            at += length;
        }
        Chunks::new(cutter, chunks)
    }

    fn ids(chunks: &Chunks, level: usize) -> Vec<u64> {
        chunks.nodes(level).iter().map(|node| node.id).collect()
    }

    #[test]
    fn every_level_covers_the_whole_file_in_order() {
        let bytes = noise(6 << 20, 1);
        for cutter in [Cutter::Even, Cutter::Content] {
            let chunks = chunks_of(cutter, &bytes);
            assert!(chunks.levels.len() >= 2);
            for level in 0..chunks.levels.len() {
                let nodes = chunks.nodes(level);
                assert_eq!(nodes.iter().map(|node| node.bytes).sum::<u64>(), bytes.len() as u64);
                let below: Vec<Chunk> = (0..nodes.len()).flat_map(|node| chunks.below(level, node).to_vec()).collect();
                assert_eq!(below, chunks.nodes(0), "{cutter:?} {level}");
            }
        }
        assert!(chunks_of(Cutter::Content, b"").nodes(3).is_empty());
        assert!(chunks_of(Cutter::Content, b"").describe(1, &[7]).is_empty());
    }

    #[test]
    fn an_insertion_changes_few_nodes_wherever_it_is() {
        let old = noise(12 << 20, 2);
        let known = chunks_of(Cutter::Content, &old);
        let level = known.level_of(100);
        for at in [0, 1_000_000, 6 << 20, old.len()] {
            let new = [&old[..at], b"inserted", &old[at..]].concat();
            let spans = chunks_of(Cutter::Content, &new).describe(level, &ids(&known, level));
            let fresh: usize =
                spans.iter().map(|span| if let Span::New(chunks) = span { chunks.len() } else { 0 }).sum();
            assert!(fresh <= 60, "{fresh} chunks at {at}");
            assert!(spans.len() <= 5, "{spans:?}");
        }
    }

    #[test]
    fn even_nodes_are_those_of_the_tree() {
        let blocks: Vec<Chunk> = (1..=5_000).map(|id| Chunk { id, bytes: BLOCK_BYTES }).collect();
        let blocks = [blocks, vec![Chunk { id: 0, bytes: 1 }]].concat();
        let chunks = Chunks::new(Cutter::Even, blocks.clone());
        for level in 0..=2 {
            let each = (even_bytes(level) / BLOCK_BYTES) as usize;
            let nodes: Vec<Chunk> = blocks.chunks(each).filter_map(|blocks| even_node(level, blocks)).collect();
            assert_eq!(nodes, chunks.nodes(level as usize), "{level}");
        }
        assert_eq!(even_node(1, &[]), None);
    }

    #[test]
    fn equal_files_are_one_span_also_where_nodes_repeat() {
        for bytes in [noise(4 << 20, 3), vec![0; 6 << 20], noise(70_000, 1).repeat(60)] {
            for cutter in [Cutter::Even, Cutter::Content] {
                let chunks = chunks_of(cutter, &bytes);
                for level in 0..3 {
                    let known = ids(&chunks, level);
                    assert_eq!(chunks.describe(level, &known), [Span::Known(0, known.len() as u32)]);
                }
            }
        }
    }
}
