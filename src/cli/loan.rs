//! Roots that the daemon keeps, borrowed by a command that works on them: the daemon lets go of the root until this process
//! ends, however it ends.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::asking;
use super::failure::Failure;
use super::location;
use super::output::Output;
use super::paint::Color;
use crate::daemon::control::{ClientError, Loan, borrow};
use crate::sync::error::Error;
use crate::sync::job::Location;

/// Held until the process ends: closing their connections is what gives the roots back.
static LOANS: Mutex<Vec<Loan>> = Mutex::new(Vec::new());

/// Borrows a root, where a daemon keeps it.
pub fn take(root: &Path) -> Result<(), Failure> {
    lent(root).map_err(|error| asking::failed(&error))
}

/// Borrows what is on this machine of the roots of a job.
pub fn of_job(locations: &[&Location]) -> Result<(), Failure> {
    locations.iter().try_for_each(|location| match location {
        Location::Local(root) => take(root),
        Location::Remote { .. } => Ok(()),
    })
}

/// The directory of a command on this machine, borrowed.
pub fn local(typed: &OsStr, verb: &str) -> Result<PathBuf, Failure> {
    let root = location::local(typed, verb)?;
    take(&root)?;
    Ok(root)
}

/// Borrows a root for whoever reaches this machine through ssh.
pub fn served(root: &Path) -> Result<(), Error> {
    lent(root)
        .map_err(|error| Error::Busy { what: format!("the daemon does not let go of `{}`: {error}", root.display()) })
}

fn lent(root: &Path) -> Result<(), ClientError> {
    let mut waiting = |what: &str| Output::standard(Color::Never).complain(format_args!("waiting for {what}"));
    if let Some(loan) = borrow(root, &mut waiting)? {
        LOANS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(loan);
    }
    Ok(())
}
