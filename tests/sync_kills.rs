//! Syncs that are killed while files go, directories move, and conflicts stand: what the users did last is what is there in
//! the end, nothing deleted comes back, and nobody is in conflict with himself.

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Far, Sandbox, Tree};
use rustix::process::{Pid, Signal, kill_process};

const DIRECTORIES: usize = 10;
const FILES: usize = 24;
const CONFLICTS: usize = 10;

type Shown = BTreeMap<PathBuf, Vec<u8>>;

/// Two replicas, and what their users made of them.
struct World {
    left: Tree,
    right: Tree,
    /// What shall be there in the end.
    model: Shown,
    /// Everything that was ever written.
    written: BTreeSet<Vec<u8>>,
    writes: usize,
    random: u64,
}

impl World {
    fn new(sandbox: &Sandbox) -> World {
        let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
        let (model, written) = (Shown::new(), BTreeSet::new());
        let mut world = World { left, right, model, written, writes: 0, random: 0x2545_f491_4f6c_dd1d };
        for directory in 0..DIRECTORIES {
            for file in 0..FILES {
                world.write(true, PathBuf::from(format!("d{directory}/s{}/{file}", file % 3)));
            }
        }
        for number in 0..CONFLICTS {
            for (tree, side) in [(&world.left, "left"), (&world.right, "right")] {
                let content = format!("conflict {number} {side}");
                tree.file(format!("conflicts/{number}.txt"), &content).mtime(format!("conflicts/{number}.txt"), 7, 7);
                world.written.insert(content.into_bytes());
            }
        }
        world
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) as usize % limit
    }

    fn tree(&self, on_left: bool) -> &Tree {
        if on_left { &self.left } else { &self.right }
    }

    fn write(&mut self, on_left: bool, path: PathBuf) {
        self.writes += 1;
        let content = format!("write {}", self.writes).into_bytes();
        self.tree(on_left).file(&path, &content);
        self.written.insert(content.clone());
        self.model.insert(path, content);
    }

    /// A side that shows what is below `path` just as its users want it.
    fn side_of(&mut self, path: &Path) -> Option<bool> {
        let wanted: Vec<(&PathBuf, &Vec<u8>)> = self.model.iter().filter(|(name, _)| name.starts_with(path)).collect();
        let is_current = |tree: &Tree| {
            let there = walkdir::WalkDir::new(tree.join(path)).into_iter().filter_map(Result::ok);
            let files = there.filter(|entry| entry.file_type().is_file()).count();
            let same =
                |(name, bytes): &(&PathBuf, &Vec<u8>)| fs::read(tree.join(name)).is_ok_and(|held| held == **bytes);
            !wanted.is_empty() && files == wanted.len() && wanted.iter().all(same)
        };
        let current = [is_current(&self.left), is_current(&self.right)];
        let either = self.below(2) == 0;
        match current {
            [false, false] => None,
            [true, true] => Some(either),
            [left, _] => Some(left),
        }
    }

    /// What users do between two runs.
    fn work(&mut self) {
        for _ in 0..12 {
            let paths: Vec<PathBuf> = self.model.keys().cloned().collect();
            let path = paths[self.below(paths.len())].clone();
            let directory = path.parent().expect("a directory").to_owned();
            self.writes += 1;
            let fresh = PathBuf::from(format!("n{}", self.writes));
            match self.below(8) {
                0 | 1 => self.at(&path, |world, side| world.write(side, path.clone())),
                2 => self.at(&path, |world, side| world.write(side, directory.join(&fresh))),
                3 => self.at(&path, |world, side| {
                    world.tree(side).remove(&path);
                    world.model.remove(&path);
                }),
                4 => self.at(&path, |world, side| world.rename(side, &path, &directory.join(&fresh))),
                5 => self.at(&directory, |world, side| world.rename(side, &directory, &fresh)),
                6 if self.below(4) == 0 => self.at(&directory, |world, side| {
                    world.tree(side).remove(&directory);
                    world.model.retain(|name, _| !name.starts_with(&directory));
                }),
                // A file becomes a directory.
                _ => self.at(&path, |world, side| {
                    world.tree(side).remove(&path);
                    world.model.remove(&path);
                    world.write(side, path.join("in"));
                }),
            }
        }
    }

    fn at(&mut self, path: &Path, act: impl FnOnce(&mut World, bool)) {
        if let Some(side) = self.side_of(path) {
            act(self, side);
        }
    }

    fn rename(&mut self, side: bool, from: &Path, to: &Path) {
        self.tree(side).rename(from, to);
        let moved: Vec<PathBuf> = self.model.keys().filter(|name| name.starts_with(from)).cloned().collect();
        for name in moved {
            let rest = name.strip_prefix(from).expect("below it");
            let new = if rest == Path::new("") { to.to_owned() } else { to.join(rest) };
            let bytes = self.model.remove(&name).expect("held");
            self.model.insert(new, bytes);
        }
    }

    /// Every file is whole, and no copy of a conflict stands beside what nobody wrote twice.
    fn check(&self, round: usize) {
        for tree in [&self.left, &self.right] {
            for (name, bytes) in files(tree) {
                let whole = self.written.contains(&bytes);
                assert!(whole, "round {round}: {name:?} holds {:?}", String::from_utf8_lossy(&bytes));
                let copy = name.to_string_lossy().contains(".conflict-");
                assert!(!copy || name.starts_with("conflicts"), "round {round}: {name:?} in {}", tree.text());
            }
        }
    }

    fn check_end(&self) {
        assert_eq!(self.left.shown(), self.right.shown());
        let (conflicts, others): (Shown, Shown) =
            files(&self.left).into_iter().partition(|(name, _)| name.starts_with("conflicts"));
        let strange: Vec<_> = others.iter().filter(|(name, bytes)| self.model.get(*name) != Some(*bytes)).collect();
        let missing: Vec<_> = self.model.iter().filter(|(name, _)| !others.contains_key(*name)).collect();
        assert!(strange.is_empty() && missing.is_empty(), "strange: {strange:?}\nmissing: {missing:?}");
        let held: BTreeSet<String> =
            conflicts.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        assert_eq!((conflicts.len(), held.len()), (2 * CONFLICTS, 2 * CONFLICTS), "{conflicts:?}");
        for tree in [&self.left, &self.right] {
            assert!(!tree.has(".alike/staging"), "nothing is left in staging");
        }
    }
}

fn files(tree: &Tree) -> Shown {
    tree.shown().into_iter().filter(|(_, bytes)| bytes != b"/").collect()
}

fn kill(child: &mut Child) -> bool {
    kill_process(Pid::from_child(child), Signal::KILL).expect("it runs or is waited for");
    child.wait().expect("it was started here").code().is_none()
}

/// Kills runs all over their length; gives how many were caught.
fn kill_all_over(rounds: usize, world: &mut World, mut whole: Duration, mut run: impl FnMut(usize, Duration) -> bool) {
    let mut killed = 0;
    for round in 0..rounds {
        world.work();
        let caught = run(round, whole * (round as u32 * 37 % 100 + 3) / 100);
        killed += usize::from(caught);
        // A run that got through was shorter than thought.
        whole = if caught { whole } else { whole * 9 / 10 };
        world.check(round);
    }
    assert!(killed * 3 >= rounds, "{killed} of {rounds} runs were killed");
}

#[test]
fn kills_while_files_go_and_directories_move_bring_nothing_back_and_make_no_conflict() {
    let memory = Path::new("/dev/shm");
    let sandbox = if memory.is_dir() { Sandbox::below(memory) } else { Sandbox::new() };
    let mut world = World::new(&sandbox);
    let arguments = |trash: bool| {
        let all = ["sync", "left", "right", "--max-delete=100%", "--no-trash"];
        all[..if trash { 4 } else { 5 }].to_vec()
    };
    let begun = Instant::now();
    sandbox.alike(arguments(true)).expect(1);
    let whole = begun.elapsed();
    kill_all_over(60, &mut world, whole, |round, after| {
        let mut command = sandbox.command(arguments(round % 3 != 0));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        thread::sleep(after);
        kill(&mut child)
    });
    sandbox.alike(arguments(true)).expect(1);
    world.check_end();
    let again = sandbox.alike(["sync", "--json", "left", "right"]).expect(1);
    assert!(again.events("action").is_empty(), "{}", again.stdout);
}

#[test]
fn kills_of_either_side_through_ssh_bring_nothing_back_and_make_no_conflict() {
    let Some(far) = Far::in_memory() else { return harness::skip("sshd is not installed") };
    let mut world = World::new(&far.sandbox);
    let arguments =
        ["sync".to_owned(), world.left.text().to_owned(), far.at(&world.right), "--max-delete=100%".to_owned()];
    let begun = Instant::now();
    far.alike(&arguments).expect(1);
    let whole = begun.elapsed();
    kill_all_over(24, &mut world, whole, |round, after| {
        let mut command = far.command(&arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        thread::sleep(after);
        if round % 2 == 0 {
            let caught = far.signal(Signal::KILL) > 0;
            child.wait().expect("it was started here");
            caught
        } else {
            let caught = kill(&mut child);
            harness::far::await_that("the far side is gone", || far.processes().is_empty());
            caught
        }
    });
    far.alike(&arguments).expect(1);
    world.check_end();
}

/// Bytes that went over the loopback of this network namespace.
fn carried() -> u64 {
    let text = fs::read_to_string("/proc/net/dev").expect("a table of devices");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:")).expect("a loopback");
    line.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).expect("a count")
}

/// Bytes of content of one round, and files.
const HEAVY_FILES: u64 = 250;
const HEAVY_BYTES: usize = 40 << 10;
/// Kills, unless ALIKE_TEST_KILLS says otherwise.
const HEAVY_KILLS: usize = 8;

#[test]
fn what_had_come_before_a_kill_does_not_come_again() {
    if !harness::far::inside("what_had_come_before_a_kill_does_not_come_again", "-n", "ip link set lo up") {
        return;
    }
    let kills = std::env::var("ALIKE_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(HEAVY_KILLS);
    let Some(far) = Far::in_memory() else { return harness::skip("sshd is not installed") };
    let (left, right) = (far.sandbox.tree("left"), far.sandbox.tree("right"));
    let arguments = ["sync".to_owned(), left.text().to_owned(), far.at(&right), "--no-trash".to_owned()];
    let fill = |round: u64| {
        let tree = if round.is_multiple_of(2) { &left } else { &right };
        for file in 0..HEAVY_FILES {
            let bytes = harness::tree::pattern(
                HEAVY_BYTES / 2 + (file as usize * 997) % HEAVY_BYTES,
                round * HEAVY_FILES + file,
            );
            tree.file(format!("{}/{file}", file % 13), bytes);
        }
        tree.shown().values().filter(|bytes| *bytes != b"/").map(|bytes| bytes.len() as u64).sum::<u64>()
    };
    fill(0);
    let begun = Instant::now();
    far.alike(&arguments).expect(0);
    let whole = begun.elapsed();
    let before = carried();
    far.alike(&arguments).expect(0);
    // What a run costs that has nothing to carry: the start of ssh, and the conversation.
    let idle = carried() - before;
    let (mut killed, mut data, mut runs, before) = (0, 0, 0, carried());
    for round in 1.. {
        data += fill(round);
        for number in 0..8 {
            let after = whole * ((round as u32 * 31 + number * 37) % 100 + 3) / 100;
            let mut command = far.command(&arguments);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            thread::sleep(after);
            runs += 1;
            killed += if number.is_multiple_of(2) {
                let caught = far.signal(Signal::KILL) > 0;
                child.wait().expect("it was started here");
                usize::from(caught)
            } else {
                let caught = kill(&mut child);
                harness::far::await_that("the far side is gone", || far.processes().is_empty());
                usize::from(caught)
            };
        }
        far.alike(&arguments).expect(0);
        runs += 1;
        if killed >= kills {
            break;
        }
        assert!(runs < 20 * kills as u64, "{killed} of {runs} runs were killed");
    }
    let all = carried() - before;
    let content = all.saturating_sub(runs * idle);
    harness::tell(&format!(
        "{killed} kills in {runs} runs: {all} bytes on the wire, {content} without what {runs} idle runs cost ({idle} each), for {data} of content"
    ));
    assert_eq!(left.shown(), right.shown());
    for tree in [&left, &right] {
        assert!(!tree.has(".alike/staging") && !tree.has(".alike/parts"), "nothing is left");
    }
    assert!(content * 10 <= data * 12, "{content} bytes for {data}");
}
