//! Reading a file that has been at rest: one stat after the read says what one before and one after would. Owns when that
//! is so, and refuses whatever it is not sure of: such a file is looked at as any other.
//!
//! Whoever begins to change a file sets its change time to the clock, within the file system's grain. So a change time that
//! is asked for after the read, and was long past when the read began, says that nothing began since; and what began before
//! is over: it began more than an hour ago, or the search for data waited for it. A clock that was set back meanwhile could
//! stamp a new change with an old time, so it is compared with the one that nobody can set.
//! A stat a file is a tenth of a first index of small files.

use std::cell::Cell;
use std::fs::File;
use std::io;

use rustix::time::{ClockId, clock_gettime};

use super::age::{WRITE_NS_MAX, age_ns, wait_for_writer};
use super::gauge::Gauge;
use super::grain;
use super::hash::hash_at_once;
use super::status::Status;
use super::xattr::{self, Through};
use crate::model::entry::Xattr;
use crate::model::{Digest, Kind, Time};

/// How much longer than the grain a file must have been at rest. Covers ticks of the clocks, and steps of half as much.
const MARGIN_NS: i64 = 1_000_000_000;

thread_local! {
    /// Neighbours are of one age, as a rule: how the last file of this thread was decides how the next is read.
    static LAST: Cell<Age> = const { Cell::new(Age::Old) };
}

/// How long a file has been at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// So long that no write call goes on.
    Old,
    /// So long that none has begun since the read did.
    Settled,
    /// Not long enough.
    Fresh,
}

/// What a file at rest holds.
#[derive(Debug)]
pub(super) struct AtRest {
    pub content: Digest,
    pub xattrs: Vec<Xattr>,
}

/// A moment, by the clock that stamps files and by one that is never set.
#[derive(Debug, Clone, Copy)]
struct Moment {
    real: Time,
    steady: Time,
}

/// Whether it is worth reading the next file before stat is asked.
pub(super) fn is_likely() -> bool {
    LAST.get() != Age::Fresh
}

/// Notes how old a file is that was read after stat.
pub(super) fn learn(status: &Status, grain_ns: i64) {
    LAST.set(Moment::now().age(status, grain_ns));
}

/// Reads an opened file of an unknown kind and size, then asks stat; nothing but the status where the file is large, or was
/// not at rest.
pub(super) fn read(file: &File, grain_ns: i64, gauge: &Gauge) -> io::Result<(Status, Option<AtRest>)> {
    let begun = Moment::now();
    let waited = LAST.get() != Age::Old;
    if waited {
        wait_for_writer(file);
    }
    // What cannot be read so may be no file at all: stat tells.
    let read = hash_at_once(file).ok().flatten();
    let Some((content, bytes)) = read else { return Ok((Status::of(file)?, None)) };
    let xattrs = xattr::read(&Through::File(file))?;
    let status = Status::of(file)?;
    let age = begun.age(&status, grain_ns);
    LAST.set(age);
    let is_over = age == Age::Old || (age == Age::Settled && waited);
    if !is_over || status.kind != Kind::File || status.stamp.size != bytes || begun.was_stepped(Moment::now()) {
        return Ok((status, None));
    }
    Gauge::add(&gauge.bytes_hashed, bytes);
    Ok((status, Some(AtRest { content, xattrs })))
}

impl Moment {
    /// By the coarse clocks: those stamp files, and cost a tenth of the others.
    fn now() -> Moment {
        let time = |clock| {
            let now = clock_gettime(clock);
            Time { secs: now.tv_sec, nanos: u32::try_from(now.tv_nsec).unwrap_or(0) }
        };
        Moment { real: time(ClockId::RealtimeCoarse), steady: time(ClockId::MonotonicCoarse) }
    }

    /// How old a file was at this moment.
    fn age(&self, status: &Status, grain_ns: i64) -> Age {
        let age_ns = age_ns(status.stamp.ctime, self.real);
        let settled_ns = grain::of_stamp(&status.stamp, grain_ns).saturating_add(MARGIN_NS);
        match age_ns {
            _ if age_ns > WRITE_NS_MAX => Age::Old,
            _ if age_ns > settled_ns => Age::Settled,
            _ => Age::Fresh,
        }
    }

    /// Whether the clock that stamps files was set between this moment and a later one.
    fn was_stepped(&self, later: Moment) -> bool {
        let (real_ns, steady_ns) = (age_ns(self.real, later.real), age_ns(self.steady, later.steady));
        real_ns.saturating_sub(steady_ns).saturating_abs() > MARGIN_NS / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    use super::super::grain::FINE_NS;

    fn file_of(bytes: &[u8]) -> (tempfile::NamedTempFile, File) {
        let mut named = tempfile::NamedTempFile::new().expect("a temporary file");
        named.write_all(bytes).expect("written");
        let opened = named.reopen().expect("opened");
        (named, opened)
    }

    fn at(secs: i64) -> Time {
        Time { secs, nanos: 5 }
    }

    fn of_age(secs: i64, grain_ns: i64) -> Age {
        let (_named, file) = file_of(b"x");
        let status = Status::of(&file).expect("stat");
        let ctime = status.stamp.ctime;
        let real = Time { secs: ctime.secs + secs, ..ctime };
        Moment { real, steady: at(0) }.age(&status, grain_ns)
    }

    #[test]
    fn a_file_is_at_rest_once_its_change_time_is_past_the_grain_and_the_margin() {
        assert_eq!(of_age(-10, FINE_NS), Age::Fresh, "a change time in the future says nothing");
        assert_eq!(of_age(0, FINE_NS), Age::Fresh);
        assert_eq!(of_age(1, FINE_NS), Age::Fresh);
        assert_eq!(of_age(2, FINE_NS), Age::Settled);
        assert_eq!(of_age(2, 2_000_000_000), Age::Fresh, "times of two seconds need longer");
        assert_eq!(of_age(3_700, FINE_NS), Age::Old);
    }

    #[test]
    fn a_file_that_was_changed_just_now_is_looked_at_as_any_other() {
        let (_named, file) = file_of(b"young");
        let (status, read) = read(&file, FINE_NS, &Gauge::default()).expect("read");
        assert_eq!(status.stamp.size, 5);
        assert!(read.is_none());
    }

    #[test]
    fn a_file_that_has_come_to_rest_is_read_before_stat_until_it_changes() {
        let (mut named, file) = file_of(b"settled");
        let deadline = Instant::now() + Duration::from_secs(60);
        let (status, found) = loop {
            let (status, found) = read(&file, FINE_NS, &Gauge::default()).expect("read");
            match found {
                Some(found) => break (status, found),
                None => assert!(Instant::now() < deadline, "it never comes to rest"),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!((found.content, status), (Digest::of_content(b"settled"), Status::of(&file).expect("stat")));
        named.write_all(b" no more").expect("written");
        assert!(read(&file, FINE_NS, &Gauge::default()).expect("read").1.is_none());
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_and_one_that_runs_is_not() {
        let moment = |real, steady| Moment { real: at(real), steady: at(steady) };
        assert!(!moment(100, 7).was_stepped(moment(100, 7)));
        assert!(!moment(100, 7).was_stepped(moment(190, 97)), "a read may take long");
        assert!(moment(100, 7).was_stepped(moment(99, 7)), "set back");
        assert!(moment(100, 7).was_stepped(moment(100, 8)), "set back by as much as went by");
        assert!(moment(100, 7).was_stepped(moment(5_000, 8)), "set forward");
    }

    #[test]
    fn what_is_no_small_file_has_its_status_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let opened = File::open(directory.path()).expect("opened");
        let (status, read_of) = read(&opened, FINE_NS, &Gauge::default()).expect("read");
        assert!(status.kind == Kind::Directory && read_of.is_none());
        let (named, file) = file_of(&vec![7; 1 << 20]);
        std::fs::set_permissions(named.path(), std::fs::Permissions::from_mode(0o640)).expect("set");
        let (status, read) = read(&file, FINE_NS, &Gauge::default()).expect("read");
        assert!(status.mode == 0o640 && status.stamp.size == 1 << 20 && read.is_none());
    }
}
