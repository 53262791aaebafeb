//! How coarse the change times of a file system are. Owns the list of file systems that are known to be fine.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::fs::fstatfs;

use crate::model::Stamp;

/// A tick of the kernel's coarse clock is at most 10 ms; twice that.
pub(super) const FINE_NS: i64 = 20_000_000;
/// FAT keeps times to two seconds; network file systems may do as they like.
const COARSE_NS: i64 = 2_000_000_000;

/// The numbers by which statfs names the file systems whose times are the kernel's own: ext4, xfs, btrfs, tmpfs, overlay.
const FINE: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630];

/// The grains of the file systems met so far, by device number.
#[derive(Default)]
pub(super) struct Grains {
    known: Mutex<HashMap<u64, i64>>,
}

impl Grains {
    /// The grain of the file system that `directory` is on, in nanoseconds.
    pub fn of(&self, device: u64, directory: &OwnedFd) -> i64 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(device).or_insert_with(|| grain_ns(directory))
    }
}

/// The grain of one file's times. Inodes of 128 bytes hold whole seconds on any ext4; elsewhere whole ones are rare.
pub(super) fn of_stamp(stamp: &Stamp, grain_ns: i64) -> i64 {
    if stamp.ctime.nanos == 0 { grain_ns.max(COARSE_NS) } else { grain_ns }
}

fn grain_ns(directory: &OwnedFd) -> i64 {
    if is_fine(directory) { FINE_NS } else { COARSE_NS }
}

/// Whether the file system is one of those whose times are the kernel's own. They keep all else, too.
pub(super) fn is_fine(directory: &OwnedFd) -> bool {
    let magic = fstatfs(directory).map_or(0, |stat| u64::try_from(stat.f_type).unwrap_or(0));
    FINE.contains(&magic)
}
