//! What a file consists of, asked by somebody who has parts of it: the nodes of what is there go one way, and what of the
//! file is below none of them comes back as chunks. One question a stream; the answer is frames until the end. The nodes are
//! a frame of their own, so that the other end cuts its file while this one still cuts what is there.
//!
//! ```text
//! question    := path bytes number | path | content [32] | cutter u8
//! nodes       := level u8 | ids number | id u64 *
//! description := opening spans, then frames of spans until the sizes add up to the file's
//! opening     := u8 0 | size of the file, number
//!              | an end that says why there is none                       (as in an answer to wants)
//! span        := u8 1 | first node number | nodes number                  (as counted in the question)
//!              | u8 2 | chunks number | (bytes number | id u64) *
//! ```

use super::reply::{end, read_end};
use super::{Verdict, WHOLE};
use crate::model::chunk::{Chunk, Cutter, Grain, Span};
use crate::model::digest::Digest;
use crate::model::path::RelPath;
use crate::proto::limits::{FRAME_BYTES_AIM, LEVELS_MAX, OFFERED_MAX, REQUEST_BYTES_MAX};
use crate::proto::violation::Violation;
use crate::proto::wire::{Reader, put_number};

/// Asks what a file consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Where it lies at the sender.
    pub path: RelPath,
    /// What it should hold.
    pub content: Digest,
    /// How it is to be cut.
    pub cutter: Cutter,
}

/// What is there of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    /// The level of the nodes; at most [`LEVELS_MAX`].
    pub level: u8,
    /// The nodes that are there; at most [`OFFERED_MAX`].
    pub known: Vec<u64>,
}

const OPEN: u8 = 0;
const KNOWN: u8 = 1;
const NEW: u8 = 2;
/// Bytes of a chunk's id and of its length, at most.
const CHUNK_BYTES_EACH: usize = 8 + 4;

pub(super) fn put_question(out: &mut Vec<u8>, question: &Question) {
    put_name(out, (&question.path, &question.content));
    out.push(question.cutter.byte());
}

/// Which file is meant.
pub(super) fn put_name(out: &mut Vec<u8>, (path, content): (&RelPath, &Digest)) {
    let path = path.as_bytes();
    put_number(out, path.len() as u64);
    out.extend_from_slice(path);
    out.extend_from_slice(&content.0);
}

/// Which file is meant; the path is legal and not the root.
pub(super) fn read_name(reader: &mut Reader<'_>) -> Result<(RelPath, Digest), Violation> {
    let length = reader.count(1, u16::MAX.into())?;
    let path = RelPath::new(reader.bytes(length)?)?;
    let content = Digest(reader.array()?);
    if path.as_bytes().is_empty() {
        return Err(reader.malformed());
    }
    Ok((path, content))
}

/// Encodes the nodes that a question goes on with.
pub fn encode_nodes(nodes: &Nodes) -> Vec<u8> {
    let mut out = vec![nodes.level];
    put_ids(&mut out, &nodes.known);
    out
}

/// Decodes the nodes that a question goes on with.
pub fn decode_nodes(bytes: &[u8]) -> Result<Nodes, Violation> {
    let mut reader = Reader::new(bytes, "nodes of a question");
    let level = reader.u8()?;
    if level > LEVELS_MAX {
        return Err(reader.malformed());
    }
    let known = read_ids(&mut reader)?;
    reader.finish()?;
    Ok(Nodes { level, known })
}

/// Decodes a question; the path is legal and not the root.
pub(super) fn decode_question(bytes: &[u8]) -> Result<Question, Violation> {
    if bytes.len() > REQUEST_BYTES_MAX {
        return Err(Violation::Limit { what: "question", limit: REQUEST_BYTES_MAX as u64 });
    }
    let mut reader = Reader::new(bytes, "question");
    let (path, content) = read_name(&mut reader)?;
    let cutter = Cutter::of_byte(reader.u8()?).ok_or_else(|| reader.malformed())?;
    reader.finish()?;
    Ok(Question { path, content, cutter })
}

pub(super) fn put_ids(out: &mut Vec<u8>, ids: &[u64]) {
    put_number(out, ids.len() as u64);
    ids.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
}

pub(super) fn read_ids(reader: &mut Reader<'_>) -> Result<Vec<u64>, Violation> {
    let count = reader.count(8, OFFERED_MAX as u64)?;
    (0..count).map(|_| reader.array().map(u64::from_le_bytes)).collect()
}

/// Encodes a description of a file of `size` bytes into frames.
pub fn encode_description(size: u64, spans: &[Span]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut out = vec![OPEN];
    put_number(&mut out, size);
    for span in spans {
        match span {
            Span::Known(first, count) => {
                out.push(KNOWN);
                put_number(&mut out, (*first).into());
                put_number(&mut out, (*count).into());
            }
            Span::New(chunks) => {
                for run in chunks.chunks(FRAME_BYTES_AIM / CHUNK_BYTES_EACH) {
                    put_chunks(&mut out, run);
                    if out.len() >= FRAME_BYTES_AIM {
                        frames.push(std::mem::take(&mut out));
                    }
                }
            }
        }
        if out.len() >= FRAME_BYTES_AIM {
            frames.push(std::mem::take(&mut out));
        }
    }
    if !out.is_empty() {
        frames.push(out);
    }
    frames
}

fn put_chunks(out: &mut Vec<u8>, chunks: &[Chunk]) {
    out.push(NEW);
    put_number(out, chunks.len() as u64);
    for chunk in chunks {
        put_number(out, chunk.bytes);
        out.extend_from_slice(&chunk.id.to_le_bytes());
    }
}

/// Encodes why there is no description.
pub fn encode_refusal(verdict: &Verdict) -> Vec<u8> {
    end(verdict).to_vec()
}

/// Reads a description, frame by frame.
#[derive(Debug)]
pub struct Description {
    cutter: Cutter,
    /// Bytes below each node of the question.
    nodes: Vec<u64>,
    size: u64,
    left: u64,
    /// Spans that an honest peer may still need.
    spans_left: u64,
    opened: bool,
    spans: Vec<Span>,
}

impl Description {
    /// Of a file that should have `size` bytes, cut in this way, for a question whose nodes have so many bytes each.
    pub fn new(cutter: Cutter, nodes: Vec<u64>, size: u64) -> Description {
        // Each chunk may stand alone, and so may the stretches between.
        let spans_left = size / cutter.least(Grain::Chunk) as u64 * 2 + 16;
        Description { cutter, nodes, size, left: size, spans_left, opened: false, spans: Vec::new() }
    }

    /// Takes a frame. A verdict other than whole means that there is no description, and nothing more comes.
    pub fn push(&mut self, frame: &[u8]) -> Result<Verdict, Violation> {
        let mut reader = Reader::new(frame, "description");
        if !self.opened {
            self.opened = true;
            let tag = reader.u8()?;
            if tag != OPEN {
                let verdict = read_end(tag, &mut reader)?;
                reader.finish()?;
                return if verdict == Verdict::Whole { Err(reader.malformed()) } else { Ok(verdict) };
            }
            if reader.number()? != self.size {
                return Ok(Verdict::Changed);
            }
        }
        while !reader.is_empty() {
            self.spans_left = self.spans_left.checked_sub(1).ok_or(Violation::Count("spans of a file"))?;
            let span = self.read_span(&mut reader)?;
            self.spans.push(span);
        }
        Ok(Verdict::Whole)
    }

    fn read_span(&mut self, reader: &mut Reader<'_>) -> Result<Span, Violation> {
        match reader.u8()? {
            KNOWN => {
                let (first, count) = (reader.number()?, reader.number()?);
                let end = first.checked_add(count).filter(|&end| end <= self.nodes.len() as u64 && count > 0);
                let end = end.ok_or(Violation::Count("nodes of a file"))?;
                let bytes = self.nodes[first as usize..end as usize].iter().sum();
                self.take(bytes)?;
                Ok(Span::Known(first as u32, count as u32))
            }
            NEW => {
                let count = reader.count(9, u32::MAX.into())?;
                let chunks: Result<Vec<Chunk>, Violation> = (0..count).map(|_| self.read_chunk(reader)).collect();
                chunks.map(Span::New)
            }
            _ => Err(reader.malformed()),
        }
    }

    fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<Chunk, Violation> {
        let bytes = reader.number()?;
        let id = u64::from_le_bytes(reader.array()?);
        let least = self.cutter.least(Grain::Chunk) as u64;
        let is_last = bytes == self.left;
        if bytes > self.cutter.most(Grain::Chunk) as u64 || bytes == 0 || (bytes < least && !is_last) {
            return Err(Violation::Count("bytes of a chunk"));
        }
        self.take(bytes)?;
        Ok(Chunk { id, bytes })
    }

    fn take(&mut self, bytes: u64) -> Result<(), Violation> {
        self.left = self.left.checked_sub(bytes).ok_or(Violation::Count("chunks of a file"))?;
        Ok(())
    }

    /// What was described, once the stream has ended.
    pub fn finish(self) -> Result<Vec<Span>, Violation> {
        if self.opened && self.left == 0 { Ok(self.spans) } else { Err(Violation::Short("description")) }
    }
}

/// The tags of ends do not meet those of a description.
const _: () = assert!(WHOLE > NEW);

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        let path = RelPath::new(b"a/large").expect("legal");
        let content = Digest::of_content(b"large");
        Question { path, content, cutter: Cutter::Content }
    }

    fn nodes() -> Nodes {
        Nodes { level: 1, known: vec![1, u64::MAX, 7] }
    }

    fn chunk(bytes: u64) -> Chunk {
        Chunk { id: bytes, bytes }
    }

    const SIZE: u64 = 600_000;

    fn spans() -> Vec<Span> {
        vec![
            Span::Known(1, 2),
            Span::New(vec![chunk(20_000), chunk(79_999)]),
            Span::Known(0, 1),
            Span::New(vec![chunk(1)]),
        ]
    }

    fn description() -> Description {
        Description::new(Cutter::Content, vec![200_000, 150_000, 150_000], SIZE)
    }

    fn decode(frames: &[Vec<u8>]) -> Result<Vec<Span>, Violation> {
        let mut description = description();
        for frame in frames {
            description.push(frame)?;
        }
        description.finish()
    }

    #[test]
    fn a_question_comes_back_and_survives_damage() {
        let mut bytes = Vec::new();
        put_question(&mut bytes, &question());
        assert_eq!(decode_question(&bytes), Ok(question()));
        for end in 0..bytes.len() {
            assert!(decode_question(&bytes[..end]).is_err(), "{end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode_question(&flipped);
        }
        assert_eq!(decode_question(&[bytes, vec![0]].concat()), Err(Violation::Trailing("question")));
    }

    #[test]
    fn nodes_come_back_and_survive_damage() {
        let bytes = encode_nodes(&nodes());
        assert_eq!(decode_nodes(&bytes), Ok(nodes()));
        for end in 0..bytes.len() {
            assert!(decode_nodes(&bytes[..end]).is_err(), "{end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode_nodes(&flipped);
        }
        assert_eq!(decode_nodes(&[bytes, vec![0]].concat()), Err(Violation::Trailing("nodes of a question")));
        assert!(decode_nodes(&[LEVELS_MAX + 1, 0]).is_err());
    }

    #[test]
    fn a_description_comes_back_and_survives_damage() {
        let frames = encode_description(SIZE, &spans());
        assert_eq!(decode(&frames), Ok(spans()));
        let [frame] = &frames[..] else { panic!("one frame") };
        for end in 0..frame.len() {
            assert!(decode(&[frame[..end].to_vec()]).is_err(), "{end}");
        }
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&[flipped]);
        }
    }

    #[test]
    fn a_long_description_takes_several_frames_and_each_is_below_the_limit() {
        let chunks = vec![chunk(64 << 10); 100_000];
        let frames = encode_description((64 << 10) * 100_000, &[Span::New(chunks.clone())]);
        assert!(frames.len() > 2 && frames.iter().all(|frame| frame.len() < 1 << 20));
        let mut description = Description::new(Cutter::Even, Vec::new(), (64 << 10) * 100_000);
        for frame in &frames {
            assert_eq!(description.push(frame), Ok(Verdict::Whole));
        }
        let told: Vec<Chunk> = description
            .finish()
            .expect("whole")
            .into_iter()
            .flat_map(|span| if let Span::New(chunks) = span { chunks } else { Vec::new() })
            .collect();
        assert_eq!(told, chunks);
    }

    #[test]
    fn a_description_that_lies_is_a_violation() {
        let lies: [(&str, Vec<Span>); 8] = [
            ("no such node", vec![Span::Known(3, 1)]),
            ("one node too many", vec![Span::Known(0, 4)]),
            ("no node", vec![Span::Known(0, 0)]),
            ("longer than the file", vec![Span::Known(0, 3), Span::Known(0, 1)]),
            ("shorter than the file", vec![Span::Known(0, 1)]),
            ("an empty chunk", vec![Span::New(vec![chunk(0)])]),
            ("chunks too short to end", vec![Span::New(vec![chunk(1); 1000])]),
            ("a chunk too long", vec![Span::New(vec![chunk(SIZE)])]),
        ];
        for (name, spans) in lies {
            assert!(decode(&encode_description(SIZE, &spans)).is_err(), "{name}");
        }
        assert!(decode(&[]).is_err());
        let mut endless = Description::new(Cutter::Even, vec![1], 10 << 16);
        let told = encode_description(10 << 16, &vec![Span::Known(0, 1); 100]);
        assert_eq!(endless.push(&told[0]), Err(Violation::Count("spans of a file")));
    }

    #[test]
    fn a_refusal_is_told_and_ends_it() {
        for verdict in [Verdict::Gone, Verdict::Changed, Verdict::Missing, Verdict::Unreadable("no".into())] {
            assert_eq!(description().push(&encode_refusal(&verdict)), Ok(verdict));
        }
        assert!(description().push(&encode_refusal(&Verdict::Whole)).is_err());
        assert_eq!(description().push(&encode_description(SIZE + 1, &[])[0]), Ok(Verdict::Changed));
    }
}
