//! What the names in a run's trash do not say: where a thing was whose name was taken, which directories went as a
//! whole, and with which permission bits. Owns the form of the record, a file beside the run's directory.
//!
//! Fields end in a NUL. A thing: `m`, its inode in decimal, its permission bits in octal, its path below the run's
//! directory, its path in the root. At the end of the run: `b/`, which is no path, and an upper bound of its bytes
//! on disk in decimal. A line is written before the thing goes there, so it may be in vain: it counts only for the inode that it names. The last
//! line of a run that was killed may be torn; it ends the record.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{self, AtFlags, Mode, OFlags};

use crate::disk::root;
use crate::model::{PathRef, RelPath};

/// Of a record that is longer only this much is read: it is not one of ours.
const BYTES_MAX: u64 = 256 << 20;

/// The name of a run's record.
pub(super) fn name(run: &str) -> String {
    format!("{run}{SUFFIX}")
}

/// The last line is never longer.
const TAIL_BYTES: usize = 32;

const SUFFIX: &str = ".record";

/// The run that a record belongs to.
pub(super) fn run_of(name: &str) -> Option<&str> {
    name.strip_suffix(SUFFIX)
}

/// A record that is being written. The file is made with its first line.
#[derive(Debug)]
pub(super) struct Record {
    trash: OwnedFd,
    name: String,
    file: Option<File>,
}

/// Something that goes to the trash, as the record knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub inode: u64,
    pub mode: u16,
    /// Where it was.
    pub path: RelPath,
}

impl Record {
    /// The record of a run; nothing is made yet.
    pub fn new(trash: OwnedFd, run: &str) -> Record {
        Record { trash, name: name(run), file: None }
    }

    /// A thing will be at `place`.
    pub fn note(&mut self, place: PathRef<'_>, line: &Line) -> io::Result<()> {
        let mut bytes = format!("m\0{}\0{:o}\0", line.inode, line.mode).into_bytes();
        bytes.extend_from_slice(place.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(line.path.as_bytes());
        bytes.push(0);
        self.file()?.write_all(&bytes)
    }

    /// The run is over.
    pub fn finish(&mut self, bytes: u64) -> io::Result<()> {
        self.file()?.write_all(format!("b/\0{bytes}\0").as_bytes())
    }

    /// There is nothing that it could tell of.
    pub fn remove(&self) {
        let _there_is_none = fs::unlinkat(&self.trash, &self.name, AtFlags::empty());
    }

    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = fs::openat(&self.trash, &self.name, flags, Mode::RUSR | Mode::WUSR)?;
            self.file = Some(File::from(file));
        }
        Ok(self.file.as_mut().expect("it was just opened"))
    }
}

/// What [`Record::finish`] wrote last of all, without reading the rest; `None` where the run was killed.
pub(super) fn bytes(trash: impl AsFd, run: &str) -> io::Result<Option<u64>> {
    let file = match root::open_file(trash, name(run).as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut tail = [0; TAIL_BYTES];
    let start = file.metadata()?.len().saturating_sub(TAIL_BYTES as u64);
    let length = file.read_at(&mut tail, start)?;
    let tail = &tail[..length];
    let Some(at) = tail.windows(3).rposition(|window| window == b"b/\0") else { return Ok(None) };
    let number = tail[at + 3..].strip_suffix(b"\0").and_then(|digits| std::str::from_utf8(digits).ok());
    // No path ends in a slash, so these bytes are the mark, also behind a line that was torn.
    Ok(number.and_then(|digits| digits.parse().ok()))
}

/// A record that was read.
#[derive(Debug, Default)]
pub(super) struct Known {
    lines: HashMap<Box<[u8]>, Vec<Line>>,
}

impl Known {
    /// Reads the record of a run; one that is missing knows nothing.
    pub fn read(trash: impl AsFd, run: &str) -> io::Result<Known> {
        let mut bytes = Vec::new();
        match root::open_file(trash, name(run).as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Known::default()),
            file => file?.take(BYTES_MAX).read_to_end(&mut bytes)?,
        };
        Ok(Known::parse(&bytes))
    }

    /// What is known of the thing at `place` that has this inode.
    pub fn of(&self, place: PathRef<'_>, inode: u64) -> Option<&Line> {
        self.lines.get(place.as_bytes())?.iter().rfind(|line| line.inode == inode)
    }

    fn parse(bytes: &[u8]) -> Known {
        let mut known = Known::default();
        // What follows the last NUL is torn.
        let end = bytes.iter().rposition(|&byte| byte == 0).unwrap_or(0);
        let mut fields = bytes[..end].split(|&byte| byte == 0);
        while known.take(&mut fields).is_some() {}
        known
    }

    fn take<'a>(&mut self, fields: &mut impl Iterator<Item = &'a [u8]>) -> Option<()> {
        let number = |radix, field: Option<&[u8]>| u64::from_str_radix(std::str::from_utf8(field?).ok()?, radix).ok();
        match fields.next()? {
            b"m" => {
                let inode = number(10, fields.next())?;
                let mode = u16::try_from(number(8, fields.next())?).ok()?;
                let (place, path) = (fields.next()?, RelPath::new(fields.next()?).ok()?);
                self.lines.entry(place.into()).or_default().push(Line { inode, mode, path });
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_what_it_was_told_and_survives_a_torn_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let handle = || OwnedFd::from(File::open(directory.path()).expect("opened"));
        let path = |text: &str| RelPath::new(text.as_bytes()).expect("legal");
        let mut record = Record::new(handle(), "run");
        let line = |inode, text| Line { inode, mode: 0o1755, path: path(text) };
        record.note(path("a.~1").as_ref(), &line(7, "a")).expect("noted");
        record.note(path("a.~1").as_ref(), &line(8, "b/\nc")).expect("noted");
        record.finish(12).expect("finished");
        let known = Known::read(handle(), "run").expect("read");
        assert_eq!(known.of(path("a.~1").as_ref(), 7), Some(&line(7, "a")));
        assert_eq!(known.of(path("a.~1").as_ref(), 8), Some(&line(8, "b/\nc")));
        assert_eq!(known.of(path("a").as_ref(), 7), None);
        assert_eq!(bytes(handle(), "run").expect("read"), Some(12));
        assert_eq!(bytes(handle(), "none").expect("read"), None);
        let whole = std::fs::read(directory.path().join("run.record")).expect("read");
        for end in 0..whole.len() {
            let known = Known::parse(&whole[..end]);
            std::fs::write(directory.path().join("torn.record"), &whole[..end]).expect("written");
            assert_eq!(bytes(handle(), "torn").expect("read"), None);
            Record::new(handle(), "torn").finish(34).expect("measured");
            assert_eq!(bytes(handle(), "torn").expect("read"), Some(34));
            let first = known.of(path("a.~1").as_ref(), 7);
            assert!(first.is_none_or(|found| *found == line(7, "a")));
        }
    }
}
