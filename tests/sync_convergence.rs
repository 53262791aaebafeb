//! Replicas that are edited at random and meet at random: they converge, and then they are idle.

#[path = "sync_convergence/adversary.rs"]
mod adversary;
#[path = "sync_convergence/hands.rs"]
mod hands;
mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use harness::{Sandbox, Tree};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const PATHS: [&str; 9] = ["f.txt", "g", "d/f.txt", "d/h", "d/e/i", "j/k", "j/l", "m", "n.tar.gz"];

struct World {
    sandbox: Sandbox,
    trees: Vec<Tree>,
    random: u64,
    /// How many writes there were.
    writes: usize,
    /// All contents that were written, and those that some user overwrote or deleted somewhere.
    written: BTreeSet<Vec<u8>>,
    destroyed: BTreeSet<Vec<u8>>,
}

impl World {
    fn new(seed: u64) -> World {
        let memory = Path::new("/dev/shm");
        let sandbox = if memory.is_dir() { Sandbox::below(memory) } else { Sandbox::new() };
        let trees = NAMES.map(|name| sandbox.tree(name)).into();
        World { sandbox, trees, random: seed, writes: 0, written: BTreeSet::new(), destroyed: BTreeSet::new() }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) as usize % limit
    }

    /// One change somewhere; what cannot be done there is left.
    fn change(&mut self) {
        let (at, kind) = (self.below(NAMES.len()), self.below(9));
        let shown: Vec<PathBuf> = self.trees[at].shown().into_keys().collect();
        let path = PathBuf::from(PATHS[self.below(PATHS.len())]);
        // Some of what is there, copies included.
        let there = if shown.is_empty() { path.clone() } else { shown[self.below(shown.len())].clone() };
        let (full, found) = (self.trees[at].join(&path), self.trees[at].join(&there));
        match kind {
            0..=3 if !full.is_dir() && above_is_free(&full) => self.write(at, &path),
            4 | 5 if found.is_file() => self.write(at, &there),
            6 if self.trees[at].has(&there) => {
                self.destroy(at, &there);
                self.trees[at].remove(&there);
            }
            7 | 8
                if self.trees[at].has(&there)
                    && !full.exists()
                    && above_is_free(&full)
                    && !path.starts_with(&there) =>
            {
                self.trees[at].rename(&there, &path);
            }
            _ => {}
        }
    }

    /// A content of its own, or one of a few, so that some are equal.
    fn write(&mut self, at: usize, path: &Path) {
        self.writes += 1;
        let number = if self.below(3) == 0 { self.writes % 5 } else { self.writes };
        let content = format!("content {number}").into_bytes();
        // A write of the same bytes is a touch, and yields.
        if fs::read(self.trees[at].join(path)).is_ok_and(|held| held == content) {
            return;
        }
        self.destroy(at, path);
        self.trees[at].file(path, &content).mtime(path, self.writes as i64, 0);
        if number == self.writes {
            self.written.insert(content);
        }
    }

    fn destroy(&mut self, at: usize, path: &Path) {
        let below = |name: &PathBuf| name.starts_with(path);
        self.destroyed
            .extend(self.trees[at].shown().into_iter().filter(|(name, _)| below(name)).map(|(_, bytes)| bytes));
    }

    fn meet(&self, left: usize, right: usize, round: usize) {
        let outcome = self.sandbox.alike(["sync", "--max-delete=100%", NAMES[left], NAMES[right]]);
        assert!(outcome.code <= 1, "round {round}: {outcome:?}");
        let (left, right) = (self.trees[left].shown(), self.trees[right].shown());
        assert_eq!(left, right, "round {round}: a meeting makes two replicas alike");
        check_copies(&left, round);
    }
}

/// Whether no file stands where a directory is needed.
fn above_is_free(path: &Path) -> bool {
    path.ancestors().skip(1).all(|above| fs::symlink_metadata(above).is_ok_and(|at| at.is_dir()) || !above.exists())
}

/// No two versions of a file have one content and one mode, and no copy has copies.
fn check_copies(shown: &BTreeMap<PathBuf, Vec<u8>>, round: usize) {
    for path in shown.keys() {
        let text = path.file_name().expect("a name").to_string_lossy();
        assert!(text.matches(".conflict-").count() <= 1, "round {round}: a copy of a copy: {}", path.display());
    }
}

fn runs(seed: u64) {
    let mut world = World::new(seed);
    for round in 0..100 {
        for _ in 0..3 {
            world.change();
        }
        let (left, step) = (world.below(5), 1 + world.below(4));
        world.meet(left, (left + step) % 5, round);
    }
    // A full round: everything comes to one, and from there to all.
    for other in [1, 2, 3, 4, 1, 2, 3] {
        world.meet(0, other, 100);
    }
    let first = world.trees[0].shown();
    for tree in &world.trees {
        assert_eq!(tree.shown(), first, "{}", tree.text());
    }
    let held: BTreeSet<Vec<u8>> = first.into_values().collect();
    for content in world.written.difference(&world.destroyed) {
        assert!(held.contains(content), "lost: {}", String::from_utf8_lossy(content));
    }
    for (left, right) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)] {
        let idle = world.sandbox.alike(["sync", "--json", NAMES[left], NAMES[right]]);
        assert!(idle.code <= 1, "{idle:?}");
        assert!(idle.events("action").is_empty(), "{}", idle.stdout);
        let summary = idle.summary();
        assert_eq!((&summary["bytes"], &summary["files"]), (&0.into(), &0.into()), "{summary}");
    }
    let tops: BTreeSet<String> = (1..5)
        .map(|other| world.sandbox.alike(["sync", "--json", "a", NAMES[other]]).summary()["left"]["top"].to_string())
        .collect();
    assert_eq!(tops.len(), 1);
}

#[test]
fn five_replicas_that_change_and_meet_at_random_converge_and_are_idle() {
    let seed = std::env::var("ALIKE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    runs(seed.unwrap_or(0x9e37_79b9_7f4a_7c15));
}
