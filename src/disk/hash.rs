//! The digest of an opened file. Owns how bytes come from the disk into the hash: read where small, mapped where large.
//! Compares no stats: a digest counts only if the caller's stats before and after are equal.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use super::gauge::Gauge;
use super::map::map_part;
use crate::model::Digest;
use crate::model::chunk::{self, BLOCK_BYTES, Block, Chunk};
use crate::model::digest::Hasher;

/// From this size on a file may be mapped: see `benches/hash.rs`.
pub const MAPPED_BYTES_MIN: u64 = 1024 * 1024;
/// One read. Stays within a core's cache.
const BUFFER_BYTES: usize = 128 * 1024;
/// A file is mapped step by step, the next one read ahead meanwhile: mapped pages count as memory of the process.
const STEP_BYTES: u64 = 4 * 1024 * 1024;
/// On all cores a step is larger, so that their meeting at its end costs little.
const STEP_BYTES_ALL: u64 = 16 * 1024 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// How a file is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    /// On this thread, by reading: other files are hashed beside it, and threads that map wait for each other.
    One,
    /// On all, by a map where the file is large: nothing else goes on.
    All,
}

impl Cores {
    /// Has each of the threads that share such work call this, once it is free.
    pub fn each(run: fn()) {
        rayon::spawn_broadcast(move |_| run());
    }
}

/// What came of hashing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashed {
    /// The digest of exactly `size` bytes.
    Whole(Digest),
    /// The file was shorter or longer than `size`, or shrank under the map: there is no digest.
    Changed,
    /// The gauge asked to stop.
    Stopped,
}

/// Hashes a file that stat says has `size` bytes, from its start. The caller compares stats before and after.
pub fn hash_file(file: &File, size: u64, cores: Cores, gauge: &Gauge) -> io::Result<Hashed> {
    if cores == Cores::All
        && size >= MAPPED_BYTES_MIN
        && let Ok(hashed) = hash_mapped(file, size, cores, gauge)
    {
        return Ok(hashed);
    }
    hash_read(file, size, gauge)
}

/// Hashes a file on all cores, and gives its even chunks as well: with them nobody needs to cut it. Fails where no map can
/// be had.
pub fn hash_blocks(file: &File, size: u64, gauge: &Gauge) -> io::Result<(Hashed, Vec<Chunk>)> {
    let mut chunks = Vec::with_capacity((size / BLOCK_BYTES) as usize + 1);
    let mut steps = Vec::new();
    let changed = each_step(file, size, (STEP_BYTES_ALL, gauge), |start, bytes| {
        let blocks = bytes.par_chunks(BLOCK_BYTES as usize).enumerate();
        let blocks: Vec<Block> =
            blocks.map(|(index, bytes)| Block::of(start + index as u64 * BLOCK_BYTES, bytes)).collect();
        let lengths = bytes.chunks(BLOCK_BYTES as usize).map(|bytes| bytes.len() as u64);
        chunks.extend(blocks.iter().zip(lengths).map(|(block, bytes)| Chunk { id: block.id(), bytes }));
        steps.push(blocks);
    })?;
    let digest = || match &steps[..] {
        [blocks] => chunk::digest_of(blocks),
        // A step is a subtree of the file's hash, as a block is.
        steps => chunk::digest_of(&steps.iter().filter_map(|blocks| Block::over(blocks)).collect::<Vec<_>>()),
    };
    Ok((changed.or_else(|| digest().map(Hashed::Whole)).unwrap_or(Hashed::Changed), chunks))
}

/// The digest of a file that nobody else hashes at the same time; `None` where it is not `size` bytes long or was told to
/// stop.
pub fn digest_of(file: &File, size: u64, gauge: &Gauge) -> io::Result<Option<Digest>> {
    Ok(match hash_file(file, size, Cores::All, gauge)? {
        Hashed::Whole(digest) => Some(digest),
        Hashed::Changed | Hashed::Stopped => None,
    })
}

/// Hashes by reading alone. Unlike a map it tells a failing disk from a change.
pub fn hash_read(file: &File, size: u64, gauge: &Gauge) -> io::Result<Hashed> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut hasher = None;
        let mut done = 0;
        loop {
            let bytes = fill(file, buffer, done..size)?;
            done += bytes as u64;
            Gauge::add(&gauge.bytes_hashed, bytes as u64);
            let last = bytes < buffer.len();
            if done > size || (last && done < size) {
                return Ok(Hashed::Changed);
            }
            if last && hasher.is_none() {
                return Ok(Hashed::Whole(Digest::of_content(&buffer[..bytes])));
            }
            let hasher = hasher.get_or_insert_with(Hasher::content);
            hasher.update(&buffer[..bytes]);
            if last {
                return Ok(Hashed::Whole(hasher.finish()));
            }
            if gauge.stopped() {
                return Ok(Hashed::Stopped);
            }
        }
    })
}

/// The digest of a small file of unknown size and how many bytes were read, by one read; `None` where there are more. The
/// caller asks stat whether that was all.
pub fn hash_at_once(file: &File) -> io::Result<Option<(Digest, u64)>> {
    BUFFER.with_borrow_mut(|buffer| {
        let bytes = fill(file, buffer, 0..1)?;
        Ok((bytes < buffer.len()).then(|| (Digest::of_content(&buffer[..bytes]), bytes as u64)))
    })
}

/// Reads until the buffer is full, the file ends, or all `wanted` bytes are there: that there are no more is seen by
/// the stat after the hash, which saves the read that finds the end.
fn fill(file: &File, buffer: &mut [u8], wanted: Range<u64>) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], wanted.start + done as u64) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if wanted.start + done as u64 >= wanted.end {
            break;
        }
    }
    Ok(done)
}

/// Hashes by mapping alone. Fails where no map can be had.
pub fn hash_mapped(file: &File, size: u64, cores: Cores, gauge: &Gauge) -> io::Result<Hashed> {
    let mut hasher = Hasher::content();
    let step_bytes = if cores == Cores::All { STEP_BYTES_ALL } else { STEP_BYTES };
    let changed = each_step(file, size, (step_bytes, gauge), |_, bytes| {
        match cores {
            Cores::One => hasher.update(bytes),
            Cores::All => hasher.update_parallel(bytes),
        };
    })?;
    Ok(changed.unwrap_or_else(|| Hashed::Whole(hasher.finish())))
}

/// Maps a file step by step, each with where it begins; why it was not gone through to its end.
fn each_step(
    file: &File,
    size: u64,
    (step_bytes, gauge): (u64, &Gauge),
    mut each: impl FnMut(u64, &[u8]),
) -> io::Result<Option<Hashed>> {
    if file.metadata()?.len() != size {
        return Ok(Some(Hashed::Changed));
    }
    let step = |start: u64| {
        let bytes = step_bytes.min(size.saturating_sub(start));
        let map = map_part(file, start, usize::try_from(bytes).map_err(io::Error::other)?)?;
        map.read_ahead();
        io::Result::Ok(map)
    };
    let mut next = step(0)?;
    for start in (0..size).step_by(usize::try_from(step_bytes).map_err(io::Error::other)?) {
        if gauge.stopped() {
            return Ok(Some(Hashed::Stopped));
        }
        let map = std::mem::replace(&mut next, step(start + step_bytes)?);
        let bytes = map.as_ref();
        each(start, bytes);
        if !map.intact() {
            return Ok(Some(Hashed::Changed));
        }
        Gauge::add(&gauge.bytes_hashed, bytes.len() as u64);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::chunks::chunks_of;
    use super::*;
    use crate::model::chunk::Cutter;
    use std::io::Write;

    fn file_of(bytes: &[u8]) -> File {
        let mut named = tempfile::NamedTempFile::new().expect("a temporary file");
        named.write_all(bytes).expect("written");
        named.reopen().expect("opened")
    }

    fn hash(file: &File, size: u64, cores: Cores) -> Hashed {
        hash_file(file, size, cores, &Gauge::default()).expect("read")
    }

    #[test]
    fn every_size_hashes_to_the_digest_of_its_bytes() {
        let mapped = MAPPED_BYTES_MIN as usize;
        for bytes in [0, 1, 4096, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, mapped - 1, mapped, 3 * mapped + 5]
        {
            let content: Vec<u8> = (0..bytes).map(|byte| (byte % 251) as u8).collect();
            let wanted = Hashed::Whole(Digest::of_content(&content));
            for cores in [Cores::One, Cores::All] {
                assert_eq!(hash(&file_of(&content), bytes as u64, cores), wanted, "{bytes} {cores:?}");
            }
        }
    }

    #[test]
    fn the_blocks_of_a_file_are_its_even_chunks_and_make_its_digest() {
        let (block, step) = (BLOCK_BYTES as usize, STEP_BYTES_ALL as usize);
        for bytes in [block + 1, 5 * block, step, step + 1, 2 * step + 3 * block + 7] {
            let content: Vec<u8> = (0..bytes).map(|byte| (byte % 251) as u8).collect();
            let file = file_of(&content);
            let (hashed, chunks) = hash_blocks(&file, bytes as u64, &Gauge::default()).expect("mapped");
            assert_eq!(hashed, Hashed::Whole(Digest::of_content(&content)), "{bytes}");
            let cut = chunks_of(&file, bytes as u64, Cutter::Even, &Gauge::default()).expect("read");
            assert_eq!(cut.expect("whole").nodes(0), chunks);
        }
        let file = file_of(&vec![1; 2 * block]);
        let (hashed, _) = hash_blocks(&file, 3 * BLOCK_BYTES, &Gauge::default()).expect("mapped");
        assert_eq!(hashed, Hashed::Changed);
    }

    #[test]
    fn a_file_of_another_size_than_told_has_no_digest() {
        for bytes in [10, BUFFER_BYTES, 2 << 20] {
            let file = file_of(&vec![1; bytes]);
            assert_eq!(hash(&file, bytes as u64 - 1, Cores::One), Hashed::Changed);
            let file = file_of(&vec![1; bytes]);
            assert_eq!(hash(&file, bytes as u64 + 1, Cores::One), Hashed::Changed);
        }
    }

    #[test]
    fn a_stopped_gauge_stops_a_long_hash() {
        let gauge = Gauge::default();
        gauge.stop();
        let file = file_of(&vec![1; 2 << 20]);
        assert_eq!(hash_file(&file, 2 << 20, Cores::All, &gauge).expect("read"), Hashed::Stopped);
    }
}
