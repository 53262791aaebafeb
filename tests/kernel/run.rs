//! One run from start to end: the steps, then meetings until all is quiet, then the laws.

use alike::model::RelPath;

use crate::kernel::meeting::Way;
use crate::kernel::oracle::{Bytes, Failure, Oracle};
use crate::kernel::replica::{Memory, Replica, wanted};
use crate::kernel::rules::Rules;
use crate::kernel::schedule::{Op, Random, Schedule, Step};
use crate::kernel::world::World;

const PATHS: &[&[&str]] = &[&["f.t"], &["f.t", "g"], &["d", "d/x", "f.t"], &["a", "b.t", "c"]];
/// Rounds of meetings after which all must be quiet.
const ROUNDS_MAX: usize = 8;

/// Runs a schedule under the rules; what went wrong, if anything did.
pub fn run(schedule: &Schedule, rules: Rules) -> Result<(), Failure> {
    let mut world = World::new(schedule, rules);
    for (at, &step) in schedule.steps.iter().enumerate() {
        world.step(step).map_err(|why| format!("step {at}, {step:?}: {why}"))?;
        if world.oracle.happenings.len() > 90 {
            break;
        }
    }
    world.finish()
}

/// Runs a schedule and tells what every replica holds after each step.
pub fn tell(schedule: &Schedule, rules: Rules) -> String {
    let mut world = World::new(schedule, rules);
    let mut told = String::new();
    for &step in &schedule.steps {
        let outcome = world.step(step);
        told.push_str(&format!("{step:?} {outcome:?}\n"));
        world
            .replicas
            .iter()
            .enumerate()
            .for_each(|(r, replica)| told.push_str(&format!("  {r}: {}\n", replica.tell())));
    }
    for round in 0..2 {
        for other in 1..world.replicas.len() {
            world.replicas.iter_mut().for_each(|replica| replica.ignored.clear());
            let outcome = world.meet(0, other, Way::default());
            told.push_str(&format!("round {round}: 0 meets {other} {outcome:?}\n"));
            for r in [0, other] {
                told.push_str(&format!("  {r}: {}\n", world.replicas[r].tell()));
            }
        }
    }
    told
}

impl World {
    fn new(schedule: &Schedule, rules: Rules) -> World {
        let paths = PATHS[usize::from(schedule.paths) % PATHS.len()];
        let path = |path: &&str| RelPath::new(path.as_bytes()).expect("a legal path");
        let mut world = World {
            replicas: Vec::new(),
            oracle: Oracle { bytes: vec![Bytes { overwritten: true, ..Bytes::default() }; 2], ..Oracle::default() },
            rules,
            random: Random(schedule.steps.len() as u64),
            paths: paths.iter().map(path).collect(),
            recorded: 0,
            revived: 0,
            installed: 0,
            ids: 0,
            tick: 0,
        };
        for r in 0..schedule.replicas {
            let id = world.new_id();
            world.replicas.push(Replica::new(id));
            world.replicas[usize::from(r)].clock = [0, -500, 500, 0, 0, 10][usize::from(r) % 6];
        }
        world
    }

    fn step(&mut self, step: Step) -> Result<(), Failure> {
        let count = self.replicas.len();
        let r = usize::from(step.a) % count;
        let other = (r + 1 + usize::from(step.b) % (count - 1)) % count;
        let path = || self.paths[usize::from(step.b) % self.paths.len()].clone();
        match step.op {
            Op::Scan => self.scan(r, step.c.is_multiple_of(8))?,
            Op::Meet => self.meet(r, other, Way::default())?,
            Op::CutMeet => {
                let way = Way { cut: 1 + step.c % 12, lag: usize::from(step.c >> 6), ..Way::default() };
                self.meet(r, other, way)?;
            }
            Op::RefusedMeet => self.meet(r, other, Way { refused: true, ..Way::default() })?,
            Op::RacedMeet => self.meet(r, other, Way { race: Some(step.c), ..Way::default() })?,
            Op::Ignore => {
                let path = path();
                self.ignore(r, path);
            }
            Op::Heed => self.replicas[r].ignored.clear(),
            Op::Reopen => self.replicas[r].is_open = false,
            op if op.forks() => self.fork(r, step),
            _ => self.use_disk(step),
        }
        Ok(())
    }

    /// What makes two memories of one id, or an older one.
    fn fork(&mut self, r: usize, step: Step) {
        match step.op {
            Op::Snapshot => {
                let replica = &mut self.replicas[r];
                replica.snapshots.push((replica.memory.clone(), replica.disk.clone()));
            }
            Op::Restore | Op::RestoreAll => {
                let snapshots = &self.replicas[r].snapshots;
                if let Some(snapshot) = snapshots.get(usize::from(step.b) % snapshots.len().max(1)).cloned() {
                    self.restore(r, snapshot, step.op == Op::RestoreAll);
                }
            }
            Op::Clone | Op::Image if self.replicas.len() < 6 => {
                self.oracle.forked = true;
                let mut copy = self.replicas[r].clone();
                copy.is_open = false;
                copy.moved = step.op == Op::Clone;
                copy.unwitnessed.clear();
                self.replicas[r].is_open = false;
                self.replicas.push(copy);
            }
            Op::Forget => {
                self.oracle.forked = true;
                let id = self.new_id();
                self.replicas[r].memory = Memory::new(id);
                self.replicas[r].is_open = false;
                self.replicas[r].unwitnessed.clear();
            }
            _ => {}
        }
    }

    /// All meet until nothing happens any more; then the laws.
    fn finish(&mut self) -> Result<(), Failure> {
        self.replicas.iter_mut().for_each(|replica| replica.ignored.clear());
        let mut quiet = false;
        for round in 0..ROUNDS_MAX {
            (self.recorded, self.revived, self.installed) = (0, 0, 0);
            for other in 1..self.replicas.len() {
                self.meet(0, other, Way::default()).map_err(|why| format!("round {round}: {why}"))?;
            }
            if round > 0 && self.recorded > 0 && !self.oracle.forked {
                return Err(format!("an event in round {round}, when no user did anything"));
            }
            quiet = round > 0 && self.recorded + self.revived + self.installed == 0;
            if quiet {
                break;
            }
        }
        if !quiet {
            return Err("never quiet".to_owned());
        }
        self.check_alike()?;
        self.check_bytes()
    }

    fn check_alike(&self) -> Result<(), Failure> {
        let first = &self.replicas[0];
        for (r, other) in self.replicas.iter().enumerate().skip(1) {
            if first.memory.knows != other.memory.knows || first.memory.entries != other.memory.entries {
                return Err(format!("E or K of 0 and {r} differ: {:?} {:?}", first.memory, other.memory));
            }
            if first.memory.gists() != other.memory.gists() {
                return Err(format!("the stories of 0 and {r} differ: {:?} {:?}", first.memory, other.memory));
            }
            if first.disk != other.disk {
                return Err(format!("the disks of 0 and {r} differ: {:?} {:?}", first.disk, other.disk));
            }
        }
        let wanted = wanted(&first.memory.entries);
        let missing = wanted.iter().find(|(name, (_, shown))| first.disk.get(*name) != Some(&shown.entry));
        missing.map_or(Ok(()), |(name, (_, shown))| Err(format!("{name} is wanted and nowhere: {:?}", shown.entry)))
    }

    /// No bytes that nobody overwrote are missing; none are there that somebody overwrote and nobody wrote again.
    fn check_bytes(&self) -> Result<(), Failure> {
        let mut there = vec![false; self.oracle.bytes.len()];
        let numbers = self.replicas[0].disk.values().filter_map(Oracle::number_of);
        numbers.for_each(|number| there[number] = true);
        for (number, (bytes, there)) in self.oracle.bytes.iter().zip(there).enumerate() {
            if !there && !bytes.overwritten {
                return Err(format!("bytes {number} are lost"));
            }
            if there && bytes.replaced && !bytes.spread && !self.oracle.forked {
                return Err(format!("bytes {number} are back"));
            }
        }
        Ok(())
    }
}

/// The shortest run that still fails: steps are left out one by one for as long as that helps.
pub fn shrink(schedule: &Schedule, rules: Rules) -> Schedule {
    let mut least = schedule.clone();
    let mut at = 0;
    while at < least.steps.len() {
        let mut shorter = least.clone();
        shorter.steps.remove(at);
        if run(&shorter, rules).is_err() {
            least = shorter;
            at = 0;
        } else {
            at += 1;
        }
    }
    while least.replicas > 2 {
        let fewer = Schedule { replicas: least.replicas - 1, ..least.clone() };
        if run(&fewer, rules).is_ok() {
            break;
        }
        least = fewer;
    }
    least
}

/// The first of these seeds that fails: its shortest run, and why.
pub fn first_failure(seeds: impl Iterator<Item = u64>, rules: Rules) -> Option<(u64, Schedule, Failure)> {
    for seed in seeds {
        let schedule = Schedule::of(seed);
        if run(&schedule, rules).is_err() {
            let least = shrink(&schedule, rules);
            let why = run(&least, rules).err().unwrap_or_default();
            return Some((seed, least, why));
        }
    }
    None
}
