//! The entries of a root as one flat, sorted run of bytes. Owns the row format; knows nothing of files or maps:
//! the bytes may be on the heap or mapped, and an unchanged root costs no allocation at all.
//!
//! ```text
//! body := rows u64 | heap bytes u64 | row * rows | heap
//! row  := 104 bytes, little endian:
//!   0 path offset u32 | 4 path bytes u16 | 6 kind u8 | 7 flags u8 | 8 mode u16 | 10 zero u16 | 12 rows below u32
//!   16 size u64 | 24 mtime secs i64 | 32 ctime secs i64 | 40 mtime nanos u32 | 44 ctime nanos u32 | 48 inode u64
//!   56 uid u32 | 60 gid u32 | 64 extra offset u32 | 68 extra bytes u32 | 72 content digest [32]
//! heap := paths (whole, in tree order) and encoded extras
//! ```
//! Rows are in tree order, so the rows below a directory follow it at once, and `rows below` skips them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::digest::Digest;
use super::entry::{Entry, Extra, Kind, Stamp, Time};
use super::path::{PathRef, compare};

const HEADER_BYTES: usize = 16;
const ROW_BYTES: usize = 104;
/// Where in a row the content digest is.
const CONTENT_AT: usize = 72;
/// Small listings give back what they do not need; of large ones it was never touched.
const SHRUNK_BYTES_MAX: usize = 1 << 20;
/// More than paths have in most trees: 35 to 45 bytes.
const PATH_BYTES_GUESS: usize = 96;

/// The stamp was taken too soon after the last change to be trusted: the content is read again at the next scan.
pub const FLAG_RACY: u8 = 1;
/// Below this directory there is something that the listing does not hold (filtered, another file system, unreadable):
/// it must not be moved or deleted as a whole.
pub const FLAG_INCOMPLETE: u8 = 2;
/// Something is mounted on this directory; of one that cannot be looked into, something was.
pub const FLAG_MOUNT: u8 = 4;
/// What is here could not be read as it changed meanwhile: the next look tells, and nothing is in doubt by then.
pub const FLAG_CHANGED: u8 = 8;

/// Rows that are read in a row before [`Listing::rest`]: about a megabyte of them.
pub const ROWS_AT_ONCE: usize = 8 * 1024;

/// Bytes that several owners share: a vector, or a mapped file.
pub type SharedBytes = Arc<dyn Bytes>;

/// Bytes that a listing can lie in.
pub trait Bytes: AsRef<[u8]> + Send + Sync {
    /// A hint that they are not needed at once: what can be read again at no cost need not stay in memory.
    fn rest(&self) {}
}

impl Bytes for Vec<u8> {}

/// The bytes are not a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rows are damaged")]
pub struct Damaged;

/// The rows do not fit one listing: it holds at most 4 GiB of paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the paths are too long together for one listing")]
pub struct Full;

/// The entries of a root, sorted in tree order. Cheap to clone.
#[derive(Clone)]
pub struct Listing {
    bytes: SharedBytes,
    start: usize,
    rows: usize,
}

/// One row of a listing.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    fixed: &'a [u8; ROW_BYTES],
    heap: &'a [u8],
}

impl Listing {
    /// A listing of nothing.
    pub fn empty() -> Listing {
        Builder::default().finish()
    }

    /// Takes the bytes from `start` on as a listing; every offset is checked, so no later call can fail.
    /// The order and legality of paths is the writer's promise, which the caller's checksum carries.
    pub fn parse(bytes: SharedBytes, start: usize) -> Result<(Listing, usize), Damaged> {
        let all: &[u8] = (*bytes).as_ref();
        let body = all.get(start..).ok_or(Damaged)?;
        let header = body.get(..HEADER_BYTES).ok_or(Damaged)?;
        let rows = usize::try_from(u64_at(header, 0)).map_err(|_| Damaged)?;
        let heap_bytes = usize::try_from(u64_at(header, 8)).map_err(|_| Damaged)?;
        let heap_at = rows.checked_mul(ROW_BYTES).and_then(|n| n.checked_add(HEADER_BYTES)).ok_or(Damaged)?;
        let end = heap_at.checked_add(heap_bytes).filter(|&end| end <= body.len()).ok_or(Damaged)?;
        let (fixed, _) = body[HEADER_BYTES..heap_at].as_chunks::<ROW_BYTES>();
        for (index, row) in fixed.iter().enumerate() {
            if index % ROWS_AT_ONCE == 0 {
                bytes.rest();
            }
            let fits = |offset: u32, bytes: usize| offset as usize + bytes <= heap_bytes;
            let below = u32_at(row, 12) as usize;
            let whole = fits(u32_at(row, 0), u16_at(row, 4) as usize)
                && fits(u32_at(row, 64), u32_at(row, 68) as usize)
                && Kind::from_u8(row[6]).is_some()
                && below < rows - index;
            if !whole {
                return Err(Damaged);
            }
        }
        let used = start + end;
        Ok((Listing { bytes, start, rows }, used))
    }

    /// A hint that its rows are not needed at once. A mapped listing takes no memory then until they are; whoever reads
    /// all of a listing calls this every [`ROWS_AT_ONCE`] rows.
    pub fn rest(&self) {
        self.bytes.rest();
    }

    /// The bytes that [`Listing::parse`] takes.
    pub fn as_bytes(&self) -> &[u8] {
        let (header, _) = self.parts();
        let heap_bytes = u64_at(header, 8) as usize;
        &(*self.bytes).as_ref()[self.start..][..HEADER_BYTES + self.rows * ROW_BYTES + heap_bytes]
    }

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The row at `index`. Panics where there is none, as a slice does.
    pub fn row(&self, index: usize) -> Row<'_> {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        let (_, body) = self.parts();
        let (fixed, _) = body[index * ROW_BYTES..].as_chunks::<ROW_BYTES>();
        Row { fixed: &fixed[0], heap: &body[self.rows * ROW_BYTES..] }
    }

    /// All rows in tree order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        let (_, body) = self.parts();
        let (fixed, _) = body[..self.rows * ROW_BYTES].as_chunks::<ROW_BYTES>();
        let heap = &body[self.rows * ROW_BYTES..];
        fixed.iter().map(move |fixed| Row { fixed, heap })
    }

    /// The same rows, some of them with another content digest.
    pub fn with_contents(&self, contents: impl IntoIterator<Item = (usize, Digest)>) -> Listing {
        let all = self.as_bytes();
        let mut bytes = Vec::with_capacity(all.len());
        for part in all.chunks(ROWS_AT_ONCE * ROW_BYTES) {
            bytes.extend_from_slice(part);
            // What is mapped does not lie in memory beside its copy.
            self.rest();
        }
        for (index, content) in contents {
            assert!(index < self.rows, "row {index} of {}", self.rows);
            let at = HEADER_BYTES + index * ROW_BYTES + CONTENT_AT;
            bytes[at..][..content.0.len()].copy_from_slice(&content.0);
        }
        Listing { bytes: Arc::new(bytes), start: 0, rows: self.rows }
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        (*self.bytes).as_ref()[self.start..].split_at(HEADER_BYTES)
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listing({} rows)", self.rows)
    }
}

impl<'a> Row<'a> {
    /// Where.
    pub fn path(&self) -> PathRef<'a> {
        let offset = u32_at(self.fixed, 0) as usize;
        PathRef::trusted(&self.heap[offset..][..u16_at(self.fixed, 4) as usize])
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        Kind::from_u8(self.fixed[6]).expect("`parse` and `push` checked the kind")
    }

    /// [`FLAG_RACY`], [`FLAG_INCOMPLETE`].
    pub fn flags(&self) -> u8 {
        self.fixed[7]
    }

    /// Permission bits.
    pub fn mode(&self) -> u16 {
        u16_at(self.fixed, 8)
    }

    /// Number of rows below this one; they follow it at once.
    pub fn below(&self) -> usize {
        u32_at(self.fixed, 12) as usize
    }

    /// Bytes of a regular file.
    pub fn size(&self) -> u64 {
        u64_at(self.fixed, 16)
    }

    /// Modification time.
    pub fn mtime(&self) -> Time {
        Time { secs: u64_at(self.fixed, 24).cast_signed(), nanos: u32_at(self.fixed, 40) }
    }

    /// What stat said when the content was read.
    pub fn stamp(&self) -> Stamp {
        let ctime = Time { secs: u64_at(self.fixed, 32).cast_signed(), nanos: u32_at(self.fixed, 44) };
        Stamp { inode: u64_at(self.fixed, 48), size: self.size(), mtime: self.mtime(), ctime }
    }

    /// Owner's numeric id.
    pub fn uid(&self) -> u32 {
        u32_at(self.fixed, 56)
    }

    /// Group's numeric id.
    pub fn gid(&self) -> u32 {
        u32_at(self.fixed, 60)
    }

    /// Digest of a regular file's bytes.
    pub fn content(&self) -> Digest {
        Digest(self.fixed[72..].try_into().expect("32 bytes"))
    }

    /// The encoded extra fields; empty for most entries.
    pub fn extra_bytes(&self) -> &'a [u8] {
        let offset = u32_at(self.fixed, 64) as usize;
        &self.heap[offset..][..u32_at(self.fixed, 68) as usize]
    }

    /// The extra fields, decoded.
    pub fn extra(&self) -> Option<Box<Extra>> {
        let bytes = self.extra_bytes();
        if bytes.is_empty() { None } else { Extra::decode(bytes).map(Box::new) }
    }

    /// The whole entry.
    pub fn entry(&self) -> Entry {
        Entry {
            kind: self.kind(),
            mode: self.mode(),
            mtime: self.mtime(),
            size: self.size(),
            content: self.content(),
            uid: self.uid(),
            gid: self.gid(),
            extra: self.extra(),
        }
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.path(), self.entry())
    }
}

/// Builds a listing from rows in tree order.
#[derive(Default)]
pub struct Builder {
    /// Room for the header, from the first row on, and the rows: in the end the heap is put behind them. Neither is
    /// copied once more, so building takes little more memory than the listing.
    fixed: Vec<u8>,
    heap: Vec<u8>,
    /// Indices of the directories that hold the row to come.
    open: Vec<usize>,
    last: Option<(u32, u16)>,
}

impl Builder {
    /// A builder with room for `rows`, and for usual paths. Room that is not used costs addresses, not memory.
    pub fn with_capacity(rows: usize) -> Builder {
        let heap_bytes = rows * PATH_BYTES_GUESS;
        Builder {
            fixed: Vec::with_capacity(HEADER_BYTES + rows * ROW_BYTES + heap_bytes),
            heap: Vec::with_capacity(heap_bytes),
            ..Builder::default()
        }
    }

    /// Number of rows so far.
    pub fn len(&self) -> usize {
        self.fixed.len().saturating_sub(HEADER_BYTES) / ROW_BYTES
    }

    /// Whether there are no rows yet.
    pub fn is_empty(&self) -> bool {
        self.fixed.is_empty()
    }

    /// Adds an entry. Paths must come in tree order, each once; panics otherwise, as it would be a bug of the caller.
    pub fn push(&mut self, path: PathRef<'_>, entry: &Entry, stamp: &Stamp, flags: u8) {
        let mut extra = Vec::new();
        if let Some(fields) = &entry.extra {
            fields.encode(&mut extra);
        }
        let mut row = [0u8; ROW_BYTES];
        row[6] = entry.kind as u8;
        row[7] = flags;
        row[8..10].copy_from_slice(&entry.mode.to_le_bytes());
        row[16..24].copy_from_slice(&entry.size.to_le_bytes());
        row[24..32].copy_from_slice(&entry.mtime.secs.to_le_bytes());
        row[32..40].copy_from_slice(&stamp.ctime.secs.to_le_bytes());
        row[40..44].copy_from_slice(&entry.mtime.nanos.to_le_bytes());
        row[44..48].copy_from_slice(&stamp.ctime.nanos.to_le_bytes());
        row[48..56].copy_from_slice(&stamp.inode.to_le_bytes());
        row[56..60].copy_from_slice(&entry.uid.to_le_bytes());
        row[60..64].copy_from_slice(&entry.gid.to_le_bytes());
        row[72..].copy_from_slice(&entry.content.0);
        self.append(path, row, &extra);
    }

    /// Adds a row of another listing under its own path.
    pub fn push_row(&mut self, row: Row<'_>) {
        self.append(row.path(), *row.fixed, row.extra_bytes());
    }

    /// Adds a row of another listing under another path.
    pub fn push_row_at(&mut self, path: PathRef<'_>, row: Row<'_>) {
        self.append(path, *row.fixed, row.extra_bytes());
    }

    /// Adds a row of another listing under its own path, with other flags.
    pub fn push_row_flagged(&mut self, row: Row<'_>, flags: u8) {
        let mut fixed = *row.fixed;
        fixed[7] = flags;
        self.append(row.path(), fixed, row.extra_bytes());
    }

    /// Adds neighbours of another listing, each with all rows below it, under their own paths and at the cost of a copy.
    pub fn push_rows(&mut self, listing: &Listing, rows: Range<usize>) -> Result<(), Full> {
        let (_, body) = listing.parts();
        let (fixed, _) = body[rows.start * ROW_BYTES..rows.end * ROW_BYTES].as_chunks::<ROW_BYTES>();
        let heap = &body[listing.rows * ROW_BYTES..];
        let (Some(first), Some(last)) = (fixed.first(), fixed.last()) else {
            return Ok(());
        };
        // A builder puts the paths and extras of neighbours side by side; other bytes are taken row by row.
        let (from, to) = (u32_at(first, 0), u32_at(last, 64).saturating_add(u32_at(last, 68)));
        let within = |row: &[u8; ROW_BYTES]| {
            let path = u32_at(row, 0) >= from && u32_at(row, 0) + u32::from(u16_at(row, 4)) <= to;
            path && u32_at(row, 64) >= from && u32_at(row, 64) + u32_at(row, 68) <= to
        };
        if from > to || !fixed.iter().all(within) {
            return listing.rows().skip(rows.start).take(rows.len()).try_for_each(|row| {
                self.room_for(row.path().as_bytes().len() + row.extra_bytes().len())?;
                self.push_row(row);
                Ok(())
            });
        }
        self.room_for((to - from) as usize)?;
        let path = listing.row(rows.start).path();
        self.make_header();
        self.expect_after_last(path);
        self.close_until(path, false);
        let at = offset_of(self.heap.len());
        self.heap.extend_from_slice(&heap[from as usize..to as usize]);
        for row in fixed {
            let mut row = *row;
            let (path, extra) = (u32_at(&row, 0) - from + at, u32_at(&row, 64) - from + at);
            row[0..4].copy_from_slice(&path.to_le_bytes());
            row[64..68].copy_from_slice(&extra.to_le_bytes());
            self.fixed.extend_from_slice(&row);
        }
        self.last = Some((u32_at(last, 0) - from + at, u16_at(last, 4)));
        Ok(())
    }

    /// Whether so many more bytes of paths and extras fit. Those who take rows from a disk ask before each.
    pub fn room_for(&self, bytes: usize) -> Result<(), Full> {
        let bytes = self.heap.len().saturating_add(bytes);
        if u32::try_from(bytes).is_ok() { Ok(()) } else { Err(Full) }
    }

    /// The listing of all rows pushed.
    pub fn finish(mut self) -> Listing {
        self.close_until(PathRef::ROOT, true);
        let rows = self.len();
        self.make_header();
        let mut bytes = self.fixed;
        bytes[..8].copy_from_slice(&(rows as u64).to_le_bytes());
        bytes[8..HEADER_BYTES].copy_from_slice(&(self.heap.len() as u64).to_le_bytes());
        bytes.append(&mut self.heap);
        if bytes.capacity() < SHRUNK_BYTES_MAX {
            bytes.shrink_to_fit();
        }
        Listing { bytes: Arc::new(bytes), start: 0, rows }
    }

    /// As [`Builder::finish`], in no more bytes than the rows take; the builder keeps its room for other rows.
    pub fn drain(&mut self) -> Listing {
        self.close_until(PathRef::ROOT, true);
        let rows = self.len();
        self.make_header();
        let mut bytes = [&self.fixed[..], &self.heap[..]].concat();
        bytes[..8].copy_from_slice(&(rows as u64).to_le_bytes());
        bytes[8..HEADER_BYTES].copy_from_slice(&(self.heap.len() as u64).to_le_bytes());
        self.fixed.clear();
        self.heap.clear();
        self.last = None;
        Listing { bytes: Arc::new(bytes), start: 0, rows }
    }

    fn append(&mut self, path: PathRef<'_>, mut row: [u8; ROW_BYTES], extra: &[u8]) {
        self.make_header();
        self.expect_after_last(path);
        self.close_until(path, false);
        let offset = offset_of(self.heap.len());
        let bytes = u16::try_from(path.as_bytes().len()).expect("a legal path fits 16 bits");
        self.heap.extend_from_slice(path.as_bytes());
        self.last = Some((offset, bytes));
        row[0..4].copy_from_slice(&offset.to_le_bytes());
        row[4..6].copy_from_slice(&bytes.to_le_bytes());
        row[12..16].fill(0);
        row[64..68].copy_from_slice(&offset_of(self.heap.len()).to_le_bytes());
        row[68..72].copy_from_slice(&offset_of(extra.len()).to_le_bytes());
        self.heap.extend_from_slice(extra);
        if row[6] == Kind::Directory as u8 {
            self.open.push(self.len());
        }
        self.fixed.extend_from_slice(&row);
    }

    fn make_header(&mut self) {
        if self.fixed.is_empty() {
            self.fixed.resize(HEADER_BYTES, 0);
        }
    }

    fn expect_after_last(&self, path: PathRef<'_>) {
        if let Some((offset, bytes)) = self.last {
            let last = &self.heap[offset as usize..][..bytes as usize];
            assert!(compare(last, path.as_bytes()).is_lt(), "rows must come in tree order");
        }
    }

    /// Closes the directories that do not hold `path` and notes how many rows each has below it.
    fn close_until(&mut self, path: PathRef<'_>, all: bool) {
        while let Some(&index) = self.open.last() {
            let at = HEADER_BYTES + index * ROW_BYTES;
            let fixed = &self.fixed[at..][..ROW_BYTES];
            let directory = &self.heap[u32_at(fixed, 0) as usize..][..u16_at(fixed, 4) as usize];
            if !all && path.is_below(PathRef::trusted(directory)) {
                break;
            }
            let below = offset_of(self.len() - index - 1);
            self.fixed[at + 12..][..4].copy_from_slice(&below.to_le_bytes());
            self.open.pop();
        }
    }
}

fn offset_of(number: usize) -> u32 {
    // 4 GiB of paths is about 80 million entries, 400 times the largest tree in the budgets.
    u32::try_from(number).expect("a listing holds at most 4 GiB of paths")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("2 bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::RelPath;

    fn entry(kind: Kind) -> Entry {
        let content = if kind == Kind::File { Digest::of_content(b"x") } else { Digest::UNKNOWN };
        let time = Time { secs: -5, nanos: 999_999_999 };
        Entry { kind, mode: 0o644, mtime: time, size: 1, content, uid: 1, gid: 2, extra: None }
    }

    fn sample() -> Listing {
        let mut builder = Builder::default();
        for (path, kind) in [
            ("a", Kind::Directory),
            ("a/b", Kind::Directory),
            ("a/b/c", Kind::File),
            ("a/d", Kind::Symlink),
            ("a.txt", Kind::File),
            ("e", Kind::Directory),
        ] {
            let path = RelPath::new(path.as_bytes()).expect("legal");
            let mut entry = entry(kind);
            if kind == Kind::Symlink {
                entry.extra = Some(Box::new(Extra { target: Some((*b"to").into()), ..Extra::default() }));
            }
            let stamp = Stamp { inode: 9, size: 1, mtime: entry.mtime, ctime: Time { secs: 3, nanos: 4 } };
            builder.push(path.as_ref(), &entry, &stamp, FLAG_RACY);
        }
        builder.finish()
    }

    #[test]
    fn rows_come_back_as_pushed() {
        let listing = sample();
        let (parsed, used) = Listing::parse(Arc::new(listing.as_bytes().to_vec()), 0).expect("whole");
        assert_eq!(used, listing.as_bytes().len());
        assert_eq!(parsed.len(), 6);
        assert_eq!(parsed.row(3).entry().target(), Some(&b"to"[..]));
        assert_eq!(parsed.row(2).entry(), entry(Kind::File));
        assert_eq!(parsed.row(2).stamp().ctime, Time { secs: 3, nanos: 4 });
        let below: Vec<usize> = parsed.rows().map(|row| row.below()).collect();
        assert_eq!(below, [3, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn every_row_is_found_and_no_other() {
        let listing = sample();
        for (index, row) in listing.rows().enumerate() {
            assert_eq!(listing.find(row.path()), Ok(index));
        }
        assert_eq!(listing.find(PathRef::new(b"a/c").expect("legal")), Err(3));
    }

    #[test]
    fn rows_copied_in_runs_are_the_rows_copied_one_by_one() {
        let listing = sample();
        let mut runs = Builder::default();
        runs.push_rows(&listing, 0..4).expect("room");
        runs.push_row(listing.row(4));
        runs.push_rows(&listing, 5..6).expect("room");
        assert_eq!(runs.finish().as_bytes(), listing.as_bytes());
        let mut inner = Builder::default();
        inner.push_row(listing.row(0));
        inner.push_rows(&listing, 1..4).expect("room");
        inner.push_rows(&listing, 4..4).expect("room");
        inner.push_rows(&listing, 4..6).expect("room");
        assert_eq!(inner.drain().as_bytes(), listing.as_bytes());
        inner.push_rows(&listing, 0..6).expect("room");
        assert_eq!(inner.finish().as_bytes(), listing.as_bytes(), "a drained builder is as a new one");
    }

    #[test]
    fn truncated_bytes_are_damage_not_a_panic() {
        let bytes = sample().as_bytes().to_vec();
        for end in 0..bytes.len() {
            assert!(Listing::parse(Arc::new(bytes[..end].to_vec()), 0).is_err(), "{end}");
        }
    }
}
