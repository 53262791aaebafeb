//! One message on its way out, as frames that are made only when they are asked for: a list of a million records never
//! stands beside the entries.

use std::collections::VecDeque;

use super::nodes::{Bits, Naming, Walk};
use super::{Side, tag};
use crate::proto::limits::{FRAME_BYTES_AIM, FRAME_BYTES_MAX};
use crate::proto::record::Batch;
use crate::proto::wire::put_number;

/// What stands in a frame beside records: flags and lengths.
const FRAMING_BYTES: usize = 1_024;

/// A part of a message.
#[derive(Debug)]
pub enum Part {
    /// Sections that are whole and short.
    Ready(Vec<u8>),
    Matched {
        bits: Bits,
        sent: usize,
        seal: [u8; 16],
    },
    Ids {
        naming: Naming,
        level: u8,
        nodes: Walk,
    },
    Records {
        rows: Walk,
        begun: bool,
    },
}

/// The message being sent.
#[derive(Debug, Default)]
pub struct Outbox {
    parts: VecDeque<Part>,
}

impl Outbox {
    pub fn push(&mut self, part: Part) {
        self.parts.push_back(part);
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The next frame.
    pub fn next(&mut self, side: &Side) -> Option<Vec<u8>> {
        self.parts.front()?;
        let mut frame = vec![0];
        while let Some(part) = self.parts.front_mut() {
            if frame.len() >= FRAME_BYTES_AIM || !part.write(side, &mut frame) {
                break;
            }
            self.parts.pop_front();
        }
        frame[0] = u8::from(self.parts.is_empty());
        Some(frame)
    }
}

impl Part {
    /// Appends as much as fits; whether that was all.
    fn write(&mut self, side: &Side, frame: &mut Vec<u8>) -> bool {
        match self {
            Part::Ready(bytes) => {
                frame.append(bytes);
                true
            }
            Part::Matched { bits, sent, seal } => write_bits(bits, sent, seal, frame),
            Part::Ids { naming, level, nodes } => write_ids(side, *naming, *level, nodes, frame),
            Part::Records { rows, begun } => write_records(side, rows, begun, frame),
        }
    }
}

fn write_bits(bits: &Bits, sent: &mut usize, seal: &[u8; 16], frame: &mut Vec<u8>) -> bool {
    let count = (bits.count - *sent).min(FRAME_BYTES_AIM * 8);
    frame.push(tag::MATCHED);
    put_number(frame, count as u64);
    frame.extend_from_slice(&bits.bytes[*sent / 8..(*sent + count).div_ceil(8)]);
    *sent += count;
    frame.extend_from_slice(seal);
    *sent == bits.count
}

fn write_ids(side: &Side, naming: Naming, level: u8, nodes: &mut Walk, frame: &mut Vec<u8>) -> bool {
    let width = usize::from(naming.width);
    let count = nodes.left().min((FRAME_BYTES_AIM / width).max(1));
    frame.extend_from_slice(&[tag::IDS, level, naming.width]);
    put_number(frame, count as u64);
    frame.reserve(count * width);
    let mut scratch = Vec::new();
    for _ in 0..count {
        let Some(node) = nodes.peek() else { break };
        let id = naming.id(&side.digest(level, node, &mut scratch));
        frame.extend_from_slice(&id.to_le_bytes()[..width]);
        nodes.step();
    }
    nodes.left() == 0
}

fn write_records(side: &Side, rows: &mut Walk, begun: &mut bool, frame: &mut Vec<u8>) -> bool {
    let mut batch = Batch::default();
    while let Some(index) = rows.peek() {
        let row = side.listing.row(index as usize);
        let bytes = Batch::bytes_at_most(row);
        let full = frame.len() + batch.len() >= FRAME_BYTES_AIM;
        if full || frame.len() + batch.len() + bytes + FRAMING_BYTES > FRAME_BYTES_MAX {
            break;
        }
        batch.push(row);
        rows.step();
    }
    let all = rows.peek().is_none();
    // An empty batch says only that there is nothing; where rows are left, they begin with the next frame.
    if !batch.is_empty() || (all && !*begun) {
        frame.push(tag::RECORDS);
        batch.finish(frame);
        *begun = true;
    }
    all
}
