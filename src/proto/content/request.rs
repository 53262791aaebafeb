//! The request: which files, and which bytes of them.

use super::Want;
use crate::model::digest::Digest;
use crate::model::path::{PathError, RelPath};
use crate::proto::limits::{REQUEST_BYTES_MAX, WANTS_MAX};
use crate::proto::violation::Violation;
use crate::proto::wire::{Reader, put_number};

const CONTENT: u8 = 1;
const OFFSET: u8 = 2;
const BYTES: u8 = 4;

/// Encodes a request. At most [`WANTS_MAX`] wants and [`REQUEST_BYTES_MAX`] bytes are taken by the other side; the caller
/// splits.
pub fn encode_request(wants: &[Want]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + wants.len() * 64);
    put_number(&mut out, wants.len() as u64);
    let mut before: &[u8] = &[];
    for want in wants {
        let path = want.path.as_bytes();
        let named = want.content != Digest::UNKNOWN;
        let shared = before.iter().zip(path).take_while(|(left, right)| left == right).count();
        out.push(
            if named { CONTENT } else { 0 }
                | if want.offset != 0 { OFFSET } else { 0 }
                | if want.bytes != u64::MAX { BYTES } else { 0 },
        );
        put_number(&mut out, shared as u64);
        put_number(&mut out, (path.len() - shared) as u64);
        out.extend_from_slice(&path[shared..]);
        if named {
            out.extend_from_slice(&want.content.0);
        }
        if want.offset != 0 {
            put_number(&mut out, want.offset);
        }
        if want.bytes != u64::MAX {
            put_number(&mut out, want.bytes);
        }
        before = path;
    }
    out
}

/// Decodes a request; every path is legal and not the root.
pub fn decode_request(bytes: &[u8]) -> Result<Vec<Want>, Violation> {
    if bytes.len() > REQUEST_BYTES_MAX {
        return Err(Violation::Limit { what: "request", limit: REQUEST_BYTES_MAX as u64 });
    }
    let mut reader = Reader::new(bytes, "request");
    // Flags and both path lengths.
    let count = reader.count(3, WANTS_MAX as u64)?;
    let mut wants = Vec::with_capacity(count);
    let mut path = Vec::new();
    for _ in 0..count {
        wants.push(read_want(&mut reader, &mut path)?);
    }
    reader.finish()?;
    Ok(wants)
}

fn read_want(reader: &mut Reader<'_>, path: &mut Vec<u8>) -> Result<Want, Violation> {
    let flags = reader.u8()?;
    let shared = reader.number()?;
    if flags > (CONTENT | OFFSET | BYTES) || shared > path.len() as u64 {
        return Err(reader.malformed());
    }
    let rest = reader.count(1, u16::MAX.into())?;
    path.truncate(shared as usize);
    path.extend_from_slice(reader.bytes(rest)?);
    if path.is_empty() {
        return Err(PathError::Empty.into());
    }
    let content = if flags & CONTENT != 0 { Digest(reader.array()?) } else { Digest::UNKNOWN };
    let offset = if flags & OFFSET != 0 { reader.number()? } else { 0 };
    let bytes = if flags & BYTES != 0 { reader.number()? } else { u64::MAX };
    if bytes != u64::MAX && offset.checked_add(bytes).is_none() {
        return Err(reader.malformed());
    }
    Ok(Want { path: RelPath::new(path)?, content, offset, bytes })
}
