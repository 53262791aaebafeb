//! Replicas whose users do whatever they like, whose runs are killed, and at which users go on while a run works: what
//! nobody took away is live on every replica in the end, all replicas are alike, and what went is in a trash.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use super::hands::{Chance, Hands, Token, tokens, tokens_below};
use super::harness::{self, Sandbox, Tree};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// `ALIKE_TEST_EPISODES` says how many are run, from `ALIKE_TEST_SEED` on, and `ALIKE_TEST_WAYS` how many of [`WAYS`] they know.
const EPISODES: u64 = 12;
const STEPS: usize = 24;
/// Runs of all in a ring after which everybody knows and has everything.
const ROUNDS: usize = 2;

/// How a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Killed,
    /// Its users go on meanwhile.
    Busy,
}

/// All ways. The last is for those who look for faults: what comes to pass in it differs from run to run.
const WAYS: [Way; 3] = [Way::Plain, Way::Killed, Way::Busy];
const WAYS_ALWAYS: usize = 2;

struct World {
    seed: u64,
    sandbox: Sandbox,
    trees: Vec<Tree>,
    chance: Chance,
    hands: Hands,
    /// What some user took away somewhere.
    taken: BTreeSet<Token>,
    /// What was written into a file while a run worked: it may have come to what had just gone to the trash.
    late: BTreeSet<Token>,
    /// What each replica has had and no user of it took away.
    owed: Vec<BTreeSet<Token>>,
    /// How long a run takes.
    whole: Duration,
    log: String,
}

impl World {
    fn new(seed: u64) -> World {
        let memory = Path::new("/dev/shm");
        let sandbox = if memory.is_dir() { Sandbox::below(memory) } else { Sandbox::new() };
        let mut chance = Chance::new(seed);
        let replicas = 2 + chance.below(3);
        let trees = NAMES[..replicas].iter().map(|name| sandbox.tree(name)).collect();
        let hands = Hands::new(sandbox.path("outside"));
        let (taken, late, owed) = (BTreeSet::new(), BTreeSet::new(), vec![BTreeSet::new(); replicas]);
        let whole = Duration::from_millis(60);
        World { seed, sandbox, trees, chance, hands, taken, late, owed, whole, log: String::new() }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.log, "{line}").expect("memory");
    }

    #[track_caller]
    fn insist(&self, holds: bool, what: impl FnOnce() -> String) {
        assert!(holds, "ALIKE_TEST_SEED={}: {}\n{}", self.seed, what(), self.log);
    }

    /// Users act at a replica.
    fn act(&mut self, at: usize) {
        if let Ok(act) = self.hands.act(&self.trees[at], &mut self.chance) {
            self.say(&format!("{} {act}", NAMES[at]));
        }
    }

    /// What users of these replicas took away is nobody's any more.
    fn count(&mut self, at: &[usize]) {
        let taken = self.hands.taken();
        for &at in at {
            self.owed[at].retain(|token| !taken.contains(token));
        }
        self.taken.extend(taken);
    }

    fn start(&self, left: usize, right: usize) -> Child {
        let mut command = self.sandbox.command(["sync", "--max-delete=100%", NAMES[left], NAMES[right]]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    /// One run.
    fn meet(&mut self, (left, right): (usize, usize), way: Way) {
        for at in [left, right] {
            self.owed[at].extend(tokens_of(&self.trees[at]));
        }
        let before = self.hands.written_into.clone();
        let begun = Instant::now();
        let mut run = self.start(left, right);
        let ended = match way {
            Way::Plain => Some(run.wait_with_output().expect("a child")),
            Way::Killed => {
                let after = self.whole * self.chance.below(100) as u32 / 100;
                std::thread::sleep(after);
                run.kill().expect("it is waited for below");
                let ended = run.wait_with_output().expect("a child");
                ended.status.code().is_some().then_some(ended)
            }
            Way::Busy => {
                self.say(&format!("a run of {} and {} begins", NAMES[left], NAMES[right]));
                while run.try_wait().expect("a child").is_none() {
                    let at = if self.chance.below(2) == 0 { left } else { right };
                    self.act(at);
                    std::thread::sleep(self.whole * self.chance.below(30) as u32 / 100);
                }
                Some(run.wait_with_output().expect("a child"))
            }
        };
        if way == Way::Plain {
            self.whole = begun.elapsed();
        }
        self.say(&format!("{way:?} run of {} and {}: {}", NAMES[left], NAMES[right], shown(ended.as_ref())));
        self.late.extend(self.hands.written_into.difference(&before).cloned());
        self.count(&[left, right]);
        let is_fine = ended.as_ref().is_none_or(|ended| match ended.status.code() {
            Some(0 | 1) => true,
            // What is written to while it is read, or moves on, is left to the next run.
            Some(23 | 24) if way == Way::Busy => true,
            Some(23) => only_lacks_bytes(&String::from_utf8_lossy(&ended.stderr)),
            _ => false,
        });
        self.insist(is_fine, || "a run ended with what it should not".into());
        for at in [left, right] {
            let tree = &self.trees[at];
            let mut held = tokens_of(tree);
            held.extend(
                [".alike/trash", ".alike/staging", ".alike/parts"]
                    .iter()
                    .flat_map(|place| tokens_below(&tree.join(place))),
            );
            let gone: Vec<&Token> = self.owed[at].difference(&held).collect();
            self.insist(gone.is_empty(), || format!("{} has lost {gone:?}: {:?}", NAMES[at], tree.shown()));
        }
    }

    /// Everything comes to everybody; what was to be in the end is there.
    fn end(&mut self) {
        let ring: Vec<(usize, usize)> = (0..self.trees.len()).map(|at| (at, (at + 1) % self.trees.len())).collect();
        for &pair in std::iter::repeat_n(&ring, ROUNDS).flatten() {
            self.meet(pair, Way::Plain);
        }
        let first = state(&self.trees[0]);
        for (at, tree) in self.trees.iter().enumerate() {
            let here = state(tree);
            self.insist(here == first, || format!("a and {} differ: {first:#?} {here:#?}", NAMES[at]));
        }
        for &(left, right) in &ring {
            let idle = self.sandbox.alike(["sync", "--json", NAMES[left], NAMES[right]]);
            let is_idle = idle.code <= 1 && idle.events("action").is_empty();
            self.insist(is_idle, || format!("{} and {} are not idle: {idle:?}", NAMES[left], NAMES[right]));
        }
        let live = tokens_of(&self.trees[0]);
        let is_missing = |token: &&Token| !live.contains(*token) && !self.taken.contains(*token);
        let missing: Vec<&Token> = self.hands.written.iter().filter(is_missing).collect();
        self.insist(missing.is_empty(), || format!("nobody took away {missing:?}: {first:#?}"));
        let trash: BTreeSet<Token> =
            self.trees.iter().flat_map(|tree| tokens_below(&tree.join(".alike/trash"))).collect();
        let into: Vec<&Token> = self.hands.written_into.iter().filter(is_missing).collect();
        let is_lost = |token: &&&Token| !(self.late.contains(**token) && trash.contains(**token));
        let lost: Vec<&&Token> = into.iter().filter(is_lost).collect();
        self.insist(lost.is_empty(), || format!("nobody took away {lost:?}: {first:#?}"));
        for (at, tree) in self.trees.iter().enumerate() {
            let held = tokens_below(&tree.join(".alike/trash"));
            let gone: Vec<_> =
                self.owed[at].iter().filter(|token| !live.contains(*token) && !held.contains(*token)).collect();
            self.insist(gone.is_empty(), || format!("{} has {gone:?} nowhere: {first:#?}", NAMES[at]));
            let litter =
                [".alike/staging", ".alike/parts", ".alike/announced"].into_iter().find(|place| tree.has(place));
            self.insist(litter.is_none(), || format!("{} is littered: {litter:?}", NAMES[at]));
        }
    }
}

/// The tokens that a tree shows.
fn tokens_of(tree: &Tree) -> BTreeSet<Token> {
    tree.shown().values().flat_map(|bytes| tokens(bytes)).collect()
}

/// Whether all that failed is what neither side of a run has: whoever has it was not asked.
fn only_lacks_bytes(said: &str) -> bool {
    said.lines().filter(|line| line.starts_with("error: `")).all(|line| line.contains("does not have these bytes"))
}

/// All that two replicas are alike in, a line a path: of a directory its mode, of a file its time as well.
fn state(tree: &Tree) -> Vec<String> {
    let of = |(path, bytes): (PathBuf, Vec<u8>)| {
        let status = tree.join(&path).symlink_metadata().expect("it was just seen");
        let time = if status.is_dir() { (0, 0) } else { (status.mtime(), status.mtime_nsec()) };
        format!("{} {:o} {time:?} {:?}", path.display(), status.mode(), String::from_utf8_lossy(&bytes))
    };
    tree.shown().into_iter().map(of).collect()
}

fn shown(ended: Option<&Output>) -> String {
    let Some(ended) = ended else { return "killed".into() };
    format!("{} {}{}", ended.status, String::from_utf8_lossy(&ended.stderr), String::from_utf8_lossy(&ended.stdout))
}

fn episode(seed: u64, ways: usize) {
    let mut world = World::new(seed);
    // Some worlds know no kills, some no hurry: what fails in them is easier to read.
    let allowed = 1 + world.chance.below(ways);
    for _ in 0..STEPS {
        if world.chance.below(3) > 0 {
            let at = world.chance.below(world.trees.len());
            for _ in 0..=world.chance.below(3) {
                world.act(at);
            }
            world.count(&[at]);
            continue;
        }
        let (left, step) = (world.chance.below(world.trees.len()), 1 + world.chance.below(world.trees.len() - 1));
        let right = (left + step) % world.trees.len();
        let way = WAYS[world.chance.below(allowed)];
        world.meet((left, right), way);
    }
    world.end();
}

#[test]
fn whatever_users_do_and_whenever_runs_are_killed_what_nobody_took_away_is_everywhere() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let first = number("ALIKE_TEST_SEED").unwrap_or(1);
    let episodes = number("ALIKE_TEST_EPISODES").unwrap_or(EPISODES);
    let ways = number("ALIKE_TEST_WAYS").map_or(WAYS_ALWAYS, |ways| ways.clamp(1, 3) as usize);
    for seed in first..first + episodes {
        episode(seed, ways);
    }
    harness::tell(&format!("{episodes} episodes from {first}"));
}
