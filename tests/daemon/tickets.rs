//! How a device comes in, and how it does not: where a ticket is read from, what ends it, and who is never let in.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::Command;

use alike::net::Error;
use alike::net::node::{DeviceKey, Node, NodeSettings, PublicKey, Ticket};
use serde_json::Value;

use super::device::{Device, pair};
use crate::harness::{Outcome, Sandbox, clock, skip};

/// How long a ticket can be used, in seconds.
const LASTS_S: i64 = 600;

/// A device with a share, that may invite.
fn founder(sandbox: &Sandbox) -> Device<'_> {
    let desk = Device::running(sandbox, "desk");
    desk.docs().file("from-desk", b"desk");
    desk.alike(["add", "docs", "--name", "docs"]).expect(0);
    desk
}

fn ticket(desk: &Device<'_>) -> String {
    desk.alike(["invite", "docs", "-q"]).expect(0).stdout.trim().to_owned()
}

fn members(desk: &Device<'_>) -> usize {
    desk.share()["members"].as_array().expect("members").len()
}

/// Joins with what is read from standard input, which is a file with this text.
fn joined_by(device: &Device<'_>, command: &mut Command, text: &str) -> Outcome {
    let typed = device.path("typed");
    fs::write(&typed, text).expect("written");
    command.stdin(File::open(typed).expect("a file"));
    device.run(command)
}

#[test]
fn a_device_that_nobody_invited_is_listed_as_pending_and_never_let_in() {
    let sandbox = Sandbox::new();
    let (desk, laptop) = pair(&sandbox);
    assert_eq!(desk.alike(["peers", "--pending"]).expect(0).stdout, "");
    let now = desk.daemon();
    let inviter: PublicKey = now["key"].as_str().and_then(|key| key.parse().ok()).expect("a key");
    let address: SocketAddr = now["addresses"][0].as_str().and_then(|at| at.parse().ok()).expect("an address");
    let key = DeviceKey::from_seed([9; 32]).expect("a key");
    let stranger = key.public().to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let calls = || {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        runtime.block_on(async {
            let (node, _events) =
                Node::open(NodeSettings { listen, ..NodeSettings::new(key.clone()) }).expect("a node");
            node.allow(BTreeSet::from([inviter]));
            let reached = node.reach(inviter, &[address]).await;
            node.close().await;
            assert!(matches!(reached, Err(Error::Refused { .. })), "{reached:?}");
        });
    };
    for _ in 0..3 {
        calls();
    }
    desk.until("it is listed", |desk| desk.alike(["peers", "--pending"]).stdout.contains(&stranger));
    let listed = desk.alike(["peers", "--pending"]).expect(0).stdout;
    assert_eq!(listed.lines().count(), 1, "once, however often it calls: {listed}");
    assert!(listed.starts_with(&format!("{stranger}  127.0.0.1:")) && listed.ends_with(" s ago\n"), "{listed}");
    let told = desk.alike(["peers", "--pending", "--json"]).expect(0).events("pending");
    assert_eq!((&told[0]["key"], told.len()), (&Value::from(stranger.as_str()), 1));
    // An invitation that is open lets it in no more than none.
    let _open = ticket(&desk);
    calls();
    assert_eq!((members(&desk), members(&laptop)), (2, 2));
    assert!(!desk.alike(["peers"]).expect(0).stdout.contains(&stranger[..8]));
    // Who was a member and calls as before is one of them, until it is invited again.
    desk.alike(["forget", "laptop"]).expect(0);
    let other = laptop.daemon()["key"].as_str().expect("a key").to_owned();
    desk.until("it calls", |desk| desk.alike(["peers", "--pending"]).stdout.contains(&other));
    laptop.alike(["remove", "docs"]).expect(0);
    laptop.alike(["join", &ticket(&desk), "docs"]).expect(0);
    desk.until_alike();
    let listed = desk.alike(["peers", "--pending"]).expect(0).stdout;
    assert!(!listed.contains(&other) && listed.contains(&stranger), "{listed}");
}

#[test]
fn a_ticket_is_read_from_a_pipe_a_prompt_or_the_environment_and_needs_no_argument() {
    let sandbox = Sandbox::new();
    let (desk, laptop) = (founder(&sandbox), Device::running(&sandbox, "laptop"));
    let none = laptop.alike(["join", "docs"]).expect(2);
    assert!(none.stderr.starts_with("error: no ticket was given\nhint: "), "{}", none.stderr);
    let wrong = joined_by(&laptop, &mut laptop.command(["join", "docs"]), "alike1nonsense\n").expect(2);
    assert!(wrong.stderr.starts_with("error: this is no ticket\n"), "{}", wrong.stderr);
    // A pipe is not asked for anything.
    let spaced = format!("  {} \n", ticket(&desk));
    let piped = joined_by(&laptop, &mut laptop.command(["join", "docs"]), &spaced).expect(0);
    assert!(!piped.stderr.contains("ticket (from"), "{}", piped.stderr);
    laptop.until("it arrives", |laptop| laptop.docs().has("from-desk"));
    // What is in the environment goes before what is typed.
    let tablet = Device::running(&sandbox, "tablet");
    let mut command = tablet.command(["join", "docs"]);
    joined_by(&tablet, command.env("ALIKE_TICKET", ticket(&desk)), "alike1nonsense\n").expect(0);
    tablet.until("it arrives", |tablet| tablet.docs().has("from-desk"));
    // On a terminal it is asked for.
    let phone = Device::running(&sandbox, "phone");
    let inner = phone.command(["join", "docs"]);
    let mut command = Command::new("script");
    let line = format!("'{}' join docs", inner.get_program().to_string_lossy());
    command.args(["-qec", &line, "/dev/null"]).env_clear().current_dir(phone.path(""));
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("SHELL", "/bin/sh");
    let asked = joined_by(&phone, &mut command, &format!("{}\n", ticket(&desk))).expect(0);
    assert!(asked.stdout.contains("ticket (from `alike invite` on the other device):"), "{}", asked.stdout);
    phone.until("it arrives", |phone| phone.docs().has("from-desk"));
}

#[test]
fn three_wrong_tries_end_a_ticket_for_whoever_holds_the_right_one() {
    let sandbox = Sandbox::new();
    let (desk, thief) = (founder(&sandbox), Device::running(&sandbox, "thief"));
    let right = ticket(&desk);
    let mut forged: Ticket = right.parse().expect("a ticket");
    forged.secret.0[0] ^= 1;
    let forged = forged.to_string();
    let tries = |count: usize| {
        for _ in 0..count {
            let refused = thief.alike(["join", &forged, "docs"]).expect(5);
            assert!(refused.stderr.contains("\nhint: make a new ticket there"), "{}", refused.stderr);
        }
    };
    // Two are none too many.
    tries(2);
    let laptop = Device::running(&sandbox, "laptop");
    laptop.alike(["join", &right, "docs"]).expect(0);
    laptop.until("it arrives", |laptop| laptop.docs().has("from-desk"));
    let right = ticket(&desk);
    tries(3);
    let phone = Device::running(&sandbox, "phone");
    phone.alike(["join", &right, "docs"]).expect(5);
    assert!(!phone.docs().has("from-desk") && !thief.docs().has("from-desk"));
    assert_eq!(members(&desk), 2);
    // It is told where the ticket was made.
    let log = fs::read_to_string(desk.path("log")).expect("a log");
    assert_eq!(log.matches("a wrong ticket").count(), 5, "{log}");
    phone.alike(["join", &ticket(&desk), "docs"]).expect(0);
}

#[test]
fn a_ticket_ends_ten_minutes_after_it_was_made() {
    if !clock::is_here() {
        return skip("there is no faketime");
    }
    let sandbox = Sandbox::new();
    let mut desk = Device::new(&sandbox, "desk");
    let time = desk.path("time");
    let pass = |seconds: i64| {
        // Renamed into its place: the daemon reads it whenever it looks at the time.
        fs::write(time.with_extension("new"), format!("+{seconds}s\n")).expect("written");
        fs::rename(time.with_extension("new"), &time).expect("renamed");
    };
    pass(0);
    desk.start_with(&[
        ("LD_PRELOAD", clock::CLOCK.into()),
        ("FAKETIME_TIMESTAMP_FILE", time.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".into()),
        ("DONT_FAKE_MONOTONIC", "1".into()),
        ("NO_FAKE_STAT", "1".into()),
    ]);
    desk.docs().file("from-desk", b"desk");
    desk.alike(["add", "docs", "--name", "docs"]).expect(0);
    let told = desk.alike(["invite", "docs", "--json"]).expect(0).events("invite");
    assert_eq!(told[0]["seconds"], LASTS_S);
    let first = told[0]["ticket"].as_str().expect("a ticket").to_owned();
    let laptop = Device::running(&sandbox, "laptop");
    // All that a machine may need between two steps of this test is left.
    pass(LASTS_S - 120);
    laptop.alike(["join", &first, "docs"]).expect(0);
    laptop.until("it arrives", |laptop| laptop.docs().has("from-desk"));
    let second = ticket(&desk);
    pass(2 * LASTS_S);
    let phone = Device::running(&sandbox, "phone");
    let refused = phone.alike(["join", &second, "docs"]).expect(5);
    assert!(refused.stderr.contains("\nhint: make a new ticket there"), "{}", refused.stderr);
    assert!(!phone.docs().has("from-desk"));
    // A minute is no reason.
    let third = ticket(&desk);
    pass(2 * LASTS_S + 60);
    phone.alike(["join", &third, "docs"]).expect(0);
    phone.until("it arrives", |phone| phone.docs().has("from-desk"));
}
