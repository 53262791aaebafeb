//! What of a file is here already does not come again: edits of large files, files that were renamed and edited, and what an
//! earlier run left. Through a real ssh; the bytes are those that the run itself counts.

mod harness;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use harness::tree::pattern;
use harness::{Far, Outcome, Tree, assert_alike};
use rustix::process::{Pid, Signal, kill_process};

const MIB: usize = 1 << 20;

/// Two trees, and the three ways from one to the other.
struct Pair<'a> {
    far: &'a Far,
    source: Tree,
    target: Tree,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    Push,
    Pull,
    Sync,
}

const WAYS: [Way; 3] = [Way::Push, Way::Pull, Way::Sync];

impl<'a> Pair<'a> {
    fn new(far: &'a Far, name: &str) -> Pair<'a> {
        let tree = |side: &str| far.sandbox.tree(&format!("{name}-{side}"));
        Pair { far, source: tree("source"), target: tree("target") }
    }

    fn command(&self, way: Way) -> Command {
        let (source, target) = (self.source.text(), self.target.text());
        let (verb, from, to) = match way {
            Way::Push => ("mirror", source.to_owned(), self.far.at(&self.target)),
            Way::Pull => ("mirror", self.far.at(&self.source), target.to_owned()),
            Way::Sync => ("sync", source.to_owned(), self.far.at(&self.target)),
        };
        self.far.command([verb, "--json", "--max-delete=100%", &from, &to])
    }

    /// Runs to the end, and insists that both trees are alike and nothing is left over.
    #[track_caller]
    fn run(&self, way: Way) -> Outcome {
        let outcome = self.far.sandbox.run(&mut self.command(way)).expect(0);
        assert_alike(self.source.path(), self.target.path());
        assert_no_litter(&self.target);
        outcome
    }
}

#[track_caller]
fn assert_no_litter(tree: &Tree) {
    for place in ["staging", "parts"] {
        assert!(!tree.has(format!(".alike/{place}")), "litter in {place}");
    }
}

fn moved(outcome: &Outcome) -> usize {
    let summary = outcome.summary();
    let number = |field: &str| summary[field].as_u64().expect("a number") as usize;
    number("sent") + number("received")
}

#[test]
fn an_edit_of_a_large_file_costs_little_more_than_what_is_new() {
    let Some(far) = Far::in_memory() else { return };
    let old = pattern(9 * MIB, 1);
    let half = old.len() / 2 + 12_345;
    let mut overwritten = old.clone();
    overwritten[5 * MIB..5 * MIB + 4096].copy_from_slice(&pattern(4096, 2));
    let cases: [(&str, Vec<u8>, usize); 6] = [
        ("4 KiB overwritten", overwritten, 4096),
        ("a byte inserted", [&old[..half], b"x", &old[half..]].concat(), 1),
        ("1 MiB in front", [&pattern(MIB, 3)[..], &old].concat(), MIB),
        ("1 MiB behind", [&old[..], &pattern(MIB, 4)].concat(), MIB),
        ("cut short", old[..8 * MIB + 1000].to_vec(), 0),
        ("halves swapped", [&old[half..], &old[..half]].concat(), 0),
    ];
    for way in WAYS {
        let pair = Pair::new(&far, &format!("{way:?}"));
        pair.source.file("large", &old).file("small", b"small");
        pair.run(way);
        for (name, new, fresh) in &cases {
            pair.source.file("large", new);
            let there = moved(&pair.run(way));
            pair.source.file("large", &old);
            let back = moved(&pair.run(way));
            assert!(there < fresh + 60_000, "{way:?}, {name}: {there} bytes");
            assert!(back < MIB + 60_000, "{way:?}, {name}, and back: {back} bytes");
        }
    }
}

#[test]
fn a_file_that_was_renamed_and_edited_is_made_of_the_one_that_goes() {
    let Some(far) = Far::in_memory() else { return };
    for way in [Way::Push, Way::Pull] {
        let pair = Pair::new(&far, &format!("{way:?}"));
        let old = pattern(9 * MIB, 1);
        let new = [&old[..MIB], b"inserted", &old[MIB..]].concat();
        pair.source.file("old/data.bin", &old).file("old/data.img", pattern(9 * MIB, 2));
        pair.run(way);
        pair.source.remove("old/data.bin").file("new/data.bin", &new);
        assert!(moved(&pair.run(way)) < 60_000, "{way:?}: another directory");
        pair.source.remove("new/data.bin").file("new/other.bin", &old);
        assert!(moved(&pair.run(way)) < 60_000, "{way:?}: another name");
    }
}

/// Starts a run and kills it, or its far side, when so many bytes have come; how many those were.
fn kill_at(pair: &Pair<'_>, way: Way, whom: Whom, bytes: u64) -> u64 {
    let mut command = pair.command(way);
    // So slow that it is told of several times on its way.
    command.args(["--bwlimit", "40M"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the command starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let progress = |line: String| {
        let event: serde_json::Value = serde_json::from_str(&line).expect("an object a line");
        event["bytes"].as_u64().filter(|&came| event["type"] == "progress" && came >= bytes)
    };
    let came = lines.filter_map(progress).next().expect("the transfer gets under way");
    match whom {
        Whom::Here => kill_process(Pid::from_child(&child), Signal::KILL).expect("it runs"),
        Whom::There => assert!(pair.far.signal(Signal::KILL) > 0),
    }
    child.wait().expect("it ends");
    pair.far.assert_gone();
    came
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Whom {
    Here,
    There,
}

#[test]
fn what_came_before_a_kill_is_not_sent_again() {
    let Some(far) = Far::in_memory() else { return };
    let size = 120 * MIB;
    for (way, whom) in
        [(Way::Push, Whom::There), (Way::Pull, Whom::Here), (Way::Push, Whom::Here), (Way::Sync, Whom::There)]
    {
        let pair = Pair::new(&far, &format!("{way:?}-{whom:?}"));
        pair.source.file("large", pattern(size, 9));
        let came = kill_at(&pair, way, whom, 30 << 20);
        let outcome = pair.run(way);
        let rest = moved(&outcome);
        let reused = outcome.summary()["reused"].as_u64().expect("bytes");
        assert!(reused > came / 2, "{way:?}, {whom:?}: {reused} bytes of {came} were reused");
        let again = (rest as u64 + came).saturating_sub(size as u64);
        assert!(again < size as u64 / 20, "{way:?}, {whom:?}: {came} bytes had come, {rest} more were moved");
        fs::remove_dir_all(pair.source.path()).and_then(|()| fs::remove_dir_all(pair.target.path())).expect("removed");
    }
}

#[test]
fn remains_that_are_wrong_or_no_longer_wanted_do_no_harm_and_go() {
    let Some(far) = Far::in_memory() else { return };
    let (large, medium) = (pattern(9 * MIB, 1), pattern(200_000, 2));
    let name = |bytes: &[u8]| format!(".alike/parts/{}", alike::model::Digest::of_content(bytes));
    for way in WAYS {
        let pair = Pair::new(&far, &format!("{way:?}"));
        let mut torn = large.clone();
        torn[3 * MIB..4 * MIB].fill(0);
        torn.truncate(8 * MIB);
        pair.source
            .file("large", &large)
            .file("medium", &medium)
            .file("twin", &large)
            .file("as it was", pattern(MIB, 5));
        pair.target.file(name(&large), &torn).file(name(&medium), pattern(200_000, 7));
        pair.target.mode(name(&large), 0o400).file(name(b"nobody wants this"), pattern(MIB, 3));
        pair.target.file(name(&pattern(MIB, 5)), pattern(MIB, 5)).mtime(name(&pattern(MIB, 5)), 1_000_000, 0);
        let bytes = moved(&pair.run(way));
        assert!(bytes < 2 * MIB + large.len() + medium.len() + 200_000, "{way:?}: {bytes}");
        // A run that has nothing to do removes what was left.
        pair.target.file(name(b"nobody wants this"), pattern(MIB, 3));
        pair.run(way);
    }
}

#[test]
fn a_part_that_a_crash_left_with_a_second_name_is_not_written_to() {
    let Some(far) = Far::in_memory() else { return };
    let pair = Pair::new(&far, "names");
    let (old, new) = (pattern(9 * MIB, 1), pattern(9 * MIB, 2));
    let part = format!(".alike/parts/{}", alike::model::Digest::of_content(&new));
    pair.source.file("kept", &old).file("large", &new);
    pair.target.file("kept", &old).hard_link(part, "kept");
    for tree in [&pair.source, &pair.target] {
        tree.mtime("kept", 1_000_000_000, 0);
    }
    pair.run(Way::Push);
    assert!(pair.target.read("kept") == old);
}

#[test]
fn a_file_that_changes_while_it_is_compared_never_arrives_mixed() {
    let Some(far) = Far::in_memory() else { return };
    let pair = Pair::new(&far, "busy");
    let versions: Vec<Vec<u8>> = (0..4).map(|version| vec![version; 9 * MIB]).collect();
    pair.source.file("busy", &versions[0]);
    pair.run(Way::Push);
    let writing = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if !writing.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                pair.source.file("busy", &versions[round % versions.len()]);
            }
        });
        for round in 0..6 {
            let outcome = pair.far.sandbox.run(&mut pair.command(Way::Push));
            assert!([0, 24].contains(&outcome.code), "{round}: {}", outcome.stderr);
            let found = pair.target.read("busy");
            let torn = found.iter().any(|byte| Some(byte) != found.first());
            assert!(!torn && !found.is_empty(), "torn in round {round}");
        }
        writing.store(false, std::sync::atomic::Ordering::Relaxed);
    });
    pair.run(Way::Push);
}
