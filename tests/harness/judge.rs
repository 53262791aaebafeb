//! Whether two trees are alike, found out with system calls alone: shares no code with what it judges.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsStr};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Our own directory at the top of a root: no part of the tree.
const CONTROL: &str = ".alike";

/// Everything about a path but a file's bytes.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    kind: &'static str,
    mode: Option<u32>,
    mtime: (i64, i64),
    size: Option<u64>,
    owner: Option<(u32, u32)>,
    target: Option<PathBuf>,
    device: Option<u64>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The least path of the files that share the inode, where more than one does.
    links: Option<PathBuf>,
}

/// Insists that two trees are alike.
#[track_caller]
pub fn assert_alike(left: impl AsRef<Path>, right: impl AsRef<Path>) {
    let differences = judge(left.as_ref(), right.as_ref());
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Every difference between two trees, a line each. The roots themselves are not compared.
pub fn judge(left: &Path, right: &Path) -> Vec<String> {
    let (seen_left, seen_right) = (look(left), look(right));
    let paths: BTreeSet<&PathBuf> = seen_left.keys().chain(seen_right.keys()).collect();
    let mut differences = Vec::new();
    for path in paths {
        match (seen_left.get(path), seen_right.get(path)) {
            (Some(_), None) => differences.push(format!("{path:?}: only left")),
            (None, Some(_)) => differences.push(format!("{path:?}: only right")),
            (Some(one), Some(other)) if one != other => differences.push(format!("{path:?}: {one:?}\n   {other:?}")),
            (Some(one), Some(_)) if one.kind == "file" && !equal(&left.join(path), &right.join(path)) => {
                differences.push(format!("{path:?}: the bytes differ"));
            }
            _ => {}
        }
    }
    differences
}

/// What a tree holds, by path.
fn look(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut inodes: BTreeMap<(u64, u64), BTreeSet<PathBuf>> = BTreeMap::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root.join(&directory)).expect("a readable directory") {
            let path = directory.join(entry.expect("an entry").file_name());
            if path == Path::new(CONTROL) {
                continue;
            }
            let stat = fs::symlink_metadata(root.join(&path)).expect("an entry's metadata");
            if stat.is_dir() {
                directories.push(path.clone());
            } else if stat.nlink() > 1 {
                inodes.entry((stat.dev(), stat.ino())).or_default().insert(path.clone());
            }
            seen.insert(path.clone(), see(&root.join(&path), &stat));
        }
    }
    for group in inodes.values().filter(|group| group.len() > 1) {
        for path in group {
            seen.get_mut(path).expect("seen above").links = group.first().cloned();
        }
    }
    seen
}

fn see(path: &Path, stat: &Metadata) -> Seen {
    let kind = stat.file_type();
    let is_link = kind.is_symlink();
    let is_device = kind.is_block_device() || kind.is_char_device();
    Seen {
        kind: match kind {
            _ if kind.is_dir() => "directory",
            _ if is_link => "link",
            _ if kind.is_fifo() => "fifo",
            _ if kind.is_socket() => "socket",
            _ if is_device => "device",
            _ => "file",
        },
        mode: (!is_link).then(|| stat.mode() & 0o7777),
        mtime: (stat.mtime(), stat.mtime_nsec()),
        size: kind.is_file().then(|| stat.size()),
        owner: rustix::process::geteuid().is_root().then(|| (stat.uid(), stat.gid())),
        target: is_link.then(|| fs::read_link(path).expect("a link")),
        device: is_device.then(|| stat.rdev()),
        xattrs: xattrs(path),
        links: None,
    }
}

/// The extended attributes, ACLs among them.
fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 1 << 16];
    // A file system without attributes holds none.
    let Ok(length) = rustix::fs::llistxattr(path, &mut names[..]) else { return BTreeMap::new() };
    let names = names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 1 << 16];
        let name = CString::new(name).expect("split at NUL");
        let length = rustix::fs::lgetxattr(path, &name, &mut value[..]).expect("an attribute that was listed");
        value.truncate(length);
        value
    };
    names.map(|name| (name.to_vec(), value(name))).collect()
}

/// Whether two files hold the same bytes.
fn equal(left: &Path, right: &Path) -> bool {
    let open = |path: &Path| File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut left, mut right) = (open(left), open(right));
    let (mut one, mut other) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let length = fill(&mut left, &mut one);
        if length != fill(&mut right, &mut other) || one[..length] != other[..length] {
            return false;
        }
        if length == 0 {
            return true;
        }
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> usize {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]).expect("a readable file") {
            0 => break,
            read => length += read,
        }
    }
    length
}

/// A name that is not UTF-8.
pub fn odd_name() -> &'static OsStr {
    OsStr::from_bytes(b"caf\xe9\xff")
}
