//! What a user does to a path just while a run works there: between its last look at the path and its step, or between the
//! step and the look after the run. The system calls of the run are slowed, so that he always is in that window.

#[path = "sync_windows/acts.rs"]
mod acts;
mod harness;
#[path = "sync_windows/steps.rs"]
mod steps;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::far::await_that;
use harness::{Sandbox, Tree};

/// By so much a call is slowed, in microseconds: the user is faster.
const DELAY_US: u32 = 400_000;

const OLD: &[u8] = b"as agreed on";
/// As long as the old content: nothing but its times tells a file with it from the old one.
const USERS: &[u8] = b"by the user.";

/// What somebody does to a tree.
type Act<'a> = dyn for<'t> Fn(&'t Tree) -> &'t Tree + 'a;
type Shown = BTreeMap<PathBuf, Vec<u8>>;

/// What a window is tried with.
struct Window<'a> {
    /// Which call is slowed, and on which side of it the window is: `renameat2:delay_enter`.
    call: &'a str,
    /// What the other side did before.
    left: &'a Act<'a>,
    /// Whether the run has come into the window at the right.
    reached: &'a dyn Fn(&Tree) -> bool,
    /// What the user does there.
    user: &'a Act<'a>,
}

/// Runs into the window, and then once more in peace. Both sides show the same then.
fn through(window: &Window<'_>) -> Shown {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("d/x", OLD).file("d/sub/y", OLD).file("f", OLD).file("g", b"another one").file("kept/k", OLD);
    left.mtime("f", 1_000_000_000, 0).mtime("d/x", 1_000_000_000, 0);
    sandbox.alike(["sync", "left", "right"]).expect(0);
    (window.left)(&left);
    delayed(&sandbox, &right, (window.call, window.reached), window.user);
    let settled = sandbox.alike(["sync", "--max-delete=100%", "left", "right"]);
    assert!(matches!(settled.code, 0 | 1), "{settled:?}");
    let shown = right.shown();
    assert_eq!(left.shown(), shown);
    shown
}

/// A run one call of which is slowed; the user acts at the right as soon as the run has come into the window.
fn delayed(sandbox: &Sandbox, right: &Tree, (call, reached): (&str, &dyn Fn(&Tree) -> bool), user: &Act<'_>) {
    let (name, _) = call.split_once(':').expect("a call and a delay");
    let mut traced = std::process::Command::new("strace");
    let run = sandbox.command(["sync", "--max-delete=100%", "left", "right"]);
    traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={name}"), "-e"]);
    traced.arg(format!("inject={call}={DELAY_US}")).arg(run.get_program()).args(run.get_args());
    traced.current_dir(sandbox.path("")).stdout(Stdio::null()).stderr(Stdio::null()).env_clear();
    traced.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut running = traced.spawn().expect("strace is installed");
    await_that("the run is in the window", || reached(right));
    user(right);
    assert!(running.try_wait().expect("a child").is_none(), "the run was over before the user came");
    running.wait().expect("a child");
}

/// The run acts: what it puts in place first is there, and it is held up by the call that did so.
fn acts(right: &Tree) -> bool {
    right.has("a-first")
}

/// Whether any file holds what the user wrote.
fn holds_users(shown: &Shown) -> bool {
    shown.values().any(|bytes| bytes == USERS)
}

#[test]
fn what_is_made_or_edited_in_a_directory_that_is_just_renamed_goes_along() {
    let renamed = |user: &Act| {
        let left: &Act = &|left| left.rename("kept", "a-first").rename("d", "e");
        through(&Window { call: "renameat2:delay_exit", left, reached: &acts, user })
    };
    let shown = renamed(&|right| right.file("d/new", USERS));
    assert_eq!(shown[Path::new("e/new")], USERS);
    let shown = renamed(&|right| right.file("d/sub/new/deep", USERS));
    assert_eq!(shown[Path::new("e/sub/new/deep")], USERS);
    assert!(holds_users(&renamed(&|right| right.file("d/x", USERS))));
}

#[test]
fn what_is_made_or_edited_in_a_directory_that_is_just_deleted_stays() {
    let deleted = |user: &Act| {
        let left: &Act = &|left| left.remove("d").file("a-first", b"sent");
        through(&Window { call: "renameat2:delay_exit", left, reached: &acts, user })
    };
    let shown = deleted(&|right| right.file("d/new", USERS));
    assert_eq!(shown[Path::new("d/new")], USERS);
    assert!(!shown.contains_key(Path::new("d/x")) && !shown.contains_key(Path::new("d/sub")), "the rest is deleted");
    let shown = deleted(&|right| right.file("d/sub/y", USERS));
    assert_eq!(shown[Path::new("d/sub/y")], USERS);
    assert!(!shown.contains_key(Path::new("d/x")), "the rest is deleted");
    let shown = deleted(&|right| right.file("f", USERS));
    assert!(shown[Path::new("f")] == USERS && !shown.contains_key(Path::new("d")));
}

#[test]
fn what_is_made_in_the_instant_in_which_its_directory_leaves_stays() {
    let last = |left: &Act, user: &Act| through(&Window { call: "renameat2:delay_enter", left, reached: &acts, user });
    let deleted: &Act = &|left| left.remove("d").file("a-first", b"sent");
    let shown = last(deleted, &|right| right.file("d/sub/new", USERS));
    assert_eq!(shown[Path::new("d/sub/new")], USERS);
    assert!(!shown.contains_key(Path::new("d/x")), "the rest is deleted");
    let replaced: &Act =
        &|left| left.remove("d").file("d", b"a file now").mtime("d", 2_000_000_000, 0).file("a-first", b"sent");
    let shown = last(replaced, &|right| right.file("d/sub/new", USERS));
    assert_eq!(shown[Path::new("d/sub/new")], USERS);
}

#[test]
fn a_directory_that_nobody_touched_is_deleted_in_one_step() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    for number in 0..50 {
        left.file(format!("d/sub{}/{number}", number % 3), OLD);
    }
    left.file("kept", OLD);
    sandbox.alike(["sync", "left", "right"]).expect(0);
    left.remove("d");
    let log = sandbox.path("calls");
    let run = sandbox.command(["sync", "--max-delete=100%", "left", "right"]);
    let mut traced = std::process::Command::new("strace");
    traced.args(["-f", "-qq", "-e", "trace=renameat2", "-o"]).arg(&log).arg(run.get_program()).args(run.get_args());
    traced.current_dir(sandbox.path("")).env_clear();
    traced.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    sandbox.run(&mut traced).expect(0);
    let calls = std::fs::read_to_string(&log).expect("a log");
    assert!(!right.has("d") && calls.matches("renameat2(").count() == 1, "{calls}");
}

#[test]
fn what_is_made_or_edited_in_a_directory_that_a_file_just_replaces_stays() {
    let replaced = |user: &Act| {
        let left: &Act = &|left| left.remove("d").file("d", b"a file now").file("a-first", b"sent");
        through(&Window { call: "renameat2:delay_exit", left, reached: &acts, user })
    };
    assert!(holds_users(&replaced(&|right| right.file("d/new", USERS))));
    assert!(holds_users(&replaced(&|right| right.file("d/x", USERS))));
}

#[test]
fn an_edit_of_a_file_that_was_just_put_in_place_is_an_edit_of_it() {
    let made = |left: &Act, path: &str, content: &[u8]| {
        let reached = |right: &Tree| right.has(path) && right.read(path) == content;
        let user: &Act = &|right| right.file(path, USERS);
        let shown = through(&Window { call: "renameat2:delay_exit", left, reached: &reached, user });
        assert!(shown.keys().all(|name| !name.to_string_lossy().contains(".conflict-")), "{shown:?}");
        shown
    };
    assert!(holds_users(&made(&|left| left.file("f", b"another way."), "f", b"another way.")));
    assert!(holds_users(&made(&|left| left.file("h", b"another way."), "h", b"another way.")));
    assert!(holds_users(&made(&|left| left.rename("f", "h"), "h", OLD)));
    assert!(holds_users(&made(&|left| left.rename("d", "e"), "e/x", OLD)));
    let swapped: &Act = &|left| left.rename("f", "t").rename("g", "f").rename("t", "g");
    assert!(holds_users(&made(swapped, "g", OLD)));
}

#[test]
fn an_edit_of_a_file_that_is_just_touched_is_seen() {
    let left: &Act = &|left| left.mtime("f", 1_500_000_000, 0).file("a-first", b"sent");
    let user: &Act = &|right| right.file("f", b"by the user, longer");
    let shown = through(&Window { call: "utimensat:delay_enter", left, reached: &acts, user });
    assert!(shown.values().any(|bytes| bytes == b"by the user, longer"), "{shown:?}");
}

#[test]
fn a_delete_of_a_file_that_was_just_put_in_place_loses_nothing() {
    let reached = |right: &Tree| right.has("f") && right.read("f") == b"another way.";
    let left: &Act = &|left| left.file("f", b"another way.");
    let user: &Act = &|right| right.remove("f");
    let shown = through(&Window { call: "renameat2:delay_exit", left, reached: &reached, user });
    assert!(!shown.contains_key(Path::new("f")) || shown[Path::new("f")] == b"another way.", "{shown:?}");
}

/// The left made a directory of a file that the right has edited: there the file is to stand beside the directory, as a
/// conflict copy. The user comes before the run has begun to change anything at the right. Gives what the right shows after
/// the run, and what both show after another one.
fn while_a_file_gives_way(user: &dyn Fn(&Tree, &str)) -> (Shown, Shown) {
    gives_way(user, &|_| {})
}

/// The same where the user does something more once the run is over.
fn gives_way(user: &dyn Fn(&Tree, &str), after: &dyn Fn(&Tree)) -> (Shown, Shown) {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("f", OLD).file("kept", OLD);
    sandbox.alike(["sync", "left", "right"]).expect(0);
    left.remove("f").file("f/in", b"sent");
    right.file("f", USERS);
    let planned = sandbox.alike(["diff", "--json", "left", "right"]);
    let copy = planned.events("action").iter().find_map(|action| {
        let path = action["path"].as_str()?;
        path.starts_with("f.conflict-").then(|| path.to_owned())
    });
    let copy = copy.expect("a copy is planned");
    let reached = |right: &Tree| right.has(".alike/staging");
    let act: &Act = &|right| {
        user(right, &copy);
        right
    };
    delayed(&sandbox, &right, ("mkdirat:delay_exit", &reached), act);
    let then = right.shown();
    after(&right);
    for _ in 0..2 {
        let settled = sandbox.alike(["sync", "--max-delete=100%", "left", "right"]);
        assert!(matches!(settled.code, 0 | 1), "{settled:?}");
    }
    let settled = sandbox.alike(["sync", "--json", "left", "right"]);
    assert!(settled.code <= 1 && settled.events("action").is_empty(), "{settled:?}");
    let shown = right.shown();
    assert_eq!(left.shown(), shown);
    assert_eq!(shown[Path::new("f/in")], b"sent");
    (then, shown)
}

#[test]
fn a_file_that_is_taken_away_just_when_it_is_to_become_a_copy_is_deleted_and_not_wanted_for_ever() {
    let (_, shown) = while_a_file_gives_way(&|right, _| _ = right.remove("f").directory("f"));
    assert!(!holds_users(&shown), "the user removed it: {shown:?}");
    let (_, shown) = while_a_file_gives_way(&|right, _| _ = right.rename("f", "moved").directory("f"));
    assert_eq!(shown[Path::new("moved")], USERS);
    assert_eq!(shown.values().filter(|bytes| *bytes == USERS).count(), 1, "it is where the user put it: {shown:?}");
}

#[test]
fn a_file_stays_at_its_name_until_its_copy_stands_beside_it() {
    let (then, shown) = while_a_file_gives_way(&|right, copy| _ = right.file(format!("{copy}/by"), b"in the way"));
    assert_eq!(then[Path::new("f")], USERS, "its copy could not be made: {then:?}");
    assert!(holds_users(&shown) && shown.values().any(|bytes| bytes == b"in the way"), "{shown:?}");
}

#[test]
fn a_file_that_was_aside_while_it_was_to_become_a_copy_and_is_put_back_is_kept() {
    let aside: &dyn Fn(&Tree, &str) = &|right, _| _ = right.rename("f", "kept").file("f", b"in its place");
    let (_, shown) = gives_way(aside, &|right| _ = right.rename("kept", "f"));
    assert!(holds_users(&shown), "the user put it back: {shown:?}");
}

/// A run that finds at the right what the user has done there since it looked.
fn refused(sandbox: &Sandbox, right: &Tree, user: &Act<'_>) {
    let staging = |right: &Tree| right.has(".alike/staging");
    delayed(sandbox, right, ("mkdirat:delay_exit", &staging), user);
}

/// The user acts at the right when the run has begun to change it, and has done nothing yet at any path.
fn before_the_first_step(sandbox: &Sandbox, right: &Tree, user: &Act<'_>) -> Shown {
    refused(sandbox, right, user);
    for _ in 0..2 {
        let settled = sandbox.alike(["sync", "--max-delete=100%", "left", "right"]);
        assert!(matches!(settled.code, 0 | 1), "{settled:?}");
    }
    right.shown()
}

#[test]
fn a_swap_that_did_not_come_about_as_a_user_wrote_there_is_nobodys_edit() {
    for users in ["f", "g"] {
        let sandbox = Sandbox::new();
        let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
        left.file("f", b"the one").file("g", b"another one");
        sandbox.alike(["sync", "left", "right"]).expect(0);
        left.rename("f", "t").rename("g", "f").rename("t", "g").file("sent", OLD);
        let shown = before_the_first_step(&sandbox, &right, &|right| right.remove(users).file(users, USERS));
        assert_eq!(left.shown(), shown);
        let (gone, kept): (&[u8], &[u8]) =
            if users == "f" { (b"the one", b"another one") } else { (b"another one", b"the one") };
        assert!(holds_users(&shown) && shown.values().any(|bytes| bytes == kept), "{users}: {shown:?}");
        // What he wrote over stands at its new name: nobody deleted it there.
        assert!(shown.values().any(|bytes| bytes == gone), "{users}: {shown:?}");
    }
}

#[test]
fn the_copy_of_a_link_stays_while_the_link_cannot_have_its_plain_name() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("l/in", OLD);
    right.link("l", "somewhere");
    sandbox.alike(["sync", "left", "right"]).expect(1);
    let is_link = |shown: &Shown| shown.values().any(|bytes| bytes == b"-> somewhere");
    assert!(is_link(&left.shown()) && left.read("l/in") == OLD);
    left.remove("l").file("sent", OLD);
    let shown = before_the_first_step(&sandbox, &right, &|right| right.file("l/new", USERS));
    assert_eq!(left.shown(), shown);
    assert!(is_link(&shown) && shown[Path::new("l/new")] == USERS, "{shown:?}");
}

#[test]
fn what_a_user_does_at_a_path_that_a_run_refused_is_his_and_what_was_to_come_there_comes_beside_it() {
    let after: [(&str, &Act, Option<&[u8]>); 4] = [
        ("edits it again", &|right| right.file("f", b"edited again").file("n", b"edited again"), Some(b"edited again")),
        ("leaves it", &|right| right, Some(USERS)),
        ("deletes it", &|right| right.remove("f").remove("n"), None),
        (
            "makes directories",
            &|right| right.remove("f").file("f/in", b"in").remove("n").file("n/in", b"in"),
            Some(b"in"),
        ),
    ];
    for (says, then, kept) in after {
        let sandbox = Sandbox::new();
        let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
        left.file("f", OLD).file("kept", OLD);
        sandbox.alike(["sync", "left", "right"]).expect(0);
        left.file("f", b"f of the left").file("n", b"n of the left");
        refused(&sandbox, &right, &|right| right.file("f", USERS).file("n", USERS));
        assert_eq!((right.read("f"), right.read("n")), (USERS.to_vec(), USERS.to_vec()), "{says}: it was refused");
        then(&right);
        for _ in 0..2 {
            let settled = sandbox.alike(["sync", "--max-delete=100%", "left", "right"]);
            assert!(matches!(settled.code, 0 | 1), "{says}: {settled:?}");
        }
        let shown = right.shown();
        assert_eq!(left.shown(), shown, "{says}");
        let count = |bytes: &[u8]| shown.values().filter(|held| *held == bytes).count();
        assert_eq!((count(b"f of the left"), count(b"n of the left")), (1, 1), "{says}: {shown:?}");
        assert_eq!(kept.map_or(0, count), if kept.is_some() { 2 } else { 0 }, "{says}: {shown:?}");
        let users = if kept == Some(USERS) { 2 } else { 0 };
        assert_eq!(count(USERS), users, "{says}: {shown:?}");
    }
}
