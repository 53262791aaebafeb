//! Exit statuses: the one table of what each ending is worth, and which of several wins.

use crate::model::ProblemKind;
use crate::sync::error::{Error, NetError, RootError};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done and alike.
    Alike = 0,
    /// They differ, or conflicts remain.
    Differ = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A root cannot be opened, or another run holds it.
    Root = 3,
    /// The peer refused or is unknown.
    Refused = 5,
    /// The peer was lost.
    Lost = 10,
    /// The versions do not match.
    Version = 12,
    /// Interrupted; what was done is kept.
    Interrupted = 20,
    /// Some entries failed or could not be kept.
    Failed = 23,
    /// The source changed while it was read.
    Changed = 24,
    /// The guard refused.
    Guarded = 25,
    /// A time-out.
    TimedOut = 30,
    /// The peer cannot be reached.
    Unreachable = 35,
}

/// Of several the first in this order is told. A usage error comes alone: nothing has run yet.
const ORDER: [Exit; 13] = [
    Exit::Usage,
    Exit::Interrupted,
    Exit::Guarded,
    Exit::Root,
    Exit::Refused,
    Exit::Lost,
    Exit::Version,
    Exit::TimedOut,
    Exit::Unreachable,
    Exit::Failed,
    Exit::Changed,
    Exit::Differ,
    Exit::Alike,
];

impl Exit {
    /// The number that the system sees.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The status with this number; a number that is none counts as a failure, never as success.
    pub fn from_code(code: u8) -> Exit {
        ORDER.into_iter().find(|exit| exit.code() == code).unwrap_or(Exit::Failed)
    }

    /// Of two the one that is told.
    pub fn worst(self, other: Exit) -> Exit {
        ORDER.into_iter().find(|&exit| exit == self || exit == other).unwrap_or(self)
    }

    /// What a problem of one path asks for.
    pub const fn of_problem(kind: ProblemKind) -> Exit {
        match kind {
            ProblemKind::Unreadable
            | ProblemKind::Unwritable
            | ProblemKind::Unrepresentable
            | ProblemKind::Missing
            | ProblemKind::Rotten => Exit::Failed,
            ProblemKind::Changed | ProblemKind::Vanished => Exit::Changed,
            ProblemKind::Guarded => Exit::Guarded,
        }
    }

    /// What the end of a job by an error asks for.
    pub const fn of_error(error: &Error) -> Exit {
        match error {
            Error::Root(error) => Exit::of_disk(error),
            Error::FarRoot { .. }
            | Error::State(_)
            | Error::NoReplica { .. }
            | Error::Corrupt { .. }
            | Error::Memory { .. }
            | Error::Watch { .. } => Exit::Root,
            Error::Usage { .. } => Exit::Usage,
            Error::Forbidden { .. } => Exit::Refused,
            Error::Guarded { .. } => Exit::Guarded,
            Error::Net(error) => Exit::of_net(error),
            Error::Violation { .. } => Exit::Lost,
            Error::Busy { .. } => Exit::TimedOut,
            Error::Interrupted => Exit::Interrupted,
        }
    }

    const fn of_disk(error: &RootError) -> Exit {
        match error {
            RootError::Open { .. }
            | RootError::NotADirectory { .. }
            | RootError::Create { .. }
            | RootError::Held { .. }
            | RootError::Control { .. }
            | RootError::TooMany { .. } => Exit::Root,
            RootError::Sync { .. } => Exit::Failed,
            RootError::Stopped => Exit::Interrupted,
        }
    }

    const fn of_net(error: &NetError) -> Exit {
        match error {
            NetError::Command { .. } => Exit::Usage,
            NetError::Spawn { .. } | NetError::Start { .. } | NetError::Unreachable { .. } => Exit::Unreachable,
            NetError::Version { .. } => Exit::Version,
            NetError::TimedOut { .. } => Exit::TimedOut,
            NetError::Refused { .. } => Exit::Refused,
            NetError::Lost { .. }
            | NetError::Violation { .. }
            | NetError::Reset { .. }
            | NetError::Stopped { .. }
            | NetError::Closed { .. }
            | NetError::System { .. } => Exit::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_first_in_the_documented_order_wins() {
        let order = [20, 25, 3, 5, 10, 12, 30, 35, 23, 24, 1, 0];
        for (rank, &code) in order.iter().enumerate() {
            for &later in &order[rank..] {
                let (first, second) = (Exit::from_code(code), Exit::from_code(later));
                assert_eq!(first.worst(second).code(), code);
                assert_eq!(second.worst(first).code(), code);
            }
        }
    }

    #[test]
    fn an_unknown_number_is_never_success() {
        assert_eq!(Exit::from_code(77), Exit::Failed);
        assert_eq!(Exit::from_code(0), Exit::Alike);
    }
}
