//! `mirror` and `diff` between two local roots as a person sees them: whole outputs, exit statuses, JSON.

mod harness;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use harness::judge::odd_name;
use harness::tree::pattern;
use harness::{Sandbox, Tree, assert_alike};
use serde_json::json;

const NOTHING: &str = "0 files, 0 B, 0 renames, 0 deletes, 0 conflicts, 0 problems";

/// Two roots that differ in one path of each kind.
fn one_of_each(sandbox: &Sandbox) -> (Tree, Tree) {
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    for tree in [&left, &right] {
        tree.file("same", b"same").mtime("same", 1, 1);
        tree.file("changed", b"old").mtime("changed", 1, 1);
        tree.file("touched", b"touched").mtime("touched", 1, 1);
        tree.file("mode", b"mode").mtime("mode", 1, 1);
    }
    left.file("changed", b"new!").mtime("changed", 2, 0);
    left.mtime("touched", 2, 0).mode("mode", 0o755);
    left.file("new/file", pattern(1500, 1)).link("new/link", "file");
    left.file("after", pattern(2000, 2)).mtime("after", 3, 0);
    right.file("before", pattern(2000, 2)).mtime("before", 3, 0);
    right.file("extra", b"extra!");
    (left, right)
}

const LINES: &str = "\
>m before -> after  2.0 kB
> changed  4 B, content
>- extra  6 B
>t mode  mode 644 -> 755
>+ new/
>+ new/file  1.5 kB
>+ new/link  link to file
>t touched  mtime
";

const COUNTS: &str =
    "3 files, 1.5 kB, 1 rename, 1 delete, 0 conflicts, 0 problems in [time] (0 B sent, 0 B received)\n";

#[test]
fn a_first_mirror_makes_alike_and_a_second_finds_nothing_to_do() {
    let sandbox = Sandbox::new();
    sandbox.tree("left").sampler();
    let first = sandbox.alike(["mirror", "left", "right"]).expect(0);
    assert_eq!(first.stderr, "");
    assert_eq!(
        first.timeless(),
        "[box]/left -> [box]/right\n\
         9 files, 300.0 kB, 0 renames, 0 deletes, 0 conflicts, 0 problems in [time] (0 B sent, 0 B received)\n"
    );
    assert_alike(sandbox.path("left"), sandbox.path("right"));
    let second = sandbox.alike(["mirror", "left/", "right/"]).expect(0);
    assert_eq!((second.stdout.as_str(), second.stderr.as_str()), ("[box]/left -> [box]/right\nalike\n", ""));
}

#[test]
fn a_diff_prints_what_a_mirror_does_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let (left, right) = one_of_each(&sandbox);
    let copy = sandbox.path("copy");
    let copied = std::process::Command::new("cp").arg("-a").arg(right.path()).arg(&copy).status().expect("cp");
    assert!(copied.success());
    let wanted = format!("[box]/left -> [box]/right\n{LINES}{COUNTS}");
    let diff = sandbox.alike(["diff", "--mirror", "left", "right"]).expect(1);
    assert_eq!((diff.timeless(), diff.stderr.as_str()), (wanted.clone(), ""));
    let dry = sandbox.alike(["mirror", "-n", "left", "right"]).expect(1);
    assert_eq!(dry.timeless(), wanted);
    assert_alike(&copy, right.path());
    assert!(!right.has(".alike"), "a diff writes nothing in a root");

    let run = sandbox.alike(["mirror", "-v", "left", "right"]).expect(0);
    assert_eq!(run.timeless(), wanted);
    assert_alike(left.path(), right.path());
    let again = sandbox.alike(["diff", "--mirror", "left", "right"]).expect(0);
    assert_eq!(again.stdout, "[box]/left -> [box]/right\nalike\n");
}

#[test]
fn itemize_prints_as_rsync_does() {
    let sandbox = Sandbox::new();
    one_of_each(&sandbox);
    let outcome = sandbox.alike(["mirror", "-i", "left", "right"]).expect(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines.contains(&">f.st...... changed"), "{}", outcome.stdout);
    assert!(lines.contains(&"*deleting   extra"), "{}", outcome.stdout);
    assert!(lines.contains(&"cd+++++++++ new/"), "{}", outcome.stdout);
    assert!(lines.contains(&">f+++++++++ new/file"), "{}", outcome.stdout);
    assert!(lines.contains(&"cL+++++++++ new/link -> file"), "{}", outcome.stdout);
    assert!(lines.contains(&".f...p..... mode"), "{}", outcome.stdout);
    assert!(lines.contains(&".f..t...... touched"), "{}", outcome.stdout);
    assert!(lines.iter().any(|line| line.ends_with(" after <- before")), "{}", outcome.stdout);
}

#[test]
fn json_has_its_shape_and_nothing_else_is_printed() {
    let sandbox = Sandbox::new();
    one_of_each(&sandbox);
    let outcome = sandbox.alike(["mirror", "--json", "left", "right"]).expect(0);
    assert_eq!(outcome.stderr, "");
    let events = outcome.json();
    assert!(events.iter().all(|event| event["v"] == 1));
    assert_eq!(
        events[0],
        json!({"v": 1, "type": "header", "verb": "mirror", "left": "[box]/left", "right": "[box]/right",
               "direction": "right", "dry_run": false, "quick": false})
    );
    let actions = outcome.events("action");
    assert_eq!(
        actions,
        [
            json!({"v":1,"type":"action","op":"rename","side":"right","path":"after","bytes":0,"from":"before"}),
            json!({"v":1,"type":"action","op":"update","side":"right","path":"changed","bytes":4}),
            json!({"v":1,"type":"action","op":"delete","side":"right","path":"extra","bytes":0}),
            json!({"v":1,"type":"action","op":"metadata","side":"right","path":"mode","bytes":0}),
            json!({"v":1,"type":"action","op":"mkdir","side":"right","path":"new","bytes":0}),
            json!({"v":1,"type":"action","op":"create","side":"right","path":"new/file","bytes":1500}),
            json!({"v":1,"type":"action","op":"create","side":"right","path":"new/link","bytes":0}),
            json!({"v":1,"type":"action","op":"metadata","side":"right","path":"touched","bytes":0}),
        ]
    );
    let mut summary = outcome.summary();
    assert!(summary["seconds"].as_f64().expect("seconds") > 0.0);
    assert_eq!(summary["left"], summary["right"], "after the run both roots are alike");
    assert_eq!(summary["left"]["top"].as_str().expect("a digest").len(), 64);
    assert_eq!(summary["left"]["entries"], 8);
    for field in ["seconds", "left", "right"] {
        summary[field] = json!(null);
    }
    assert_eq!(
        summary,
        json!({"v": 1, "type": "summary", "alike": true, "left": null, "right": null, "files": 3, "bytes": 1504,
               "renames": 1, "deletes": 1, "conflicts": 0, "problems": 0, "sent": 0, "received": 0, "reused": 0,
               "round_trips": 0, "seconds": null})
    );
}

#[test]
fn names_that_are_not_text_are_shown_escaped_and_carried_whole() {
    let sandbox = Sandbox::new();
    let left = sandbox.tree("left");
    sandbox.tree("right");
    left.file(odd_name(), b"1").file("line\nend", b"22");
    let diff = sandbox.alike(["diff", "--mirror", "left", "right"]).expect(1);
    assert!(diff.stdout.contains("\n>+ caf\\xe9\\xff  1 B\n"), "{}", diff.stdout);
    assert!(diff.stdout.contains("\n>+ line\\nend  2 B\n"), "{}", diff.stdout);

    let json = sandbox.alike(["diff", "--mirror", "--json", "left", "right"]).expect(1);
    let actions = json.events("action");
    assert_eq!((&actions[0]["path_b64"], &actions[0]["path"]), (&json!("Y2Fm6f8="), &json!("caf\u{fffd}\u{fffd}")));
    assert_eq!((&actions[1]["path_b64"], &actions[1]["path"]), (&json!(null), &json!("line\nend")));

    let names = sandbox.alike(["diff", "--mirror", "-0", "left", "right"]).expect(1);
    assert_eq!(names.raw, [odd_name().as_bytes(), b"\0line\nend\0"].concat());
    let names = sandbox.alike(["diff", "--mirror", "--name-only", "left", "right"]).expect(1);
    assert_eq!(names.stdout, "caf\\xe9\\xff\nline\\nend\n");
    sandbox.alike(["mirror", "left", "right"]).expect(0);
    assert_alike(left.path(), sandbox.path("right"));
}

#[test]
fn stat_counts_by_the_first_component() {
    let sandbox = Sandbox::new();
    one_of_each(&sandbox);
    let outcome = sandbox.alike(["diff", "--mirror", "--stat", "left", "right"]).expect(1);
    let line = |name: &str| outcome.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert_eq!(line("new "), "new             3         0         0         0         0     1.5 kB");
    assert_eq!(line("extra"), "extra           0         0         0         0         1        0 B");
}

#[test]
fn stats_prints_exact_figures_before_the_last_line() {
    let sandbox = Sandbox::new();
    one_of_each(&sandbox);
    let outcome = sandbox.alike(["mirror", "--stats", "left", "right"]).expect(0);
    for figure in ["files          3", "bytes          1504 B (1.5 kB)", "metadata only  2", "left entries   8"] {
        assert!(outcome.stdout.lines().any(|line| line == figure), "{figure}\n{}", outcome.stdout);
    }
    assert_eq!(outcome.timeless().lines().last(), COUNTS.lines().last());
}

#[test]
fn quiet_prints_nothing_where_nothing_is_wrong() {
    let sandbox = Sandbox::new();
    one_of_each(&sandbox);
    let diff = sandbox.alike(["diff", "--mirror", "-q", "left", "right"]).expect(1);
    assert_eq!((diff.stdout.as_str(), diff.stderr.as_str()), ("", ""));
    let mut command = sandbox.command(["mirror", "-v", "left", "right"]);
    let run = sandbox.run(command.env("ALIKE_QUIET", "yes")).expect(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert_alike(sandbox.path("left"), sandbox.path("right"));
}

#[test]
fn what_rsync_users_type_works() {
    let sandbox = Sandbox::new();
    sandbox.tree("left").sampler();
    sandbox.alike(["mirror", "-avzhHAXS", "--stats", "-r", "--archive", "left/", "right/"]).expect(0);
    assert_alike(sandbox.path("left"), sandbox.path("right"));
}

#[test]
fn a_missing_source_is_named() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.alike(["mirror", "photos", "right"]).expect(3);
    assert_eq!(
        outcome.stderr,
        "error: cannot open the directory `photos`\n\
         cause: no such file or directory\n\
         hint: the first argument is the source\n"
    );
    assert!(!sandbox.path("right").exists(), "nothing is made for a source that is not there");
    sandbox.tree("left").file("a", b"a");
    let outcome = sandbox.alike(["mirror", "left/a", "right"]).expect(3);
    assert_eq!(outcome.stderr, "error: `left/a` is not a directory\nhint: the first argument is the source\n");
}

#[test]
fn a_missing_parent_is_made_only_with_mkpath() {
    let sandbox = Sandbox::new();
    sandbox.tree("left").file("a", b"a");
    let outcome = sandbox.alike(["mirror", "left", "x/y/z"]).expect(3);
    assert_eq!(
        outcome.stderr,
        "error: cannot make the directory `x/y/z`\n\
         cause: no such file or directory\n\
         hint: `--mkpath` makes what is missing above the target\n"
    );
    sandbox.alike(["mirror", "--mkpath", "left", "x/y/z"]).expect(0);
    assert_alike(sandbox.path("left"), sandbox.path("x/y/z"));
}

#[test]
fn roots_that_hold_each_other_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.tree("left").directory("inner");
    for (source, target) in [("left", "left"), ("left", "left/inner"), ("left/inner", "left")] {
        let outcome = sandbox.alike(["mirror", source, target]).expect(2);
        assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("\nhint: "), "{}", outcome.stderr);
        assert_eq!(outcome.stderr, outcome.stderr.to_lowercase(), "errors are in lower case");
    }
}

#[test]
fn many_deletes_are_held_back_until_they_are_said_to_be_meant() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    for number in 0..30 {
        right.file(format!("old{number}"), b"old");
    }
    left.file("new", b"new");
    let outcome = sandbox.alike(["mirror", "left", "right"]).expect(25);
    assert!(outcome.stderr.contains("--max-delete"), "{}", outcome.stderr);
    assert!(right.has("old0") && right.has("old29"), "held back");
    let outcome = sandbox.alike(["mirror", "--json", "left", "right"]).expect(25);
    assert_eq!(outcome.summary()["alike"], false);
    sandbox.alike(["mirror", "--max-delete=100%", "left", "right"]).expect(0);
    assert_alike(left.path(), right.path());
    assert!(right.has(".alike/trash"), "what was deleted is in the trash");
}

#[test]
fn extras_stay_with_keep_extra() {
    let sandbox = Sandbox::new();
    let (left, right) = one_of_each(&sandbox);
    let outcome = sandbox.alike(["mirror", "-v", "--keep-extra", "left", "right"]).expect(0);
    assert!(!outcome.stdout.contains(">-"), "{}", outcome.stdout);
    assert_eq!(right.read("extra"), b"extra!");
    assert_eq!(right.read("after"), left.read("after"));
}

#[test]
fn patterns_count_in_their_order_and_what_they_leave_out_stays() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("a.o", b"1").file("keep.o", b"2").file("b.c", b"3").file("#x#", b"4").file("from.tmp", b"5");
    right.file("stays.o", b"6");
    fs::write(sandbox.path("patterns"), "# comment\n*.tmp\n").expect("a file");
    let filter = ["--exclude=*.o", "--include=keep.o", "--exclude=#*#", "--exclude-from=patterns"];
    let outcome = sandbox.alike(["mirror", "left", "right"].iter().chain(&filter)).expect(0);
    assert_eq!(outcome.stderr, "");
    let mut names: Vec<_> = fs::read_dir(right.path()).expect("there").map(|e| e.expect("there").file_name()).collect();
    names.retain(|name| name != ".alike");
    names.sort();
    assert_eq!(names, ["b.c", "keep.o", "stays.o"]);
    let mut command = sandbox.command(["diff", "--mirror", "--name-only", "left", "right"]);
    let outcome = sandbox.run(command.env("ALIKE_EXCLUDE", "*.o\n*.tmp\n")).expect(1);
    assert_eq!(outcome.stdout, "#x#\n");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let sandbox = Sandbox::new();
    let left = sandbox.tree("left");
    sandbox.tree("right");
    for number in 0..3000 {
        left.file(format!("a-file-with-a-rather-long-name-{number:05}"), b"");
    }
    let mut command = sandbox.command(["diff", "--mirror", "left", "right"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert!(ended.status.code().is_some_and(|code| code == 20 || code == 1), "{:?}", ended.status);
}

#[test]
fn output_that_cannot_be_stored_is_a_failure() {
    let sandbox = Sandbox::new();
    one_of_each(&sandbox);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let mut command = sandbox.command(["diff", "--mirror", "left", "right"]);
    let ended = command.stdout(full).stderr(Stdio::piped()).output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(said, "error: cannot write to standard output\ncause: no space left on device\n");
    assert_eq!(ended.status.code(), Some(3));
}

#[test]
fn an_empty_directory_mirrors_into_an_empty_one() {
    let sandbox = Sandbox::new();
    sandbox.tree("left");
    let outcome = sandbox.alike(["mirror", "left", "right"]).expect(0);
    assert!(["alike", NOTHING].iter().any(|line| outcome.last_line().starts_with(line)), "{}", outcome.stdout);
    assert!(sandbox.path("right").is_dir());
}

#[test]
fn an_interrupt_keeps_what_was_done_and_the_next_run_goes_on() {
    let sandbox = Sandbox::new();
    let left = sandbox.tree("left");
    for number in 0..4000 {
        left.file(format!("{:02}/{number}", number % 40), pattern(5000, number));
    }
    let right = Tree::at(sandbox.path("right"));
    let mut command = sandbox.command(["mirror", "--fsync=each", "left", "right"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    while !right.has(".alike") {
        assert!(child.try_wait().expect("it runs").is_none(), "it ended before it began to write");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    harness::await_handler(&child, rustix::process::Signal::INT);
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it runs");
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(20), "{said}");
    assert_eq!(
        said,
        "interrupted: stopping after the files in flight; once more stops at once\n\
         error: interrupted\n\
         hint: what was done is kept: the same command goes on from there\n"
    );
    sandbox.alike(["mirror", "left", "right"]).expect(0);
    assert_alike(left.path(), right.path());
}
