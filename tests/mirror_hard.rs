//! The laws of `alike mirror` where things go wrong or get large: writers that race it, kills, full disks, interrupts,
//! two runs at once, many entries, deep trees, holes.

mod harness;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::tree::pattern;
use harness::{Outcome, Sandbox, Tree, assert_alike, await_handler, skip};
use rustix::process::{Pid, Signal, kill_process};

fn mirror(sandbox: &Sandbox, flags: &[&str]) -> Outcome {
    let mut arguments = vec!["mirror", "source", "target", "--json"];
    arguments.extend(flags);
    sandbox.alike(arguments)
}

/// Starts the command and does not wait.
fn start(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let mut command = sandbox.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command starts")
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("the command was started here");
}

/// A sandbox where no write waits for a disk, and many files are made at once.
fn in_memory() -> Sandbox {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { Sandbox::below(memory) } else { Sandbox::new() }
}

/// Every regular file below a path.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut rest = vec![root.to_owned()];
    while let Some(path) = rest.pop() {
        if path.symlink_metadata().expect("a path that was listed").is_dir() {
            rest.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        } else {
            found.push(path);
        }
    }
    found
}

/// Whether nothing is left of a run but the trash.
#[track_caller]
fn assert_tidy(target: &Tree) {
    assert!(!target.has(".alike/staging"), "staging is left: {:?}", files(&target.join(".alike/staging")));
}

/// A version of a file: a head of eight bytes that says how long it is, and one byte over and over.
fn version(bytes: usize, fill: u8) -> Vec<u8> {
    let mut content = vec![fill; bytes];
    content[..8].copy_from_slice(&(bytes as u64).to_le_bytes());
    content
}

/// What is wrong with what arrived. A version that is cut short is a state that the file was in for a while: its writer
/// truncates it and then writes. Bytes of two versions never are.
fn torn(content: &[u8]) -> Option<String> {
    let head = content.first_chunk::<8>()?;
    let (length, fill) = (u64::from_le_bytes(*head), content.last().copied().unwrap_or_default());
    let mixed = content[8..].iter().position(|&byte| byte != fill);
    let whole = mixed.is_none() && content.len() as u64 <= length;
    (!whole).then(|| format!("{} bytes of {length}, two versions: {mixed:?}", content.len()))
}

/// Rewrites a file in a loop, each time another way.
fn rewrite(path: &Path, stop: &AtomicBool) {
    let sizes = [64 << 10, 300_000, 1 << 20, 8 << 20];
    let aside = path.with_extension("aside");
    for turn in 0usize.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // The four ways in turn, each group of one size: what is overwritten in place is as long as before.
        let content = version(sizes[turn / 4 % sizes.len()], turn as u8 | 1);
        let done = match turn % 4 {
            0 => fs::write(path, &content),
            1 => fs::write(&aside, &content).and_then(|()| fs::rename(&aside, path)),
            2 => OpenOptions::new().write(true).open(path).and_then(|file| file.write_all_at(&content, 0)),
            _ => fs::remove_file(path).and_then(|()| fs::write(path, &content)),
        };
        done.expect("the writer alone writes");
        if turn % 64 == 63 {
            thread::sleep(Duration::from_millis(30));
        }
    }
}

#[test]
fn a_file_that_is_written_all_the_time_never_arrives_torn() {
    let sandbox = in_memory();
    let (source, target) = (sandbox.tree("source"), sandbox.tree("target"));
    for number in 0..20 {
        source.file(format!("calm-{number}"), pattern(10_000, number));
    }
    source.file("b/busy", version(1 << 20, 9)).file("busy", version(8 << 20, 9)).file("calm", b"0");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for name in ["busy", "b/busy"] {
            let (path, stop) = (source.join(name), &stop);
            scope.spawn(move || rewrite(&path, stop));
        }
        // Whatever fails, the writers end.
        let _end = Ends(&stop);
        for round in 0..25 {
            source.file("calm", format!("round {round}"));
            let outcome = mirror(&sandbox, &["--no-trash", "--fsync=off", "--exclude=*.aside"]);
            assert!([0, 1, 24].contains(&outcome.code), "round {round}: {}{}", outcome.stdout, outcome.stderr);
            assert_eq!(outcome.code == 24, !outcome.events("problem").is_empty(), "{}", outcome.stdout);
            assert_eq!(target.read("calm"), source.read("calm"), "round {round}: {}", outcome.stdout);
            for name in ["busy", "b/busy"] {
                if target.has(name) {
                    assert_eq!(torn(&target.read(name)), None, "round {round}: `{name}` is torn");
                }
            }
        }
    });
    let _none = fs::remove_file(source.join("busy.aside"));
    let _none = fs::remove_file(source.join("b/busy.aside"));
    mirror(&sandbox, &["--no-trash"]).expect(0);
    assert_alike(source.path(), target.path());
    assert!(!target.has(".alike"));
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_interrupted_first_hash_goes_on_where_it_stopped() {
    let sandbox = Sandbox::new();
    let source = sandbox.tree("source");
    let bytes = pattern(1 << 20, 1);
    for number in 0..400u32 {
        let mut content = bytes.clone();
        content[..4].copy_from_slice(&number.to_le_bytes());
        source.file(format!("{:02}/{number}", number % 20), content);
    }
    let began = Instant::now();
    let whole = sandbox.alike(["index", "source", "--no-cache", "--json"]).expect(0).summary();
    let took = began.elapsed();
    let total = whole["hashed_bytes"].as_u64().expect("a number");
    // Where a run ended by itself, or had hashed nothing yet, the next one is caught at another moment.
    for percent in [50, 30, 70, 20, 40, 15, 60, 10, 80, 5] {
        let mut child = start(&sandbox, &["index", "source"]);
        await_handler(&child, Signal::INT);
        thread::sleep(took * percent / 100);
        signal(&child, Signal::INT);
        let code = child.wait().expect("the command was started here").code();
        assert!(matches!(code, Some(0 | 20)), "{code:?}");
        let rest = sandbox.alike(["index", "source", "--json"]).expect(0).summary();
        assert_eq!(rest["top"], whole["top"]);
        let hashed = rest["hashed_bytes"].as_u64().expect("a number");
        if code == Some(20) && hashed < total {
            return;
        }
        fs::remove_dir_all(sandbox.path("cache"))
            .and_then(|()| fs::create_dir(sandbox.path("cache")))
            .expect("a cache");
    }
    panic!("no run went on where another one had stopped in the middle: {took:?}");
}

#[test]
fn an_interrupted_mirror_says_so_and_the_next_one_completes() {
    let sandbox = Sandbox::new();
    let (source, target) = (sandbox.tree("source"), sandbox.tree("target"));
    for number in 0..3000 {
        source.file(format!("{:02}/{number}", number % 30), pattern(20_000, number));
    }
    let mut caught = false;
    for pause in [0, 50, 150, 300, 600] {
        let mut child = start(&sandbox, &["mirror", "source", "target", "--fsync=off"]);
        await_handler(&child, Signal::INT);
        thread::sleep(Duration::from_millis(pause));
        signal(&child, Signal::INT);
        let code = child.wait().expect("the command was started here").code();
        assert!(matches!(code, Some(0 | 20)), "{code:?}");
        caught |= code == Some(20);
        assert_tidy(&target);
    }
    assert!(caught, "a run was interrupted");
    mirror(&sandbox, &[]).expect(0);
    assert_alike(source.path(), target.path());
    assert!(!target.has(".alike"));
}

/// A tmpfs that is mounted for as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    fn new(place: &Path, options: &str) -> Option<Mounted> {
        if !rustix::process::geteuid().is_root() {
            skip("this needs root");
            return None;
        }
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(place).status();
        assert!(status.is_ok_and(|status| status.success()), "a tmpfs can be mounted");
        Some(Mounted(place.to_owned()))
    }

    fn again(&self, options: &str) {
        let status = Command::new("mount").args(["-o", options]).arg(&self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "a tmpfs can be resized");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_shows_nothing_partial_and_the_next_run_completes() {
    let sandbox = Sandbox::new();
    let (source, target) = (sandbox.tree("source"), sandbox.tree("target"));
    let Some(mounted) = Mounted::new(target.path(), "size=6m") else { return };
    source.file("a/large", pattern(20 << 20, 1)).file("old", pattern(1 << 20, 2));
    target.file("old", pattern(1 << 20, 3)).mtime("old", 5, 5);
    for number in 0..40 {
        source.file(format!("small/{number}"), pattern(5000, number));
    }
    let outcome = mirror(&sandbox, &[]).expect(23);
    let problems = outcome.events("problem");
    assert!(problems.iter().any(|problem| problem["path"] == "a/large"), "{}", outcome.stdout);
    assert!(!target.has("a/large"), "nothing partial is at its name");
    let old = target.read("old");
    assert!(old == pattern(1 << 20, 2) || old == pattern(1 << 20, 3));
    for number in 0..40 {
        assert_eq!(target.read(format!("small/{number}")), pattern(5000, number), "the rest goes on");
    }
    assert_tidy(&target);
    mounted.again("remount,size=64m");
    mirror(&sandbox, &[]).expect(0);
    assert_alike(source.path(), target.path());
    assert_tidy(&target);
}

#[test]
fn the_room_of_a_large_file_that_was_replaced_is_free_when_the_run_has_ended() {
    let sandbox = Sandbox::new();
    let (source, target) = (sandbox.tree("source"), sandbox.tree("target"));
    let Some(_mounted) = Mounted::new(target.path(), "size=48m") else { return };
    for round in 0..4 {
        source.file("large", pattern(20 << 20, round));
        mirror(&sandbox, &["--no-trash"]).expect(0);
        assert_alike(source.path(), target.path());
        let room = rustix::fs::statvfs(target.path()).expect("a file system");
        let used = (room.f_blocks - room.f_bfree) * room.f_frsize;
        assert!(used < 22 << 20, "round {round}: {used} bytes are taken");
    }
}

#[test]
fn many_files_on_a_full_disk_arrive_as_far_as_they_fit() {
    let sandbox = Sandbox::new();
    let (source, target) = (sandbox.tree("source"), sandbox.tree("target"));
    let Some(mounted) = Mounted::new(target.path(), "size=3m") else { return };
    for number in 0..100 {
        source.file(format!("{}/{number}", number % 7), pattern(100_000, number));
    }
    mirror(&sandbox, &[]).expect(23);
    let arrived = files(target.path());
    assert!(arrived.len() > 5, "{} arrived", arrived.len());
    for path in arrived {
        let relative = path.strip_prefix(target.path()).expect("a path below the target");
        assert!(fs::read(&path).expect("a file") == source.read(relative), "{relative:?} is whole");
    }
    assert_tidy(&target);
    mounted.again("remount,size=64m");
    mirror(&sandbox, &[]).expect(0);
    assert_alike(source.path(), target.path());
    assert!(!target.has(".alike"));
}

/// Two states of 2,000 files between which there are updates, renames and deletes.
fn states(sandbox: &Sandbox) -> [Tree; 2] {
    let [old, new] = ["old", "new"].map(|name| sandbox.tree(name));
    for number in 0..2000u64 {
        let (path, kept) = (format!("{:02}/{number}", number % 40), format!("content {number} at first"));
        old.file(&path, &kept);
        match number % 8 {
            0 => new.file(&path, format!("content {number} later")),
            1 => new.file(format!("moved/{number}"), kept),
            2 => &new,
            3 => new.file(&path, kept).file(format!("more/{number}"), format!("more {number}")),
            _ => new.file(&path, kept),
        };
    }
    [old, new]
}

#[test]
fn a_kill_at_any_moment_leaves_each_path_old_or_new() {
    let sandbox = in_memory();
    let states = states(&sandbox);
    let target = Tree::at(sandbox.path("target"));
    sandbox.alike(["mirror", "old", "target"]).expect(0);
    // How long a whole run takes here and now: the kills fall all over it.
    let begun = Instant::now();
    sandbox.alike(["mirror", "new", "target", "--fsync=off", "--no-trash"]).expect(0);
    let mut whole = begun.elapsed();
    let mut killed = 0;
    for round in 0..30u32 {
        // Forth and back: each time about 1,000 actions are due.
        let goal = ["old", "new"][round as usize / 2 % 2];
        let mut child = start(&sandbox, &["mirror", goal, "target", "--fsync=off", "--no-trash"]);
        thread::sleep(whole * (round * 37 % 90 + 5) / 100);
        signal(&child, Signal::KILL);
        let caught = child.wait().expect("the command was started here").code().is_none();
        killed += usize::from(caught);
        // A run that got through was shorter than thought.
        whole = if caught { whole } else { whole * 8 / 10 };
        for path in files(target.path()) {
            let relative = path.strip_prefix(target.path()).expect("a path below the target");
            if relative.starts_with(".alike") {
                continue;
            }
            let seen = fs::read(&path).expect("a file");
            let known = states.iter().any(|tree| fs::read(tree.join(relative)).is_ok_and(|bytes| bytes == seen));
            assert!(known, "round {round}: {relative:?} holds neither its old nor its new content");
        }
        // What both states hold is there at every moment.
        for number in (4..2000u64).step_by(8) {
            let path = format!("{:02}/{number}", number % 40);
            assert!(target.has(&path), "round {round}: {path} is gone");
        }
        for number in (0..2000u64).step_by(8) {
            let path = format!("{:02}/{number}", number % 40);
            assert!(target.has(&path), "round {round}: {path} is gone, and was only to be updated");
        }
    }
    assert!(killed >= 10, "{killed} runs were killed");
    sandbox.alike(["mirror", "new", "target", "--max-delete=100%"]).expect(0);
    assert_alike(states[1].path(), target.path());
    assert_tidy(&target);
    sandbox.alike(["mirror", "new", "target", "--no-trash"]).expect(0);
}

#[test]
fn two_runs_to_one_target_do_not_harm_each_other() {
    let sandbox = Sandbox::new();
    let (source, target) = (sandbox.tree("source"), sandbox.tree("target"));
    for number in 0..500 {
        source.file(format!("{}/{number}", number % 9), pattern(3000, number));
    }
    for round in 0..5 {
        for number in (0..500).step_by(3) {
            source.file(format!("{}/{number}", number % 9), pattern(3000, 1000 * (round + 1) + number));
        }
        let mut runs = [(); 2].map(|()| start(&sandbox, &["mirror", "source", "target", "--fsync=off"]));
        let codes = runs.each_mut().map(|run| run.wait().expect("the command was started here").code());
        assert!(codes.contains(&Some(0)), "round {round}: {codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 3 | 23 | 24))), "round {round}: {codes:?}");
        mirror(&sandbox, &[]).expect(0);
        assert_alike(source.path(), target.path());
        assert_tidy(&target);
    }
}

/// Runs the mirror to its end: how it ended, and its peak of resident memory in bytes.
fn measured(sandbox: &Sandbox, arguments: &[&str]) -> (Outcome, u64) {
    let log = sandbox.path("peak");
    let plain = sandbox.command(arguments);
    let mut command = Command::new("/usr/bin/time");
    command.args(["-f", "%M", "-o"]).arg(&log).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(sandbox.path("")).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let outcome = sandbox.run(&mut command);
    let text = fs::read_to_string(log).expect("a log");
    let kibibytes: u64 = text.lines().last().expect("a line").trim().parse().expect("a number");
    (outcome, kibibytes << 10)
}

#[test]
fn many_files_in_one_directory_cost_little_memory() {
    if !Path::new("/usr/bin/time").exists() {
        return skip("there is no /usr/bin/time");
    }
    const FILES: u64 = 100_000;
    let sandbox = in_memory();
    let (source, target) = (sandbox.tree("source"), sandbox.tree("target"));
    for number in 0..FILES {
        File::create(source.join(format!("f{number:06}"))).and_then(|mut f| f.write_all(b"x")).expect("a file");
    }
    let run = ["mirror", "source", "target", "--fsync=off"];
    let (outcome, first) = measured(&sandbox, &run);
    outcome.expect(0);
    let (outcome, again) = measured(&sandbox, &run);
    outcome.expect(0);
    assert_eq!(fs::read_dir(target.path()).expect("a directory").count() as u64, FILES);
    // The law: 200 bytes an entry and 32 MiB, program and buffers included.
    let limit = FILES * 200 + (32 << 20);
    // A first copy holds its plan as well. The pages of a program that is not optimized are not counted in it.
    sandbox.tree("small").file("f", b"x");
    let (outcome, program) = measured(&sandbox, &["mirror", "small", "target-of-small", "--fsync=off"]);
    outcome.expect(0);
    let shown =
        format!("first copy {} MiB, no change {} MiB, of one file {} MiB", first >> 20, again >> 20, program >> 20);
    assert!(again < limit, "{shown}");
    assert!(first - program < limit, "{shown}");
    tell(&shown);
}

#[allow(clippy::print_stderr)]
fn tell(shown: &str) {
    eprintln!("{shown}");
}

#[test]
fn a_tree_200_levels_deep_travels() {
    let sandbox = Sandbox::new();
    let (source, target) = (sandbox.tree("source"), sandbox.tree("target"));
    let mut path = PathBuf::new();
    for level in 0..200 {
        path.push(format!("level-{level}"));
        source.file(path.join("file"), format!("at {level}"));
    }
    mirror(&sandbox, &[]).expect(0);
    assert_alike(source.path(), target.path());
    source.rename("level-0", "renamed").file("renamed/level-1/file", b"edited");
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    assert_alike(source.path(), target.path());
    source.remove("renamed");
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    assert_alike(source.path(), target.path());
}

#[test]
fn a_large_sparse_file_stays_sparse() {
    const BYTES: u64 = 5 << 30;
    let sandbox = Sandbox::new();
    let (source, target) = (sandbox.tree("source"), sandbox.tree("target"));
    let file = File::create(source.join("sparse")).expect("a file");
    file.set_len(BYTES).expect("a hole");
    file.write_all_at(b"in the middle", BYTES / 2).expect("a write");
    drop(file);
    // Hashing zeros is slow without optimisation; comparing size and time reads it once.
    mirror(&sandbox, &["--quick"]).expect(0);
    let stat = target.join("sparse").metadata().expect("a file");
    assert_eq!(stat.size(), BYTES);
    assert!(stat.blocks() * 512 < 1 << 20, "{} bytes are on disk", stat.blocks() * 512);
    let mut middle = [0; 13];
    File::open(target.join("sparse")).and_then(|file| file.read_exact_at(&mut middle, BYTES / 2)).expect("a read");
    assert_eq!(&middle, b"in the middle");
}

#[test]
fn an_empty_root_and_one_of_a_single_file_are_mirrored() {
    let sandbox = Sandbox::new();
    let (source, target) = (sandbox.tree("source"), Tree::at(sandbox.path("target")));
    mirror(&sandbox, &[]).expect(0);
    assert_eq!(fs::read_dir(target.path()).expect("the target was made").count(), 0);
    mirror(&sandbox, &[]).expect(0);
    source.file("one", b"1");
    mirror(&sandbox, &[]).expect(0);
    assert_alike(source.path(), target.path());
    source.remove("one");
    mirror(&sandbox, &[]).expect(25);
    mirror(&sandbox, &["--max-delete=1"]).expect(0);
    assert_alike(source.path(), target.path());
}
