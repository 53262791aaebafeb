//! Conflicts as a workflow: what is listed, what settles them, and what is decided without asking.

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use harness::{Far, Outcome, Sandbox, Tree, assert_alike};
use serde_json::{Value, json};

/// Two replicas of which each wrote `name`, the right one later.
fn apart(sandbox: &Sandbox, names: &[&str]) -> (Tree, Tree) {
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    for name in names {
        left.file(name, format!("left {name}")).mtime(name, 100, 5);
        right.file(name, format!("right {name}")).mtime(name, 200, 0);
    }
    (left, right)
}

#[track_caller]
fn sync(sandbox: &Sandbox, code: i32) -> Outcome {
    sandbox.alike(["sync", "left", "right"]).expect(code)
}

#[track_caller]
fn conflicts(sandbox: &Sandbox, root: &str) -> Vec<Value> {
    let outcome = sandbox.alike(["conflicts", "--json", root]);
    let all = outcome.events("conflict");
    assert_eq!(outcome.summary()["conflicts"], all.len());
    outcome.expect(i32::from(!all.is_empty()));
    all
}

fn copies(tree: &Tree) -> Vec<PathBuf> {
    let shown = tree.shown();
    shown.into_keys().filter(|path| path.to_string_lossy().contains(".conflict-")).collect()
}

/// All contents that the trash of a root holds.
fn trashed(root: &Path) -> Vec<String> {
    let trash = walkdir::WalkDir::new(root.join(".alike/trash")).into_iter().flatten();
    trash.filter(|found| found.file_type().is_file()).flat_map(|found| fs::read_to_string(found.path())).collect()
}

fn is_trashed(root: &Path, content: &str) -> bool {
    trashed(root).iter().any(|trashed| trashed == content)
}

#[test]
fn conflicts_are_listed_with_every_version() {
    let sandbox = Sandbox::new();
    let (left, _) = apart(&sandbox, &["d/a.txt", "b"]);
    sync(&sandbox, 1);
    let all = conflicts(&sandbox, "left");
    assert_eq!(all.iter().map(|conflict| &conflict["path"]).collect::<Vec<_>>(), ["b", "d/a.txt"]);
    let versions = all[1]["versions"].as_array().expect("versions").clone();
    let digest = |content: &str| alike::model::Digest::of_content(content.as_bytes()).to_hex();
    let copy = copies(&left).into_iter().find(|path| path.starts_with("d")).expect("a copy");
    let wanted = [
        ("right d/a.txt", "1970-01-01T00:03:20.000000000Z", "d/a.txt"),
        ("left d/a.txt", "1970-01-01T00:01:40.000000005Z", copy.to_str().expect("text")),
    ];
    for (version, (content, mtime, at)) in versions.iter().zip(wanted) {
        assert_eq!(version["replica"].as_str().expect("an id").len(), 32);
        let mut rest = version.clone();
        rest.as_object_mut().expect("an object").remove("replica");
        assert_eq!(rest, json!({"digest": digest(content), "bytes": content.len(), "mtime": mtime, "at": at}));
    }
    assert_ne!(versions[0]["replica"], versions[1]["replica"]);
    let text = sandbox.alike(["conflicts", "left"]).expect(1);
    let lines: Vec<&str> = text.stdout.lines().collect();
    assert_eq!((lines[0], lines[1], lines[4], lines[7]), ("[box]/left", "!! b", "!! d/a.txt", "2 conflicts"));
    assert!(lines[6].contains("here") && lines[6].ends_with(copy.to_str().expect("text")), "{}", lines[6]);
    assert!(lines[5].contains(&digest("right d/a.txt")[..8]) && lines[5].contains("1970-01-01 00:03:20Z"));
}

#[test]
fn a_name_that_is_not_utf8_is_told_in_full() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    let name = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    left.file(name, b"l");
    right.file(name, b"r");
    sync(&sandbox, 1);
    let conflict = &conflicts(&sandbox, "left")[0];
    assert_eq!(conflict["path_b64"], "Y2Fm6Q==");
    assert_eq!(conflict["versions"][0]["at_b64"], "Y2Fm6Q==");
    sandbox
        .alike([std::ffi::OsStr::new("resolve"), "left".as_ref(), name.as_os_str(), "--keep=plain".as_ref()])
        .expect(0);
}

#[test]
fn a_directory_without_a_memory_is_no_replica_and_stays_so() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree("plain");
    for arguments in [&["conflicts", "plain"][..], &["resolve", "plain", "*", "--keep", "plain"], &["log", "plain"]] {
        let outcome = sandbox.alike(arguments).expect(3);
        assert_eq!(
            outcome.stderr,
            "error: `[box]/plain` is no replica: nothing has been synced with it\n\
             hint: `alike sync LEFT RIGHT` makes both directories replicas\n"
        );
        assert!(!tree.has(".alike"));
    }
}

/// Settles one conflict in one way, and gives what both replicas show after they met again.
#[track_caller]
fn settled(keep: &str) -> (BTreeMap<PathBuf, Vec<u8>>, Vec<String>) {
    let sandbox = Sandbox::new();
    let (left, right) = apart(&sandbox, &["f.txt", "other"]);
    sync(&sandbox, 1);
    let versions = conflicts(&sandbox, "left").into_iter().find(|one| one["path"] == "f.txt").expect("a conflict");
    let part = |at: usize, what: &str| versions["versions"][at][what].as_str().expect("text")[..10].to_owned();
    let keep = match keep {
        "DIGEST" => part(1, "digest"),
        "REPLICA" => part(1, "replica"),
        word => word.to_owned(),
    };
    sandbox.alike(["resolve", "left", "/f.txt", "--keep", &keep]).expect(1);
    assert_eq!(conflicts(&sandbox, "left").len(), 1, "the other conflict is left alone");
    let trash = trashed(left.path());
    sync(&sandbox, 1);
    let shown = left.shown();
    assert_eq!(shown, right.shown());
    assert_eq!(trash, trashed(left.path()), "the settlement moved it there, and nothing else is moved");
    (shown.into_iter().filter(|(path, _)| path.to_string_lossy().starts_with('f')).collect(), trash)
}

#[test]
fn what_is_kept_stays_and_the_rest_goes_to_the_trash() {
    for (keep, stays, goes) in [
        ("plain", "right f.txt", "left f.txt"),
        ("newest", "right f.txt", "left f.txt"),
        ("oldest", "left f.txt", "right f.txt"),
        ("DIGEST", "left f.txt", "right f.txt"),
        ("REPLICA", "left f.txt", "right f.txt"),
    ] {
        let (shown, trash) = settled(keep);
        assert_eq!(shown, BTreeMap::from([(PathBuf::from("f.txt"), stays.as_bytes().to_vec())]), "{keep}");
        assert!(trash.iter().any(|content| content == goes), "{keep}: {trash:?}");
    }
}

#[test]
fn both_leaves_two_ordinary_files() {
    let (shown, _) = settled("both");
    let contents: Vec<_> = shown.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert_eq!(contents, ["left f.txt", "right f.txt"]);
    let names: Vec<_> = shown.keys().map(|path| path.to_string_lossy().into_owned()).collect();
    assert!(names[0].starts_with("f.kept-") && names[0].ends_with(".txt") && names[1] == "f.txt", "{names:?}");
    assert_eq!(names[0].len(), "f.kept-12345678.txt".len());
}

#[test]
fn bytes_that_lie_beside_are_moved_and_not_copied() {
    for keep in ["oldest", "both"] {
        let sandbox = Sandbox::new();
        let (left, _) = apart(&sandbox, &["f.txt"]);
        sync(&sandbox, 1);
        let inode = fs::metadata(left.join(&copies(&left)[0])).expect("a copy").ino();
        let outcome = sandbox.alike(["resolve", "--json", "left", "f.txt", "--keep", keep]).expect(0);
        assert_eq!((&outcome.summary()["bytes"], &outcome.summary()["conflicts"]), (&json!(0), &json!(0)));
        let shown = left.shown();
        let moved = shown.iter().find(|(_, bytes)| *bytes == b"left f.txt").expect("kept").0;
        assert_eq!(fs::metadata(left.join(moved)).expect("there").ino(), inode, "{keep}");
    }
}

#[test]
fn a_pattern_settles_many_and_more_than_the_guard_would_let_go() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..40).map(|number| format!("in/{number}.txt")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (left, right) = apart(&sandbox, &names);
    let third = sandbox.tree("third");
    for name in &names {
        third.file(name, format!("third {name}"));
    }
    sync(&sandbox, 1);
    sandbox.alike(["sync", "left", "third"]).expect(1);
    assert_eq!(copies(&left).len(), 80);
    let quiet = sandbox.alike(["resolve", "left", "*.jpg", "--keep", "plain"]).expect(1);
    assert!(quiet.last_line().contains("40 conflicts"), "nothing matches: {quiet:?}");
    let rehearsed = sandbox.alike(["resolve", "-n", "left", "in/", "--keep", "plain"]);
    assert_eq!(copies(&left).len(), 80, "a rehearsal changes nothing: {rehearsed:?}");
    sandbox.alike(["resolve", "left", "in/", "--keep", "plain"]).expect(0);
    assert!(copies(&left).is_empty());
    for other in ["right", "third"] {
        sandbox.alike(["sync", "left", other]).expect(0);
    }
    assert_eq!(left.shown(), right.shown());
    assert_eq!(left.shown(), third.shown());
}

#[test]
fn digits_that_do_not_name_one_version_change_nothing() {
    let sandbox = Sandbox::new();
    let (left, _) = apart(&sandbox, &["a", "b"]);
    sync(&sandbox, 1);
    let before = left.shown();
    let digest = conflicts(&sandbox, "left")[0]["versions"][0]["digest"].as_str().expect("text").to_owned();
    // It names a version of `a` and none of `b`.
    let outcome = sandbox.alike(["resolve", "left", "*", "--keep", &digest]).expect(2);
    assert_eq!(
        outcome.stderr,
        format!(
            "error: no version of `b` has a digest or a replica that begins with `{digest}`\n\
             hint: nothing was changed; `alike conflicts DIR --json` prints digests and replicas in full\n"
        )
    );
    assert_eq!((conflicts(&sandbox, "left").len(), left.shown()), (2, before));
    let outcome = sandbox.alike(["resolve", "left", "a", "--keep", "mine"]).expect(2);
    assert!(outcome.stderr.starts_with("error: `mine` is no value for `--keep`"), "{}", outcome.stderr);
}

#[test]
fn an_edit_made_apart_of_what_was_kept_is_no_conflict() {
    let sandbox = Sandbox::new();
    let (left, right) = apart(&sandbox, &["f"]);
    sync(&sandbox, 1);
    sandbox.alike(["resolve", "left", "f", "--keep", "plain"]).expect(0);
    right.file("f", b"edited on the right");
    sync(&sandbox, 0);
    assert_eq!(left.read("f"), b"edited on the right");
    assert_eq!(left.shown(), right.shown());
}

#[test]
fn two_that_decide_the_same_agree_and_two_that_do_not_are_in_conflict() {
    for (other, code) in [("plain", 0), ("oldest", 1)] {
        let sandbox = Sandbox::new();
        let (left, right) = apart(&sandbox, &["f"]);
        sync(&sandbox, 1);
        sandbox.alike(["resolve", "left", "f", "--keep", "plain"]).expect(0);
        sandbox.alike(["resolve", "right", "f", "--keep", other]).expect(0);
        sync(&sandbox, code);
        assert_eq!(left.shown(), right.shown());
    }
}

#[test]
fn a_file_against_a_directory_is_settled_without_a_loss() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("x", b"a file").mtime("x", 4_000_000_000, 0);
    right.file("x/inside", b"inside");
    sync(&sandbox, 1);
    sandbox.alike(["resolve", "left", "x", "--keep", "newest"]).expect(0);
    sync(&sandbox, 0);
    assert_eq!(left.shown(), right.shown());
    assert_eq!(left.read("x/inside"), b"inside");
    assert_eq!(left.shown().values().filter(|bytes| *bytes == b"a file").count(), 1);
}

/// Kills a run after some time; false where it had ended by then.
fn killed_after(sandbox: &Sandbox, arguments: &[&str], micros: u64) -> bool {
    let mut run = sandbox.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a run");
    std::thread::sleep(Duration::from_micros(micros));
    let killed = run.try_wait().expect("a child").is_none();
    let _ = run.kill();
    run.wait().expect("a child");
    killed
}

#[test]
fn a_settlement_that_is_killed_anywhere_is_carried_out_by_the_next_run() {
    let names: Vec<String> = (0..60).map(|number| format!("d{}/{number}.txt", number % 7)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut kills = 0;
    for (keep, rounds) in [("oldest", 0..5), ("both", 0..5)] {
        for round in rounds {
            let sandbox = Sandbox::new();
            let (left, right) = apart(&sandbox, &names);
            sync(&sandbox, 1);
            let settle = ["resolve", "left", "*", "--keep", keep];
            kills += u32::from(killed_after(&sandbox, &settle, 5000 + round * 5000));
            let shown = left.shown();
            for name in &names {
                let held = |side: &str| shown.values().any(|bytes| *bytes == format!("{side} {name}").as_bytes());
                assert!(held("left"), "{keep} {round}: {name} is kept");
                assert!(held("right") || is_trashed(left.path(), &format!("right {name}")), "{keep} {round}: {name}");
            }
            sandbox.alike(settle).expect(0);
            sync(&sandbox, 0);
            assert_eq!(left.shown(), right.shown(), "{keep} {round}");
            assert!(copies(&left).is_empty(), "{keep} {round}");
            let files = left.shown().values().filter(|bytes| **bytes != b"/").count();
            assert_eq!(files, if keep == "both" { 120 } else { 60 }, "{keep} {round}");
            assert_eq!(sync(&sandbox, 0).last_line(), "alike");
        }
    }
    assert!(kills >= 2, "some runs were killed in the middle: {kills}");
}

#[test]
fn a_preference_decides_and_the_loser_goes_to_the_trash() {
    for (prefer, wins) in [("newest", "right"), ("left", "left"), ("right", "right")] {
        let sandbox = Sandbox::new();
        let (left, right) = apart(&sandbox, &["f.txt", "d/g"]);
        let rehearsed = sandbox.alike(["sync", "-n", "--prefer", prefer, "left", "right"]).expect(1);
        assert!(rehearsed.last_line().contains(" 0 conflicts"), "{rehearsed:?}");
        let outcome = sandbox.alike(["sync", "--json", "--prefer", prefer, "left", "right"]).expect(0);
        assert_eq!((&outcome.summary()["alike"], &outcome.summary()["conflicts"]), (&json!(true), &json!(0)));
        assert_eq!(outcome.summary()["left"]["top"], outcome.summary()["right"]["top"]);
        assert_eq!(left.shown(), right.shown());
        assert_eq!(left.read("f.txt"), format!("{wins} f.txt").as_bytes());
        let (loser, lost) = if wins == "left" { (&right, "right f.txt") } else { (&left, "left f.txt") };
        assert!(is_trashed(loser.path(), lost), "{prefer}");
        assert_eq!(sync(&sandbox, 0).last_line(), "alike");
        assert!(conflicts(&sandbox, "left").is_empty() && conflicts(&sandbox, "right").is_empty());
    }
}

#[test]
fn a_preference_decides_conflicts_that_were_there_before() {
    let sandbox = Sandbox::new();
    let (left, right) = apart(&sandbox, &["f"]);
    sync(&sandbox, 1);
    sandbox.alike(["sync", "--prefer", "newest", "left", "right"]).expect(0);
    assert_eq!(left.shown(), BTreeMap::from([(PathBuf::from("f"), b"right f".to_vec())]));
    assert_eq!(left.shown(), right.shown());
}

#[test]
fn a_decision_reaches_a_third_replica_that_never_saw_the_conflict_and_one_that_did() {
    let sandbox = Sandbox::new();
    let (left, right) = apart(&sandbox, &["f"]);
    let third = sandbox.tree("third");
    sandbox.alike(["sync", "left", "third"]).expect(0);
    sandbox.alike(["sync", "--prefer", "right", "left", "right"]).expect(0);
    sandbox.alike(["sync", "right", "third"]).expect(0);
    assert_eq!(third.read("f"), b"right f");
    assert_eq!(left.shown(), third.shown());
    assert_eq!(right.shown(), third.shown());
    assert_eq!(sandbox.alike(["sync", "left", "third"]).expect(0).last_line(), "alike");
}

#[test]
fn a_preference_holds_through_ssh_whichever_side_is_here() {
    let Some(far) = Far::start() else { return harness::skip("sshd is not installed") };
    for (number, prefer) in ["newest", "left", "right"].into_iter().enumerate() {
        for local_is_left in [true, false] {
            let box_of = |side: &str| far.sandbox.tree(&format!("{number}-{local_is_left}-{side}"));
            let (left, right) = (box_of("left"), box_of("right"));
            let names: Vec<String> = (0..30).map(|file| format!("d{file}/f.txt")).collect();
            for name in &names {
                left.file(name, format!("left {name}")).mtime(name, 200, 0);
                right.file(name, format!("right {name}")).mtime(name, 100, 0);
            }
            let near = if local_is_left { left.text().to_owned() } else { right.text().to_owned() };
            let there = far.at(if local_is_left { &right } else { &left });
            let (first, second) = if local_is_left { (near, there) } else { (there, near) };
            let run = |more: &[&str], code: i32| {
                let arguments =
                    ["sync"].into_iter().chain(more.iter().copied()).chain([first.as_str(), second.as_str()]);
                far.alike(arguments).expect(code)
            };
            let rehearsed = run(&["-n", "--prefer", prefer], 1);
            assert!(rehearsed.last_line().contains(" 0 conflicts"), "{rehearsed:?}");
            let outcome = run(&["--json", "--prefer", prefer], 0);
            assert_eq!(outcome.summary()["left"]["top"], outcome.summary()["right"]["top"]);
            assert_eq!(left.shown(), right.shown());
            let wins = if prefer == "right" { "right" } else { "left" };
            assert_eq!(left.read("d7/f.txt"), format!("{wins} d7/f.txt").as_bytes(), "{prefer} {local_is_left}");
            let (loser, lost) = if wins == "left" { (&right, "right") } else { (&left, "left") };
            assert!(is_trashed(loser.path(), &format!("{lost} d7/f.txt")));
            assert_eq!(run(&[], 0).last_line(), "alike");
            // Writes after a decision are writes like any other: the two tell one story of each other.
            left.file("d1/f.txt", b"again left");
            right.file("d2/f.txt", b"again right");
            run(&[], 0);
            assert_eq!(left.shown(), right.shown());
        }
    }
}

/// A copy gives way to what somebody makes at its name; the replica at which that happened may be without its bytes then, and
/// shows it under its other name once they come.
#[test]
fn a_copy_whose_name_a_directory_took_comes_back_under_another_name_everywhere() {
    let sandbox = Sandbox::new();
    let (left, right) = apart(&sandbox, &["a"]);
    sync(&sandbox, 1);
    let [copy] = &copies(&left)[..] else { panic!("one copy") };
    left.remove(copy).directory(copy);
    sandbox.alike(["trash", "empty", "left"]).expect(0);
    let third = sandbox.tree("third");
    // The third never had the bytes, and the left one has them no longer.
    sandbox.alike(["sync", "left", "third"]).expect(23);
    sync(&sandbox, 1);
    assert_alike(left.path(), right.path());
    let copied = fs::read_dir(left.path()).expect("a directory").flatten();
    let copied = copied.filter(|found| fs::read(found.path()).is_ok_and(|bytes| bytes == b"left a"));
    assert_eq!(copied.count(), 1, "{:?}", left.shown());
    sandbox.alike(["sync", "left", "third"]).expect(1);
    assert_alike(left.path(), third.path());
}

#[test]
fn a_conflict_at_a_name_in_the_form_of_a_copys_is_one_and_rests() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("e.conflict-12345678", "of the left");
    right.file("e.conflict-12345678", "of the right, longer");
    sync(&sandbox, 1);
    let shown = left.shown();
    assert_eq!((shown.len(), &shown), (2, &right.shown()));
    let again = sandbox.alike(["sync", "--json", "left", "right"]).expect(1);
    assert!(again.events("action").is_empty(), "{}", again.stdout);
    assert_eq!((left.shown(), right.shown()), (shown.clone(), shown));
}

#[test]
fn the_log_names_the_writer_of_each_version() {
    let sandbox = Sandbox::new();
    let (left, _) = apart(&sandbox, &["d/f", "g"]);
    left.file("d/only-left", b"12345").mtime("d/only-left", 1, 1);
    sync(&sandbox, 1);
    let all = sandbox.alike(["log", "--json", "left"]).expect(0);
    let versions = all.events("version");
    let of = |path: &str| versions.iter().filter(|version| version["path"] == path).collect::<Vec<_>>();
    assert_eq!((of("d/f").len(), of("g").len(), of("d/only-left").len()), (2, 2, 1));
    let mut only = of("d/only-left")[0].clone();
    let object = only.as_object_mut().expect("an object");
    assert_eq!(object.remove("replica").expect("a replica").as_str().expect("text").len(), 32);
    assert!(object.remove("counter").expect("a counter").as_u64().expect("a number") > 0);
    let digest = alike::model::Digest::of_content(b"12345").to_hex();
    assert_eq!(
        only,
        json!({"v": 1, "type": "version", "path": "d/only-left", "own": true, "digest": digest, "bytes": 5,
               "mtime": "1970-01-01T00:00:01.000000001Z"})
    );
    let mut own: Vec<_> = of("g").iter().map(|version| version["own"].as_bool().expect("a truth")).collect();
    own.sort_unstable();
    assert_eq!(own, [false, true]);
    let below = sandbox.alike(["log", "left", "d/"]).expect(0);
    assert_eq!(below.last_line(), "5 versions", "{}", below.stdout);
    assert!(
        below.stdout.lines().any(|line| line.contains(" here ") && line.ends_with("  d/only-left")),
        "{}",
        below.stdout
    );
    assert_eq!(sandbox.alike(["log", "left", "nothing/here"]).expect(0).last_line(), "0 versions");
    sandbox.alike(["log", "left", "../x"]).expect(2);
}
