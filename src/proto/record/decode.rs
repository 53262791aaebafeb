//! Decodes records; every path is legal, every record above the one before, every field within its range.

use std::borrow::Cow;

use super::{Before, CONTENT_UNKNOWN, EXTRA, FORM_PLAIN, FORM_ZSTD, MODE_SAME, NANOS_ZERO, OWNER_SAME};
use crate::model::digest::Digest;
use crate::model::entry::{Entry, Extra, Kind, Record, Time};
use crate::model::path::{PathError, PathRef, RelPath, compare};
use crate::proto::limits::{EXTRA_BYTES_MAX, FRAME_BYTES_MAX, RECORDS_UNPACKED_MAX};
use crate::proto::violation::Violation;
use crate::proto::wire::{Reader, unzigzag};

/// Flags, both path lengths, a byte of path and the time.
const RECORD_BYTES_MIN: usize = 5;

/// Where a run of batches stands: the next record must lie behind the last one.
#[derive(Debug, Default)]
pub struct Order(Vec<u8>);

/// Reads a batch from all of `bytes` and hands on each record. Stops at the first violation; what was handed on before it is
/// the caller's to throw away.
pub fn decode(
    bytes: &[u8],
    order: &mut Order,
    each: impl FnMut(Record) -> Result<(), Violation>,
) -> Result<u64, Violation> {
    let mut reader = Reader::new(bytes, "records");
    let records = read_batch(&mut reader, order, each)?;
    reader.finish()?;
    Ok(records)
}

/// Reads a batch from the front of `reader`.
pub(in crate::proto) fn read_batch(
    reader: &mut Reader<'_>,
    order: &mut Order,
    mut each: impl FnMut(Record) -> Result<(), Violation>,
) -> Result<u64, Violation> {
    let records = reader.number()?;
    let unpacked = unpack(reader)?;
    let count = reader.count(32, FRAME_BYTES_MAX as u64)?;
    let mut digests = Reader::new(reader.bytes(count * 32)?, "records");
    let mut fields = Reader::new(&unpacked, "records");
    if records > (fields.remaining() / RECORD_BYTES_MIN) as u64 {
        return Err(Violation::Count("records"));
    }
    let mut before = Before::first();
    for _ in 0..records {
        let record = read_record(&mut fields, &mut digests, &mut before)?;
        if compare(&order.0, record.path.as_bytes()).is_ge() {
            return Err(Violation::Order);
        }
        order.0.clear();
        order.0.extend_from_slice(record.path.as_bytes());
        each(record)?;
    }
    fields.finish()?;
    digests.finish()?;
    Ok(records)
}

fn unpack<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, Violation> {
    match reader.u8()? {
        FORM_PLAIN => {
            let bytes = reader.count(1, FRAME_BYTES_MAX as u64)?;
            reader.bytes(bytes).map(Cow::Borrowed)
        }
        FORM_ZSTD => {
            let unpacked = reader.number()?;
            if unpacked > RECORDS_UNPACKED_MAX as u64 {
                return Err(Violation::Limit { what: "records", limit: RECORDS_UNPACKED_MAX as u64 });
            }
            let bytes = reader.count(1, FRAME_BYTES_MAX as u64)?;
            let fields = zstd::bulk::decompress(reader.bytes(bytes)?, unpacked as usize);
            let fields = fields.map_err(|_| Violation::Malformed("packed records"))?;
            if fields.len() as u64 == unpacked {
                Ok(Cow::Owned(fields))
            } else {
                Err(Violation::Count("packed records"))
            }
        }
        _ => Err(reader.malformed()),
    }
}

fn read_record(fields: &mut Reader<'_>, digests: &mut Reader<'_>, before: &mut Before) -> Result<Record, Violation> {
    let flags = fields.u8()?;
    let kind = Kind::from_u8((flags & 7) + 1).ok_or(fields.malformed())?;
    let path = read_path(fields, before)?;
    if flags & MODE_SAME == 0 {
        before.mode = small(fields, 0o7777)? as u16;
    }
    before.mtime = read_time(fields, flags, before.mtime)?;
    let size = if kind == Kind::File { fields.number()? } else { 0 };
    if flags & OWNER_SAME == 0 {
        before.owner = (small(fields, u32::MAX.into())? as u32, small(fields, u32::MAX.into())? as u32);
    }
    let extra = if flags & EXTRA != 0 { Some(read_extra(fields)?) } else { None };
    let content = match (kind == Kind::File, flags & CONTENT_UNKNOWN == 0) {
        (true, true) => Digest(digests.array()?),
        (true, false) | (false, true) => Digest::UNKNOWN,
        (false, false) => return Err(fields.malformed()),
    };
    let (mode, mtime, (uid, gid)) = (before.mode, before.mtime, before.owner);
    Ok(Record { path, entry: Entry { kind, mode, mtime, size, content, uid, gid, extra } })
}

fn read_path(fields: &mut Reader<'_>, before: &mut Before) -> Result<RelPath, Violation> {
    let shared = fields.number()?;
    if shared > before.path.len() as u64 {
        return Err(fields.malformed());
    }
    let bytes = fields.count(1, u16::MAX.into())?;
    before.path.truncate(shared as usize);
    before.path.extend_from_slice(fields.bytes(bytes)?);
    if before.path.is_empty() {
        return Err(PathError::Empty.into());
    }
    Ok(RelPath::new(&before.path)?)
}

fn read_time(fields: &mut Reader<'_>, flags: u8, before: Time) -> Result<Time, Violation> {
    let since = unzigzag(fields.number()?);
    let nanos = match (flags & NANOS_ZERO != 0, since) {
        (true, _) => 0,
        (false, 0) => unzigzag(fields.number()?).checked_add(before.nanos.into()).ok_or(fields.malformed())?,
        (false, _) => fields.u32()?.into(),
    };
    if !(0..1_000_000_000).contains(&nanos) {
        return Err(fields.malformed());
    }
    Ok(Time { secs: before.secs.wrapping_add(since), nanos: nanos as u32 })
}

fn read_extra(fields: &mut Reader<'_>) -> Result<Box<Extra>, Violation> {
    let bytes = fields.count(1, EXTRA_BYTES_MAX as u64)?;
    let extra = Extra::decode(fields.bytes(bytes)?).ok_or(fields.malformed())?;
    // A link's target is free text to us; the least path of a hard-link group is a path of the tree like any other.
    if let Some(links) = &extra.links
        && PathRef::new(links)?.is_root()
    {
        return Err(PathError::Empty.into());
    }
    let target_legal = extra.target.as_ref().is_none_or(|target| !target.is_empty() && !target.contains(&0));
    if target_legal { Ok(Box::new(extra)) } else { Err(Violation::Malformed("link target")) }
}

fn small(fields: &mut Reader<'_>, limit: u64) -> Result<u64, Violation> {
    let number = fields.number()?;
    if number > limit { Err(fields.malformed()) } else { Ok(number) }
}
