//! Sets of nodes of one level, how they widen on the way down, their short ids, and the matching of ids. Level 0 are the
//! rows, 1 the leaf nodes, and so on; the level above the highest stands for the whole tree and has one node.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;

use super::Side;
use crate::model::digest::{Digest, Domain, Hasher};
use crate::model::tree::short_id;

/// Ascending indices as runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs(Vec<Range<u32>>);

impl Runs {
    pub fn one(range: Range<u32>) -> Runs {
        let mut runs = Runs::default();
        runs.push_range(range);
        runs
    }

    pub fn push(&mut self, index: u32) {
        self.push_range(index..index + 1);
    }

    pub fn push_range(&mut self, range: Range<u32>) {
        match self.0.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.0.push(range),
        }
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(std::iter::ExactSizeIterator::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().cloned().flatten()
    }

    pub fn contains(&self, index: u32) -> bool {
        let after = self.0.partition_point(|run| run.start <= index);
        after > 0 && self.0[after - 1].contains(&index)
    }
}

/// Indices that are taken from the front one by one.
#[derive(Debug, Default)]
pub struct Walk {
    runs: Runs,
    run: usize,
    used: u32,
}

impl Walk {
    pub const fn new(runs: Runs) -> Walk {
        Walk { runs, run: 0, used: 0 }
    }

    pub fn peek(&self) -> Option<u32> {
        self.runs.0.get(self.run).map(|run| run.start + self.used)
    }

    pub fn step(&mut self) {
        if let Some(run) = self.runs.0.get(self.run) {
            self.used += 1;
            if self.used as usize == run.len() {
                (self.run, self.used) = (self.run + 1, 0);
            }
        }
    }

    pub fn left(&self) -> usize {
        self.runs.0[self.run..].iter().map(std::iter::ExactSizeIterator::len).sum::<usize>() - self.used as usize
    }
}

/// Nodes of one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    pub level: u8,
    pub runs: Runs,
}

impl Side {
    /// The level whose one node is the whole tree.
    pub(super) fn whole(&self) -> Nodes {
        // At least 5 children a node keep the height far below 255.
        Nodes { level: self.tree.levels().len() as u8 + 1, runs: Runs::one(0..1) }
    }

    fn width(&self, level: u8) -> u32 {
        match level {
            0 => self.tree.rows() as u32,
            _ => self.tree.levels().get(usize::from(level) - 1).map_or(1, |level| level.len() as u32),
        }
    }

    /// The first child of a node, or of where it would be; `level` is at least 1.
    fn first(&self, level: u8, node: u32) -> u32 {
        let firsts = self.tree.levels().get(usize::from(level) - 1).map(|level| level.firsts.as_slice());
        let first = firsts.and_then(|firsts| firsts.get(node as usize)).copied();
        first.unwrap_or(if node == 0 { 0 } else { self.width(level - 1) })
    }

    /// The nodes at level `to` below `nodes`; none where `to` is not below.
    pub(super) fn below(&self, nodes: &Nodes, to: u8) -> Runs {
        if to >= nodes.level {
            return Runs::default();
        }
        let mut below = Runs::default();
        for run in &nodes.runs.0 {
            let ends = (to + 1..=nodes.level).rev();
            let range = ends.fold(run.clone(), |run, level| self.first(level, run.start)..self.first(level, run.end));
            below.push_range(range);
        }
        below
    }

    pub(super) fn digest(&self, level: u8, node: u32, scratch: &mut Vec<u8>) -> Digest {
        match level {
            0 => self.tree.lane().digest_row(self.listing.row(node as usize), scratch),
            _ => self.tree.levels()[usize::from(level) - 1].digests[node as usize],
        }
    }
}

/// How ids are made: the salt, and how many bytes of each travel.
#[derive(Debug, Clone, Copy)]
pub struct Naming {
    pub salt: [u8; 16],
    pub width: u8,
}

impl Naming {
    /// A width at which `ours` ids against `theirs` meet falsely once in 256 conversations if nothing at all is equal, and
    /// far less often as a rule. That costs a repeat, so it is cheaper than another byte an id.
    pub fn width_for(ours: usize, theirs: usize) -> u8 {
        let bits = |count: usize| usize::BITS - count.leading_zeros().min(usize::BITS - 1);
        (bits(ours.saturating_sub(1)) + bits(theirs.saturating_sub(1)) + 8).div_ceil(8).clamp(4, 8) as u8
    }

    pub fn id(self, digest: &Digest) -> u64 {
        short_id(self.salt, digest) & (u64::MAX >> (64 - 8 * u32::from(self.width)))
    }
}

/// The salt of the next attempt.
pub fn next_salt(salt: [u8; 16]) -> [u8; 16] {
    let digest = Hasher::new(Domain::Session).update(b"salt").update(&salt).finish();
    *digest.0.first_chunk().expect("32 bytes hold 16")
}

/// Collects the whole digests of matched nodes in tree order.
#[derive(Debug)]
pub struct Seal(Hasher);

impl Seal {
    pub fn new(salt: [u8; 16]) -> Seal {
        let mut hasher = Hasher::new(Domain::Session);
        hasher.update(b"seal").update(&salt);
        Seal(hasher)
    }

    pub fn add(&mut self, digest: &Digest) {
        self.0.update(&digest.0);
    }

    pub fn finish(&self) -> [u8; 16] {
        *self.0.finish().0.first_chunk().expect("32 bytes hold 16")
    }
}

/// Our nodes of one level, looked up by id.
#[derive(Debug)]
pub struct Lookup {
    pub naming: Naming,
    level: u8,
    nodes: Vec<u32>,
    taken: Vec<bool>,
    by_id: HashMap<u64, u32, BuildHasherDefault<Spread>>,
    /// One bit an id received: whether we hold that node.
    pub bits: Bits,
}

/// Two of our own nodes share this id: neither is matched, which costs their children and is never wrong.
const AMBIGUOUS: u32 = u32::MAX;

impl Lookup {
    pub fn new(side: &Side, nodes: &Nodes, naming: Naming) -> Lookup {
        let list: Vec<u32> = nodes.runs.iter().collect();
        let mut by_id = HashMap::with_capacity_and_hasher(list.len(), BuildHasherDefault::default());
        let mut scratch = Vec::new();
        for (at, &node) in list.iter().enumerate() {
            let id = naming.id(&side.digest(nodes.level, node, &mut scratch));
            by_id.entry(id).and_modify(|at| *at = AMBIGUOUS).or_insert(at as u32);
        }
        let taken = vec![false; list.len()];
        Lookup { naming, level: nodes.level, nodes: list, taken, by_id, bits: Bits::default() }
    }

    pub fn level(&self) -> u8 {
        self.level
    }

    pub fn see(&mut self, id: u64) {
        let at = self.by_id.get(&id).filter(|&&at| at != AMBIGUOUS);
        let taken = at.and_then(|&at| self.taken.get_mut(at as usize));
        self.bits.push(taken.is_some_and(|taken| !std::mem::replace(taken, true)));
    }

    /// What we hold and they did not name, the bits, and the seal of what both hold.
    pub fn finish(self, side: &Side) -> (Runs, Bits, [u8; 16]) {
        let mut unmatched = Runs::default();
        let mut seal = Seal::new(self.naming.salt);
        let mut scratch = Vec::new();
        for (&node, &taken) in self.nodes.iter().zip(&self.taken) {
            if taken {
                seal.add(&side.digest(self.level, node, &mut scratch));
            } else {
                unmatched.push(node);
            }
        }
        (unmatched, self.bits, seal.finish())
    }
}

/// Bits in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bits {
    pub bytes: Vec<u8>,
    pub count: usize,
}

impl Bits {
    pub fn push(&mut self, bit: bool) {
        if self.count.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if bit {
            self.bytes[self.count / 8] |= 1 << (self.count % 8);
        }
        self.count += 1;
    }

    pub fn at(&self, index: usize) -> bool {
        self.bytes[index / 8] & 1 << (index % 8) != 0
    }
}

/// Ids are salted hashes already, cut to their width: spreading them over the word is all that a table needs.
#[derive(Debug, Default)]
pub struct Spread(u64);

impl std::hash::Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(self.0 ^ u64::from(byte)));
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
