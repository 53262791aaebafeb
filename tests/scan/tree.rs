//! A root on a real file system, and how tests scan it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use alike::disk::filter::Filter;
use alike::disk::gauge::Gauge;
use alike::disk::root::Root;
use alike::disk::scan::{NoMemory, ScanOptions, Scanned, scan};
use alike::model::listing::FLAG_RACY;
use alike::model::{Listing, PathRef, RelPath};
use tempfile::TempDir;

/// The file systems to test on: that of temporary files, and tmpfs where it is mounted.
pub fn places() -> Vec<PathBuf> {
    let shared = PathBuf::from("/dev/shm");
    [std::env::temp_dir()].into_iter().chain(Some(shared).filter(|path| path.is_dir())).collect()
}

/// Runs a claim on every file system.
pub fn everywhere(claim: impl Fn(&Path)) {
    for place in places() {
        let directory = TempDir::new_in(place).expect("a directory");
        claim(directory.path());
    }
}

pub fn options(filter: &Filter) -> ScanOptions<'_> {
    ScanOptions { filter, one_file_system: false, checksum: false, quick: false, defer: None }
}

/// A scan with default options, and the number of files that it opened.
pub fn look(path: &Path, base: Option<&Listing>) -> (Scanned, u64) {
    let filter = Filter::none();
    look_with(path, base, &options(&filter))
}

pub fn look_with(path: &Path, base: Option<&Listing>, options: &ScanOptions<'_>) -> (Scanned, u64) {
    let gauge = Gauge::default();
    let root = Root::open(path).expect("a root");
    let scanned = scan(&root, base, &NoMemory, options, &gauge).expect("scanned");
    (scanned, gauge.files_opened.load(Ordering::Relaxed))
}

/// Scans until nothing was changed too recently for its stamp to be trusted.
pub fn settle(path: &Path) -> Listing {
    let mut listing = look(path, None).0.listing;
    loop {
        let scanned = look(path, Some(&listing)).0;
        // Two scans within the grain of the clock find the same, and neither can be trusted.
        let trusted = scanned.listing.rows().all(|row| row.flags() & FLAG_RACY == 0);
        if !scanned.changed && trusted {
            return scanned.listing;
        }
        listing = scanned.listing;
    }
}

pub fn paths(listing: &Listing) -> Vec<String> {
    listing.rows().map(|row| row.path().to_string()).collect()
}

pub fn rel(path: &str) -> RelPath {
    RelPath::new(path.as_bytes()).expect("legal")
}

/// The index of the row at `path`.
pub fn at(listing: &Listing, path: &str) -> usize {
    let path: PathRef<'_> = PathRef::new(path.as_bytes()).expect("legal");
    listing.find(path).unwrap_or_else(|_| panic!("no row {path} in {:?}", paths(listing)))
}

pub fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, content).expect("written");
}

/// A small tree with directories beside files whose names sort around them.
pub fn plant(root: &Path) {
    for path in ["a/b/c", "a/b/d", "a-b", "a.txt", "a/b.c", "z/y/x/w", "é/ü", "empty"] {
        write(root, path, path);
    }
    fs::create_dir(root.join("hollow")).expect("made");
    symlink("a/b", root.join("link")).expect("linked");
}

/// What a scan with a base must not differ in from a scan without one.
pub fn agree(left: &Listing, right: &Listing) {
    assert_eq!(paths(left), paths(right));
    for (left, right) in left.rows().zip(right.rows()) {
        assert_eq!(left.entry(), right.entry(), "{}", left.path());
        assert_eq!(left.stamp(), right.stamp(), "{}", left.path());
        assert_eq!(left.flags() & 2, right.flags() & 2, "{}", left.path());
        assert_eq!(left.below(), right.below(), "{}", left.path());
    }
}
