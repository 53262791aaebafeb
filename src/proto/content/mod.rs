//! The bytes of files, asked for and answered. Owns the two forms on the wire; knows nothing of files or streams.
//! The receiver opens a stream and sends one request ([`encode_request`]); the sender answers on it, want by want, in order
//! ([`head`], [`chunk`], [`end`], [`whole_file`]), and the receiver feeds what comes to a [`Decoder`].
//!
//! ```text
//! request := u8 0 | wants number | want *                               (framed by the caller with a u32 length)
//!          | u8 1 | question                                            (see `question.rs`, also for its answer)
//!          | u8 2 | survey                                              (see `survey.rs`, also for its answer)
//! want    := flags u8: 1 content follows, 2 offset follows, 4 bytes follow, 8 an offer follows, 16 the file is that of the
//!            want before, whose path and content do not follow
//!            | [bytes of the path shared with the one before, number | bytes of the rest, number | the rest]
//!            | [content [32]] | [offset number] | [bytes number] | [offer]
//! offer   := cutter u8 | ids number | id u64 *
//! answer  := for each want: (head chunk * end) | end | file
//! head    := tag u8 1 | size of the whole file, number | [content [32], with flag 16]
//! chunk   := tag u8 2 | bytes u32 | the bytes
//!          | tag u8 3 | raw bytes u32 | packed bytes u32 | the bytes, zstd
//!          | tag u8 11 | first piece number | pieces number | bytes number        (of those that the want offered)
//! end     := tag u8 4 whole, 5 changed, 6 gone | 7 unreadable: text bytes number | text
//! file    := tag u8 8 | size number | [content [32], with flag 16] | the bytes                         (a whole small file:
//!          | tag u8 9 | size number | [content [32], with flag 16] | packed bytes u32 | the bytes, zstd      no head, no end)
//! number  := seven bits a byte, lowest first, shortest form
//! ```
//! A head names its content only where that is not what was wanted, so a small file costs three bytes beside its own. How
//! many bytes follow a head is not said: size, offset and the bytes wanted tell it, and the sum is checked.

mod decoder;
mod question;
mod reply;
mod request;
mod survey;

use bytes::Bytes;

use crate::model::chunk::Cutter;
use crate::model::digest::Digest;
use crate::model::path::RelPath;

pub use decoder::Decoder;
pub use question::{Description, Nodes, Question, decode_nodes, encode_description, encode_nodes, encode_refusal};
pub use reply::{Header, chunk, end, head, known, whole_file};
pub use request::{Request, decode_request, encode_question, encode_request, encode_survey};
pub use survey::{Survey, decode_surveyed, encode_surveyed, surveyed_nodes};

/// One file, or a range of it, that the receiver needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Where it lies at the sender.
    pub path: RelPath,
    /// What it should hold; [`Digest::UNKNOWN`] where nobody hashed it.
    pub content: Digest,
    /// The first byte wanted.
    pub offset: u64,
    /// How many bytes are wanted at most; `u64::MAX`: to the end.
    pub bytes: u64,
    /// What need not be sent.
    pub offer: Option<Offer>,
}

/// Pieces that the receiver has and that may stand in what it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// How they were cut, as the sender is to cut what is wanted.
    pub cutter: Cutter,
    /// Their ids; at most [`OFFERED_MAX`](crate::proto::limits::OFFERED_MAX).
    pub pieces: Vec<u64>,
}

impl Want {
    /// All bytes of a file.
    pub const fn whole(path: RelPath, content: Digest) -> Want {
        Want { path, content, offset: 0, bytes: u64::MAX, offer: None }
    }

    /// How many bytes follow for a file of `size` bytes.
    pub fn bytes_of(&self, size: u64) -> u64 {
        self.bytes.min(size.saturating_sub(self.offset))
    }
}

/// One step of an answer: a head, its chunks and an end, or an end alone, for each want in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The file is open and its bytes follow.
    Head {
        /// Bytes of the whole file.
        size: u64,
        /// What it holds, as the sender knows before reading; what was wanted, as a rule.
        content: Digest,
        /// Bytes to follow.
        bytes: u64,
    },
    /// Some of the bytes.
    Chunk {
        /// Whether `data` is packed.
        zstd: bool,
        /// Bytes when unpacked.
        raw_bytes: u32,
        /// The bytes, shared with what was pushed into the decoder wherever they lay in one piece.
        data: Bytes,
    },
    /// Bytes that the receiver has: so many of the pieces that it offered, from this one on.
    Known {
        /// The first piece.
        first: u32,
        /// How many; the last is one that was offered.
        count: u32,
        /// The bytes of all.
        bytes: u64,
    },
    /// The want is answered.
    End(Verdict),
}

/// How a want ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All bytes were sent, and the file did not change meanwhile.
    Whole,
    /// The file changed while it was read: what was sent is void.
    Changed,
    /// The file was there, and is no longer.
    Gone,
    /// Nothing that is handed out has these bytes.
    Missing,
    /// It could not be read, for this cause.
    Unreadable(String),
}

const HEAD: u8 = 1;
const CHUNK: u8 = 2;
const PACKED: u8 = 3;
const WHOLE: u8 = 4;
const CHANGED: u8 = 5;
const GONE: u8 = 6;
const UNREADABLE: u8 = 7;
const FILE: u8 = 8;
const FILE_PACKED: u8 = 9;
const MISSING: u8 = 10;
const KNOWN: u8 = 11;
/// Flag of a head: the content is named.
const NAMED: u8 = 16;

#[cfg(test)]
mod tests;
