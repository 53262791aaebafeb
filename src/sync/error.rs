//! Why a job ended. One variant a cause that a person would act on differently; the exit status follows from it.

pub use crate::disk::error::Error as RootError;
pub use crate::net::Error as NetError;
use crate::proto::message::Failure;
pub use crate::store::state::StateError;

/// A job failed as a whole. What concerns one path only is a [`crate::model::Problem`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A root on this machine cannot be used (exit 3).
    #[error(transparent)]
    Root(#[from] crate::disk::error::Error),
    /// A root on the far side cannot be used (exit 3); the texts are the far side's own.
    #[error("{message}")]
    FarRoot {
        /// `cannot open the directory ...`, with the host's name in front.
        message: String,
        /// What the far system said.
        cause: Option<String>,
        /// What to do.
        hint: Option<String>,
    },
    /// What was asked makes no sense (exit 2).
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The peer does not allow it (exit 5).
    #[error("{message}")]
    Forbidden {
        /// What was asked.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The guard or a refusal held the job back (exit 25).
    #[error("{message}")]
    Guarded {
        /// What was refused.
        message: String,
        /// How to say that it is meant.
        hint: String,
    },
    /// The peer cannot be reached, is lost, refused, or timed out (exits 5, 10, 12, 30, 35).
    #[error(transparent)]
    Net(#[from] crate::net::Error),
    /// The peer broke the protocol (exit 10).
    #[error("the peer broke the protocol: {what}")]
    Violation {
        /// How.
        what: String,
    },
    /// A replica's memory cannot be used (exit 3).
    #[error(transparent)]
    State(#[from] StateError),
    /// A directory has no memory of its own (exit 3).
    #[error("`{}` is no replica: nothing has been synced with it", path.display())]
    NoReplica {
        /// The directory.
        path: std::path::PathBuf,
    },
    /// Two replicas have seen the same writes and hold different things (exit 3).
    #[error("the memories of `{left}` and `{right}` contradict each other")]
    Corrupt {
        /// One root.
        left: String,
        /// The other.
        right: String,
    },
    /// A file of our own could not be written (exit 3).
    #[error("cannot write `{}`", path.display())]
    Memory {
        /// Which.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A root cannot be watched (exit 3).
    #[error("cannot watch `{}`", path.display())]
    Watch {
        /// The root.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A share is at work, or lent to somebody: to be tried again (exit 30).
    #[error("busy: {what}")]
    Busy {
        /// What is busy with what.
        what: String,
    },
    /// The user stopped the job; what was done is kept (exit 20).
    #[error("interrupted")]
    Interrupted,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        let Failure { exit, message, cause, hint } = failure;
        match exit {
            2 => Error::Usage { message, hint: hint.unwrap_or_default() },
            5 => Error::Forbidden { message, hint: hint.unwrap_or_default() },
            30 => Error::Busy { what: message.strip_prefix("busy: ").unwrap_or(&message).to_owned() },
            25 => Error::Guarded { message, hint: hint.unwrap_or_default() },
            _ => Error::FarRoot { message, cause, hint },
        }
    }
}

/// What to do about a memory on the far side.
const FORGET_THERE: &str = "on that machine, `alike index --rebuild DIR` moves what is remembered aside: the next sync joins \
    both sides and deletes nothing";

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        let (exit, hint) = match error {
            Error::Usage { hint, .. } => (2, Some(hint.clone())),
            Error::Forbidden { hint, .. } => (5, Some(hint.clone())),
            Error::Guarded { hint, .. } => (25, Some(hint.clone())),
            Error::FarRoot { hint, .. } => (3, hint.clone()),
            Error::State(_) | Error::Corrupt { .. } => (3, Some(FORGET_THERE.into())),
            Error::Root(_) | Error::NoReplica { .. } | Error::Memory { .. } | Error::Watch { .. } => (3, None),
            Error::Net(_) | Error::Violation { .. } => (10, None),
            Error::Busy { .. } => (30, None),
            Error::Interrupted => (20, None),
        };
        Failure { exit, message: error.to_string(), cause, hint }
    }
}
