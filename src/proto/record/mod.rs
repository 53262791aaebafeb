//! Records as bytes: path, entry and nothing else, front-coded against the record before. Owns the format of a batch;
//! knows nothing of conversations. Start at [`Batch`] (encoding) and [`decode`].
//!
//! ```text
//! batch   := records number | form u8: 0 plain, 1 zstd | [unpacked number] | bytes number | fields | digests number | [32] *
//! fields  := record *
//! record  := flags u8: 0-2 kind - 1, 3 mode as before, 4 owner as before, 5 extra, 6 content unknown, 7 nanoseconds zero
//!            | bytes of the path shared with the one before, number | bytes of the rest, number | the rest
//!            | [mode number] | seconds since the one before, zigzag | [nanoseconds: since the one before, zigzag, where the
//!            seconds are the same, else u32] | [size number, of a file] | [uid number, gid number] | [extra number, bytes]
//! number  := seven bits a byte, lowest first, shortest form
//! ```
//! The first record of a batch follows an empty path, mode 0o644, time 0 and owner 0. Digests stand apart, in order, one for
//! each file whose content is known: they do not shrink, and zstd sees only what does.

mod decode;
mod encode;

pub(in crate::proto) use decode::read_batch;
pub use decode::{Order, decode};
pub use encode::Batch;

use crate::model::entry::Time;

const MODE_SAME: u8 = 1 << 3;
const OWNER_SAME: u8 = 1 << 4;
const EXTRA: u8 = 1 << 5;
const CONTENT_UNKNOWN: u8 = 1 << 6;
const NANOS_ZERO: u8 = 1 << 7;

const FORM_PLAIN: u8 = 0;
const FORM_ZSTD: u8 = 1;

/// What the next record is told against.
#[derive(Debug, Clone)]
struct Before {
    path: Vec<u8>,
    mode: u16,
    mtime: Time,
    owner: (u32, u32),
}

impl Before {
    const fn first() -> Before {
        Before { path: Vec::new(), mode: 0o644, mtime: Time { secs: 0, nanos: 0 }, owner: (0, 0) }
    }
}

/// Bytes of a batch that a typical record takes, for choices between ways of telling: measured on source trees by
/// `benches/reconcile.rs`.
pub const RECORD_BYTES_TYPICAL: usize = 64;

#[cfg(test)]
mod tests;
