//! `--backup-dir`: what a run put into the trash is carried to a directory of the user's choice at the end of the run,
//! under the paths that it had. By rename where that can be; to another file system it is copied, read back, made
//! durable, and only then removed here. Until then, and where anything fails, it is in the trash. Overwrites nothing: a
//! name that is taken there stays, and the newcomer gets another one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Rest;
use super::shelf::{self, Shelf, Thrown};
use crate::disk::directories::{self, Directories, Directory};
use crate::disk::metadata::{self, Now, Reach, Wanted};
use crate::disk::place::{cause, swap};
use crate::disk::root::{open_directory, open_file};
use crate::disk::status::Status;
use crate::disk::target::Target;
use crate::disk::xattr::{self, Through};
use crate::model::digest::Hasher;
use crate::model::entry::Extra;
use crate::model::{Digest, Entry, Kind, PathRef, Problem, ProblemKind, RelPath};
use swap::Leaf;

/// What is read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What becomes of one thing.
enum Sent {
    /// It is there, and no longer here.
    Moved,
    /// A copy is there.
    Copied,
}

/// One run on its way to the backup directory.
struct Export {
    backup: OwnedFd,
    to: Directories,
    from: Directories,
    /// Directories that are copied: where they are there.
    copied: HashMap<RelPath, RelPath>,
    wanted: Wanted,
}

impl Target {
    /// Carries what this run put into the trash to `backup`. What could not be carried stays in the trash and is named.
    pub fn export(&self, backup: &Path) -> io::Result<Vec<Problem>> {
        let (Some(run), Some(trash)) = (self.trash().current(), shelf::open(self.root())?) else {
            return Ok(Vec::new());
        };
        std::fs::create_dir_all(backup)?;
        let backup = fs::open(backup, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut shelf = Shelf::default();
        shelf.look_into(&trash, &run)?;
        let wanted = Wanted { mode: true, xattrs: true, owner: self.user().0 == 0, umask: metadata::umask() };
        let mut export = Export {
            to: Directories::below(&backup)?,
            from: Directories::below(open_directory(&trash, run.as_bytes())?)?,
            copied: HashMap::new(),
            wanted,
            backup,
        };
        let mut problems = shelf.problems;
        export.all(&shelf.things, &mut problems)?;
        Ok(problems)
    }
}

impl Export {
    fn all(&mut self, things: &[Thrown], problems: &mut Vec<Problem>) -> io::Result<()> {
        let mut copied = Vec::new();
        let mut moved: Option<&RelPath> = None;
        for thing in things {
            if moved.is_some_and(|above| thing.place.as_ref().is_below(above.as_ref())) {
                continue;
            }
            match self.send(thing) {
                Ok(Sent::Moved) => moved = Some(&thing.place),
                Ok(Sent::Copied) => copied.push(thing),
                Err(error) => problems.push(Problem {
                    path: thing.path.clone(),
                    kind: ProblemKind::Unwritable,
                    cause: format!("cannot be put into the backup directory, it is in the trash: {}", cause(&error)),
                }),
            }
        }
        self.settle(&copied)?;
        for thing in things.iter().rev().filter(|thing| !thing.within) {
            self.from.remove_empty(thing.place.as_ref().parent().unwrap_or(PathRef::ROOT));
        }
        Ok(())
    }

    /// What was copied is made durable, and only then removed here: what is in a directory before the directory.
    fn settle(&self, copied: &[&Thrown]) -> io::Result<()> {
        if copied.is_empty() {
            return Ok(());
        }
        for thing in copied.iter().rev().filter(|thing| thing.kind == Kind::Directory) {
            self.finish_directory(thing)?;
        }
        fs::syncfs(&self.backup)?;
        for thing in copied.iter().rev() {
            let parent = self.from.open(thing.place.as_ref().parent().unwrap_or(PathRef::ROOT))?;
            let name = thing.place.as_ref().name();
            if thing.kind == Kind::Directory {
                let _holds_what_stays = fs::unlinkat(&*parent, name, AtFlags::REMOVEDIR);
                self.from.forget(thing.place.as_ref());
            } else {
                let unlink = || Ok(fs::unlinkat(&*parent, name, AtFlags::empty())?);
                self.from.with_permission(thing.place.as_ref().parent().unwrap_or(PathRef::ROOT), &parent, unlink)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, thing: &Thrown) -> io::Result<Sent> {
        let above = thing.place.as_ref().parent().unwrap_or(PathRef::ROOT);
        let from = self.from.open(above)?;
        let here = Leaf::new(from.as_fd(), thing.place.as_ref().name());
        let parent = match self.copied.get(&above.to_owned()) {
            Some(parent) => parent.clone(),
            None if thing.within => return Err(Errno::NOENT.into()),
            None => self.directory(thing.path.as_ref().parent().unwrap_or(PathRef::ROOT))?,
        };
        let to = self.to.open(parent.as_ref())?;
        let mut rest = Rest::new(Arc::clone(&to), thing.path.as_ref().name());
        if !thing.within {
            match swap::move_to_rest(here, &mut rest) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => {}
                moved => return moved.map(|()| Sent::Moved),
            }
        }
        match thing.kind {
            Kind::Directory => {
                let there = self.make(&parent, thing.path.as_ref().name())?;
                self.copied.insert(thing.place.clone(), there);
            }
            Kind::File => self.copy_file(here, &to, &mut rest)?,
            Kind::Symlink => self.copy_link(here, &mut rest)?,
            Kind::Fifo | Kind::BlockDevice | Kind::CharDevice => self.copy_node(here, &mut rest)?,
            Kind::Socket | Kind::Unreadable => return Err(Errno::OPNOTSUPP.into()),
        }
        Ok(Sent::Copied)
    }

    /// The directory for what was in `path`; made where it is missing.
    fn directory(&self, path: PathRef<'_>) -> io::Result<RelPath> {
        let mut there = RelPath::default();
        for name in path.components() {
            there = self.make(&there, name)?;
        }
        Ok(there)
    }

    /// Opens or makes a directory; where something else has its name it gets another one.
    fn make(&self, parent: &RelPath, name: &[u8]) -> io::Result<RelPath> {
        let directory = self.to.open(parent.as_ref())?;
        for attempt in 0..=directories::ATTEMPTS_MAX {
            let name = directories::other_name(name, attempt);
            let there = parent.join(&name).map_err(|_| Errno::NAMETOOLONG)?;
            match fs::mkdirat(&*directory, &*name, Mode::from_bits_retain(0o777)) {
                Ok(()) => return Ok(there),
                Err(Errno::EXIST) if self.to.open(there.as_ref()).is_ok() => return Ok(there),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Copies under a name that nobody takes for a backup, and reads the copy back before it gets its own.
    fn copy_file(&self, here: Leaf<'_>, to: &Arc<Directory>, rest: &mut Rest) -> io::Result<()> {
        let mut source = open_file(here.directory, here.name)?;
        let status = Status::of(&source)?;
        let name = format!(".alike-{:016x}", directories::random());
        let part = Leaf::new(to.as_fd(), name.as_bytes());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut copy = File::from(fs::openat(part.directory, part.name, flags, Mode::RUSR | Mode::WUSR)?);
        let done = fill(&mut source, &mut copy).and_then(|()| {
            let extra = Extra { xattrs: xattr::read(&Through::File(&source))?, ..Extra::default() };
            self.describe(Reach::Open(copy.as_fd()), &status, extra)?;
            swap::move_to_rest(part, rest)
        });
        if done.is_err() {
            let _nothing_to_lose = fs::unlinkat(part.directory, part.name, AtFlags::empty());
        }
        done
    }

    fn copy_link(&self, here: Leaf<'_>, rest: &mut Rest) -> io::Result<()> {
        let target = fs::readlinkat(here.directory, here.name, Vec::new())?;
        let status = here.status()?;
        make_free(rest, |to| Ok(fs::symlinkat(target.as_c_str(), to.directory, to.name)?))?;
        self.describe_name(rest.leaf(), &status)
    }

    fn copy_node(&self, here: Leaf<'_>, rest: &mut Rest) -> io::Result<()> {
        let status = here.status()?;
        let kind = match status.kind {
            Kind::BlockDevice => FileType::BlockDevice,
            Kind::CharDevice => FileType::CharacterDevice,
            _ => FileType::Fifo,
        };
        make_free(rest, |to| Ok(fs::mknodat(to.directory, to.name, kind, Mode::RUSR | Mode::WUSR, status.node)?))?;
        self.describe_name(rest.leaf(), &status)
    }

    fn describe_name(&self, there: Leaf<'_>, status: &Status) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = fs::openat(there.directory, there.name, flags, Mode::empty())?;
        self.describe(Reach::Path(handle.as_fd()), status, Extra::default())
    }

    /// Directories get their bits and times when all is in them.
    fn finish_directory(&self, thing: &Thrown) -> io::Result<()> {
        let Some(there) = self.copied.get(&thing.place) else { return Ok(()) };
        let above = self.from.open(thing.place.as_ref().parent().unwrap_or(PathRef::ROOT))?;
        let source = File::from(open_directory(&*above, thing.place.as_ref().name())?);
        let mut status = Status::of(&source)?;
        status.mode = thing.mode.unwrap_or(status.mode);
        status.stamp.mtime = thing.mtime;
        let extra = Extra { xattrs: xattr::read(&Through::File(&source))?, ..Extra::default() };
        let directory = self.to.open(there.as_ref())?;
        self.describe(Reach::Path(directory.as_fd()), &status, extra)
    }

    /// Sets metadata. What the other file system cannot hold is a failure: the original stays in the trash then.
    fn describe(&self, reach: Reach<'_>, status: &Status, extra: Extra) -> io::Result<()> {
        let entry = Entry {
            kind: status.kind,
            mode: status.mode,
            mtime: status.stamp.mtime,
            size: status.stamp.size,
            content: Digest::UNKNOWN,
            uid: status.uid,
            gid: status.gid,
            extra: Some(Box::new(extra)),
        };
        let lacks = metadata::apply(reach, Now::Fresh, &entry, self.wanted)?;
        if lacks.is_empty() { Ok(()) } else { Err(io::Error::other(lacks.join("; "))) }
    }
}

/// Copies the bytes, and insists that what is read back is what was read.
fn fill(source: &mut File, copy: &mut File) -> io::Result<()> {
    let digest = each_chunk(source, |bytes| copy.write_all(bytes))?;
    io::Seek::rewind(copy)?;
    if each_chunk(copy, |_| Ok(()))? == digest {
        Ok(())
    } else {
        Err(io::Error::other("the copy differs from what was copied"))
    }
}

fn each_chunk(file: &mut File, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Digest> {
    let (mut hasher, mut buffer) = (Hasher::content(), vec![0; CHUNK_BYTES]);
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        hasher.update(&buffer[..read]);
        each(&buffer[..read])?;
    }
}

fn make_free(rest: &mut Rest, make: impl Fn(Leaf<'_>) -> io::Result<()>) -> io::Result<()> {
    loop {
        match make(rest.leaf()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && rest.other() => {}
            done => return done,
        }
    }
}
