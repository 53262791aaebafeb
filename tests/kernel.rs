//! The rules of two-way sync under random schedules, judged by an oracle that knows every write: no files, no network.
//!
//! A failing seed prints itself and the shortest run that fails; that line belongs into `kernel/kept.txt`, which is replayed
//! first. `KERNEL_SCHEDULES` and `KERNEL_FROM` choose how many schedules run and the first seed;
//! `KERNEL_LINE='3 1 | write 1 2 3; ...' cargo test --test kernel one_schedule -- --ignored` tells one run step by step.

mod kernel {
    pub mod install;
    pub mod meeting;
    pub mod oracle;
    pub mod replica;
    pub mod rules;
    pub mod run;
    pub mod schedule;
    pub mod users;
    pub mod world;
}

use std::sync::atomic::{AtomicU64, Ordering};

use kernel::rules::{Mutant, Rules};
use kernel::run::{first_failure, run, tell};
use kernel::schedule::Schedule;

/// The runs are many small allocations: a third of their time with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where the tests are not optimised a tenth of a minute must do; `cargo test --profile simulation --test kernel` runs all.
const SCHEDULES: u64 = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
const SCHEDULES_PER_MUTANT: u64 = 10_000;
const SEEDS_AT_ONCE: u64 = 1_000;

#[test]
fn kept_schedules_pass() {
    for schedule in kept() {
        run(&schedule, Rules::default()).unwrap_or_else(|why| panic!("{schedule}\n{why}"));
    }
}

#[test]
fn every_schedule_keeps_the_laws() {
    let (from, schedules) = (number("KERNEL_FROM", 0), number("KERNEL_SCHEDULES", SCHEDULES));
    let next = AtomicU64::new(from);
    let work = || {
        loop {
            let start = next.fetch_add(SEEDS_AT_ONCE, Ordering::Relaxed);
            if start >= from + schedules {
                return None;
            }
            let end = (start + SEEDS_AT_ONCE).min(from + schedules);
            if let Some(failure) = first_failure(start..end, Rules::default()) {
                next.store(u64::MAX - SEEDS_AT_ONCE * 1_000, Ordering::Relaxed);
                return Some(failure);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let failures: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().filter_map(|thread| thread.join().expect("a run does not panic")).collect()
    });
    if let Some((seed, schedule, why)) = failures.first() {
        panic!("seed {seed} fails; the shortest run is\n{schedule}\n{why}");
    }
}

#[test]
fn every_wrong_rule_is_caught() {
    let schedules: Vec<Schedule> = kept().into_iter().chain((0..SCHEDULES_PER_MUTANT).map(Schedule::of)).collect();
    let caught = |mutant: Mutant| schedules.iter().position(|schedule| run(schedule, Rules(Some(mutant))).is_err());
    let caught: Vec<(Mutant, Option<usize>)> = Mutant::ALL.iter().map(|&mutant| (mutant, caught(mutant))).collect();
    assert!(caught.iter().all(|(_, after)| after.is_some()), "not caught: {caught:?}");
}

#[test]
#[ignore = "tells the run in KERNEL_LINE, for people"]
fn one_schedule_is_told() {
    let line = std::env::var("KERNEL_LINE").unwrap_or_default();
    let schedule = Schedule::parse(&line).expect("KERNEL_LINE holds a schedule");
    panic!("{}", tell(&schedule, Rules::default()));
}

/// The runs that once failed.
fn kept() -> Vec<Schedule> {
    let lines = include_str!("kernel/kept.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parse = |line: &str| {
        let schedule = Schedule::parse(line).unwrap_or_else(|| panic!("cannot read `{line}`"));
        assert_eq!(schedule.to_string(), line);
        schedule
    };
    lines.map(parse).collect()
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}
