//! Encodes records straight from rows: nothing is decoded or copied in between.

use super::{Before, CONTENT_UNKNOWN, EXTRA, FORM_PLAIN, FORM_ZSTD, MODE_SAME, NANOS_ZERO, OWNER_SAME};
use crate::model::digest::Digest;
use crate::model::entry::Kind;
use crate::model::listing::Row;
use crate::proto::limits::EXTRA_BYTES_MAX;
use crate::proto::wire::{put_number, zigzag};

/// Fields shorter than this are not worth a compressor.
const PACK_FROM_BYTES: usize = 1_024;
/// Level 1 takes a third of level 3's time for 3 % more bytes on source trees.
const PACK_LEVEL: i32 = 1;

/// Records on their way into one batch.
#[derive(Debug)]
pub struct Batch {
    records: u64,
    fields: Vec<u8>,
    digests: Vec<u8>,
    before: Before,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch { records: 0, fields: Vec::new(), digests: Vec::new(), before: Before::first() }
    }
}

impl Batch {
    /// Adds the record of a row. A row whose extra fields are longer than [`EXTRA_BYTES_MAX`] fits no frame and goes as
    /// unreadable, so that the other side names it and never takes it for absent.
    pub fn push(&mut self, row: Row<'_>) {
        let extra = row.extra_bytes();
        let fits = extra.len() <= EXTRA_BYTES_MAX;
        let kind = if fits { row.kind() } else { Kind::Unreadable };
        let extra = if fits { extra } else { &[] };
        let known = kind == Kind::File && row.content() != Digest::UNKNOWN;
        let (mode, mtime, owner) = (row.mode(), row.mtime(), (row.uid(), row.gid()));

        let mut flags = kind as u8 - 1;
        flags |= if mode == self.before.mode { MODE_SAME } else { 0 };
        flags |= if owner == self.before.owner { OWNER_SAME } else { 0 };
        flags |= if extra.is_empty() { 0 } else { EXTRA };
        flags |= if kind == Kind::File && !known { CONTENT_UNKNOWN } else { 0 };
        flags |= if mtime.nanos == 0 { NANOS_ZERO } else { 0 };
        self.fields.push(flags);
        self.put_path(row.path().as_bytes());
        if flags & MODE_SAME == 0 {
            put_number(&mut self.fields, mode.into());
        }
        self.put_time(row);
        if kind == Kind::File {
            put_number(&mut self.fields, row.size());
        }
        if flags & OWNER_SAME == 0 {
            put_number(&mut self.fields, owner.0.into());
            put_number(&mut self.fields, owner.1.into());
        }
        if flags & EXTRA != 0 {
            put_number(&mut self.fields, extra.len() as u64);
            self.fields.extend_from_slice(extra);
        }
        if known {
            self.digests.extend_from_slice(&row.content().0);
        }
        (self.before.mode, self.before.mtime, self.before.owner) = (mode, mtime, owner);
        self.records += 1;
    }

    /// More bytes than the record of a row can take.
    pub fn bytes_at_most(row: Row<'_>) -> usize {
        let extra = row.extra_bytes().len();
        128 + row.path().as_bytes().len() + if extra <= EXTRA_BYTES_MAX { extra } else { 0 }
    }

    /// Bytes so far, before packing.
    pub const fn len(&self) -> usize {
        self.fields.len() + self.digests.len()
    }

    /// Whether there is no record yet.
    pub const fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Appends the batch to `out`.
    pub fn finish(self, out: &mut Vec<u8>) {
        put_number(out, self.records);
        match pack(&self.fields) {
            Some(packed) => {
                out.push(FORM_ZSTD);
                put_number(out, self.fields.len() as u64);
                put_number(out, packed.len() as u64);
                out.extend_from_slice(&packed);
            }
            None => {
                out.push(FORM_PLAIN);
                put_number(out, self.fields.len() as u64);
                out.extend_from_slice(&self.fields);
            }
        }
        put_number(out, self.digests.len() as u64 / 32);
        out.extend_from_slice(&self.digests);
    }

    fn put_path(&mut self, path: &[u8]) {
        let before = &mut self.before.path;
        let shared = before.iter().zip(path).take_while(|(left, right)| left == right).count();
        put_number(&mut self.fields, shared as u64);
        put_number(&mut self.fields, (path.len() - shared) as u64);
        self.fields.extend_from_slice(&path[shared..]);
        before.truncate(shared);
        before.extend_from_slice(&path[shared..]);
    }

    fn put_time(&mut self, row: Row<'_>) {
        let (mtime, before) = (row.mtime(), self.before.mtime);
        put_number(&mut self.fields, zigzag(mtime.secs.wrapping_sub(before.secs)));
        if mtime.nanos == 0 {
            return;
        }
        if mtime.secs == before.secs {
            put_number(&mut self.fields, zigzag(i64::from(mtime.nanos) - i64::from(before.nanos)));
        } else {
            self.fields.extend_from_slice(&mtime.nanos.to_le_bytes());
        }
    }
}

/// The packed fields, where that saves an eighth.
fn pack(fields: &[u8]) -> Option<Vec<u8>> {
    if fields.len() < PACK_FROM_BYTES {
        return None;
    }
    let packed = zstd::bulk::compress(fields, PACK_LEVEL).ok()?;
    (packed.len() < fields.len() - fields.len() / 8).then_some(packed)
}
