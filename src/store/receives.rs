//! The mark of a root whose member only receives: an empty file in its `.alike`. Whatever works on the root, with a daemon or
//! without one, sees by it that nothing here is a write.

use std::fs::{self, File};
use std::io;
use std::path::Path;

const NAME: &str = "receives";

/// Whether the root of this `.alike` is marked.
pub fn is_marked(control: &Path) -> bool {
    fs::symlink_metadata(control.join(NAME)).is_ok()
}

/// Marks it.
pub fn mark(control: &Path) -> io::Result<()> {
    File::create(control.join(NAME)).map(drop)
}

/// Takes the mark away, where there is one.
pub fn unmark(control: &Path) -> io::Result<()> {
    match fs::remove_file(control.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
