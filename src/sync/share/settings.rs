//! What a share is opened with. Plain values.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::ReplicaId;
use crate::sync::job::{Reading, Writing};

/// What a member does in a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Role {
    /// Writes and takes.
    #[default]
    ReadWrite,
    /// Writes, and takes nothing: what others wrote is not joined, and its disk is never written to.
    Send,
    /// Takes, and writes nothing: what is changed here stays here, until the path changes elsewhere.
    Receive,
}

/// Says whose writes are taken: those of members that may write. Asked for each replica of which something new is heard.
#[derive(Clone)]
pub struct Allowed(Arc<dyn Fn(&ReplicaId) -> bool + Send + Sync>);

impl Allowed {
    /// Asks `rule`.
    pub fn by(rule: impl Fn(&ReplicaId) -> bool + Send + Sync + 'static) -> Allowed {
        Allowed(Arc::new(rule))
    }

    /// Whether writes of this replica are taken.
    pub fn may_write(&self, id: &ReplicaId) -> bool {
        (self.0)(id)
    }
}

impl Default for Allowed {
    /// Everybody may write.
    fn default() -> Allowed {
        Allowed::by(|_| true)
    }
}

impl fmt::Debug for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Allowed")
    }
}

/// What a share is opened with.
#[derive(Debug, Clone)]
pub struct ShareSettings {
    /// The root.
    pub root: PathBuf,
    /// How it is read.
    pub reading: Reading,
    /// How it is written; a dry run makes no share.
    pub writing: Writing,
    /// What this member does.
    pub role: Role,
    /// Whose writes are taken.
    pub allowed: Allowed,
    /// Where this machine keeps what it knows of its roots; `None`: in the user's own place.
    pub state: Option<PathBuf>,
}
