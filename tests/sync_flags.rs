//! Flags of `sync` that leave metadata out, and rules that stand: what is not wanted is neither a conflict, nor lost, nor
//! work in every run.

mod harness;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use harness::{Far, Outcome, Sandbox, Tree};

fn mode(tree: &Tree, path: &str) -> u32 {
    fs::metadata(tree.join(path)).expect("there").permissions().mode() & 0o7777
}

fn attribute(tree: &Tree, path: &str) -> Option<Vec<u8>> {
    let mut value = [0; 16];
    let length = rustix::fs::lgetxattr(tree.join(path), "user.one", &mut value).ok()?;
    Some(value[..length].to_vec())
}

fn copies(tree: &Tree) -> Vec<PathBuf> {
    tree.shown().into_keys().filter(|path| path.to_string_lossy().contains(".conflict-")).collect()
}

/// A sync with some flags.
type Sync<'a> = &'a dyn Fn(&[&str]) -> Outcome;

/// The same for two local roots, and for one that ssh reaches.
fn each_way(test: &dyn Fn(&Tree, &Tree, Sync<'_>)) {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    test(&left, &right, &|flags| sandbox.alike([&["sync"], flags, &["left", "right"]].concat()));
    let Some(far) = Far::start() else { return harness::skip("sshd is not installed") };
    let (left, right) = (far.sandbox.tree("left"), far.sandbox.tree("right"));
    let there = far.at(&right);
    test(&left, &right, &|flags| far.alike([&["sync"], flags, &[left.text(), &there]].concat()));
}

#[test]
fn without_permissions_modes_are_no_conflict_and_stay_as_they_are() {
    each_way(&|left, right, sync| {
        left.file("met", b"the same").mode("met", 0o600).file("new-left", b"l").mode("new-left", 0o600);
        right.file("met", b"the same").mode("met", 0o644).file("new-right", b"r").mode("new-right", 0o755);
        left.mtime("met", 1_000, 0);
        sync(&["--no-perms"]).expect(0);
        assert!(copies(left).is_empty(), "{:?}", copies(left));
        assert_eq!(left.shown(), right.shown());
        assert_eq!((mode(left, "met"), mode(right, "met")), (0o600, 0o644), "modes stay");
        assert_eq!(sync(&["--no-perms"]).expect(0).last_line(), "alike");
        // A chmod is nobody's write, and neither is an edit on top of another mode.
        left.mode("met", 0o640).file("new-left", b"edited left");
        right.file("met", b"edited right").mode("new-left", 0o666);
        sync(&["--no-perms"]).expect(0);
        assert_eq!(left.shown(), right.shown());
        assert!(copies(left).is_empty(), "{:?}", copies(left));
        assert_eq!((left.read("met"), right.read("new-left")), (b"edited right".to_vec(), b"edited left".to_vec()));
        assert_eq!((mode(left, "met"), mode(right, "met"), mode(right, "new-left")), (0o640, 0o644, 0o666));
        assert_eq!(sync(&["--no-perms"]).expect(0).last_line(), "alike");
    });
}

#[test]
fn a_mode_that_nobody_let_loose_is_not_opened_when_modes_count_again() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("secret", b"s").mode("secret", 0o600).file("met", b"m").mode("met", 0o600);
    right.file("met", b"m");
    sandbox.alike(["sync", "--no-perms", "left", "right"]).expect(0);
    left.file("secret", b"edited");
    sandbox.alike(["sync", "--no-perms", "left", "right"]).expect(0);
    left.file("more", b"work for a run");
    sandbox.alike(["sync", "left", "right"]).expect(0);
    assert_eq!((mode(&left, "secret"), mode(&left, "met")), (0o600, 0o600));
    assert_eq!(left.shown(), right.shown());
    assert!(copies(&left).is_empty());
}

#[test]
fn attributes_that_are_not_wanted_survive_an_edit_by_whoever_does_not_see_them() {
    each_way(&|left, right, sync| {
        left.file("f", b"first").xattr("f", "user.one", b"1");
        sync(&[]).expect(0);
        assert_eq!(attribute(right, "f"), Some(b"1".to_vec()));
        right.file("f", b"edited").xattr("f", "user.one", b"2");
        sync(&["--no-xattrs"]).expect(0);
        assert_eq!((left.read("f"), left.shown().len()), (b"edited".to_vec(), 1));
        assert_eq!(sync(&["--no-xattrs"]).expect(0).last_line(), "alike");
        left.file("f", b"edited again");
        sync(&["--no-xattrs"]).expect(0);
        assert_eq!(left.shown(), right.shown());
        assert_eq!(sync(&[]).code, 0);
        assert!(copies(left).is_empty());
    });
}

#[test]
fn links_and_owners_that_are_not_wanted_are_no_work() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("a", b"one file").hard_link("b", "a").file("c", b"c");
    let flags = ["sync", "--no-links", "--no-owner", "left", "right"];
    sandbox.alike(flags).expect(0);
    assert_eq!(sandbox.alike(flags).expect(0).last_line(), "alike");
    rustix::fs::chown(left.join("c"), Some(rustix::process::Uid::from_raw(65534)), None).expect("an owner");
    left.file("a", b"edited through one name");
    sandbox.alike(flags).expect(0);
    assert_eq!(left.shown(), right.shown());
    assert_eq!(right.read("b"), b"edited through one name");
    assert_eq!(fs::metadata(right.join("c")).expect("there").uid(), 0);
    assert_eq!(sandbox.alike(flags).expect(0).last_line(), "alike");
}

#[test]
fn a_rule_that_stands_is_no_work_in_the_next_run() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("built/a", b"a").file("built/b/c", b"c").file("kept", b"k").file("x.log", b"log");
    sandbox.alike(["sync", "left", "right"]).expect(0);
    left.file(".alikeignore", b"built/\n*.log\n");
    right.file("built/a", b"edited where it will be ignored");
    for _ in 0..2 {
        sandbox.alike(["sync", "left", "right"]).expect(0);
    }
    let memory = |tree: &Tree| {
        let of = |name: &str| fs::metadata(tree.join(Path::new(".alike").join(name))).expect("there").modified().ok();
        (of("state.redb"), of("index"))
    };
    let before = [memory(&left), memory(&right)];
    for _ in 0..2 {
        assert_eq!(sandbox.alike(["sync", "left", "right"]).expect(0).last_line(), "alike");
    }
    assert_eq!([memory(&left), memory(&right)], before, "nothing is noted again and again");
    // What the rule hides is looked at when it goes.
    left.file(".alikeignore", b"*.log\n").file("built/a", b"edited left");
    right.file(".alikeignore", b"*.log\n");
    sandbox.alike(["sync", "left", "right"]).expect(1);
    assert_eq!(left.shown(), right.shown());
    assert_eq!(copies(&left).len(), 1, "both edits are kept");
}
