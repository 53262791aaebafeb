//! A kill before each single step that changes something on disk, then something by the user, then another run.

use std::collections::BTreeSet;
use std::process::Stdio;

use super::harness::{self, Sandbox, Tree};

/// The calls before which a run is killed: all that make, name, fill, mark and remove.
const CALLS: [&str; 14] = [
    "renameat2",
    "renameat",
    "unlinkat",
    "mkdirat",
    "linkat",
    "write",
    "pwrite64",
    "ftruncate",
    "fchmod",
    "utimensat",
    "fdatasync",
    "fsync",
    "syncfs",
    "openat",
];
/// Of the points of a call, every so many'th is tried, the first at an offset of the call's own. `ALIKE_TEST_STEPS` says 1 for all.
const STRIDE: usize = 9;

/// What the user does after the kill, on the right side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum User {
    Edits,
    Deletes,
    Leaves,
}

struct World {
    sandbox: Sandbox,
    left: Tree,
    right: Tree,
}

impl World {
    fn new() -> World {
        let sandbox = Sandbox::below(std::path::Path::new("/dev/shm"));
        let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
        left.file("edit", b"base")
            .file("gone", b"gone")
            .file("old/1", b"one")
            .file("old/2", b"two")
            .file("keep", b"keep");
        left.file("conf", b"base");
        sandbox.alike(["sync", "left", "right"]).expect(0);
        left.file("edit", b"edited").remove("gone").rename("old", "moved").file("new", b"new").file("fresh/in", b"in");
        left.directory("empty").file("conf", b"left");
        right.file("conf", b"right").file("back", b"back");
        World { sandbox, left, right }
    }

    /// Two that change places, a file and a directory and a link that become each other, and links in conflict.
    fn turned() -> World {
        let sandbox = Sandbox::below(std::path::Path::new("/dev/shm"));
        let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
        left.file("a", b"one").file("b", b"two").file("x", b"x").file("y/in", b"y").link("z", "z").link("l", "base");
        left.file("c", b"base");
        sandbox.alike(["sync", "left", "right"]).expect(0);
        left.rename("a", "t").rename("b", "a").rename("t", "b");
        left.remove("x").file("x/in", b"x/in").remove("y").link("y", "new y").remove("z").file("z", b"new z");
        left.remove("l").link("l", "left").remove("c").file("c/in", b"c/in");
        right.remove("l").link("l", "right").file("c", b"right");
        World { sandbox, left, right }
    }

    /// Runs a sync that is killed at this point; whether it was.
    fn killed(&self, call: &str, at: usize) -> bool {
        let alike = self.sandbox.command(["sync", "left", "right"]);
        let mut command = std::process::Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        command.args(["-e", &format!("inject={call}:signal=SIGKILL:when={at}")]);
        command.arg(alike.get_program()).args(alike.get_args());
        command.current_dir(alike.get_current_dir().expect("the sandbox")).env_clear();
        command.envs(alike.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("RAYON_NUM_THREADS", "1");
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("strace runs");
        // The conflict makes 1 of a run that got through.
        status.code() != Some(1)
    }

    fn check(&self, user: User, at: &str) {
        let World { sandbox, left, right } = self;
        let has = |path: &str| right.has(path);
        let edit_had_come = right.read("edit") == b"edited";
        let (mut gone, mut held) = (vec!["gone", "old"], vec![("keep", "keep")]);
        match user {
            User::Edits => {
                right.file("edit", b"by the user");
                if has("new") {
                    right.file("new", b"new by the user");
                    held.push(("new", "new by the user"));
                }
                if has("moved/1") {
                    right.file("moved/1", b"one by the user");
                    held.push(("moved/1", "one by the user"));
                }
            }
            User::Deletes => {
                for path in ["new", "moved/1", "fresh/in"] {
                    if has(path) {
                        right.remove(path);
                        gone.push(path);
                    }
                }
            }
            User::Leaves => held.extend([("new", "new"), ("moved/1", "one"), ("fresh/in", "in"), ("edit", "edited")]),
        }
        sandbox.alike(["sync", "left", "right"]).expect(1);
        let again = sandbox.alike(["sync", "--json", "left", "right"]).expect(1);
        assert!(again.events("action").is_empty(), "{at}: {}", again.stdout);
        let shown = left.shown();
        assert_eq!(shown, right.shown(), "{at}");
        held.extend([("back", "back"), ("moved/2", "two")]);
        for (path, bytes) in held {
            assert_eq!(
                shown.get(std::path::Path::new(path)).map(Vec::as_slice),
                Some(bytes.as_bytes()),
                "{at}: {path}: {shown:?}"
            );
        }
        for path in gone {
            assert!(!left.has(path), "{at}: {path} came back: {shown:?}");
        }
        let copies: Vec<_> = shown.keys().filter(|path| path.to_string_lossy().contains(".conflict-")).collect();
        let versions: BTreeSet<&[u8]> = shown.values().map(Vec::as_slice).collect();
        assert!(versions.contains(&b"left"[..]) && versions.contains(&b"right"[..]), "{at}: {shown:?}");
        let of_edit = copies
            .iter()
            .filter(|path| path.starts_with("edit") || path.to_string_lossy().starts_with("edit."))
            .count();
        let both = user == User::Edits && !edit_had_come;
        assert_eq!((of_edit, copies.len()), (usize::from(both), 1 + usize::from(both)), "{at}: {shown:?}");
        assert!(user != User::Edits || versions.contains(&b"by the user"[..]), "{at}: {shown:?}");
        for tree in [left, right] {
            assert!(!tree.has(".alike/staging") && !tree.has(".alike/parts"), "{at}: nothing is left");
        }
    }
}

impl World {
    fn check_turned(&self, user: User, at: &str) {
        let World { sandbox, left, right } = self;
        let had_come = right.read("a") == b"two";
        // What nobody takes away, and what has to be gone.
        let mut held: Vec<&[u8]> = vec![b"one", b"x/in", b"c/in", b"right", b"-> left", b"-> right"];
        let mut gone: Vec<&[u8]> = vec![b"x", b"y", b"-> z", b"-> base", b"base"];
        let mut copies = 2;
        match user {
            User::Edits => {
                right.file("a", b"by the user");
                held.extend([&b"by the user"[..], b"-> new y", b"new z"]);
                if had_come {
                    gone.push(b"two");
                } else {
                    held.push(b"two");
                    copies += 1;
                }
            }
            User::Deletes => {
                // A link that a killed run put in place is not told from one that is still to come: it may come again.
                held.push(b"two");
                let has_come = right.shown().get(std::path::Path::new("z")).is_some_and(|here| here == b"new z");
                if has_come { &mut gone } else { &mut held }.push(b"new z");
                right.remove("y").remove("z");
            }
            User::Leaves => held.extend([&b"two"[..], b"-> new y", b"new z"]),
        }
        sandbox.alike(["sync", "left", "right"]).expect(1);
        let again = sandbox.alike(["sync", "--json", "left", "right"]).expect(1);
        assert!(again.events("action").is_empty(), "{at}: {}", again.stdout);
        let shown = left.shown();
        assert_eq!(shown, right.shown(), "{at}");
        let count = |bytes: &[u8]| shown.values().filter(|here| *here == bytes).count();
        for bytes in held {
            assert_eq!(count(bytes), 1, "{at}: {}: {shown:?}", String::from_utf8_lossy(bytes));
        }
        for bytes in gone {
            assert_eq!(count(bytes), 0, "{at}: {}: {shown:?}", String::from_utf8_lossy(bytes));
        }
        let names = shown.keys().filter(|path| path.to_string_lossy().contains(".conflict-")).count();
        assert_eq!(names, copies, "{at}: {shown:?}");
        for tree in [left, right] {
            assert!(!tree.has(".alike/staging") && !tree.has(".alike/parts"), "{at}: nothing is left");
        }
    }
}

#[test]
fn a_kill_before_any_step_and_then_the_user_lose_nothing_and_make_no_conflict_with_oneself() {
    at_each_step(World::new, World::check);
}

#[test]
fn a_kill_before_any_step_of_exchanges_and_of_what_becomes_something_else_loses_nothing_either() {
    at_each_step(World::turned, World::check_turned);
}

fn at_each_step(begin: fn() -> World, check: fn(&World, User, &str)) {
    if !std::process::Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        return harness::skip("strace is not installed");
    }
    let stride = std::env::var("ALIKE_TEST_STEPS").ok().and_then(|stride| stride.parse().ok()).unwrap_or(STRIDE);
    let mut points = 0;
    for (number, call) in CALLS.into_iter().enumerate() {
        // Opening for reading changes nothing, and there is much of it.
        let stride = if call == "openat" { 4 * stride } else { stride };
        for at in (1 + number % stride..).step_by(stride) {
            let mut killed = false;
            for user in [User::Edits, User::Deletes, User::Leaves] {
                // In part, one user a point; which one changes with it.
                if stride > 4 && (at / stride) % 3 != user as usize {
                    continue;
                }
                let world = begin();
                if !world.killed(call, at) {
                    continue;
                }
                killed = true;
                points += 1;
                check(&world, user, &format!("{call} {at}, the user {user:?}"));
            }
            if !killed {
                break;
            }
        }
    }
    assert!(points >= 10, "{points} kills");
    harness::tell(&format!("{points} kills"));
}
