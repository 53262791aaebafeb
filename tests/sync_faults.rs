//! Syncs that are killed: every path holds something that somebody wrote, the next run finishes alone, and nobody is in
//! conflict with himself.

mod harness;

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::tree::pattern;
use harness::{Far, Outcome, Sandbox, Tree, assert_alike};
use rustix::process::{Pid, Signal, kill_process};

const FILES: usize = 250;
/// Kills that must have hit a run: 200 in all. `ALIKE_TEST_KILLS` says another number for each of the two tests.
const KILLS_LOCAL: usize = 140;
const KILLS_THROUGH_SSH: usize = 60;

/// Two replicas and what was last written at each path.
struct World {
    left: Tree,
    right: Tree,
    /// The last content of each path, and everything that ever was in it.
    written: Vec<Vec<String>>,
    edits: usize,
}

impl World {
    fn new(sandbox: &Sandbox) -> World {
        let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
        let written = (0..FILES).map(|number| vec![format!("first {number}")]).collect();
        let world = World { left, right, written, edits: 0 };
        for number in 0..FILES {
            world.left.file(path(number), &world.written[number][0]);
        }
        world
    }

    fn sides(&self, on_left: bool) -> (&Tree, &Tree) {
        if on_left { (&self.left, &self.right) } else { (&self.right, &self.left) }
    }

    /// Edits every seventh path, on the side that has its newest content.
    fn edit(&mut self, round: usize) {
        for number in (round % 7..FILES).step_by(7) {
            let newest = self.written[number].last().expect("at least one").clone();
            let on_left = (number + round).is_multiple_of(2);
            let (first, second) = self.sides(on_left);
            let has = |tree: &Tree| fs::read(tree.join(path(number))).is_ok_and(|bytes| bytes == newest.as_bytes());
            let tree = if has(first) { first } else { second };
            assert!(has(tree), "{} is nowhere: {newest}", path(number));
            let next = format!("edit {} of {number}", self.edits);
            // As editors do: a file of its own, renamed over the old one; or in place.
            if number % 3 == 0 {
                fs::write(tree.join("in-the-making"), &next).expect("a file");
                tree.rename("in-the-making", path(number));
            } else {
                tree.file(path(number), &next);
            }
            self.written[number].push(next);
            self.edits += 1;
        }
    }

    /// Every path holds something that was written there, on both sides.
    fn check(&self, round: usize) {
        for tree in [&self.left, &self.right] {
            for (name, bytes) in tree.shown().into_iter().filter(|(_, bytes)| bytes != b"/") {
                let number = name.file_name().and_then(|name| name.to_str()?.parse::<usize>().ok());
                let number = number.unwrap_or_else(|| panic!("round {round}: {} in {}", name.display(), tree.text()));
                let bytes = String::from_utf8_lossy(&bytes);
                assert!(self.written[number].iter().any(|known| *known == bytes), "round {round}: {name:?} {bytes}");
            }
        }
    }

    /// Both sides show the newest of everything and nothing else.
    fn check_end(&self) {
        let shown = self.left.shown();
        assert_eq!(shown, self.right.shown());
        for number in 0..FILES {
            let newest = self.written[number].last().expect("at least one");
            assert_eq!(shown[Path::new(&path(number))], newest.as_bytes(), "{number}");
        }
        assert_eq!(shown.values().filter(|bytes| *bytes != b"/").count(), FILES, "no copies, no litter");
        for tree in [&self.left, &self.right] {
            assert!(!tree.has(".alike/staging"), "nothing is left in staging");
        }
    }
}

fn path(number: usize) -> String {
    format!("{}/{number}", number % 13)
}

/// Kills runs at moments all over their length until so many were hit. `run` starts one and kills it after a while; it says
/// whether it came in time.
fn kill_all_over(world: &mut World, kills: usize, mut whole: Duration, run: &dyn Fn(usize, Duration) -> bool) {
    let kills = std::env::var("ALIKE_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(kills);
    let mut killed = 0;
    for round in 0.. {
        if killed == kills {
            return;
        }
        assert!(round < 4 * kills, "{killed} of {round} runs were killed");
        world.edit(round);
        let caught = run(round, whole * (round as u32 * 37 % 100 + 3) / 100);
        killed += usize::from(caught);
        // A run that got through was shorter than thought: the kills shall fall all over a run.
        whole = if caught { whole } else { whole * 9 / 10 };
        world.check(round);
    }
}

fn kill(child: &mut Child) -> bool {
    kill_process(Pid::from_child(child), Signal::KILL).expect("it runs or is waited for");
    child.wait().expect("it was started here").code().is_none()
}

fn in_memory() -> Sandbox {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { Sandbox::below(memory) } else { Sandbox::new() }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_and_makes_no_conflict() {
    let sandbox = in_memory();
    let mut world = World::new(&sandbox);
    let begun = Instant::now();
    sandbox.alike(["sync", "left", "right"]).expect(0);
    kill_all_over(&mut world, KILLS_LOCAL, begun.elapsed(), &|_, after| {
        let mut command = sandbox.command(["sync", "left", "right"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        thread::sleep(after);
        kill(&mut child)
    });
    sandbox.alike(["sync", "left", "right"]).expect(0);
    world.check_end();
    assert_eq!(sandbox.alike(["sync", "left", "right"]).expect(0).last_line(), "alike");
}

#[test]
fn a_kill_of_either_side_through_ssh_loses_nothing_and_makes_no_conflict() {
    let Some(far) = Far::in_memory() else { return harness::skip("sshd is not installed") };
    let mut world = World::new(&far.sandbox);
    let arguments = ["sync".to_owned(), world.left.text().to_owned(), far.at(&world.right)];
    let begun = Instant::now();
    far.alike(&arguments).expect(0);
    kill_all_over(&mut world, KILLS_THROUGH_SSH, begun.elapsed(), &|round, after| {
        let mut command = far.command(&arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        thread::sleep(after);
        if round % 2 == 0 {
            let caught = far.signal(Signal::KILL) > 0;
            // The near side sees that its peer is gone.
            child.wait().expect("it was started here");
            caught
        } else {
            let caught = kill(&mut child);
            harness::far::await_that("the far side is gone", || far.processes().is_empty());
            caught
        }
    });
    far.alike(&arguments).expect(0);
    world.check_end();
}

#[test]
fn ten_syncs_at_once_do_not_harm_each_other() {
    let sandbox = Sandbox::new();
    let mut world = World::new(&sandbox);
    sandbox.alike(["sync", "left", "right"]).expect(0);
    world.edit(3);
    let start = || {
        let mut command = sandbox.command(["sync", "left", "right"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    };
    let mut runs: Vec<Child> = (0..10).map(|_| start()).collect();
    let codes: Vec<Option<i32>> = runs.iter_mut().map(|run| run.wait().expect("it was started here").code()).collect();
    assert!(codes.contains(&Some(0)), "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 3))), "{codes:?}");
    sandbox.alike(["sync", "left", "right"]).expect(0);
    world.check_end();
}

#[test]
fn two_machines_that_sync_with_each_other_at_the_same_time_do_not_both_fail() {
    let Some(far) = Far::in_memory() else { return harness::skip("sshd is not installed") };
    let mut world = World::new(&far.sandbox);
    let one = ["sync".to_owned(), world.left.text().to_owned(), far.at(&world.right)];
    let other = ["sync".to_owned(), world.right.text().to_owned(), far.at(&world.left)];
    far.alike(&one).expect(0);
    for round in 0..4 {
        world.edit(round);
        let start = |arguments: &[String]| {
            let mut command = far.command(arguments);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
        };
        let mut runs = [start(&one), start(&other)];
        let codes = runs.each_mut().map(|run| run.wait().expect("it was started here").code());
        assert!(codes.contains(&Some(0)), "round {round}: {codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 3))), "round {round}: {codes:?}");
        world.check(round);
    }
    far.alike(&one).expect(0);
    world.check_end();
}

/// Rewrites a file all the time, each time whole of one letter, while something else is done.
fn rewriting(tree: &Tree, act: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let write = |letter: u8| tree.file("busy", vec![letter; 3 << 20]);
    write(b'a');
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                write(b'a' + (round % 26) as u8);
            }
        });
        act();
        stop.store(true, Ordering::Relaxed);
    });
}

fn assert_never_torn(writer: &Tree, reader: &Tree, run: &dyn Fn() -> Outcome) {
    rewriting(writer, || {
        for round in 0..8 {
            writer.file("other", round.to_string());
            let outcome = run();
            assert!([0, 23, 24].contains(&outcome.code), "{outcome:?}");
            assert_eq!(reader.read("other"), round.to_string().as_bytes(), "the rest goes on");
            let busy = if reader.has("busy") { reader.read("busy") } else { Vec::new() };
            assert!(busy.iter().all(|byte| Some(byte) == busy.first()), "torn in round {round}");
        }
    });
    run().expect(0);
    let shown = writer.shown();
    assert_eq!(shown, reader.shown());
    assert_eq!(shown.len(), 2, "nobody else wrote: {:?}", shown.keys());
}

#[test]
fn a_file_that_changes_while_a_sync_fetches_it_never_arrives_mixed_and_is_in_no_conflict() {
    let sandbox = in_memory();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    assert_never_torn(&left, &right, &|| sandbox.alike(["sync", "left", "right"]));
}

#[test]
fn a_file_that_changes_while_a_sync_fetches_it_through_ssh_never_arrives_mixed() {
    for from_here in [true, false] {
        let Some(far) = Far::in_memory() else { return harness::skip("sshd is not installed") };
        let (left, right) = (far.sandbox.tree("left"), far.sandbox.tree("right"));
        let run = || far.alike(["sync".to_owned(), left.text().to_owned(), far.at(&right)]);
        let (writer, reader) = if from_here { (&left, &right) } else { (&right, &left) };
        assert_never_torn(writer, reader, &run);
    }
}

#[test]
fn what_the_user_does_while_a_run_installs_is_a_write_of_his() {
    let mut reached = 0;
    for round in 0..20 {
        let sandbox = in_memory();
        let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
        right.file("edited.txt", "old").file("deleted.txt", "old").file("kept.txt", "old");
        sandbox.alike(["sync", "left", "right"]).expect(0);
        left.file("big.bin", pattern(24 << 20, round));
        let mut run = sandbox.command(["sync", "left", "right"]);
        let mut run = run.stdout(std::process::Stdio::null()).spawn().expect("the command starts");
        let staging = right.join(".alike/staging");
        let is_staged = || fs::read_dir(&staging).is_ok_and(|lanes| lanes.flatten().any(|lane| is_used(&lane.path())));
        while run.try_wait().expect("a child").is_none() && !is_staged() {
            thread::sleep(Duration::from_millis(1));
        }
        right.file("edited.txt", "by the user").remove("deleted.txt");
        let before_the_end = run.try_wait().expect("a child").is_none();
        run.wait().expect("a child");
        reached += usize::from(before_the_end);
        sandbox.alike(["sync", "left", "right"]).expect(0);
        assert_alike(left.path(), right.path());
        assert_eq!(left.read("edited.txt"), b"by the user", "round {round}, before the end: {before_the_end}");
        assert!(!left.has("deleted.txt"), "round {round}, before the end: {before_the_end}");
        if reached == 3 {
            return;
        }
    }
    panic!("the run was always faster: {reached} of 20");
}

/// Whether anything is in a directory of staging.
fn is_used(lane: &Path) -> bool {
    fs::read_dir(lane).is_ok_and(|mut files| files.next().is_some())
}

/// Runs that meet a writer, and as many pairs of replicas as do so at once: a run mostly waits.
const ROUNDS: usize = 1_000;
const WRITERS: usize = 4;

#[test]
fn a_writer_that_appends_while_updates_arrive_loses_no_line() {
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| assert_no_line_is_lost(ROUNDS / WRITERS));
        }
    });
}

fn assert_no_line_is_lost(rounds: usize) {
    let sandbox = in_memory();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    left.file("log", b"");
    sandbox.alike(["sync", "left", "right"]).expect(0);
    let log = right.join("log");
    let stop = AtomicBool::new(false);
    let lines = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            use std::io::Write;
            let mut lines = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut file = fs::OpenOptions::new().append(true).create(true).open(&log).expect("the log");
                file.write_all(format!("line {lines}\n").as_bytes()).expect("a line");
                drop(file);
                lines += 1;
                thread::sleep(Duration::from_millis(15));
            }
            lines
        });
        for round in 0..rounds {
            left.file("log", format!("left {round}\n"));
            // Mostly decided at once, so that the versions do not become a thousand.
            let prefer = ["sync", "--prefer", ["left", "right", "newest"][round % 3], "left", "right"];
            let outcome =
                if round % 50 == 0 { sandbox.alike(["sync", "left", "right"]) } else { sandbox.alike(prefer) };
            if !matches!(outcome.code, 0 | 1 | 23 | 24) {
                stop.store(true, Ordering::Relaxed);
                panic!("{outcome:?}");
            }
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("no panic")
    });
    let all = everything(right.path()) + &everything(left.path());
    let held: std::collections::BTreeSet<&str> = all.lines().collect();
    for line in 0..lines {
        assert!(held.contains(format!("line {line}").as_str()), "line {line} of {lines} is lost");
    }
}

/// All contents of all files, the trash included; each begins a line, whatever the one before ends with.
fn everything(root: &Path) -> String {
    let mut all = String::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for found in fs::read_dir(directory).expect("a readable directory") {
            let path = found.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                all.push_str(&String::from_utf8_lossy(&fs::read(path).expect("a readable file")));
                all.push('\n');
            }
        }
    }
    all
}

/// What the guard holds back is kept as it was last seen; what comes to such a path is an edit of that, and no version is left
/// over whose bytes nobody has.
#[test]
fn what_comes_to_a_path_whose_delete_was_held_back_stands_there_and_nothing_is_wanted_for_ever() {
    let comers: [fn(&Tree) -> &Tree; 3] =
        [|right| right.directory("0"), |right| right.file("0", "file 0"), |right| right.link("0", "elsewhere")];
    for comes in comers {
        let sandbox = Sandbox::new();
        let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
        for number in 0..30 {
            left.file(number.to_string(), format!("file {number}"));
        }
        sandbox.alike(["sync", "left", "right"]).expect(0);
        for number in 0..30 {
            right.remove(number.to_string());
        }
        sandbox.alike(["sync", "left", "right"]).expect(25);
        comes(&right);
        sandbox.alike(["sync", "left", "right"]).expect(25);
        assert!(left.has("29") && !right.has("29"), "the other deletes are held back as before");
        sandbox.alike(["sync", "--max-delete=100%", "left", "right"]).expect(0);
        assert_eq!((left.shown().len(), left.shown()), (1, right.shown()));
        let again = sandbox.alike(["sync", "--json", "left", "right"]).expect(0);
        assert!(again.events("action").is_empty(), "{}", again.stdout);
    }
}
