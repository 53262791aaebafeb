//! How long ago a file was changed, by the clock that stamps files, and the wait for a write that may still go on. Owns the
//! longest time that a write call is expected to take.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs;
use rustix::time::{ClockId, clock_gettime};

use super::hash::MAPPED_BYTES_MIN;
use crate::model::{Stamp, Time};

/// Longest time that one write call is expected to take: two gigabytes to a slow disk.
pub(super) const WRITE_NS_MAX: i64 = 3_600_000_000_000;

/// Waits until a write call that goes on is done. A write sets the change time when it starts, then copies, with the
/// inode locked: read meanwhile, a file is torn, and no stat tells, not even later. What needs that lock waits for it:
/// the search for data on ext4, btrfs and tmpfs, any read on xfs, and there the first read of the content does as well.
/// Writes that start later set another change time. Moves the file's position, which no reader here goes by.
pub(super) fn wait_out_writer(file: &File, stamp: &Stamp) -> io::Result<()> {
    if age_ns_now(stamp) > WRITE_NS_MAX {
        return Ok(());
    }
    wait_for_writer(file);
    if stamp.size >= MAPPED_BYTES_MIN {
        // A map waits for nobody.
        file.read_at(&mut [0], 0)?;
    }
    Ok(())
}

/// Asks for what a write call that goes on keeps locked.
pub(super) fn wait_for_writer(file: &File) {
    let _end_of_an_empty_file = fs::seek(file, fs::SeekFrom::Data(0));
}

/// How long ago a file was changed.
pub(super) fn age_ns_now(stamp: &Stamp) -> i64 {
    age_ns(stamp.ctime, now())
}

fn now() -> Time {
    let now = clock_gettime(ClockId::Realtime);
    Time { secs: now.tv_sec, nanos: u32::try_from(now.tv_nsec).unwrap_or(0) }
}

/// How long before `now` a change time is. Change times lag by the file system's grain: a change after `now` can leave
/// any change time that is not older than that.
pub(super) fn age_ns(ctime: Time, now: Time) -> i64 {
    let secs = now.secs.saturating_sub(ctime.secs);
    secs.saturating_mul(1_000_000_000).saturating_add(i64::from(now.nanos) - i64::from(ctime.nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_exact_and_never_overflows() {
        let at = |secs, nanos| Time { secs, nanos };
        assert_eq!(age_ns(at(9, 990_000_000), at(10, 10_000_000)), 20_000_000);
        assert_eq!(age_ns(at(11, 0), at(10, 1)), -999_999_999);
        assert_eq!(age_ns(at(i64::MIN, 0), at(10, 0)), i64::MAX);
        assert_eq!(age_ns(at(i64::MAX, 5), at(-10, 0)), i64::MIN);
    }
}
