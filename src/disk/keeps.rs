//! What a file system keeps of a file beside its bytes. Owns the question for those that are not known to keep all; asks it of the
//! lock file in `.alike`, which is ours.

use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, Mode};
use rustix::io::Errno;

use super::control;
use super::grain;
use super::root::{Root, open_directory};
use super::status::Status;

/// The mode of the lock file, as it was made.
const MODE: u16 = 0o600;
/// A second name of the lock file, for a moment.
const SECOND: &str = "lock.second";

/// What a file system keeps. One that has no permission bits may lack the rest, too; of others nothing is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeps {
    /// Permission bits and owners.
    pub mode: bool,
    /// Extended attributes.
    pub xattrs: bool,
    /// Second names of a file.
    pub links: bool,
}

impl Keeps {
    const ALL: Keeps = Keeps { mode: true, xattrs: true, links: true };

    /// What the file system of a root keeps. Where `.alike` is not there yet, or may not be written, what cannot be told is kept.
    pub fn of(root: &Root, writable: bool) -> Keeps {
        if grain::is_fine(root.handle()) {
            return Keeps::ALL;
        }
        let Ok(ours) = open_directory(root.handle(), control::NAME.as_bytes()) else { return Keeps::ALL };
        if keeps_mode(&ours, writable) {
            return Keeps::ALL;
        }
        let xattrs = !matches!(fs::fgetxattr(&ours, "user.alike", &mut [0_u8; 1]), Err(Errno::OPNOTSUPP));
        Keeps { mode: false, xattrs, links: writable && keeps_links(&ours) }
    }
}

fn keeps_mode(ours: &OwnedFd, writable: bool) -> bool {
    let is_ours = || Status::at(ours, control::LOCK).map_or(true, |status| status.mode == MODE);
    // Somebody may have changed it; what does not come back is not kept.
    is_ours()
        || writable
            && fs::chmodat(ours, control::LOCK, Mode::from_raw_mode(u32::from(MODE)), AtFlags::empty()).is_ok()
            && is_ours()
}

fn keeps_links(ours: &OwnedFd) -> bool {
    let linked = fs::linkat(ours, control::LOCK, ours, SECOND, AtFlags::empty());
    let removed = fs::unlinkat(ours, SECOND, AtFlags::empty());
    linked.is_ok() && removed.is_ok()
}
