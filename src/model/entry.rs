//! What a path holds: kind, content and metadata. Owns the shape of an entry; says nothing of where it is kept.

use super::digest::Digest;
use super::path::RelPath;

/// The kind of a path. The numbers are part of every format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A regular file.
    File = 1,
    /// A directory.
    Directory = 2,
    /// A symbolic link.
    Symlink = 3,
    /// A named pipe.
    Fifo = 4,
    /// A block device.
    BlockDevice = 5,
    /// A character device.
    CharDevice = 6,
    /// A socket: never transferred, only named.
    Socket = 7,
    /// Something is here, but it could not be read: never taken for absent, nor anything below it.
    Unreadable = 8,
}

impl Kind {
    /// The kind with this number.
    pub const fn from_u8(number: u8) -> Option<Kind> {
        Some(match number {
            1 => Kind::File,
            2 => Kind::Directory,
            3 => Kind::Symlink,
            4 => Kind::Fifo,
            5 => Kind::BlockDevice,
            6 => Kind::CharDevice,
            7 => Kind::Socket,
            8 => Kind::Unreadable,
            _ => return None,
        })
    }
}

/// A point in time: whole seconds since 1970 (may be negative) and nanoseconds within the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub struct Time {
    /// Seconds since 1970-01-01, negative before.
    pub secs: i64,
    /// Nanoseconds, 0..=999,999,999.
    pub nanos: u32,
}

/// An extended attribute: name and value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Xattr {
    /// The name, with its namespace (`user.x`).
    pub name: Box<[u8]>,
    /// The value.
    pub value: Box<[u8]>,
}

/// What few entries have. Kept apart so that the usual entry stays small.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Extra {
    /// Target of a symbolic link, as raw bytes.
    pub target: Option<Box<[u8]>>,
    /// Extended attributes and ACLs (`system.posix_acl_*`), sorted by name.
    pub xattrs: Vec<Xattr>,
    /// The least path of the hard-link group, where the group has more than one path in the tree
    /// (the least member carries its own path).
    pub links: Option<Box<[u8]>>,
    /// Device number of a device node.
    pub device: u64,
    /// Names of the owner and the group on the machine that holds the entry, where known.
    pub owner_name: Option<Box<str>>,
    /// Name of the group.
    pub group_name: Option<Box<str>>,
    /// What the replicas agreed on about the path beside the entry: its writes and their siblings, as
    /// [`super::agreed`] encodes them. Only entries of a replica's memory have it, never those of a directory.
    pub versions: Option<Box<[u8]>>,
}

impl Extra {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Extra::default()
    }
}

/// What a path holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The kind.
    pub kind: Kind,
    /// Permission bits with set-id and sticky bits (`0o7777`); 0 for symbolic links.
    pub mode: u16,
    /// Modification time.
    pub mtime: Time,
    /// Bytes of a regular file; else 0.
    pub size: u64,
    /// BLAKE3 of a regular file's bytes, [`Digest::UNKNOWN`] where never hashed; zero for other kinds.
    pub content: Digest,
    /// Owner's numeric id.
    pub uid: u32,
    /// Group's numeric id.
    pub gid: u32,
    /// What few entries have.
    pub extra: Option<Box<Extra>>,
}

impl Entry {
    /// Target of a symbolic link.
    pub fn target(&self) -> Option<&[u8]> {
        self.extra.as_ref()?.target.as_deref()
    }

    /// The extended attributes, sorted by name.
    pub fn xattrs(&self) -> &[Xattr] {
        self.extra.as_ref().map_or(&[], |extra| &extra.xattrs)
    }

    /// The least path of the hard-link group, if this is one of several names.
    pub fn links(&self) -> Option<&[u8]> {
        self.extra.as_ref()?.links.as_deref()
    }

    /// Whether this is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == Kind::File
    }

    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }
}

/// An entry with its path: what peers exchange about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where.
    pub path: RelPath,
    /// What.
    pub entry: Entry,
}

/// What a stat call said about a path when its content was last read. Equal stamps, old enough, mean equal content.
/// It has no device number: that changes at reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Inode number.
    pub inode: u64,
    /// Size in bytes, as stat says.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Change time.
    pub ctime: Time,
}
