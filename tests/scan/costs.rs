//! What a scan costs: counted, not timed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use alike::disk::error::Error;
use alike::disk::filter::Filter;
use alike::disk::gauge::Gauge;
use alike::disk::root::Root;
use alike::disk::scan::{Memory, ScanOptions, scan};
use alike::model::{Digest, PathRef, RelPath, Stamp};

use super::tree::{at, everywhere, look, look_with, options, plant, rel, settle, write};

#[test]
fn nothing_changed_opens_no_file_and_makes_no_listing() {
    everywhere(|root| {
        plant(root);
        let base = settle(root);
        let (scanned, opened) = look(root, Some(&base));
        assert!(!scanned.changed);
        assert_eq!((opened, scanned.hashed_files, scanned.hashed_bytes), (0, 0, 0));
        assert_eq!(scanned.listing.as_bytes().as_ptr(), base.as_bytes().as_ptr(), "the base itself");
    });
}

#[test]
fn nothing_changed_stats_each_entry_once_and_opens_directories_alone() {
    let root = tempfile::tempdir().expect("a directory");
    plant(root.path());
    let base = settle(root.path());
    let directories = base.rows().filter(|row| row.entry().is_directory()).count() as u64;
    let gauge = Gauge::default();
    let filter = Filter::none();
    let opened = Root::open(root.path()).expect("a root");
    let scanned = scan(&opened, Some(&base), &NoCalls, &options(&filter), &gauge).expect("scanned");
    assert!(!scanned.changed && directories > 0);
    assert_eq!(gauge.entries.load(std::sync::atomic::Ordering::Relaxed), base.len() as u64);
}

/// Neither asked nor told, where nothing changed.
struct NoCalls;

impl Memory for NoCalls {
    fn recall(&self, path: PathRef<'_>, _stamp: &Stamp) -> Option<Digest> {
        panic!("asked for {path}")
    }

    fn note(&self, path: PathRef<'_>, _stamp: &Stamp, _content: &Digest) {
        panic!("told of {path}")
    }
}

#[test]
fn a_first_scan_opens_each_file_once() {
    everywhere(|root| {
        plant(root);
        let (scanned, opened) = look(root, None);
        assert_eq!((opened, scanned.hashed_files), (8, 8));
    });
}

#[test]
fn one_changed_file_is_the_only_one_opened() {
    everywhere(|root| {
        plant(root);
        let base = settle(root);
        write(root, "a/b/d", "other");
        let (scanned, opened) = look(root, Some(&base));
        assert!(scanned.changed);
        assert_eq!((opened, scanned.hashed_bytes), (1, 5));
        assert_eq!(scanned.listing.row(at(&scanned.listing, "a/b/d")).content(), Digest::of_content(b"other"));
    });
}

#[test]
fn checksum_reads_every_file_and_says_unchanged() {
    everywhere(|root| {
        plant(root);
        let base = settle(root);
        let filter = Filter::none();
        let (scanned, opened) = look_with(root, Some(&base), &ScanOptions { checksum: true, ..options(&filter) });
        assert_eq!(opened, 8);
        assert!(!scanned.changed);
    });
}

#[test]
fn checksum_believes_no_digest_of_the_base() {
    everywhere(|root| {
        plant(root);
        let base = settle(root);
        let wrong = base.with_contents([(at(&base, "a/b/c"), Digest::of_content(b"rot"))]);
        let filter = Filter::none();
        let checksum = ScanOptions { checksum: true, ..options(&filter) };
        let (scanned, opened) = look_with(root, Some(&wrong), &checksum);
        assert_eq!((opened, scanned.changed), (8, true));
        super::tree::agree(&scanned.listing, &base);
    });
}

#[test]
fn checksum_sees_whatever_a_plain_scan_sees() {
    everywhere(|root| {
        plant(root);
        let base = settle(root);
        fs::set_permissions(root.join("a/b/c"), fs::Permissions::from_mode(0o600)).expect("set");
        write(root, "a/b/d", "longer than it was before");
        fs::hard_link(root.join("a/b/c"), root.join("a/another name")).expect("linked");
        let filter = Filter::none();
        let checksum = ScanOptions { checksum: true, ..options(&filter) };
        let scanned = look_with(root, Some(&base), &checksum).0;
        super::tree::agree(&scanned.listing, &look(root, None).0.listing);
        let again = look_with(root, Some(&scanned.listing), &checksum).0;
        super::tree::agree(&again.listing, &scanned.listing);
    });
}

#[test]
fn checksum_notes_nothing_that_the_base_knows() {
    everywhere(|root| {
        plant(root);
        let base = settle(root);
        let (filter, notes) = (Filter::none(), Notes::default());
        let opened = Root::open(root).expect("a root");
        let checksum = ScanOptions { checksum: true, ..options(&filter) };
        let look = || scan(&opened, Some(&base), &notes, &checksum, &Gauge::default()).expect("scanned");
        assert_eq!(look().hashed_files, 8);
        assert_eq!(notes.0.lock().expect("no panic").len(), 0, "an interrupted run has nothing to go on from");
        write(root, "a/b/d", "other");
        settle(root);
        look();
        let notes = notes.0.lock().expect("no panic");
        assert_eq!(notes.iter().map(|(path, ..)| path.clone()).collect::<Vec<_>>(), [rel("a/b/d")]);
    });
}

#[test]
fn reading_leaves_access_times_alone() {
    everywhere(|root| {
        let times = fs::FileTimes::new().set_accessed(UNIX_EPOCH).set_modified(UNIX_EPOCH + Duration::from_secs(9));
        for name in ["small", "large"] {
            write(root, name, vec![7; if name == "small" { 10 } else { 2 << 20 }]);
            let file = fs::File::options().write(true).open(root.join(name)).expect("opened");
            file.set_times(times).expect("set");
        }
        assert_eq!(look(root, None).0.hashed_files, 2);
        for name in ["small", "large"] {
            let accessed = fs::metadata(root.join(name)).expect("there").accessed().expect("known");
            assert_eq!(accessed, UNIX_EPOCH, "{name} was read, and its inode is not written to for it");
        }
    });
}

#[test]
fn quick_reads_nothing_and_keeps_what_it_may_trust() {
    everywhere(|root| {
        plant(root);
        let base = settle(root);
        write(root, "a/b/d", "other");
        let filter = Filter::none();
        let quick = ScanOptions { quick: true, ..options(&filter) };
        let (scanned, opened) = look_with(root, Some(&base), &quick);
        assert_eq!((opened, scanned.hashed_files), (0, 0));
        let content = |path: &str| scanned.listing.row(at(&scanned.listing, path)).content();
        assert_eq!((content("a/b/d"), content("a/b/c")), (Digest::UNKNOWN, Digest::of_content(b"a/b/c")));
        let (first, opened) = look_with(root, None, &quick);
        assert_eq!((opened, first.listing.len()), (0, base.len()));
        let whole = look(root, Some(&scanned.listing)).0;
        assert_eq!(whole.hashed_files, 1, "what was never hashed is hashed by the next full scan");
    });
}

#[derive(Default)]
struct Notes(Mutex<Vec<(RelPath, Stamp, Digest)>>);

impl Memory for Notes {
    fn recall(&self, path: PathRef<'_>, stamp: &Stamp) -> Option<Digest> {
        let notes = self.0.lock().expect("no panic");
        let note = notes.iter().find(|(noted, at, _)| noted.as_ref() == path && at == stamp)?;
        Some(note.2)
    }

    fn note(&self, path: PathRef<'_>, stamp: &Stamp, content: &Digest) {
        self.0.lock().expect("no panic").push((path.to_owned(), *stamp, *content));
    }
}

fn look_noting(path: &Path, notes: &Notes) -> u64 {
    let filter = Filter::none();
    let root = Root::open(path).expect("a root");
    scan(&root, None, notes, &options(&filter), &Gauge::default()).expect("scanned").hashed_files
}

#[test]
fn an_interrupted_first_scan_goes_on_where_it_stopped() {
    everywhere(|root| {
        plant(root);
        settle(root);
        let notes = Notes::default();
        assert_eq!(look_noting(root, &notes), 8);
        notes.0.lock().expect("no panic").truncate(5);
        assert_eq!(look_noting(root, &notes), 3);
        fs::write(root.join("a/b/c"), "new").expect("written");
        assert_eq!(look_noting(root, &notes), 1);
        assert!(notes.0.lock().expect("no panic").iter().any(|(path, ..)| *path == rel("a/b/c")));
    });
}

#[test]
fn a_stopped_gauge_ends_the_scan() {
    everywhere(|root| {
        plant(root);
        let gauge = Gauge::default();
        gauge.stop();
        let filter = Filter::none();
        let root = Root::open(root).expect("a root");
        let stopped = scan(&root, None, &NoCalls, &options(&filter), &gauge);
        assert!(matches!(stopped, Err(Error::Stopped)));
    });
}

/// Files of one content each, in a directory with one below.
fn plant_many(root: &Path, directory: &str) {
    for number in 0..100 {
        write(root, &format!("{directory}/below/{number}"), format!("{directory} {number}"));
        write(root, &format!("{directory}/{number}"), format!("{directory} beside {number}"));
    }
}

#[test]
fn a_renamed_directory_is_hardly_read_again() {
    everywhere(|root| {
        plant_many(root, "old");
        let base = settle(root);
        fs::rename(root.join("old"), root.join("new")).expect("renamed");
        let (scanned, opened) = look(root, Some(&base));
        assert!(opened < 64, "{opened}");
        super::tree::agree(&scanned.listing, &look(root, None).0.listing);
    });
}

#[test]
fn a_file_that_only_looks_like_one_that_moved_is_read() {
    everywhere(|root| {
        plant_many(root, "old");
        let base = settle(root);
        fs::rename(root.join("old"), root.join("new")).expect("renamed");
        // The same size and time in the same inode, and other bytes: the change time tells.
        for number in 0..100 {
            let path = root.join(format!("new/below/{number}"));
            let mtime = fs::metadata(&path).and_then(|file| file.modified()).expect("a time");
            fs::write(&path, format!("OLD {number}")).expect("written");
            let file = fs::File::options().write(true).open(&path).expect("opened");
            file.set_modified(mtime).expect("set");
        }
        // And new files where others were.
        for number in 0..100 {
            fs::remove_file(root.join(format!("new/{number}"))).expect("removed");
            write(root, &format!("new/{number}"), format!("NEW beside {number}"));
        }
        let scanned = look(root, Some(&base)).0;
        super::tree::agree(&scanned.listing, &look(root, None).0.listing);
        let filter = Filter::none();
        let fresh = look_with(root, Some(&base), &ScanOptions { checksum: true, ..options(&filter) });
        assert!(fresh.1 >= 200, "checksum trusts no stamp");
    });
}
