//! Short ids of nodes: how wide they are, how they are matched, and the seal that makes a false match seen.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::Side;
use super::nodes::{Aspect, Nodes, Runs};
use crate::model::digest::{Digest, Domain, Hasher};
use crate::model::tree::short_id;

/// The fewest bytes of an id: with a byte less, some hundred nodes would save some hundred bytes and now and then cost a
/// round trip.
pub const ID_BYTES_MIN: u8 = 4;

/// How ids are made: the salt, and how many bytes of each travel.
#[derive(Debug, Clone, Copy)]
pub struct Naming {
    pub salt: [u8; 16],
    pub width: u8,
    pub aspect: Aspect,
}

impl Naming {
    /// A width at which, of `ours` and `theirs` nodes that have no match, two meet falsely once in 64 conversations at worst,
    /// and less than once in a million where few differ: nodes that do have a match do not count, as an id that is hit twice
    /// is not taken. A false match costs a repeat, so it is cheaper than another byte an id.
    pub fn width_for(ours: usize, theirs: usize) -> u8 {
        let bits = |count: usize| usize::BITS - count.saturating_sub(1).leading_zeros();
        (bits(ours) + bits(theirs) + 6).div_ceil(8).clamp(u32::from(ID_BYTES_MIN), 8) as u8
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

    /// The seal of nodes of one level.
    pub fn of(side: &Side, salt: [u8; 16], of: (Aspect, u8), nodes: &Runs) -> [u8; 16] {
        let mut seal = Seal::new(salt);
        side.each_digest(of, nodes.iter(), |_, digest| seal.add(digest));
        seal.finish()
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
    /// For each node, the received id that hit it, or one of the two marks.
    hits: Vec<u32>,
    by_id: HashMap<u64, u32, BuildHasherDefault<Spread>>,
    /// One bit an id received: whether we hold that node.
    pub bits: Bits,
}

/// Two of our own nodes share this id: neither is matched, which costs their children and is never wrong.
const AMBIGUOUS: u32 = u32::MAX;
/// No id hit this node.
const FREE: u32 = u32::MAX;
/// Two ids hit this node, of which one is false: neither is matched.
const TWICE: u32 = u32::MAX - 1;

impl Lookup {
    pub fn new(side: &Side, nodes: &Nodes, naming: Naming) -> Lookup {
        let list: Vec<u32> = nodes.runs.iter().collect();
        let mut by_id = HashMap::with_capacity_and_hasher(list.len(), BuildHasherDefault::default());
        let mut at = 0;
        side.each_digest((naming.aspect, nodes.level), list.iter().copied(), |_, digest| {
            by_id.entry(naming.id(digest)).and_modify(|at| *at = AMBIGUOUS).or_insert(at);
            at += 1;
        });
        let hits = vec![FREE; list.len()];
        Lookup { naming, level: nodes.level, nodes: list, hits, by_id, bits: Bits::default() }
    }

    pub fn level(&self) -> u8 {
        self.level
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn see(&mut self, id: u64) {
        let at = self.by_id.get(&id).filter(|&&at| at != AMBIGUOUS);
        let hit = at.and_then(|&at| self.hits.get_mut(at as usize));
        let number = self.bits.count as u32;
        self.bits.push(hit.as_deref() == Some(&FREE));
        if let Some(hit) = hit {
            match *hit {
                FREE => *hit = number,
                TWICE => {}
                first => {
                    self.bits.clear(first as usize);
                    *hit = TWICE;
                }
            }
        }
    }

    /// What both hold and what they did not name, with the bits and the seal.
    pub fn finish(self, side: &Side) -> (Split, Bits, [u8; 16]) {
        let mut split = Split::default();
        for (&node, &hit) in self.nodes.iter().zip(&self.hits) {
            if hit < TWICE { split.matched.push(node) } else { split.unmatched.push(node) }
        }
        let seal = Seal::of(side, self.naming.salt, (self.naming.aspect, self.level), &split.matched);
        (split, self.bits, seal)
    }
}

/// Nodes of one level, by whether the other end holds them.
#[derive(Debug, Default)]
pub struct Split {
    pub matched: Runs,
    pub unmatched: Runs,
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

    fn clear(&mut self, index: usize) {
        self.bytes[index / 8] &= !(1 << (index % 8));
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
