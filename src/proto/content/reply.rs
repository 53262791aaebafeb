//! The answer, as the sender writes it: headers of a few bytes on the stack, so that the data itself is never copied here.

use std::ops::Deref;

use bytes::Bytes;

use super::{
    CHANGED, CHUNK, FILE, FILE_PACKED, GONE, HEAD, KNOWN, MISSING, NAMED, PACKED, UNREADABLE, Verdict, WHOLE, Want,
};
use crate::model::digest::Digest;
use crate::proto::limits::CAUSE_BYTES_MAX;
use crate::proto::violation::Violation;
use crate::proto::wire::{Reader, put_number};

/// The longest header: tag, size, content and a length.
pub(super) const HEADER_BYTES_MAX: usize = 1 + 10 + 32 + 4;

/// The bytes that stand in front of data; derefs to them.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    bytes: [u8; HEADER_BYTES_MAX],
    used: u8,
}

impl Header {
    const fn new(tag: u8) -> Header {
        let mut bytes = [0; HEADER_BYTES_MAX];
        bytes[0] = tag;
        Header { bytes, used: 1 }
    }

    fn put(&mut self, bytes: &[u8]) {
        let used = usize::from(self.used);
        self.bytes[used..used + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len() as u8;
    }

    fn put_number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.put(&[number as u8 | 0x80]);
            number >>= 7;
        }
        self.put(&[number as u8]);
    }
}

impl Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.used)]
    }
}

/// A head: the file has `size` bytes and holds `content`, and those bytes of it that were wanted follow in chunks.
pub fn head(want: &Want, size: u64, content: Digest) -> Header {
    begin(HEAD, want, size, content)
}

/// The header of a chunk: `raw_bytes` of the file, which travel as `packed_bytes` of zstd or as they are. At least 1 and at
/// most [`CHUNK_BYTES_MAX`](crate::proto::limits::CHUNK_BYTES_MAX) either way.
pub fn chunk(raw_bytes: u32, packed_bytes: Option<u32>) -> Header {
    let mut header = Header::new(if packed_bytes.is_some() { PACKED } else { CHUNK });
    header.put(&raw_bytes.to_le_bytes());
    if let Some(packed_bytes) = packed_bytes {
        header.put(&packed_bytes.to_le_bytes());
    }
    header
}

/// Stands for `bytes` bytes of the file that the receiver has: so many of the pieces that it offered, from this one on.
pub fn known(first: u32, count: u32, bytes: u64) -> Header {
    let mut header = Header::new(KNOWN);
    header.put_number(first.into());
    header.put_number(count.into());
    header.put_number(bytes);
    header
}

/// The header of a whole small file that was read and did not change: head, one chunk and end in one. Only for a want of all
/// its bytes, and for sizes from 0 to [`CHUNK_BYTES_MAX`](crate::proto::limits::CHUNK_BYTES_MAX); an empty file is not packed.
pub fn whole_file(want: &Want, size: u64, content: Digest, packed_bytes: Option<u32>) -> Header {
    let mut header = begin(if packed_bytes.is_some() { FILE_PACKED } else { FILE }, want, size, content);
    if let Some(packed_bytes) = packed_bytes {
        header.put(&packed_bytes.to_le_bytes());
    }
    header
}

fn begin(tag: u8, want: &Want, size: u64, content: Digest) -> Header {
    let named = content != want.content;
    let mut header = Header::new(if named { tag | NAMED } else { tag });
    header.put_number(size);
    if named {
        header.put(&content.0);
    }
    header
}

/// The end of a want's answer.
pub fn end(verdict: &Verdict) -> Bytes {
    match verdict {
        Verdict::Whole => Bytes::from_static(&[WHOLE]),
        Verdict::Changed => Bytes::from_static(&[CHANGED]),
        Verdict::Gone => Bytes::from_static(&[GONE]),
        Verdict::Missing => Bytes::from_static(&[MISSING]),
        Verdict::Unreadable(cause) => {
            let cause = &cause[..cause.floor_char_boundary(CAUSE_BYTES_MAX)];
            let mut out = vec![UNREADABLE];
            put_number(&mut out, cause.len() as u64);
            out.extend_from_slice(cause.as_bytes());
            out.into()
        }
    }
}

/// Reads an end whose tag was read.
pub(super) fn read_end(tag: u8, reader: &mut Reader<'_>) -> Result<Verdict, Violation> {
    match tag {
        WHOLE => Ok(Verdict::Whole),
        CHANGED => Ok(Verdict::Changed),
        GONE => Ok(Verdict::Gone),
        MISSING => Ok(Verdict::Missing),
        UNREADABLE => {
            let length = reader.count(1, CAUSE_BYTES_MAX as u64)?;
            let text = reader.bytes(length)?;
            let cause = String::from_utf8(text.into()).map_err(|_| reader.malformed())?;
            Ok(Verdict::Unreadable(cause))
        }
        _ => Err(reader.malformed()),
    }
}
