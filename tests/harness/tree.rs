//! Makes trees, one call an entry; every call names a path below the root.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

/// A directory that a test fills.
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The tree at a path, whatever is there.
    pub fn at(root: PathBuf) -> Tree {
        Tree { root }
    }

    /// The root.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The root as text, for arguments.
    pub fn text(&self) -> &str {
        self.root.to_str().expect("sandboxes have plain names")
    }

    /// Where a path of the tree is.
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Writes a file with mode 0644, and what is missing above it. An existing file keeps its inode and its mode.
    pub fn file(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> &Tree {
        let place = self.place(path.as_ref());
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o644).open(&place);
        file.and_then(|mut file| file.write_all(bytes.as_ref())).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
        self
    }

    /// Makes a directory, and what is missing above it.
    pub fn directory(&self, path: impl AsRef<Path>) -> &Tree {
        fs::create_dir_all(self.join(path)).expect("a new directory");
        self
    }

    /// Makes a symbolic link.
    pub fn link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> &Tree {
        symlink(target, self.place(path.as_ref())).expect("a new link");
        self
    }

    /// Gives a file one more name.
    pub fn hard_link(&self, path: impl AsRef<Path>, original: impl AsRef<Path>) -> &Tree {
        fs::hard_link(self.join(original), self.place(path.as_ref())).expect("a new name");
        self
    }

    /// Makes a fifo.
    pub fn fifo(&self, path: impl AsRef<Path>) -> &Tree {
        let place = self.place(path.as_ref());
        rustix::fs::mknodat(CWD, place, FileType::Fifo, Mode::from_raw_mode(0o644), 0).expect("a new fifo");
        self
    }

    /// Sets permission bits.
    pub fn mode(&self, path: impl AsRef<Path>, mode: u32) -> &Tree {
        fs::set_permissions(self.join(path), fs::Permissions::from_mode(mode)).expect("mode bits");
        self
    }

    /// Sets the modification time, of a link itself too.
    pub fn mtime(&self, path: impl AsRef<Path>, secs: i64, nanos: u32) -> &Tree {
        let time = Timespec { tv_sec: secs, tv_nsec: nanos.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, self.join(path), &times, AtFlags::SYMLINK_NOFOLLOW).expect("times");
        self
    }

    /// Sets an extended attribute.
    pub fn xattr(&self, path: impl AsRef<Path>, name: &str, value: impl AsRef<[u8]>) -> &Tree {
        let name = CString::new(name).expect("a plain name");
        rustix::fs::lsetxattr(self.join(path), name, value.as_ref(), XattrFlags::empty()).expect("an attribute");
        self
    }

    /// Renames within the tree.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> &Tree {
        fs::rename(self.join(from), self.place(to.as_ref())).expect("a rename");
        self
    }

    /// Removes a file, or a directory with all that is below it.
    pub fn remove(&self, path: impl AsRef<Path>) -> &Tree {
        let place = self.join(path);
        let is_directory = place.symlink_metadata().expect("something to remove").is_dir();
        let removed = if is_directory { fs::remove_dir_all(place) } else { fs::remove_file(place) };
        removed.expect("a removal");
        self
    }

    /// The bytes of a file.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.join(path)).expect("a readable file")
    }

    /// Whether anything is there, a dangling link included.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.join(path).symlink_metadata().is_ok()
    }

    /// Every path but `.alike`, with a file's bytes, `-> target` for a link and `/` for a directory: what two replicas agree on.
    pub fn shown(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut shown = BTreeMap::new();
        let mut left = vec![PathBuf::new()];
        while let Some(directory) = left.pop() {
            for found in fs::read_dir(self.join(&directory)).expect("a readable directory") {
                let found = found.expect("an entry");
                let path = directory.join(found.file_name());
                let kind = found.file_type().expect("a kind");
                if path == Path::new(".alike") {
                    continue;
                }
                let bytes = if kind.is_dir() {
                    left.push(path.clone());
                    b"/".to_vec()
                } else if kind.is_symlink() {
                    let target = fs::read_link(found.path()).expect("a readable link");
                    format!("-> {}", target.display()).into_bytes()
                } else {
                    fs::read(found.path()).expect("a readable file")
                };
                shown.insert(path, bytes);
            }
        }
        shown
    }

    /// One of each kind of thing that is kept by default, with times and modes that nobody has by accident.
    pub fn sampler(&self) -> &Tree {
        self.file("empty", b"")
            .file("hello.txt", b"hello\n")
            .mode("hello.txt", 0o640)
            .file("docs/deep/er/note.md", b"# note\n")
            .file("docs/big.bin", pattern(300_000, 7))
            .file("script", b"#!/bin/sh\n")
            .mode("script", 0o4755)
            .directory("bare")
            .mode("bare", 0o1777)
            .link("to-hello", "hello.txt")
            .link("dangling", "../nowhere/at all")
            .hard_link("docs/hello-again", "hello.txt")
            .file("spaces and \u{e4}\u{f6}\n\"quotes\"", b"odd")
            .mtime("hello.txt", 1_000_000_000, 123_456_789)
            .mtime("dangling", 1, 1)
            .mtime("to-hello", -5, 999_999_999)
            .mtime("docs/deep", 1_600_000_000, 5)
            .mtime("bare", 86_400, 0)
    }

    /// A path below the root, with what is missing above it made.
    fn place(&self, path: &Path) -> PathBuf {
        let place = self.root.join(path);
        fs::create_dir_all(place.parent().expect("a path below the root")).expect("directories");
        place
    }
}

/// Bytes that no compressor shrinks, the same for the same seed.
pub fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
