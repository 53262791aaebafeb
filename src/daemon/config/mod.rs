//! What the user configured: the file `config.toml`, understood. Its form is written down in [`mod@file`], its edits by commands
//! are [`edit`]'s; a key that nobody knows is refused with its line, for a typing error must not switch anything off silently.

pub mod duration;
pub mod edit;
pub mod file;
pub mod name;
pub mod place;
pub mod timetable;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use name::ShareName;
pub use timetable::Timetable;

pub use crate::net::node::PORT;
/// Each share meets a member about this often.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// Each share is looked at whole this often, whatever is watched.
pub const RESCAN: Duration = Duration::from_secs(3600);

/// All files of a share are read again within this time.
pub const SCRUB: Duration = Duration::from_secs(30 * 24 * 3600);

/// All that is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where UDP packets are taken.
    pub listen: SocketAddr,
    /// Whether members on the local network are looked for.
    pub mdns: bool,
    /// The loopback port of figures and the status page.
    pub metrics: Option<u16>,
    /// How often a share meets a member, about.
    pub interval: Duration,
    /// How often a share is looked at whole.
    pub rescan: Duration,
    /// Within how long all files of a share are read again; `None`: never.
    pub scrub: Option<Duration>,
    /// How much may be sent, by the time of day.
    pub bwlimit: Timetable,
    /// Programs that are told of what happened.
    pub hooks: Hooks,
    /// How this machine is called among members.
    pub name: Option<String>,
    /// The shares.
    pub shares: BTreeMap<ShareName, Shared>,
}

/// Commands that a shell runs; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// After a look or a meeting has found a conflict that was not there before.
    pub on_conflict: Option<String>,
    /// After something was put in place.
    pub after_sync: Option<String>,
}

/// One share as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Its root.
    pub root: PathBuf,
    /// What this machine does with it.
    pub role: Role,
    /// Whether it rests.
    pub paused: bool,
}

/// What a member does with a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub enum Role {
    /// Takes changes and makes them.
    #[default]
    #[serde(rename = "rw")]
    ReadWrite,
    /// Makes changes and takes none.
    #[serde(rename = "send")]
    Send,
    /// Takes changes; its own reach nobody.
    #[serde(rename = "receive")]
    Receive,
}

impl Role {
    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Role::ReadWrite => "rw",
            Role::Send => "send",
            Role::Receive => "receive",
        }
    }

    /// Whether its writes count.
    pub const fn may_write(self) -> bool {
        matches!(self, Role::ReadWrite | Role::Send)
    }
}

impl From<Role> for crate::sync::share::Role {
    fn from(role: Role) -> crate::sync::share::Role {
        match role {
            Role::ReadWrite => crate::sync::share::Role::ReadWrite,
            Role::Send => crate::sync::share::Role::Send,
            Role::Receive => crate::sync::share::Role::Receive,
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.word())
    }
}

impl std::str::FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Role, &'static str> {
        let roles = [Role::ReadWrite, Role::Send, Role::Receive];
        roles.into_iter().find(|role| role.word() == text).ok_or("it takes rw, send or receive")
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither `XDG_CONFIG_HOME` nor `HOME` says where it is.
    #[error("no place for the configuration: neither XDG_CONFIG_HOME nor HOME is set")]
    NoPlace,
    /// It cannot be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It cannot be written.
    #[error("cannot write the configuration `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It says what makes no sense.
    #[error("line {line} of the configuration `{}` makes no sense: {message}", path.display())]
    Nonsense {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A share of this name is there already.
    #[error("there is a share `{0}` already")]
    Taken(ShareName),
    /// No share has this name.
    #[error("there is no share `{0}`")]
    Unknown(ShareName),
    /// Another share has this root, or one inside or around it.
    #[error("`{}` is, lies in or holds `{}`, the root of the share `{share}`", root.display(), theirs.display())]
    Nested {
        /// The root that was to be added.
        root: PathBuf,
        /// The one that is there.
        theirs: PathBuf,
        /// Whose it is.
        share: ShareName,
    },
    /// A command cannot make the edit without touching what else the file says.
    #[error("cannot edit the configuration `{}` without changing more than is meant", .0.display())]
    Tangled(PathBuf),
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), PORT),
            mdns: true,
            metrics: None,
            interval: INTERVAL,
            rescan: RESCAN,
            scrub: Some(SCRUB),
            bwlimit: Timetable::default(),
            hooks: Hooks::default(),
            name: None,
            shares: BTreeMap::new(),
        }
    }
}
