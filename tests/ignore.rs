//! Ignore files: a mirror obeys the source's at both ends, ignoring never deletes, and what a diff prints is what a run
//! does.

mod harness;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{Far, Outcome, Sandbox, Tree};

/// Rehearses and runs a mirror of `left` to `right`: what was announced is what is done.
#[track_caller]
fn mirror(sandbox: &Sandbox, flags: &[&str]) -> Outcome {
    let diff = sandbox.alike(["diff", "--mirror", "left", "right"].iter().chain(flags));
    let run = sandbox.alike(["mirror", "-v", "left", "right"].iter().chain(flags));
    assert_eq!(diff.timeless(), run.timeless(), "\n-- diff\n{}\n-- run\n{}", diff.stdout, run.stdout);
    assert_eq!(diff.stderr, run.stderr);
    run
}

/// All files of a tree, as text, but our own.
fn files(tree: &Tree) -> BTreeSet<String> {
    let walk = walkdir::WalkDir::new(tree.path()).into_iter().filter_entry(|entry| entry.file_name() != ".alike");
    let files = walk.map(|entry| entry.expect("readable")).filter(|entry| !entry.file_type().is_dir());
    files.map(|entry| entry.path().strip_prefix(tree.path()).expect("below").display().to_string()).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(ToOwned::to_owned).collect()
}

fn trees(sandbox: &Sandbox) -> (Tree, Tree) {
    (sandbox.tree("left"), sandbox.tree("right"))
}

#[test]
fn what_is_ignored_is_neither_copied_nor_deleted() {
    let sandbox = Sandbox::new();
    let (left, right) = trees(&sandbox);
    left.file(".alikeignore", b"*.log\n/build/\n!keep.log\n").file("a", b"a").file("a.log", b"l");
    left.file("keep.log", b"k").file("build/x", b"x").file("d/build/y", b"y");
    left.file("d/.alikeignore", b"!*.log\n*.tmp\n").file("d/b.log", b"b").file("d/c.tmp", b"c");
    right.file("own.log", b"1").file("build/own", b"2").file("d/own.tmp", b"3").file("extra", b"4");
    let run = mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    let wanted = set([
        ".alikeignore",
        "a",
        "keep.log",
        "d/.alikeignore",
        "d/b.log",
        "d/build/y",
        "own.log",
        "build/own",
        "d/own.tmp",
    ]);
    assert_eq!(files(&right), wanted, "{}", run.stdout);
    assert_eq!(right.read("d/.alikeignore"), b"!*.log\n*.tmp\n", "an ignore file is an entry like any other");
    let again = mirror(&sandbox, &[]).expect(0);
    assert_eq!(again.last_line(), "alike");
}

#[test]
fn nothing_is_taken_in_again_below_an_ignored_directory_and_flags_have_the_last_word() {
    let sandbox = Sandbox::new();
    let (left, right) = trees(&sandbox);
    left.file(".alikeignore", b"out/\n*.o\n").file("out/.alikeignore", b"!*\n").file("out/x", b"x").file("b.o", b"o");
    left.file("c.txt", b"c").file("e.o", b"e");
    mirror(&sandbox, &["--include=e.o", "--exclude=*.txt"]).expect(0);
    assert_eq!(files(&right), set([".alikeignore", "e.o"]));
    // Left out, it is not obeyed.
    mirror(&sandbox, &["--exclude=.alikeignore"]).expect(0);
    assert_eq!(files(&right), set([".alikeignore", "out/x", "b.o", "c.txt", "e.o"]));
}

#[test]
fn the_source_decides_even_where_the_target_ignores_other_things() {
    let sandbox = Sandbox::new();
    let (left, right) = trees(&sandbox);
    left.file(".alikeignore", b"*.log\n").file("both.txt", b"new").file("same.txt", b"same").mtime("same.txt", 5, 0);
    left.file("deep/one.txt", b"1");
    right.file(".alikeignore", b"*.txt\ndeep\n").file("both.txt", b"old").file("same.txt", b"same");
    right.mtime("same.txt", 5, 0).file("x.log", b"log").file("deep/two.log", b"2").file("gone", b"g");
    let run = mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    assert_eq!(right.read("both.txt"), b"new");
    assert_eq!(files(&right), set([".alikeignore", "both.txt", "same.txt", "x.log", "deep/one.txt", "deep/two.log"]));
    assert!(!run.stdout.contains("same.txt"), "what is equal is not touched: {}", run.stdout);
    assert_eq!(right.read(".alikeignore"), b"*.log\n");
    assert_eq!(mirror(&sandbox, &[]).expect(0).last_line(), "alike");
}

#[test]
fn a_change_of_a_rule_deletes_nothing() {
    let sandbox = Sandbox::new();
    let (left, right) = trees(&sandbox);
    left.file("a.log", b"a").file("b.txt", b"b");
    mirror(&sandbox, &[]).expect(0);
    // A new rule: what was copied stays.
    left.file(".alikeignore", b"*.log\n");
    left.file("a.log", b"changed");
    mirror(&sandbox, &[]).expect(0);
    assert_eq!(right.read("a.log"), b"a");
    // A rule for something else, and none: what the target alone has stays where the change brings it to light.
    right.file("own.log", b"own").file("sub/own.log", b"own");
    left.file(".alikeignore", b"*.txt\n");
    mirror(&sandbox, &[]).expect(0);
    assert_eq!(files(&right), set([".alikeignore", "a.log", "own.log", "sub/own.log", "b.txt"]));
    assert_eq!(right.read("a.log"), b"changed", "what the source holds is mirrored again");
    left.file(".alikeignore", b"");
    right.file("own.txt", b"own");
    left.remove(".alikeignore");
    mirror(&sandbox, &["--keep-extra"]).expect(0);
    assert!(right.has("own.txt") && right.has("own.log"));
}

#[test]
fn a_directory_that_goes_keeps_what_is_ignored_in_it() {
    for own_rule in [false, true] {
        let sandbox = Sandbox::new();
        let (left, right) = trees(&sandbox);
        let rules = if own_rule { "d/sub/.alikeignore" } else { ".alikeignore" };
        left.file(rules, b"*.o\n").file("d/sub/x.c", b"source").file("d/y", b"y").file("e/z", b"z").file("keep", b"k");
        mirror(&sandbox, &[]).expect(0);
        right.file("d/sub/x.o", b"object");
        // Renamed.
        left.rename("d", "new");
        mirror(&sandbox, &["--max-delete=100%"]).expect(0);
        assert_eq!(right.read("d/sub/x.o"), b"object");
        assert_eq!(right.read("new/sub/x.c"), b"source");
        assert!(!right.has("d/y") && !right.has("d/sub/x.c"));
        // Deleted.
        left.remove("new");
        right.file("new/sub/w.o", b"object");
        mirror(&sandbox, &["--max-delete=100%"]).expect(0);
        assert_eq!(right.read("new/sub/w.o"), b"object");
        assert!(!right.has("new/y"));
        for _ in 0..2 {
            let again = mirror(&sandbox, &[]).expect(0);
            assert!(!again.stdout.contains("\n>"), "nothing is left to do: {}", again.stdout);
            assert!(right.has("d/sub/x.o") && right.has("new/sub/w.o"));
        }
        let file = left.file("d", b"a file").has("d");
        assert!(file);
        let refused = mirror(&sandbox, &["--max-delete=100%"]).expect(23);
        assert!(refused.stderr.contains("holds ignored files"), "{}", refused.stderr);
        assert!(right.has("d/sub/x.o"));
    }
}

#[test]
fn an_ignore_file_that_cannot_be_read_hides_its_directory_and_deletes_nothing() {
    let large = vec![b'#'; 300_000];
    for (wrong, cause) in [
        (&b"fine\n[z-a]\n"[..], "line 2 of its ignore file is no pattern: [z-a]"),
        (b"\xff\n", "its ignore file is not utf-8"),
        (&large, "its ignore file is larger than 262 kb"),
    ] {
        let sandbox = Sandbox::new();
        let (left, right) = trees(&sandbox);
        left.file("d/.alikeignore", wrong).file("d/new", b"n").file("e", b"e");
        right.file("d/only", b"o").file("e", b"old");
        let run = mirror(&sandbox, &["--max-delete=100%"]).expect(23);
        assert_eq!(run.stderr, format!("error: `d`: {cause}\n"));
        assert_eq!(files(&right), set(["d/only", "e"]));
        assert_eq!(right.read("e"), b"e");
        left.file(".alikeignore", wrong);
        sandbox.alike(["mirror", "left", "right"]).expect(3);
        assert_eq!(files(&right), set(["d/only", "e"]));
    }
}

#[test]
fn links_and_directories_of_that_name_are_no_rules() {
    let sandbox = Sandbox::new();
    let (left, right) = trees(&sandbox);
    left.file("rules", b"*\n").link(".alikeignore", "rules").directory("d/.alikeignore").file("d/x", b"x");
    mirror(&sandbox, &[]).expect(0);
    assert_eq!(files(&right), set([".alikeignore", "rules", "d/x"]));
}

#[test]
fn delete_excluded_deletes_what_is_left_out_too() {
    let sandbox = Sandbox::new();
    let (left, right) = trees(&sandbox);
    left.file(".alikeignore", b"*.log\n").file("a", b"a").file("b.log", b"b").file("c.bak", b"c");
    right.file("own.log", b"1").file("b.log", b"2").file("x.bak", b"3").file("d/y.log", b"4").file("a", b"a");
    mirror(&sandbox, &["--exclude=*.bak", "--max-delete=100%"]).expect(0);
    assert!(right.has("own.log") && right.has("x.bak") && right.has("d/y.log"));
    mirror(&sandbox, &["--exclude=*.bak", "--max-delete=100%", "--delete-excluded"]).expect(0);
    assert_eq!(files(&right), set([".alikeignore", "a"]));
    sandbox.alike(["trash", "restore", "right", "x.bak", "own.log"]).expect(0);
    assert_eq!(right.read("x.bak"), b"3");
}

#[test]
fn far_ends_obey_the_source_and_nothing_changed_is_one_round_trip() {
    let Some(far) = Far::start() else { return };
    for pull in [false, true] {
        let sandbox = &far.sandbox;
        let (left, right) = (sandbox.tree(&format!("left{pull}")), sandbox.tree(&format!("right{pull}")));
        left.file(".alikeignore", b"*.log\n").file("d/.alikeignore", b"*.o\n").file("d/x", b"x").file("a.txt", b"new");
        right.file(".alikeignore", b"*.txt\n").file("a.txt", b"old").file("own.log", b"l").file("d/own.o", b"o");
        right.file("gone", b"g").file("e/.alikeignore", b"*.p\n").file("e/own.p", b"p").file("e/q", b"q");
        let ends = if pull { [far.at(&left), right.text().into()] } else { [left.text().into(), far.at(&right)] };
        let ask = |verb: &[&str]| far.alike(verb.iter().map(ToString::to_string).chain(ends.clone()));
        let diff = ask(&["diff", "--mirror", "--max-delete=100%", "--json"]).expect(1);
        let run = ask(&["mirror", "--max-delete=100%", "--json"]).expect(0);
        assert_eq!(diff.events("action"), run.events("action"));
        let kept = ["own.log", "d/own.o", "e/.alikeignore", "e/own.p"];
        let wanted = [&[".alikeignore", "d/.alikeignore", "d/x", "a.txt"][..], &kept].concat();
        assert_eq!(files(&right), wanted.into_iter().map(ToOwned::to_owned).collect());
        assert_eq!(right.read("a.txt"), b"new");
        right.remove("e");
        let again = ask(&["mirror", "--json"]).expect(0).summary();
        assert_eq!((&again["alike"], &again["round_trips"]), (&true.into(), &1.into()));
    }
    far.assert_gone();
}

/// Which files git would take, by the same rules.
fn by_git(tree: &Tree) -> Option<BTreeSet<String>> {
    let git = |arguments: &[&str]| {
        Command::new("git").arg("-C").arg(tree.path()).args(["-c", "core.quotepath=off"]).args(arguments).output()
    };
    if !git(&["init", "-q"]).is_ok_and(|output| output.status.success()) {
        harness::skip("there is no git");
        return None;
    }
    let listed = git(&["ls-files", "-o", "--exclude-per-directory=.alikeignore"]).expect("git runs");
    fs::remove_dir_all(tree.join(".git")).expect("removed");
    assert!(listed.status.success());
    let names = String::from_utf8(listed.stdout).expect("text");
    Some(names.lines().filter(|name| !name.starts_with(".alike/")).map(ToOwned::to_owned).collect())
}

/// The files of `right` with the ignore files of `left`.
fn under_rules_of(left: &Tree, right: &Tree, sandbox: &Sandbox) -> Tree {
    let _first = fs::remove_dir_all(sandbox.path("judged"));
    let judged = sandbox.tree("judged");
    for (tree, rules) in [(right, false), (left, true)] {
        for file in files(tree).into_iter().filter(|file| file.ends_with(".alikeignore") == rules) {
            judged.file(&file, tree.read(&file));
        }
    }
    judged
}

/// A number below `below` that follows from the seed.
fn draw(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize % below
}

fn write_rules(tree: &Tree, directory: &str, seed: &mut u64) {
    const PATTERNS: [&str; 14] =
        ["*.o", "!*.o", "a", "!a", "/b", "b/", "!b/", "a/b", "**/c", "c/**", "!c/a.o", "*", "!c", "d*"];
    let lines: Vec<&str> = (0..1 + draw(seed, 3)).map(|_| PATTERNS[draw(seed, PATTERNS.len())]).collect();
    tree.file(Path::new(directory).join(".alikeignore"), lines.join("\n"));
}

#[test]
fn rules_mean_what_they_mean_to_git_and_no_random_change_of_them_deletes() {
    for start in 0..25_u64 {
        let mut seed = start * 7919 + 1;
        let memory = Path::new("/dev/shm");
        let sandbox = if memory.is_dir() { Sandbox::below(memory) } else { Sandbox::new() };
        let (left, right) = trees(&sandbox);
        const NAMES: [&str; 6] = ["a", "b", "c", "d", "a.o", "d.o"];
        for number in 0..40 {
            let depth = 1 + draw(&mut seed, 3);
            let mut path: Vec<&str> = (1..depth).map(|_| ["a", "b", "c", "d"][draw(&mut seed, 4)]).collect();
            path.push(["f", "g", "a.o", "d.o", "d1"][draw(&mut seed, 5)]);
            left.file(path.join("/"), format!("{number}"));
            path.pop();
            path.push(NAMES[4 + draw(&mut seed, 2)]);
            right.file(path.join("/"), format!("own {number}"));
        }
        for turn in 0..3 {
            for directory in ["", "a", "b", "c/a"] {
                if draw(&mut seed, 3) > 0 && (directory.is_empty() || left.join(directory).is_dir()) {
                    write_rules(&left, directory, &mut seed);
                }
            }
            let Some(wanted) = by_git(&left) else { return };
            // What the source's rules, and the target's as they are, leave in sight at the target.
            let own = by_git(&right).expect("git is there");
            let theirs = by_git(&under_rules_of(&left, &right, &sandbox)).expect("git is there");
            let before = files(&right);
            mirror(&sandbox, &["--max-delete=100%", "--fsync=off"]).expect(0);
            let after = files(&right);
            let is_rules = |file: &&String| file.ends_with(".alikeignore");
            for file in &wanted {
                assert_eq!(left.read(file), right.read(file), "seed {start}, turn {turn}: {file}");
            }
            for file in after.difference(&before).filter(|file| !is_rules(file)) {
                assert!(wanted.contains(file), "seed {start}, turn {turn}: {file} is ignored, and was copied");
            }
            for file in before.iter().filter(|file| !is_rules(file) && !wanted.contains(*file)) {
                let in_sight = own.contains(file) && theirs.contains(file);
                assert_eq!(!in_sight, after.contains(file), "seed {start}, turn {turn}: {file}");
            }
        }
    }
}
