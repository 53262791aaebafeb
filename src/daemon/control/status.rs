//! How everything stands, as `status` tells it: plain values, the same as text, as JSON and on the page.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::daemon::config::{Role, ShareName};

/// The daemon and its shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon itself.
    pub daemon: DaemonNow,
    /// Each share, in the order of their names.
    pub shares: Vec<ShareNow>,
}

/// The daemon itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DaemonNow {
    /// How this device calls itself.
    pub name: String,
    /// Its key.
    pub key: String,
    /// Its version of alike.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Where others reach it.
    pub addresses: Vec<SocketAddr>,
    /// Since when it runs.
    pub uptime_s: u64,
    /// Bytes a second that may be sent now; `None`: as many as go.
    #[serde(default)]
    pub bwlimit: Option<u64>,
    /// Bytes of UDP payload to everybody.
    pub sent: u64,
    /// Bytes of UDP payload from everybody.
    pub received: u64,
    /// Devices that called and are no members.
    pub pending: Vec<StrangerNow>,
    /// Why the configuration on disk is not the one in use.
    pub config_problem: Option<String>,
    /// What of the configuration counts only once the daemon is started anew.
    #[serde(default)]
    pub config_waits: Option<String>,
}

/// A device that called and is no member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrangerNow {
    /// Its key.
    pub key: String,
    /// Where it called from.
    pub address: SocketAddr,
    /// So long ago.
    pub ago_s: u64,
}

/// What a share is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// It is being opened, or looked at for the first time.
    Opening,
    /// Nothing is to be done, and nothing is known that would differ.
    Resting,
    /// It looks, meets or puts things in place.
    Working,
    /// Something is to be done that cannot be done now.
    Waiting,
    /// It was paused.
    Paused,
    /// A command has the root.
    Lent,
    /// It cannot be opened.
    Failed,
}

/// One share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShareNow {
    /// Its name here.
    pub name: ShareName,
    /// Its name among all there are.
    pub id: String,
    /// Its root.
    pub root: PathBuf,
    /// What this device does with it.
    pub role: Role,
    /// What it is at.
    pub at: At,
    /// Whether all members are known to show the same as this one.
    pub alike: bool,
    /// Whether all members that are alive are.
    pub alike_live: bool,
    /// Why it is not alike, a sentence a reason.
    pub why: Vec<String>,
    /// Top of the tree of all that is agreed on.
    pub top: String,
    /// Digest of all writes seen.
    pub knowledge: String,
    /// Number of paths agreed on.
    pub entries: u64,
    /// Bytes of the files on disk.
    pub bytes: u64,
    /// Paths that the disk does not show yet as agreed on; `None` where that is being found out.
    pub wanted: Option<u64>,
    /// Conflict copies.
    pub conflicts: u64,
    /// Deletes that wait for `alike approve`.
    pub held: Vec<ProblemNow>,
    /// What the last look could not read, and the last install could not do.
    pub problems: Vec<ProblemNow>,
    /// All members, this device first.
    pub members: Vec<MemberNow>,
    /// What is watched.
    pub watch: WatchNow,
    /// Changes here that reach nobody, as this device only receives.
    #[serde(default)]
    pub local: Vec<String>,
    /// Files whose bytes changed though nobody wrote them, and that were not put right yet.
    #[serde(default)]
    pub rotten: Vec<String>,
    /// Seconds since the root was looked at.
    pub looked_s: Option<u64>,
    /// How long that took.
    pub look_ms: u64,
    /// Meetings that ended well.
    pub rounds: u64,
    /// Meetings that failed.
    pub failed_rounds: u64,
    /// Round trips of all of them.
    pub round_trips: u64,
    /// Bytes that were said and heard in all of them.
    #[serde(default)]
    pub meeting_bytes: u64,
    /// Files put in place since the daemon began.
    pub files: u64,
    /// Bytes of their content that came over the network.
    pub content_bytes: u64,
    /// Bytes that were read again since the daemon began, to see whether they are what was written.
    #[serde(default)]
    pub scrubbed_bytes: u64,
    /// Files that were found rotten then.
    #[serde(default)]
    pub rotted: u64,
    /// Bytes of content a second, of late.
    pub rate: u64,
}

/// A path that failed, or is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemNow {
    /// The path, as text.
    pub path: String,
    /// What is wrong.
    pub cause: String,
}

/// Whether a member can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// It is this device.
    Own,
    /// There is a connection to it.
    Alive,
    /// It does not answer, or others say so; it may be back at once.
    Suspect,
    /// It is not reached.
    Down,
}

/// One member of a share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberNow {
    /// How it calls itself.
    pub name: String,
    /// Its key.
    pub key: String,
    /// What it may do.
    pub role: Role,
    /// Whether it can be reached.
    pub state: Liveness,
    /// Where it is.
    pub address: Option<SocketAddr>,
    /// The round trip.
    pub rtt_ms: Option<f64>,
    /// Seconds since it was heard of.
    pub seen_s: Option<u64>,
    /// Whether it holds the same; `None` where that is not known.
    pub alike: Option<bool>,
    /// Paths that its disk does not show yet, as it says.
    pub wanted: Option<u64>,
    /// Why it cannot be reached.
    pub why: Option<String>,
    /// Bytes of UDP payload to it.
    pub sent: u64,
    /// Bytes of UDP payload from it.
    pub received: u64,
}

/// What is watched of a share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WatchNow {
    /// Whether changes are seen as they happen.
    pub watching: bool,
    /// Directories that are watched.
    pub directories: u64,
    /// Why not everything is.
    pub problem: Option<String>,
}

/// The most problems of a share that are told.
pub const PROBLEMS_MAX: usize = 100;
