//! A run that stands still after each single step, and a user who acts there on a path that the run has to do with. Then nobody
//! does anything any more: two runs come to the end of it, both sides are alike, and what nobody took away is there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::harness::{self, Sandbox, Tree};

/// After which calls a run stands still, and how many such stops follow each other before one is tried: all that put something
/// in place or away, and some of those that look.
const CALLS: [(&str, usize); 5] = [("renameat2", 1), ("mkdirat", 2), ("unlinkat", 3), ("fdatasync", 4), ("openat", 6)];
/// Of the points at which a user may act, every so many'th is tried. `ALIKE_TEST_STEPS` says 1 for all.
const STRIDE: usize = 97;
/// By then a run has come to its next step, or to its end.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the user writes.
const USERS: &[u8] = b"by the user";

/// What the user does to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Removes,
    Renames,
    Overwrites,
    Replaces,
    MakesDirectory,
    MakesLink,
    Touches,
}

const ACTS: [Act; 7] =
    [Act::Removes, Act::Renames, Act::Overwrites, Act::Replaces, Act::MakesDirectory, Act::MakesLink, Act::Touches];

/// Two trees that were alike, and what has become of them.
struct Story {
    name: &'static str,
    before: fn(&Tree),
    left: fn(&Tree),
    right: fn(&Tree),
}

struct World {
    sandbox: Sandbox,
    trees: [Tree; 2],
}

/// Where and when which user does what.
#[derive(Debug, Clone)]
struct Point {
    call: &'static str,
    at: usize,
    side: usize,
    path: PathBuf,
    act: Act,
}

impl World {
    fn new(story: &Story) -> World {
        let sandbox = Sandbox::below(Path::new("/dev/shm"));
        let trees = ["left", "right"].map(|name| sandbox.tree(name));
        (story.before)(&trees[0]);
        let begun = sandbox.alike(["sync", "left", "right"]);
        assert!(begun.code <= 1, "{}: {begun:?}", story.name);
        (story.left)(&trees[0]);
        (story.right)(&trees[1]);
        World { sandbox, trees }
    }

    fn settle(&self) -> harness::Outcome {
        self.sandbox.alike(["sync", "--json", "--max-delete=100%", "left", "right"])
    }

    /// A run that stands still after each call of a name; `act` is asked after each. Gives the exit status.
    fn stopped(&self, call: &str, mut act: impl FnMut(usize)) -> i32 {
        let alike = self.sandbox.command(["sync", "--max-delete=100%", "left", "right"]);
        let log = self.sandbox.path("stops");
        File::create(&log).expect("a new file");
        let mut command = std::process::Command::new("strace");
        command.args(["-f", "-qq", "-o"]).arg(&log).args(["-e", &format!("trace={call}")]);
        command.args(["-e", &format!("inject={call}:signal=SIGSTOP")]);
        command.arg(alike.get_program()).args(alike.get_args());
        command.current_dir(alike.get_current_dir().expect("the sandbox")).env_clear();
        command.envs(alike.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("RAYON_NUM_THREADS", "1");
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("strace is installed");
        let mut stops = Stops { log: File::open(log).expect("it was just made"), said: String::new(), seen: 0 };
        let mut count = 0;
        while let Some(stopped) = stops.next(&mut run) {
            count += 1;
            act(count);
            // One that was killed meanwhile is over.
            let _ = kill_process(stopped, Signal::CONT);
        }
        run.wait().expect("a child").code().expect("nobody killed it")
    }
}

/// The stops of a run, as strace tells of them.
struct Stops {
    log: File,
    said: String,
    /// Of what was said, so much is over.
    seen: usize,
}

impl Stops {
    /// Waits for the next stop, and gives who stands still; `None` once the run is over.
    fn next(&mut self, run: &mut Child) -> Option<Pid> {
        let begun = Instant::now();
        loop {
            let over = run.try_wait().expect("a child").is_some();
            self.log.read_to_string(&mut self.said).expect("a readable log");
            let new = &self.said[self.seen..];
            let sent = new.find("--- SIGSTOP {");
            let stopped = sent.and_then(|sent| Some(sent + new[sent..].find("--- stopped by SIGSTOP ---\n")?));
            if let Some(stopped) = stopped {
                let line = new[..stopped].rsplit('\n').next().expect("a line");
                let thread = line.split_whitespace().next().and_then(|number| number.parse().ok());
                let thread = thread.and_then(Pid::from_raw).expect("who it was stands first");
                if all_stand_still(thread) {
                    self.seen += stopped;
                    return Some(thread);
                }
            }
            if over {
                return None;
            }
            assert!(begun.elapsed() < DEADLINE, "the run neither goes on nor ends: {}", self.said);
            std::thread::sleep(Duration::from_micros(300));
        }
    }
}

/// Whether no thread of the process that a thread is one of goes on.
fn all_stand_still(thread: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", thread.as_raw_nonzero())).into_iter().flatten().flatten();
    threads.into_iter().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|state| state.starts_with(['t', 'T']))
    })
}

/// All contents at and below a path, links included.
fn contents(tree: &Tree, path: &Path) -> BTreeSet<Vec<u8>> {
    let at_or_below = tree.shown().into_iter().filter(|(name, _)| name.starts_with(path));
    at_or_below.map(|(_, bytes)| bytes).filter(|bytes| bytes != b"/").collect()
}

/// Since when all files are as they are.
fn times(tree: &Tree) -> Vec<(i64, i64)> {
    let of = |path: PathBuf| tree.join(path).symlink_metadata().expect("it was just seen");
    let files = tree.shown().into_keys().map(of).filter(fs::Metadata::is_file);
    files.map(|status| (status.mtime(), status.mtime_nsec())).collect()
}

/// The conflict copy that a tree shows.
fn copy_in(tree: &Tree) -> PathBuf {
    let shown = tree.shown().into_keys();
    shown.into_iter().find(|path| path.to_string_lossy().contains(".conflict-")).expect("a copy")
}

impl Act {
    /// Does it, if it can be done; gives what the user took away.
    fn on(self, tree: &Tree, path: &Path) -> Option<BTreeSet<Vec<u8>>> {
        let full = tree.join(path);
        let there = full.symlink_metadata().ok();
        if !full.parent().is_some_and(Path::is_dir) {
            return None;
        }
        let taken = contents(tree, path);
        let remove = || {
            if there.is_some() {
                tree.remove(path);
            }
        };
        match self {
            Act::Removes => {
                there.as_ref()?;
                remove();
            }
            Act::Renames => {
                there.as_ref()?;
                tree.rename(path, "by the user/moved");
                return Some(BTreeSet::new());
            }
            Act::Overwrites => {
                there.as_ref().filter(|status| status.is_file())?;
                tree.file(path, USERS);
            }
            Act::Replaces => {
                remove();
                tree.file(path, USERS);
            }
            Act::MakesDirectory => {
                there.as_ref().is_none_or(|status| !status.is_dir()).then_some(())?;
                remove();
                tree.file(path.join("in it"), USERS);
            }
            Act::MakesLink => {
                remove();
                tree.link(path, std::str::from_utf8(USERS).expect("a text"));
            }
            Act::Touches => {
                there.as_ref().filter(|status| status.is_file())?;
                tree.mtime(path, 1_400_000_000, 7);
                return Some(BTreeSet::new());
            }
        }
        Some(taken)
    }

    /// What the user wrote by it.
    fn written(self) -> Option<Vec<u8>> {
        match self {
            Act::Removes | Act::Renames | Act::Touches => None,
            Act::Overwrites | Act::Replaces | Act::MakesDirectory => Some(USERS.to_vec()),
            Act::MakesLink => Some([b"-> ", USERS].concat()),
        }
    }
}

/// What a story comes to where nobody interferes: what is there, and how often a run stands still after each call.
struct Reference {
    live: BTreeSet<Vec<u8>>,
    paths: Vec<PathBuf>,
    stops: Vec<(&'static str, usize)>,
}

fn reference(story: &Story) -> Reference {
    let world = World::new(story);
    let mut paths: BTreeSet<PathBuf> = world.trees.iter().flat_map(|tree| tree.shown().into_keys()).collect();
    let ended = world.settle();
    assert!(ended.code <= 1, "{}: {ended:?}", story.name);
    paths.extend(world.trees[0].shown().into_keys());
    let live = contents(&world.trees[0], Path::new(""));
    let stops = CALLS.map(|(call, _)| {
        let world = World::new(story);
        let mut count = 0;
        let code = world.stopped(call, |at| count = at);
        assert!(code <= 1, "{}, {call}: {code}", story.name);
        (call, count)
    });
    Reference { live, paths: paths.into_iter().collect(), stops: stops.into() }
}

/// One point of a story; whether the user could act there. Gives what is wrong then.
fn tried(story: &Story, reference: &Reference, point: &Point) -> Result<bool, String> {
    let world = World::new(story);
    let mut taken = None;
    let code = world.stopped(point.call, |at| {
        if at == point.at {
            taken = point.act.on(&world.trees[point.side], &point.path);
        }
    });
    let Some(taken) = taken else { return Ok(false) };
    let ends = [world.settle(), world.settle()];
    let shown = [0, 1].map(|side| world.trees[side].shown());
    let says = |what: &str| Err(format!("{}, {point:?}: {what}: {code} {ends:#?}: {shown:#?}", story.name));
    if !matches!(code, 0 | 1 | 23 | 24) {
        return says("the run ended with what it should not");
    }
    if ends.iter().any(|end| end.code > 1) {
        return says("a run in peace ended with what it should not");
    }
    if !ends[1].events("action").is_empty() {
        return says("the second run in peace had something to do");
    }
    if shown[0] != shown[1] || times(&world.trees[0]) != times(&world.trees[1]) {
        return says("they are not alike");
    }
    let held = contents(&world.trees[0], Path::new(""));
    let written = point.act.written();
    let due = reference.live.iter().filter(|bytes| !taken.contains(*bytes)).chain(&written);
    if let Some(lost) = due.into_iter().find(|bytes| !held.contains(*bytes)) {
        return says(&format!("lost: {}", String::from_utf8_lossy(lost)));
    }
    Ok(true)
}

/// All points of a story.
fn points(reference: &Reference) -> Vec<Point> {
    let mut points = Vec::new();
    for (&(call, count), (_, every)) in reference.stops.iter().zip(CALLS) {
        for at in (1..=count).step_by(every) {
            for path in &reference.paths {
                for side in [0, 1] {
                    points.extend(ACTS.map(|act| Point { call, at, side, path: path.clone(), act }));
                }
            }
        }
    }
    points
}

fn whatever_is_done_within(story: &Story) {
    let stride = std::env::var("ALIKE_TEST_STEPS").ok().and_then(|stride| stride.parse().ok()).unwrap_or(STRIDE);
    all_within(story, stride, |_| true);
}

/// Every so many'th of the points that are wanted.
fn all_within(story: &Story, stride: usize, wanted: impl Fn(&Point) -> bool) {
    if !std::process::Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        return harness::skip("strace is not installed");
    }
    let reference = reference(story);
    let points: Vec<Point> = points(&reference).into_iter().filter(wanted).collect();
    let (mut acts, mut wrong) = (0, Vec::new());
    for point in points.iter().step_by(stride) {
        match tried(story, &reference, point) {
            Ok(acted) => acts += usize::from(acted),
            Err(what) => wrong.push(what),
        }
    }
    let said: Vec<&str> = wrong.iter().map(|what| what.split(": Outcome").next().expect("a beginning")).collect();
    // All of it is what somebody wants who looks for the cause.
    if let Some(place) = std::env::var_os("ALIKE_TEST_WRONG") {
        fs::write(Path::new(&place).join(story.name), wrong.join("\n\n\n")).expect("a log");
    }
    assert!(wrong.is_empty(), "{} of {acts}: {said:#?}", wrong.len());
    harness::tell(&format!("{}: {acts} of {} acts", story.name, points.len()));
    assert!(acts >= 3, "{acts} acts");
}

/// Both sides edited a file: that of the right is the younger.
const BOTH_EDITED: Story = Story {
    name: "both edited",
    before: |tree| _ = tree.file("f", b"base").file("keep", b"keep"),
    left: |left| _ = left.file("f", b"left").mtime("f", 1_500_000_000, 0),
    right: |right| _ = right.file("f", b"the right").mtime("f", 1_600_000_000, 0),
};

#[test]
fn a_directory_that_a_user_makes_of_what_was_just_put_in_place_leaves_both_sides_alike() {
    all_within(&BOTH_EDITED, 1, |point| {
        point.call == "unlinkat" && point.act == Act::MakesDirectory && point.path != Path::new("keep")
    });
}

#[test]
fn a_touch_of_what_was_just_put_in_place_leaves_both_sides_alike() {
    all_within(&BOTH_EDITED, 1, |point| {
        point.call == "unlinkat" && point.act == Act::Touches && point.path != Path::new("keep")
    });
}

#[test]
fn where_both_edited_a_file() {
    whatever_is_done_within(&BOTH_EDITED);
}

#[test]
fn where_a_file_gives_way_to_a_directory() {
    whatever_is_done_within(&Story {
        name: "gives way",
        before: |tree| _ = tree.file("f", b"base").file("keep", b"keep"),
        left: |left| _ = left.remove("f").file("f/in", b"in"),
        right: |right| _ = right.file("f", b"the right"),
    });
}

#[test]
fn where_files_change_names_along_a_chain() {
    whatever_is_done_within(&Story {
        name: "chain",
        before: |tree| _ = tree.file("a", b"one").file("b", b"two ").file("c", b"three"),
        left: |left| _ = left.rename("c", "d").rename("b", "c").rename("a", "b"),
        right: |_| {},
    });
}

#[test]
fn where_files_change_places() {
    whatever_is_done_within(&Story {
        name: "cycle",
        before: |tree| _ = tree.file("a", b"one").file("b", b"two ").file("c", b"three"),
        left: |left| _ = left.rename("c", "t").rename("b", "c").rename("a", "b").rename("t", "a"),
        right: |_| {},
    });
}

#[test]
fn where_a_file_is_copied_and_moves() {
    whatever_is_done_within(&Story {
        name: "copies",
        before: |tree| _ = tree.file("c", b"one").file("b", b"two "),
        left: |left| _ = left.rename("c", "d").file("e", b"one").rename("b", "c"),
        right: |_| {},
    });
}

#[test]
fn where_a_file_that_was_edited_moves_over_another_one() {
    whatever_is_done_within(&Story {
        name: "moves over",
        before: |tree| _ = tree.file("f", b"one").file("g", b"two "),
        left: |left| _ = left.rename("f", "g"),
        right: |right| _ = right.file("f", b"f of the right").file("g", b"g of the right").mtime("g", 1_500_000_000, 0),
    });
}

#[test]
fn where_a_copy_gives_way_to_a_directory() {
    whatever_is_done_within(&Story {
        name: "displaced",
        before: |tree| _ = tree.file("f/in", b"in").file("f.conflict-b1c2d3e4", b"the copy").file("x", b"x"),
        left: |left| _ = left.file(copy_in(left), b"the left's copy").rename("x", "y"),
        right: |right| {
            let copy = copy_in(right);
            right.remove(&copy).file(copy.join("in"), b"in it");
        },
    });
}

#[test]
fn where_links_are_in_conflict_with_a_directory() {
    whatever_is_done_within(&Story {
        name: "links",
        before: |tree| _ = tree.link("l", "base").file("x", b"x"),
        left: |left| _ = left.remove("l").file("l/in", b"in").remove("x").link("x", "new"),
        right: |right| _ = right.remove("l").link("l", "right"),
    });
}

#[test]
fn where_a_directory_moves_in_which_files_were_edited() {
    whatever_is_done_within(&Story {
        name: "directory",
        before: |tree| _ = tree.file("d/a", b"one").file("d/b", b"two ").file("x", b"x"),
        left: |left| _ = left.rename("d", "e").file("e/a", b"left").rename("x", "e/x"),
        right: |right| _ = right.file("d/a", b"the right"),
    });
}
