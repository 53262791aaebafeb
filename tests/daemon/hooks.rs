//! What a daemon tells beside its answers: to the hooks of the user, and to whoever watches its status.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::device::{Device, pair};
use crate::harness::Sandbox;

/// Something that takes longer than this does not come any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a hook was told: a JSON object on each line.
fn told(device: &Device<'_>, file: &str) -> Vec<Value> {
    let text = fs::read_to_string(device.path(file)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Both edit the same path while one of them is down.
fn disagree(desk: &Device<'_>, laptop: &mut Device<'_>, path: &str) {
    laptop.stop(Signal::TERM);
    desk.docs().file(path, format!("{path} by desk"));
    laptop.docs().file(path, format!("{path} by laptop"));
    laptop.start();
}

#[test]
fn hooks_are_off_until_they_are_configured_and_are_told_of_conflicts_and_of_what_came() {
    let sandbox = Sandbox::new();
    let (desk, mut laptop) = pair(&sandbox);
    // Without a word in the configuration no program is run.
    disagree(&desk, &mut laptop, "first");
    desk.until("a conflict", |desk| desk.share()["conflicts"] == 1);
    desk.until_alike();
    assert!(!desk.log().contains("hook"), "{}", desk.log());
    let (conflicts, came) = (desk.path("conflicts"), desk.path("came"));
    let hooks = format!(
        "hooks = {{ on-conflict = \"cat >> {}\", after-sync = \"cat >> {}\" }}\n",
        conflicts.display(),
        came.display()
    );
    desk.reconfigure("", &hooks);
    disagree(&desk, &mut laptop, "second");
    desk.until("the hook is told of it", |desk| !told(desk, "conflicts").is_empty());
    let last = told(&desk, "conflicts").pop().expect("an object");
    let root = desk.docs().text().to_owned();
    assert_eq!((&last["v"], &last["type"], &last["share"]), (&json!(1), &json!("on-conflict"), &json!("docs")));
    assert_eq!((&last["conflicts"], &last["root"]), (&json!(2), &json!(root)));
    laptop.docs().file("later", b"later").file("deep/later", b"deeper");
    let has = |told: &[Value], path: &str| {
        told.iter().any(|told| told["paths"].as_array().expect("paths").contains(&json!(path)))
    };
    desk.until("the other is told of what came", |desk| {
        let told = told(desk, "came");
        has(&told, "later") && has(&told, "deep/later")
    });
    for told in told(&desk, "came") {
        assert_eq!((&told["v"], &told["type"], &told["root"]), (&json!(1), &json!("after-sync"), &json!(root)));
        for number in ["files", "bytes", "renames", "deletes", "problems", "wanted"] {
            assert!(told[number].is_u64(), "{number} of {told}");
        }
    }
    // Taken out of the configuration they are off again.
    desk.until_alike();
    desk.reconfigure(&hooks, "");
    desk.until("it is read", |desk| desk.log().matches("configuration read again").count() == 2);
    laptop.docs().file("last", b"last");
    desk.until("it comes", |desk| desk.docs().has("last"));
    desk.until_alike();
    assert!(!has(&told(&desk, "came"), "last"));
}

#[test]
fn a_hook_that_fails_or_hangs_harms_nothing_and_outlives_no_daemon() {
    let sandbox = Sandbox::new();
    let (mut desk, mut laptop) = pair(&sandbox);
    let (hanging, children) = (desk.path("hanging"), desk.path("children"));
    let hooks = format!(
        "hooks = {{ on-conflict = \"exit 3\", after-sync = \"echo $$ >> {}; touch {}; exec sleep 1000\" }}\n",
        children.display(),
        hanging.display()
    );
    desk.reconfigure("", &hooks);
    desk.until("it is read", |desk| desk.log().contains("configuration read again"));
    laptop.docs().file("one", b"one");
    desk.until("one hangs", |_| hanging.exists());
    // All else goes on, and of one kind no second is begun.
    disagree(&desk, &mut laptop, "note");
    desk.until("the other has failed", |desk| desk.log().contains("a hook failed"));
    assert!(desk.log().contains("exit status: 3"), "why is told: {}", desk.log());
    for number in 0..5 {
        laptop.docs().file(format!("file-{number}"), number.to_string());
        desk.until("files come", |desk| desk.docs().has(format!("file-{number}")));
    }
    desk.docs().file("back", b"back");
    laptop.until("and go", |laptop| laptop.docs().has("back"));
    desk.until_alike();
    desk.alike(["wait", "docs", "--timeout", "30s"]).expect(0);
    let begun = fs::read_to_string(&children).expect("numbers of processes");
    assert_eq!(begun.lines().count(), 1, "{begun}");
    assert!(desk.stop(Signal::TERM) < Duration::from_secs(5));
    let process = format!("/proc/{}", begun.trim());
    desk.until("the hook is ended with it", |_| !std::path::Path::new(&process).exists());
}

/// A status that is watched, until this is dropped.
struct Watched {
    child: Child,
    lines: Receiver<String>,
}

impl Watched {
    fn start(device: &Device<'_>, words: &[&str]) -> Watched {
        let mut command = device.command([&["status", "--watch"], words].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (send, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Watched { child, lines }
    }

    /// Reads on until a line is as it shall be.
    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let (deadline, mut last) = (Instant::now() + PATIENCE, String::new());
        while !holds(&last) {
            let left = deadline.saturating_duration_since(Instant::now());
            let told = self.lines.recv_timeout(left);
            last = told.unwrap_or_else(|error| panic!("{what}: {error} after {last}"));
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn status_that_is_watched_is_told_again_whenever_it_changes_until_the_daemon_ends() {
    let sandbox = Sandbox::new();
    let (mut desk, mut laptop) = pair(&sandbox);
    let mut objects = Watched::start(&desk, &["--json"]);
    let mut lines = Watched::start(&desk, &["docs", "--color", "never"]);
    let share = |line: &str| serde_json::from_str::<Value>(line).ok().filter(|told| told["type"] == "share");
    objects.until("it is alike", |line| share(line).is_some_and(|share| share["alike"] == true));
    lines.until("it is alike", |line| line.starts_with("docs  ") && line.ends_with("  alike"));
    let entries = |count: u64| move |line: &str| share(line).is_some_and(|share| share["entries"] == count);
    let before = desk.share()["entries"].as_u64().expect("a number");
    laptop.docs().file("later", b"later");
    objects.until("there is one more", entries(before + 1));
    desk.until("it is there", |desk| desk.docs().has("later"));
    desk.docs().remove("later");
    objects.until("there is one less", entries(before));
    laptop.stop(Signal::TERM);
    objects.until("one is down", |line| share(line).is_some_and(|share| share["members"][1]["state"] == "down"));
    lines.until("one is down", |line| line.contains("laptop") && line.contains("down"));
    laptop.start();
    objects.until("it is back", |line| share(line).is_some_and(|share| share["alike"] == true));
    // A share that is not there is said at once, and not for ever.
    desk.alike(["status", "--watch", "nothing"]).expect(2);
    desk.stop(Signal::TERM);
    for watched in [&mut objects, &mut lines] {
        let deadline = Instant::now() + PATIENCE;
        let ended = loop {
            if let Some(status) = watched.child.try_wait().expect("it was started here") {
                break status.code();
            }
            assert!(Instant::now() < deadline, "it goes on without a daemon");
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(ended, Some(10), "the daemon was lost");
    }
}
