//! Whole runs through a real ssh, where nothing goes wrong: what arrives, what is told, what it costs on the wire.

mod harness;

use std::fs;
use std::os::unix::fs::FileExt;

use harness::far::{await_that, inside};
use harness::judge::odd_name;
use harness::tree::pattern;
use harness::{Far, Outcome, Tree, assert_alike};
use serde_json::Value;

/// Everything that a tree can hold.
fn rich(tree: &Tree) {
    let numbers = ["user.one", "user.two"];
    tree.sampler()
        .file("large", pattern(20 << 20, 3))
        .hard_link("docs/deep/large too", "large")
        .file(odd_name(), b"odd")
        .file("a\\b/-rf", b"dash")
        .file("docs/other", pattern(70_000, 9))
        .mtime("large", 1_234_567_890, 1)
        .mtime("a\\b", -1_000_000, 7);
    for name in numbers {
        tree.xattr("docs/big.bin", name, pattern(300, 4)).xattr("docs", name, b"of a directory");
    }
    let sparse = fs::File::create(tree.join("sparse")).expect("a new file");
    sparse.set_len(30 << 20).expect("a length");
    sparse.write_all_at(b"in the middle", 11_000_001).expect("written");
    tree.mtime("docs", 999, 999);
}

/// What the target holds before: some of it, old, elsewhere, of other kinds, and more.
fn stale(tree: &Tree) {
    tree.file("hello.txt", b"older\n")
        .file("docs/was-other", pattern(70_000, 9))
        .file("bare", b"a file where a directory shall be")
        .file("extra/deep/file", b"extra")
        .directory("script")
        .link("empty", "hello.txt")
        .file("large", pattern(20 << 20, 5));
}

/// The actions as `op path`, in the order told.
fn ops(outcome: &Outcome) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = outcome.events("action");
    events
        .iter()
        .map(|event| format!("{} {} {}", text(&event["op"]), text(&event["path"]), text(&event["from"])))
        .collect()
}

fn number(outcome: &Outcome, field: &str) -> u64 {
    outcome.summary()[field].as_u64().unwrap_or_else(|| panic!("{field}"))
}

/// Runs diff, mirror, mirror and diff, and insists on what each says.
fn assert_mirrors(far: &Far, source: &str, target: &str, trees: (&Tree, &Tree)) {
    let all = "--max-delete=100%";
    let before = far.alike(["diff", "--mirror", "--json", all, source, target]).expect(1);
    let run = far.alike(["mirror", "--json", all, source, target]).expect(0);
    assert_alike(trees.0.path(), trees.1.path());
    assert_eq!(ops(&before), ops(&run));
    assert!(ops(&run).len() > 10, "{:?}", ops(&run));
    assert_eq!(run.summary()["alike"], true);
    for verb in [&["mirror"][..], &["diff", "--mirror"]] {
        let again = far.alike(verb.iter().copied().chain(["--json", source, target])).expect(0);
        assert_eq!(ops(&again), [""; 0]);
        assert_eq!(again.summary()["alike"], true);
        assert_eq!(number(&again, "round_trips"), 1);
    }
    far.assert_gone();
    assert!(!trees.1.has(".alike/staging"), "litter");
}

#[test]
fn a_push_makes_the_far_target_alike_and_says_what_a_diff_foretold() {
    let Some(far) = Far::start() else { return };
    let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
    rich(&source);
    stale(&target);
    assert_mirrors(&far, source.text(), &far.at(&target), (&source, &target));
}

#[test]
fn a_pull_makes_the_local_target_alike_and_says_what_a_diff_foretold() {
    let Some(far) = Far::start() else { return };
    let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
    rich(&source);
    stale(&target);
    assert_mirrors(&far, &far.at(&source), target.text(), (&source, &target));
}

#[test]
fn holes_stay_holes_on_the_way() {
    use std::os::unix::fs::MetadataExt;
    let Some(far) = Far::start() else { return };
    let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
    rich(&source);
    far.alike(["mirror", source.text(), &far.at(&target)]).expect(0);
    let stat = fs::metadata(target.join("sparse")).expect("it is there");
    assert!(stat.blocks() * 512 < 4 << 20, "{} blocks", stat.blocks());
}

#[test]
fn a_host_alias_of_the_users_configuration_is_understood_and_the_carrier_is_named() {
    let Some(far) = Far::start() else { return };
    let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
    source.sampler();
    let program = far.program.display().to_string();
    let (ssh, at) = (far.sshd.alias_command(), format!("alias:{}", target.text()));
    let run = far.sandbox.alike(["mirror", "-v", "-e", &ssh, "--remote-bin", &program, source.text(), &at]).expect(0);
    assert_alike(source.path(), target.path());
    let told = format!("{}{}", run.stdout, run.stderr);
    assert!(told.contains("QUIC"), "{told}");
}

#[test]
fn where_udp_is_blocked_the_pipe_carries_it_and_that_is_remembered() {
    let rules = "table inet t { chain out { type filter hook output priority 0; udp dport != 53 counter drop; }; }";
    let setup = format!("ip link set lo up && nft '{rules}'");
    if !inside("where_udp_is_blocked_the_pipe_carries_it_and_that_is_remembered", "-n", &setup) {
        return;
    }
    let Some(far) = Far::start() else { return };
    let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
    rich(&source);
    let mirror = || {
        let outcome = far.alike(["mirror", "-v", source.text(), &far.at(&target)]).expect(0);
        assert_alike(source.path(), target.path());
        format!("{}{}", outcome.stdout, outcome.stderr)
    };
    let told = mirror();
    assert!(told.contains("not reached over UDP"), "{told}");
    assert!(told.contains("through ssh"), "{told}");
    source.file("hello.txt", b"anew");
    let told = mirror();
    assert!(told.contains("through ssh"), "{told}");
    // The note comes where UDP was waited for.
    assert!(!told.contains("not reached over UDP"), "{told}");
    let back = far.sandbox.tree("back");
    far.alike(["mirror", &far.at(&source), back.text()]).expect(0);
    assert_alike(source.path(), back.path());
}

/// 20,000 tiny files, 10,000 and the same in each tree.
fn many(left: &Tree, right: &Tree) {
    for at in 0..10_000 {
        let path = format!("d{}/e{}/f/g/h/{at}", at % 20, at % 7);
        for tree in [left, right] {
            tree.file(&path, at.to_string()).mtime(&path, 1_000_000_000 + at, 5);
        }
    }
    // Directories as they shall be.
    for tree in [left, right] {
        for outer in 0..20 {
            for inner in 0..7 {
                for below in ["/f/g/h", "/f/g", "/f", ""] {
                    tree.mtime(format!("d{outer}/e{inner}{below}"), 5, 5);
                }
            }
            tree.mtime(format!("d{outer}"), 5, 5);
        }
    }
}

#[test]
fn no_difference_costs_one_round_trip_and_few_bytes_and_one_file_little_more() {
    let Some(far) = Far::in_memory() else { return };
    let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
    many(&source, &target);
    let (there, here) = (far.at(&target), far.at(&source));
    for (from, to) in [(source.text(), there.as_str()), (here.as_str(), target.text())] {
        let same = far.alike(["mirror", "--json", from, to]).expect(0);
        assert_eq!(ops(&same), [""; 0]);
        assert_eq!(number(&same, "round_trips"), 1);
        let bytes = number(&same, "sent") + number(&same, "received");
        assert!(bytes < 6_000, "{bytes} bytes for nothing");
        source.file("d3/e3/f/g/h/3", pattern(5000, bytes));
        let one = far.alike(["mirror", "--json", from, to]).expect(0);
        assert_eq!(ops(&one), ["update d3/e3/f/g/h/3 "]);
        let bytes = number(&one, "sent") + number(&one, "received");
        assert!(bytes < 25_000, "{bytes} bytes for one file");
        assert_eq!(target.read("d3/e3/f/g/h/3"), source.read("d3/e3/f/g/h/3"));
    }
}

#[test]
fn small_files_are_asked_for_together() {
    let Some(far) = Far::in_memory() else { return };
    let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
    for at in 0..5000 {
        source.file(format!("d{}/{at}", at % 10), at.to_string());
    }
    let run = far.alike(["mirror", "--json", &far.at(&source), target.text()]).expect(0);
    assert_alike(source.path(), target.path());
    let sent = number(&run, "sent");
    assert!(sent < 5000 * 40 + 20_000, "{sent} bytes sent");
}

#[test]
fn a_quick_run_between_trees_that_were_never_hashed_brings_what_differs() {
    let Some(far) = Far::in_memory() else { return };
    let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
    for tree in [&source, &target] {
        tree.sampler().file("big", pattern(20 << 20, 1)).mtime("big", 77, 7);
        for path in ["docs/deep/er/note.md", "docs/big.bin", "script", "empty", "spaces and \u{e4}\u{f6}\n\"quotes\""] {
            tree.mtime(path, 50, 0);
        }
        for path in ["docs/deep/er", "docs/deep", "docs"] {
            tree.mtime(path, 60, 0);
        }
    }
    let change = |round: i64| {
        source.file("hello.txt", pattern(50, round as u64)).mtime("hello.txt", 500 + round, 0);
        source.file("docs/big.bin", pattern(300_001, round as u64)).mtime("docs/big.bin", 51 + round, 0);
        source.file("big", pattern((20 << 20) + 1, round as u64)).mtime("big", 78 + round, 0);
    };
    let (there, here) = (far.at(&target), far.at(&source));
    for (round, from, to) in [(1, here.as_str(), target.text()), (2, source.text(), there.as_str())] {
        change(round);
        let run = far.alike(["mirror", "--quick", "--json", from, to]).expect(0);
        assert_alike(source.path(), target.path());
        // One of the three has two names.
        assert_eq!(number(&run, "files"), 4, "{}", run.stdout);
        let again = far.alike(["mirror", "--quick", "--json", from, to]).expect(0);
        assert_eq!(ops(&again), [""; 0]);
    }
}

#[test]
fn a_relative_far_path_starts_at_the_home_directory() {
    let Some(far) = Far::start() else { return };
    let (source, home) = (far.sandbox.tree("source"), far.home());
    source.sampler();
    far.alike(["mirror", source.text(), "127.0.0.1:copy"]).expect(0);
    assert_alike(source.path(), home.join("copy"));
    for from in ["127.0.0.1:copy", "127.0.0.1:~/copy"] {
        let back = far.sandbox.path(&format!("back{}", from.len()));
        far.alike(["mirror", from, back.to_str().expect("a plain name")]).expect(0);
        assert_alike(source.path(), back);
    }
}

#[test]
fn a_missing_target_is_made_and_with_mkpath_what_is_above_it() {
    let Some(far) = Far::start() else { return };
    let source = far.sandbox.tree("source");
    source.sampler();
    let deep = far.sandbox.path("new/deep/target");
    let at = format!("127.0.0.1:{}", deep.display());
    for verb in [&["mirror"][..], &["diff", "--mirror"]] {
        let refused = far.alike(verb.iter().copied().chain([source.text(), &at])).expect(3);
        assert!(refused.stderr.contains("127.0.0.1: ") && refused.stderr.contains("[box]/new"), "{}", refused.stderr);
        assert!(refused.stderr.contains("--mkpath"), "{}", refused.stderr);
        assert!(!deep.parent().expect("a parent").exists());
    }
    far.alike(["mirror", "--mkpath", source.text(), &at]).expect(0);
    assert_alike(source.path(), &deep);
    await_that("every far process ended well or refused", || far.exits().len() == 3);
}
