//! Where this machine keeps what it remembers: the XDG directories. Owns file names; opens nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a cache is keyed by: the root's file system and inode, so that a renamed root keeps its cache and another
/// directory at the same path does not take it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootKey {
    /// What the file system calls itself, which most keep across reboots.
    pub file_system: u64,
    /// Inode of the root directory.
    pub inode: u64,
}

/// The user's directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    cache: PathBuf,
    state: Option<PathBuf>,
}

impl Places {
    /// From the environment: `$XDG_CACHE_HOME/alike`, else `~/.cache/alike`; `None` where neither is set.
    pub fn from_environment() -> Option<Places> {
        let home = std::env::var_os("HOME");
        let places = Places::from_values(std::env::var_os("XDG_CACHE_HOME"), home.clone())?;
        Some(places.with_state(std::env::var_os("XDG_STATE_HOME"), home))
    }

    /// From the values of `XDG_CACHE_HOME` and `HOME`. As XDG has it, only absolute paths count.
    pub fn from_values(cache: Option<OsString>, home: Option<OsString>) -> Option<Places> {
        let absolute = |value: Option<OsString>| value.map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute(cache).or_else(|| Some(absolute(home)?.join(".cache")))?;
        Some(Places { cache: cache.join("alike"), state: None })
    }

    /// The same with `$XDG_STATE_HOME/alike`, else `~/.local/state/alike`.
    fn with_state(self, state: Option<OsString>, home: Option<OsString>) -> Places {
        let absolute = |value: Option<OsString>| value.map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute(state).or_else(|| Some(absolute(home)?.join(".local/state")));
        Places { state: state.map(|state| state.join("alike")), ..self }
    }

    /// The directory of what must not be deleted lightly.
    pub fn state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// The directory of all caches: anything in it may be deleted at any time.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The index of a root.
    pub fn index_path(&self, root: RootKey) -> PathBuf {
        self.cache.join(format!("{:016x}-{:x}.index", root.file_system, root.inode))
    }

    /// The hosts where UDP was blocked.
    pub fn hosts_path(&self) -> PathBuf {
        self.cache.join("hosts")
    }

    /// The digests of a first hash of a root that is not done.
    pub fn journal_path(&self, root: RootKey) -> PathBuf {
        self.cache.join(format!("{:016x}-{:x}.journal", root.file_system, root.inode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(cache: &str, home: &str) -> Option<PathBuf> {
        let value = |text: &str| Some(OsString::from(text)).filter(|text| !text.is_empty());
        Places::from_values(value(cache), value(home)).map(|places| places.cache)
    }

    #[test]
    fn the_cache_is_where_xdg_says() {
        assert_eq!(cache("/c", "/h"), Some("/c/alike".into()));
        assert_eq!(cache("", "/h"), Some("/h/.cache/alike".into()));
        assert_eq!(cache("relative", "/h"), Some("/h/.cache/alike".into()));
        assert_eq!(cache("", ""), None);
    }

    #[test]
    fn roots_differ_by_file_system_and_inode() {
        let places = Places::from_values(Some("/c".into()), None).expect("absolute");
        let key = |file_system, inode| places.index_path(RootKey { file_system, inode });
        assert_eq!(key(0xab, 16), Path::new("/c/alike/00000000000000ab-10.index"));
        assert_ne!(key(1, 2), key(2, 1));
    }
}
