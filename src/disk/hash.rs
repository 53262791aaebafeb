//! The digest of an opened file. Owns how bytes come from the disk into the hash: read where small, mapped where large.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};

use super::gauge::Gauge;
use super::map::{Mapping, map};
use crate::model::Digest;
use crate::model::digest::Hasher;

/// From this size on a file is mapped: see `benches/hash.rs`.
pub const MAPPED_BYTES_MIN: u64 = 1024 * 1024;
/// One read. Stays within a core's cache.
const BUFFER_BYTES: usize = 256 * 1024;
/// One step of a mapped hash: after each the flag to stop is looked at, and the next one is read ahead.
const STEP_BYTES: usize = 64 * 1024 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// How a file is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    /// On this thread: other files are hashed beside it.
    One,
    /// On all: nothing else goes on.
    All,
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
    if size >= MAPPED_BYTES_MIN
        && let Ok(map) = map(file)
    {
        return Ok(hash_mapped(&map, size, cores, gauge));
    }
    hash_read(file, size, gauge)
}

/// Hashes by reading alone. Unlike a map it tells a failing disk from a change.
pub fn hash_read(mut file: &File, size: u64, gauge: &Gauge) -> io::Result<Hashed> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut hasher = None;
        let mut done = 0;
        loop {
            let bytes = fill(&mut file, buffer, size - done)?;
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

/// Reads until the buffer is full, the file ends, or all `wanted` bytes are there: that there are no more is seen by
/// the stat after the hash, which saves the read that finds the end.
fn fill(file: &mut &File, buffer: &mut [u8], wanted: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if done as u64 >= wanted {
            break;
        }
    }
    Ok(done)
}

fn hash_mapped(map: &Mapping, size: u64, cores: Cores, gauge: &Gauge) -> Hashed {
    let bytes = map.as_ref();
    if bytes.len() as u64 != size {
        return Hashed::Changed;
    }
    let mut hasher = Hasher::content();
    map.read_ahead(0, STEP_BYTES);
    for (index, step) in bytes.chunks(STEP_BYTES).enumerate() {
        if gauge.stopped() {
            return Hashed::Stopped;
        }
        map.read_ahead((index + 1) * STEP_BYTES, STEP_BYTES);
        match cores {
            Cores::One => hasher.update(step),
            Cores::All => hasher.update_parallel(step),
        };
        Gauge::add(&gauge.bytes_hashed, step.len() as u64);
    }
    if map.intact() { Hashed::Whole(hasher.finish()) } else { Hashed::Changed }
}

#[cfg(test)]
mod tests {
    use super::*;
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
