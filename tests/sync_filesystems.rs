//! Replicas on real file systems: what cannot be read, what does not fit, what one of them cannot hold, and clocks that are
//! wrong.

mod harness;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::mounted::{Mounted, mount};
use harness::{Outcome, Sandbox, Tree};
use rustix::process::{Gid, Uid};

/// An unprivileged user.
const NOBODY: u32 = 65534;

#[track_caller]
fn sync(sandbox: &Sandbox, code: i32) -> Outcome {
    sandbox.alike(["sync", "left", "right"]).expect(code)
}

/// Runs a sync behind another program.
fn sync_by(sandbox: &Sandbox, program: &str, arguments: &[&str]) -> Outcome {
    let alike = sandbox.command(["sync", "left", "right"]);
    let mut command = Command::new(program);
    command.args(arguments).arg(alike.get_program()).args(alike.get_args());
    command.current_dir(alike.get_current_dir().expect("the sandbox")).env_clear();
    command.envs(alike.get_envs().filter_map(|(name, value)| Some((name, value?))));
    sandbox.run(&mut command)
}

fn own_all(at: &Path) {
    for found in walkdir::WalkDir::new(at) {
        let path = found.expect("readable").into_path();
        rustix::fs::chownat(
            rustix::fs::CWD,
            &path,
            Some(Uid::from_raw(NOBODY)),
            Some(Gid::from_raw(NOBODY)),
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .expect("an owner");
    }
}

#[track_caller]
fn assert_settled(sandbox: &Sandbox, left: &Tree, right: &Tree) -> BTreeMap<PathBuf, Vec<u8>> {
    let shown = left.shown();
    assert_eq!(shown, right.shown());
    assert_eq!(sync(sandbox, 0).last_line(), "alike");
    shown
}

/// Two replicas that agree on two directories.
fn agreed(sandbox: &Sandbox) -> (Tree, Tree) {
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("shut/a", b"a").file("shut/sub/b", b"b").file("file", b"f").file("open/c", b"c").file("open/d", b"d");
    sync(sandbox, 0);
    (left, right)
}

// What cannot be read.

#[test]
fn a_directory_and_a_file_without_permission_are_named_and_synced_once_they_can_be_read() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    left.file("shut/a", b"edited behind the door").remove("shut/sub/b").file("shut/new", b"new behind it");
    left.mode("file", 0o000).file("open/c", b"edited");
    right.file("shut/sub/b", b"edited right").file("open/e", b"new right");
    own_all(&sandbox.path(""));
    left.mode("shut", 0o000);
    let run = sync_by(&sandbox, "setpriv", &nobody).expect(23);
    assert!(run.stderr.contains("`shut`") && run.stderr.contains("`file`"), "{}", run.stderr);
    assert_eq!((right.read("shut/a"), right.read("file")), (b"a".to_vec(), b"f".to_vec()), "no delete, no edit");
    assert_eq!((right.read("open/c"), left.read("open/e")), (b"edited".to_vec(), b"new right".to_vec()));
    sync_by(&sandbox, "setpriv", &nobody).expect(23);
    left.mode("shut", 0o755).mode("file", 0o644);
    sync_by(&sandbox, "setpriv", &nobody).expect(0);
    let shown = left.shown();
    assert_eq!(shown, right.shown());
    assert_eq!(shown[Path::new("shut/a")], b"edited behind the door");
    assert_eq!(shown[Path::new("shut/new")], b"new behind it");
    assert_eq!(shown[Path::new("shut/sub/b")], b"edited right");
    assert_eq!(shown.len(), 10, "{shown:?}");
    assert_eq!(sync_by(&sandbox, "setpriv", &nobody).expect(0).last_line(), "alike");
}

#[test]
fn a_directory_that_fails_with_an_error_of_the_disk_is_no_delete() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file("open/c", b"edited").file("shut/a", b"edited too");
    right.remove("open/d");
    let shut = left.join("shut").display().to_string();
    let broken = |call: &str| {
        let inject = format!("inject={call}:error=EIO");
        let trace = format!("trace={call}");
        let out = sandbox.path("strace").display().to_string();
        sync_by(&sandbox, "strace", &["-f", "-qq", "-o", &out, "-P", &shut, "-e", &trace, "-e", &inject])
    };
    let run = broken("getdents64").expect(23);
    assert!(run.stderr.contains("`shut`"), "{}", run.stderr);
    assert_eq!((right.read("shut/a"), right.read("shut/sub/b")), (b"a".to_vec(), b"b".to_vec()));
    assert_eq!(right.read("open/c"), b"edited");
    assert!(!left.has("open/d"), "the rest is synced");
    sync(&sandbox, 0);
    assert_settled(&sandbox, &left, &right);
    assert_eq!(right.read("shut/a"), b"edited too");
}

#[test]
fn what_the_other_side_did_to_an_unreadable_directory_comes_once_it_can_be_read() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    right.remove("shut/sub").file("shut/a", b"edited right").file("shut/new", b"new right").rename("open", "moved");
    own_all(&sandbox.path(""));
    left.mode("shut", 0o000);
    sync_by(&sandbox, "setpriv", &nobody).expect(23);
    assert_eq!(left.read("shut/a"), b"a", "nothing is done where nothing can be seen");
    assert!(left.has("moved/c") && !right.has("open"));
    left.mode("shut", 0o755);
    sync_by(&sandbox, "setpriv", &nobody).expect(0);
    assert_eq!(left.shown(), right.shown());
    assert_eq!(left.read("shut/a"), b"edited right");
    assert!(!left.has("shut/sub"));
}

/// Two replicas of which the right one knows that the left one has edited the file, at `secs`, and does not have its bytes.
fn told_of_an_edit(sandbox: &Sandbox, secs: i64) -> (Tree, Tree) {
    let (left, right) = agreed(sandbox);
    left.file("file", b"edited left").mtime("file", secs, 0);
    let out = sandbox.path("strace").display().to_string();
    let broken = ["-f", "-qq", "-o", &out, "-e", "trace=renameat2", "-e", "inject=renameat2:error=EIO"];
    sync_by(sandbox, "strace", &broken).expect(23);
    assert_eq!(right.read("file"), b"f", "nothing was put in place");
    (left, right)
}

#[test]
fn an_edit_of_a_file_whose_newer_version_has_come_by_word_and_not_by_bytes_keeps_both() {
    let sandbox = Sandbox::new();
    let (left, right) = told_of_an_edit(&sandbox, 2_000_000_000);
    right.file("file", b"edited right").mtime("file", 1_900_000_000, 0);
    sync(&sandbox, 1);
    let shown = left.shown();
    assert_eq!(shown, right.shown());
    assert_eq!(shown[Path::new("file")], b"edited left");
    let copies: Vec<_> = shown.iter().filter(|(path, _)| path.to_string_lossy().contains(".conflict-")).collect();
    assert_eq!(copies.len(), 1, "{shown:?}");
    assert_eq!(copies[0].1, b"edited right");
}

#[test]
fn a_copy_of_which_only_the_word_has_come_is_shown_once_its_bytes_can_be_had() {
    let sandbox = Sandbox::new();
    let (left, right) = told_of_an_edit(&sandbox, 1_900_000_000);
    right.file("file", b"edited right").mtime("file", 2_000_000_000, 0);
    sandbox.tree("third");
    // Neither of these two has what the left one wrote.
    sandbox.alike(["sync", "right", "third"]).expect(23);
    sync(&sandbox, 1);
    let shown = right.shown();
    assert_eq!(shown, left.shown());
    assert!(shown.values().any(|bytes| bytes == b"edited left"), "{shown:?}");
}

// What does not fit.

#[test]
fn a_full_disk_in_the_middle_leaves_nothing_partial_and_the_next_run_completes() {
    let sandbox = Sandbox::new();
    let Some(mounted) = mount(&sandbox, "tmpfs", 12) else { return };
    let left = sandbox.tree("left");
    let right = Tree::at(mounted.at.join("root"));
    fs::create_dir(right.path()).expect("made");
    let run = |code: i32| sandbox.alike(["sync", "left", right.text()]).expect(code);
    left.file("small", b"small").file("to-delete", b"d").file("to-edit", vec![b'x'; 1 << 20]);
    run(0);
    fs::write(mounted.at.join("ballast"), vec![1; 3 << 20]).expect("room");
    for number in 0..12 {
        left.file(format!("big/{number:02}"), harness::tree::pattern(1 << 20, number));
    }
    left.file("to-edit", harness::tree::pattern(1 << 20, 99)).remove("to-delete").file("z-small", b"small");
    right.file("from-right", b"r");
    let full = run(23);
    assert!(full.stderr.contains("no space left"), "{}", full.stderr);
    for (path, bytes) in right.shown() {
        let source = left.join(&path);
        let whole = bytes == b"/" || fs::read(&source).is_ok_and(|now| now == bytes) || bytes == vec![b'x'; 1 << 20];
        assert!(whole, "{} is partial", path.display());
    }
    assert_eq!(left.read("from-right"), b"r", "the rest goes on");
    assert!(!right.has("to-delete"));
    assert!(left.has("big/11"), "what did not fit is no delete");
    let full = run(23);
    assert!(full.stderr.contains("no space left"), "{}", full.stderr);
    assert!((0..12).all(|number| left.has(format!("big/{number:02}"))));
    fs::remove_file(mounted.at.join("ballast")).expect("less ballast");
    let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&mounted.at).status().expect("mount");
    assert!(grown.success());
    run(0);
    assert_eq!(left.shown(), right.shown());
    assert!(left.shown().keys().all(|path| !path.to_string_lossy().contains(".conflict-")));
    assert_eq!(run(0).last_line(), "alike");
}

// What nobody thinks of: times, names, links, attributes.

/// What a path is, as far as two replicas keep it alike.
fn facts(tree: &Tree, path: impl AsRef<Path>) -> (i64, i64, u32, u64) {
    let at = tree.join(path.as_ref()).symlink_metadata().unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()));
    (at.mtime(), at.mtime_nsec(), at.mode(), at.size())
}

#[test]
fn odd_times_and_names_survive_ten_rounds_and_are_sent_once() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    let times =
        [(0, 0), (-1, 0), (-86_400, 999_999_999), (-1, 1), (16_283_635_200, 0), (1, 999_999_999), (2_147_483_648, 5)];
    for (number, (secs, nanos)) in times.into_iter().enumerate() {
        left.file(format!("time-{number}"), format!("{number}")).mtime(format!("time-{number}"), secs, nanos);
        right.directory(format!("d-{number}")).link(format!("l-{number}"), "x").mtime(
            format!("l-{number}"),
            secs,
            nanos,
        );
    }
    let odd: [&[u8]; 9] = [
        b"\xff\xfe",
        b"caf\xc3\xa9",
        b"cafe\xcc\x81",
        b"README",
        b"readme",
        b"a\nb",
        b" ",
        b"-n",
        b"nul\x80.conflict-12345678.txt",
    ];
    for name in odd {
        left.file(OsStr::from_bytes(name), name);
    }
    sync(&sandbox, 0);
    let shown = assert_settled(&sandbox, &left, &right);
    let before: Vec<_> = shown.keys().map(|path| facts(&left, path)).collect();
    for round in 0..10 {
        // Something else changes, so that there is work; which side asks alternates.
        if round % 2 == 0 {
            left.file("other", format!("{round}"))
        } else {
            right.file("other", format!("{round}"))
        };
        let order = if round % 3 == 0 { ["right", "left"] } else { ["left", "right"] };
        let run = sandbox.alike(["sync", "--json", order[0], order[1]]).expect(0);
        assert_eq!(run.events("action").len(), 1, "round {round}: {}", run.stdout);
    }
    for tree in [&left, &right] {
        let after: Vec<_> = shown.keys().map(|path| facts(tree, path)).collect();
        let directory = |mode: u32| mode & 0o170_000 == 0o040_000;
        for (path, (was, is)) in shown.keys().zip(before.iter().zip(&after)) {
            assert!(was == is || directory(was.2) && was.2 == is.2, "{}: {was:?} is {is:?}", path.display());
        }
    }
    for name in odd {
        assert_eq!(right.read(OsStr::from_bytes(name)), name);
        right.file(OsStr::from_bytes(name), [name, b"edited"].concat());
    }
    sync(&sandbox, 0);
    assert_settled(&sandbox, &left, &right);
}

#[test]
fn names_of_one_file_that_change_on_one_side_change_on_the_other() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("a", b"one file").hard_link("b", "a").hard_link("d/c", "a").file("x", b"x").hard_link("y", "x");
    sync(&sandbox, 0);
    let one = |tree: &Tree, names: &[&str]| {
        let inodes: Vec<u64> = names.iter().map(|name| tree.join(name).metadata().expect("there").ino()).collect();
        inodes.windows(2).all(|pair| pair[0] == pair[1])
    };
    assert!(one(&right, &["a", "b", "d/c"]) && one(&right, &["x", "y"]) && !one(&right, &["a", "x"]));
    assert_settled(&sandbox, &left, &right);
    // Edited through one name; one name leaves; one joins; one goes.
    left.file("d/c", b"edited through one name");
    right.remove("y").file("y", b"x").remove("x").hard_link("z", "y");
    sync(&sandbox, 0);
    assert_settled(&sandbox, &left, &right);
    for tree in [&left, &right] {
        assert_eq!(tree.read("a"), b"edited through one name");
        assert!(one(tree, &["a", "b", "d/c"]) && one(tree, &["y", "z"]), "{}", tree.text());
    }
    // Touched through one name.
    right.mtime("b", 1_000, 5);
    sync(&sandbox, 0);
    assert_settled(&sandbox, &left, &right);
    assert_eq!(facts(&left, "d/c").0, 1_000);
    // The least name of a group goes: the others stay one file.
    left.remove("a");
    sync(&sandbox, 0);
    assert_settled(&sandbox, &left, &right);
    assert!(one(&right, &["b", "d/c"]) && !right.has("a"));
    // Edited on one side and taken apart on the other: both contents are somewhere.
    left.file("b", b"edited again");
    right.remove("d/c").file("d/c", b"taken apart");
    let run = sandbox.alike(["sync", "left", "right"]);
    assert!(run.code <= 1, "{run:?}");
    let shown = left.shown();
    assert_eq!(shown, right.shown());
    for wanted in [&b"edited again"[..], b"taken apart"] {
        assert!(shown.values().any(|bytes| bytes == wanted), "{shown:?}");
    }
    let again = sandbox.alike(["sync", "--json", "left", "right"]);
    assert!(again.events("action").is_empty(), "{}", again.stdout);
}

#[test]
fn extended_attributes_travel_in_both_directions_and_go() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("f", b"f").xattr("f", "user.one", b"1").directory("d").xattr("d", "user.dir", b"d");
    sync(&sandbox, 0);
    let value = |tree: &Tree, path: &str, name: &str| {
        let mut value = [0; 16];
        let length = rustix::fs::lgetxattr(tree.join(path), name, &mut value).ok()?;
        Some(value[..length].to_vec())
    };
    assert_eq!(value(&right, "f", "user.one"), Some(b"1".to_vec()));
    assert_eq!(value(&right, "d", "user.dir"), Some(b"d".to_vec()));
    right.xattr("f", "user.two", b"2");
    left.file("f", b"edited").xattr("d", "user.dir", b"e");
    sync(&sandbox, 0);
    assert_settled(&sandbox, &left, &right);
    for tree in [&left, &right] {
        assert_eq!(tree.read("f"), b"edited");
        assert_eq!(value(tree, "f", "user.two"), Some(b"2".to_vec()), "{}", tree.text());
        assert_eq!(value(tree, "d", "user.dir"), Some(b"e".to_vec()), "{}", tree.text());
    }
    rustix::fs::lremovexattr(left.join("f"), "user.one").expect("removed");
    sync(&sandbox, 0);
    assert_eq!(value(&right, "f", "user.one"), None);
    assert_settled(&sandbox, &left, &right);
}

/// A root in the sandbox, and one on another file system.
fn across(sandbox: &Sandbox, mounted: &Mounted) -> (Tree, Tree) {
    let right = Tree::at(mounted.at.join("root"));
    fs::create_dir(right.path()).expect("made");
    (sandbox.tree("left"), right)
}

#[test]
fn every_file_system_that_can_hold_all_of_it_is_made_alike_in_both_directions() {
    for (kind, megabytes) in [("tmpfs", 64), ("xfs", 320), ("btrfs", 256)] {
        let sandbox = Sandbox::new();
        let Some(mounted) = mount(&sandbox, kind, megabytes) else { return };
        let (left, right) = across(&sandbox, &mounted);
        left.sampler();
        let run = || sandbox.alike(["sync", "left", right.text()]).expect(0);
        run();
        assert_eq!(left.shown(), right.shown(), "{kind}");
        for round in 0..3 {
            assert_eq!(run().last_line(), "alike", "{kind}: round {round}");
        }
        right.file("docs/deep/er/note.md", b"edited").rename("docs/big.bin", "bigger.bin").remove("bare");
        left.mode("script", 0o700).mtime("empty", -77, 123_456_789).file("new", b"new");
        run();
        assert_eq!(left.shown(), right.shown(), "{kind}");
        for path in left.shown().keys().filter(|path| !left.join(path).is_dir()) {
            assert_eq!(facts(&left, path), facts(&right, path), "{kind}: {}", path.display());
        }
        assert_eq!(run().last_line(), "alike", "{kind}");
    }
}

#[test]
fn a_file_system_that_holds_less_is_idle_after_the_first_run_and_edits_still_travel() {
    let sandbox = Sandbox::new();
    // Inodes of 128 bytes: whole seconds only.
    let Some(mounted) = mount(&sandbox, "ext4 -I 128", 64) else { return };
    let (left, right) = across(&sandbox, &mounted);
    let run = || sandbox.alike(["sync", "--json", "left", right.text()]);
    left.file("a.txt", b"a").mtime("a.txt", 1_000_000_001, 123_456_789).mode("a.txt", 0o600);
    left.file("d/b.txt", b"b").xattr("d/b.txt", "user.one", b"1").mode("d/b.txt", 0o444).file("c", b"c");
    let first = run();
    assert!([0, 23].contains(&first.code), "{first:?}");
    let before = left.shown();
    assert_eq!(before, right.shown());
    let facts_before: Vec<_> = before.keys().map(|path| facts(&left, path)).collect();
    for round in 0..50 {
        let idle = run();
        assert!([0, 23].contains(&idle.code), "{idle:?}");
        assert_eq!(idle.summary()["files"], 0, "round {round}: {}", idle.stdout);
        assert_eq!((left.shown(), right.shown()), (before.clone(), before.clone()), "round {round}");
    }
    assert_eq!(
        before.keys().map(|path| facts(&left, path)).collect::<Vec<_>>(),
        facts_before,
        "the better side keeps all"
    );
    right.mode("a.txt", 0o640);
    let changed = run();
    assert!([0, 23].contains(&changed.code), "{changed:?}");
    let fine = facts(&left, "a.txt");
    assert_eq!((fine.0, fine.1, fine.2 & 0o777), (1_000_000_001, 123_456_789, 0o640), "the time is not cut");
    right.file("a.txt", b"edited on the poorer side").remove("c");
    left.file("d/b.txt", b"edited on the better side").file("new.txt", b"new");
    let edited = run();
    assert!([0, 23].contains(&edited.code), "{edited:?}");
    let shown = left.shown();
    assert_eq!(shown, right.shown());
    assert_eq!(shown[Path::new("a.txt")], b"edited on the poorer side");
    assert_eq!(shown[Path::new("d/b.txt")], b"edited on the better side");
    assert_eq!(shown.len(), 4, "no conflict: {shown:?}");
    // Edits of the same size in the same second have the same stamp there.
    for round in 0..4 {
        right.file("new.txt", format!("{round}"));
        run();
        assert_eq!(left.read("new.txt"), format!("{round}").as_bytes());
    }
}

/// A root beside one on a file system that knows no case, no modes, no links, no attributes, and only coarse times.
fn beside_exfat(sandbox: &Sandbox) -> Option<(Mounted, Tree, Tree)> {
    let mounted = mount(sandbox, "exfat", 64)?;
    let (left, right) = across(sandbox, &mounted);
    Some((mounted, left, right))
}

#[test]
fn exfat_is_idle_after_the_first_run_and_what_it_does_not_keep_is_lost_nowhere() {
    let sandbox = Sandbox::new();
    let Some((_mounted, left, right)) = beside_exfat(&sandbox) else { return };
    let run = || sandbox.alike(["sync", "--json", "left", right.text()]).expect(23);
    left.file("a.txt", b"a").mtime("a.txt", 1_000_000_001, 123_456_789).mode("a.txt", 0o600);
    left.file("d/b.txt", b"b").xattr("d/b.txt", "user.one", b"1").mode("d/b.txt", 0o444).hard_link("d/h", "a.txt");
    left.file("d/caf\u{e9}", b"composed").file("d/cafe\u{301}", b"decomposed").file("c", b"c");
    run();
    let before = left.shown();
    assert_eq!(before, right.shown());
    let facts_before: Vec<_> = before.keys().map(|path| facts(&left, path)).collect();
    for round in 0..50 {
        let idle = run();
        assert!(idle.events("action").is_empty(), "round {round}: {}", idle.stdout);
        assert_eq!(idle.summary()["bytes"], 0);
    }
    assert_eq!((left.shown(), right.shown()), (before.clone(), before.clone()));
    let facts_after: Vec<_> = before.keys().map(|path| facts(&left, path)).collect();
    assert_eq!(facts_after, facts_before, "the better side keeps all");
    right.file("a.txt", b"edited on the poorer side").remove("c").file("new", b"new");
    left.file("d/cafe\u{301}", b"edited on the better side").mode("a.txt", 0o640);
    run();
    let shown = left.shown();
    assert_eq!(shown, right.shown());
    assert_eq!(shown[Path::new("d/cafe\u{301}")], b"edited on the better side");
    assert_eq!(shown[Path::new("a.txt")], b"edited on the poorer side");
    assert_eq!(facts(&left, "a.txt").2 & 0o777, 0o640, "the mode of the better side stays");
    assert!(!left.has("c") && shown.keys().all(|path| !path.to_string_lossy().contains(".conflict-")), "{shown:?}");
    // That a file has lost its other name by the edit is seen by the next look.
    run();
    let again = run();
    assert!(again.events("action").is_empty(), "{}", again.stdout);
    // Not to be kept is no problem of one who does not want it.
    sandbox.alike(["sync", "--no-perms", "left", right.text()]).expect(0);
}

#[test]
fn a_mirror_to_exfat_brings_all_and_its_end_is_no_error() {
    let sandbox = Sandbox::new();
    let Some((_mounted, left, right)) = beside_exfat(&sandbox) else { return };
    let run = || {
        let outcome = sandbox.alike(["mirror", "--json", "--no-perms", "left", right.text()]);
        // That a time is not kept is named.
        assert!([0, 23].contains(&outcome.code), "{outcome:?}");
        assert_eq!(left.shown(), right.shown());
        outcome.summary()["files"].clone()
    };
    left.file("a.txt", b"a").file("d/b.txt", b"b");
    assert_eq!((run(), run()), (2.into(), 0.into()));
    left.file("a.txt", b"edited").remove("d/b.txt");
    assert_eq!((run(), run()), (1.into(), 0.into()));
}

#[test]
fn names_that_differ_in_case_alone_are_named_where_only_one_can_be_held_and_none_is_lost() {
    let sandbox = Sandbox::new();
    let Some((_mounted, left, right)) = beside_exfat(&sandbox) else { return };
    let run = || sandbox.alike(["sync", "--no-perms", "left", right.text()]);
    left.file("A", b"upper").file("a", b"lower").file("other", b"other");
    for round in 0..5 {
        let outcome = run().expect(23);
        assert!(outcome.stderr.contains("`A`") || outcome.stderr.contains("`a`"), "round {round}: {}", outcome.stderr);
        assert_eq!((left.read("A"), left.read("a")), (b"upper".to_vec(), b"lower".to_vec()), "round {round}");
        let held = right.read("a");
        assert!(held == b"upper" || held == b"lower", "round {round}: {held:?}");
    }
    // What is held there is edited, and something else travels.
    let upper_is_held = right.read("a") == b"upper";
    right.file(if upper_is_held { "A" } else { "a" }, b"edited").file("other", b"edited too");
    run().expect(23);
    let expected: (&[u8], &[u8]) = if upper_is_held { (b"edited", b"lower") } else { (b"upper", b"edited") };
    assert_eq!((left.read("A"), left.read("a")), (expected.0.to_vec(), expected.1.to_vec()));
    assert_eq!(left.read("other"), b"edited too");
    // The one that is held is deleted: the other takes its place there, and stays.
    left.remove(if upper_is_held { "A" } else { "a" });
    run();
    // The first that puts it there says that its time is cut.
    run();
    run().expect(0);
    assert_eq!(left.shown(), right.shown());
    assert!(left.shown().values().any(|bytes| bytes == if upper_is_held { b"lower" } else { b"upper" }));
}

#[test]
fn a_rename_in_case_alone_travels_between_file_systems_that_tell_case_and_those_that_do_not() {
    let sandbox = Sandbox::new();
    let Some((_mounted, left, right)) = beside_exfat(&sandbox) else { return };
    let run = || sandbox.alike(["sync", "--json", "--no-perms", "left", right.text()]);
    left.file("Photo.JPG", b"a photo").file("Album/one", b"one").file("kept", b"kept");
    // That times are cut is told once.
    run();
    run().expect(0);
    let shows = |wanted: [&str; 4]| {
        for _ in 0..2 {
            let outcome = run();
            assert!(matches!(outcome.code, 0 | 23), "{outcome:?}");
        }
        for tree in [&left, &right] {
            let names: Vec<String> = tree.shown().keys().map(|path| path.to_string_lossy().into_owned()).collect();
            assert_eq!(names, wanted, "{}", tree.text());
        }
        assert_eq!((left.read(wanted[3]), right.read(wanted[3])), (b"a photo".to_vec(), b"a photo".to_vec()));
        let idle = run().expect(0);
        assert!(idle.events("action").is_empty(), "{}", idle.stdout);
    };
    left.rename("Photo.JPG", "photo.jpg");
    shows(["Album", "Album/one", "kept", "photo.jpg"]);
    right.rename("photo.jpg", "photo.Jpg");
    shows(["Album", "Album/one", "kept", "photo.Jpg"]);
    left.rename("Album", "album");
    shows(["album", "album/one", "kept", "photo.Jpg"]);
}
