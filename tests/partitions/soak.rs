//! A soak: daemons under random cuts, kills, stops, full disks and steps of their clocks, while files are written everywhere. A
//! seed is a schedule; what the files must hold in the end follows from the schedule and from what could be written alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;

use super::cluster::admit;
use super::harness::Tree;
use super::harness::hosts::{Cut, Host, hosts, split};
use super::harness::tree::pattern;

/// The hosts.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// The share, and its directory on a small disk of its own.
const SHARE: &str = "docs";
const DIRECTORY: &str = "disk/docs";
/// The disk: what all write together is far less, trash included.
const DISK_MIB: u64 = 96;
/// Something happens so often.
const TICK: Duration = Duration::from_millis(100);
/// Hosts of which for so long nothing changes that is not alike will not be alike any more.
const STUCK: Duration = Duration::from_secs(120);
/// They are not waited for any longer, whatever changes.
const SETTLED: Duration = Duration::from_secs(900);
/// How often the memory of those that run throughout is looked at while they rest.
const SAMPLE: Duration = Duration::from_secs(1);
/// Paths that a host writes.
const PATHS: u32 = 40;

/// What happens at a tick.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    /// A host writes one of its own files.
    Write { host: usize, path: u32, bytes: usize },
    /// It deletes one.
    Delete { host: usize, path: u32 },
    /// It renames one.
    Rename { host: usize, from: u32, to: u32 },
    /// It renames the directory of all of them.
    Move { host: usize },
    /// It writes a file that all write.
    Share { host: usize, path: u32 },
    /// It deletes all copies of one that are in conflict: without that they are what grows.
    Tidy { host: usize, path: u32 },
    /// These hosts and the others do not hear each other any more.
    Split { left: Vec<usize>, cut: Cut },
    /// One host does not hear another.
    Deafen { host: usize, from: usize },
    /// All hear each other.
    Heal,
    /// A daemon is killed,
    Kill { host: usize },
    /// and started, at another time than it is.
    Start { host: usize, clock_s: i64 },
    /// A daemon stands still,
    Stop { host: usize },
    /// and goes on.
    Continue { host: usize },
    /// A disk is full,
    Fill { host: usize },
    /// and is not.
    Empty { host: usize },
}

/// What happens, by tick: the same for the same seed.
fn schedule(seed: u64, ticks: usize) -> Vec<Vec<Event>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut events: Vec<Vec<Event>> = vec![Vec::new(); ticks];
    let mut free = [0; NAMES.len()];
    for tick in 0..ticks {
        let host = random.random_range(0..NAMES.len());
        let path = random.random_range(0..PATHS);
        events[tick].push(match random.random_range(0..100) {
            0..60 => {
                let bytes = if random.random_range(0..20) == 0 { 1 << 20 } else { random.random_range(0..20_000) };
                Event::Write { host, path, bytes }
            }
            60..72 => Event::Delete { host, path },
            72..84 => Event::Rename { host, from: path, to: random.random_range(0..PATHS) },
            84..86 => Event::Move { host },
            86..97 => Event::Share { host, path: path % 5 },
            _ => Event::Tidy { host, path: path % 5 },
        });
        if random.random_range(0..25) == 0 {
            let fault = fault(&mut random, (tick, ticks), &mut free);
            fault.into_iter().for_each(|(at, event)| events[at].push(event));
        }
    }
    events
}

/// A fault, and its end. A host has one at a time; the first two are never killed, so that their memory can be compared.
fn fault(random: &mut StdRng, (tick, ticks): (usize, usize), free: &mut [usize]) -> Vec<(usize, Event)> {
    let end = (tick + random.random_range(5..60)).min(ticks - 1);
    let host = random.random_range(0..NAMES.len());
    let kind = random.random_range(0..6);
    if kind < 3 {
        let (cut, from) = (if random.random() { Cut::Silent } else { Cut::Refused }, (host + 1) % NAMES.len());
        let left: Vec<usize> = (0..NAMES.len()).filter(|_| random.random()).collect();
        let begins = if kind < 2 { Event::Split { left, cut } } else { Event::Deafen { host, from } };
        return vec![(tick, begins), (end, Event::Heal)];
    }
    let clock_s = [0, 3600, -3600, 86_400 * 30][random.random_range(0..4)];
    if tick <= free[host] {
        return Vec::new();
    }
    free[host] = end + 10;
    match kind {
        3 if host >= 2 => vec![(tick, Event::Kill { host }), (end, Event::Start { host, clock_s })],
        4 => vec![(tick, Event::Fill { host }), (end, Event::Empty { host })],
        _ => vec![(tick, Event::Stop { host }), (end, Event::Continue { host })],
    }
}

/// What each host's own files must hold.
type Oracle = Vec<BTreeMap<u32, Vec<u8>>>;

struct Soak {
    all: Vec<Host>,
    oracle: Oracle,
    /// How often each host has renamed its directory.
    moves: Vec<u32>,
    written: Vec<Vec<u8>>,
}

impl Soak {
    fn new() -> Soak {
        let mut all = hosts(&NAMES);
        for host in &mut all {
            host.configure(&format!("name = \"{}\"\ninterval = \"1s\"\nmdns = false\n", host.name));
            host.mount("disk", DISK_MIB);
            host.tree(DIRECTORY);
            host.start();
        }
        all[0].alike(["add", all[0].tree(DIRECTORY).text(), "--name", SHARE]).expect(0);
        all[1..].iter().for_each(|other| admit_at(&all[0], other));
        let (oracle, moves) = (vec![BTreeMap::new(); NAMES.len()], vec![0; NAMES.len()]);
        let soak = Soak { all, oracle, moves, written: Vec::new() };
        for host in 0..NAMES.len() {
            soak.tree(host).directory(soak.directory(host));
        }
        soak
    }

    /// Those that are never killed.
    fn throughout(&self) -> &[Host] {
        &self.all[..2]
    }

    /// What those hold, in MiB.
    fn memory(&self) -> Vec<f64> {
        self.throughout().iter().map(|host| host.memory_bytes() as f64 / f64::from(1 << 20)).collect()
    }

    /// Rests for so long: the least is what is held, beside what happens to be done meanwhile.
    fn rest(&self, length: Duration) -> Vec<f64> {
        let (until, mut held_mib) = (Instant::now() + length, self.memory());
        while Instant::now() < until {
            thread::sleep(SAMPLE);
            held_mib.iter_mut().zip(self.memory()).for_each(|(least, now)| *least = least.min(now));
        }
        held_mib
    }

    /// What those have done so far, of which a meeting is the smallest part: it carries what changed, and no more.
    fn done(&self) -> String {
        let number = |of: &serde_json::Value, name: &str| of[name].as_u64().expect("a number");
        let done = |host: &Host| {
            let (of_daemon, of_share) = (host.daemon_status(), host.status(SHARE));
            let [rounds, meetings, content] =
                ["rounds", "meeting_bytes", "content_bytes"].map(|name| number(&of_share, name));
            let moved = number(&of_daemon, "received") + number(&of_daemon, "sent");
            assert!((1..MEETING_MAX).contains(&(meetings / rounds.max(1))), "{of_share}");
            format!(
                "{rounds} meetings of {} bytes; {content} bytes of content; {moved} in all",
                meetings / rounds.max(1)
            )
        };
        self.throughout().iter().map(done).collect::<Vec<String>>().join("; ")
    }

    fn tree(&self, host: usize) -> Tree {
        self.all[host].tree(DIRECTORY)
    }

    fn directory(&self, host: usize) -> String {
        format!("of-{}-{}", NAMES[host], self.moves[host])
    }

    fn own(&self, host: usize, path: u32) -> String {
        format!("{}/{path}.bin", self.directory(host))
    }

    /// Writes beside the share and renames into it: there is the whole file, or, where the disk is full, none.
    fn write(&self, host: usize, path: &str, bytes: &[u8]) -> bool {
        let beside = self.all[host].tree("disk").join("beside");
        let place = self.tree(host).join(path);
        let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, place));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written.is_ok()
    }

    fn happen(&mut self, tick: usize, event: &Event) {
        match event {
            Event::Write { host, path, bytes } => {
                let content = pattern(*bytes, tick as u64);
                if self.write(*host, &self.own(*host, *path), &content) {
                    self.oracle[*host].insert(*path, content);
                }
            }
            Event::Delete { host, path } => {
                if self.oracle[*host].remove(path).is_some() {
                    assert!(self.tree(*host).has(self.own(*host, *path)), "{} is gone", self.own(*host, *path));
                    self.tree(*host).remove(self.own(*host, *path));
                }
            }
            Event::Rename { host, from, to } => {
                let place = |path| self.tree(*host).join(self.own(*host, path));
                let has = self.oracle[*host].contains_key(from);
                if has && from != to && fs::rename(place(*from), place(*to)).is_ok() {
                    let content = self.oracle[*host].remove(from).expect("it was just there");
                    self.oracle[*host].insert(*to, content);
                }
            }
            Event::Move { host } => {
                let before = self.tree(*host).join(self.directory(*host));
                self.moves[*host] += 1;
                if fs::rename(before, self.tree(*host).join(self.directory(*host))).is_err() {
                    self.moves[*host] -= 1;
                }
            }
            Event::Share { host, path } => {
                let content = [format!("by {} at {tick}: ", NAMES[*host]).into_bytes(), pattern(3000, tick as u64)];
                let content = content.concat();
                if self.write(*host, &format!("shared-{path}.bin"), &content) {
                    self.written.push(content);
                }
            }
            Event::Tidy { host, path } => self.tidy(*host, &format!("shared-{path}.conflict-")),
            fault => self.strike(fault),
        }
    }

    fn tidy(&self, host: usize, start: &str) {
        let entries = fs::read_dir(self.tree(host).path()).expect("a readable directory").flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start)) {
            // It may go by itself meanwhile.
            let _ = fs::remove_file(entry.path());
        }
    }

    fn strike(&mut self, fault: &Event) {
        match fault {
            Event::Split { left, cut } => {
                let (left, right): (Vec<&Host>, Vec<&Host>) = {
                    let is_left = |at: &usize| left.contains(at);
                    let (left, right): (Vec<usize>, Vec<usize>) = (0..NAMES.len()).partition(is_left);
                    let named = |of: Vec<usize>| of.into_iter().map(|at| &self.all[at]).collect();
                    (named(left), named(right))
                };
                split(&left, &right, *cut);
            }
            Event::Deafen { host, from } => self.all[*host].deafen(&self.all[*from], Cut::Silent),
            Event::Heal => self.all.iter().for_each(Host::heal),
            Event::Kill { host } => self.all[*host].stop(Signal::KILL),
            Event::Start { host, clock_s } => {
                self.all[*host].set_clock(*clock_s);
                self.all[*host].start();
            }
            Event::Stop { host } => self.all[*host].signal(Signal::STOP),
            Event::Continue { host } => self.all[*host].signal(Signal::CONT),
            Event::Fill { host } => self.all[*host].fill("disk"),
            Event::Empty { host } => drop(fs::remove_file(self.all[*host].tree("disk").join("ballast"))),
            _ => unreachable!("users' events are not faults"),
        }
    }

    /// Waits until all hold and show the same, and asserts that it is what it must be.
    fn settle(&self) {
        let state = || -> Vec<_> { self.all.iter().map(|host| host.status(SHARE)).collect() };
        let (started, mut moved, mut last) = (Instant::now(), Instant::now(), Vec::new());
        loop {
            let now = state();
            if is_alike(&now) {
                break;
            }
            self.approve(&now);
            let marks = now.iter().map(mark).collect();
            if marks != last {
                (moved, last) = (Instant::now(), marks);
            }
            let is_stuck = moved.elapsed() > STUCK || started.elapsed() > SETTLED;
            assert!(!is_stuck, "not alike after {:.0?}\n{}", started.elapsed(), self.evidence());
            thread::sleep(Duration::from_millis(200));
        }
        let trees = self.trees();
        for (tree, name) in trees.iter().zip(NAMES) {
            let differing = different(tree, &trees[0]);
            assert!(differing.is_empty(), "{name} shows something else at {differing:?}\n{}", self.evidence());
        }
        let is_shared = |path: &Path| path.to_string_lossy().starts_with("shared-");
        let own: BTreeMap<PathBuf, Vec<u8>> = trees[0]
            .iter()
            .filter(|(path, _)| !is_shared(path) && path.extension().is_some())
            .map(|(path, bytes)| (path.clone(), bytes.clone()))
            .collect();
        let differing = different(&own, &self.expected());
        assert!(differing.is_empty(), "not what was written at {differing:?}\n{}", self.evidence());
        for (path, bytes) in trees[0].iter().filter(|(path, _)| is_shared(path)) {
            assert!(self.written.contains(bytes), "{} holds what nobody wrote", path.display());
        }
    }

    /// Lets deletes through that the guard holds, as whoever uses these hosts would: all that was deleted was meant.
    fn approve(&self, all: &[serde_json::Value]) {
        let holds = |now: &serde_json::Value| now["held"].as_array().is_some_and(|held| !held.is_empty());
        for (host, _) in self.all.iter().zip(all).filter(|(_, now)| holds(now)) {
            let approved = host.alike(["approve", SHARE]);
            // More came meanwhile: that is asked for again.
            assert!([0, 25].contains(&approved.code), "{approved:?}\n{}", host.log());
        }
    }

    fn trees(&self) -> Vec<BTreeMap<PathBuf, Vec<u8>>> {
        (0..NAMES.len()).map(|host| self.tree(host).shown()).collect()
    }

    /// What each host's own files must hold in the end.
    fn expected(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let own = |host: usize| {
            let files = self.oracle[host].iter();
            files.map(move |(path, content)| (PathBuf::from(self.own(host, *path)), content.clone()))
        };
        (0..NAMES.len()).flat_map(own).collect()
    }

    /// What helps to find out why all are not alike: how each host stands, and who shows what where they differ. Roots and logs
    /// are kept in the directory that `SOAK_KEEP` names.
    fn evidence(&self) -> String {
        let mut told = String::new();
        for host in &self.all {
            let mut status = host.status(SHARE);
            status["members"].take();
            told += &format!("{}: {status}\n", host.name);
            let said = host.alike(["conflicts", host.tree(DIRECTORY).text(), "--json"]).stdout;
            told += &format!("{} conflicts: {}\n", host.name, said.lines().count());
            if let Some(keep) = std::env::var_os("SOAK_KEEP").map(PathBuf::from) {
                fs::create_dir_all(&keep).expect("a directory to keep things in");
                let mut copy = Command::new("cp");
                let copied = copy.arg("-a").arg(host.tree(DIRECTORY).path()).arg(keep.join(&host.name)).status();
                told += &format!("{} kept: {copied:?}\n", host.name);
                fs::write(keep.join(format!("{}.log", host.name)), host.log()).expect("a log that is kept");
            }
        }
        let (trees, expected) = (self.trees(), self.expected());
        let paths: BTreeSet<&PathBuf> = trees.iter().chain([&expected]).flat_map(BTreeMap::keys).collect();
        for path in paths {
            let shown: Vec<String> = trees.iter().map(|tree| brief(tree.get(path))).collect();
            if shown.iter().any(|one| *one != shown[0]) {
                told += &format!("{}: {} written {}\n", path.display(), shown.join(" "), brief(expected.get(path)));
            }
        }
        told
    }
}

/// A file's size and how it begins; `-` for none.
fn brief(content: Option<&Vec<u8>>) -> String {
    content.map_or("-".into(), |bytes| format!("{}:{:02x?}", bytes.len(), &bytes[..bytes.len().min(4)]))
}

/// What changes of a host for as long as it gets on.
fn mark(now: &serde_json::Value) -> String {
    format!("{} {} {}", now["top"], now["knowledge"], now["wanted"])
}

fn admit_at(member: &Host, other: &Host) {
    admit(member, other, DIRECTORY);
}

fn is_alike(all: &[serde_json::Value]) -> bool {
    let first = &all[0];
    let same = |now: &serde_json::Value| now["top"] == first["top"] && now["knowledge"] == first["knowledge"];
    all.iter().all(|now| same(now) && now["wanted"] == 0 && now["at"] == "resting")
}

/// Paths at which two trees differ.
fn different(left: &BTreeMap<PathBuf, Vec<u8>>, right: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    left.keys().chain(right.keys()).filter(|path| left.get(*path) != right.get(*path)).cloned().collect()
}

/// What a meeting costs less than on average, both ways together, in bytes.
const MEETING_MAX: u64 = 16_384;
/// Parts of a soak. After each all hear each other, come to be alike, and rest.
const PARTS: u64 = 3;
/// This part of a soak is rested after each.
const REST_PART: u32 = 60;

/// Runs a schedule in parts, and asserts how each ends. Gives, of each part, what each daemon that ran throughout held in the end,
/// in MiB, when all were at rest.
#[allow(clippy::print_stdout)]
pub fn run(seed: u64, length: Duration) -> Vec<Vec<f64>> {
    let ticks = (length.as_millis() / TICK.as_millis()) as usize / PARTS as usize;
    println!("seed {seed}, {PARTS} times {ticks} ticks");
    let mut soak = Soak::new();
    let began = Instant::now();
    let part = |number: u64| {
        let events = schedule(seed * PARTS + number, ticks);
        assert_eq!(events, schedule(seed * PARTS + number, ticks), "a seed is a schedule");
        for (tick, events) in events.iter().enumerate() {
            let until = Instant::now() + TICK;
            for event in events {
                if std::env::var_os("SOAK_SAY").is_some() {
                    println!("{number} {tick} {event:?}");
                }
                soak.happen(ticks * number as usize + tick, event);
            }
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        soak.all.iter().for_each(Host::heal);
        println!("after {:.0?} nothing happens any more: {:.1?} MiB", began.elapsed(), soak.memory());
        soak.settle();
        println!("alike after {:.0?}", began.elapsed());
        let held_mib = soak.rest(length / REST_PART);
        println!("at rest after {:.0?}: {held_mib:.1?} MiB; {}", began.elapsed(), soak.done());
        held_mib
    };
    (0..PARTS).map(part).collect()
}
