//! A system that allows fewer watches than there are directories: what is not watched is looked at, said, and converges.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::device::Device;
use crate::harness::{Sandbox, skip};

/// How many directories the system lets its user watch, as seen by a daemon that was started by [`limited`].
const LIMIT: &str = "/proc/sys/user/max_inotify_watches";

/// Makes a user namespace in which so many directories can be watched, and becomes what it is given.
fn limited(watches: u32) -> Command {
    let mut by = Command::new("unshare");
    by.args(["--user", "--map-root-user", "sh", "-c", &format!("echo {watches} > {LIMIT} && exec \"$0\" \"$@\"")]);
    by
}

/// Whether this machine has such namespaces.
fn can_limit() -> bool {
    let probe = limited(7).args(["cat", LIMIT]).output();
    let can = probe.is_ok_and(|output| output.stdout == b"7\n");
    if !can {
        skip("there are no user namespaces, or they limit no watches");
    }
    can
}

/// Changes how many directories the daemon may watch.
#[track_caller]
fn allow(device: &Device<'_>, watches: u32) {
    let mut command = Command::new("nsenter");
    command.args(["--user", "--preserve-credentials", "--target", &device.process().to_string()]);
    let status = command.args(["sh", "-c", &format!("echo {watches} > {LIMIT}")]).status();
    assert!(status.expect("nsenter runs").success());
}

fn watch(device: &Device<'_>) -> Value {
    device.share()["watch"].clone()
}

/// Both edit, add and remove in directories of which some are not watched, and each comes to the other.
fn converges(desk: &Device<'_>, laptop: &Device<'_>, round: u32) {
    for number in [0, 11] {
        let (ours, theirs) = (format!("d{number}/desk-{round}"), format!("d{number}/laptop-{round}"));
        desk.docs().file(&ours, b"desk");
        laptop.docs().file(&theirs, b"laptop");
        laptop.until("it arrives there", |laptop| laptop.docs().has(&ours));
        desk.until("it arrives here", |desk| desk.docs().has(&theirs));
        desk.docs().remove(&theirs);
        laptop.until("a delete arrives", |laptop| !laptop.docs().has(&theirs));
    }
    desk.docs().file(format!("new-{round}/deep/er/file"), b"new");
    laptop.until("a new directory arrives", |laptop| laptop.docs().has(format!("new-{round}/deep/er/file")));
    // An edit, not only a name.
    desk.docs().file(format!("new-{round}/deep/er/file"), b"edited");
    let path = format!("new-{round}/deep/er/file");
    laptop.until("an edit in it arrives", |laptop| laptop.docs().read(&path) == b"edited");
}

#[test]
fn directories_that_cannot_be_watched_are_looked_at_and_said_and_watched_once_that_is_allowed() {
    if !can_limit() {
        return;
    }
    let sandbox = Sandbox::new();
    let (mut desk, laptop) = (Device::new(&sandbox, "desk"), Device::running(&sandbox, "laptop"));
    for number in 0..12 {
        desk.docs().file(format!("d{number}/file"), number.to_string());
    }
    desk.start_by(limited(40));
    desk.share_with(&laptop);
    desk.until_alike();
    assert_eq!((&watch(&desk)["watching"], &watch(&desk)["problem"]), (&Value::from(true), &Value::Null));
    // It comes to its limit while it runs: with the next hour's look alone, this would take an hour.
    allow(&desk, 5);
    converges(&desk, &laptop, 0);
    desk.until("it says that it is blind", |desk| watch(desk)["watching"] == false);
    let said = watch(&desk)["problem"].as_str().map(str::to_owned);
    assert!(said.as_ref().is_some_and(|why| why.contains("fs.inotify.max_user_watches")), "{said:?}");
    // Its end tells whether all is alike by now, which is another matter.
    let told = desk.alike(["status"]);
    assert!(told.code <= 1 && told.stdout.contains("fs.inotify.max_user_watches"), "{told:?}");
    // Begun under the limit it is the same.
    desk.stop(rustix::process::Signal::TERM);
    desk.start_by(limited(3));
    desk.until("it says that it is blind", |desk| watch(desk)["problem"].is_string());
    assert_eq!(watch(&desk)["directories"], 3);
    converges(&desk, &laptop, 1);
    desk.until_alike();
    // Where more are allowed again, all are watched without another start.
    allow(&desk, 1000);
    desk.until("all are watched", |desk| watch(desk)["watching"] == true);
    assert_eq!(watch(&desk)["problem"], Value::Null);
    converges(&desk, &laptop, 2);
    // None at all is no reason not to run.
    desk.stop(rustix::process::Signal::TERM);
    desk.start_by(limited(0));
    converges(&desk, &laptop, 3);
    desk.until_alike();
    assert_eq!(laptop.docs().shown(), desk.docs().shown());
    assert!(fs::read_to_string(desk.path("log")).is_ok_and(|log| !log.contains("a step broke")));
}
