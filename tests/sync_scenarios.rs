//! What users do to their trees between two syncs, and what becomes of it: kinds that flip, copies that are edited, renames
//! of every shape.

mod harness;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use harness::{Outcome, Sandbox, Tree};

#[track_caller]
fn sync(sandbox: &Sandbox, code: i32) -> Outcome {
    sandbox.alike(["sync", "--json", "left", "right"]).expect(code)
}

/// Two empty replicas to be.
fn pair(sandbox: &Sandbox) -> (Tree, Tree) {
    (sandbox.tree("left"), sandbox.tree("right"))
}

/// Both show the same, and another run changes nothing.
#[track_caller]
fn assert_settled(sandbox: &Sandbox, left: &Tree, right: &Tree) -> BTreeMap<PathBuf, Vec<u8>> {
    let shown = left.shown();
    assert_eq!(shown, right.shown());
    let again = sandbox.alike(["sync", "--json", "left", "right"]);
    assert!(again.code <= 1, "{again:?}");
    assert_eq!(again.events("action"), Vec::<serde_json::Value>::new(), "another run has nothing to do");
    assert_eq!((&left.shown(), &right.shown()), (&shown, &shown));
    shown
}

fn copies(shown: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    shown.keys().filter(|path| path.to_string_lossy().contains(".conflict-")).cloned().collect()
}

/// The contents of all files, sorted.
fn contents(shown: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<String> {
    let files = shown.values().filter(|bytes| *bytes != b"/");
    let mut all: Vec<String> = files.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    all.sort();
    all
}

fn inode(tree: &Tree, path: &str) -> u64 {
    tree.join(path).symlink_metadata().unwrap_or_else(|error| panic!("{path}: {error}")).ino()
}

// Kinds that flip.

#[test]
fn a_path_that_becomes_a_file_a_directory_or_a_link_becomes_the_same_on_the_other_side() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    let kinds = ["file", "directory", "link"];
    let make = |tree: &Tree, kind: &str, name: &str| {
        match kind {
            "file" => tree.file(name, format!("a file at {name}")),
            "link" => tree.link(name, "somewhere"),
            _ => tree.file(format!("{name}/sub/x"), b"x").file(format!("{name}/y"), b"y"),
        };
    };
    let pairs: Vec<_> = kinds.iter().flat_map(|was| kinds.iter().map(move |is| (*was, *is))).collect();
    for (was, is) in &pairs {
        make(&left, was, &format!("{was}-{is}"));
    }
    sync(&sandbox, 0);
    for (at, (was, is)) in pairs.iter().enumerate().filter(|(_, (was, is))| was != is) {
        let tree = if at % 2 == 0 { &left } else { &right };
        tree.remove(format!("{was}-{is}"));
        make(tree, is, &format!("{was}-{is}"));
    }
    sync(&sandbox, 0);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(shown[Path::new("directory-link")], b"-> somewhere");
    assert_eq!(shown[Path::new("file-directory/sub/x")], b"x");
    assert_eq!(shown[Path::new("link-file")], b"a file at link-file");
    assert!(!shown.contains_key(Path::new("directory-file/y")));
}

#[test]
fn a_path_that_becomes_two_different_kinds_keeps_both() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    for name in ["f-dl", "f-dd", "f-ld", "d-fl", "d-ff", "d-edit"] {
        if name.starts_with('f') {
            left.file(name, b"base")
        } else {
            left.file(format!("{name}/base"), b"base")
        };
    }
    sync(&sandbox, 0);
    left.remove("f-dl").file("f-dl/in", b"left's directory");
    right.remove("f-dl").link("f-dl", "right's-link");
    left.remove("f-dd").file("f-dd/left", b"left's directory");
    right.remove("f-dd").file("f-dd/right", b"right's directory");
    left.remove("f-ld").link("f-ld", "left's-link");
    right.remove("f-ld").directory("f-ld");
    left.remove("d-fl").file("d-fl", b"left's file");
    right.remove("d-fl").link("d-fl", "right's-link");
    left.remove("d-ff").file("d-ff", b"left's file");
    right.remove("d-ff").file("d-ff", b"right's file");
    left.remove("d-edit").file("d-edit", b"left's file instead of a directory");
    right.file("d-edit/base", b"edited in it").file("d-edit/new", b"new in it");
    sync(&sandbox, 1);
    let shown = assert_settled(&sandbox, &left, &right);
    let at = |name: &str| String::from_utf8_lossy(&shown[Path::new(name)]).into_owned();
    assert_eq!(at("f-dl/in"), "left's directory");
    assert_eq!(at("f-dd/left") + &at("f-dd/right"), "left's directoryright's directory");
    assert_eq!(at("f-ld"), "/");
    assert_eq!(at("d-edit/base") + &at("d-edit/new"), "edited in itnew in it");
    let all = contents(&shown);
    for wanted in ["-> right's-link", "-> left's-link", "left's file instead of a directory", "right's file"] {
        assert!(all.iter().any(|held| held == wanted), "{wanted} is missing in {shown:?}");
    }
    assert_eq!(all.iter().filter(|held| *held == "left's file").count(), 2, "{shown:?}");
    assert_eq!(all.iter().filter(|held| *held == "-> right's-link").count(), 2, "{shown:?}");
    assert_eq!(copies(&shown).len(), 5, "{shown:?}");
}

#[test]
fn a_file_that_was_edited_or_made_in_a_directory_that_the_other_side_deleted_stays() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    left.file("d/e/edited", b"1").file("d/e/other", b"2").file("d/gone", b"3").file("f/only", b"4").mode("d", 0o700);
    left.file("stays", b"5");
    sync(&sandbox, 0);
    left.remove("d").remove("f");
    right.file("d/e/edited", b"edited meanwhile").file("f/sub/new", b"new meanwhile");
    sync(&sandbox, 0);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(contents(&shown), ["5", "edited meanwhile", "new meanwhile"]);
    assert_eq!(shown.len(), 7, "{shown:?}");
}

#[test]
fn what_was_made_in_a_directory_whose_delete_is_held_back_waits_without_a_word() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    left.file("d/a", b"1").file("b", b"2");
    sync(&sandbox, 0);
    left.remove("d").remove("b");
    right.file("d/sub/new", b"new meanwhile").file("c", b"3");
    let run = sync(&sandbox, 25);
    assert_eq!(run.summary()["problems"], 1, "{}", run.stdout);
    assert_eq!(left.read("c"), b"3", "the rest flows");
    assert!(right.has("d/a") && right.has("b"));
    left.file("d/a", b"1").file("b", b"2");
    sync(&sandbox, 0);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(contents(&shown), ["1", "2", "3", "new meanwhile"]);
}

#[test]
fn a_file_that_comes_to_a_name_whose_delete_was_held_back_is_a_new_one() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    left.file("a", b"bytes");
    sync(&sandbox, 0);
    // Both sides rename it alike, and the left side's delete of the old name is held back: nothing else is in the root.
    left.rename("a", "b");
    right.rename("a", "b");
    left.remove("b");
    sync(&sandbox, 25);
    left.file("b", right.read("b")).mtime("b", 7, 7);
    sandbox.alike(["sync", "left", "right"]);
    left.rename("b", "a");
    sandbox.alike(["sync", "--max-delete=100%", "left", "right"]);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(contents(&shown), ["bytes"], "{shown:?}");
}

// Conflict copies.

/// Both sides' versions of `note.txt`, and the name of the copy.
fn conflict(sandbox: &Sandbox, left: &Tree, right: &Tree) -> PathBuf {
    left.file("note.txt", b"left's").mtime("note.txt", 100, 0);
    right.file("note.txt", b"right's").mtime("note.txt", 200, 0);
    sync(sandbox, 1);
    let shown = assert_settled(sandbox, left, right);
    let [copy] = copies(&shown).try_into().expect("one copy");
    copy
}

#[test]
fn a_copy_that_is_edited_on_two_replicas_apart_becomes_two_versions_of_the_file() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    let copy = conflict(&sandbox, &left, &right);
    left.file(&copy, b"the copy, edited left");
    right.file(&copy, b"the copy, edited right");
    sync(&sandbox, 1);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(contents(&shown), ["right's", "the copy, edited left", "the copy, edited right"]);
    assert_eq!(copies(&shown).len(), 2, "{shown:?}");
    assert!(copies(&shown).iter().all(|path| path.to_string_lossy().matches(".conflict-").count() == 1), "{shown:?}");
    for copy in copies(&shown) {
        right.remove(copy);
    }
    sync(&sandbox, 0);
    assert_eq!(assert_settled(&sandbox, &left, &right).len(), 1);
}

#[test]
fn a_copy_that_is_deleted_on_one_side_and_edited_on_the_other_stays_as_edited() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    let copy = conflict(&sandbox, &left, &right);
    left.remove(&copy);
    right.file(&copy, b"the copy, edited");
    sync(&sandbox, 1);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(contents(&shown), ["right's", "the copy, edited"]);
}

#[test]
fn a_file_becomes_a_copy_in_one_run_though_another_copy_has_that_name_until_then() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    let copy = conflict(&sandbox, &left, &right);
    right.rename(&copy, "note.txt").file(&copy, b"a third one");
    left.remove("note.txt").file("note.txt/in", b"a directory now");
    sync(&sandbox, 1);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(contents(&shown), ["a directory now", "a third one", "left's"]);
    assert_eq!(shown[&copy], b"left's");
}

#[test]
fn a_copy_that_is_renamed_is_a_file_of_its_own_and_settles_the_conflict() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    let copy = conflict(&sandbox, &left, &right);
    left.rename(&copy, "kept.txt");
    let run = sync(&sandbox, 0);
    assert_eq!(run.summary()["bytes"], 0);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(shown[Path::new("kept.txt")], b"left's");
    assert_eq!(shown[Path::new("note.txt")], b"right's");
    assert_eq!(shown.len(), 2, "{shown:?}");
}

#[test]
fn a_plain_file_that_is_deleted_or_renamed_leaves_its_copy_as_the_file() {
    for renamed in [false, true] {
        let sandbox = Sandbox::new();
        let (left, right) = pair(&sandbox);
        conflict(&sandbox, &left, &right);
        if renamed {
            left.rename("note.txt", "away.txt")
        } else {
            left.remove("note.txt")
        };
        sync(&sandbox, 0);
        let shown = assert_settled(&sandbox, &left, &right);
        assert_eq!(shown[Path::new("note.txt")], b"left's", "{shown:?}");
        assert_eq!(shown.get(Path::new("away.txt")).map(Vec::as_slice), renamed.then_some(&b"right's"[..]));
        assert_eq!(copies(&shown), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_directory_with_a_conflict_in_it_is_renamed_with_all_versions() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    left.file("d/x.txt", b"left's").mtime("d/x.txt", 100, 0).file("d/y", b"y");
    right.file("d/x.txt", b"right's").mtime("d/x.txt", 200, 0);
    sync(&sandbox, 1);
    assert_settled(&sandbox, &left, &right);
    right.rename("d", "moved");
    sandbox.alike(["sync", "left", "right"]);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(contents(&shown), ["left's", "right's", "y"], "{shown:?}");
    assert!(shown.keys().all(|path| path.starts_with("moved")), "{shown:?}");
}

#[test]
fn files_whose_names_look_like_copies_are_versions_of_the_file_and_never_copies_of_copies() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    let copy = conflict(&sandbox, &left, &right);
    // As rsync brings a tree with its copies, and no memory, to a fresh root.
    let fresh = sandbox.tree("fresh");
    for (name, bytes) in left.shown() {
        fresh.file(name, bytes);
    }
    fresh.mtime("note.txt", 200, 0).mtime(&copy, 100, 0);
    fresh.file("note.conflict-0123abcd.txt", b"made up").file("lone.conflict-0123abcd.txt", b"no file of its own");
    fresh.file("note.conflict-xyz.txt", b"no digits");
    for (one, other) in [("fresh", "left"), ("left", "right"), ("fresh", "right")] {
        sandbox.alike(["sync", one, other]).expect(1);
    }
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(shown, fresh.shown());
    assert_eq!(contents(&shown), ["left's", "made up", "no digits", "no file of its own", "right's"], "{shown:?}");
    assert!(shown.contains_key(&copy) && shown.contains_key(Path::new("note.conflict-xyz.txt")), "{shown:?}");
    assert!(shown.keys().all(|path| path.to_string_lossy().matches(".conflict-").count() <= 1), "{shown:?}");
}

// Renames.

#[test]
fn renames_of_every_shape_move_no_content_and_keep_the_inodes() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    let bytes = |number: u64| harness::tree::pattern(3000, number);
    for (number, name) in
        ["a", "b", "1", "2", "3", "x/deep/f", "x/g", "swap-1/s", "swap-2/t", "case"].iter().enumerate()
    {
        left.file(name, bytes(number as u64));
    }
    left.link("l", "target");
    sync(&sandbox, 0);
    let before: BTreeMap<&str, u64> = ["a", "b", "1", "2", "3", "x/deep/f", "x/g", "swap-1/s", "swap-2/t", "case"]
        .map(|name| (name, inode(&right, name)))
        .into();
    left.rename("a", "spare").rename("b", "a").rename("spare", "b");
    left.rename("3", "4").rename("2", "3").rename("1", "2");
    left.rename("x", "y").rename("y/deep", "y/deeper");
    left.rename("swap-1", "spare").rename("swap-2", "swap-1").rename("spare", "swap-2");
    left.rename("case", "Case").rename("l", "ll");
    let run = sync(&sandbox, 0);
    assert_eq!(run.summary()["bytes"], 0, "{}", run.stdout);
    assert_eq!(run.summary()["renames"], 10, "{}", run.stdout);
    assert_settled(&sandbox, &left, &right);
    for (was, is) in [
        ("a", "b"),
        ("b", "a"),
        ("1", "2"),
        ("2", "3"),
        ("3", "4"),
        ("x/deep/f", "y/deeper/f"),
        ("x/g", "y/g"),
        ("swap-1/s", "swap-2/s"),
        ("swap-2/t", "swap-1/t"),
        ("case", "Case"),
    ] {
        assert_eq!(inode(&right, is), before[was], "{was} is now {is}");
    }
}

#[test]
fn a_copy_of_what_is_there_moves_no_content() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    left.file("a", harness::tree::pattern(50_000, 1)).file("d/b", harness::tree::pattern(50_000, 2));
    sync(&sandbox, 0);
    left.file("copy/of/a", left.read("a")).file("b", left.read("d/b"));
    right.file("another-b", right.read("d/b"));
    let run = sync(&sandbox, 0);
    assert_eq!(run.summary()["bytes"], 0, "{}", run.stdout);
    assert_settled(&sandbox, &left, &right);
}

#[test]
fn a_file_that_was_renamed_and_edited_at_once_is_the_new_one_only() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    left.file("d/a", b"base").file("other", b"o");
    sync(&sandbox, 0);
    left.rename("d/a", "b").file("b", b"renamed and edited");
    sync(&sandbox, 0);
    assert_eq!(contents(&assert_settled(&sandbox, &left, &right)), ["o", "renamed and edited"]);
}

#[test]
fn a_rename_on_one_side_of_what_was_edited_on_the_other_keeps_both() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    left.file("a", b"base a").file("d/in", b"base in").file("d/still", b"still").file("other", b"o");
    sync(&sandbox, 0);
    left.rename("a", "b").rename("d", "e");
    right.file("a", b"edited").file("d/in", b"edited in");
    let run = sync(&sandbox, 0);
    let told: Vec<_> = run
        .events("edited-at-old-name")
        .into_iter()
        .map(|told| (told["path"].clone(), told["renamed"].clone()))
        .collect();
    assert_eq!(told, [("a".into(), "b".into()), ("d/in".into(), "e/in".into())], "{}", run.stdout);
    let shown = assert_settled(&sandbox, &left, &right);
    let at = |name: &str| String::from_utf8_lossy(&shown[Path::new(name)]).into_owned();
    assert_eq!((at("a"), at("b")), ("edited".into(), "base a".into()));
    assert_eq!((at("d/in"), at("e/in")), ("edited in".into(), "base in".into()));
    assert!(!shown.contains_key(Path::new("d/still")));
}

#[test]
fn a_rename_against_an_edit_is_said_in_words_whichever_side_renamed() {
    let Some(far) = harness::Far::start() else { return harness::skip("sshd is not installed") };
    let (left, right) = (far.sandbox.tree("left"), far.sandbox.tree("right"));
    let run = || far.alike(["sync".to_owned(), left.text().to_owned(), far.at(&right)]).expect(0);
    left.file("a", b"base a").file("b", b"base b").file("c", b"base c");
    run();
    left.rename("a", "left-a").file("b", b"edited left").rename("c", "d");
    right.file("a", b"edited right").rename("b", "right-b");
    let words = run().stdout;
    for wanted in
        ["a: edited at its old name, and kept beside left-a", "b: edited at its old name, and kept beside right-b"]
    {
        assert!(words.lines().any(|line| line == wanted), "{words}");
    }
    assert_eq!(words.matches("edited at its old name").count(), 2, "{words}");
    let shown = left.shown();
    assert_eq!(shown, right.shown());
    assert_eq!(contents(&shown), ["base a", "base b", "base c", "edited left", "edited right"]);
}

#[test]
fn one_file_that_was_renamed_differently_on_both_sides_has_both_names() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    left.file("a", b"a's bytes").file("d/x", b"x").file("d/y", b"y");
    sync(&sandbox, 0);
    left.rename("a", "l").rename("d", "dl");
    right.rename("a", "r").rename("d", "dr");
    let run = sync(&sandbox, 0);
    assert_eq!(run.summary()["bytes"], 0, "{}", run.stdout);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(contents(&shown), ["a's bytes", "a's bytes", "x", "x", "y", "y"]);
    assert!(!shown.contains_key(Path::new("a")) && !shown.contains_key(Path::new("d")), "{shown:?}");
}

#[test]
fn a_rename_onto_a_name_that_the_other_side_made_keeps_both() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    left.file("a", b"a's bytes").file("d/x", b"x").file("taken", b"base");
    sync(&sandbox, 0);
    left.rename("a", "new").rename("d", "dir");
    right.file("new", b"right's new").file("dir/x", b"right's x");
    sync(&sandbox, 1);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(contents(&shown), ["a's bytes", "base", "right's new", "right's x", "x"]);
    assert_eq!(copies(&shown).len(), 2, "{shown:?}");
}

#[test]
fn a_file_moved_over_another_that_was_edited_meanwhile_keeps_the_edit() {
    let sandbox = Sandbox::new();
    let (left, right) = pair(&sandbox);
    left.file("a", b"a's bytes").file("b", b"b's bytes");
    sync(&sandbox, 0);
    left.rename("a", "b");
    right.file("b", b"b edited").file("a", b"a edited");
    sync(&sandbox, 1);
    let shown = assert_settled(&sandbox, &left, &right);
    assert_eq!(contents(&shown), ["a edited", "a's bytes", "b edited"]);
}
