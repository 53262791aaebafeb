//! Depth and width: deep trees, long names, many names, few handles.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

use alike::model::ProblemKind;
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use tempfile::TempDir;

use super::tree::{agree, look, paths, settle, write};

/// Makes a chain of directories one handle at a time: its path is longer than the kernel takes at once. Each level
/// also gets a file and a second directory.
fn chain(root: &Path, name: &str, levels: usize) {
    let mut handle = OwnedFd::from(File::open(root).expect("opened"));
    for _ in 0..levels {
        mkdirat(&handle, name, Mode::RWXU).expect("made");
        mkdirat(&handle, "b", Mode::RWXU).expect("made");
        let flags = OFlags::CREATE | OFlags::WRONLY;
        openat(&handle, "f", flags, Mode::RUSR).expect("made");
        handle = openat(&handle, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).expect("opened");
    }
}

/// Deep trees are beyond the recursion of others.
fn remove(directory: TempDir) {
    let path = directory.keep();
    assert!(Command::new("rm").arg("-rf").arg(&path).status().expect("run").success());
}

#[test]
fn a_tree_of_4000_levels_is_scanned_and_kept() {
    let directory = TempDir::new().expect("a directory");
    chain(directory.path(), "ab", 4000);
    let (first, _) = look(directory.path(), None);
    assert!(first.problems.is_empty(), "{:?}", first.problems.first());
    assert_eq!(first.listing.len(), 12_000);
    let base = settle(directory.path());
    assert_eq!(look(directory.path(), Some(&base)).1, 0);
    remove(directory);
}

#[test]
fn names_of_255_bytes_on_200_levels_are_scanned() {
    let directory = TempDir::new().expect("a directory");
    chain(directory.path(), &"n".repeat(255), 200);
    let (first, _) = look(directory.path(), None);
    assert!(first.problems.is_empty());
    assert_eq!(first.listing.len(), 600);
    remove(directory);
}

#[test]
fn a_path_too_long_for_the_formats_is_named_and_marks_what_is_above() {
    let directory = TempDir::new().expect("a directory");
    chain(directory.path(), &"n".repeat(255), 258);
    let (first, _) = look(directory.path(), None);
    let kinds: Vec<ProblemKind> = first.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::Unrepresentable; 3], "all names in the directory whose path is as long as can be");
    assert_eq!(first.listing.row(0).flags() & 2, 0, "a sibling is whole");
    assert_eq!(first.listing.rows().filter(|row| row.flags() & 2 != 0).count(), 256);
    remove(directory);
}

#[test]
fn a_deep_tree_needs_few_handles() {
    const MARK: &str = "ALIKE_TEST_FEW_HANDLES";
    if std::env::var_os(MARK).is_none() {
        let test = std::env::current_exe().expect("this test");
        let status = Command::new("sh")
            .args(["-c", "ulimit -n 128; exec \"$0\" --test-threads=1 scan::limits::a_deep_tree_needs_few_handles"])
            .arg(test)
            .env(MARK, "1")
            .status();
        assert!(status.expect("run").success());
        return;
    }
    let directory = TempDir::new().expect("a directory");
    chain(directory.path(), "level", 1000);
    let (first, _) = look(directory.path(), None);
    assert!(first.problems.is_empty(), "{:?}", first.problems.first());
    assert_eq!(first.listing.len(), 3000);
    remove(directory);
}

#[test]
fn many_names_in_one_directory_are_split_and_put_together_in_order() {
    let place = super::tree::places().pop().expect("a file system");
    let root = TempDir::new_in(place).expect("a directory");
    let root = root.path();
    fs::create_dir(root.join("flat")).expect("made");
    for number in 0..20_000 {
        File::create(root.join(format!("flat/{number}"))).expect("made");
    }
    let base = settle(root);
    assert_eq!(base.len(), 20_001);
    assert!(paths(&base)[1..].is_sorted());
    // At the edges of parts, within one, several parts emptied, a directory among the files.
    for (at, name) in paths(&base).iter().enumerate().skip(1) {
        if matches!(at, 1 | 2048 | 2049 | 2050 | 5000 | 20_000) || (8000..14_000).contains(&at) {
            fs::remove_file(root.join(name)).expect("removed");
        }
    }
    write(root, "flat/0", "again");
    write(root, "flat/~", "last");
    write(root, "flat/5a/b/c", "x");
    let next = look(root, Some(&base)).0;
    assert_eq!(next.hashed_files, 3);
    agree(&next.listing, &look(root, None).0.listing);
    fs::remove_dir_all(root.join("flat")).expect("removed");
    fs::create_dir(root.join("flat")).expect("made");
    let next = look(root, Some(&next.listing)).0;
    assert_eq!(paths(&next.listing), ["flat"]);
}
