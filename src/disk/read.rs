//! Opening files of a root for sending. Owns the way from the root to a file: one component at a time, no link
//! followed, the last directories kept open. What is read is checked by the caller: [`Opened::unchanged`].

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use super::handles::open_again;
use super::root::{Root, open_directory, open_file};
use super::status::Status;
use crate::model::{Kind, PathRef, Stamp};

/// Directories kept open. In tree order a few suffice; a peer that asks in another order costs opens, not handles.
const DIRECTORIES_MAX: usize = 128;

/// Opens files of a root. Used by many threads at one time.
pub struct Reader<'r> {
    root: &'r Root,
    directories: Mutex<HashMap<Box<[u8]>, Arc<OwnedFd>>>,
}

/// A file opened for reading, and what stat said before its first byte was read.
#[derive(Debug)]
pub struct Opened {
    /// The file, at its start.
    pub file: File,
    /// Its stamp when it was opened, or when it was listed.
    pub stamp: Stamp,
}

impl<'r> Reader<'r> {
    /// A reader that holds no directory open yet.
    pub fn new(root: &'r Root) -> Reader<'r> {
        Reader { root, directories: Mutex::default() }
    }

    /// Opens the regular file at `path`. Fails where any component is a symbolic link, or the file is none.
    pub fn open(&self, path: PathRef<'_>) -> io::Result<Opened> {
        let file = self.open_in(path)?;
        let status = Status::of(&file)?;
        if status.kind != Kind::File {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Opened { file, stamp: status.stamp })
    }

    /// Opens the file at `path` that has this stamp, as a scan found it. Whether it has is for [`Opened::unchanged`] to say
    /// once it was read: that spares the stat before, as a stamp that was left never comes back.
    pub fn open_listed(&self, path: PathRef<'_>, stamp: Stamp) -> io::Result<Opened> {
        Ok(Opened { file: self.open_in(path)?, stamp })
    }

    fn open_in(&self, path: PathRef<'_>) -> io::Result<File> {
        let open = || open_file(&*self.parent(path)?, path.name());
        match open() {
            // A kept directory may have been replaced: once more, from the root.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.lock().clear();
                open()
            }
            opened => opened,
        }
    }

    /// The directory that holds `path`.
    pub fn parent(&self, path: PathRef<'_>) -> io::Result<Arc<OwnedFd>> {
        let wanted = path.parent().unwrap_or(PathRef::ROOT);
        // The nearest directory above that is open already.
        let mut above = Some(wanted);
        let mut found = None;
        while let (None, Some(directory)) = (&found, above) {
            found = self.lock().get(directory.as_bytes()).map(|handle| (directory, Arc::clone(handle)));
            above = directory.parent();
        }
        let (start, mut handle) = match found {
            Some((start, handle)) if start == wanted => return Ok(handle),
            Some(found) => found,
            None => (PathRef::ROOT, Arc::new(open_again(self.root.handle())?)),
        };
        for name in wanted.components().skip(start.depth()) {
            handle = Arc::new(open_directory(&*handle, name)?);
        }
        self.keep(wanted, &handle);
        Ok(handle)
    }

    fn keep(&self, path: PathRef<'_>, handle: &Arc<OwnedFd>) {
        let mut directories = self.lock();
        if directories.len() >= DIRECTORIES_MAX {
            directories.clear();
        }
        directories.insert(path.as_bytes().into(), Arc::clone(handle));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Box<[u8]>, Arc<OwnedFd>>> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    /// Waits for a write call that may go on: what is read from then on is whole, unless [`Opened::unchanged`] says no.
    pub fn wait_out_writer(&self) -> io::Result<()> {
        super::age::wait_out_writer(&self.file, &self.stamp)
    }

    /// Fills the buffer from the start of the file, wherever its position is; false where it has less.
    pub fn read_at_start(&self, buffer: &mut [u8]) -> io::Result<bool> {
        match self.file.read_exact_at(buffer, 0) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the file is still what it was when it was opened: if not, what was read may be torn.
    pub fn unchanged(&self) -> io::Result<bool> {
        Ok(Status::stamp(&self.file)? == self.stamp)
    }
}
