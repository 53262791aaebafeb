//! The watch as a hint: what it tells of, what it is silent about, and when it says that it cannot tell.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alike::disk::dirty::{DIRECTORIES_MAX, Dirty};
use alike::disk::filter::Filter;
use alike::disk::gauge::Gauge;
use alike::disk::root::Root;
use alike::disk::scan::{NoMemory, ScanOptions, scan};
use alike::disk::watch::{Hint, Watch, WatchSettings};
use alike::model::{Listing, RelPath};

use crate::harness::{Sandbox, Tree};

const PATIENCE: Duration = Duration::from_secs(20);

fn root(tree: &Tree) -> Root {
    Root::open(tree.path()).expect("a root")
}

fn listing(tree: &Tree) -> Listing {
    let filter = Filter::new(&[]).expect("no patterns");
    let options = ScanOptions { filter: &filter, one_file_system: false, checksum: false, quick: true, defer: None };
    scan(&root(tree), None, &NoMemory, &options, &Gauge::default()).expect("a scan").listing
}

/// A watch that has said what a new one says: that anything may have changed.
fn watched(tree: &Tree) -> Watch {
    watched_by(tree, WatchSettings::default())
}

fn watched_by(tree: &Tree, settings: WatchSettings) -> Watch {
    let watch = Watch::start(root(tree), &listing(tree), settings).expect("a watch");
    assert_eq!(watch.next(PATIENCE), Hint::Dirty(Dirty::All), "what happened before is not known");
    watch
}

fn named(path: &str) -> RelPath {
    RelPath::new(path.as_bytes()).expect("a legal path")
}

/// Waits until all of these directories were told of, and fails where another one is.
#[track_caller]
fn expect(watch: &Watch, names: &[&str]) {
    let mut left: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let until = Instant::now() + PATIENCE;
    while !left.is_empty() {
        match watch.next(until.saturating_duration_since(Instant::now())) {
            Hint::Dirty(Dirty::Directories(told)) => {
                for path in told {
                    let path = String::from_utf8(path.as_bytes().to_vec()).expect("plain names");
                    assert!(names.contains(&path.as_str()), "`{path}` was told of");
                    left.remove(&path);
                }
            }
            other => panic!("{other:?} where {left:?} were to be told of"),
        }
    }
}

#[test]
fn a_change_is_told_by_its_directory_and_reading_is_not() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree("root");
    tree.file("known/file", b"one").file("known/below/other", b"two").directory("calm").directory(".alike/staging");
    let watch = watched(&tree);
    assert_eq!(watch.coverage().directories, 4, "the root and three below it");
    tree.file("known/file", b"more");
    expect(&watch, &["known"]);
    tree.remove("known/below/other");
    expect(&watch, &["known/below"]);
    tree.mode("known/file", 0o600);
    expect(&watch, &["known"]);
    listing(&tree);
    tree.read("known/file");
    tree.file(".alike/staging/file", b"ours");
    assert_eq!(watch.next(Duration::from_millis(300)), Hint::Nothing);
}

#[test]
fn new_directories_are_told_of_with_all_below_them() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree("root");
    tree.directory("known");
    let watch = watched(&tree);
    tree.file("known/new/deep/er/file", b"one");
    expect(&watch, &["known", "known/new", "known/new/deep", "known/new/deep/er"]);
    tree.file("known/new/deep/er/file", b"two");
    expect(&watch, &["known/new/deep/er"]);
    assert_eq!(watch.coverage().directories, 5);
}

#[test]
fn what_happens_in_a_renamed_directory_is_told_by_its_new_name() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree("root");
    tree.file("from/in/file", b"one").directory("to");
    let watch = watched(&tree);
    tree.rename("from/in", "to/out");
    expect(&watch, &["from", "to", "to/out"]);
    tree.file("to/out/file", b"two");
    expect(&watch, &["to/out"]);
    tree.remove("to/out");
    let parent = |hint| matches!(hint, Hint::Dirty(Dirty::Directories(told)) if told.iter().any(|path| path.as_bytes() == b"to"));
    assert!(parent(watch.next(PATIENCE)), "its parent is told of");
}

#[test]
fn a_root_that_is_moved_away_is_told_as_gone() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree("root");
    let watch = watched(&tree);
    std::fs::rename(tree.path(), sandbox.path("elsewhere")).expect("moved");
    assert_eq!(watch.next(PATIENCE), Hint::Gone);
}

#[test]
fn a_file_that_is_being_written_keeps_no_other_of_its_directory_waiting() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree("root");
    tree.file("in/growing", b"first");
    // Nothing comes to be told of because time has passed.
    let settings = WatchSettings { quiet: Duration::from_secs(1), longest: Duration::from_secs(3600) };
    let watch = watched_by(&tree, settings);
    let is_told = AtomicBool::new(false);
    let mut growing = File::options().append(true).open(tree.path().join("in/growing")).expect("a file");
    let mut grow = || growing.write_all(b"more").expect("written");
    grow();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_told.load(Ordering::Relaxed) {
                grow();
                std::thread::sleep(Duration::from_millis(5));
            }
            grow();
        });
        tree.file("in/other", b"whole");
        let hint = watch.next(PATIENCE);
        is_told.store(true, Ordering::Relaxed);
        assert_eq!(hint, Hint::Dirty(Dirty::Directories([named("in")].into())), "the other is told of");
    });
    // What was still being written then is told of as well.
    expect(&watch, &["in"]);
}

#[test]
fn a_burst_in_more_directories_than_are_named_is_told_as_anywhere() {
    // On a disk that others write to as well, a burst has pauses.
    let memory = Path::new("/dev/shm");
    let sandbox = if memory.is_dir() { Sandbox::below(memory) } else { Sandbox::new() };
    let tree = sandbox.tree("root");
    for number in 0..=DIRECTORIES_MAX {
        tree.directory(format!("d{number}"));
    }
    // Where writing takes longer than a directory has to be quiet, the first are told of before the last are heard of.
    let is_told = [2, 15].map(Duration::from_secs).into_iter().any(|quiet| is_told_as_anywhere(&tree, quiet));
    assert!(is_told, "all of the root is to be looked at");
}

/// Whether a burst in all directories comes to be told as one.
fn is_told_as_anywhere(tree: &Tree, quiet: Duration) -> bool {
    let watch = watched_by(tree, WatchSettings { quiet, longest: quiet * 4 });
    for number in 0..=DIRECTORIES_MAX {
        tree.file(format!("d{number}/file"), b"burst");
    }
    let until = Instant::now() + quiet * 3;
    while Instant::now() < until {
        if watch.next(until.saturating_duration_since(Instant::now())) == Hint::Dirty(Dirty::All) {
            return true;
        }
    }
    false
}
