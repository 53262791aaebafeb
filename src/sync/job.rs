//! What is asked of a job, after the command line has been understood. Plain values; no defaults are decided here.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::line::Line;

pub use crate::disk::target::Fsync;
use crate::model::plan::guard::Limit;
pub use crate::model::resolve::Keep;
pub use crate::net::{Congestion, Pace};
pub use crate::proto::message::Compress;

/// Where a root is.
#[derive(Debug, Clone)]
pub enum Location {
    /// On this machine.
    Local(PathBuf),
    /// On another one.
    Remote {
        /// Which, and how it is reached.
        host: Host,
        /// The path there. Through ssh, relative to the home directory where it does not start with a slash; with a member, below
        /// the share's root.
        path: PathBuf,
    },
}

/// Another machine.
#[derive(Debug, Clone)]
pub enum Host {
    /// `[user@]host`, which ssh reaches.
    Ssh(String),
    /// A member of a share, which the daemon of this machine reaches.
    Member {
        /// `alike://MEMBER/SHARE`, as the user wrote it.
        shown: String,
        /// The line that the daemon made.
        line: Line,
    },
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ssh(host) => out.write_str(host),
            Host::Member { shown, .. } => out.write_str(shown),
        }
    }
}

/// How ssh is called and what is called on the far side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The ssh command, split as a shell would.
    pub command: String,
    /// The program on the far side.
    pub program: String,
    /// Without progress for this long the peer counts as lost; `None`: the default of 30 s for a silent connection.
    pub timeout: Option<Duration>,
    /// How content is packed; `None`: fast, and not at all on one machine.
    pub compress: Option<Compress>,
    /// How fast either side may send.
    pub pace: Pace,
}

/// How a root is read: the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Reading {
    /// gitignore lines of `--exclude`, `--include` (as `!line`) and `--exclude-from`, in the order given.
    pub filter: Vec<String>,
    /// Obey no ignore file.
    pub everything: bool,
    /// Stay on the root's file system.
    pub one_file_system: bool,
    /// Ignore stamps once: read every file.
    pub checksum: bool,
    /// Compare size and modification time; read nothing that was never hashed.
    pub quick: bool,
    /// Whether `mode`, `xattrs`, `owner` and `links` are wanted.
    pub fidelity: Fidelity,
}

/// Which metadata is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fidelity {
    /// Permission bits.
    pub mode: bool,
    /// Extended attributes and ACLs.
    pub xattrs: bool,
    /// Owner and group; kept only where both ends are root.
    pub owner: bool,
    /// Hard links.
    pub links: bool,
    /// Fifos and devices (`-D`).
    pub devices: bool,
}

impl Default for Fidelity {
    fn default() -> Fidelity {
        Fidelity { mode: true, xattrs: true, owner: true, links: true, devices: false }
    }
}

/// How a target is written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Writing {
    /// Compare only: change nothing.
    pub dry_run: bool,
    /// Leave what only the target has.
    pub keep_extra: bool,
    /// How many deletes are meant.
    pub limit: Limit,
    /// Keep what is replaced or deleted in the trash.
    pub trash: bool,
    /// Put it here instead at the end of the run; a relative path starts at the target.
    pub backup: Option<PathBuf>,
    /// Delete what is left out as well.
    pub delete_excluded: bool,
    /// Make what is missing above the target.
    pub make_parents: bool,
    /// How durability is paid for.
    pub fsync: Fsync,
}

impl Default for Writing {
    fn default() -> Writing {
        Writing {
            dry_run: false,
            keep_extra: false,
            limit: Limit::Default,
            trash: true,
            backup: None,
            delete_excluded: false,
            make_parents: false,
            fsync: Fsync::Batch,
        }
    }
}

/// `alike mirror SOURCE TARGET`, or with [`Writing::dry_run`] `alike diff --mirror SOURCE TARGET`.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// Never written to.
    pub source: Location,
    /// Made equal to the source.
    pub target: Location,
    /// For whichever of them is remote.
    pub remote: Remote,
    /// How both are read.
    pub reading: Reading,
    /// How the target is written.
    pub writing: Writing,
    /// Whether the index caches are written; read they are always.
    pub cache: bool,
}

/// `alike sync LEFT RIGHT`, or with [`Writing::dry_run`] `alike diff LEFT RIGHT`.
#[derive(Debug, Clone)]
pub struct Sync {
    /// One replica.
    pub left: Location,
    /// The other.
    pub right: Location,
    /// For whichever of them is remote.
    pub remote: Remote,
    /// How both are read.
    pub reading: Reading,
    /// How both are written.
    pub writing: Writing,
    /// Which side of a conflict wins; `None` keeps every version.
    pub prefer: Option<Prefer>,
}

/// `--prefer`: which version of a conflict wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// The one of the greatest modification time.
    Newest,
    /// The one that the left root shows.
    Left,
    /// The one that the right root shows.
    Right,
}

/// `alike conflicts DIR`.
#[derive(Debug, Clone)]
pub struct Conflicts {
    /// The root of a replica.
    pub root: PathBuf,
}

/// `alike resolve DIR PATTERN --keep ...`.
#[derive(Debug, Clone)]
pub struct Resolve {
    /// The root of a replica.
    pub root: PathBuf,
    /// A path as it is, or a gitignore pattern.
    pub pattern: OsString,
    /// What stays.
    pub keep: Keep,
    /// How the root is written.
    pub writing: Writing,
}

/// `alike log DIR [PATH]`.
#[derive(Debug, Clone)]
pub struct Log {
    /// The root of a replica.
    pub root: PathBuf,
    /// A path in it; `None` for all.
    pub path: Option<PathBuf>,
}

impl Reading {
    /// How the target of a mirror is read: what is left out is to be seen where it shall be deleted.
    pub fn of_target(&self, writing: &Writing) -> Reading {
        match writing.delete_excluded {
            true => Reading { filter: Vec::new(), everything: true, ..self.clone() },
            false => self.clone(),
        }
    }
}

/// `alike verify DIR`.
#[derive(Debug, Clone)]
pub struct Verify {
    /// The root.
    pub root: PathBuf,
    /// How it is read.
    pub reading: Reading,
    /// Whether the index cache is written, of a root that is no replica.
    pub cache: bool,
}

/// `alike index DIR`.
#[derive(Debug, Clone)]
pub struct Index {
    /// The root.
    pub root: PathBuf,
    /// How it is read.
    pub reading: Reading,
    /// Whether the index cache is written.
    pub cache: bool,
    /// What a replica remembers is moved aside first.
    pub forget: bool,
}
