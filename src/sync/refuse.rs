//! What is refused before anything is read: roots inside one another, and targets that are surely not meant.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::error::Error;
use super::job::{Reading, Writing};
use super::replica::STATE;
use crate::disk::control::NAME;
use crate::disk::root::Root;
use crate::model::PathRef;
use crate::model::plan::guard::Limit;
use crate::store::places::RootKey;
use crate::store::receives;
use crate::store::registry::{Known, Registry};

/// A root that is not what it was is not mounted, more likely than replaced.
const MOUNT_IT: &str =
    "mount what belongs there; or say --max-delete=100% if it is to begin anew: nothing is deleted then";

/// Two roots of which neither is on this machine.
pub fn both_remote() -> Error {
    Error::Usage {
        message: "both locations are remote".into(),
        hint: "run the command on one of the two machines".into(),
    }
}

/// Refuses two local roots of which one is, or holds, the other.
pub fn nested(source: &Root, target: &Path) -> Result<(), Error> {
    let source = source.path();
    let message = if source == target {
        format!("source and target are the same directory, `{}`", source.display())
    } else if target.starts_with(source) {
        format!("the target `{}` lies inside the source `{}`", target.display(), source.display())
    } else if source.starts_with(target) {
        format!("the source `{}` lies inside the target `{}`", source.display(), target.display())
    } else {
        return Ok(());
    };
    Err(Error::Usage { message, hint: "name two directories of which neither holds the other".into() })
}

/// Refuses a root that lies inside another replica: what happens in it would happen in both.
pub fn inner(root: &Root) -> Result<(), Error> {
    let is_replica = |directory: &&Path| directory.join(NAME).join(STATE).symlink_metadata().is_ok();
    match root.path().ancestors().skip(1).find(is_replica) {
        None => Ok(()),
        Some(outer) => Err(Error::Usage {
            message: format!("`{}` lies inside the replica `{}`", root.path().display(), outer.display()),
            hint: "sync the outer directory, or remove its `.alike` if it is no replica any more".into(),
        }),
    }
}

/// Refuses to write in the name of a member that only receives.
pub fn receiver(root: &Root, writing: &Writing) -> Result<(), Error> {
    if writing.dry_run || !receives::is_marked(&root.path().join(NAME)) {
        return Ok(());
    }
    Err(Error::Forbidden {
        message: format!(
            "`{}` is a share that only receives here: nothing is written in its name",
            root.path().display()
        ),
        hint: "`alike mirror` copies out of it and into it; what it changes here stays here, until `alike revert`"
            .into(),
    })
}

/// Refuses a replica's root that is known and is not there.
pub fn vanished(path: &Path, limit: Limit) -> Result<(), Error> {
    let is_missing = path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    if !is_missing || limit == Limit::Percent(100) || Registry::of(&resolved(path)).known().is_none() {
        return Ok(());
    }
    Err(Error::Guarded {
        message: format!("`{}` was synced before and is not there", path.display()),
        hint: MOUNT_IT.into(),
    })
}

/// Refuses a link that stands where a replica's root was, unless it leads to a replica.
pub fn linked(path: &Path, limit: Limit) -> Result<(), Error> {
    let is_link = path.symlink_metadata().is_ok_and(|status| status.is_symlink());
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let here = absolute.parent().zip(absolute.file_name()).map(|(parent, name)| resolved(parent).join(name));
    let is_replica = path.join(NAME).join(STATE).symlink_metadata().is_ok();
    match here {
        Some(here)
            if is_link && !is_replica && limit != Limit::Percent(100) && Registry::of(&here).known().is_some() =>
        {
            Err(Error::Guarded {
                message: format!("`{}` is not the directory that it was", path.display()),
                hint: MOUNT_IT.into(),
            })
        }
        _ => Ok(()),
    }
}

/// Refuses a replica's root that is known, has no memory, and is another directory than it was.
pub fn replaced(root: &Root, known: Option<&Known>, now: RootKey, limit: Limit) -> Result<(), Error> {
    match known {
        Some(known) if known.root != now && limit != Limit::Percent(100) => Err(Error::Guarded {
            message: format!("`{}` is not the directory that it was", root.path().display()),
            hint: MOUNT_IT.into(),
        }),
        _ => Ok(()),
    }
}

/// Refuses `/` and the home directory as a target, unless every delete is meant.
pub fn precious(target: &Path, limit: Limit) -> Result<(), Error> {
    if limit == Limit::Percent(100) {
        return Ok(());
    }
    let home = std::env::var_os("HOME").and_then(|home| Path::new(&home).canonicalize().ok());
    let what = if target == Path::new("/") {
        "the root of the file system"
    } else if home.is_some_and(|home| home == target) {
        "your home directory"
    } else {
        return Ok(());
    };
    Err(Error::Guarded {
        message: format!(
            "`{}` is {what}: a mirror would delete everything in it that the source lacks",
            target.display()
        ),
        hint: "name a directory inside it, or say --max-delete=100% if this is meant".into(),
    })
}

/// Refuses a backup directory that a mirror would itself delete or fill: in the target it must be left out by a filter.
pub fn misplaced_backup(target: &Path, writing: &Writing, reading: &Reading) -> Result<(), Error> {
    let Some(backup) = resolved_backup(target, writing) else { return Ok(()) };
    if target.starts_with(&backup) {
        return Err(Error::Usage {
            message: format!("the target lies inside the backup directory `{}`", backup.display()),
            hint: "name a backup directory that is not above the target".into(),
        });
    }
    let Ok(inside) = backup.strip_prefix(target) else { return Ok(()) };
    let filter = super::side::filter(reading)?;
    let path = PathRef::new(inside.as_os_str().as_bytes());
    if path.is_ok_and(|path| filter.excludes(path, true)) {
        return Ok(());
    }
    let first = inside.components().next().map_or(inside, |first| Path::new(first.as_os_str()));
    Err(Error::Usage {
        message: format!("the backup directory `{}` lies inside the target", backup.display()),
        hint: format!("name one outside, or leave it out of the mirror with --exclude=/{}", first.display()),
    })
}

/// Refuses a backup directory in the source, which is never written to.
pub fn backup_in_source(source: &Root, target: &Path, writing: &Writing) -> Result<(), Error> {
    match resolved_backup(target, writing) {
        Some(backup) if backup.starts_with(source.path()) => Err(Error::Usage {
            message: format!("the backup directory `{}` lies inside the source", backup.display()),
            hint: "name one outside: a source is never written to".into(),
        }),
        _ => Ok(()),
    }
}

/// As in rsync, a relative backup directory is one of the target's.
pub fn resolved_backup(target: &Path, writing: &Writing) -> Option<PathBuf> {
    let joined = target.join(writing.backup.as_ref()?);
    // The target may not be there yet: then nobody else can say what is above it.
    let mut plain = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    Some(resolved(&plain))
}

/// The path that `target` has or will have, for comparing it with another root.
pub fn resolved(target: &Path) -> PathBuf {
    let absolute = std::path::absolute(target).unwrap_or_else(|_| target.to_owned());
    for ancestor in absolute.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            let rest = absolute.strip_prefix(ancestor).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    absolute
}

/// Refuses a directory that is no replica: looking at it would make it one.
pub fn no_replica(root: &Root) -> Result<(), Error> {
    let state = root.path().join(crate::disk::control::NAME).join(super::replica::STATE);
    match std::fs::symlink_metadata(&state) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::NoReplica { path: root.path().into() })
        }
        _ => Ok(()),
    }
}
