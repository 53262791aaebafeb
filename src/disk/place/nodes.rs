//! Entries without bytes of their own: symbolic links, fifos, devices, and further names of a file. Made in staging, so
//! that they get their name whole.

use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Incoming;
use super::replace::Refusal;
use crate::disk::metadata::{self, Now, Reach};
use crate::disk::target::Target;
use crate::model::{Entry, Kind, RelPath};

impl Target {
    /// One more name of the file at `to`.
    pub(super) fn incoming_link(&self, to: &RelPath) -> Result<Incoming, Refusal> {
        self.check_path(to.as_ref()).map_err(|problem| Refusal::Cannot(problem.cause))?;
        let parent = self.parent(to.as_ref())?;
        let slot = self.staging().slot()?;
        let name = to.as_ref().name();
        if let Ok(status) = super::Leaf::new(parent.as_fd(), name).status() {
            self.touching(&status);
        }
        // Without the flag that follows links: one that was put here names itself.
        match fs::linkat(parent.as_fd(), name, slot.directory(), slot.name(), AtFlags::empty()) {
            Ok(()) => Ok(Incoming { slot, file: None, lacks: Vec::new() }),
            Err(error @ (Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK)) => {
                let cause = super::cause(&error.into());
                Err(Refusal::Unrepresentable(format!("cannot be a hard link to `{to}`: {cause}")))
            }
            Err(Errno::NOENT) => Err(Refusal::Cannot(format!("`{to}`, which it is linked with, is missing"))),
            Err(error) => Err(Refusal::System(error.into())),
        }
    }

    /// A symbolic link, a fifo or a device.
    pub(super) fn incoming_node(&self, wanted: &Entry) -> Result<Incoming, Refusal> {
        let slot = self.staging().slot()?;
        let (directory, name) = (slot.directory(), slot.name());
        let node = |kind, device| fs::mknodat(directory, name, kind, Mode::RUSR | Mode::WUSR, device);
        let device = wanted.extra.as_ref().map_or(0, |extra| extra.device);
        let made = match wanted.kind {
            Kind::Symlink => fs::symlinkat(wanted.target().unwrap_or_default(), directory, name),
            Kind::Fifo => node(FileType::Fifo, 0),
            Kind::BlockDevice => node(FileType::BlockDevice, device),
            Kind::CharDevice => node(FileType::CharacterDevice, device),
            Kind::File | Kind::Directory | Kind::Socket | Kind::Unreadable => Err(Errno::OPNOTSUPP),
        };
        made.map_err(|error| match error {
            Errno::PERM | Errno::OPNOTSUPP | Errno::NAMETOOLONG | Errno::INVAL => Refusal::Unrepresentable(format!(
                "{} cannot be made here: {}",
                name_of(wanted.kind),
                super::cause(&error.into())
            )),
            _ => Refusal::System(error.into()),
        })?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = fs::openat(directory, name, flags, Mode::empty()).map_err(std::io::Error::from)?;
        let lacks = metadata::apply(Reach::Path(handle.as_fd()), Now::Fresh, wanted, self.wanted())?;
        Ok(Incoming { slot, file: None, lacks })
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Symlink => "a symbolic link",
        Kind::Fifo => "a fifo",
        Kind::BlockDevice | Kind::CharDevice => "a device",
        Kind::Socket => "a socket",
        Kind::File => "a file without bytes",
        Kind::Directory | Kind::Unreadable => "this",
    }
}
