//! The journal of a hash that goes on: digests by path and stamp, appended as they come, so that an interrupted first
//! run goes on where it stopped. Deleted once the index is saved.
//!
//! ```text
//! file   := magic "alikejnl" | version u32 | zero u32 | file system u64 | root inode u64 | batch*
//! batch  := record bytes u32 | checksum [8]: of the records, index domain | record*
//! record := path bytes u16 | inode u64 | size u64 | mtime secs i64, nanos u32 | ctime secs i64, nanos u32
//!           | digest [32] | path
//! ```
//! A batch is what one write adds. One that does not hold ends the journal: a torn tail is cut off when the file is opened.
//! A checksum a record would cost each file of a first hash 0.2 us under the journal's lock.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::places::RootKey;
use crate::model::digest::{Domain, Hasher};
use crate::model::{Digest, PathRef, RelPath, Stamp, Time};

const MAGIC: [u8; 8] = *b"alikejnl";
const VERSION: u32 = 2;
const HEADER_BYTES: usize = 32;
/// Of a record, before its path.
const FIXED_BYTES: usize = 74;
const CHECKSUM_BYTES: usize = 8;
/// Of a batch, before its records.
const BATCH_BYTES: usize = 4 + CHECKSUM_BYTES;
/// Records are kept back until there are so many bytes of them, or for so long.
const FLUSH_BYTES: usize = 1024 * 1024;
const FLUSH_AFTER: Duration = Duration::from_secs(30);

/// Digests of a hash that goes on.
pub struct Journal {
    known: HashMap<RelPath, (Stamp, Digest)>,
    writer: Mutex<Writer>,
}

struct Writer {
    path: PathBuf,
    root: RootKey,
    /// Made at the first flush: a short run leaves nothing behind.
    file: Option<File>,
    /// The next batch: room for what stands before its records, then these; empty where there are none.
    pending: Vec<u8>,
    flushed: Instant,
}

/// A journal cannot be read or written. The run can go on without it.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the journal `{}`", path.display())]
pub struct JournalError {
    /// The journal.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl Journal {
    /// Opens the journal of `root`, empty where there is none, or where it is another root's or another version's. It is made in a
    /// directory that is there.
    pub fn open(path: &Path, root: RootKey) -> Result<Journal, JournalError> {
        let fail = |source| JournalError { path: path.into(), source };
        let mut writer = Writer { path: path.into(), root, file: None, pending: Vec::new(), flushed: Instant::now() };
        let mut known = HashMap::new();
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(fail)?;
                let whole = load(&bytes, root, &mut known);
                file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(fail)?;
                if whole == 0 {
                    file.write_all(&header(root)).map_err(fail)?;
                }
                writer.file = Some(file);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(error)),
        }
        Ok(Journal { known, writer: Mutex::new(writer) })
    }

    /// Number of files whose digest was known when the journal was opened.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing was known when the journal was opened.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The digest of the file at `path` while it had this stamp.
    pub fn recall(&self, path: PathRef<'_>, stamp: &Stamp) -> Option<Digest> {
        if self.known.is_empty() {
            return None;
        }
        self.known.get(&path.to_owned()).filter(|(known, _)| known == stamp).map(|(_, digest)| *digest)
    }

    /// Adds a digest; written at once where the last write is long ago.
    pub fn note(&self, path: PathRef<'_>, stamp: &Stamp, content: &Digest) -> Result<(), JournalError> {
        let mut writer = self.writer();
        if writer.pending.is_empty() {
            writer.pending.resize(BATCH_BYTES, 0);
        }
        encode(&mut writer.pending, path, stamp, content);
        if writer.pending.len() >= FLUSH_BYTES || writer.flushed.elapsed() >= FLUSH_AFTER {
            writer.flush()?;
        }
        Ok(())
    }

    /// Writes what was kept back: before a run ends early.
    pub fn flush(&self) -> Result<(), JournalError> {
        self.writer().flush()
    }

    /// Deletes the journal: the index holds it all now.
    pub fn discard(self) -> Result<(), JournalError> {
        let writer = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        match writer.file.map(|_| fs::remove_file(&writer.path)) {
            Some(Err(source)) if source.kind() != io::ErrorKind::NotFound => {
                Err(JournalError { path: writer.path, source })
            }
            _ => Ok(()),
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn flush(&mut self) -> Result<(), JournalError> {
        self.flushed = Instant::now();
        if self.pending.is_empty() {
            return Ok(());
        }
        // Its room is used again.
        let mut pending = std::mem::take(&mut self.pending);
        let (head, records) = pending.split_at_mut(BATCH_BYTES);
        let bytes = u32::try_from(records.len()).expect("what is kept back is a few megabytes");
        head[..4].copy_from_slice(&bytes.to_le_bytes());
        head[4..].copy_from_slice(&checksum_of(records));
        let written = self.open().and_then(|file| file.write_all(&pending));
        pending.clear();
        self.pending = pending;
        written.map_err(|source| JournalError { path: self.path.clone(), source })
    }

    fn open(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
            file.write_all(&header(self.root))?;
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("no file"))
    }
}

fn header(root: RootKey) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[16..24].copy_from_slice(&root.file_system.to_le_bytes());
    header[24..].copy_from_slice(&root.inode.to_le_bytes());
    header
}

/// Reads the batches that hold and says how many bytes they and the header take; 0 where the header is another.
fn load(bytes: &[u8], root: RootKey, known: &mut HashMap<RelPath, (Stamp, Digest)>) -> usize {
    let Some(mut rest) = bytes.strip_prefix(&header(root)) else {
        return 0;
    };
    while let Some((mut records, after)) = batch(rest) {
        while let Some(((path, value), next)) = decode(records) {
            known.insert(path, value);
            records = next;
        }
        rest = after;
    }
    bytes.len() - rest.len()
}

/// The records of a batch that holds, and what comes after it.
fn batch(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<CHECKSUM_BYTES>()?;
    let (records, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    (checksum_of(records) == *checksum).then_some((records, rest))
}

fn encode(out: &mut Vec<u8>, path: PathRef<'_>, stamp: &Stamp, content: &Digest) {
    let path = path.as_bytes();
    out.extend_from_slice(&u16::try_from(path.len()).expect("a legal path fits 16 bits").to_le_bytes());
    out.extend_from_slice(&stamp.inode.to_le_bytes());
    out.extend_from_slice(&stamp.size.to_le_bytes());
    for time in [stamp.mtime, stamp.ctime] {
        out.extend_from_slice(&time.secs.to_le_bytes());
        out.extend_from_slice(&time.nanos.to_le_bytes());
    }
    out.extend_from_slice(&content.0);
    out.extend_from_slice(path);
}

type Known = (RelPath, (Stamp, Digest));

fn decode(bytes: &[u8]) -> Option<(Known, &[u8])> {
    let (fixed, rest) = bytes.split_first_chunk::<FIXED_BYTES>()?;
    let path_bytes = usize::from(u16::from_le_bytes([fixed[0], fixed[1]]));
    let (path, rest) = rest.split_at_checked(path_bytes)?;
    let number = |at: usize| Some(u64::from_le_bytes(*fixed[at..].first_chunk()?));
    let nanos = |at: usize| Some(u32::from_le_bytes(*fixed[at..].first_chunk()?));
    let time = |at: usize| Some(Time { secs: number(at)?.cast_signed(), nanos: nanos(at + 8)? });
    let stamp = Stamp { inode: number(2)?, size: number(10)?, mtime: time(18)?, ctime: time(30)? };
    let digest = Digest(*fixed[42..].first_chunk()?);
    Some(((RelPath::new(path).ok()?, (stamp, digest)), rest))
}

fn checksum_of(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Hasher::new(Domain::Index).update(bytes).finish();
    *digest.0.first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: RootKey = RootKey { file_system: 7, inode: 2 };

    fn path(name: &str) -> RelPath {
        RelPath::new(name.as_bytes()).expect("legal")
    }

    fn stamp(inode: u64) -> Stamp {
        let time = |nanos| Time { secs: -3, nanos };
        Stamp { inode, size: 5, mtime: time(1), ctime: time(2) }
    }

    fn note(journal: &Journal, name: &str, inode: u64) {
        journal.note(path(name).as_ref(), &stamp(inode), &Digest::of_content(name.as_bytes())).expect("noted");
    }

    fn recalls(journal: &Journal, name: &str, inode: u64) -> bool {
        let digest = journal.recall(path(name).as_ref(), &stamp(inode));
        assert!(digest.is_none_or(|digest| digest == Digest::of_content(name.as_bytes())));
        digest.is_some()
    }

    #[test]
    fn what_was_noted_is_recalled_by_the_next_run_under_the_same_stamp() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("x.journal");
        let journal = Journal::open(&file, ROOT).expect("opened");
        note(&journal, "a/b", 1);
        assert!(!file.exists(), "nothing is written before it is due");
        journal.flush().expect("flushed");
        let journal = Journal::open(&file, ROOT).expect("opened");
        note(&journal, "c", 2);
        journal.flush().expect("flushed");
        let journal = Journal::open(&file, ROOT).expect("opened");
        assert_eq!(journal.len(), 2);
        assert!(recalls(&journal, "a/b", 1) && recalls(&journal, "c", 2));
        assert!(!recalls(&journal, "a/b", 2) && !recalls(&journal, "a", 1));
        journal.discard().expect("deleted");
        assert!(!file.exists());
    }

    #[test]
    fn a_torn_tail_is_cut_off_and_the_rest_stands() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("x.journal");
        let journal = Journal::open(&file, ROOT).expect("opened");
        note(&journal, "a", 1);
        journal.flush().expect("flushed");
        note(&journal, "b", 2);
        journal.flush().expect("flushed");
        let whole = fs::read(&file).expect("read");
        for end in 0..whole.len() {
            fs::write(&file, &whole[..end]).expect("torn");
            let journal = Journal::open(&file, ROOT).expect("opened");
            assert!(!recalls(&journal, "b", 2));
            note(&journal, "c", 3);
            journal.flush().expect("flushed");
            let again = Journal::open(&file, ROOT).expect("opened");
            assert!(recalls(&again, "c", 3), "after {end} bytes");
            assert_eq!(recalls(&again, "a", 1), journal.len() == 1);
        }
    }

    #[test]
    fn the_journal_of_another_root_is_not_recalled() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("x.journal");
        let journal = Journal::open(&file, ROOT).expect("opened");
        note(&journal, "a", 1);
        journal.flush().expect("flushed");
        let other = Journal::open(&file, RootKey { inode: 3, ..ROOT }).expect("opened");
        assert!(other.is_empty());
    }
}
