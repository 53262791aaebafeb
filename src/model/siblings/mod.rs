//! What the replicas agree on about one path: its concurrent versions, each under the dot of its write. Owns the set and
//! its canonical bytes; which of them survive a meeting is [`super::join`]'s, what they look like on disk
//! [`super::project`]'s.
//!
//! ```text
//! siblings := version *                                                       ascending by dot; little endian
//! version  := replica [16] | counter u64 | kind u8 | replaced u8 | mode u16 | mtime nanos u32 | mtime seconds i64
//!             | size u64 | uid u32 | gid u32 | [content [32], of a file] | extra bytes u32 | extra | past * replaced
//! past     := content [32] | mode u16 | attributes u64
//! ```
//! Start at [`Siblings`].

use super::digest::{Digest, Domain};
use super::dot::Dot;
use super::entry::{Entry, Xattr};

mod codec;

/// The most versions of one path that [`Siblings::decode`] takes.
pub const SIBLINGS_MAX: usize = 1 << 12;
/// How many replaced contents a version remembers.
pub const REPLACED_MAX: usize = 8;

/// One write that nobody has replaced yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The name of the write.
    pub dot: Dot,
    /// What was written.
    pub entry: Entry,
    /// What it replaced, the last first, at most [`REPLACED_MAX`]. Empty for a file that was new, and for all but files.
    pub replaced: Vec<Replaced>,
}

/// A file's content and metadata that a later write replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// Its bytes.
    pub content: Digest,
    /// Its permission bits.
    pub mode: u16,
    /// A digest of its extended attributes, cut to 64 bits; 0 for none.
    pub attributes: u64,
}

impl Replaced {
    /// What a write on top of `entry` replaces.
    pub fn of(entry: &Entry) -> Replaced {
        Replaced { content: entry.content, mode: entry.mode, attributes: attributes(entry.xattrs()) }
    }
}

/// A digest of extended attributes, cut to 64 bits; 0 for none. It tells only whether a write left them as they were.
pub(super) fn attributes(xattrs: &[Xattr]) -> u64 {
    if xattrs.is_empty() {
        return 0;
    }
    let mut message = Vec::new();
    Domain::View.open(&mut message);
    for part in xattrs.iter().flat_map(|xattr| [&xattr.name, &xattr.value]) {
        message.extend_from_slice(&(part.len() as u64).to_le_bytes());
        message.extend_from_slice(part);
    }
    Domain::close(&mut message);
    let digest = Digest::of_message(&message).0;
    digest[..8].iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The concurrent versions of one path, ascending by dot; at most one a dot. None: the path is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Siblings {
    versions: Vec<Version>,
}

impl Siblings {
    /// No version.
    pub const fn new() -> Siblings {
        Siblings { versions: Vec::new() }
    }

    /// Whether there is no version.
    pub const fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Number of versions.
    pub const fn len(&self) -> usize {
        self.versions.len()
    }

    /// The versions, ascending by dot.
    pub fn iter(&self) -> std::slice::Iter<'_, Version> {
        self.versions.iter()
    }

    /// The version of this dot.
    pub fn version(&self, dot: Dot) -> Option<&Version> {
        self.find(dot).ok().map(|at| &self.versions[at])
    }

    /// Adds a version; one that had its dot gives way.
    pub fn insert(&mut self, version: Version) {
        if self.versions.is_empty() {
            // Nearly all paths have one; room for four of 128 bytes is what a vector takes, and a first meeting holds all twice.
            self.versions.reserve_exact(1);
        }
        match self.find(version.dot) {
            Ok(at) => self.versions[at] = version,
            Err(at) => self.versions.insert(at, version),
        }
    }

    /// Takes out the version of this dot.
    pub fn remove(&mut self, dot: Dot) -> Option<Version> {
        self.find(dot).ok().map(|at| self.versions.remove(at))
    }

    fn find(&self, dot: Dot) -> Result<usize, usize> {
        self.versions.binary_search_by(|version| version.dot.cmp(&dot))
    }
}

impl<'a> IntoIterator for &'a Siblings {
    type Item = &'a Version;
    type IntoIter = std::slice::Iter<'a, Version>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dot::ReplicaId;
    use crate::model::entry::{Extra, Kind, Time};

    fn version(replica: u8, counter: u64, kind: Kind, extra: Option<Box<Extra>>) -> Version {
        let is_file = kind == Kind::File;
        let content = if is_file { Digest([replica; 32]) } else { Digest::UNKNOWN };
        let mtime = Time { secs: -3, nanos: 999_999_999 };
        let entry = Entry { kind, mode: 0o640, mtime, size: u64::from(is_file), content, uid: 1, gid: 2, extra };
        let replaced = if is_file { vec![Replaced::of(&entry); 2] } else { Vec::new() };
        Version { dot: Dot { replica: ReplicaId([replica; 16]), counter }, entry, replaced }
    }

    fn some() -> Siblings {
        let link = Some(Box::new(Extra { target: Some((*b"x/y").into()), ..Extra::default() }));
        let mut siblings = Siblings::new();
        siblings.insert(version(2, 1, Kind::Directory, None));
        siblings.insert(version(1, 9, Kind::File, None));
        siblings.insert(version(1, 2, Kind::Symlink, link));
        siblings
    }

    #[test]
    fn versions_are_sorted_and_have_one_dot_each() {
        let mut siblings = some();
        assert!(siblings.iter().is_sorted_by_key(|version| version.dot));
        siblings.insert(version(1, 9, Kind::Fifo, None));
        assert_eq!(siblings.len(), 3);
        let dot = version(1, 9, Kind::Fifo, None).dot;
        assert_eq!(siblings.remove(dot).map(|version| version.entry.kind), Some(Kind::Fifo));
        assert_eq!((siblings.len(), siblings.version(dot)), (2, None));
    }

    #[test]
    fn only_canonical_bytes_decode() {
        let siblings = some();
        let mut bytes = Vec::new();
        siblings.encode(&mut bytes);
        assert_eq!(Siblings::decode(&bytes), Some(siblings));
        assert_eq!(Siblings::decode(&[]), Some(Siblings::new()));
        let canonical = |bytes: &[u8]| {
            if let Some(other) = Siblings::decode(bytes) {
                let mut again = Vec::new();
                other.encode(&mut again);
                assert_eq!(again, bytes);
            }
        };
        for at in 0..bytes.len() {
            canonical(&bytes[..at]);
            for bit in 0..8 {
                let mut bent = bytes.clone();
                bent[at] ^= 1 << bit;
                canonical(&bent);
            }
        }
    }
}
