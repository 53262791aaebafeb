//! What happens in one run: a few replicas, a few paths, a few steps. Made from a seed, or read from a line of text.

use std::fmt;

/// What a step does. `a`, `b`, `c` of the step choose replicas, files and ways; any number is legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Write,
    WriteSame,
    Delete,
    Touch,
    Chmod,
    Rename,
    Copy,
    EditCopy,
    DeleteCopy,
    MoveCopyOver,
    FakeCopy,
    MakeDirectory,
    Scan,
    Meet,
    CutMeet,
    RefusedMeet,
    RacedMeet,
    Snapshot,
    Restore,
    RestoreAll,
    Clone,
    Image,
    Forget,
    Ignore,
    Heed,
    Reopen,
}

/// Operations, how they are written, and how often they come.
const OPS: &[(Op, &str, u32)] = &[
    (Op::Write, "write", 22),
    (Op::WriteSame, "same", 4),
    (Op::Delete, "delete", 9),
    (Op::Touch, "touch", 6),
    (Op::Chmod, "chmod", 4),
    (Op::Rename, "rename", 4),
    (Op::Copy, "copy", 2),
    (Op::EditCopy, "edit-copy", 5),
    (Op::DeleteCopy, "delete-copy", 4),
    (Op::MoveCopyOver, "move-copy-over", 4),
    (Op::FakeCopy, "fake-copy", 2),
    (Op::MakeDirectory, "mkdir", 2),
    (Op::Scan, "scan", 8),
    (Op::Meet, "meet", 34),
    (Op::CutMeet, "cut-meet", 16),
    (Op::RefusedMeet, "refused-meet", 5),
    (Op::RacedMeet, "raced-meet", 5),
    (Op::Snapshot, "snapshot", 5),
    (Op::Restore, "restore", 4),
    (Op::RestoreAll, "restore-all", 1),
    (Op::Clone, "clone", 1),
    (Op::Image, "image", 2),
    (Op::Forget, "forget", 1),
    (Op::Ignore, "ignore", 3),
    (Op::Heed, "heed", 3),
    (Op::Reopen, "reopen", 3),
];

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub op: Op,
    pub a: u8,
    pub b: u8,
    pub c: u8,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub replicas: u8,
    /// Which paths users write to.
    pub paths: u8,
    pub steps: Vec<Step>,
}

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }
}

impl Schedule {
    /// The schedule of a seed.
    pub fn of(seed: u64) -> Schedule {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let replicas = [2, 2, 2, 3, 3, 3, 4, 4, 5, 6][random.below(10) as usize];
        let length = 6 + random.below(15);
        // Most runs know no restore and no clone, so that the laws that hold only there are judged.
        let restores = random.below(3) == 0;
        let paths = random.below(4) as u8;
        let total: u64 = OPS.iter().map(|&(_, _, weight)| u64::from(weight)).sum();
        let mut steps = Vec::with_capacity(length as usize);
        while steps.len() < length as usize {
            let mut at = random.below(total);
            let pick = OPS.iter().find(|&&(_, _, weight)| {
                let here = at < u64::from(weight);
                at = at.wrapping_sub(u64::from(weight));
                here
            });
            let Some(&(op, _, _)) = pick else { continue };
            let [a, b, c, ..] = random.next().to_le_bytes();
            if restores || !op.forks() {
                steps.push(Step { op, a, b, c });
            }
        }
        Schedule { replicas, paths, steps }
    }

    /// Reads what `Display` writes.
    pub fn parse(line: &str) -> Option<Schedule> {
        let (head, steps) = line.split_once('|')?;
        let mut head = head.split_whitespace();
        let (replicas, paths) = (head.next()?.parse().ok()?, head.next()?.parse().ok()?);
        let steps = steps.split(';').map(Step::parse).collect::<Option<Vec<_>>>()?;
        Some(Schedule { replicas, paths, steps })
    }
}

impl Op {
    /// Whether it makes two memories of one id, or an older one.
    pub fn forks(self) -> bool {
        matches!(self, Op::Snapshot | Op::Restore | Op::RestoreAll | Op::Clone | Op::Image | Op::Forget)
    }
}

impl Step {
    fn parse(text: &str) -> Option<Step> {
        let mut words = text.split_whitespace();
        let name = words.next()?;
        let &(op, _, _) = OPS.iter().find(|&&(_, written, _)| written == name)?;
        let mut number = || words.next()?.parse().ok();
        Some(Step { op, a: number()?, b: number()?, c: number()? })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} |", self.replicas, self.paths)?;
        for (at, step) in self.steps.iter().enumerate() {
            let name = OPS.iter().find(|&&(op, _, _)| op == step.op).map_or("", |&(_, name, _)| name);
            write!(f, "{} {name} {} {} {}", if at == 0 { "" } else { ";" }, step.a, step.b, step.c)?;
        }
        Ok(())
    }
}
