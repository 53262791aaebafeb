//! What replicas ignore, and what a run leaves out: neither ever deletes anything, whoever changes which rule when.

mod harness;

use std::os::unix::fs::MetadataExt;

use harness::{Far, Outcome, Sandbox, Tree};

#[track_caller]
fn sync(sandbox: &Sandbox, code: i32) -> Outcome {
    sandbox.alike(["sync", "left", "right"]).expect(code)
}

/// Another run has nothing to do.
#[track_caller]
fn assert_idle(sandbox: &Sandbox) {
    assert_eq!(sync(sandbox, 0).last_line(), "alike");
}

/// Two replicas that agree on a few files, none of them ignored.
fn agreed(sandbox: &Sandbox) -> (Tree, Tree) {
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("a.txt", b"text").file("a.log", b"log").file("d/b.txt", b"text").file("d/b.log", b"log");
    left.file("build", b"a file").file("e/only.log", b"log");
    sync(sandbox, 0);
    (left, right)
}

#[test]
fn a_new_rule_travels_and_deletes_nothing_on_either_side() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file(".alikeignore", b"*.log\n");
    right.file("right.log", b"made before the rule came");
    sync(&sandbox, 0);
    assert_eq!(right.read(".alikeignore"), b"*.log\n", "the file is an entry like any other");
    for tree in [&left, &right] {
        for name in ["a.log", "d/b.log", "e/only.log"] {
            assert_eq!(tree.read(name), b"log", "{name} in {}", tree.text());
        }
    }
    assert_idle(&sandbox);
    left.file("d/new.log", b"left's own");
    right.file("d/new.log", b"right's own").file("a.log", b"edited where nobody looks");
    assert_idle(&sandbox);
    assert_eq!((left.read("d/new.log"), right.read("d/new.log")), (b"left's own".to_vec(), b"right's own".to_vec()));
    assert_eq!(left.read("a.log"), b"log");
}

#[test]
fn a_file_removed_while_it_is_ignored_comes_back_with_the_end_of_the_rule() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file(".alikeignore", b"*.log\n");
    sync(&sandbox, 0);
    left.remove("a.log").file("d/b.log", b"edited while ignored");
    right.remove("e/only.log");
    assert_idle(&sandbox);
    assert_eq!(right.read("a.log"), b"log", "it was removed from one side's disk, not from the set");
    right.remove(".alikeignore");
    sync(&sandbox, 0);
    assert!(!left.has(".alikeignore"), "its removal travels");
    sync(&sandbox, 0);
    for tree in [&left, &right] {
        assert_eq!(tree.read("a.log"), b"log", "{}", tree.text());
        assert_eq!(tree.read("e/only.log"), b"log", "{}", tree.text());
        assert_eq!(tree.read("d/b.log"), b"edited while ignored", "{}", tree.text());
    }
    assert_eq!(left.shown(), right.shown());
    assert_idle(&sandbox);
}

#[test]
fn a_rule_and_the_removal_of_what_it_hides_in_one_go_delete_nothing_elsewhere() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file(".alikeignore", b"e/\n*.log\n").remove("e").remove("a.log");
    sync(&sandbox, 0);
    assert_eq!(right.read("e/only.log"), b"log");
    assert_eq!(right.read("a.log"), b"log");
    left.remove(".alikeignore");
    sync(&sandbox, 0);
    sync(&sandbox, 0);
    assert_eq!(left.shown(), right.shown());
    assert!(left.has("e/only.log") && left.has("a.log"));
}

#[test]
fn edits_made_on_both_sides_while_ignored_are_both_kept() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file(".alikeignore", b"*.log\n");
    sync(&sandbox, 0);
    left.file("a.log", b"left's while ignored").file("own.log", b"left's own");
    right.file("a.log", b"right's while ignored").file("own.log", b"right's own");
    assert_idle(&sandbox);
    left.remove(".alikeignore");
    right.remove(".alikeignore");
    sync(&sandbox, 1);
    let shown = left.shown();
    assert_eq!(shown, right.shown());
    let mut logs: Vec<&[u8]> = shown.values().map(Vec::as_slice).filter(|bytes| bytes.ends_with(b"ignored")).collect();
    logs.sort_unstable();
    assert_eq!(logs, [&b"left's while ignored"[..], b"right's while ignored"]);
    let owns = shown.values().filter(|bytes| bytes.ends_with(b"own")).count();
    assert_eq!(owns, 2, "{shown:?}");
}

#[test]
fn an_ignored_file_in_a_directory_that_the_other_side_renamed_keeps_its_bytes() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file(".alikeignore", b"*.tmp\n");
    sync(&sandbox, 0);
    right.file("d/own.tmp", b"right's ignored");
    let inode = right.join("d/b.txt").metadata().expect("there").ino();
    left.rename("d", "renamed");
    sync(&sandbox, 0);
    let kept = ["d/own.tmp", "renamed/own.tmp"].into_iter().filter(|name| right.has(name)).collect::<Vec<_>>();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(right.read(kept[0]), b"right's ignored");
    assert_eq!(right.join("renamed/b.txt").metadata().expect("renamed").ino(), inode, "no copy was made");
    assert!(!left.has("d/own.tmp") && !left.has("renamed/own.tmp"));
    assert!(!left.has("d") && !right.has("d/b.txt"));
    assert_idle(&sandbox);
    assert!(!left.has("d"), "what only holds ignored things does not come back");
}

#[test]
fn an_ignored_file_in_a_directory_that_the_other_side_removed_keeps_its_bytes() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file(".alikeignore", b"*.tmp\n").file("d/sub/c.txt", b"c");
    sync(&sandbox, 0);
    right.file("d/own.tmp", b"1").file("d/sub/deep.tmp", b"2").file("e/also.tmp", b"3");
    left.remove("d").remove("e");
    let run = sync(&sandbox, 0);
    assert!(!right.has("d/b.txt") && !right.has("d/sub/c.txt") && !right.has("e/only.log"), "{}", run.stdout);
    assert_eq!(right.read("d/own.tmp"), b"1");
    assert_eq!(right.read("d/sub/deep.tmp"), b"2");
    assert_eq!(right.read("e/also.tmp"), b"3");
    assert!(!left.has("d") && !left.has("e"));
    for _ in 0..3 {
        assert_idle(&sandbox);
    }
    assert!(!left.has("d") && !left.has("e"), "directories that hold only ignored things do not come back");
    right.remove("d/own.tmp").remove("d/sub/deep.tmp").remove("e/also.tmp");
    sync(&sandbox, 0);
}

#[test]
fn a_rule_for_directories_hides_no_file_of_that_name() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file(".alikeignore", b"build/\nout/\n");
    sync(&sandbox, 0);
    right.file("build", b"edited").file("out", b"a file named like an ignored directory");
    sync(&sandbox, 0);
    assert_eq!(left.read("build"), b"edited");
    assert!(left.has("out"), "a file is not hidden by a rule for directories");
    left.remove("build");
    sync(&sandbox, 0);
    assert!(!right.has("build"), "its removal travels");
    right.remove("out").file("out/x", b"now a directory, and hidden");
    left.file("out", b"edited meanwhile");
    let run = sync(&sandbox, 23);
    assert!(run.stderr.contains("`out`"), "what cannot be put there is named: {}", run.stderr);
    assert_eq!(right.read("out/x"), b"now a directory, and hidden");
    assert_eq!(left.read("out"), b"edited meanwhile");
    assert!(!left.has("out/x"));
}

#[test]
fn rules_that_only_one_side_has_protect_what_it_ignores() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    // A rule that is not synced, as another rule hides its file by pattern.
    let run = |code: i32| sandbox.alike(["sync", "--exclude=/a.*", "left", "right"]).expect(code);
    left.remove("a.txt").file("a.log", b"left's");
    right.file("a.new", b"right's");
    run(0);
    assert!(right.has("a.txt") && !left.has("a.txt") && !left.has("a.new"));
    assert_eq!(right.read("a.log"), b"log");
    run(0);
    sync(&sandbox, 0);
    assert_eq!(left.shown(), right.shown());
    assert_eq!(left.read("a.txt"), b"text", "absence while left out is no delete");
    assert_eq!(right.read("a.log"), b"left's", "an edit while left out is an edit");
    assert!(left.has("a.new"));
}

#[test]
fn rules_that_cannot_be_understood_hide_everything_below_and_delete_nothing() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file("d/.alikeignore", b"[z-a]\n").remove("d/b.txt").file("a.txt", b"edited");
    let run = sync(&sandbox, 23);
    assert!(run.stderr.contains("pattern"), "{}", run.stderr);
    assert!(right.has("d/b.txt"));
    assert_eq!(right.read("a.txt"), b"edited", "the rest is synced");
    left.remove("d/.alikeignore");
    sync(&sandbox, 0);
    assert_eq!(left.shown(), right.shown());
}

#[test]
fn a_rule_that_comes_with_other_changes_is_obeyed_through_ssh_too() {
    let Some(far) = Far::start() else { return harness::skip("sshd is not installed") };
    let (left, right) = (far.sandbox.tree("left"), far.sandbox.tree("right"));
    let run = |code: i32| far.alike(["sync".to_owned(), left.text().to_owned(), far.at(&right)]).expect(code);
    left.file("a.log", b"log").file("d/b.log", b"log").file("d/b.txt", b"text").file("build", b"a file");
    run(0);
    left.file(".alikeignore", b"*.log\nbuild/\n").remove("a.log").rename("d", "renamed").file("build", b"edited");
    right.file("d/own.log", b"right's own");
    run(0);
    assert_eq!(right.read("a.log"), b"log");
    assert_eq!(right.read("build"), b"edited");
    assert_eq!(right.read("renamed/b.txt"), b"text");
    assert!(right.has("d/own.log") || right.has("renamed/own.log"));
    left.remove(".alikeignore");
    // The other side hides what is wanted here until it has learned that the rule is gone.
    assert!(run(23).stderr.contains("`d/own.log`"));
    run(0);
    assert_eq!(left.shown(), right.shown());
    assert!(left.has("a.log"));
}
