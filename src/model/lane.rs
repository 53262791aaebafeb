//! Which fields of an entry a digest covers. Owns the canonical bytes that are hashed for an entry in a lane.

use super::digest::{Digest, Domain};
use super::entry::{Entry, Extra, Kind, Time};
use super::listing::Row;
use super::path::PathRef;

/// How the bytes of a regular file are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Bytes {
    /// By their digest.
    Digest,
    /// By size and modification time, for `--quick`: nothing is read.
    SizeAndTime,
}

/// A choice of entry fields. Two ends that compare use the same lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Lane {
    /// How file bytes are compared.
    pub bytes: Bytes,
    /// Permission bits.
    pub mode: bool,
    /// Extended attributes and ACLs.
    pub xattrs: bool,
    /// Owner and group.
    pub owner: bool,
    /// Hard-link groups.
    pub links: bool,
    /// The writes that brought the entry about, and its siblings: what replicas compare.
    pub state: bool,
}

impl Lane {
    /// Everything but owners: what two ends compare of which one is not root.
    pub const CONTENT: Lane =
        Lane { bytes: Bytes::Digest, mode: true, xattrs: true, owner: false, links: true, state: false };
    /// Everything: what two ends compare that are both root.
    pub const OWNED: Lane = Lane { owner: true, ..Lane::CONTENT };
    /// Everything, and how it came about: what two replicas compare.
    pub const STATE: Lane = Lane { state: true, ..Lane::OWNED };

    /// One byte that stands for the lane in formats.
    pub const fn to_byte(self) -> u8 {
        let quick = matches!(self.bytes, Bytes::SizeAndTime);
        (quick as u8)
            | (self.mode as u8) << 1
            | (self.xattrs as u8) << 2
            | (self.owner as u8) << 3
            | (self.links as u8) << 4
            | (self.state as u8) << 5
    }

    /// The lane that a byte stands for.
    pub fn from_byte(byte: u8) -> Option<Lane> {
        if byte >= 64 {
            return None;
        }
        let bytes = if byte & 1 != 0 { Bytes::SizeAndTime } else { Bytes::Digest };
        let set = |bit: u8| byte >> bit & 1 == 1;
        Some(Lane { bytes, mode: set(1), xattrs: set(2), owner: set(3), links: set(4), state: set(5) })
    }

    /// The digest of one row. `scratch` is reused between calls.
    pub fn digest_row(self, row: Row<'_>, scratch: &mut Vec<u8>) -> Digest {
        self.message_of_row(row, scratch);
        Digest::of_message(scratch)
    }

    /// Puts the message in `message` of which [`Lane::digest_row`] is the digest.
    pub fn message_of_row(self, row: Row<'_>, message: &mut Vec<u8>) {
        self.encode(row.path(), &Fixed::of(row), row.extra().as_deref(), message);
    }

    /// Puts the message in `message` of which the digest says what stands in a row wherever that is: without its path, and
    /// without hard links, which are told by path.
    pub fn message_of_body(self, row: Row<'_>, message: &mut Vec<u8>) {
        let lane = Lane { links: false, ..self };
        Domain::Outline.open(message);
        lane.encode_fields(PathRef::ROOT, &Fixed::of(row), row.extra().as_deref(), message);
        Domain::close(message);
    }

    /// The digest of an entry at a path: the same as of the row that holds it.
    pub fn digest_entry(self, path: PathRef<'_>, entry: &Entry) -> Digest {
        let mut scratch = Vec::new();
        let fixed = Fixed {
            kind: entry.kind,
            mode: entry.mode,
            mtime: entry.mtime,
            size: entry.size,
            content: entry.content,
            uid: entry.uid,
            gid: entry.gid,
        };
        self.encode(path, &fixed, entry.extra.as_deref(), &mut scratch);
        Digest::of_message(&scratch)
    }

    /// Whether two entries at one path are equal in this lane.
    pub fn equal(self, path: PathRef<'_>, left: &Entry, right: &Entry) -> bool {
        self.digest_entry(path, left) == self.digest_entry(path, right)
    }

    /// An entry as this lane sees it where `agreed` is what the others hold: what is not covered is as it was agreed on.
    /// But for hard links, which are said of all names of a file or of none.
    #[must_use]
    pub fn seen(self, entry: Entry, agreed: &Entry) -> Entry {
        if entry.kind != agreed.kind || self.mode && self.xattrs && self.owner {
            return entry;
        }
        let mut seen = entry;
        if !self.mode {
            seen.mode = agreed.mode;
        }
        if !self.owner {
            (seen.uid, seen.gid) = (agreed.uid, agreed.gid);
        }
        let mut extra = seen.extra.take().map_or_else(Extra::default, |extra| *extra);
        let other = agreed.extra.as_deref().cloned().unwrap_or_default();
        if !self.xattrs {
            extra.xattrs = other.xattrs;
        }
        if !self.owner {
            (extra.owner_name, extra.group_name) = (other.owner_name, other.group_name);
        }
        seen.extra = if extra.is_empty() { None } else { Some(Box::new(extra)) };
        seen
    }

    /// Whether two rows of one path have equal digests, at the cost of a comparison where no extra fields differ.
    /// Compares what `encode_fields` writes.
    pub fn equal_rows(self, left: Row<'_>, right: Row<'_>) -> bool {
        let kind = left.kind();
        if kind != right.kind() {
            return false;
        }
        if kind == Kind::Unreadable {
            return true;
        }
        let bytes = kind != Kind::File
            || left.size() == right.size() && (self.bytes == Bytes::SizeAndTime || left.content() == right.content());
        bytes
            && left.mtime() == right.mtime()
            && (!self.mode || kind == Kind::Symlink || left.mode() == right.mode())
            && (!self.owner || (left.uid(), left.gid()) == (right.uid(), right.gid()))
            && (left.extra_bytes() == right.extra_bytes() || self.equal_extras(left, right))
    }

    /// Whether the covered extra fields of two rows are equal.
    fn equal_extras(self, left: Row<'_>, right: Row<'_>) -> bool {
        let covered = |row: Row<'_>| row.extra().map_or_else(Extra::default, |extra| self.covered(&extra));
        covered(left) == covered(right)
    }

    /// Puts the message of the covered fields in `out`.
    fn encode(self, path: PathRef<'_>, fixed: &Fixed, extra: Option<&Extra>, out: &mut Vec<u8>) {
        Domain::Entry.open(out);
        self.encode_fields(path, fixed, extra, out);
        Domain::close(out);
    }

    /// Appends the canonical bytes of the covered fields. Path and kind say which of the others follow and how long they
    /// are, and no extra field begins with a zero, so the bytes say where they end.
    fn encode_fields(self, path: PathRef<'_>, fixed: &Fixed, extra: Option<&Extra>, out: &mut Vec<u8>) {
        let path = path.as_bytes();
        out.extend_from_slice(&u16::try_from(path.len()).expect("a legal path fits 16 bits").to_le_bytes());
        out.extend_from_slice(path);
        out.push(fixed.kind as u8);
        // What could not be read equals nothing, not even itself on another machine.
        if fixed.kind == Kind::Unreadable {
            return;
        }
        if self.mode && fixed.kind != Kind::Symlink {
            out.extend_from_slice(&fixed.mode.to_le_bytes());
        }
        out.extend_from_slice(&fixed.mtime.secs.to_le_bytes());
        out.extend_from_slice(&fixed.mtime.nanos.to_le_bytes());
        if fixed.kind == Kind::File {
            out.extend_from_slice(&fixed.size.to_le_bytes());
            if self.bytes == Bytes::Digest {
                out.extend_from_slice(&fixed.content.0);
            }
        }
        if self.owner {
            out.extend_from_slice(&fixed.uid.to_le_bytes());
            out.extend_from_slice(&fixed.gid.to_le_bytes());
        }
        if let Some(extra) = extra {
            self.covered(extra).encode(out);
        }
    }

    /// The extra fields that this lane covers.
    fn covered(self, extra: &Extra) -> Extra {
        Extra {
            target: extra.target.clone(),
            xattrs: if self.xattrs { extra.xattrs.clone() } else { Vec::new() },
            links: if self.links { extra.links.clone() } else { None },
            device: extra.device,
            // Names follow from the ids on each machine; ids are what is compared.
            owner_name: None,
            group_name: None,
            versions: if self.state { extra.versions.clone() } else { None },
        }
    }
}

/// The fields that every entry has.
struct Fixed {
    kind: Kind,
    mode: u16,
    mtime: Time,
    size: u64,
    content: Digest,
    uid: u32,
    gid: u32,
}

impl Fixed {
    fn of(row: Row<'_>) -> Fixed {
        Fixed {
            kind: row.kind(),
            mode: row.mode(),
            mtime: row.mtime(),
            size: row.size(),
            content: row.content(),
            uid: row.uid(),
            gid: row.gid(),
        }
    }
}
