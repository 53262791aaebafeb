//! What this user's machine knows of its replicas, outside of their roots: a root whose memory is gone, or is older than it
//! was, is recognised here. One small file a root, named by the root's path and replaced by rename.
//!
//! ```text
//! file := "alike root 1\n" id (32 hex) " " file system (hex) " " inode (hex) " " counter "\n" path
//! ```
//! Losing it costs the recognition and nothing else.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::places::{Places, RootKey};
use crate::model::ReplicaId;
use crate::model::digest::{Domain, Hasher};

const FIRST_LINE: &str = "alike root 1";

/// What is known of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its replica's id.
    pub id: ReplicaId,
    /// Where the root was.
    pub root: RootKey,
    /// The highest counter that the replica had taken.
    pub counter: u64,
}

/// The file of one root.
#[derive(Debug)]
pub struct Registry {
    file: Option<PathBuf>,
    path: PathBuf,
}

impl Registry {
    /// The file of the root at `path`, resolved, in the user's directory of what must not be deleted lightly.
    pub fn of(path: &Path) -> Registry {
        let state = Places::from_environment().and_then(|places| Some(places.state()?.to_owned()));
        Registry::within(state.as_deref(), path)
    }

    /// The same in another directory; without one nothing is known and nothing noted.
    pub fn within(state: Option<&Path>, path: &Path) -> Registry {
        let mut hasher = Hasher::new(Domain::Index);
        hasher.update(path.as_os_str().as_bytes());
        let name = hasher.finish().to_hex()[..32].to_owned();
        let file = state.map(|state| state.join("roots").join(name));
        Registry { file, path: path.into() }
    }

    /// What is known of the root; `None` for one that was never seen, or where this cannot be read.
    pub fn known(&self) -> Option<Known> {
        let bytes = fs::read(self.file.as_ref()?).ok()?;
        let mut lines = bytes.splitn(3, |&byte| byte == b'\n');
        let (first, second, path) = (lines.next()?, lines.next()?, lines.next()?);
        if first != FIRST_LINE.as_bytes() || path != self.path.as_os_str().as_bytes() {
            return None;
        }
        let mut words = std::str::from_utf8(second).ok()?.split(' ');
        let id = u128::from_str_radix(words.next()?, 16).ok()?;
        let file_system = u64::from_str_radix(words.next()?, 16).ok()?;
        let inode = u64::from_str_radix(words.next()?, 16).ok()?;
        let counter = words.next()?.parse().ok()?;
        Some(Known { id: ReplicaId(id.to_be_bytes()), root: RootKey { file_system, inode }, counter })
    }

    /// Remembers a root.
    pub fn note(&self, known: &Known) -> io::Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| self.known().as_ref() != Some(known)) else { return Ok(()) };
        if let Some(directory) = file.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let Known { id, root, counter } = known;
        let mut bytes = format!("{FIRST_LINE}\n{id} {:x} {:x} {counter}\n", root.file_system, root.inode).into_bytes();
        bytes.extend_from_slice(self.path.as_os_str().as_bytes());
        let staged = file.with_extension(format!("{}", std::process::id()));
        fs::write(&staged, bytes)?;
        fs::rename(&staged, file)
    }
}
