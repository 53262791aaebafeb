//! Where bytes are cut into chunks and pieces. Owns the cutter of the format: FastCDC (Xia et al., 2020) with normalized
//! chunking, and even blocks. Both ends must cut alike, so table, masks and sizes are part of the wire format.
//!
//! The gear hash of the bytes since the shortest length is shifted by one bit and takes the table's value of each byte; a
//! chunk ends before the byte with which the masked bits are all zero. Below the average length two bits more are asked
//! for, above it two fewer, so that lengths stay near the average.
//!
//! Chunks of 16 to 256 KiB were measured against shorter and longer ones: 256 MiB, 100 bytes inserted or overwritten at as
//! many places. What then travels, in kB: nodes, chunks, and after the finer look pieces that are offered and bytes.
//!
//! ```text
//!              noise                                 a tar of source files
//! edits   8/32/128  16/64/256  32/128/512 KiB    8/32/128  16/64/256  32/128/512 KiB
//!     1          8         11          10              11          7           6
//!    10        125        123         132             113        110         132
//!   100        850        869         908             875        898         894
//!  1000      7,564      7,393       7,289           8,265      8,325       8,107
//! ```
//! The pieces level it out: shorter chunks save nothing that would pay for twice the list.

/// How a file is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cutter {
    /// At multiples of one length: finds what stayed at its place, at the price of a hash.
    Even,
    /// Where the content says: finds what moved within the file, or from another one.
    Content,
}

/// How long the parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Chunks, which whole files are compared by.
    Chunk,
    /// Pieces, sixteen to a chunk, for what differs.
    Piece,
}

/// Lengths in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Only the last part of a file may be shorter.
    pub least: usize,
    /// A power of two.
    pub average: usize,
    /// No part is longer.
    pub most: usize,
}

impl Grain {
    /// The lengths of parts that the content cuts. Even blocks have the average.
    pub const fn lengths(self) -> Lengths {
        match self {
            Grain::Chunk => Lengths { least: 16 << 10, average: 64 << 10, most: 256 << 10 },
            Grain::Piece => Lengths { least: 1 << 10, average: 4 << 10, most: 16 << 10 },
        }
    }
}

impl Cutter {
    /// The cutter's byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Cutter::Even => 0,
            Cutter::Content => 1,
        }
    }

    /// The cutter of a byte.
    pub const fn of_byte(byte: u8) -> Option<Cutter> {
        match byte {
            0 => Some(Cutter::Even),
            1 => Some(Cutter::Content),
            _ => None,
        }
    }

    /// The length that every part has at least, but for the last one of a file.
    pub const fn least(self, grain: Grain) -> usize {
        match self {
            Cutter::Even => grain.lengths().average,
            Cutter::Content => grain.lengths().least,
        }
    }

    /// The length that no part exceeds: so many bytes are enough to find where a part ends.
    pub const fn most(self, grain: Grain) -> usize {
        match self {
            Cutter::Even => grain.lengths().average,
            Cutter::Content => grain.lengths().most,
        }
    }

    /// The length of the part that begins `bytes`, which lie at `at` in the file and go on to its end or for
    /// [`Cutter::most`] at least. Nothing is cut from nothing.
    pub fn cut(self, grain: Grain, at: u64, bytes: &[u8]) -> usize {
        let lengths = grain.lengths();
        match self {
            Cutter::Even => {
                let left = lengths.average - (at % lengths.average as u64) as usize;
                left.min(bytes.len())
            }
            Cutter::Content => cut_by_content(lengths, bytes),
        }
    }
}

fn cut_by_content(lengths: Lengths, bytes: &[u8]) -> usize {
    let Lengths { least, average, most } = lengths;
    let bytes = &bytes[..bytes.len().min(most)];
    if bytes.len() <= least {
        return bytes.len();
    }
    let bits = average.trailing_zeros();
    let (strict, loose) = (mask(bits + 2), mask(bits - 2));
    let center = average.min(bytes.len());
    let mut hash = 0_u64;
    for (at, &byte) in bytes[..center].iter().enumerate().skip(least) {
        hash = (hash << 1).wrapping_add(GEAR[usize::from(byte)]);
        if hash & strict == 0 {
            return at;
        }
    }
    for (at, &byte) in bytes.iter().enumerate().skip(center) {
        hash = (hash << 1).wrapping_add(GEAR[usize::from(byte)]);
        if hash & loose == 0 {
            return at;
        }
    }
    bytes.len()
}

/// So many of the highest bits but one: each depends on some fifty bytes.
const fn mask(bits: u32) -> u64 {
    ((1 << bits) - 1) << (63 - bits)
}

/// A number for every byte: a constant of the format.
static GEAR: [u64; 256] = table();

/// The output of SplitMix64 (Steele, Lea, Flood 2014) from a public seed.
const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut state = u64::from_le_bytes(*b"alike/1g");
    let mut byte = 0;
    while byte < table.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[byte] = bits ^ (bits >> 31);
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;
    use crate::model::chunk::list::tests::noise;

    #[test]
    fn the_table_and_the_cuts_are_those_of_the_format() {
        let table: Vec<u8> = GEAR.iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(Digest::of_content(&table).to_hex()[..16], *"47f992cfed8208cd");
        let cuts: Vec<u8> = [Grain::Chunk, Grain::Piece]
            .into_iter()
            .flat_map(|grain| ends(grain, &noise(1 << 20, 1)))
            .flat_map(u64::to_le_bytes)
            .collect();
        assert_eq!(Digest::of_content(&cuts).to_hex()[..16], *"879779beea3c032c");
    }

    fn ends(grain: Grain, bytes: &[u8]) -> Vec<u64> {
        let mut ends = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            at += Cutter::Content.cut(grain, at as u64, &bytes[at..]);
            ends.push(at as u64);
        }
        ends
    }

    /// The published crate with our table and masks.
    fn peer(grain: Grain, bytes: &[u8]) -> Vec<u64> {
        let Lengths { least, average, most } = grain.lengths();
        let bits = average.trailing_zeros();
        let (strict, loose) = (mask(bits + 2), mask(bits - 2));
        let shifted = GEAR.map(|number| number << 1);
        let mut ends = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let (_, length) = fastcdc::v2020::cut_gear(
                &bytes[at..],
                least,
                average,
                most,
                strict,
                loose,
                strict << 1,
                loose << 1,
                &GEAR,
                &shifted,
            );
            at += length;
            ends.push(at as u64);
        }
        ends
    }

    #[test]
    fn the_published_cutter_cuts_at_the_same_places() {
        for grain in [Grain::Chunk, Grain::Piece] {
            for (bytes, seed) in [(1 << 20, 7), (500_001, 8), (70_000, 9), (16 << 10, 10), (1_025, 11), (1, 12)] {
                let random = noise(bytes, seed);
                let text: Vec<u8> = random.iter().map(|byte| b"the quick brown fox"[usize::from(byte % 19)]).collect();
                for bytes in [random, text, vec![0; bytes]] {
                    assert_eq!(ends(grain, &bytes), peer(grain, &bytes), "{grain:?} {}", bytes.len());
                }
            }
        }
    }

    #[test]
    fn lengths_keep_their_bounds_and_their_average() {
        for grain in [Grain::Chunk, Grain::Piece] {
            let Lengths { least, average, most } = grain.lengths();
            let ends = ends(grain, &noise(8 << 20, 3));
            let lengths: Vec<u64> = std::iter::once(&0).chain(&ends).zip(&ends).map(|(from, to)| to - from).collect();
            let (_, whole) = lengths.split_last().expect("there are chunks");
            assert!(whole.iter().all(|&length| (least as u64..=most as u64).contains(&length)));
            let mean = (8 << 20) / lengths.len();
            assert!((average * 3 / 4..average * 3 / 2).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn an_insertion_moves_only_the_cuts_near_it() {
        let old = noise(2 << 20, 5);
        let new = [&old[..1_000_000], b"x", &old[1_000_000..]].concat();
        let (old, new) = (ends(Grain::Chunk, &old), ends(Grain::Chunk, &new));
        let same = new.iter().filter(|&&end| old.contains(&end) || old.contains(&(end - 1))).count();
        assert!(new.len() - same <= 8, "{same} of {}", new.len());
    }
}
