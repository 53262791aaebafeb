//! The trash: whatever a mirror replaced or deleted comes back as it was, nothing is overwritten on the way, and what is
//! removed for good is what was said.

mod harness;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use harness::{Far, Outcome, Sandbox, Tree, assert_alike};

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(copied.success());
}

fn mirror(sandbox: &Sandbox, flags: &[&str]) -> Outcome {
    sandbox.alike(["mirror", "left", "right"].iter().chain(flags))
}

fn runs(root: &Tree) -> Vec<PathBuf> {
    let found = fs::read_dir(root.join(".alike/trash")).into_iter().flatten();
    let mut runs: Vec<PathBuf> =
        found.map(|entry| entry.expect("readable").path()).filter(|path| path.is_dir()).collect();
    runs.sort();
    runs
}

/// Gives a run's trash another time.
fn age(run: &Path, date: &str) {
    let name = run.file_name().expect("a name").to_str().expect("text").to_owned();
    let aged = format!("{date}-{}", name.split_once('-').expect("a number").1);
    let trash = run.parent().expect("the trash");
    fs::rename(run, trash.join(&aged)).expect("renamed");
    fs::rename(trash.join(format!("{name}.record")), trash.join(format!("{aged}.record"))).expect("renamed");
}

/// One of each kind of entry, at the target alone or in another version there.
fn rich(sandbox: &Sandbox) -> (Tree, Tree) {
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("kept", b"same").file("edited", b"new");
    left.mtime("kept", 1_400_000_000, 0);
    right.file("kept", b"same").mtime("kept", 1_400_000_000, 0).file("edited", b"old!").file("gone", b"gone");
    right.directory("old/deep/empty").file("old/deep/a", b"a").file("old/b.jpg", b"b").file("dir/f", b"f");
    left.directory("dir");
    symlink("nowhere", right.join("link")).expect("linked");
    fs::hard_link(right.join("gone"), right.join("again")).expect("linked");
    fs::set_permissions(right.join("old/b.jpg"), fs::Permissions::from_mode(0o640)).expect("set");
    fs::set_permissions(right.join("old"), fs::Permissions::from_mode(0o2711)).expect("set");
    let _unsupported = rustix::fs::setxattr(right.join("old/deep"), "user.k", b"v", rustix::fs::XattrFlags::empty());
    for path in ["edited", "gone", "old/deep/empty", "old/deep/a", "old/b.jpg", "old/deep", "old", "dir/f"] {
        right.mtime(path, 1_500_000_000, 123_456_789);
    }
    (left, right)
}

#[test]
fn everything_comes_back_as_it_was() {
    let sandbox = Sandbox::new();
    let (_, right) = rich(&sandbox);
    copy(right.path(), &sandbox.path("before"));
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    assert!(!right.has("old"));
    let restored = sandbox.alike(["trash", "restore", "right", "*"]).expect(0);
    assert_eq!(restored.last_line().split(',').next(), Some("10 entries"), "{}", restored.stdout);
    // `dir` is as the mirror left it: it never went.
    let mtime = right.join("dir").metadata().expect("there").mtime();
    Tree::at(sandbox.path("before")).mtime(
        "dir",
        mtime,
        right.join("dir").metadata().expect("there").mtime_nsec() as u32,
    );
    assert_alike(sandbox.path("before"), right.path());
    // What stood in the way is in the trash now, and nothing else.
    let list = sandbox.alike(["trash", "list", "right", "--json"]).expect(0);
    let left: Vec<_> = list.events("trash").into_iter().map(|entry| entry["path"].clone()).collect();
    assert_eq!(left, ["edited"]);
}

#[test]
fn a_list_names_each_entry_with_its_time_and_size() {
    let sandbox = Sandbox::new();
    let (_, right) = rich(&sandbox);
    let none = sandbox.alike(["trash", "list", "right"]).expect(0);
    assert_eq!(none.stdout, "[box]/right\nthe trash is empty\n");
    assert!(!right.has(".alike"), "a list makes nothing");
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    age(&runs(&right)[0], "20200102T030405Z");
    let list = sandbox.alike(["trash", "list", "right"]).expect(0);
    let lines: Vec<&str> = list.stdout.lines().collect();
    assert!(lines.contains(&"2020-01-02T03:04:05Z        4 B  edited"), "{}", list.stdout);
    assert!(lines.contains(&"2020-01-02T03:04:05Z  directory  old/"), "{}", list.stdout);
    assert!(lines.contains(&"2020-01-02T03:04:05Z        1 B  old/b.jpg"), "{}", list.stdout);
    assert_eq!(lines.last(), Some(&"10 entries, 15 B, from 1 run"));
    let json = sandbox.alike(["trash", "list", "right", "--json"]).expect(0);
    let entry = json.events("trash").into_iter().find(|entry| entry["path"] == "gone").expect("listed");
    assert_eq!(
        (&entry["at"], &entry["bytes"], &entry["kind"]),
        (&"2020-01-02T03:04:05Z".into(), &4.into(), &"file".into())
    );
    assert_eq!((&entry["mtime"], &entry["mtime_ns"]), (&1_500_000_000.into(), &123_456_789.into()));
    assert_eq!(json.summary()["entries"], 10);
}

#[test]
fn what_stands_at_a_path_goes_to_the_trash_and_is_never_overwritten() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("f", b"mirrored").file("x", b"a file now").file("y/in", b"1");
    right.file("f", b"first").file("x/was", b"a directory").file("y", b"a file");
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    sandbox.alike(["trash", "restore", "right", "f", "x", "y"]).expect(0);
    let read = |path: &str| fs::read_to_string(right.join(path)).expect("readable");
    assert_eq!((read("f"), read("x/was"), read("y")), ("first".into(), "a directory".into(), "a file".into()));
    // And back again: the newest of each is what stood there before.
    sandbox.alike(["trash", "restore", "right", "f", "x", "y"]).expect(0);
    assert_eq!((read("f"), read("x"), read("y/in")), ("mirrored".into(), "a file now".into(), "1".into()));
    sandbox.alike(["trash", "restore", "right", "f", "x", "y"]).expect(0);
    assert_eq!((read("f"), read("x/was"), read("y")), ("first".into(), "a directory".into(), "a file".into()));
}

#[test]
fn of_several_versions_the_newest_comes_or_the_one_that_was_said() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    // What went is told from what went later by the names of the runs: each gets a year of its own.
    for (text, year) in [("one", "3019"), ("two", "3020"), ("three", "3021")] {
        left.file("f", text.as_bytes());
        mirror(&sandbox, &[]).expect(0);
        let fresh = runs(&right).into_iter().find(|run| !run.to_string_lossy().contains("/trash/30"));
        fresh.iter().for_each(|run| age(run, &format!("{year}0101T000000Z")));
    }
    left.file("f", b"now");
    mirror(&sandbox, &[]).expect(0);
    assert_eq!(runs(&right).len(), 3);
    let restore = |flags: &[&str]| {
        sandbox.alike(["trash", "restore", "right", "f"].iter().chain(flags)).expect(0);
        fs::read_to_string(right.join("f")).expect("readable")
    };
    // What stood there at a time went first after it.
    assert_eq!(restore(&["-n"]), "now", "a dry run changes nothing");
    assert_eq!(restore(&["--at", "3020-06-01"]), "two");
    assert_eq!(restore(&["--run", "30200101"]), "one");
    sandbox.alike(["trash", "restore", "right", "f", "--at", "3022-06-01"]).expect(23);
    let missing = sandbox.alike(["trash", "restore", "right", "f", "--run", "1999"]).expect(23);
    assert_eq!(missing.stderr, "error: `f`: nothing in the trash matches `f`\n");
}

#[test]
fn a_path_means_itself_and_a_pattern_means_all_that_match() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("stays", b"1");
    right.file("stays", b"1").file("a", b"top").file("d/a", b"below").file("d/b.jpg", b"b").file("c.jpg", b"c");
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    sandbox.alike(["trash", "restore", "right", "a"]).expect(0);
    assert!(right.has("a") && !right.has("d"));
    sandbox.alike(["trash", "restore", "right", "*.jpg"]).expect(0);
    assert!(right.has("c.jpg") && right.has("d/b.jpg") && !right.has("d/a"));
    let place = right.join("d/a").display().to_string();
    sandbox.alike(["trash", "restore", "right", &place]).expect(0);
    assert!(right.has("d/a"));
    // The directory itself is all that is left: it comes to one that stands, and the trash is gone.
    sandbox.alike(["trash", "restore", "right", "d"]).expect(0);
    assert!(!right.has(".alike"), "an empty trash is removed with all of ours");
}

#[test]
fn a_directory_that_stands_takes_what_it_lacks() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("x", b"x");
    right.file("x", b"x").file("d/old", b"old").file("d/both", b"old").file("d/sub/deep", b"deep");
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    right.file("d/new", b"new").file("d/both", b"new");
    sandbox.alike(["trash", "restore", "right", "d/"]).expect(0);
    let read = |path: &str| fs::read_to_string(right.join(path)).expect("readable");
    assert_eq!(
        (read("d/old"), read("d/both"), read("d/new"), read("d/sub/deep")),
        ("old".into(), "old".into(), "new".into(), "deep".into())
    );
    let list = sandbox.alike(["trash", "list", "right", "--json"]).expect(0);
    assert_eq!(list.events("trash").len(), 1, "only what stood in the way is left: {}", list.stdout);
}

#[test]
fn a_path_below_a_file_is_a_problem_and_nothing_is_lost() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("x", b"x");
    right.file("x", b"x").file("d/f", b"f");
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    symlink("/tmp", right.join("d")).expect("linked");
    let refused = sandbox.alike(["trash", "restore", "right", "d/f"]).expect(23);
    assert!(refused.stderr.contains("a link or a file is in the place of a directory above it"), "{}", refused.stderr);
    assert!(!Path::new("/tmp/f").exists());
    sandbox.alike(["trash", "restore", "right", "d"]).expect(0);
    assert_eq!(fs::read(right.join("d/f")).expect("restored"), b"f");
}

#[test]
fn empty_removes_what_is_old_enough_and_the_rest_stays() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("x", b"x");
    right.file("a", b"a").file("x", b"x");
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    age(&runs(&right)[0], "20200101T000000Z");
    right.file("b", b"b");
    // A run that puts something there removes what is older than a month.
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    assert_eq!(runs(&right).len(), 1);
    age(&runs(&right)[0], "20200101T000000Z");
    let none = sandbox.alike(["trash", "empty", "right", "--older-than", "2019-12-31"]).expect(0);
    assert_eq!(none.stdout, "[box]/right\nnothing to remove\n");
    sandbox.alike(["trash", "restore", "right", "b", "-n"]).expect(0);
    let all = sandbox.alike(["trash", "empty", "right", "--older-than", "7d"]).expect(0);
    assert!(all.stdout.starts_with("[box]/right\n1 run removed, "), "{}", all.stdout);
    assert!(!right.has(".alike"));
    sandbox.alike(["trash", "empty", "right"]).expect(0);
    sandbox.alike(["trash", "empty", "absent"]).expect(3);
    sandbox.alike(["trash", "list", "host:right"]).expect(2);
}

#[test]
fn a_name_that_was_taken_in_the_trash_is_still_known() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("x", b"x");
    right.file("x", b"x").file("d/f", b"1");
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    // One run of restoring sends a file `d` and what is in a directory `d` to the trash.
    right.file("d", b"file");
    sandbox.alike(["trash", "restore", "right", "d"]).expect(0);
    right.file("d/f", b"2");
    fs::rename(right.join("d"), right.join("e")).expect("moved");
    right.file("d", b"again");
    let shown = sandbox.alike(["trash", "list", "right", "--json"]).expect(0);
    let paths: Vec<_> = shown.events("trash").into_iter().map(|entry| entry["path"].clone()).collect();
    assert_eq!(paths, ["d"]);
    sandbox.alike(["trash", "restore", "right", "d"]).expect(0);
    assert_eq!(fs::read(right.join("d")).expect("restored"), b"file");
    assert!(runs(&right).iter().all(|run| fs::read_dir(run).expect("readable").count() == 1));
}

#[test]
fn whoever_owns_a_read_only_directory_gets_it_back_read_only() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("x", b"x");
    right.file("x", b"x").file("ro/sub/f", b"f").file("ro/g", b"g").mode("ro/sub", 0o555).mode("ro", 0o555);
    let program = sandbox.program();
    let home = sandbox.path("home");
    let all = home.parent().expect("the sandbox");
    let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(all).status();
    let user = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program).args(arguments);
        sandbox.run(command.current_dir(all).env_clear().env("HOME", &home).env("PATH", "/usr/bin:/bin"))
    };
    if !owned.is_ok_and(|status| status.success()) || !Path::new("/usr/bin/setpriv").exists() {
        return harness::skip("another user needs root and setpriv");
    }
    let mode = |path: &str| right.join(path).metadata().expect("there").permissions().mode() & 0o7777;
    user(&["mirror", "left", "right", "--max-delete=100%"]).expect(0);
    user(&["trash", "restore", "right", "ro"]).expect(0);
    assert_eq!((mode("ro"), mode("ro/sub"), right.read("ro/sub/f")), (0o555, 0o555, b"f".to_vec()));
    // It gives way to a file, and comes back once more.
    left.file("ro", b"file");
    user(&["mirror", "left", "right", "--max-delete=100%"]).expect(0);
    for turn in 0..3 {
        user(&["trash", "restore", "right", "ro"]).expect(0);
        assert_eq!(mode("ro"), if turn % 2 == 0 { 0o555 } else { 0o644 });
    }
    assert_eq!(right.read("ro/g"), b"g");
    user(&["trash", "empty", "right"]).expect(0);
    assert!(!right.has(".alike"));
}

#[test]
fn what_is_removed_goes_run_by_run_and_a_kill_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("stays", b"1");
    right.file("stays", b"1");
    for run in 0..6 {
        for number in 0..60 {
            right.file(format!("d{number}/f"), b"f");
        }
        right.file(format!("last{run}"), b"l");
        mirror(&sandbox, &["--max-delete=100%", "--fsync=off"]).expect(0);
    }
    let mut before = runs(&right).len();
    for turn in 0..20 {
        let verb = ["trash", "empty", "right", "--older-than=0s"];
        let mut child = sandbox.command(verb).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        thread::sleep(Duration::from_millis(2 + 2 * turn));
        child.kill().expect("killed");
        child.wait().expect("ends");
        let after = runs(&right);
        assert!(after.len() <= before, "a run that went is gone");
        before = after.len();
        for run in after {
            assert_eq!(fs::read_dir(run).expect("readable").count(), 61, "a run that stays is whole");
        }
    }
    sandbox.alike(["trash", "empty", "right"]).expect(0);
    // Where all of it went at a kill, there is nothing that the command would open.
    mirror(&sandbox, &[]).expect(0);
    assert!(!right.has(".alike"), "the next run cleans up");
}

#[test]
fn restores_that_are_killed_lose_nothing() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("stays", b"1");
    right.file("stays", b"1");
    let count = 400;
    for number in 0..count {
        right.file(format!("d{}/f{number}", number % 20), format!("old {number}").as_bytes());
    }
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    for number in 0..count {
        right.file(format!("d{}/f{number}", number % 20), format!("new {number}").as_bytes());
    }
    for turn in 0..12 {
        let verb = if turn % 4 == 3 {
            ["trash", "empty", "right", "--older-than=1d"]
        } else {
            ["trash", "restore", "right", "d*"]
        };
        let mut child = sandbox.command(verb).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        thread::sleep(Duration::from_millis(3 + 4 * turn));
        child.kill().expect("killed");
        child.wait().expect("ends");
    }
    let mut bytes = Vec::new();
    for entry in walkdir::WalkDir::new(right.path()).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() {
            bytes.push(fs::read_to_string(entry.path()).unwrap_or_default());
        }
    }
    for number in 0..count {
        for version in ["old", "new"] {
            let text = format!("{version} {number}");
            assert_eq!(bytes.iter().filter(|found| **found == text).count(), 1, "{text}");
        }
    }
    sandbox.alike(["trash", "restore", "right", "d*"]).expect(0);
    assert!(!right.has(".alike/staging"), "the next run cleans up");
    for number in 0..count {
        let found = fs::read_to_string(right.join(format!("d{}/f{number}", number % 20))).expect("there");
        assert!(found.ends_with(&format!(" {number}")), "{found}");
    }
}

/// A small file system of its own.
fn small(sandbox: &Sandbox, name: &str, size: &str) -> Option<Tree> {
    let tree = sandbox.tree(name);
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(tree.path()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        harness::skip("a mount needs root");
        return None;
    }
    Some(tree)
}

fn unmount(tree: &Tree) {
    let _ = Command::new("umount").arg("-l").arg(tree.path()).status();
}

#[test]
fn the_oldest_leaves_where_the_trash_takes_too_much_or_the_disk_is_full() {
    let sandbox = Sandbox::new();
    let left = sandbox.tree("left");
    let Some(right) = small(&sandbox, "right", "20m") else { return };
    let version = |number: u8, bytes: usize| {
        left.file("f", vec![number; bytes]);
        mirror(&sandbox, &[])
    };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for number in 1..=4 {
            version(number, 800_000).expect(0);
        }
        // Two of 0.8 MB are below a tenth of 20 MiB, three are not; the one that just went stays in any case.
        assert_eq!(runs(&right).len(), 2);
        version(5, 15_000_000).expect(0);
        version(6, 4_000_000).expect(0);
        assert_eq!(runs(&right).len(), 1, "more than a tenth went: nothing else stays");
        // Full: 15 MB in the trash, 4 MB in place, 10 MB to come.
        version(7, 10_000_000).expect(0);
        assert_eq!(fs::read(right.join("f")).expect("there").len(), 10_000_000);
        let kept: Vec<u64> = runs(&right).iter().map(|run| run.join("f").metadata().expect("there").len()).collect();
        assert_eq!(kept, [4_000_000]);
        // What could never fit costs nothing.
        version(8, 30_000_000).expect(23);
        assert_eq!(runs(&right).len(), 1);
    }));
    unmount(&right);
    outcome.expect("all as it shall be");
}

#[test]
fn a_backup_directory_takes_what_goes_under_its_path() {
    let sandbox = Sandbox::new();
    let (_, right) = rich(&sandbox);
    copy(right.path(), &sandbox.path("before"));
    let backup = Tree::at(sandbox.path("backup/today"));
    mirror(&sandbox, &["--max-delete=100%", "--backup-dir=../backup/today"]).expect(0);
    assert!(!right.has(".alike"), "nothing stays in the trash");
    assert_eq!(fs::read(backup.join("edited")).expect("there"), b"old!");
    assert_alike(sandbox.path("before/old"), backup.join("old"));
    assert_eq!(fs::read_link(backup.join("link")).expect("a link"), Path::new("nowhere"));
    // A name that is taken stays.
    right.file("gone", b"once more");
    mirror(&sandbox, &["--max-delete=100%", "--backup-dir=../backup/today"]).expect(0);
    assert_eq!(fs::read(backup.join("gone")).expect("there"), b"gone");
    assert_eq!(fs::read(backup.join("gone.~1")).expect("there"), b"once more");
}

#[test]
fn a_backup_directory_on_another_file_system_gets_whole_copies() {
    let sandbox = Sandbox::new();
    let (_, right) = rich(&sandbox);
    copy(right.path(), &sandbox.path("before"));
    let Some(backup) = small(&sandbox, "backup", "1m") else { return };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        mirror(&sandbox, &["--max-delete=100%", "--backup-dir=../backup"]).expect(0);
        assert!(!right.has(".alike"), "nothing stays in the trash");
        assert_alike(sandbox.path("before/old"), backup.join("old"));
        assert_eq!(fs::read(backup.join("dir/f")).expect("there"), b"f");
        let kept = backup.join("edited").metadata().expect("there");
        assert_eq!((kept.mtime(), kept.mtime_nsec()), (1_500_000_000, 123_456_789));
        // One that does not fit stays in the trash, and is named.
        right.file("large", vec![1; 2_000_000]);
        let full = mirror(&sandbox, &["--max-delete=100%", "--backup-dir=../backup"]).expect(23);
        assert!(
            full.stderr.contains("`large`: cannot be put into the backup directory, it is in the trash"),
            "{}",
            full.stderr
        );
        sandbox.alike(["trash", "restore", "right", "large"]).expect(0);
        assert_eq!(fs::read(right.join("large")).expect("there").len(), 2_000_000);
        let litter = fs::read_dir(backup.path()).expect("readable").flatten();
        assert!(litter.map(|entry| entry.file_name()).all(|name| !name.to_string_lossy().starts_with(".alike")));
    }));
    unmount(&backup);
    outcome.expect("all as it shall be");
}

#[test]
fn a_backup_directory_inside_the_target_must_be_left_out() {
    let sandbox = Sandbox::new();
    let (_, right) = rich(&sandbox);
    let refused = mirror(&sandbox, &["--max-delete=100%", "--backup-dir=.old/today"]).expect(2);
    assert_eq!(
        refused.stderr,
        "error: the backup directory `[box]/right/.old/today` lies inside the target\n\
         hint: name one outside, or leave it out of the mirror with --exclude=/.old\n"
    );
    for wrong in ["--backup-dir=..", "--backup-dir=../left/x", "--backup-dir=."] {
        mirror(&sandbox, &["--max-delete=100%", wrong]).expect(2);
    }
    for _ in 0..2 {
        mirror(&sandbox, &["--max-delete=100%", "--backup-dir=.old/today", "--exclude=/.old"]).expect(0);
        assert_eq!(fs::read(right.join(".old/today/edited")).expect("there"), b"old!");
    }
    assert!(!right.has(".alike"));
}

#[test]
fn the_trash_of_a_far_target_is_restored_there() {
    let Some(far) = Far::start() else { return };
    let (_, right) = rich(&far.sandbox);
    copy(right.path(), &far.sandbox.path("before"));
    far.alike(["mirror", "left", &far.at(&right), "--max-delete=100%"]).expect(0);
    assert!(!right.has("old"));
    let restored = far.sandbox.alike(["trash", "restore", "right", "old", "edited"]).expect(0);
    assert_eq!(restored.stderr, "");
    assert_alike(far.sandbox.path("before/old"), right.join("old"));
    let backup = Tree::at(far.sandbox.path("backup"));
    far.alike(["mirror", "left", &far.at(&right), "--max-delete=100%", "--backup-dir=../backup"]).expect(0);
    assert_alike(far.sandbox.path("before/old"), backup.join("old"));
    far.assert_gone();
}
