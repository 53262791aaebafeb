//! BLAKE3 digests, one hash domain a kind of thing. With [`super::batch`] and [`super::chunk::block`] it owns every
//! use of BLAKE3 in the crate.

use std::fmt;

/// A BLAKE3 digest of 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Stands for content whose digest is not known.
    pub const UNKNOWN: Digest = Digest([0; 32]);

    /// The digest of a file's bytes.
    pub fn of_content(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of a large file's bytes, on all cores.
    pub fn of_content_parallel(bytes: &[u8]) -> Digest {
        Digest(*blake3::Hasher::new().update_rayon(bytes).finalize().as_bytes())
    }

    /// The digest of a message that [`Domain::open`] began and [`Domain::close`] ended.
    pub fn of_message(message: &[u8]) -> Digest {
        Digest(*blake3::hash(message).as_bytes())
    }

    /// The bytes in lower-case hexadecimal.
    pub fn to_hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex()[..12])
    }
}

/// What is being hashed; each has a domain of its own, so that no digest of one can pass for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// One entry in one lane.
    Entry,
    /// A leaf node of the tree.
    Leaf,
    /// An inner node of the tree.
    Inner,
    /// The top of the tree.
    Top,
    /// The file format of the index (its checksum).
    Index,
    /// What two peers derive within one conversation.
    Session,
    /// Which version of a path stands under a name beside it.
    View,
    /// What a replica wrote when, in short.
    Story,
    /// A node over chunks of one file.
    Chunks,
    /// A directory and all below it, but for where it stands.
    Outline,
}

/// Bytes of one block of BLAKE3.
pub const BLOCK_BYTES: usize = 64;

impl Domain {
    /// Begins a message of this domain in `message`, which is emptied first.
    pub fn open(self, message: &mut Vec<u8>) {
        message.clear();
        message.extend_from_slice(self.tag());
    }

    /// Ends a message: zeros up to whole blocks, so that messages of one length can be hashed side by side. What is
    /// hashed must say itself where it ends.
    pub fn close(message: &mut Vec<u8>) {
        message.resize(message.len().next_multiple_of(BLOCK_BYTES), 0);
    }

    const fn tag(self) -> &'static [u8; 16] {
        match self {
            Domain::Entry => b"alike/1 entry   ",
            Domain::Leaf => b"alike/1 leaf    ",
            Domain::Inner => b"alike/1 inner   ",
            Domain::Top => b"alike/1 top     ",
            Domain::Index => b"alike/1 index   ",
            Domain::Session => b"alike/1 session ",
            Domain::View => b"alike/1 view    ",
            Domain::Story => b"alike/1 story   ",
            Domain::Chunks => b"alike/1 chunks  ",
            Domain::Outline => b"alike/1 outline ",
        }
    }
}

/// Hashes a stream of bytes in one domain; or, with [`Hasher::content`], a file's bytes.
#[derive(Debug, Clone)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts a hash in `domain`. The tag is hashed in front: it is as safe as a key here and costs no key schedule.
    pub fn new(domain: Domain) -> Hasher {
        let mut hasher = blake3::Hasher::new();
        hasher.update(domain.tag());
        Hasher(hasher)
    }

    /// Starts the plain BLAKE3 hash of a file's bytes, the same that `b3sum` prints.
    pub fn content() -> Hasher {
        Hasher(blake3::Hasher::new())
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Hasher {
        self.0.update(bytes);
        self
    }

    /// Adds many bytes, on all cores.
    pub fn update_parallel(&mut self, bytes: &[u8]) -> &mut Hasher {
        self.0.update_rayon(bytes);
        self
    }

    /// Ends the hash.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}
