//! What to do about an error of a job: the one table of hints.

use std::io::ErrorKind;
use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use crate::sync::error::{Error, NetError, RootError, StateError};
use crate::sync::job::Location;

/// What the user named: hints speak of it.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// A mirror or its diff.
    Mirror {
        /// The first argument.
        source: &'a Location,
        /// The second argument.
        target: &'a Location,
    },
    /// A sync or its diff: either side may be the one that is missing.
    Sync,
    /// One directory.
    Directory,
}

/// An error of a job in words, with its causes and what to do.
pub fn explain(error: &Error, asked: Asked<'_>) -> Failure {
    let failure = Failure::new(Exit::of_error(error), error.to_string());
    let failure = match std::error::Error::source(error) {
        Some(source) => failure.caused_by(source),
        None => failure,
    };
    match error {
        Error::FarRoot { cause, hint, .. } => {
            let failure = cause.iter().fold(failure, |failure, cause| failure.because(cause));
            let told = hint.as_deref().or_else(|| of_far_root(&failure, asked));
            hinted(failure, told)
        }
        Error::Usage { hint, .. } | Error::Forbidden { hint, .. } | Error::Guarded { hint, .. } => failure.hint(hint.as_str()),
        Error::Root(error) => hinted(failure, of_disk(error, asked)),
        Error::Net(error) => hinted(failure, of_net(error)),
        Error::Violation { .. } => failure.hint("both sides must run the same version of alike: `alike --version`"),
        Error::State(StateError::Busy { .. }) => failure.hint("another run works on this root"),
        Error::State(StateError::Version { .. }) => failure.hint("use the newest alike on this root"),
        Error::State(_) | Error::Corrupt { .. } => failure.hint(
            "`alike index --rebuild DIR` moves what is remembered aside: the next sync joins both sides and deletes nothing",
        ),
        Error::NoReplica { .. } => failure.hint("`alike sync LEFT RIGHT` makes both directories replicas"),
        Error::Memory { .. } => failure.hint("`--no-cache` runs without writing a cache"),
        Error::Watch { .. } => failure.hint("fs.inotify.max_user_instances says how many roots a user may watch"),
        Error::Busy { .. } => failure.hint("try again in a moment"),
        Error::Interrupted => failure.hint(GOES_ON),
    }
}

const GOES_ON: &str = "what was done is kept: the same command goes on from there";

const SOURCE: &str = "the first argument is the source";
const MKPATH: &str = "`--mkpath` makes what is missing above the target";

fn hinted(failure: Failure, hint: Option<&str>) -> Failure {
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn of_disk(error: &RootError, asked: Asked<'_>) -> Option<&'static str> {
    match error {
        RootError::Open { path, source } => opening(path, source.kind(), asked),
        RootError::NotADirectory { path } => named(path, asked).or(Some("name a directory")),
        RootError::Create { source, .. } if source.kind() == ErrorKind::NotFound => Some(MKPATH),
        RootError::Held { .. } => Some("wait until the other run has ended"),
        RootError::Stopped => Some(GOES_ON),
        RootError::TooMany { .. } => Some("make parts of it alike, one by one"),
        RootError::Create { .. } | RootError::Control { .. } | RootError::Sync { .. } => None,
    }
}

/// The far side says what failed in words alone; which argument it was is known here.
fn of_far_root(failure: &Failure, asked: Asked<'_>) -> Option<&'static str> {
    if failure.causes.first().is_none_or(|cause| cause != "no such file or directory") {
        return None;
    }
    match asked {
        Asked::Mirror { source: Location::Remote { .. }, .. } => Some(SOURCE),
        Asked::Mirror { target: Location::Remote { .. }, .. } => Some(MKPATH),
        Asked::Mirror { .. } | Asked::Sync | Asked::Directory => None,
    }
}

fn opening(path: &Path, kind: ErrorKind, asked: Asked<'_>) -> Option<&'static str> {
    match kind {
        ErrorKind::NotFound => named(path, asked),
        ErrorKind::PermissionDenied => Some("run it as a user who may read the directory"),
        _ => None,
    }
}

/// Which argument a path was.
fn named(path: &Path, asked: Asked<'_>) -> Option<&'static str> {
    let is = |location: &Location| matches!(location, Location::Local(local) if local == path);
    match asked {
        Asked::Mirror { source, .. } if is(source) => Some(SOURCE),
        Asked::Mirror { target, .. } if is(target) => Some("the second argument is the target"),
        Asked::Mirror { .. } | Asked::Sync | Asked::Directory => None,
    }
}

fn of_net(error: &NetError) -> Option<&'static str> {
    match error {
        NetError::Lost { .. } => Some(GOES_ON),
        other => other.hint(),
    }
}
