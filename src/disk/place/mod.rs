//! Carrying out one action. Owns the order in which things are checked, staged and exchanged, so that every path holds
//! its old or its new content at every instant, and nothing that somebody wrote is lost. Start at [`Target::place`].

mod intact;
mod moves;
pub mod nests;
mod nodes;
mod replace;
pub(super) mod swap;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::control;
use super::directories::Directory;
use super::metadata::{self, Now, Reach};
use super::stage::{Slot, Staged};
use super::status::Status;
use super::target::Target;
use crate::model::plan::action::{Action, Before, Source, Step};
use crate::model::{Entry, Kind, PathRef, Problem, ProblemKind, RelPath, Stamp};
use replace::Refusal;
use swap::Leaf;

/// What an action left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// What the path holds now; all zero where nothing is left, or where it is no longer what was put there.
    pub stamp: Stamp,
    /// A directory that was to be deleted still holds something that is no part of the plan.
    pub remains: bool,
    /// The content is in place; this names what of its metadata is not.
    pub lacks: Option<Problem>,
}

impl Placed {
    const GONE: Placed = Placed {
        stamp: Stamp {
            inode: 0,
            size: 0,
            mtime: crate::model::Time { secs: 0, nanos: 0 },
            ctime: crate::model::Time { secs: 0, nanos: 0 },
        },
        remains: false,
        lacks: None,
    };
}

/// Something staged, ready to be named.
struct Incoming {
    slot: Slot,
    /// Where it is a regular file.
    file: Option<File>,
    lacks: Vec<String>,
}

impl Target {
    /// Does what the action says. What is staged is used up, or removed where the action fails.
    ///
    /// A [`Step::Rename`] is better done by [`Target::place_move`], which also checks what is moved.
    pub fn place(&self, action: &Action, staged: Option<Staged>) -> Result<Placed, Problem> {
        let path = action.path.as_ref();
        self.check_path(path)?;
        let done = match &action.step {
            Step::Mkdir => self.mkdir(action),
            Step::Create(source) | Step::Update(source) => self.put(action, source, staged),
            Step::Rename { from } => self.rename(action, from, None),
            Step::Metadata => self.change_metadata(action),
            Step::Delete { within: true, .. } => Ok(self.within(action)),
            Step::Delete { whole, .. } => self.delete(action, *whole),
        };
        done.map_err(|refusal| self.refuse(&action.path, refusal))
    }

    /// Sets the metadata of a directory: at the very end, the deepest first.
    pub fn directory_metadata(&self, path: &RelPath, wanted: &Entry) -> Result<Stamp, Problem> {
        self.check_path(path.as_ref())?;
        let done = self.set_directory_metadata(path, wanted);
        let placed = done.map_err(|refusal| refusal.into_problem(path))?;
        match placed.lacks {
            Some(problem) => Err(problem),
            None => Ok(placed.stamp),
        }
    }

    /// The problem of an action that was not done.
    fn refuse(&self, path: &RelPath, refusal: Refusal) -> Problem {
        self.in_vain(path.as_ref());
        refusal.into_problem(path)
    }

    /// Puts something staged, or made here, at the path.
    fn put(&self, action: &Action, source: &Source, staged: Option<Staged>) -> Result<Placed, Refusal> {
        let wanted = wanted(action)?;
        let parent = self.parent(action.path.as_ref())?;
        let mut incoming = match source {
            Source::Fetch | Source::Copy { .. } => self.incoming_file(staged, wanted)?,
            Source::Link { to } => self.incoming_link(to)?,
            Source::None => self.incoming_node(wanted)?,
        };
        if let Some(file) = &incoming.file {
            self.hand_on(action, wanted, &parent, file)?;
        }
        match (&action.step, &action.before) {
            (Step::Update(_), Some(before)) => self.replace(&mut incoming, action.path.as_ref(), before, &parent)?,
            _ => self.put_new(&mut incoming.slot, action.path.as_ref(), &parent)?,
        }
        let status = match &incoming.file {
            Some(file) => Status::of(file)?,
            None => Leaf::new(parent.as_fd(), action.path.as_ref().name()).status()?,
        };
        Ok(self.placed(&action.path, wanted, &status, incoming.lacks))
    }

    /// Where owner or mode are not wanted from the source, a file takes over those of the one that it replaces, and
    /// a new one the group of a set-group-id directory.
    fn hand_on(&self, action: &Action, wanted: &Entry, parent: &Directory, file: &File) -> io::Result<()> {
        let set = self.wanted();
        let old = action.before.as_ref().filter(|before| before.kind == Kind::File).map(|before| &before.entry);
        let (uid, gid) = match old {
            _ if set.owner => (None, None),
            Some(old) if self.is_ours(old) => (None, None),
            Some(old) => (Some(old.uid), Some(old.gid)),
            None => (None, parent.heirs),
        };
        let mode = match old {
            Some(old) if !set.mode => Some(old.mode),
            _ if gid.is_none() => None,
            _ if set.mode => Some(wanted.mode),
            _ => Some(wanted.mode & 0o777 & !set.umask),
        };
        mode.map_or(Ok(()), |mode| metadata::hand_on(Reach::Open(file.as_fd()), uid, gid, mode))
    }

    fn is_ours(&self, entry: &Entry) -> bool {
        (entry.uid, entry.gid) == self.user()
    }

    fn put_new(&self, slot: &mut Slot, path: PathRef<'_>, parent: &Directory) -> Result<(), Refusal> {
        let here = Leaf::new(parent.as_fd(), path.name());
        self.in_parent(path, parent, || swap::move_to_free(slot.leaf(), here))?;
        slot.moved();
        Ok(())
    }

    fn incoming_file(&self, staged: Option<Staged>, wanted: &Entry) -> Result<Incoming, Refusal> {
        let staged = staged.ok_or_else(|| Refusal::Cannot("its bytes have not come".into()))?;
        let lacks = match staged.settled() {
            Some(done) => done?,
            None => {
                let reach = Reach::Open(staged.file().as_fd());
                metadata::apply(reach, Now::Born(staged.born()), wanted, self.wanted())?
            }
        };
        let (slot, file) = staged.into_parts();
        Ok(Incoming { slot, file: Some(file), lacks })
    }

    fn mkdir(&self, action: &Action) -> Result<Placed, Refusal> {
        let path = action.path.as_ref();
        let parent = self.parent(path)?;
        let here = Leaf::new(parent.as_fd(), path.name());
        if let Some(before) = &action.before {
            let slot = self.staging().slot()?;
            fs::mkdirat(slot.directory(), slot.name(), Mode::RWXU).map_err(io::Error::from)?;
            let mut incoming = Incoming { slot, file: None, lacks: Vec::new() };
            self.replace(&mut incoming, path, before, &parent)?;
        } else {
            // Nobody looks inside before the bits are set at the end; where they are not wanted, the umask decides.
            let bits = if self.wanted().mode { 0 } else { wanted(action)?.mode & 0o777 };
            let mode = Mode::RWXU | Mode::from_bits_truncate(u32::from(bits));
            match self.in_parent(path, &parent, || Ok(fs::mkdirat(parent.as_fd(), path.name(), mode)?)) {
                // Somebody made the same directory: that is what is wanted.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_directory(here) => {}
                made => made?,
            }
        }
        Ok(Placed { stamp: here.status()?.stamp, ..Placed::GONE })
    }

    fn change_metadata(&self, action: &Action) -> Result<Placed, Refusal> {
        let wanted = wanted(action)?;
        let parent = self.parent(action.path.as_ref())?;
        let handle = self.open_itself(&parent, action.path.as_ref())?;
        let status = Status::of(&handle)?;
        self.check(scanned(action)?, &status)?;
        let set = metadata::Wanted { xattrs: self.wanted().xattrs && action.changes.xattrs, ..self.wanted() };
        self.touching(&status);
        // Said before it is done: other names of the file are looked at meanwhile.
        self.retimed(&status.stamp, wanted.mtime);
        let lacks = metadata::apply(Reach::Path(handle.as_fd()), Now::Seen(&status), wanted, set)?;
        let now = Status::of(&handle)?;
        self.retimed(&now.stamp, now.stamp.mtime);
        Ok(self.placed(&action.path, wanted, &now, lacks))
    }

    fn set_directory_metadata(&self, path: &RelPath, wanted: &Entry) -> Result<Placed, Refusal> {
        let directory = self.directories().open(path.as_ref())?;
        let status = Status::of(&*directory)?;
        let lacks = metadata::apply(Reach::Path(directory.as_fd()), Now::Seen(&status), wanted, self.wanted())?;
        if self.wanted().mode {
            self.directories().settled(path);
        }
        Ok(self.placed(path, wanted, &Status::of(&*directory)?, lacks))
    }

    /// Opens what the name stands for, itself where it is a link, whatever its permission bits.
    fn open_itself(&self, parent: &Arc<Directory>, path: PathRef<'_>) -> Result<std::os::fd::OwnedFd, Refusal> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened =
            self.in_parent(path, parent, || Ok(fs::openat(parent.as_fd(), path.name(), flags, Mode::empty())?));
        opened.map_err(Refusal::gone)
    }

    /// What is reported of a path that is in place now: a kernel that takes a value and keeps another is noticed here.
    fn placed(&self, path: &RelPath, wanted: &Entry, status: &Status, mut lacks: Vec<String>) -> Placed {
        if lacks.is_empty() && status.stamp.mtime != wanted.mtime {
            lacks.push("its modification time is not kept: the file system holds another".into());
        }
        if lacks.is_empty() && self.wanted().mode && status.kind != Kind::Symlink && status.mode != wanted.mode {
            lacks.push("its mode is not kept: the file system holds another".into());
        }
        let lacks = (!lacks.is_empty()).then(|| Problem {
            path: path.clone(),
            kind: ProblemKind::Unrepresentable,
            cause: lacks.join("; "),
        });
        // An edit that came just now must not pass for what was put here.
        let is_other =
            status.kind == Kind::File && (status.stamp.mtime, status.stamp.size) != (wanted.mtime, wanted.size);
        Placed { stamp: if is_other { Placed::GONE.stamp } else { status.stamp }, remains: false, lacks }
    }

    /// Opens the directory that a path is in.
    fn parent(&self, path: PathRef<'_>) -> Result<Arc<Directory>, Refusal> {
        let parent = path.parent().ok_or_else(|| Refusal::Cannot("is the root itself".into()))?;
        Ok(self.directories().open(parent)?)
    }

    /// Does something in the directory that `path` is in, and lends permission where it is lacking.
    fn in_parent<T>(&self, path: PathRef<'_>, parent: &Directory, act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.directories().with_permission(path.parent().unwrap_or(PathRef::ROOT), parent, act)
    }

    /// Nobody writes into our own directory by way of a plan.
    fn check_path(&self, path: PathRef<'_>) -> Result<(), Problem> {
        if path.components().next() != Some(control::NAME.as_bytes()) {
            return Ok(());
        }
        let cause = format!("the name `{}` is reserved", control::NAME);
        Err(Problem { path: path.to_owned(), kind: ProblemKind::Unrepresentable, cause })
    }
}

fn wanted(action: &Action) -> Result<&Entry, Refusal> {
    action.wanted.as_ref().ok_or_else(|| Refusal::Cannot("the plan does not say what is wanted".into()))
}

fn scanned(action: &Action) -> Result<&Before, Refusal> {
    action.before.as_deref().ok_or_else(|| Refusal::Cannot("the plan does not say what is here".into()))
}

fn is_directory(leaf: Leaf<'_>) -> bool {
    leaf.status().is_ok_and(|status| status.kind == Kind::Directory)
}

/// Whether a path failed because the file system is full.
pub fn lacked_room(problem: &Problem) -> bool {
    problem.kind == ProblemKind::Unwritable && problem.cause == cause(&Errno::NOSPC.into())
}

/// What the system said, for a person: lower case, no number.
pub fn cause(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::XDEV) => "is on another file system".into(),
        Some(Errno::EXIST) => "appeared since it was scanned".into(),
        Some(Errno::NOENT) => "its directory is missing".into(),
        Some(Errno::LOOP | Errno::NOTDIR) => "a link or a file is in the place of a directory above it".into(),
        _ => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            let mut chars = text.chars();
            chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
        }
    }
}

/// Removes a name that is free to go.
fn unlink(leaf: Leaf<'_>, flags: AtFlags) -> io::Result<()> {
    Ok(fs::unlinkat(leaf.directory, leaf.name, flags)?)
}
