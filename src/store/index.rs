//! The index file: a root's listing, and its tree in one lane. A cache: losing it costs a hash of the root, and nothing
//! in it is used unless the checksum over all of it holds.
//!
//! ```text
//! file   := header | listing | tree
//! header := 64 bytes, little endian, then the checksum:
//!   0 magic "alikeidx" | 8 version u32 | 12 lane u8 (255 none) | 13 zero [3] | 16 file system u64 | 24 root inode u64
//!   32 listing bytes u64 | 40 tree bytes u64 | 48 zero [16] | 64 checksum [32]: BLAKE3 of the rest, index domain
//! ```
//! Replaced by rename, so a reader that has mapped the old file keeps it. Start at [`parse`] and [`save`].

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::places::RootKey;
use crate::model::Listing;
use crate::model::digest::{Domain, Hasher};
use crate::model::lane::Lane;
use crate::model::listing::SharedBytes;

const MAGIC: [u8; 8] = *b"alikeidx";
/// Raised with every change of this format or of the rows' or the tree's.
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const CHECKSUM_BYTES: usize = 32;
/// Where the listing begins.
pub const BODY_AT: usize = HEADER_BYTES + CHECKSUM_BYTES;
/// What is hashed at once: enough for all cores, and all of it that must be in memory.
const CHECKED_BYTES: usize = 2 << 20;
const NO_LANE: u8 = 255;

/// What an index file holds.
pub struct Index {
    /// The entries of the root.
    pub listing: Listing,
    /// The lane of the tree, where the file holds one.
    pub lane: Option<Lane>,
    bytes: SharedBytes,
    tree: Range<usize>,
}

/// An index cannot be used, or not be saved.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The bytes are not what was written.
    #[error("the index is damaged")]
    Damaged,
    /// Another format, of an older or newer `alike`.
    #[error("the index has format {found}, not {VERSION}")]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// The index of another root.
    #[error("the index belongs to another directory")]
    OtherRoot,
    /// Another run saves it.
    #[error("another run is saving the index `{}`", path.display())]
    Busy {
        /// The index.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot save the index `{}`", path.display())]
    Save {
        /// The index.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Index {
    /// The bytes of the tree; empty where there is no lane.
    pub fn tree(&self) -> &[u8] {
        &(*self.bytes).as_ref()[self.tree.clone()]
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index({:?}, {:?}, tree of {} bytes)", self.listing, self.lane, self.tree.len())
    }
}

/// Takes the bytes of an index file of `root`: on the heap or mapped. Nothing is copied.
pub fn parse(bytes: SharedBytes, root: RootKey) -> Result<Index, IndexError> {
    let all: &[u8] = (*bytes).as_ref();
    let header: &[u8; HEADER_BYTES] = all.first_chunk().ok_or(IndexError::Damaged)?;
    if header[..8] != MAGIC {
        return Err(IndexError::Damaged);
    }
    let version = u32::from_le_bytes(*header[8..].first_chunk().expect("4 bytes"));
    if version != VERSION {
        return Err(IndexError::Version { found: version });
    }
    if (RootKey { file_system: u64_at(header, 16), inode: u64_at(header, 24) }) != root {
        return Err(IndexError::OtherRoot);
    }
    let lane = match header[12] {
        NO_LANE => None,
        byte => Some(Lane::from_byte(byte).ok_or(IndexError::Damaged)?),
    };
    let tree = tree_range(header, all.len()).ok_or(IndexError::Damaged)?;
    let checksum: &[u8; CHECKSUM_BYTES] = all[HEADER_BYTES..].first_chunk().ok_or(IndexError::Damaged)?;
    let parts = all[BODY_AT..].chunks(CHECKED_BYTES).inspect(|_| bytes.rest());
    if checksum_of(header, parts) != *checksum {
        return Err(IndexError::Damaged);
    }
    let parsed = Listing::parse(SharedBytes::clone(&bytes), BODY_AT).map_err(|_| IndexError::Damaged)?;
    let (listing, end) = parsed;
    if end != tree.start {
        return Err(IndexError::Damaged);
    }
    Ok(Index { listing, lane, bytes, tree })
}

/// Where the tree is, in a file whose two parts fill it to the last byte.
fn tree_range(header: &[u8; HEADER_BYTES], file_bytes: usize) -> Option<Range<usize>> {
    let listing = usize::try_from(u64_at(header, 32)).ok()?;
    let tree = usize::try_from(u64_at(header, 40)).ok()?;
    let start = BODY_AT.checked_add(listing)?;
    let end = start.checked_add(tree)?;
    (end == file_bytes).then_some(start..end)
}

/// Writes the index of `root` beside `path` and renames it there. Its directory is there, or nothing is written.
/// Not synced: after a power cut the checksum tells, and the root is hashed again. Gives the file, whoever may replace it.
pub fn save(path: &Path, root: RootKey, listing: &Listing, tree: Option<(Lane, &[u8])>) -> Result<File, IndexError> {
    let fail = |source| IndexError::Save { path: path.into(), source };
    let (lane, tree) = tree.map_or((NO_LANE, &[][..]), |(lane, bytes)| (lane.to_byte(), bytes));
    let rows = listing.as_bytes();
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12] = lane;
    header[16..24].copy_from_slice(&root.file_system.to_le_bytes());
    header[24..32].copy_from_slice(&root.inode.to_le_bytes());
    header[32..40].copy_from_slice(&(rows.len() as u64).to_le_bytes());
    header[40..48].copy_from_slice(&(tree.len() as u64).to_le_bytes());
    let staged = path.with_extension("new");
    let mut file = lock_staged(&staged).map_err(fail)?.ok_or_else(|| IndexError::Busy { path: path.into() })?;
    let checksum = checksum_of(&header, [rows, tree]);
    let parts: [&[u8]; 4] = [&header, &checksum, rows, tree];
    let written = file.set_len(0).and_then(|()| parts.iter().try_for_each(|part| file.write_all(part)));
    written.and_then(|()| fs::rename(&staged, path)).map_err(|source| {
        let _left_for_the_next_save = fs::remove_file(&staged);
        fail(source)
    })?;
    Ok(file)
}

/// Opens the one staged file and takes its lock; `None` where another run has it. A file of a run that was killed is
/// written anew, so nothing piles up.
fn lock_staged(staged: &Path) -> io::Result<Option<File>> {
    loop {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(staged)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Between open and lock another run may have renamed this very file into place: then it is no longer staged.
        match fs::symlink_metadata(staged) {
            Ok(there) if there.ino() == file.metadata()?.ino() => return Ok(Some(file)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

fn checksum_of<'a>(header: &[u8; HEADER_BYTES], parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Hasher::new(Domain::Index);
    hasher.update(header);
    for part in parts {
        hasher.update_parallel(part);
    }
    hasher.finish().0
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("8 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::listing::Builder;
    use crate::model::{Digest, Entry, Kind, RelPath, Stamp, Time};
    use std::sync::Arc;

    const ROOT: RootKey = RootKey { file_system: 7, inode: 2 };

    fn listing() -> Listing {
        let mut builder = Builder::default();
        for name in ["a", "b", "c"] {
            let path = RelPath::new(name.as_bytes()).expect("legal");
            let mtime = Time { secs: 1, nanos: 2 };
            let content = Digest::of_content(name.as_bytes());
            let entry = Entry { kind: Kind::File, mode: 0o644, mtime, size: 1, content, uid: 0, gid: 0, extra: None };
            builder.push(path.as_ref(), &entry, &Stamp::default(), 0);
        }
        builder.finish()
    }

    fn saved(tree: Option<(Lane, &[u8])>) -> Vec<u8> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.index");
        save(&path, ROOT, &listing(), tree).expect("saved");
        save(&path, ROOT, &listing(), tree).expect("saved again");
        let names = fs::read_dir(path.parent().expect("a parent")).expect("listed").count();
        assert_eq!(names, 1, "nothing is left beside the index");
        fs::read(&path).expect("read")
    }

    #[test]
    fn what_is_saved_is_parsed() {
        let index = parse(Arc::new(saved(Some((Lane::CONTENT, b"tree")))), ROOT).expect("whole");
        assert_eq!(index.listing.as_bytes(), listing().as_bytes());
        assert_eq!((index.lane, index.tree()), (Some(Lane::CONTENT), &b"tree"[..]));
        let index = parse(Arc::new(saved(None)), ROOT).expect("whole");
        assert_eq!((index.lane, index.tree()), (None, &b""[..]));
    }

    #[test]
    fn every_flipped_byte_and_every_truncation_is_refused() {
        let bytes = saved(Some((Lane::OWNED, b"tree")));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert!(parse(Arc::new(flipped), ROOT).is_err(), "byte {at}");
            assert!(parse(Arc::new(bytes[..at].to_vec()), ROOT).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn damage_another_version_and_another_root_are_told_apart() {
        let bytes = saved(None);
        let other = RootKey { inode: 3, ..ROOT };
        assert!(matches!(parse(Arc::new(bytes.clone()), other), Err(IndexError::OtherRoot)));
        let mut newer = bytes.clone();
        newer[8] = 9;
        assert!(matches!(parse(Arc::new(newer), ROOT), Err(IndexError::Version { found: 9 })));
        assert!(matches!(parse(Arc::new(bytes[..90].to_vec()), ROOT), Err(IndexError::Damaged)));
    }

    #[test]
    fn a_second_save_at_one_time_is_refused_and_a_dead_one_is_not_in_the_way() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.index");
        let staged = path.with_extension("new");
        let held = lock_staged(&staged).expect("opened").expect("free");
        assert!(matches!(save(&path, ROOT, &listing(), None), Err(IndexError::Busy { .. })));
        drop(held);
        save(&path, ROOT, &listing(), None).expect("saved");
    }
}
