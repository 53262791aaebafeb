//! What of a file is here already does not come again: edits of large files, files that were renamed and edited, and what an
//! earlier run left. Through a real ssh; the bytes are those that the run itself counts.

mod harness;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::far::await_that;
use harness::mounted::mount;
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
    let third = 3 * MIB + 777;
    let twice = [&old[..third], b"xyz", &old[third..half], &pattern(20_000, 5), &old[half..]].concat();
    let mut grown = overwritten.clone();
    grown.extend_from_slice(&pattern(MIB, 6));
    let cases: [(&str, Vec<u8>, usize); 10] = [
        ("4 KiB overwritten", overwritten, 4096),
        ("a byte inserted", [&old[..half], b"x", &old[half..]].concat(), 1),
        ("1 MiB in front", [&pattern(MIB, 3)[..], &old].concat(), MIB),
        ("1 MiB behind", [&old[..], &pattern(MIB, 4)].concat(), MIB),
        ("cut short", old[..8 * MIB + 1000].to_vec(), 0),
        ("halves swapped", [&old[half..], &old[..half]].concat(), 0),
        ("a stretch taken out", [&old[..third], &old[third + 70_000..]].concat(), 0),
        ("inserted in two places", twice, 20_003),
        ("overwritten and longer", grown, 4096 + MIB),
        ("zeros inserted", [&old[..third], &vec![0; MIB], &old[third..]].concat(), 0),
    ];
    for way in WAYS {
        let pair = Pair::new(&far, &format!("{way:?}"));
        pair.source.file("large", &old).file("small", b"small");
        pair.run(way);
        // Where the two ends are makes no difference to what is found.
        let many = if way == Way::Push { cases.len() } else { 6 };
        for (name, new, fresh) in &cases[..many] {
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
fn a_byte_in_each_of_many_files_costs_little_and_so_does_an_edited_copy() {
    let Some(far) = Far::in_memory() else { return };
    let pair = Pair::new(&far, "many");
    let files: Vec<Vec<u8>> = (1..=6).map(|number| pattern(9 * MIB, number)).collect();
    for (number, bytes) in files.iter().enumerate() {
        pair.source.file(format!("f{number}"), bytes);
    }
    pair.run(Way::Push);
    for (number, bytes) in files.iter().enumerate() {
        let mut edited = bytes.clone();
        edited[number * MIB + 5] ^= 1;
        pair.source.file(format!("f{number}"), edited);
    }
    let bytes = moved(&pair.run(Way::Push));
    assert!(bytes < 6 * 12_000, "{bytes} bytes came");
    let pair = Pair::new(&far, "copy");
    let mut bytes = pattern(65 * MIB, 9);
    pair.source.file("images/disk-1.img", &bytes).file("images/other.img", pattern(MIB, 2));
    pair.run(Way::Push);
    bytes[40 * MIB..40 * MIB + 4096].fill(7);
    pair.source.file("images/disk-2.img", &bytes);
    let sent = moved(&pair.run(Way::Push));
    assert!(sent < MIB, "{sent} bytes came");
}

/// Bytes of a file in blocks that it shares with another, as the file system tells.
fn shared_bytes(file: &Path) -> u64 {
    let output =
        std::process::Command::new("filefrag").args(["-s", "-v", "-b4096"]).arg(file).output().expect("filefrag runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let extents = text.lines().filter(|line| line.split([' ', ',']).any(|word| word == "shared"));
    let blocks = |line: &str| line.split(':').nth(3).and_then(|blocks| blocks.trim().parse::<u64>().ok());
    extents.map(|line| 4096 * blocks(line).unwrap_or_else(|| panic!("the length of an extent: {line}"))).sum()
}

#[test]
fn a_new_version_shares_its_blocks_with_the_old_one_and_its_holes_stay_holes() {
    let Some(far) = Far::in_memory() else { return };
    for kind in ["xfs", "btrfs"] {
        let Some(mounted) = mount(&far.sandbox, kind, 512) else { return };
        let pair = Pair {
            far: &far,
            source: far.sandbox.tree(&format!("{kind}-source")),
            target: Tree::at(mounted.at.join("root")),
        };
        let solid = 12 * MIB;
        let old = [pattern(4 * MIB, 1), vec![0; 4 * MIB], pattern(8 * MIB, 2)].concat();
        let mut overwritten = old.clone();
        overwritten[solid..solid + 4096].copy_from_slice(&pattern(4096, 3));
        let half = 10 * MIB;
        let cases: [(&str, Vec<u8>); 3] = [
            ("4 KiB overwritten", overwritten),
            ("1 MiB in front", [&pattern(MIB, 4)[..], &old].concat()),
            ("halves swapped", [&old[half..], &old[..half]].concat()),
        ];
        for (name, new) in cases {
            pair.source.file("large", &old);
            pair.run(Way::Push);
            // Another copy of it, so that the old version is whole wherever its blocks are.
            let bytes = fs::metadata(pair.target.join("large")).expect("there").blocks() * 512;
            assert!(bytes < (solid + MIB) as u64, "{kind}, {name}: the hole came as {bytes} bytes");
            pair.source.file("large", &new);
            let sent = moved(&pair.run(Way::Push));
            assert!(sent < 2 * MIB, "{kind}, {name}: {sent} bytes came");
            let (shared, there) = (shared_bytes(&pair.target.join("large")), pair.target.join("large"));
            assert!(shared > 10 * MIB as u64, "{kind}, {name}: {shared} bytes are shared");
            let bytes = fs::metadata(there).expect("there").blocks() * 512;
            assert!(bytes < (solid + 2 * MIB) as u64, "{kind}, {name}: the hole was filled, {bytes} bytes");
        }
    }
}

#[test]
fn what_came_before_the_disk_was_full_is_not_sent_again() {
    let Some(far) = Far::in_memory() else { return };
    let Some(mounted) = mount(&far.sandbox, "tmpfs", 64) else { return };
    let size = 40 * MIB;
    let pair = Pair { far: &far, source: far.sandbox.tree("source"), target: Tree::at(mounted.at.join("target")) };
    pair.source.file("large", pattern(size, 7));
    let mut command = pair.command(Way::Push);
    let child = command.args(["--bwlimit", "6M"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let child = child.expect("the command starts");
    // The room ends while the file is on its way: whoever asked before found enough.
    await_that("a part of the file comes", || {
        let room = rustix::fs::statvfs(mounted.at.as_path()).expect("it is mounted");
        (room.f_blocks - room.f_bfree) * room.f_frsize >= 4 << 20
    });
    let filling = mounted.at.join("filling");
    fs::write(&filling, vec![1; 64 * MIB]).expect_err("the disk is full");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(23), "{}", String::from_utf8_lossy(&output.stdout));
    fs::remove_file(&filling).expect("removed");
    let last = String::from_utf8(output.stdout).expect("text");
    let summary: serde_json::Value = serde_json::from_str(last.lines().last().expect("a summary")).expect("an object");
    let came = summary["sent"].as_u64().expect("bytes");
    assert!(came > 4 << 20 && came < size as u64, "{came} bytes came");
    let outcome = pair.run(Way::Push);
    let reused = outcome.summary()["reused"].as_u64().expect("bytes");
    // Of what was sent, some was on its way when there was no more room for it.
    assert!(came.saturating_sub(reused) < size as u64 / 20 + (2 << 20), "{came} bytes came, and {reused} were of use");
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
        let reused = pair.run(way).summary()["reused"].as_u64().expect("bytes");
        // Not what the wire says: a busy machine loses packets, which are sent again.
        let again = came.saturating_sub(reused);
        assert!(again < size as u64 / 20, "{way:?}, {whom:?}: {came} bytes had come, {reused} of them were of use");
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
