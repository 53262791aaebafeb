//! The file itself: where it is, how it is read, and how a command changes it. Replaced by rename under a lock, so that two
//! commands at once both count and nobody ever reads half of it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::{Config, ConfigError, file};

/// The place of the configuration.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
}

impl Place {
    /// `$XDG_CONFIG_HOME/alike/config.toml`, else `~/.config/alike/config.toml`. As XDG has it, only absolute paths count.
    pub fn from_environment() -> Result<Place, ConfigError> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        base.map(|base| Place { path: base.join("alike/config.toml") }).ok_or(ConfigError::NoPlace)
    }

    /// The configuration in a file.
    pub fn at(path: PathBuf) -> Place {
        Place { path }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is configured; where there is no file, nothing is.
    pub fn read(&self) -> Result<Config, ConfigError> {
        file::parse(&self.path, &self.text()?)
    }

    /// Replaces the text by what `edit` makes of it.
    pub fn edit(&self, edit: impl FnOnce(&Path, &str) -> Result<String, ConfigError>) -> Result<(), ConfigError> {
        let write = |source| ConfigError::Write { path: self.path.clone(), source };
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(write)?;
        let _lock = locked(directory).map_err(write)?;
        let text = self.text()?;
        let edited = edit(&self.path, &text)?;
        if edited == text { Ok(()) } else { self.replace(&edited).map_err(write) }
    }

    fn text(&self) -> Result<String, ConfigError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(ConfigError::Read { path: self.path.clone(), source }),
        }
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        // A link is followed: people keep such files elsewhere, and link to them.
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let staged = path.with_extension(format!("toml.{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
        if let Ok(old) = fs::metadata(&path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&staged, &path)
    }
}

/// The directory itself is what is locked: the file is replaced by each edit.
fn locked(directory: &Path) -> io::Result<File> {
    let handle = File::open(directory)?;
    rustix::fs::flock(&handle, FlockOperation::LockExclusive)?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::config::{Role, Shared, edit};

    #[test]
    fn edits_at_the_same_time_all_count() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place::at(directory.path().join("deep/config.toml"));
        assert_eq!(place.read().expect("no file is no configuration"), Config::default());
        std::thread::scope(|scope| {
            for index in 0..8 {
                let place = &place;
                scope.spawn(move || {
                    let share = Shared { root: format!("/r/{index}").into(), role: Role::ReadWrite, paused: false };
                    let name = format!("s{index}").parse().expect("legal");
                    place.edit(|path, text| edit::add(path, text, &name, &share)).expect("an edit");
                });
            }
        });
        assert_eq!(place.read().expect("legal").shares.len(), 8);
        let left = fs::read_dir(directory.path().join("deep")).expect("there").count();
        assert_eq!(left, 1, "nothing but the file");
    }
}
