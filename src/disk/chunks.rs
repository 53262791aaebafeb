//! The chunks of an opened file, cut and hashed on all cores. Owns how a file is cut in several places at once and still
//! as from its start. Compares no stats: the caller's, before and after, say whether the file changed meanwhile; what was
//! cut of a file that did is wrong chunks, which the digest of what is made of them shows.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use super::gauge::Gauge;
use super::map::{Mapping, map_part};
use crate::model::chunk::{Chunk, Chunks, Cutter, Grain};

/// What one thread cuts at once.
const SEGMENT_BYTES: u64 = 4 << 20;

/// The chunks of a file of `size` bytes; `None` where it is shorter, or the gauge asked to stop.
pub fn chunks_of(file: &File, size: u64, cutter: Cutter, gauge: &Gauge) -> io::Result<Option<Chunks>> {
    // Within its last page a mapping reads zeros where the file has ended.
    if file.metadata()?.len() < size {
        return Ok(None);
    }
    let mut chunks = Vec::with_capacity((size / cutter.least(Grain::Chunk) as u64) as usize + 1);
    let wave = SEGMENT_BYTES * rayon::current_num_threads() as u64;
    // Where the last chunk ended.
    let mut at = 0;
    for start in (0..size).step_by(wave as usize) {
        if gauge.stopped() {
            return Ok(None);
        }
        let end = size.min(start + wave);
        let window = Window::open(file, start, size.min(end + MOST) - start)?;
        let starts: Vec<u64> = (start..end).step_by(SEGMENT_BYTES as usize).collect();
        let Some(bytes) = window.bytes() else { return Ok(None) };
        let cut = |&from: &u64| Segment::new((from, end), &bytes[(from - start) as usize..]).cut(cutter);
        let mut segments: Vec<Segment<'_>> = starts.par_iter().map(cut).collect();
        segments.iter_mut().for_each(|segment| at = segment.join(cutter, at));
        chunks.par_extend(segments.par_iter().flat_map(|segment| segment.hashed(cutter)));
        if window.bytes().is_none() {
            return Ok(None);
        }
    }
    Ok(Some(Chunks::new(cutter, chunks)))
}

/// The pieces of a stretch of a file; fewer where the file is shorter.
pub fn pieces_of(file: &File, from: u64, bytes: u64, cutter: Cutter) -> io::Result<Vec<Chunk>> {
    let buffer = read(file, from, bytes)?;
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < buffer.len() {
        let length = cutter.cut(Grain::Piece, from + at as u64, &buffer[at..]);
        pieces.push(Chunk::of(&buffer[at..at + length]));
        at += length;
    }
    Ok(pieces)
}

/// The longest chunk: so much behind the segments of a wave their last chunk may need.
const MOST: u64 = Cutter::Content.most(Grain::Chunk) as u64;

/// What a wave cuts: mapped, for a copy costs more than the cutting of even blocks; read where the system does not map.
enum Window {
    Mapped(Mapping),
    /// And how much it should be.
    Read(Vec<u8>, u64),
}

impl Window {
    fn open(file: &File, start: u64, bytes: u64) -> io::Result<Window> {
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        match map_part(file, start, length) {
            Ok(mapping) => Ok(Window::Mapped(mapping)),
            Err(_) => Ok(Window::Read(read(file, start, bytes)?, bytes)),
        }
    }

    /// `None` where the file was found to be shorter.
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Window::Mapped(mapping) => mapping.intact().then(|| mapping.as_ref()),
            Window::Read(bytes, wanted) => (bytes.len() as u64 == *wanted).then_some(bytes),
        }
    }
}

/// A part of the file that one thread cuts, with as many bytes behind it as its last chunk may need.
struct Segment<'a> {
    start: u64,
    /// Where the next segment starts.
    end: u64,
    bytes: &'a [u8],
    /// Where the chunks that begin in it end, if one begins with it; after [`Segment::join`] those that there are.
    ends: Vec<u64>,
    /// Where the first chunk begins.
    first: u64,
}

impl<'a> Segment<'a> {
    /// The one that begins at `start`, where `bytes` do, in a wave up to `end`.
    fn new((start, end): (u64, u64), bytes: &'a [u8]) -> Self {
        let end = end.min(start + SEGMENT_BYTES);
        let reach = bytes.len().min((end + MOST - start) as usize);
        Segment { start, end, bytes: &bytes[..reach], ends: Vec::new(), first: start }
    }

    fn cut(mut self, cutter: Cutter) -> Self {
        let mut at = self.start;
        while at < self.end {
            at = self.next(cutter, at);
            self.ends.push(at);
        }
        self
    }

    fn next(&self, cutter: Cutter, at: u64) -> u64 {
        at + cutter.cut(Grain::Chunk, at, &self.bytes[(at - self.start) as usize..]) as u64
    }

    /// Lets the chunks begin at `at`, where those of the segment before end; returns where its own end. Two rows of cuts
    /// that meet once are the same from there on, and they meet soon.
    fn join(&mut self, cutter: Cutter, mut at: u64) -> u64 {
        self.first = at;
        let mut ends = Vec::with_capacity(self.ends.len());
        while at < self.end {
            let met = if at == self.start { Some(0) } else { self.ends.binary_search(&at).ok().map(|index| index + 1) };
            if let Some(index) = met {
                ends.extend_from_slice(&self.ends[index..]);
                at = ends.last().copied().unwrap_or(at);
                break;
            }
            at = self.next(cutter, at);
            ends.push(at);
        }
        self.ends = ends;
        at
    }

    fn hashed(&self, cutter: Cutter) -> impl ParallelIterator<Item = Chunk> + '_ {
        (0..self.ends.len()).into_par_iter().map(move |index| {
            let from = if index == 0 { self.first } else { self.ends[index - 1] };
            let bytes = &self.bytes[(from - self.start) as usize..(self.ends[index] - self.start) as usize];
            Chunk::cut(cutter, from, bytes)
        })
    }
}

/// Reads so many bytes, or up to the end.
fn read(file: &File, from: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], from + done as u64) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(done);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::chunk::list::tests::noise;
    use std::io::Write;

    fn file_of(bytes: &[u8]) -> File {
        let mut named = tempfile::NamedTempFile::new().expect("a temporary file");
        named.write_all(bytes).expect("written");
        named.reopen().expect("opened")
    }

    /// The chunks, one after the other from the start.
    fn in_order(cutter: Cutter, bytes: &[u8]) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let length = cutter.cut(Grain::Chunk, at as u64, &bytes[at..]);
            chunks.push(Chunk::cut(cutter, at as u64, &bytes[at..at + length]));
            at += length;
        }
        chunks
    }

    #[test]
    fn a_file_that_is_cut_in_many_places_has_the_cuts_of_its_bytes() {
        let mut zeros = noise(9 << 20, 1);
        zeros[3_500_000..8_500_001].fill(0);
        for bytes in
            [noise(13_000_001, 1), zeros, noise(70_000, 1).repeat(150), noise(SEGMENT_BYTES as usize, 1), Vec::new()]
        {
            for cutter in [Cutter::Even, Cutter::Content] {
                let cut = chunks_of(&file_of(&bytes), bytes.len() as u64, cutter, &Gauge::default());
                let cut = cut.expect("read").expect("whole");
                assert!(cut.nodes(0) == in_order(cutter, &bytes), "{cutter:?} {}", bytes.len());
            }
        }
    }

    #[test]
    fn a_file_that_is_shorter_than_told_and_a_stopped_gauge_give_no_chunks() {
        let file = file_of(&noise(100_000, 1));
        assert_eq!(chunks_of(&file, 100_001, Cutter::Content, &Gauge::default()).expect("read"), None);
        let gauge = Gauge::default();
        gauge.stop();
        assert_eq!(chunks_of(&file, 100_000, Cutter::Content, &gauge).expect("read"), None);
    }

    #[test]
    fn pieces_cover_the_stretch_as_far_as_the_file_goes() {
        let bytes = noise(300_000, 1);
        let file = file_of(&bytes);
        for cutter in [Cutter::Even, Cutter::Content] {
            for (from, wanted, there) in [(0, 300_000, 300_000), (5_000, 100_000, 100_000), (299_000, 9_000, 1_000)] {
                let pieces = pieces_of(&file, from, wanted, cutter).expect("read");
                assert_eq!(pieces.iter().map(|piece| piece.bytes).sum::<u64>(), there, "{cutter:?} {from}");
            }
        }
    }
}
