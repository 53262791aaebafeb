//! Memories that are lost, restored, cloned or not the root's own: no byte is lost, and nothing newer is overwritten.

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Sandbox, Tree};

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(done.success());
}

/// Two replicas that agree on three files, `a` and `b`.
fn agreed(sandbox: &Sandbox) -> (Tree, Tree) {
    let (a, b) = (sandbox.tree("a"), sandbox.tree("b"));
    a.file("one", b"one 1").file("two", b"two 1").file("three", b"three 1");
    meet(sandbox, "a", "b");
    (a, b)
}

#[track_caller]
fn meet(sandbox: &Sandbox, left: &str, right: &str) {
    let outcome = sandbox.alike(["sync", left, right]);
    assert!(outcome.code <= 1, "{outcome:?}");
    let (left, right) = (Tree::at(sandbox.path(left)), Tree::at(sandbox.path(right)));
    assert_eq!(left.shown(), right.shown());
}

fn contents(tree: &Tree) -> Vec<String> {
    let shown: BTreeMap<PathBuf, Vec<u8>> = tree.shown();
    let mut all: Vec<String> = shown.into_values().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    all.sort();
    all.dedup();
    all
}

#[track_caller]
fn assert_holds(tree: &Tree, wanted: &[&str]) {
    let all = contents(tree);
    for wanted in wanted {
        assert!(all.iter().any(|held| held == wanted), "{wanted:?} is missing in {all:?}");
    }
}

#[test]
fn a_root_that_is_cloned_and_used_on_both_sides_loses_nothing() {
    let sandbox = Sandbox::new();
    let (a, b) = agreed(&sandbox);
    copy(a.path(), &sandbox.path("clone"));
    let clone = Tree::at(sandbox.path("clone"));
    a.file("one", b"a's one");
    clone.file("one", b"clone's one").file("new", b"clone's new");
    meet(&sandbox, "a", "b");
    meet(&sandbox, "clone", "b");
    meet(&sandbox, "a", "b");
    meet(&sandbox, "clone", "a");
    assert_holds(&b, &["a's one", "clone's one", "clone's new", "two 1", "three 1"]);
    assert_eq!(a.shown(), b.shown());
    assert_eq!(sandbox.alike(["sync", "clone", "b"]).last_line().split(',').next(), Some("0 files"));
}

#[test]
fn a_clone_that_is_put_in_the_place_of_its_original_is_told_from_it() {
    // The same inode with an older memory: both lives wrote under the same numbers.
    let sandbox = Sandbox::new();
    let (a, b) = agreed(&sandbox);
    copy(&a.join(".alike"), &sandbox.path("saved"));
    a.file("one", b"first life").file("added", b"first life's");
    meet(&sandbox, "a", "b");
    a.remove(".alike");
    copy(&sandbox.path("saved"), &a.join(".alike"));
    // The registry is on another machine, so to speak.
    fs::remove_dir_all(sandbox.path("state")).expect("the registry");
    fs::create_dir(sandbox.path("state")).expect("an empty one");
    a.file("two", b"second life").file("more", b"second life's");
    meet(&sandbox, "a", "b");
    assert_holds(&a, &["first life", "first life's", "second life", "second life's", "three 1"]);
    meet(&sandbox, "a", "b");
    assert_eq!(a.shown(), b.shown());
}

#[test]
fn a_restored_tree_and_memory_bring_nothing_old_over_something_newer() {
    let sandbox = Sandbox::new();
    let (a, b) = agreed(&sandbox);
    copy(a.path(), &sandbox.path("backup"));
    a.file("one", b"one 2").remove("two");
    meet(&sandbox, "a", "b");
    // The whole root is put back, as a new directory.
    fs::rename(a.path(), sandbox.path("broken")).expect("a rename");
    copy(&sandbox.path("backup"), a.path());
    meet(&sandbox, "a", "b");
    assert_eq!(b.read("one"), b"one 2", "the newer version stays");
    assert!(!b.has("two"), "what was deleted stays deleted while somebody remembers");
    assert_eq!(a.shown(), b.shown());
}

#[test]
fn an_old_tree_put_back_without_its_memory_is_an_edit() {
    let sandbox = Sandbox::new();
    let (a, b) = agreed(&sandbox);
    a.file("one", b"one 2");
    meet(&sandbox, "a", "b");
    a.file("one", b"one 1 again");
    meet(&sandbox, "a", "b");
    assert_eq!(b.read("one"), b"one 1 again");
    let trash = Command::new("grep").arg("-rl").arg("one 2").arg(b.join(".alike/trash")).output().expect("grep");
    assert!(trash.status.success(), "what it replaced is in the trash");
}

#[test]
fn an_older_memory_put_back_into_a_newer_tree_loses_nothing_and_deletes_nothing() {
    let sandbox = Sandbox::new();
    let (a, b) = agreed(&sandbox);
    copy(&a.join(".alike"), &sandbox.path("saved"));
    a.file("one", b"one 2").file("new", b"new 1").remove("two");
    meet(&sandbox, "a", "b");
    b.file("three", b"three 2");
    meet(&sandbox, "a", "b");
    a.remove(".alike");
    copy(&sandbox.path("saved"), &a.join(".alike"));
    meet(&sandbox, "a", "b");
    assert_holds(&b, &["one 2", "new 1", "three 2"]);
    assert!(!b.has("two"), "what was deleted stays deleted");
    meet(&sandbox, "a", "b");
    assert_holds(&a, &["one 2", "new 1", "three 2"]);
}

#[test]
fn an_old_tree_in_a_new_root_meets_as_a_stranger_and_what_differs_is_kept_twice() {
    let sandbox = Sandbox::new();
    let (a, b) = agreed(&sandbox);
    let old = sandbox.tree("old");
    for (path, bytes) in a.shown() {
        old.file(path, bytes);
    }
    a.file("one", b"one 2").remove("two");
    meet(&sandbox, "a", "b");
    meet(&sandbox, "old", "b");
    assert_holds(&b, &["one 1", "one 2", "two 1", "three 1"]);
    assert_eq!(b.shown().keys().filter(|path| path.to_string_lossy().contains(".conflict-")).count(), 1);
}

#[test]
fn equal_trees_that_meet_first_and_are_edited_then_are_in_no_conflict() {
    let sandbox = Sandbox::new();
    let (a, b) = (sandbox.tree("a"), sandbox.tree("b"));
    for tree in [&a, &b] {
        tree.file("one", b"one").file("d/two", b"two");
    }
    b.mtime("one", 1_000, 5);
    let met = sandbox.alike(["sync", "--json", "a", "b"]).expect(0);
    assert_eq!(met.summary()["bytes"], 0, "the same bytes are not sent: {}", met.stdout);
    a.file("one", b"edited by a");
    b.file("d/two", b"edited by b");
    sandbox.alike(["sync", "a", "b"]).expect(0);
    assert_eq!(a.shown(), b.shown());
    assert_eq!((a.read("one"), a.read("d/two")), (b"edited by a".to_vec(), b"edited by b".to_vec()));
}

#[test]
fn the_same_bytes_written_on_both_sides_are_neither_a_conflict_nor_sent() {
    let sandbox = Sandbox::new();
    let (a, b) = agreed(&sandbox);
    let bytes = harness::tree::pattern(100_000, 3);
    a.file("one", &bytes).file("new", &bytes).mtime("new", 1_000, 0);
    b.file("one", &bytes).file("new", &bytes).mtime("new", 2_000, 0);
    let met = sandbox.alike(["sync", "--json", "a", "b"]).expect(0);
    assert_eq!(met.summary()["bytes"], 0, "{}", met.stdout);
    assert_eq!(met.summary()["left"]["top"], met.summary()["right"]["top"]);
    assert_eq!(a.shown(), b.shown());
    assert_eq!(a.shown().len(), 4);
}

#[test]
fn a_root_that_is_emptied_on_purpose_comes_back_from_the_trash() {
    let sandbox = Sandbox::new();
    let (a, b) = agreed(&sandbox);
    let before = b.shown();
    for name in ["one", "two", "three"] {
        a.remove(name);
    }
    sandbox.alike(["sync", "a", "b"]).expect(25);
    assert_eq!(b.shown(), before);
    sandbox.alike(["sync", "--max-delete=100%", "a", "b"]).expect(0);
    assert!(b.shown().is_empty());
    sandbox.alike(["trash", "restore", "b", "*"]).expect(0);
    assert_eq!(b.shown(), before);
    meet(&sandbox, "a", "b");
    assert_eq!(a.shown(), before);
}

#[test]
fn memories_removed_on_both_sides_are_a_first_meeting() {
    let sandbox = Sandbox::new();
    let (a, b) = agreed(&sandbox);
    a.remove(".alike").remove("three");
    b.remove(".alike").file("one", b"b's one");
    meet(&sandbox, "a", "b");
    assert_holds(&a, &["one 1", "b's one", "two 1", "three 1"]);
}

#[test]
fn a_root_that_is_not_mounted_is_refused() {
    let sandbox = Sandbox::new();
    let (a, b) = agreed(&sandbox);
    let before = b.shown();
    fs::rename(a.path(), sandbox.path("elsewhere")).expect("a rename");
    let refused = sandbox.alike(["sync", "a", "b"]).expect(25);
    assert!(refused.stderr.contains("was synced before and is not there"), "{}", refused.stderr);
    assert!(!a.path().exists(), "nothing is made in its place");
    fs::create_dir(a.path()).expect("the empty mount point");
    let refused = sandbox.alike(["sync", "a", "b"]).expect(25);
    assert!(refused.stderr.contains("is not the directory that it was"), "{}", refused.stderr);
    assert!(!a.has(".alike"), "nothing is made where something else belongs");
    assert_eq!(b.shown(), before);
    fs::remove_dir(a.path()).expect("the mount point");
    fs::write(a.path(), b"a file").expect("a file in its place");
    sandbox.alike(["sync", "a", "b"]).expect(3);
    assert_eq!(b.shown(), before);
    fs::remove_file(a.path()).expect("the file");
    std::os::unix::fs::symlink(sandbox.tree("empty").path(), a.path()).expect("a link to another directory");
    let refused = sandbox.alike(["sync", "a", "b"]).expect(25);
    assert!(refused.stderr.contains("is not the directory that it was"), "{}", refused.stderr);
    assert!(Tree::at(sandbox.path("empty")).shown().is_empty());
    assert_eq!(b.shown(), before);
    fs::remove_file(a.path()).expect("the link");
    let other = sandbox.tree("other");
    other.file("foreign", b"foreign").file("one", b"another one");
    std::os::unix::fs::symlink(other.path(), a.path()).expect("a link to a directory that is used");
    sandbox.alike(["sync", "a", "b"]).expect(25);
    assert!(other.shown().len() == 2 && !other.has(".alike"), "{:?}", other.shown());
    assert_eq!(b.shown(), before);
    // The directory itself may be reached by a link.
    fs::remove_file(a.path()).expect("the link");
    std::os::unix::fs::symlink(sandbox.path("elsewhere"), a.path()).expect("a link to where it went");
    meet(&sandbox, "a", "b");
    assert_eq!(b.shown(), before);
}

/// Mounts a new ext4 with nothing in it over a directory; says whether that can be had here.
fn mount_empty(sandbox: &Sandbox, image: &str, at: &Path) -> bool {
    let image = sandbox.path(image);
    let is_new = !image.exists();
    if is_new {
        fs::File::create_new(&image).expect("made").set_len(16 << 20).expect("sized");
    }
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let done = (!is_new || run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image)))
        && run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(at));
    if done && is_new {
        fs::remove_dir(at.join("lost+found")).expect("an empty directory");
    }
    done
}

fn unmount(at: &Path) {
    assert!(Command::new("umount").arg(at).status().expect("umount").success());
}

#[test]
fn a_mount_that_is_gone_or_is_another_one_deletes_nothing_and_goes_on_when_it_is_back() {
    let sandbox = Sandbox::new();
    let (a, b) = (sandbox.tree("a"), sandbox.tree("b"));
    if !mount_empty(&sandbox, "disk", a.path()) {
        return harness::skip("a loop mount needs root");
    }
    for number in 0..30 {
        b.file(format!("d{}/{number}", number % 3), format!("{number}"));
    }
    meet(&sandbox, "a", "b");
    let before = b.shown();
    assert_eq!(a.shown(), before);
    unmount(a.path());
    let refused = |why: &str| {
        let refused = sandbox.alike(["sync", "a", "b"]).expect(25);
        assert!(refused.stderr.contains("is not the directory that it was"), "{why}: {}", refused.stderr);
        assert_eq!(b.shown(), before, "{why}");
        assert!(a.shown().is_empty() && !a.has(".alike"), "{why}");
    };
    refused("not mounted");
    assert!(mount_empty(&sandbox, "other", a.path()), "another disk");
    refused("an empty one in its place");
    unmount(a.path());
    assert!(mount_empty(&sandbox, "disk", a.path()), "the disk is back");
    b.file("d0/new", b"new");
    meet(&sandbox, "a", "b");
    assert_eq!(a.read("d0/new"), b"new");
    assert_eq!((a.shown().len(), b.shown().len()), (before.len() + 1, before.len() + 1));
    // An empty one that is meant begins anew, and deletes nothing.
    unmount(a.path());
    assert!(mount_empty(&sandbox, "third", a.path()), "a third disk");
    sandbox.alike(["sync", "--max-delete=100%", "a", "b"]).expect(0);
    assert_eq!((a.shown(), b.shown().len()), (b.shown(), before.len() + 1));
    unmount(a.path());
}

#[test]
fn a_mount_inside_a_root_that_is_gone_is_named_and_nothing_in_it_is_deleted() {
    let sandbox = Sandbox::new();
    let (a, b) = (sandbox.tree("a"), sandbox.tree("b"));
    a.directory("disk").file("other", b"other");
    if !mount_empty(&sandbox, "disk-image", &a.join("disk")) {
        return harness::skip("a loop mount needs root");
    }
    a.file("disk/one", b"1").file("disk/sub/two", b"2");
    meet(&sandbox, "a", "b");
    let before = b.shown();
    unmount(&a.join("disk"));
    b.file("other", b"edited");
    let run = sandbox.alike(["sync", "a", "b"]).expect(23);
    assert!(run.stderr.contains("`disk`"), "{}", run.stderr);
    assert_eq!(b.read("disk/one"), b"1");
    assert_eq!((a.read("other"), b.shown().len()), (b"edited".to_vec(), before.len()), "the rest is synced");
    sandbox.alike(["sync", "a", "b"]).expect(23);
    assert_eq!((b.read("disk/one"), b.shown().len()), (b"1".to_vec(), before.len()), "nor by the next run");
    assert!(!a.has("disk/one"), "nothing is put where the mount belongs");
    assert!(mount_empty(&sandbox, "disk-image", &a.join("disk")), "the disk is back");
    a.file("disk/one", b"edited");
    meet(&sandbox, "a", "b");
    assert_eq!(a.shown(), b.shown());
    assert_eq!(b.read("disk/one"), b"edited");
    a.remove("disk/sub/two");
    meet(&sandbox, "a", "b");
    assert!(!b.has("disk/sub/two"), "what is deleted while it is mounted is deleted");
    unmount(&a.join("disk"));
}

#[test]
fn a_replica_inside_another_is_refused() {
    let sandbox = Sandbox::new();
    let (a, _) = agreed(&sandbox);
    a.directory("inner");
    sandbox.tree("c");
    let refused = sandbox.alike(["sync", "a/inner", "c"]).expect(2);
    assert!(refused.stderr.contains("replica"), "{}", refused.stderr);
}
