//! Whole runs through a real ssh in which something fails: a side that dies, stands still, refuses or lies, a disk that
//! fills up, files that change meanwhile. What is on disk is whole, what went wrong is named, and the next run completes.

mod harness;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::far::{inside, script};
use harness::tree::pattern;
use harness::{Far, Tree, assert_alike};
use rustix::process::{Pid, Signal, kill_process};

const FILES: usize = 1000;
const ALL: &str = "--max-delete=100%";

/// Which way the content goes.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    Push,
    Pull,
}

/// A source and a target, and how the command names them.
struct Pair {
    source: Tree,
    target: Tree,
    arguments: [String; 2],
}

impl Pair {
    fn new(far: &Far, way: Way) -> Pair {
        let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
        let arguments = match way {
            Way::Push => [source.text().to_owned(), far.at(&target)],
            Way::Pull => [far.at(&source), target.text().to_owned()],
        };
        Pair { source, target, arguments }
    }

    fn command(&self, far: &Far) -> Command {
        let mut command = far.command(["mirror", ALL]);
        command.args(&self.arguments);
        command
    }

    /// The next run completes, and leaves nothing behind.
    #[track_caller]
    fn complete(&self, far: &Far) {
        far.sandbox.run(&mut self.command(far)).expect(0);
        assert_alike(self.source.path(), self.target.path());
        assert!(!self.target.has(".alike/staging") && !self.target.has(".alike/parts"), "litter");
        far.assert_gone();
    }
}

/// What the file of a version holds, if that version has it: updates, creates and deletes between the two.
fn content(version: usize, at: usize) -> Option<String> {
    (at % 10 < 7 || at % 2 == version).then(|| format!("{version} of {at} {}", "x".repeat(at)))
}

fn path(at: usize) -> String {
    format!("d{}/{at}", at % 12)
}

fn write_version(tree: &Tree, version: usize) {
    for at in 0..FILES {
        match content(version, at) {
            Some(content) => drop(tree.file(path(at), content)),
            None if tree.has(path(at)) => drop(tree.remove(path(at))),
            None => {}
        }
    }
}

/// Every path holds what one of the versions says.
#[track_caller]
fn assert_old_or_new(tree: &Tree) {
    for at in 0..FILES {
        let holds = tree.has(path(at)).then(|| tree.read(path(at)));
        let either = (0..2).any(|version| content(version, at).map(String::into_bytes) == holds);
        assert!(either, "{}: {:?}", path(at), holds.map(|bytes| bytes.len()));
    }
}

/// No run of these takes as long, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The exit status of a process that panicked.
const PANICKED: i32 = 101;

/// What "soon" may be on a loaded machine: less than what any wait of the program takes.
const SOON: Duration = Duration::from_secs(10);

fn spawn(command: &mut Command) -> Child {
    command.stderr(Stdio::piped()).spawn().expect("the command starts")
}

/// Waits for the end; the exit status (128 and the signal's number where one ended it) and what was said.
#[track_caller]
fn end(child: Child, within: Duration) -> (i32, String) {
    use std::os::unix::process::ExitStatusExt;
    let (pid, begun) = (Pid::from_child(&child), Instant::now());
    let (send, ended) = std::sync::mpsc::channel();
    thread::spawn(move || send.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(within) else {
        let _ = kill_process(pid, Signal::KILL);
        panic!("not ended after {:?}", begun.elapsed());
    };
    let output = output.expect("the command was started here");
    let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
    (code, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Moments spread over a run, not the same each time.
fn moment(round: usize, rounds: usize, whole: Duration) -> Duration {
    let jitter = std::time::SystemTime::now().elapsed().unwrap_or_default().subsec_nanos() % 1000;
    whole.mul_f64((round as f64 + f64::from(jitter) / 1000.0) / rounds as f64)
}

/// Kills one of the two sides at 15 moments of a run, in turns.
fn assert_kills_are_survived(way: Way) {
    const ROUNDS: usize = 15;
    let Some(far) = Far::in_memory() else { return };
    let pair = Pair::new(&far, way);
    write_version(&pair.source, 0);
    pair.complete(&far);
    write_version(&pair.source, 1);
    let before = far.starts();
    let child = spawn(pair.command(&far).stdout(Stdio::null()));
    far.await_served(before);
    let begun = Instant::now();
    assert_eq!(end(child, PATIENCE).0, 0);
    let mut whole = begun.elapsed();
    far.assert_gone();
    let mut caught = 0;
    for round in 0..ROUNDS {
        write_version(&pair.source, round % 2);
        let before = far.starts();
        let child = spawn(pair.command(&far).stdout(Stdio::null()));
        far.await_served(before);
        thread::sleep(moment(round, ROUNDS, whole));
        let kill_far = round % 2 == 0;
        if kill_far {
            far.signal(Signal::KILL);
        } else {
            let _ = kill_process(Pid::from_child(&child), Signal::KILL);
        }
        let (code, said) = end(child, PATIENCE);
        let expected: &[i32] = if kill_far { &[0, 10, 35] } else { &[0, 128 + 9] };
        assert!(expected.contains(&code), "{way:?} round {round}: {code}: {said}");
        caught += usize::from(code != 0);
        // A run that got through was shorter than thought, on a machine that does less by now.
        whole = if code == 0 { whole * 3 / 4 } else { whole };
        far.assert_gone();
        assert_old_or_new(&pair.target);
        pair.complete(&far);
    }
    assert!(caught >= 4, "only {caught} runs were killed in the middle");
    // How it ends depends on what was under way; a shell that lost its connection may not tell.
    assert!(!far.exits().contains(&PANICKED), "{:?}", far.exits());
}

#[test]
fn a_push_survives_the_death_of_either_side() {
    assert_kills_are_survived(Way::Push);
}

#[test]
fn a_pull_survives_the_death_of_either_side() {
    assert_kills_are_survived(Way::Pull);
}

#[test]
fn what_cannot_be_reached_or_started_is_named_with_a_way_out() {
    let Some(far) = Far::start() else { return };
    let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
    source.sampler();
    let missing = far.alike(["mirror", "127.0.0.1:/nowhere/at-all", target.text()]).expect(3);
    assert_eq!(
        missing.stderr,
        "error: 127.0.0.1: cannot open the directory `/nowhere/at-all`\ncause: no such file or directory\n\
         hint: the first argument is the source\n"
    );
    let at = far.at(&target);
    let absent = far.sandbox.path("absent");
    let started = far.sandbox.run(&mut far.command_with(&absent, ["mirror", source.text(), &at])).expect(35);
    assert!(started.stderr.contains("cannot start `[box]/absent` on 127.0.0.1"), "{}", started.stderr);
    assert!(started.stderr.contains("hint: install alike there, or say where it is with `--remote-bin`"));
    let refused = far.sandbox.alike(["mirror", "-e", "ssh -p 1 -o BatchMode=yes", source.text(), &at]).expect(35);
    assert!(refused.stderr.contains("cannot reach 127.0.0.1"), "{}", refused.stderr);
    let unknown = far.sandbox.alike(["mirror", source.text(), "no-such-host.invalid:/x"]).expect(35);
    assert!(unknown.stderr.contains("hint: "), "{}", unknown.stderr);
    far.alike(["mirror", &far.at(&source), &at]).expect(2);
    assert!(!target.has("hello.txt"));
}

#[test]
fn a_far_target_is_guarded() {
    let Some(far) = Far::start() else { return };
    let (source, target, home) = (far.sandbox.tree("source"), far.sandbox.tree("target"), far.home());
    source.file("one", b"1");
    for at in 0..1000 {
        target.file(at.to_string(), b"kept");
    }
    let guarded = far.alike(["mirror", source.text(), &far.at(&target)]).expect(25);
    assert!(guarded.stderr.contains("--max-delete"), "{}", guarded.stderr);
    assert_eq!((0..1000).filter(|at| target.has(at.to_string())).count(), 1000);
    let empty = far.sandbox.tree("empty");
    far.alike(["mirror", empty.text(), &far.at(&target)]).expect(25);
    assert_eq!((0..1000).filter(|at| target.has(at.to_string())).count(), 1000);
    home.file("precious", b"kept");
    for precious in ["127.0.0.1:/", "127.0.0.1:~"] {
        let refused = far.alike(["mirror", "-n", source.text(), precious]).expect(25);
        assert!(refused.stderr.contains("--max-delete=100%"), "{}", refused.stderr);
    }
    assert!(home.has("precious"));
}

/// A file that is rewritten all the time, each time whole of one letter.
fn rewriting(tree: &Tree, stop: &AtomicBool, act: impl FnOnce()) {
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

fn assert_never_torn(way: Way) {
    let Some(far) = Far::in_memory() else { return };
    let pair = Pair::new(&far, way);
    pair.source.sampler();
    rewriting(&pair.source, &AtomicBool::new(false), || {
        for round in 0..6 {
            pair.source.file("other", round.to_string());
            let outcome = far.sandbox.run(&mut pair.command(&far));
            assert!([0, 24].contains(&outcome.code), "{}: {}{}", outcome.code, outcome.stdout, outcome.stderr);
            assert_eq!(pair.target.read("other"), round.to_string().as_bytes());
            assert!(pair.target.has("docs/deep/er/note.md"));
            let busy = if pair.target.has("busy") { pair.target.read("busy") } else { Vec::new() };
            assert!(busy.iter().all(|byte| Some(byte) == busy.first()), "torn in round {round}");
        }
    });
    pair.complete(&far);
}

#[test]
fn a_file_that_is_rewritten_while_it_is_pushed_never_arrives_mixed() {
    assert_never_torn(Way::Push);
}

#[test]
fn a_file_that_is_rewritten_while_it_is_pulled_never_arrives_mixed() {
    assert_never_torn(Way::Pull);
}

#[test]
fn a_disk_that_is_full_on_the_far_side_is_named_and_the_rest_goes_on() {
    if !inside("a_disk_that_is_full_on_the_far_side_is_named_and_the_rest_goes_on", "-m", "true") {
        return;
    }
    let Some(far) = Far::start() else { return };
    let pair = Pair::new(&far, Way::Push);
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "none"]).arg(pair.target.path()).status();
    assert!(mounted.expect("mount runs").success());
    pair.source.file("a-large", pattern(9 << 20, 1)).file("b-small", b"small").file("c/d", b"small too");
    pair.source.file("b-medium", pattern(5 << 20, 2));
    for at in 0..500 {
        pair.source.file(format!("z/{at}"), pattern(1000, at));
    }
    let full = far.sandbox.run(&mut pair.command(&far)).expect(23);
    assert!(full.stderr.contains("a-large") && full.stderr.contains(": no space left on device\n"), "{}", full.stderr);
    assert!(full.stderr.contains("b-medium"), "{}", full.stderr);
    assert_eq!(pair.target.read("b-small"), b"small");
    assert_eq!(pair.target.read("c/d"), b"small too");
    assert!((0..500).all(|at| pair.target.has(format!("z/{at}"))), "{}", full.stderr);
    pair.source.file("a-large", b"not any more").file("b-medium", b"nor this");
    pair.complete(&far);
}

/// Starts a run of a large transfer and waits until a part of it has come.
fn under_way(far: &Far, pair: &Pair, flags: &[&str]) -> Child {
    for at in 0..40 {
        pair.source.file(format!("large/{at}"), pattern(4 << 20, at));
    }
    // So slow that it is told of several times on its way.
    let mut command = pair.command(far);
    let mut child = spawn(command.args(flags).args(["--json", "--bwlimit", "60M"]).stdout(Stdio::piped()));
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let came = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).expect("an object a line");
        event["type"] == "progress" && event["bytes"].as_u64() > Some(16 << 20)
    };
    let begun = lines.by_ref().map_while(Result::ok).any(|line| came(&line));
    assert!(begun, "the transfer is never under way");
    thread::spawn(move || lines.count());
    child
}

fn assert_interrupts(way: Way) {
    let Some(far) = Far::in_memory() else { return };
    let pair = Pair::new(&far, way);
    let child = under_way(&far, &pair, &[]);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let (code, said) = end(child, SOON);
    assert_eq!(code, 20, "{said}");
    assert!(said.contains("interrupted"), "{said}");
    far.assert_gone();
    let arrived = (0..40).filter(|at| pair.target.has(format!("large/{at}"))).count();
    assert!((1..40).contains(&arrived), "{arrived} of 40 are there");
    pair.complete(&far);
}

#[test]
fn an_interrupted_push_ends_soon_and_goes_on_later() {
    assert_interrupts(Way::Push);
}

#[test]
fn an_interrupted_pull_ends_soon_and_goes_on_later() {
    assert_interrupts(Way::Pull);
}

#[test]
fn a_second_interrupt_ends_the_process_at_once() {
    let Some(far) = Far::in_memory() else { return };
    let pair = Pair::new(&far, Way::Pull);
    let child = under_way(&far, &pair, &[]);
    // A far side that stands still: nothing in flight gets done.
    far.signal(Signal::STOP);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).expect("it runs");
    // Two that come before it has seen the first one are one: it is asked until it has ended.
    let asking = thread::spawn(move || {
        while kill_process(pid, Signal::INT).is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let (code, said) = end(child, SOON);
    asking.join().expect("it asks until nobody is there");
    far.signal(Signal::CONT);
    assert_eq!(code, 20, "{said}");
    far.assert_gone();
    pair.complete(&far);
}

fn assert_silence_ends(way: Way) {
    let Some(far) = Far::in_memory() else { return };
    let pair = Pair::new(&far, way);
    let child = under_way(&far, &pair, &["--timeout", "2"]);
    far.signal(Signal::STOP);
    let (code, said) = end(child, SOON);
    far.signal(Signal::CONT);
    assert_eq!(code, 30, "{said}");
    assert!(said.contains("--timeout"), "{said}");
    far.assert_gone();
    pair.complete(&far);
}

#[test]
fn a_far_target_that_stands_still_is_a_time_out() {
    assert_silence_ends(Way::Push);
}

#[test]
fn a_far_source_that_stands_still_is_a_time_out() {
    assert_silence_ends(Way::Pull);
}

#[test]
fn a_far_side_that_is_no_alike_is_a_clear_error() {
    let Some(far) = Far::start() else { return };
    let (source, target) = (far.sandbox.tree("source"), far.sandbox.tree("target"));
    source.sampler();
    let table: [(&str, &[i32]); 9] = [
        ("head -c 1000000 /dev/urandom", &[35]),
        ("head -c 1000000 /dev/urandom; cat > /dev/null", &[35]),
        ("yes", &[35]),
        ("echo 'alike-pipe 99'; cat > /dev/null", &[12]),
        ("echo 'alike-pipe one'; cat > /dev/null", &[10]),
        ("echo 'alike-pipe 4'", &[10, 35]),
        ("echo 'alike-pipe 4'; yes", &[10]),
        ("echo 'alike-pipe 4'; head -c 100 /dev/zero", &[10, 35]),
        ("echo 'alike-pipe 4'; printf '\\044\\000\\000\\000'; head -c 100000 /dev/zero", &[10]),
    ];
    let (here, there) = (far.at(&source), far.at(&target));
    for (at, (body, codes)) in table.iter().enumerate() {
        let program = script(&far.sandbox.path(&format!("liar{at}")), body);
        for (from, to) in [(source.text(), there.as_str()), (here.as_str(), target.text())] {
            let child = spawn(&mut far.command_with(&program, ["mirror", "--timeout", "2", from, to]));
            let (code, said) = end(child, SOON * 2);
            assert!(codes.contains(&code), "{body}: {code}: {said}");
            assert!(said.starts_with("error: ") && !said.contains("panicked"), "{body}: {said}");
        }
    }
    assert_eq!(fs::read_dir(target.path()).expect("it is there").count(), 0);
}

#[test]
fn a_far_side_that_hangs_up_in_the_middle_is_a_lost_peer() {
    let Some(far) = Far::start() else { return };
    let pair = Pair::new(&far, Way::Pull);
    pair.source.sampler();
    for bytes in [1, 13, 100, 300, 800] {
        // Only so much of what the far side says gets through.
        let body = format!("{} \"$@\" | head -c {bytes}", far.program.display());
        let program = script(&far.sandbox.path("short"), &body);
        let mut command = far.command_with(&program, ["mirror", "--timeout", "1"]);
        let (code, said) = end(spawn(command.args(&pair.arguments).stdout(Stdio::null())), SOON * 2);
        assert!([10, 30, 35].contains(&code) || code == 0 && bytes > 300, "{bytes}: {code}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    far.assert_gone();
    pair.complete(&far);
}
