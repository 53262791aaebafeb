//! The bytes of siblings. Decoding survives arbitrary bytes and refuses everything but the canonical form.

use super::{REPLACED_MAX, Replaced, SIBLINGS_MAX, Siblings, Version};
use crate::model::digest::Digest;
use crate::model::dot::{Dot, ReplicaId};
use crate::model::entry::{Entry, Extra, Kind, Time};

impl Siblings {
    /// Appends the canonical bytes; none for no version.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.versions.iter().for_each(|version| put_version(out, version));
    }

    /// Reads canonical bytes, at most [`SIBLINGS_MAX`] versions; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Siblings> {
        let (mut rest, mut versions) = (bytes, Vec::<Version>::new());
        while !rest.is_empty() {
            let version = take_version(&mut rest)?;
            if versions.len() == SIBLINGS_MAX || versions.last().is_some_and(|last| last.dot >= version.dot) {
                return None;
            }
            versions.push(version);
        }
        Some(Siblings { versions })
    }
}

fn put_version(out: &mut Vec<u8>, version: &Version) {
    let Version { dot, entry, replaced } = version;
    let replaced = &replaced[..replaced.len().min(REPLACED_MAX)];
    out.extend_from_slice(&dot.replica.0);
    out.extend_from_slice(&dot.counter.to_le_bytes());
    out.extend_from_slice(&[entry.kind as u8, replaced.len() as u8]);
    out.extend_from_slice(&entry.mode.to_le_bytes());
    out.extend_from_slice(&entry.mtime.nanos.to_le_bytes());
    out.extend_from_slice(&entry.mtime.secs.to_le_bytes());
    out.extend_from_slice(&entry.size.to_le_bytes());
    out.extend_from_slice(&entry.uid.to_le_bytes());
    out.extend_from_slice(&entry.gid.to_le_bytes());
    if entry.kind == Kind::File {
        out.extend_from_slice(&entry.content.0);
    }
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    if let Some(extra) = &entry.extra {
        extra.encode(out);
    }
    let bytes = u32::try_from(out.len() - length_at - 4).expect("kernel limits keep extra fields far below 4 GiB");
    out[length_at..length_at + 4].copy_from_slice(&bytes.to_le_bytes());
    for past in replaced {
        out.extend_from_slice(&past.content.0);
        out.extend_from_slice(&past.mode.to_le_bytes());
        out.extend_from_slice(&past.attributes.to_le_bytes());
    }
}

fn take_version(rest: &mut &[u8]) -> Option<Version> {
    let dot = Dot { replica: ReplicaId(take(rest)?), counter: u64::from_le_bytes(take(rest)?) };
    let [kind, replaced] = take(rest)?;
    let kind = Kind::from_u8(kind).filter(|&kind| kind != Kind::Unreadable)?;
    let mode = u16::from_le_bytes(take(rest)?);
    let nanos = u32::from_le_bytes(take(rest)?);
    let mtime = Time { secs: i64::from_le_bytes(take(rest)?), nanos };
    let size = u64::from_le_bytes(take(rest)?);
    let (uid, gid) = (u32::from_le_bytes(take(rest)?), u32::from_le_bytes(take(rest)?));
    let content = if kind == Kind::File { Digest(take(rest)?) } else { Digest::UNKNOWN };
    let extra = take_extra(rest)?;
    let legal = dot.counter >= 1
        && mode <= 0o7777
        && nanos < 1_000_000_000
        && (kind == Kind::File || size == 0)
        && usize::from(replaced) <= REPLACED_MAX;
    if !legal {
        return None;
    }
    let replaced = (0..replaced).map(|_| take_replaced(rest)).collect::<Option<Vec<_>>>()?;
    Some(Version { dot, entry: Entry { kind, mode, mtime, size, content, uid, gid, extra }, replaced })
}

fn take_extra(rest: &mut &[u8]) -> Option<Option<Box<Extra>>> {
    let bytes = u32::from_le_bytes(take(rest)?) as usize;
    let (extra, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    if extra.is_empty() { Some(None) } else { Extra::decode(extra).map(|extra| Some(Box::new(extra))) }
}

fn take_replaced(rest: &mut &[u8]) -> Option<Replaced> {
    let content = Digest(take(rest)?);
    let mode = u16::from_le_bytes(take(rest)?);
    (mode <= 0o7777).then_some(Replaced { content, mode, attributes: u64::from_le_bytes(take(rest)?) })
}

fn take<const BYTES: usize>(rest: &mut &[u8]) -> Option<[u8; BYTES]> {
    let (head, after) = rest.split_first_chunk::<BYTES>()?;
    *rest = after;
    Some(*head)
}
