//! Looking at one name: stat, attributes, link target, content. Owns what a row is made of, when a stamp can be
//! trusted, and what is done about a path that changes while it is looked at. Knows no other path.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs;
use rustix::io::Errno;

use super::age::{age_ns_now, wait_out_writer};
use super::deferral::Deferral;
use super::gauge::Gauge;
use super::grain;
use super::hash::{Cores, Hashed, MAPPED_BYTES_MIN, hash_blocks, hash_file, hash_read};
use super::lists::Lists;
use super::moved::Moved;
use super::rest::{self, AtRest};
use super::root::open_file;
use super::scan::{Memory, ScanOptions};
use super::status::Status;
use super::xattr::{self, Through};
use crate::model::chunk::{BLOCK_BYTES, Chunk, Cutter};
use crate::model::entry::Extra;
use crate::model::listing::{FLAG_INCOMPLETE, FLAG_RACY, Row};
use crate::model::{Digest, Entry, Kind, PathRef, ProblemKind, Stamp};

/// How often a path that changes while it is read is looked at.
const ATTEMPTS: u32 = 3;
/// Between two looks, times the number of looks so far: a writer that saves a file is done by then.
const PAUSE: Duration = Duration::from_millis(2);

/// Longest wait for a file that was changed just now: the grain of the usual file systems.
const WAIT_NS_MAX: u64 = 25_000_000;

/// A change time later than that is no clock that lags: it was set.
const FUTURE_NS: i64 = 1_000_000_000;

/// One name in an opened directory.
pub(super) struct Subject<'a> {
    pub directory: &'a OwnedFd,
    pub name: &'a CStr,
    /// Where it is below the root.
    pub path: PathRef<'a>,
    /// What the base holds there, if anything.
    pub before: Option<Row<'a>>,
    /// How coarse the change times of its file system are.
    pub grain_ns: i64,
    /// What may be used to hash it.
    pub cores: Cores,
}

/// What was seen of a name so far.
pub(super) struct Seen {
    /// What stat said.
    pub status: Status,
    /// The file, where it was opened before stat was asked.
    pub file: Option<File>,
    /// Whether all of it was read, and is what the base says of it.
    pub proven: bool,
    /// What it holds, where it was read at rest.
    pub read: Option<AtRest>,
}

/// Whether a file is read, whatever stat says of it.
pub(super) enum Reads<'a> {
    /// That depends on what stat says.
    Perhaps,
    /// It is.
    Surely,
    /// It is, and this row of the base says what it most likely still holds.
    Again(Row<'a>),
}

/// A row to be.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    pub entry: Entry,
    pub stamp: Stamp,
    pub flags: u8,
}

/// What was found at a name.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// An entry.
    Row(Observed),
    /// Nothing any more.
    Gone,
    /// Something that could not be read, and why.
    Unreadable(ProblemKind, String),
}

/// Looks at names.
pub(super) struct Observer<'s> {
    pub memory: &'s dyn Memory,
    pub options: &'s ScanOptions<'s>,
    pub gauge: &'s Gauge,
    pub moved: Moved<'s>,
    pub hashed_files: AtomicU64,
    pub hashed_bytes: AtomicU64,
}

/// Why one look gave no row.
enum Again {
    /// It changed meanwhile.
    Changed,
    /// It cannot be read.
    Failed(io::Error),
}

impl From<Status> for Seen {
    fn from(status: Status) -> Seen {
        Seen { status, file: None, proven: false, read: None }
    }
}

impl From<io::Error> for Again {
    fn from(error: io::Error) -> Again {
        let Some(errno) = Errno::from_io_error(&error) else {
            return Again::Failed(error);
        };
        match errno {
            // Gone, or another kind of thing now: looked at again.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::INVAL | Errno::STALE => Again::Changed,
            _ => Again::Failed(error),
        }
    }
}

impl From<Errno> for Again {
    fn from(errno: Errno) -> Again {
        Again::from(io::Error::from(errno))
    }
}

impl Observer<'_> {
    /// Whether the row of the base still says what is there, so that nothing needs to be opened.
    pub fn keeps(&self, row: Row<'_>, status: &Status) -> bool {
        let content = status.kind != Kind::File
            || (!self.options.checksum && (self.options.quick || row.content() != Digest::UNKNOWN));
        content && fits(row, status)
    }

    /// Whether a file with this row in the base is read, whatever stat says of it.
    pub fn reads<'r>(&self, before: Option<Row<'r>>) -> Reads<'r> {
        let is_recalled = || self.defers() || self.memory.recalls() || self.moved.is_searched();
        match before {
            _ if self.options.quick => Reads::Perhaps,
            Some(row) if self.options.checksum && is_provable(row) => Reads::Again(row),
            _ if self.options.checksum => Reads::Surely,
            None if !is_recalled() => Reads::Surely,
            _ => Reads::Perhaps,
        }
    }

    fn defers(&self) -> bool {
        self.options.defer.is_some_and(Deferral::is_any)
    }

    /// Looks at a name for the first time. A file that is read anyway is opened first: stat by its handle spares the
    /// second way through its directory, a tenth of the time of reading small files.
    pub fn see(&self, (directory, grain_ns): (&OwnedFd, i64), name: &CStr, reads: &Reads<'_>) -> io::Result<Seen> {
        // Whatever cannot be opened, stat by name has the word.
        let opened = match reads {
            Reads::Perhaps => None,
            Reads::Surely | Reads::Again(_) => open_file(directory, name.to_bytes()).ok(),
        };
        let Some(file) = opened else { return Ok(Seen::from(Status::at(directory, name)?)) };
        Gauge::add(&self.gauge.files_opened, 1);
        if matches!(reads, Reads::Surely) {
            return self.see_surely(file, grain_ns);
        }
        let is_same = matches!(reads, Reads::Again(row) if self.is_same(&file, *row));
        let status = Status::of(&file)?;
        let proven = matches!(reads, Reads::Again(row) if is_same && status.names == 1 && fits(*row, &status));
        if proven {
            self.hashed_files.fetch_add(1, Ordering::Relaxed);
            self.hashed_bytes.fetch_add(status.stamp.size, Ordering::Relaxed);
        }
        Ok(Seen { file: Some(file), proven, ..Seen::from(status) })
    }

    /// Of a file that is at rest, most likely, the second stat is spared as well.
    fn see_surely(&self, file: File, grain_ns: i64) -> io::Result<Seen> {
        let (status, read) = if grain_ns <= grain::FINE_NS && rest::is_likely() {
            rest::read(&file, grain_ns, self.gauge)?
        } else {
            let status = Status::of(&file)?;
            rest::learn(&status, grain_ns);
            (status, None)
        };
        Ok(Seen { file: Some(file), read, ..Seen::from(status) })
    }

    /// Whether the bytes are those of the base. Read before stat is asked: the base's stamp stands for the one before the
    /// read, as a change since then would show in the one after it. A stat a file is a twentieth of reading small ones. No
    /// writer is waited for, which is another fiftieth: whoever made the row of the base did so, thus a write that still goes
    /// on is a later one, and has set another change time.
    fn is_same(&self, file: &File, row: Row<'_>) -> bool {
        let hashed = hash_read(file, row.size(), self.gauge);
        // What went wrong shows again when the file is looked at as any other.
        hashed.is_ok_and(|hashed| hashed == Hashed::Whole(row.content()))
    }

    /// Looks at a name that was seen, again where it changes meanwhile.
    pub fn observe(&self, subject: &Subject<'_>, seen: Seen) -> Outcome {
        let Seen { mut status, mut file, read, .. } = seen;
        if let Some(AtRest { content, xattrs }) = read {
            self.hashed_files.fetch_add(1, Ordering::Relaxed);
            self.hashed_bytes.fetch_add(status.stamp.size, Ordering::Relaxed);
            let extra = Extra { xattrs, ..Extra::default() };
            return Outcome::Row(self.noted(subject, &status, (content, extra), 0));
        }
        for attempt in 1..=ATTEMPTS {
            match self.look(subject, &status, file.take()) {
                Ok(observed) => return Outcome::Row(observed),
                Err(Again::Failed(error)) => return unreadable(&error),
                Err(Again::Changed) => std::thread::sleep(PAUSE * attempt),
            }
            match Status::at(subject.directory, subject.name) {
                Ok(now) => status = now,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Outcome::Gone,
                Err(error) => return unreadable(&error),
            }
        }
        Outcome::Unreadable(ProblemKind::Changed, "changed while it was read".into())
    }

    /// Whether the file was changed just now, so that it is better read a moment later.
    pub fn is_hot(&self, status: &Status, grain_ns: i64) -> bool {
        status.kind == Kind::File
            && !self.options.quick
            && age_ns_now(&status.stamp) <= grain::of_stamp(&status.stamp, grain_ns)
    }

    /// Whether the file was changed less than so long ago. One from the future is not waited for.
    pub fn is_younger(&self, status: &Status, than_ns: i64) -> bool {
        let age_ns = age_ns_now(&status.stamp);
        age_ns < than_ns && age_ns > -FUTURE_NS
    }

    fn look(&self, subject: &Subject<'_>, status: &Status, file: Option<File>) -> Result<Observed, Again> {
        let grain_ns = grain::of_stamp(&status.stamp, subject.grain_ns);
        let mut age_ns = age_ns_now(&status.stamp);
        if status.kind == Kind::File && !self.options.quick && age_ns <= grain_ns {
            cool_down(subject, status)?;
            age_ns = age_ns_now(&status.stamp);
        }
        let racy = age_ns <= grain_ns;
        let (content, extra) = match status.kind {
            Kind::File => self.look_into(subject, status, (file, racy))?,
            Kind::Symlink => {
                let target = fs::readlinkat(subject.directory, subject.name, Vec::new())?;
                (Digest::UNKNOWN, Extra { target: Some(target.to_bytes().into()), ..attributes(subject, status)? })
            }
            _ => (Digest::UNKNOWN, Extra { device: status.node, ..attributes(subject, status)? }),
        };
        Ok(self.noted(subject, status, (content, extra), if racy { FLAG_RACY } else { 0 }))
    }

    /// The row to be, which the memory is told of where it says anything new.
    fn noted(&self, subject: &Subject<'_>, status: &Status, (content, extra): (Digest, Extra), flags: u8) -> Observed {
        let known = |row: Row<'_>| row.content() == content && trusts(row, &status.stamp);
        let is_certain = status.kind == Kind::File && content != Digest::UNKNOWN && flags & FLAG_RACY == 0;
        if is_certain && !subject.before.is_some_and(known) {
            self.memory.note(subject.path, &status.stamp, &content);
        }
        Observed { entry: entry(status, content, extra), stamp: status.stamp, flags }
    }

    /// The content and the attributes of a regular file, opened at most once.
    fn look_into(
        &self,
        subject: &Subject<'_>,
        status: &Status,
        (file, racy): (Option<File>, bool),
    ) -> Result<(Digest, Extra), Again> {
        if let Some(known) = self.known(subject, &status.stamp) {
            let bare = self.memory.is_bare(subject.path, &status.stamp);
            let extra = if bare { Extra::default() } else { attributes(subject, status)? };
            return Ok((known, extra));
        }
        if let Some(row) = self.moved(subject, &status.stamp) {
            // Attributes move the change time, too.
            let xattrs = row.extra().map(|extra| extra.xattrs).unwrap_or_default();
            return Ok((row.content(), Extra { xattrs, ..Extra::default() }));
        }
        let left = self.options.defer.is_some_and(|deferral| deferral.leaves(status.stamp.size));
        if left && !racy && status.names == 1 {
            return Ok((Digest::UNKNOWN, attributes(subject, status)?));
        }
        let file = match file {
            Some(file) => file,
            None => {
                Gauge::add(&self.gauge.files_opened, 1);
                open_file(subject.directory, subject.name.to_bytes())?
            }
        };
        let size = status.stamp.size;
        wait_out_writer(&file, &status.stamp)?;
        let (mut hashed, chunks) = self.hash(&file, size, subject.cores)?;
        let extra = self.extra_of(subject, status, &file)?;
        let mut after = Status::of(&file)?;
        if hashed == Hashed::Changed && after == *status {
            // Voided, and yet nothing changed: the disk failed under the map. A read says how, or it succeeds.
            hashed = hash_read(&file, size, self.gauge)?;
            after = Status::of(&file)?;
        }
        if racy && matches!(hashed, Hashed::Whole(_)) {
            // Too young for stat to tell a write between two reads: two equal reads stand in for it.
            let again = hash_read(&file, size, self.gauge)?;
            hashed = if again == hashed { again } else { Hashed::Changed };
            after = Status::of(&file)?;
        }
        match hashed {
            Hashed::Whole(content) if after == *status => {
                self.hashed_files.fetch_add(1, Ordering::Relaxed);
                self.hashed_bytes.fetch_add(size, Ordering::Relaxed);
                if !chunks.is_empty() {
                    self.memory.cut(&content, chunks);
                }
                Ok((content, extra))
            }
            // A stopped scan has no result, so it does not matter what this one is.
            Hashed::Whole(_) | Hashed::Changed | Hashed::Stopped => Err(Again::Changed),
        }
    }

    /// With its even chunks, where it is large and has few enough to be kept.
    fn hash(&self, file: &File, size: u64, cores: Cores) -> io::Result<(Hashed, Vec<Chunk>)> {
        if cores == Cores::All
            && size > BLOCK_BYTES
            && Lists::takes(Cutter::Even, size)
            && let Ok(hashed) = hash_blocks(file, size, self.gauge)
        {
            return Ok(hashed);
        }
        Ok((hash_file(file, size, cores, self.gauge)?, Vec::new()))
    }

    /// The attributes of an opened file: those of the base where its stamp is trusted, as they move the change time too.
    fn extra_of(&self, subject: &Subject<'_>, status: &Status, file: &File) -> io::Result<Extra> {
        let xattrs = match subject.before.filter(|row| trusts(*row, &status.stamp)) {
            Some(row) => row.extra().map(|extra| extra.xattrs).unwrap_or_default(),
            None => xattr::read(&Through::File(file))?,
        };
        Ok(Extra { xattrs, ..Extra::default() })
    }

    /// The row of a file that is not at its path any more, and is all there is of it here.
    fn moved(&self, subject: &Subject<'_>, stamp: &Stamp) -> Option<Row<'_>> {
        let may_be = subject.before.is_none() && !self.options.checksum && !self.options.quick && stamp.size > 0;
        if may_be { self.moved.find(stamp) } else { None }
    }

    /// The content where it need not, or must not, be read.
    fn known(&self, subject: &Subject<'_>, stamp: &Stamp) -> Option<Digest> {
        if self.options.checksum && !self.options.quick {
            return None;
        }
        let recalled = self.memory.recall(subject.path, stamp);
        if recalled.is_some() || !self.options.quick {
            return recalled;
        }
        let trusted = subject.before.filter(|row| trusts(*row, stamp));
        Some(trusted.map_or(Digest::UNKNOWN, |row| row.content()))
    }
}

impl Outcome {
    /// The same with a flag more.
    pub fn marked(self, flag: u8) -> Outcome {
        match self {
            Outcome::Row(observed) => Outcome::Row(Observed { flags: observed.flags | flag, ..observed }),
            other => other,
        }
    }
}

impl Observed {
    /// Whether the row of the base holds just this.
    pub fn equals(&self, row: Row<'_>) -> bool {
        self.flags == row.flags() & !FLAG_INCOMPLETE && self.stamp == row.stamp() && self.entry == row.entry()
    }
}

/// Whether stat says of a name just what this row of the base says.
fn fits(row: Row<'_>, status: &Status) -> bool {
    row.kind() == status.kind
        && trusts(row, &status.stamp)
        && row.mode() == status.mode
        && (row.uid(), row.gid()) == (status.uid, status.gid)
}

/// Whether a file may be read by what this row says of it, before stat says anything. One of several names is read once
/// for all of them.
fn is_provable(row: Row<'_>) -> bool {
    row.kind() == Kind::File
        && row.flags() & FLAG_RACY == 0
        && row.size() < MAPPED_BYTES_MIN
        && row.content() != Digest::UNKNOWN
        && row.extra().is_none_or(|extra| extra.links.is_none())
}

/// Whether what a row says of a file holds while the file has this stamp.
fn trusts(row: Row<'_>, stamp: &Stamp) -> bool {
    row.stamp() == *stamp && row.flags() & FLAG_RACY == 0
}

fn attributes(subject: &Subject<'_>, status: &Status) -> Result<Extra, Again> {
    let xattrs = xattr::read(&Through::Name(subject.directory, subject.name, status.kind))?;
    Ok(Extra { xattrs, ..Extra::default() })
}

fn entry(status: &Status, content: Digest, extra: Extra) -> Entry {
    Entry {
        kind: status.kind,
        mode: status.mode,
        mtime: status.stamp.mtime,
        size: status.stamp.size,
        content,
        uid: status.uid,
        gid: status.gid,
        extra: Some(extra).filter(|extra| !extra.is_empty()).map(Box::new),
    }
}

fn unreadable(error: &io::Error) -> Outcome {
    Outcome::Unreadable(ProblemKind::Unreadable, cause(error))
}

/// What the system said, for a person.
pub(super) fn cause(error: &io::Error) -> String {
    let said = error.to_string();
    said.split(" (os error").next().unwrap_or(&said).to_lowercase()
}

/// Waits until a later change would have another change time, where that is soon: then equal stats before and after a
/// read mean that it is not torn. Otherwise the row stays racy, and is read again at the next scan.
fn cool_down(subject: &Subject<'_>, status: &Status) -> Result<(), Again> {
    let grain_ns = grain::of_stamp(&status.stamp, subject.grain_ns);
    let left_ns = grain_ns.saturating_sub(age_ns_now(&status.stamp)).saturating_add(1);
    match u64::try_from(left_ns) {
        Ok(left_ns) if left_ns <= WAIT_NS_MAX => std::thread::sleep(Duration::from_nanos(left_ns)),
        _ => return Ok(()),
    }
    let after = Status::at(subject.directory, subject.name)?;
    if after == *status { Ok(()) } else { Err(Again::Changed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_lower_case_and_without_numbers() {
        assert_eq!(cause(&io::Error::from(Errno::ACCESS)), "permission denied");
    }
}
