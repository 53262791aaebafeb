//! What one stat call says about a path, in the words of the model. Owns the conversion; decides nothing.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags, FileType, Statx, StatxFlags};
use rustix::path::Arg;

use crate::model::{Kind, Stamp, Time};

/// What one stat call says about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The kind; never [`Kind::Unreadable`].
    pub kind: Kind,
    /// Permission bits; 0 for symbolic links.
    pub mode: u16,
    /// Number of names.
    pub names: u64,
    /// Owner's numeric id.
    pub uid: u32,
    /// Group's numeric id.
    pub gid: u32,
    /// Device number of the file system, as of now.
    pub device: u64,
    /// Device number of a device node; else 0.
    pub node: u64,
    /// Inode, times, and the size where this is a regular file (else 0).
    pub stamp: Stamp,
}

/// What the walk asks of the kernel: no access time, no blocks, no birth time.
const MASK: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::UID)
    .union(StatxFlags::GID)
    .union(StatxFlags::INO)
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME);

impl Status {
    /// Of `name` in `parent`, without following a link or waking an automount.
    pub fn at(parent: impl AsFd, name: impl Arg) -> io::Result<Status> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        Ok(Status::from(&fs::statx(parent, name, flags, MASK)?))
    }

    /// Of an opened file or directory.
    pub fn of(handle: impl AsFd) -> io::Result<Status> {
        Ok(Status::from(&fs::statx(handle, c"", AtFlags::EMPTY_PATH, MASK)?))
    }

    /// Of an opened file: only its stamp.
    pub fn stamp(file: &File) -> io::Result<Stamp> {
        Status::of(file).map(|status| status.stamp)
    }
}

impl From<&Statx> for Status {
    fn from(stat: &Statx) -> Status {
        let kind = kind_of(FileType::from_raw_mode(u32::from(stat.stx_mode)));
        let symlink = kind == Kind::Symlink;
        let node = matches!(kind, Kind::BlockDevice | Kind::CharDevice);
        let time = |stamp: &fs::StatxTimestamp| Time { secs: stamp.tv_sec, nanos: stamp.tv_nsec };
        Status {
            kind,
            mode: if symlink { 0 } else { stat.stx_mode & 0o7777 },
            names: u64::from(stat.stx_nlink),
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            device: fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            node: if node { fs::makedev(stat.stx_rdev_major, stat.stx_rdev_minor) } else { 0 },
            stamp: Stamp {
                inode: stat.stx_ino,
                size: if kind == Kind::File { stat.stx_size } else { 0 },
                mtime: time(&stat.stx_mtime),
                ctime: time(&stat.stx_ctime),
            },
        }
    }
}

/// A file type that the kernel may add one day is a socket to us: named, never transferred.
fn kind_of(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::Socket | FileType::Unknown => Kind::Socket,
    }
}
