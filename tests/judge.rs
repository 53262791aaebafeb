//! The judge of the end-to-end tests must itself tell trees apart: one difference of each kind is found.

mod harness;

use std::process::Command;

use harness::{Sandbox, Tree, assert_alike, judge};

type Change = fn(&Tree);

/// A change to one side and what the judge must say about it.
const CHANGES: &[(&str, Change)] = &[
    ("a byte", |tree| {
        let stat = std::fs::metadata(tree.join("hello.txt")).expect("there");
        tree.file("hello.txt", b"hellO\n");
        use std::os::unix::fs::MetadataExt;
        tree.mtime("hello.txt", stat.mtime(), u32::try_from(stat.mtime_nsec()).expect("nanoseconds"));
    }),
    ("a nanosecond", |tree| {
        tree.mtime("hello.txt", 1_000_000_000, 123_456_788);
    }),
    ("a directory's time", |tree| {
        tree.mtime("docs/deep", 1_600_000_000, 6);
    }),
    ("a link's time", |tree| {
        tree.mtime("dangling", 1, 2);
    }),
    ("a mode", |tree| {
        tree.mode("script", 0o755);
    }),
    ("an attribute", |tree| {
        tree.xattr("empty", "user.test", b"value");
    }),
    ("a hard link", |tree| {
        let bytes = tree.read("docs/hello-again");
        tree.remove("docs/hello-again").file("docs/hello-again", bytes).mode("docs/hello-again", 0o640);
        tree.mtime("docs/hello-again", 1_000_000_000, 123_456_789);
    }),
    ("a target", |tree| {
        tree.remove("to-hello").link("to-hello", "empty").mtime("to-hello", -5, 999_999_999);
    }),
    ("a kind", |tree| {
        tree.remove("empty").directory("empty");
    }),
    ("one more", |tree| {
        tree.file("docs/more", b"");
    }),
    ("one less", |tree| {
        tree.remove("bare");
    }),
];

#[test]
fn the_judge_finds_every_kind_of_difference_and_nothing_else() {
    for (what, change) in CHANGES {
        let sandbox = Sandbox::new();
        let left = sandbox.tree("left");
        left.sampler();
        let right = Tree::at(sandbox.path("right"));
        let copied = Command::new("cp").arg("-a").arg(left.path()).arg(right.path()).status().expect("cp");
        assert!(copied.success());
        assert_alike(left.path(), right.path());
        change(&right);
        assert!(!judge(left.path(), right.path()).is_empty(), "{what}");
    }
}

#[test]
fn our_own_directory_is_no_part_of_a_tree() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file(".alike/trash/x", b"x").directory("d").mtime("d", 1, 0);
    right.directory("d").mtime("d", 1, 0);
    assert_alike(left.path(), right.path());
}
