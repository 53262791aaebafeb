//! `alike://`: a share of a member as a location of commands on another machine.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::device::{Device, pair};
use crate::harness::Sandbox;
use crate::harness::tree::pattern;

/// What a member serves at a time.
const GUESTS: usize = 8;
/// Whoever is not there is not waited for: a handshake that nobody answers is given up after ten seconds.
const SOON: Duration = Duration::from_secs(8);

#[test]
fn a_share_of_a_member_is_a_location_for_one_shot_commands() {
    let sandbox = Sandbox::new();
    let (desk, mut laptop) = pair(&sandbox);
    let (backup, stick) = (sandbox.tree("backup"), sandbox.tree("stick"));
    // Read: all of it, a part of it, and by its address.
    desk.alike(["mirror", "alike://laptop/docs", backup.text()]).expect(0);
    assert_eq!(backup.shown(), laptop.docs().shown());
    desk.alike(["diff", "--mirror", "alike://laptop/docs/", backup.text()]).expect(0);
    let address = desk.share()["members"][1]["address"].as_str().map(str::to_owned).expect("it is connected");
    let told = desk.alike(["diff", "--mirror", &format!("alike://{address}/docs/deep"), backup.text()]).expect(1);
    assert!(told.stdout.contains("er"), "{}", told.stdout);
    // Both ways, with a directory that is no share.
    stick.file("from-stick", b"stick");
    desk.alike(["sync", stick.text(), "alike://laptop/docs"]).expect(0);
    assert_eq!(stick.shown(), laptop.docs().shown());
    desk.until("it spreads as any other change", |desk| desk.docs().has("from-stick"));
    // With the share's own directory, which either daemon lends.
    desk.until_alike();
    desk.alike(["sync", desk.docs().text(), "alike://laptop/docs"]).expect(0);
    // Written.
    backup.file("from-backup", b"backup").file("from-stick", b"stick");
    desk.alike(["mirror", "--keep-extra", backup.text(), "alike://laptop/docs"]).expect(0);
    desk.until("a mirror there is a write there", |desk| desk.docs().has("from-backup"));
    // Nothing outside the share, and nothing past its trash.
    std::os::unix::fs::symlink("/", laptop.docs().path().join("out")).expect("a link");
    for (typed, exit) in [("docs/..", 5), ("docs/.alike", 5), ("docs/out", 5), ("docs/absent", 3)] {
        let refused = desk.alike(["mirror", &format!("alike://laptop/{typed}"), backup.text()]).expect(exit);
        assert!(refused.stderr.contains("error: ") && refused.stdout.is_empty(), "{typed}: {}", refused.stderr);
    }
    for flags in [&["--no-trash"][..], &["--backup-dir", "/tmp/elsewhere"]] {
        let mut words = vec!["mirror", backup.text(), "alike://laptop/docs"];
        words.extend(flags);
        desk.alike(words).expect(5);
    }
    // What cannot be reached is said soon, and with advice.
    laptop.stop(Signal::TERM);
    desk.until("the other is down", |desk| desk.share()["members"][1]["state"] == "down");
    for (typed, exit, error) in [
        ("alike://laptop/docs", 35, "error: laptop is down"),
        ("alike://nobody/docs", 5, "error: there is no member `nobody` in `docs`"),
        ("alike://laptop/photos", 2, "error: there is no share `photos`"),
        ("alike://desk/docs", 2, "error: `desk` is this device"),
    ] {
        let began = Instant::now();
        let refused = desk.alike(["diff", typed, stick.text()]).expect(exit);
        assert!(refused.stderr.starts_with(error) && refused.stderr.contains("\nhint: "), "{}", refused.stderr);
        assert!(began.elapsed() < SOON, "{typed}: {:?}", began.elapsed());
    }
}

#[test]
fn a_share_that_a_member_only_receives_is_read_and_not_written() {
    let sandbox = Sandbox::new();
    let (desk, mirror) = (Device::running(&sandbox, "desk"), Device::running(&sandbox, "mirror"));
    desk.docs().file("a", b"a");
    desk.alike(["add", "docs", "--name", "docs"]).expect(0);
    let ticket = desk.alike(["invite", "docs", "-q", "--role", "receive"]).expect(0).stdout;
    mirror.alike(["join", ticket.trim(), "docs"]).expect(0);
    mirror.until("it arrives", |mirror| mirror.docs().has("a"));
    let other = sandbox.tree("other");
    mirror.alike(["mirror", "alike://desk/docs", other.text()]).expect(0);
    other.file("b", b"b");
    mirror.alike(["mirror", other.text(), "alike://desk/docs"]).expect(5);
    desk.alike(["mirror", other.text(), "alike://mirror/docs"]).expect(5);
    let refused = desk.alike(["sync", other.text(), "alike://mirror/docs"]).expect(5);
    assert!(refused.stderr.contains("only sends or receives"), "{}", refused.stderr);
    desk.alike(["diff", "--mirror", other.text(), "alike://mirror/docs"]).expect(1);
    assert!(!desk.docs().has("b") && !mirror.docs().has("b"));
}

/// Commands that go on until they are dropped.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn one_command_more_than_a_member_serves_is_told_that_it_is_busy() {
    let sandbox = Sandbox::new();
    let (desk, laptop) = pair(&sandbox);
    // Each of them takes longer than the test.
    laptop.reconfigure("", "bwlimit = \"16k\"\n");
    laptop.until("there is a limit", |laptop| laptop.daemon()["bwlimit"] == 16_384);
    desk.alike(["pause", "docs"]).expect(0);
    laptop.docs().file("large", pattern(16 << 20, 1));
    let mut running = Running(Vec::new());
    for number in 0..GUESTS {
        let copy = sandbox.tree(&format!("copy-{number}"));
        let mut command = desk.command(["mirror", "alike://laptop/docs", copy.text()]);
        running.0.push(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    }
    laptop.until("all are served", |laptop| {
        let log = fs::read_to_string(laptop.path("log")).expect("a log");
        log.matches("serves a command of a member").count() == GUESTS
    });
    let one_more = sandbox.tree("one-more");
    let refused = desk.alike(["mirror", "alike://laptop/docs", one_more.text()]).expect(30);
    assert!(refused.stderr.starts_with("error: laptop does not serve `docs` now\ncause: "), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("serves many commands") && refused.stderr.contains("\nhint: "),
        "{}",
        refused.stderr
    );
    // Whoever goes makes room.
    drop(running);
    laptop.reconfigure("bwlimit = \"16k\"\n", "");
    desk.until("there is room", |desk| desk.alike(["diff", "alike://laptop/docs", one_more.text()]).code == 1);
    laptop.alike(["pause", "docs"]).expect(0);
    let refused = desk.alike(["diff", "alike://laptop/docs", one_more.text()]).expect(30);
    assert!(refused.stderr.contains("`alike resume docs` there"), "{}", refused.stderr);
}
