//! `sync` of replicas as their users see it: what reaches which side, what is kept, what is refused.

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use harness::{Far, Outcome, Sandbox, Tree};

/// Two replicas that agree on a few files.
fn agreed(sandbox: &Sandbox) -> (Tree, Tree) {
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    for name in ["kept", "to-edit", "to-edit-too", "to-delete", "to-delete-too", "both", "edit-or-delete"] {
        left.file(name, format!("first {name}"));
    }
    left.file("in/a/directory", b"deep").link("link", "kept");
    sync(sandbox, 0);
    assert_agreed(&[&left, &right]);
    (left, right)
}

#[track_caller]
fn sync(sandbox: &Sandbox, code: i32) -> Outcome {
    sandbox.alike(["sync", "left", "right"]).expect(code)
}

#[track_caller]
fn assert_agreed(trees: &[&Tree]) -> BTreeMap<PathBuf, Vec<u8>> {
    let first = trees[0].shown();
    for tree in &trees[1..] {
        assert_eq!(first, tree.shown(), "{} and {} show the same", trees[0].text(), tree.text());
    }
    first
}

/// The conflict copies among some paths.
fn copies(shown: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<&PathBuf> {
    shown.keys().filter(|path| path.to_string_lossy().contains(".conflict-")).collect()
}

/// All contents of a file and of its copies.
fn versions(shown: &BTreeMap<PathBuf, Vec<u8>>, stem: &str) -> Vec<String> {
    let of = |path: &PathBuf| path.to_string_lossy().starts_with(stem);
    let mut all: Vec<String> =
        shown.iter().filter(|(path, _)| of(path)).map(|(_, bytes)| String::from_utf8_lossy(bytes).into()).collect();
    all.sort();
    all
}

/// Waits until a change now has another time than one before.
fn later() {
    std::thread::sleep(std::time::Duration::from_millis(25));
}

fn ten_ways(left: &Tree, right: &Tree) {
    later();
    left.file("new-left", b"l").file("to-edit", b"edited left").remove("to-delete");
    right.file("new-right", b"r").file("to-edit-too", b"edited right").remove("to-delete-too");
    left.file("both", b"left's both");
    right.file("both", b"right's both");
    left.remove("edit-or-delete");
    right.file("edit-or-delete", b"edited against a delete");
    left.file("same", b"same bytes");
    right.file("same", b"same bytes");
}

#[track_caller]
fn assert_ten_ways(left: &Tree, right: &Tree) {
    let shown = assert_agreed(&[left, right]);
    let is = |path: &str, bytes: &str| assert_eq!(shown[&PathBuf::from(path)], bytes.as_bytes(), "{path}");
    is("new-left", "l");
    is("new-right", "r");
    is("to-edit", "edited left");
    is("to-edit-too", "edited right");
    is("same", "same bytes");
    is("edit-or-delete", "edited against a delete");
    assert!(!shown.contains_key(&PathBuf::from("to-delete")), "deleted on the left");
    assert!(!shown.contains_key(&PathBuf::from("to-delete-too")), "deleted on the right");
    assert_eq!(versions(&shown, "both"), ["left's both", "right's both"]);
    assert_eq!(copies(&shown).len(), 1, "{shown:?}");
}

#[test]
fn every_kind_of_change_on_either_side_reaches_the_other() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    ten_ways(&left, &right);
    let diff = sandbox.alike(["diff", "left", "right"]).expect(1);
    let run = sandbox.alike(["sync", "-v", "left", "right"]).expect(1);
    let lines = |outcome: &Outcome| {
        outcome.stdout.lines().filter(|line| line.starts_with(['<', '>'])).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&diff), lines(&run), "a diff prints what a sync does");
    assert_ten_ways(&left, &right);
    let again = sync(&sandbox, 1);
    assert!(again.last_line().starts_with("0 files, 0 B, 0 renames, 0 deletes, 1 conflict, 0 problems"), "{again:?}");
}

#[test]
fn every_kind_of_change_reaches_the_other_side_through_ssh_in_both_directions() {
    for local_is_left in [true, false] {
        let Some(far) = Far::start() else { return harness::skip("sshd is not installed") };
        let (left, right) = (far.sandbox.tree("left"), far.sandbox.tree("right"));
        let run = |code: i32| {
            let near = if local_is_left { &left } else { &right };
            let there = far.at(if local_is_left { &right } else { &left });
            let arguments =
                if local_is_left { [near.text().to_owned(), there] } else { [there, near.text().to_owned()] };
            far.alike(["sync".to_owned()].into_iter().chain(arguments)).expect(code)
        };
        for name in ["kept", "to-edit", "to-edit-too", "to-delete", "to-delete-too", "both", "edit-or-delete"] {
            left.file(name, format!("first {name}"));
        }
        run(0);
        assert_agreed(&[&left, &right]);
        ten_ways(&left, &right);
        run(1);
        assert_ten_ways(&left, &right);
        run(1);
        assert_ten_ways(&left, &right);
    }
}

#[test]
fn clocks_that_are_ten_years_off_change_nothing_but_which_version_has_the_plain_name() {
    if !harness::clock::is_here() {
        return harness::skip("faketime is not installed");
    }
    for off in ["-10y", "+10y"] {
        let Some(far) = Far::start() else { return harness::skip("sshd is not installed") };
        let (left, right) = (far.sandbox.tree("left"), far.sandbox.tree("right"));
        let program = far.sandbox.path("far/wrong-clock");
        let clock = format!("LD_PRELOAD={} FAKETIME={off}", harness::clock::CLOCK);
        let program = harness::far::script(&program, &format!("exec env {clock} {} \"$@\"", far.program.display()));
        let run = |code: i32| {
            let arguments = ["sync".to_owned(), left.text().to_owned(), far.at(&right)];
            far.sandbox.run(&mut far.command_with(&program, arguments)).expect(code)
        };
        for name in ["kept", "to-edit", "to-edit-too", "to-delete", "to-delete-too", "both", "edit-or-delete"] {
            left.file(name, format!("first {name}"));
        }
        run(0);
        ten_ways(&left, &right);
        // What users write there has the time of their clock.
        let ten_years = if off == "-10y" { -315_000_000 } else { 315_000_000 };
        for name in ["new-right", "to-edit-too", "both", "edit-or-delete", "same"] {
            let now = fs::metadata(right.join(name)).expect("there").mtime();
            right.mtime(name, now + ten_years, 5);
        }
        run(1);
        assert_ten_ways(&left, &right);
        let plain = if off == "-10y" { "left's both" } else { "right's both" };
        assert_eq!(left.read("both"), plain.as_bytes());
        for _ in 0..2 {
            assert!(run(1).last_line().starts_with("0 files, 0 B, 0 renames, 0 deletes, 1 conflict, 0 problems"));
        }
    }
}

#[test]
fn a_clock_that_is_stepped_in_the_middle_of_a_run_changes_nothing() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    for number in 0..400 {
        left.file(format!("many/{number}"), format!("{number}"));
    }
    ten_ways(&left, &right);
    let clock = sandbox.path("clock");
    fs::write(&clock, "+0").expect("a clock");
    if !harness::clock::is_here() {
        return harness::skip("faketime is not installed");
    }
    let mut command = sandbox.command(["sync", "left", "right"]);
    command
        .env("LD_PRELOAD", harness::clock::CLOCK)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1");
    // Nobody can step the clock that waits go by; stepped by ten years, a wait of a moment lasts as long.
    command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("it starts");
    // It holds wherever in the run the clock is stepped, back and forth.
    for step in ["-10y", "+10y", "-10y", "+0"].iter().cycle() {
        fs::write(&clock, step).expect("a step");
        if let Some(status) = child.try_wait().expect("it was started here") {
            assert_eq!(status.code(), Some(1));
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    for number in 0..400 {
        right.remove(format!("many/{number}"));
    }
    right.remove("many");
    sandbox.alike(["sync", "--max-delete=100%", "left", "right"]).expect(1);
    assert!(!left.has("many"));
    assert_ten_ways(&left, &right);
}

#[test]
fn nothing_to_do_is_alike_and_writes_nothing() {
    let sandbox = Sandbox::new();
    let (left, _) = agreed(&sandbox);
    sync(&sandbox, 0);
    let before = fs::metadata(left.join(".alike/index")).expect("an index").modified().expect("a time");
    let state = fs::read(left.join(".alike/state.redb")).expect("a memory");
    assert_eq!(sync(&sandbox, 0).last_line(), "alike");
    assert_eq!(fs::metadata(left.join(".alike/index")).expect("an index").modified().expect("a time"), before);
    assert!(fs::read(left.join(".alike/state.redb")).expect("a memory").len() == state.len());
}

#[test]
fn a_first_meeting_unites_and_deletes_nothing() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("only-left", b"l").file("differs", b"left's").file("equal", b"equal");
    right.file("only-right", b"r").file("differs", b"right's").file("equal", b"equal");
    sync(&sandbox, 1);
    let shown = assert_agreed(&[&left, &right]);
    assert_eq!(versions(&shown, "differs"), ["left's", "right's"]);
    assert_eq!(shown.len(), 5, "{shown:?}");
}

#[test]
fn a_touch_on_both_sides_and_a_chmod_against_an_edit_are_no_conflict() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    later();
    left.mtime("kept", 1000, 0).mode("to-edit", 0o600).mtime("to-edit-too", 7, 7);
    right.mtime("kept", 2000, 0).file("to-edit", b"edited").file("to-edit-too", b"edited");
    sync(&sandbox, 0);
    let shown = assert_agreed(&[&left, &right]);
    assert!(copies(&shown).is_empty(), "{shown:?}");
    assert_eq!(left.read("to-edit"), b"edited");
    assert_eq!(left.read("to-edit-too"), b"edited");
}

#[test]
fn three_replicas_come_to_the_same_in_any_order_of_meeting() {
    let names = ["a", "b", "c"];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let mut outcomes = Vec::new();
    for order in orders {
        let sandbox = Sandbox::new();
        let trees = names.map(|name| sandbox.tree(name));
        let meet = |left: usize, right: usize| {
            let outcome = sandbox.alike(["sync", names[left], names[right]]);
            assert!(outcome.code < 2, "{outcome:?}");
        };
        trees[0].file("f.txt", b"base").mtime("f.txt", 1, 1);
        meet(0, 1);
        meet(1, 2);
        for (index, tree) in trees.iter().enumerate() {
            tree.file("f.txt", format!("written by {index}")).mtime("f.txt", 10 + index as i64, 0);
        }
        let [first, second, third] = order;
        for _ in 0..2 {
            meet(first, second);
            meet(second, third);
            meet(third, first);
        }
        let shown = assert_agreed(&[&trees[0], &trees[1], &trees[2]]);
        assert_eq!(versions(&shown, "f"), ["written by 0", "written by 1", "written by 2"]);
        assert_eq!(shown[&PathBuf::from("f.txt")], b"written by 2", "the latest has the plain name");
        outcomes.push(shown);
        let tops = |left: usize, right: usize| {
            let idle = sandbox.alike(["sync", "--json", names[left], names[right]]).expect(1);
            assert!(idle.events("action").is_empty(), "{}", idle.stdout);
            [idle.summary()["left"]["top"].to_string(), idle.summary()["right"]["top"].to_string()]
        };
        let all = [tops(0, 1), tops(1, 2), tops(2, 0)].concat();
        assert!(all[0].len() > 60 && all.iter().all(|top| *top == all[0]), "{order:?}: {all:?}");
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "names of copies are the same whatever the order");
}

#[test]
fn a_conflict_ends_when_its_copy_is_deleted_or_moved_over_the_plain_file() {
    for resolve_by_move in [false, true] {
        let sandbox = Sandbox::new();
        let (left, right) = agreed(&sandbox);
        left.file("both", b"left's").mtime("both", 100, 0);
        right.file("both", b"right's").mtime("both", 200, 0);
        sync(&sandbox, 1);
        let shown = assert_agreed(&[&left, &right]);
        let copy = copies(&shown)[0].clone();
        let kept = if resolve_by_move {
            left.rename(&copy, "both");
            "left's"
        } else {
            left.remove(&copy);
            "right's"
        };
        sync(&sandbox, 0);
        let shown = assert_agreed(&[&left, &right]);
        assert_eq!(versions(&shown, "both"), [kept]);
    }
}

#[test]
fn a_renamed_directory_moves_no_content_and_keeps_its_inode() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    for number in 0..20 {
        left.file(format!("old/sub/{number}"), harness::tree::pattern(5000, number));
    }
    sync(&sandbox, 0);
    let inode = fs::metadata(right.join("old/sub/7")).expect("there").ino();
    left.rename("old", "new");
    let outcome = sandbox.alike(["sync", "--json", "left", "right"]).expect(0);
    assert_eq!(outcome.summary()["bytes"], 0);
    assert_eq!(outcome.summary()["deletes"], 0);
    assert_agreed(&[&left, &right]);
    assert_eq!(fs::metadata(right.join("new/sub/7")).expect("there").ino(), inode);
}

#[test]
fn what_is_replaced_or_deleted_is_in_the_trash() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file("to-edit", b"edited").remove("to-delete");
    sync(&sandbox, 0);
    let found = Command::new("grep").args(["-rl", "first to-"]).arg(right.join(".alike/trash")).output().expect("grep");
    let found = String::from_utf8_lossy(&found.stdout);
    assert!(found.contains("to-edit") && found.contains("to-delete"), "{found}");
}

#[test]
fn an_emptied_root_is_refused_and_the_other_side_is_untouched() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    let before = right.shown();
    for name in left.shown().keys().filter(|path| path.components().count() == 1) {
        left.remove(name);
    }
    sync(&sandbox, 25);
    assert_eq!(right.shown(), before);
    assert!(left.shown().is_empty(), "what was held back is not put back");
    sync(&sandbox, 25);
    assert_eq!(right.shown(), before);
    sandbox.alike(["sync", "--max-delete=100%", "left", "right"]).expect(0);
    assert!(right.shown().is_empty());
}

#[test]
fn a_lost_memory_is_a_first_meeting() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.remove(".alike").remove("to-delete").file("to-edit", b"edited without memory");
    sync(&sandbox, 1);
    let shown = assert_agreed(&[&left, &right]);
    assert!(shown.contains_key(&PathBuf::from("to-delete")), "no delete is known of");
    assert_eq!(versions(&shown, "to-edit"), ["edited without memory", "first to-edit", "first to-edit-too"]);
}

#[test]
fn what_is_left_out_is_neither_deleted_nor_sent() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.remove("to-delete").file("to-edit", b"edited");
    sandbox.alike(["sync", "--exclude", "to-*", "left", "right"]).expect(0);
    assert!(right.has("to-delete"));
    assert_eq!(right.read("to-edit"), b"first to-edit");
    sync(&sandbox, 0);
    let shown = assert_agreed(&[&left, &right]);
    assert_eq!(shown[&PathBuf::from("to-edit")], b"edited");
    assert!(shown.contains_key(&PathBuf::from("to-delete")), "absence after an unseen interval is no delete");
}

#[test]
fn bytes_that_only_a_trash_holds_come_back_from_there() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    right.file("kept", b"edited");
    sync(&sandbox, 0);
    right.file("again", b"first kept");
    sync(&sandbox, 0);
    // Removed where nobody looks: that is no delete, and no disk holds the bytes any more.
    left.remove("again");
    right.remove("again");
    sandbox.alike(["sync", "--exclude", "again", "left", "right"]).expect(0);
    sync(&sandbox, 0);
    assert_eq!(assert_agreed(&[&left, &right])[&PathBuf::from("again")], b"first kept");
}

/// A file that one replica edited and another one gave a mode, and that a third deletes which has seen the edit alone.
fn outlive(trees: &[Tree; 3], meet: &dyn Fn(usize, usize)) {
    trees[0].file("f", b"first").file("other", b"other");
    meet(0, 1);
    meet(1, 2);
    later();
    trees[1].file("f", b"edited");
    meet(1, 2);
    trees[0].mode("f", 0o600);
    meet(0, 1);
    assert_eq!(trees[0].read("f"), b"edited");
    trees[2].remove("f");
    meet(2, 0);
}

/// What all show then: the edited bytes, with the mode that nobody deleted.
fn assert_outlived(trees: &[&Tree]) {
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(assert_agreed(trees)[&PathBuf::from("f")], b"edited");
    for tree in trees {
        assert_eq!(fs::metadata(tree.join("f")).expect("there").permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_touch_that_outlives_the_edit_it_was_shown_in_keeps_the_file_as_it_was_shown() {
    let sandbox = Sandbox::new();
    let trees = ["a", "b", "c"].map(|name| sandbox.tree(name));
    let names = ["a", "b", "c"];
    let meet = |left: usize, right: usize| drop(sandbox.alike(["sync", names[left], names[right]]).expect(0));
    outlive(&trees, &meet);
    assert_outlived(&[&trees[0], &trees[2]]);
    meet(1, 2);
    meet(0, 1);
    assert_outlived(&[&trees[0], &trees[1], &trees[2]]);
    assert_eq!(sandbox.alike(["sync", "a", "b"]).expect(0).last_line(), "alike");
}

#[test]
fn a_touch_outlives_an_edit_through_ssh_too_whichever_side_is_here() {
    for local_is_left in [true, false] {
        let Some(far) = Far::start() else { return harness::skip("sshd is not installed") };
        let trees = ["a", "b", "c"].map(|name| far.sandbox.tree(name));
        let meet = |left: usize, right: usize| {
            let (near, there) = if local_is_left { (left, right) } else { (right, left) };
            let arguments = ["sync".to_owned(), trees[near].text().to_owned(), far.at(&trees[there])];
            far.alike(arguments).expect(0);
        };
        outlive(&trees, &meet);
        assert_outlived(&[&trees[0], &trees[2]]);
    }
}
