//! A new version of a file over the versions that are there already: which stretches are taken from where, and which must
//! come. A pure function of what both sides cut. What it says is believed no further than the new version's digest.

use std::collections::HashMap;

use super::gear::Cutter;
use super::list::{Chunk, Chunks, Span};

/// A stretch that must come is asked for in parts of this many bytes, which several streams share.
const GAP_BYTES_MAX: u64 = 4 << 20;
/// Most bytes of an old version that one part of a gap is held against.
const FACING_BYTES_MAX: u64 = 4 << 20;
/// How far an old stretch may be longer than the gap that it faces.
const FACING_BYTES_MORE: u64 = 128 << 10;

/// A version that is there.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// Its chunks, cut as the new version's are.
    pub chunks: &'a Chunks,
    /// Whether the new version is made of it where it lies: then only what keeps its place is of use, as anything else may
    /// be written over before it is taken.
    pub in_place: bool,
}

/// How the new version comes about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// Taken from what is there, in the order of the new version.
    pub reuses: Vec<Reuse>,
    /// What must come, in the same order.
    pub gaps: Vec<Gap>,
}

/// A stretch that a base has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reuse {
    /// Which base.
    pub base: usize,
    /// Where in the base.
    pub from: u64,
    /// Where in the new version.
    pub at: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// A stretch that must come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where in the new version.
    pub at: u64,
    /// How many bytes.
    pub bytes: u64,
    /// What stood in its place, which may still share much with it: what follows the stretch before it, and what precedes the
    /// stretch behind it.
    pub facing: Vec<Facing>,
}

/// A stretch of a base that is worth a finer look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facing {
    /// Which base.
    pub base: usize,
    /// Where in the base.
    pub from: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Layout {
    /// Bytes that must come, before any finer look.
    pub fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.bytes).sum()
    }

    /// The same, with each gap facing what stands at its place in this base of so many bytes.
    pub fn facing(mut self, base: usize, bytes: u64) -> Layout {
        for gap in &mut self.gaps {
            let there = bytes.saturating_sub(gap.at).min(gap.bytes);
            gap.facing = (there > 0).then_some(Facing { base, from: gap.at, bytes: there }).into_iter().collect();
        }
        self
    }
}

/// A new version of `size` bytes of which these stretches are known, in order, of one old version of `old` bytes.
pub fn around(reuses: Vec<Reuse>, old: u64, size: u64) -> Layout {
    let mut at = 0;
    let mut gaps = Vec::new();
    for reuse in reuses.iter().chain([&Reuse { base: 0, from: old, at: size, bytes: 0 }]) {
        if reuse.at > at {
            gaps.extend(split(&Gap { at, bytes: reuse.at - at, facing: Vec::new() }));
        }
        at = reuse.at + reuse.bytes;
    }
    let reach = [Reach { bytes: old, in_place: false }];
    for gap in &mut gaps {
        gap.facing = facing_between(&reach, &reuses, gap);
    }
    Layout { reuses, gaps }
}

/// Lays what a peer told of a file (`spans`, against the nodes of all bases at `level` in a row) over the bases.
pub fn layout(cutter: Cutter, bases: &[Base<'_>], level: usize, spans: &[Span]) -> Layout {
    let mut laying = Laying::new(bases, level);
    for span in spans {
        match *span {
            Span::Known(first, count) => laying.known_from(first, count),
            Span::New(ref chunks) => chunks.iter().for_each(|chunk| laying.chunk(*chunk)),
        }
    }
    let Laying { mut done, .. } = laying;
    let gaps = std::mem::take(&mut done.gaps);
    done.gaps = gaps.iter().flat_map(split).collect();
    let reach: Vec<Reach> = bases.iter().map(Reach::of).collect();
    for gap in &mut done.gaps {
        gap.facing = match cutter {
            Cutter::Even => facing_same_place(&reach, gap).into_iter().collect(),
            Cutter::Content => facing_between(&reach, &done.reuses, gap),
        };
    }
    done
}

/// How far a base reaches.
struct Reach {
    bytes: u64,
    in_place: bool,
}

impl Reach {
    fn of(base: &Base<'_>) -> Reach {
        Reach { bytes: base.chunks.nodes(0).iter().map(|chunk| chunk.bytes).sum(), in_place: base.in_place }
    }
}

struct Laying<'a> {
    bases: &'a [Base<'a>],
    level: usize,
    /// The nodes of all bases: base, number in it, where it lies.
    nodes: Vec<(usize, usize, u64)>,
    /// Where a chunk is to be had, by id.
    chunks: HashMap<u64, (usize, u64, u64)>,
    /// What lies where in the base that is made anew in place: nodes and chunks.
    placed: HashMap<u64, [Option<Chunk>; 2]>,
    at: u64,
    done: Layout,
}

impl<'a> Laying<'a> {
    fn new(bases: &'a [Base<'a>], level: usize) -> Laying<'a> {
        let mut laying = Laying {
            bases,
            level,
            nodes: Vec::new(),
            chunks: HashMap::new(),
            placed: HashMap::new(),
            at: 0,
            done: Layout::default(),
        };
        for (base, Base { chunks, in_place }) in bases.iter().enumerate() {
            for (number, (node, from)) in placed(chunks.nodes(level)).enumerate() {
                laying.nodes.push((base, number, from));
                if *in_place {
                    laying.placed.entry(from).or_default()[1] = Some(node);
                }
            }
            for (chunk, from) in placed(chunks.nodes(0)) {
                if *in_place {
                    laying.placed.entry(from).or_default()[0] = Some(chunk);
                } else {
                    laying.chunks.entry(chunk.id).or_insert((base, from, chunk.bytes));
                }
            }
        }
        laying
    }

    fn known_from(&mut self, first: u32, count: u32) {
        let end = (first.saturating_add(count) as usize).min(self.nodes.len());
        (first as usize..end).for_each(|node| self.known(node));
    }

    fn known(&mut self, node: usize) {
        let Some(&(base, number, from)) = self.nodes.get(node) else { return };
        let base_of = &self.bases[base];
        let Some(&stretch) = base_of.chunks.nodes(self.level).get(number) else { return };
        if self.stays(1, stretch) {
            return;
        }
        if !base_of.in_place {
            return self.reuse(base, from, stretch.bytes);
        }
        for chunk in base_of.chunks.below(self.level, number) {
            self.chunk(*chunk);
        }
    }

    fn chunk(&mut self, chunk: Chunk) {
        if self.stays(0, chunk) {
            return;
        }
        match self.chunks.get(&chunk.id) {
            Some(&(base, from, bytes)) if bytes == chunk.bytes => self.reuse(base, from, bytes),
            _ => self.gap(chunk.bytes),
        }
    }

    /// Whether this already lies where it belongs.
    fn stays(&mut self, height: usize, stretch: Chunk) -> bool {
        let found = self.placed.get(&self.at).and_then(|both| both[height]) == Some(stretch);
        if found {
            let base = self.bases.iter().position(|base| base.in_place).unwrap_or_default();
            self.reuse(base, self.at, stretch.bytes);
        }
        found
    }

    fn reuse(&mut self, base: usize, from: u64, bytes: u64) {
        match self.done.reuses.last_mut() {
            Some(last) if last.base == base && last.from + last.bytes == from && last.at + last.bytes == self.at => {
                last.bytes += bytes;
            }
            _ => self.done.reuses.push(Reuse { base, from, at: self.at, bytes }),
        }
        self.at += bytes;
    }

    fn gap(&mut self, bytes: u64) {
        match self.done.gaps.last_mut() {
            Some(last) if last.at + last.bytes == self.at => last.bytes += bytes,
            _ => self.done.gaps.push(Gap { at: self.at, bytes, facing: Vec::new() }),
        }
        self.at += bytes;
    }
}

fn placed(nodes: &[Chunk]) -> impl Iterator<Item = (Chunk, u64)> + '_ {
    nodes.iter().scan(0, |at, node| {
        let from = *at;
        *at += node.bytes;
        Some((*node, from))
    })
}

fn split(gap: &Gap) -> impl Iterator<Item = Gap> {
    let parts = gap.bytes.div_ceil(GAP_BYTES_MAX);
    (0..parts).map(move |part| {
        let skipped = part * GAP_BYTES_MAX;
        Gap { at: gap.at + skipped, bytes: GAP_BYTES_MAX.min(gap.bytes - skipped), facing: Vec::new() }
    })
}

fn facing_same_place(bases: &[Reach], gap: &Gap) -> Option<Facing> {
    let usable = bases.iter().enumerate().filter(|(_, base)| !base.in_place);
    let (base, bytes) = usable.map(|(index, base)| (index, base.bytes)).find(|&(_, bytes)| bytes > gap.at)?;
    Some(Facing { base, from: gap.at, bytes: gap.bytes.min(bytes - gap.at) })
}

/// What lies between the stretches that are known on both sides of the gap, where that is one stretch and not too long; else
/// what goes on behind the one and leads to the other.
fn facing_between(bases: &[Reach], reuses: &[Reuse], gap: &Gap) -> Vec<Facing> {
    let next = reuses.partition_point(|reuse| reuse.at < gap.at);
    let usable = |reuse: &&Reuse| !bases[reuse.base].in_place;
    let before = next.checked_sub(1).map(|index| &reuses[index]).filter(|last| last.at + last.bytes == gap.at);
    let after = reuses.get(next).filter(|first| first.at == gap.at + gap.bytes);
    let (before, after) = (before.filter(usable), after.filter(usable));
    let most = FACING_BYTES_MAX.min(gap.bytes.saturating_mul(2).saturating_add(FACING_BYTES_MORE));
    let stretch = |base: usize, from: u64, end: u64| {
        let bytes = end.min(bases[base].bytes).saturating_sub(from).min(most);
        (bytes > 0).then_some(Facing { base, from, bytes })
    };
    let behind = |before: &Reuse| stretch(before.base, before.from + before.bytes, u64::MAX);
    let ahead = |after: &Reuse| stretch(after.base, after.from.saturating_sub(most), after.from);
    let facing = match (before, after) {
        (Some(before), Some(after)) => {
            let (from, end) = (before.from + before.bytes, after.from);
            let is_between = before.base == after.base && from <= end && end - from <= most;
            if is_between { [stretch(before.base, from, end), None] } else { [behind(before), ahead(after)] }
        }
        (before, after) if before.is_some() || after.is_some() => [before.and_then(behind), after.and_then(ahead)],
        _ => [bases.iter().position(|base| !base.in_place).and_then(|base| stretch(base, gap.at, u64::MAX)), None],
    };
    facing.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::{chunks_of, noise};
    use super::*;

    /// What a peer with `new` would tell to somebody with the bases.
    fn laid(cutter: Cutter, bases: &[(&[u8], bool)], new: &[u8], nodes_max: usize) -> Layout {
        let cut: Vec<(Chunks, bool)> = bases.iter().map(|(bytes, place)| (chunks_of(cutter, bytes), *place)).collect();
        let bases: Vec<Base<'_>> = cut.iter().map(|(chunks, in_place)| Base { chunks, in_place: *in_place }).collect();
        let level = bases.iter().map(|base| base.chunks.level_of(nodes_max)).max().unwrap_or(0);
        let known: Vec<u64> = bases.iter().flat_map(|base| base.chunks.nodes(level)).map(|node| node.id).collect();
        layout(cutter, &bases, level, &chunks_of(cutter, new).describe(level, &known))
    }

    /// Builds the new version as the layout says, with the gaps from `new`.
    fn build(layout: &Layout, bases: &[(&[u8], bool)], new: &[u8]) -> Vec<u8> {
        let in_place = bases.iter().find(|(_, in_place)| *in_place).map_or(&[][..], |(bytes, _)| bytes);
        let mut built = in_place.to_vec();
        built.resize(new.len(), 0);
        for gap in &layout.gaps {
            let range = gap.at as usize..(gap.at + gap.bytes) as usize;
            built[range.clone()].copy_from_slice(&new[range]);
        }
        for reuse in &layout.reuses {
            let (base, in_place) = bases[reuse.base];
            let bytes = &base[reuse.from as usize..(reuse.from + reuse.bytes) as usize];
            if in_place {
                // It was not written over by what came.
                assert_eq!(reuse.from, reuse.at);
                assert_eq!(&built[reuse.at as usize..][..bytes.len()], bytes);
            }
            built[reuse.at as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        built
    }

    #[test]
    fn any_change_is_laid_out_whole_and_small_ones_are_small() {
        let old = noise(6 << 20, 1);
        let half = old.len() / 2 + 777;
        let mut edited = old.clone();
        edited[3_000_000..3_004_096].copy_from_slice(&noise(4096, 9));
        let cases: [(&str, Vec<u8>, u64); 8] = [
            ("same", old.clone(), 0),
            ("edited in place", edited, 512 << 10),
            ("inserted in front", [&noise(1 << 20, 2)[..], &old].concat(), (1 << 20) + (512 << 10)),
            ("one byte inserted", [&old[..half], b"x", &old[half..]].concat(), 512 << 10),
            ("appended", [&old[..], &noise(1 << 20, 3)].concat(), (1 << 20) + (512 << 10)),
            ("cut short", old[..half].to_vec(), 512 << 10),
            ("halves swapped", [&old[half..], &old[..half]].concat(), 1 << 20),
            ("nothing left", Vec::new(), 0),
        ];
        for (name, new, most) in cases {
            for nodes_max in [16, 1000] {
                let bases = [(&old[..], false)];
                let layout = laid(Cutter::Content, &bases, &new, nodes_max);
                assert!(build(&layout, &bases, &new) == new, "{name}");
                assert!(layout.missing() <= most, "{name}: {} missing", layout.missing());
            }
        }
    }

    #[test]
    fn torn_remains_are_filled_in_place_and_helped_by_the_old_version() {
        let new = noise(10 << 20, 4);
        let mut torn = vec![0; new.len()];
        torn[2 << 20..5 << 20].copy_from_slice(&new[2 << 20..5 << 20]);
        // A stretch that is right but lies elsewhere in the remains must not be taken from there.
        torn[7 << 20..8 << 20].copy_from_slice(&new[..1 << 20]);
        let mut old = new.clone();
        old[8 << 20..].fill(1);
        let bases = [(&torn[..], true), (&old[..], false)];
        let layout = laid(Cutter::Even, &bases, &new, 100);
        assert!(build(&layout, &bases, &new) == new);
        assert_eq!(layout.missing(), 2 << 20);
        let alone = [(&torn[..], true)];
        let layout = laid(Cutter::Even, &alone, &new, 100);
        assert!(build(&layout, &alone, &new) == new);
        assert_eq!(layout.missing(), 7 << 20);
        assert!(layout.gaps.iter().all(|gap| gap.facing.is_empty()));
    }

    #[test]
    fn a_gap_faces_what_stood_in_its_place() {
        let old = noise(4 << 20, 5);
        let mut new = old.clone();
        new[2_000_000..2_000_100].fill(7);
        for cutter in [Cutter::Even, Cutter::Content] {
            let layout = laid(cutter, &[(&old, false)], &new, 1000);
            let [gap] = &layout.gaps[..] else { panic!("{:?}", layout.gaps) };
            let [facing] = gap.facing[..] else { panic!("{gap:?}") };
            assert!((facing.from, facing.bytes) == (gap.at, gap.bytes), "{cutter:?} {gap:?}");
        }
    }

    #[test]
    fn a_gap_between_stretches_that_were_apart_faces_both_their_neighbours() {
        let old = noise(4 << 20, 7);
        let half = old.len() / 2 + 777;
        let new = [&old[half..], &old[..half]].concat();
        let layout = laid(Cutter::Content, &[(&old, false)], &new, 1000);
        for gap in &layout.gaps {
            // The bytes of the gap stand in what it faces.
            let covers = |at: u64| {
                let from = (at + half as u64) % old.len() as u64;
                gap.facing.iter().any(|facing| (facing.from..facing.from + facing.bytes).contains(&from))
            };
            assert!((gap.at..gap.at + gap.bytes).all(covers), "{gap:?}");
        }
        assert!(!layout.gaps.is_empty());
    }

    #[test]
    fn nodes_that_nobody_has_are_passed_over() {
        let chunks = chunks_of(Cutter::Even, &noise(1 << 20, 6));
        let bases = [Base { chunks: &chunks, in_place: false }];
        assert_eq!(
            layout(Cutter::Even, &bases, 0, &[Span::Known(16, 3), Span::Known(u32::MAX, u32::MAX)]),
            Layout::default()
        );
    }
}
