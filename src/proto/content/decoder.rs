//! The answer, as the receiver reads it. Holds at most one chunk beside what was pushed and not yet polled.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::reply::HEADER_BYTES_MAX;
use super::{
    CHANGED, CHUNK, FILE, FILE_PACKED, GONE, HEAD, KNOWN, MISSING, NAMED, PACKED, Reply, UNREADABLE, Verdict, WHOLE,
    Want,
};
use crate::model::digest::Digest;
use crate::proto::limits::{CAUSE_BYTES_MAX, CHUNK_BYTES_MAX};
use crate::proto::violation::Violation;
use crate::proto::wire::Reader;

/// Plain chunks longer than this are handed on as they come in, in several pieces; shorter ones always whole, because a small
/// file is best written by one call.
const PIECES_FROM_BYTES: usize = 64 << 10;

/// Reads the answer to one request. Push what comes, then poll until there is nothing.
#[derive(Debug)]
pub struct Decoder {
    /// What is wanted, without the paths.
    asked: Vec<Asked>,
    /// The want being answered.
    at: usize,
    state: State,
    pushed: VecDeque<Bytes>,
    /// Bytes in `pushed`.
    pub(super) unread: usize,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    content: Digest,
    offset: u64,
    bytes: u64,
    /// Pieces that were offered.
    offered: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A head, a whole file or an end alone comes next.
    Between,
    /// A chunk or an end comes next; so many bytes of the file are missing.
    Body { left: u64 },
    /// The bytes of a chunk come next.
    Data { bytes: u32, packed: Option<u32>, then: Then },
    /// A whole file's bytes are through.
    Close,
    /// The text of a cause comes next.
    Cause { bytes: usize },
    /// A violation was seen.
    Broken,
}

/// What follows a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Body { left: u64 },
    Close,
}

impl Decoder {
    /// A decoder for the answer to these wants.
    pub fn new(wants: &[Want]) -> Decoder {
        let asked = |want: &Want| Asked {
            content: want.content,
            offset: want.offset,
            bytes: want.bytes,
            offered: want.offer.as_ref().map_or(0, |offer| offer.pieces.len()),
        };
        let asked = wants.iter().map(asked).collect();
        Decoder { asked, at: 0, state: State::Between, pushed: VecDeque::new(), unread: 0 }
    }

    /// Takes bytes of the stream, of any length.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.unread += bytes.len();
            self.pushed.push_back(bytes);
        }
    }

    /// The want being answered: the replies to come belong to it. The number of wants when all are answered.
    pub const fn want(&self) -> usize {
        self.at
    }

    /// The stream has ended: whether everything was answered and nothing more came.
    pub fn finish(&self) -> Result<(), Violation> {
        if self.at < self.asked.len() {
            return Err(Violation::Short("answer"));
        }
        if self.unread > 0 { Err(Violation::Trailing("answer")) } else { Ok(()) }
    }

    /// The next reply; `None` where more bytes are needed, or all is answered.
    pub fn poll(&mut self) -> Result<Option<Reply>, Violation> {
        let reply = self.advance();
        if reply.is_err() {
            self.state = State::Broken;
        }
        reply
    }

    fn advance(&mut self) -> Result<Option<Reply>, Violation> {
        match self.state {
            State::Close => Ok(Some(self.close(Verdict::Whole))),
            State::Data { bytes, packed, then } => Ok(self.take_data(bytes, packed, then)),
            State::Cause { bytes } => self.take_cause(bytes),
            State::Broken => Err(Violation::Turn("an answer after a violation")),
            State::Between | State::Body { .. } if self.unread == 0 => Ok(None),
            State::Between if self.at == self.asked.len() => Err(Violation::Trailing("answer")),
            State::Between | State::Body { .. } => self.take_header(),
        }
    }

    /// Reads a header from the front, which may lie across several pieces.
    fn take_header(&mut self) -> Result<Option<Reply>, Violation> {
        let mut scratch = [0; HEADER_BYTES_MAX];
        let front = self.pushed.front().map_or(&[][..], |front| front);
        let (header, all) = if front.len() >= HEADER_BYTES_MAX {
            (front, true)
        } else {
            let mut used = 0;
            for piece in &self.pushed {
                let count = piece.len().min(HEADER_BYTES_MAX - used);
                scratch[used..used + count].copy_from_slice(&piece[..count]);
                used += count;
            }
            (&scratch[..used], used == HEADER_BYTES_MAX)
        };
        let mut reader = Reader::new(header, "answer");
        let bytes = header.len();
        match self.read_header(&mut reader) {
            Err(Violation::Short(_)) if !all => Ok(None),
            Err(violation) => Err(violation),
            Ok((state, reply)) => {
                self.skip(bytes - reader.remaining());
                self.state = state;
                match reply {
                    Some(Reply::End(verdict)) => Ok(Some(self.close(verdict))),
                    // Nothing to show yet: the bytes may be here already.
                    None => self.advance(),
                    reply => Ok(reply),
                }
            }
        }
    }

    fn read_header(&self, reader: &mut Reader<'_>) -> Result<(State, Option<Reply>), Violation> {
        let tag = reader.u8()?;
        let named = tag & NAMED != 0;
        match (tag & !NAMED, self.state) {
            (HEAD, State::Between) => {
                let (size, content) = self.read_head(reader, named)?;
                let bytes = self.asked[self.at].bytes_of(size);
                Ok((State::Body { left: bytes }, Some(Reply::Head { size, content, bytes })))
            }
            (kind @ (FILE | FILE_PACKED), State::Between) => {
                let (size, content) = self.read_head(reader, named)?;
                if self.asked[self.at].bytes_of(size) != size {
                    return Err(Violation::Count("bytes of a file"));
                }
                let head = Some(Reply::Head { size, content, bytes: size });
                if size == 0 && kind == FILE {
                    return Ok((State::Close, head));
                }
                let bytes = chunk_bytes(size)?;
                let packed = if kind == FILE_PACKED { Some(chunk_bytes(reader.u32()?.into())?) } else { None };
                Ok((State::Data { bytes, packed, then: Then::Close }, head))
            }
            (kind @ (CHUNK | PACKED), State::Body { left }) if !named => {
                let bytes = chunk_bytes(reader.u32()?.into())?;
                let packed = if kind == PACKED { Some(chunk_bytes(reader.u32()?.into())?) } else { None };
                let left = left.checked_sub(bytes.into()).ok_or(Violation::Count("bytes of a file"))?;
                Ok((State::Data { bytes, packed, then: Then::Body { left } }, None))
            }
            (KNOWN, State::Body { left }) if !named => self.read_known(reader, left),
            (WHOLE, State::Body { left }) if !named => {
                if left == 0 {
                    end(Verdict::Whole)
                } else {
                    Err(Violation::Count("bytes of a file"))
                }
            }
            (CHANGED, _) if !named => end(Verdict::Changed),
            (GONE, State::Between) if !named => end(Verdict::Gone),
            (MISSING, State::Between) if !named => end(Verdict::Missing),
            (UNREADABLE, _) if !named => {
                let bytes = reader.number()?;
                if bytes > CAUSE_BYTES_MAX as u64 {
                    return Err(Violation::Limit { what: "cause", limit: CAUSE_BYTES_MAX as u64 });
                }
                Ok((State::Cause { bytes: bytes as usize }, None))
            }
            (HEAD..=KNOWN, _) => Err(Violation::Turn("a part of an answer")),
            _ => Err(reader.malformed()),
        }
    }

    fn read_known(&self, reader: &mut Reader<'_>, left: u64) -> Result<(State, Option<Reply>), Violation> {
        let (first, count, bytes) = (reader.number()?, reader.number()?, reader.number()?);
        let end = first.checked_add(count).filter(|&end| end <= self.asked[self.at].offered as u64);
        if end.is_none() || count == 0 || count > bytes {
            return Err(Violation::Count("pieces of a file"));
        }
        let left = left.checked_sub(bytes).ok_or(Violation::Count("bytes of a file"))?;
        Ok((State::Body { left }, Some(Reply::Known { first: first as u32, count: count as u32, bytes })))
    }

    fn read_head(&self, reader: &mut Reader<'_>, named: bool) -> Result<(u64, Digest), Violation> {
        let size = reader.number()?;
        Ok((size, if named { Digest(reader.array()?) } else { self.asked[self.at].content }))
    }

    fn take_data(&mut self, bytes: u32, packed: Option<u32>, then: Then) -> Option<Reply> {
        let wanted = packed.unwrap_or(bytes) as usize;
        let in_pieces = packed.is_none() && wanted > PIECES_FROM_BYTES;
        let taken = if in_pieces {
            let front = self.pushed.front()?.len();
            self.take(front.min(wanted))
        } else {
            self.take(wanted)
        }?;
        let raw_bytes = if packed.is_some() { bytes } else { taken.len() as u32 };
        self.state = match (bytes - raw_bytes, then) {
            (0, Then::Body { left }) => State::Body { left },
            (0, Then::Close) => State::Close,
            (rest, then) => State::Data { bytes: rest, packed, then },
        };
        Some(Reply::Chunk { zstd: packed.is_some(), raw_bytes, data: taken })
    }

    fn take_cause(&mut self, bytes: usize) -> Result<Option<Reply>, Violation> {
        let Some(text) = self.take(bytes) else { return Ok(None) };
        let cause = String::from_utf8(text.into()).map_err(|_| Violation::Malformed("cause"))?;
        Ok(Some(self.close(Verdict::Unreadable(cause))))
    }

    fn close(&mut self, verdict: Verdict) -> Reply {
        self.at += 1;
        self.state = State::Between;
        Reply::End(verdict)
    }

    /// The next bytes: shared where they lie in one piece, else gathered; `None` where they are not all there.
    fn take(&mut self, count: usize) -> Option<Bytes> {
        if self.unread < count {
            return None;
        }
        let mut gathered = BytesMut::new();
        while gathered.len() < count {
            let front = self.pushed.front_mut()?;
            let part = front.split_to(front.len().min(count - gathered.len()));
            if front.is_empty() {
                self.pushed.pop_front();
            }
            self.unread -= part.len();
            if part.len() == count {
                return Some(part);
            }
            gathered.reserve(count - gathered.len());
            gathered.extend_from_slice(&part);
        }
        Some(gathered.freeze())
    }

    fn skip(&mut self, mut count: usize) {
        self.unread -= count;
        while let Some(front) = self.pushed.front_mut() {
            if front.len() > count {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.pushed.pop_front();
        }
    }
}

impl Asked {
    fn bytes_of(&self, size: u64) -> u64 {
        self.bytes.min(size.saturating_sub(self.offset))
    }
}

fn end(verdict: Verdict) -> Result<(State, Option<Reply>), Violation> {
    Ok((State::Between, Some(Reply::End(verdict))))
}

fn chunk_bytes(bytes: u64) -> Result<u32, Violation> {
    match bytes {
        0 => Err(Violation::Malformed("chunk")),
        _ if bytes > CHUNK_BYTES_MAX as u64 => Err(Violation::Limit { what: "chunk", limit: CHUNK_BYTES_MAX as u64 }),
        _ => Ok(bytes as u32),
    }
}
