//! Copying the bytes of a file into staging. Owns how: a clone where the file system shares blocks, else one read that
//! feeds the hash and the write. Holes stay holes. What was hashed is what was written, so a file that changes
//! meanwhile is noticed and never staged torn.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{self, SeekFrom};
use rustix::io::Errno;

use super::stage::Staged;
use super::status::Status;
use crate::model::digest::Hasher;
use crate::model::{Digest, Problem, ProblemKind, RelPath};

/// What is read at once: large enough that calls cost nothing, small enough to stay in the processor's cache.
const CHUNK_BYTES: usize = 256 * 1024;
/// Below this a copy is cheaper than a clone and its two calls.
const CLONE_BYTES_MIN: u64 = 128 * 1024;
/// Copied within the kernel by one call: a call cannot be interrupted.
const COPY_BYTES_MAX: usize = 64 << 20;
/// Below this nobody cares for holes.
const HOLES_BYTES_MIN: u64 = 64 * 1024;
/// So much is written out at once, long before it must be durable.
const EARLY_BYTES: u64 = 8 << 20;
/// Zeros that stand for a hole in a hash.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why bytes could not be copied into staging.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The source is not, or no longer, what was expected.
    #[error("the source changed while it was read")]
    Changed,
    /// The source cannot be read.
    #[error("cannot read the source")]
    Read(#[source] io::Error),
    /// The staged file cannot be written.
    #[error("cannot write the staged file")]
    Write(#[source] io::Error),
}

impl PlaceError {
    /// Whether there was no room for the copy.
    pub fn lacked_room(&self) -> bool {
        matches!(self, PlaceError::Write(error) if Errno::from_io_error(error) == Some(Errno::NOSPC))
    }

    /// The problem that this makes of a path.
    pub fn into_problem(self, path: &RelPath) -> Problem {
        let (kind, cause) = match self {
            PlaceError::Changed => (ProblemKind::Changed, "changed while it was read".into()),
            PlaceError::Read(error) => (ProblemKind::Unreadable, super::place::cause(&error)),
            PlaceError::Write(error) => (ProblemKind::Unwritable, super::place::cause(&error)),
        };
        Problem { path: path.clone(), kind, cause }
    }
}

/// Fills an empty staged file with `size` bytes of `source`, and hashes what it holds then. Where no content is expected,
/// the caller looks whether the source is still what it was.
pub(super) fn fill(staged: &Staged, source: &File, size: u64, content: Option<&Digest>) -> Result<Digest, PlaceError> {
    let digest = if size >= CLONE_BYTES_MIN && clone(staged, source, size) {
        hash(staged.file(), size)?
    } else if size >= HOLES_BYTES_MIN && has_holes(source, size) {
        copy_extents(staged, source, size)?
    } else {
        copy(staged, source, size)?
    };
    match content {
        Some(expected) if *expected != digest => Err(PlaceError::Changed),
        _ => Ok(digest),
    }
}

/// Copies a stretch from one offset to another: within the kernel, which shares blocks where it can, else by hand.
pub(super) fn range(target: &File, source: &File, (from, at): (u64, u64), bytes: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes {
        let (mut read, mut write) = (from + done, at + done);
        let most = usize::try_from(bytes - done).unwrap_or(usize::MAX).min(COPY_BYTES_MAX);
        match fs::copy_file_range(source, Some(&mut read), target, Some(&mut write), most) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(copied) => done += copied as u64,
            Err(Errno::INTR) => {}
            Err(Errno::NOSPC) => return Err(Errno::NOSPC.into()),
            Err(_) => return range_by_hand(target, source, (from + done, at + done), bytes - done),
        }
    }
    Ok(())
}

fn range_by_hand(target: &File, source: &File, (from, at): (u64, u64), bytes: u64) -> io::Result<()> {
    let copied = each_chunk(source, from, from + bytes, |read, place| target.write_all_at(read, place - from + at));
    copied.map_err(|error| match error {
        PlaceError::Changed => io::ErrorKind::UnexpectedEof.into(),
        PlaceError::Read(error) | PlaceError::Write(error) => error,
    })
}

/// Shares the blocks of `source`. False where that cannot be, or the source has another size by now.
fn clone(staged: &Staged, source: &File, size: u64) -> bool {
    fs::ioctl_ficlone(staged.file(), source).is_ok() && staged.file().metadata().is_ok_and(|found| found.len() == size)
}

fn has_holes(source: &File, size: u64) -> bool {
    use std::os::unix::fs::MetadataExt;
    source.metadata().is_ok_and(|found| found.blocks() * 512 < size)
}

fn hash(file: &File, size: u64) -> Result<Digest, PlaceError> {
    let mut hasher = Hasher::content();
    each_chunk(file, 0, size, |bytes, _| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hasher.finish())
}

fn copy(staged: &Staged, source: &File, size: u64) -> Result<Digest, PlaceError> {
    let mut hasher = Hasher::content();
    each_chunk(source, 0, size, |bytes, at| {
        hasher.update(bytes);
        staged.file().write_all_at(bytes, at)?;
        let end = at + bytes.len() as u64;
        if end / EARLY_BYTES > at / EARLY_BYTES {
            staged.start_writing((end / EARLY_BYTES - 1) * EARLY_BYTES, EARLY_BYTES);
        }
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Copies what is data and skips what is a hole.
fn copy_extents(staged: &Staged, source: &File, size: u64) -> Result<Digest, PlaceError> {
    staged.set_size(size).map_err(PlaceError::Write)?;
    let mut hasher = Hasher::content();
    let mut at = 0;
    while at < size {
        let (start, end) = next_data(source, at, size).map_err(PlaceError::Read)?;
        hash_zeros(&mut hasher, start - at);
        each_chunk(source, start, end, |bytes, at| {
            hasher.update(bytes);
            staged.write_sparse(bytes, at)
        })?;
        at = end;
    }
    Ok(hasher.finish())
}

/// The next range that may hold data: all the rest where the file system does not say.
fn next_data(source: &File, at: u64, size: u64) -> io::Result<(u64, u64)> {
    let start = match fs::seek(source, SeekFrom::Data(at)) {
        Ok(start) => start.clamp(at, size),
        Err(Errno::NXIO) => return Ok((size, size)),
        Err(Errno::INVAL) => return Ok((at, size)),
        Err(error) => return Err(error.into()),
    };
    let end = fs::seek(source, SeekFrom::Hole(start)).map_or(size, |end| end.clamp(start, size));
    // A file that changes under us may say nonsense: go on in any case.
    Ok(if end > at { (start, end) } else { (at, size) })
}

fn hash_zeros(hasher: &mut Hasher, bytes: u64) {
    let mut left = bytes;
    while left > 0 {
        let part = left.min(ZEROS.len() as u64) as usize;
        hasher.update(&ZEROS[..part]);
        left -= part as u64;
    }
}

/// A source that grew is not what was expected.
pub(super) fn ends_at(source: &File, size: u64) -> Result<(), PlaceError> {
    let stamp = Status::stamp(source).map_err(PlaceError::Read)?;
    if stamp.size == size { Ok(()) } else { Err(PlaceError::Changed) }
}

/// Reads `file` from `start` to `end`; a file that ends before has changed.
fn each_chunk(
    file: &File,
    start: u64,
    end: u64,
    mut each: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> Result<(), PlaceError> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(CHUNK_BYTES, 0);
        let mut at = start;
        while at < end {
            let most = (end - at).min(CHUNK_BYTES as u64) as usize;
            let read = match file.read_at(&mut buffer[..most], at) {
                Ok(0) => return Err(PlaceError::Changed),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(PlaceError::Read)?,
            };
            each(&buffer[..read], at).map_err(PlaceError::Write)?;
            at += read as u64;
        }
        Ok(())
    })
}
