//! Takes a replica's memory away, whole and without deleting it: what it was is moved into a directory beside it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What is remembered, in the order in which it goes. A memory that is gone makes the next look begin anew whatever the
/// index says, so wherever this stops nothing is taken for deleted.
const MEMORY: [&str; 3] = ["state.redb", "index", "journal"];
/// How many memories may have been moved aside.
const ASIDE_MAX: u32 = 1000;

/// Moves what is remembered in `control` aside; gives where it is now, or `None` where nothing was remembered.
pub fn move_aside(control: &Path) -> io::Result<Option<PathBuf>> {
    let is_there = |name: &&str| fs::symlink_metadata(control.join(name)).is_ok();
    let names: Vec<&str> = MEMORY.into_iter().filter(is_there).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let aside = new_directory(control)?;
    for name in names {
        fs::rename(control.join(name), aside.join(name))?;
    }
    Ok(Some(aside))
}

fn new_directory(control: &Path) -> io::Result<PathBuf> {
    for number in 1..=ASIDE_MAX {
        let path = control.join(format!("forgotten-{number}"));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
