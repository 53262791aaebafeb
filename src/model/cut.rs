//! Where the tree is cut into nodes: decided by the paths alone, so that an edit moves no boundary. Owns the cut rule of
//! the format, and refuses to know what is being cut: it sees a row of marks. Start at [`Cuts`].
//!
//! A path's mark is SipHash-1-3 of its bytes under a public key. An entry starts a leaf node iff its mark is the strict
//! minimum among the 4 entries on each side; above, a node starts a parent iff the mark of its first path, with the level
//! mixed in, is the strict minimum among 8 on each side. Windows are short at both ends. The first entry always starts a
//! node, and where no natural cut comes for 48 entries (96 nodes above), every 48th (96th) from the last one is cut: whoever
//! grinds names against the public key cannot make a node larger than that, nor the tree deep.

use siphasher::sip::SipHasher13;

/// A level with no more nodes than this is the last: the top covers it.
pub const TOP_NODES_MAX: usize = 17;
/// Most rows in a leaf node.
pub const LEAF_ROWS_MAX: usize = 48;
/// Most children of an inner node.
pub const INNER_NODES_MAX: usize = 96;

/// The public key of the marks: a constant of the format, so that equal sets have equal tops anywhere.
const KEY: &[u8; 16] = b"alike/1 cut key ";

/// The mark of no entry: greater than any real one.
const NONE: u64 = u64::MAX;

/// Marks that [`Minima`] remembers: the widest window of 8 needs the last 10.
const RING: usize = 16;

/// How one level is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// 0 for leaf nodes.
    level: usize,
    /// Neighbours on each side that a natural cut must be less than; a power of two, at most 8.
    window: usize,
    /// Most children of a node.
    most: usize,
}

impl Rule {
    /// The rule for the nodes of `level`; 0 are the leaf nodes.
    pub const fn of_level(level: usize) -> Rule {
        if level == 0 {
            Rule { level, window: 4, most: LEAF_ROWS_MAX }
        } else {
            Rule { level, window: 8, most: INNER_NODES_MAX }
        }
    }

    /// Children on each side that decide whether a child starts a node.
    pub const fn window(self) -> usize {
        self.window
    }

    /// Most children of a node.
    pub const fn most(self) -> usize {
        self.most
    }

    /// The mark of a child whose first path is `path`.
    pub fn mark(self, path: &[u8]) -> u64 {
        self.mark_of_hash(hash(path))
    }

    /// The mark of a child whose first path has this [`hash`]. It has 63 bits, so that every one is less than the mark of
    /// none.
    pub const fn mark_of_hash(self, hash: u64) -> u64 {
        if self.level == 0 { hash >> 1 } else { mixed(hash ^ self.level as u64) >> 1 }
    }
}

/// The hash of a path from which its marks follow.
pub fn hash(path: &[u8]) -> u64 {
    SipHasher13::new_with_key(KEY).hash(path)
}

/// A bijection of 64 bits in which every input bit moves every output bit (the finalizer of SplitMix64, Steele 2014).
/// First paths of nodes have small marks, having been minima: the levels above must not inherit that.
const fn mixed(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Finds the starts of nodes one after the other, from one known start on.
///
/// Any start will do: natural cuts depend on the marks around them alone, and forced ones are whole steps from the start.
pub struct Cuts<F> {
    rule: Rule,
    /// Number of children in the level.
    len: usize,
    /// The mark of a child.
    mark: F,
    /// The last start.
    last: usize,
    /// The next child to be fed to the minima.
    feed: usize,
    minima: Minima,
}

impl<F: FnMut(usize) -> u64> Cuts<F> {
    /// The starts after `start`, which is one, among `len` children.
    pub fn after(rule: Rule, start: usize, len: usize, mark: F) -> Cuts<F> {
        let feed = (start + 1).saturating_sub(rule.window);
        let mut cuts = Cuts { rule, len, mark, last: start, feed, minima: Minima::new(rule.window) };
        while cuts.feed <= start + rule.window {
            cuts.judge();
        }
        cuts
    }

    /// The next start, or the number of children when there is none.
    pub fn next_start(&mut self) -> usize {
        let begin = self.last + 1;
        for child in begin..self.len {
            if self.judge() || child - self.last == self.rule.most {
                self.last = child;
                return child;
            }
        }
        self.len
    }

    /// Feeds one child, and says whether the one `window` before it is a natural cut.
    fn judge(&mut self) -> bool {
        let mark = if self.feed < self.len { (self.mark)(self.feed) } else { NONE };
        self.feed += 1;
        self.minima.push(mark)
    }
}

/// Strict minima of a sliding window, a few operations a mark and no branch on its value: the minimum of the last 2, 4, 8
/// marks is the minimum of two that are half as wide.
struct Minima {
    window: usize,
    pushed: usize,
    marks: [u64; RING],
    /// `least[n]` are the minima of the last 2^(n+1) marks.
    least: [[u64; RING]; 3],
}

impl Minima {
    const fn new(window: usize) -> Minima {
        Minima { window, pushed: 0, marks: [NONE; RING], least: [[NONE; RING]; 3] }
    }

    /// Takes a mark; whether the one `window` before it is less than the `window` marks on each side of it.
    fn push(&mut self, mark: u64) -> bool {
        let at = |back: usize| self.pushed.wrapping_sub(back) % RING;
        self.marks[at(0)] = mark;
        let (now, middle, before) = (at(0), at(self.window), at(self.window + 1));
        let mut least = mark.min(self.marks[at(1)]);
        self.least[0][now] = least;
        let mut last = 0;
        while 2 << last < self.window {
            least = least.min(self.least[last][at(2 << last)]);
            last += 1;
            self.least[last][now] = least;
        }
        let candidate = self.marks[middle];
        let minimum = candidate < least && candidate < self.least[last][before];
        self.pushed += 1;
        minimum
    }
}
