//! The plain sections of a frame, parsed and checked in themselves; whether they fit the conversation is the machine's.

use super::{Wants, tag};
use crate::model::digest::Digest;
use crate::model::lane::Lane;
use crate::proto::limits::{ENTRIES_MAX, LEVELS_MAX, PROTOCOL_VERSION};
use crate::proto::violation::Violation;
use crate::proto::wire::{Reader, put_number};

/// What the other side said of its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Their {
    pub entries: u64,
    pub top: Digest,
}

/// The opening.
#[derive(Debug, Clone, Copy)]
pub struct Hello {
    pub wants: Wants,
    pub salt: [u8; 16],
    pub set: Their,
}

impl Hello {
    pub fn encode(&self, lane: Lane) -> Vec<u8> {
        let mut out = vec![tag::HELLO, PROTOCOL_VERSION, lane.to_byte(), self.wants.to_byte()];
        out.extend_from_slice(&self.salt);
        self.set.encode(&mut out);
        out
    }

    /// Reads a hello behind its tag; a version or lane other than ours is refused before anything else is read.
    pub fn read(reader: &mut Reader<'_>, ours: Lane) -> Result<Hello, Violation> {
        check(reader, ours)?;
        let wants = Wants::from_byte(reader.u8()?).ok_or(reader.malformed())?;
        let salt = reader.array()?;
        Ok(Hello { wants, salt, set: Their::read(reader)? })
    }
}

impl Their {
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.entries);
        out.extend_from_slice(&self.top.0);
    }

    pub fn read(reader: &mut Reader<'_>) -> Result<Their, Violation> {
        let entries = reader.number()?;
        if entries > ENTRIES_MAX {
            return Err(Violation::Limit { what: "tree", limit: ENTRIES_MAX });
        }
        Ok(Their { entries, top: Digest(reader.array()?) })
    }
}

/// The refusal of another version or lane.
pub fn refusal(lane: Lane) -> Vec<u8> {
    vec![tag::REFUSAL, PROTOCOL_VERSION, lane.to_byte()]
}

/// Reads version and lane, and compares them with ours.
pub fn check(reader: &mut Reader<'_>, ours: Lane) -> Result<(), Violation> {
    let (version, lane) = (reader.u8()?, reader.u8()?);
    if version != PROTOCOL_VERSION {
        return Err(Violation::Version { ours: PROTOCOL_VERSION, theirs: version });
    }
    if lane != ours.to_byte() {
        return Err(Violation::Lane { ours: ours.to_byte(), theirs: lane });
    }
    Ok(())
}

/// A run of ids: their level, width, and the bytes of all.
pub struct Ids<'a> {
    pub level: u8,
    pub width: u8,
    bytes: &'a [u8],
}

impl<'a> Ids<'a> {
    pub fn read(reader: &mut Reader<'a>) -> Result<Ids<'a>, Violation> {
        let (level, width) = (reader.u8()?, reader.u8()?);
        if level > LEVELS_MAX || !(4..=8).contains(&width) {
            return Err(reader.malformed());
        }
        let count = reader.count(width.into(), ENTRIES_MAX)?;
        // A message without end would be made of empty sections.
        if count == 0 {
            return Err(reader.malformed());
        }
        Ok(Ids { level, width, bytes: reader.bytes(count * usize::from(width))? })
    }

    pub fn len(&self) -> usize {
        self.bytes.len() / usize::from(self.width)
    }

    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.bytes.chunks_exact(self.width.into()).map(|bytes| {
            let mut id = [0; 8];
            id[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(id)
        })
    }
}

/// A run of bits and the seal.
pub struct Matched<'a> {
    bytes: &'a [u8],
    pub count: usize,
    pub seal: [u8; 16],
}

impl<'a> Matched<'a> {
    pub fn read(reader: &mut Reader<'a>) -> Result<Matched<'a>, Violation> {
        let count = reader.count(0, ENTRIES_MAX)?;
        let bytes = reader.bytes(count.div_ceil(8))?;
        let slack = bytes.last().is_some_and(|last| count % 8 != 0 && last >> (count % 8) != 0);
        if count == 0 || slack {
            return Err(reader.malformed());
        }
        Ok(Matched { bytes, count, seal: reader.array()? })
    }

    pub fn iter(&self) -> impl Iterator<Item = bool> {
        (0..self.count).map(|at| self.bytes[at / 8] & 1 << (at % 8) != 0)
    }
}
