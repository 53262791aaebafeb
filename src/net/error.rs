//! Errors of a link. Every one names the peer; what the peer itself said is the source, so that a terminal prints it as the cause.

use std::io;
use std::time::Duration;

/// What somebody else said or did, as the source of an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cause(pub String);

/// Why a peer cannot be reached, or why a link or a stream ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command that reaches the peer is no command (exit 2).
    #[error("cannot read the command `{command}`")]
    Command {
        /// As the user gave it.
        command: String,
        /// What is wrong with it.
        source: Cause,
    },
    /// The command that reaches the peer cannot be run (exit 35).
    #[error("cannot run `{command}` to reach {peer}")]
    Spawn {
        /// Whom we wanted.
        peer: String,
        /// The program.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// The peer's machine answered, but `alike` did not start there (exit 35).
    #[error("cannot start `{program}` on {peer}")]
    Start {
        /// The machine.
        peer: String,
        /// What was to run there.
        program: String,
        /// What the far side printed, or its exit status.
        source: Cause,
    },
    /// The peer speaks another version (exit 12).
    #[error("{peer} speaks version {theirs} of the protocol, and we speak version {ours}")]
    Version {
        /// Who.
        peer: String,
        /// Our version.
        ours: u32,
        /// Theirs.
        theirs: u32,
    },
    /// The peer cannot be reached (exit 35).
    #[error("cannot reach {peer}")]
    Unreachable {
        /// Whom we wanted.
        peer: String,
        /// What ssh or the system said.
        source: Cause,
    },
    /// The peer was there and is gone (exit 10).
    #[error("lost {peer}")]
    Lost {
        /// Who.
        peer: String,
        /// How it showed.
        source: Cause,
    },
    /// The peer is done with the link, and opens no more streams. The usual end of a conversation, for the side that waits for it.
    #[error("{peer} closed the link")]
    Closed {
        /// Who.
        peer: String,
    },
    /// Nothing moved for too long (exit 30).
    #[error("no answer from {peer} for {} s", after.as_secs_f32())]
    TimedOut {
        /// Who.
        peer: String,
        /// How long we waited.
        after: Duration,
    },
    /// The peer refused us, or showed another key than the one it sent (exit 5).
    #[error("{peer} refused the connection")]
    Refused {
        /// Who.
        peer: String,
        /// How it showed.
        source: Cause,
    },
    /// The peer broke the protocol (exit 10).
    #[error("{peer} broke the protocol")]
    Violation {
        /// Who.
        peer: String,
        /// What it did.
        source: Cause,
    },
    /// The peer gave up this stream before its end: what came of it is not whole.
    #[error("{peer} broke off a transfer")]
    Reset {
        /// Who.
        peer: String,
    },
    /// The peer does not want the rest of this stream.
    #[error("{peer} stopped a transfer")]
    Stopped {
        /// Who.
        peer: String,
    },
    /// This machine cannot do what the link needs.
    #[error("cannot {step}")]
    System {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// What the user can do about it, where we know.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Command { .. } => Some("`-e` takes a command such as `ssh -p 2222`"),
            Self::Spawn { .. } => Some("install an ssh client, or name one with `-e`"),
            Self::Start { .. } => Some("install alike there, or say where it is with `--remote-bin`"),
            Self::Version { .. } => Some("install the same version of alike on both machines"),
            Self::Unreachable { .. } => Some("see whether `ssh` reaches the host by itself"),
            Self::TimedOut { .. } => Some("`--timeout` sets how long to wait"),
            Self::Closed { .. }
            | Self::Lost { .. }
            | Self::Refused { .. }
            | Self::Violation { .. }
            | Self::Reset { .. }
            | Self::Stopped { .. }
            | Self::System { .. } => None,
        }
    }
}
