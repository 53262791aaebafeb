//! Daemons on loopback, each with a home of its own: they are paired, become alike, and stay so whatever happens to them.

mod harness;

mod daemon {
    pub mod device;
}

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use daemon::device::Device;
use harness::Sandbox;
use rustix::process::Signal;

/// Two that share a directory.
fn pair(sandbox: &Sandbox) -> (Device<'_>, Device<'_>) {
    let (desk, laptop) = (Device::running(sandbox, "desk"), Device::running(sandbox, "laptop"));
    desk.docs().file("from-desk", b"desk").file("deep/er", b"deeper");
    laptop.docs().file("from-laptop", b"laptop");
    desk.share_with(&laptop);
    laptop.until_alike();
    desk.until_alike();
    (desk, laptop)
}

#[test]
fn two_devices_become_alike_and_stay_so() {
    let sandbox = Sandbox::new();
    let (desk, mut laptop) = pair(&sandbox);
    assert_eq!(desk.docs().shown().len(), 4);
    assert_eq!(desk.docs().shown(), laptop.docs().shown());
    laptop.docs().file("deep/later", b"later");
    desk.until("an edit arrives", |desk| desk.docs().has("deep/later"));
    desk.until_alike();
    desk.docs().remove("from-laptop");
    laptop.until("a delete arrives", |laptop| !laptop.docs().has("from-laptop"));
    desk.alike(["wait", "docs", "--timeout", "20s"]).expect(0);
    assert_eq!(desk.docs().shown(), laptop.docs().shown());
    let share = desk.share();
    assert_eq!((&share["alike"], &share["conflicts"], &share["wanted"]), (&true.into(), &0.into(), &0.into()));
    assert_eq!(share["members"][1]["name"], "laptop");
    assert_eq!(share["members"][1]["state"], "alive");
    assert_eq!(share["top"], laptop.share()["top"]);
    let peers = desk.alike(["peers"]).expect(0);
    assert!(peers.stdout.contains("laptop  alive at 127.0.0.1:"), "{}", peers.stdout);
    laptop.stop(Signal::TERM);
    desk.until("the other is down", |desk| desk.share()["members"][1]["state"] == "down");
    let share = desk.share();
    assert!(share["why"][0].as_str().is_some_and(|why| why.starts_with("laptop is down since")), "{share}");
    assert_eq!((&share["alike"], &share["alike_live"]), (&false.into(), &true.into()));
    let waited = desk.alike(["wait", "--timeout", "300ms"]).expect(30);
    assert!(waited.stderr.contains("error: it is not alike yet\ncause: docs: laptop is down"), "{}", waited.stderr);
    desk.alike(["wait", "--live", "--timeout", "20s"]).expect(0);
}

#[test]
fn what_both_changed_while_one_was_down_is_kept_twice_and_a_killed_daemon_goes_on() {
    let sandbox = Sandbox::new();
    let (desk, mut laptop) = pair(&sandbox);
    laptop.stop(Signal::KILL);
    desk.docs().file("from-desk", b"edited on the desk");
    laptop.docs().file("from-desk", b"edited on the laptop");
    laptop.start();
    let shows_both = |device: &Device<'_>| device.share()["conflicts"] == 1;
    desk.until("a conflict", shows_both);
    laptop.until("a conflict", shows_both);
    desk.until_alike();
    let shown = desk.docs().shown();
    assert_eq!(shown, laptop.docs().shown());
    let kept: Vec<&[u8]> = shown.values().map(Vec::as_slice).collect();
    assert!(kept.contains(&&b"edited on the desk"[..]) && kept.contains(&&b"edited on the laptop"[..]));
}

#[test]
fn a_forgotten_member_gets_nothing_more_and_a_ticket_is_good_once() {
    let sandbox = Sandbox::new();
    let (desk, laptop) = pair(&sandbox);
    let phone = Device::running(&sandbox, "phone");
    let ticket = desk.alike(["invite", "docs", "-q"]).expect(0).stdout;
    phone.alike(["join", ticket.trim(), "docs"]).expect(0);
    phone.until_alike();
    let thief = Device::running(&sandbox, "thief");
    let refused = thief.alike(["join", ticket.trim(), "docs"]).expect(5);
    assert!(refused.stderr.contains("hint: make a new ticket there"), "{}", refused.stderr);
    laptop.until("the list spreads", |laptop| laptop.share()["members"].as_array().is_some_and(|all| all.len() == 3));
    desk.alike(["forget", "phone"]).expect(0);
    laptop.until("it is forgotten", |laptop| laptop.share()["members"].as_array().is_some_and(|all| all.len() == 2));
    desk.docs().file("secret", b"secret");
    laptop.until("it arrives", |laptop| laptop.docs().has("secret"));
    desk.until_alike();
    assert!(!phone.docs().has("secret"));
    phone.until("it is let in no longer", |phone| phone.share()["members"][1]["state"] == "down");
}

#[test]
fn a_command_works_on_a_root_that_the_daemon_keeps() {
    let sandbox = Sandbox::new();
    let (desk, laptop) = pair(&sandbox);
    let stick = sandbox.tree("stick");
    stick.file("from-stick", b"stick");
    let root = desk.docs();
    for _ in 0..3 {
        desk.alike(["sync", root.text(), stick.text()]).expect(0);
    }
    assert!(stick.has("from-desk"));
    laptop.until("it arrives", |laptop| laptop.docs().has("from-stick"));
    desk.alike(["conflicts", root.text()]).expect(0);
    desk.alike(["diff", root.text(), stick.text()]).expect(0);
    desk.docs().remove("from-stick");
    laptop.until("a delete arrives", |laptop| !laptop.docs().has("from-stick"));
    desk.until_alike();
    assert_eq!(desk.share()["conflicts"], 0);
}

#[test]
fn configuration_is_edited_without_a_daemon_and_read_again_by_one() {
    let sandbox = Sandbox::new();
    let mut desk = Device::new(&sandbox, "desk");
    let unknown = desk.alike(["status"]).expect(35);
    assert!(
        unknown.stderr.starts_with("error: no daemon is running\nhint: `alike daemon` runs one"),
        "{}",
        unknown.stderr
    );
    desk.alike(["add", "docs", "--name", "docs"]).expect(0);
    let inside = desk.path("docs/inside");
    fs::create_dir(&inside).expect("made");
    desk.alike(["add", "docs/inside", "--name", "inside"]).expect(2);
    desk.start();
    desk.until_alike();
    desk.alike(["pause", "docs"]).expect(0);
    assert_eq!(desk.share()["at"], "paused");
    desk.alike(["resume", "docs"]).expect(0);
    desk.until_alike();
    let second = desk.alike(["daemon"]).expect(3);
    assert!(second.stderr.contains("another daemon of this user is running"), "{}", second.stderr);
    let file = desk.path("config/alike/config.toml");
    let text = fs::read_to_string(&file).expect("text");
    fs::write(&file, format!("intervall = \"1s\"\n{text}")).expect("written");
    let refused = desk.alike(["pause", "docs"]).expect(2);
    assert!(refused.stderr.contains("line 1 of the configuration"), "{}", refused.stderr);
    fs::write(&file, text).expect("written");
    desk.alike(["remove", "docs"]).expect(0);
    assert!(desk.alike(["status", "--json"]).events("share").is_empty());
    assert!(desk.stop(Signal::TERM) < Duration::from_secs(5));
}

#[test]
fn deletes_that_the_guard_holds_wait_until_they_are_approved_on_either_side() {
    let sandbox = Sandbox::new();
    let (desk, laptop) = pair(&sandbox);
    for number in 0..40 {
        desk.docs().file(format!("many/{number}"), number.to_string());
    }
    laptop.until("all arrive", |laptop| laptop.docs().has("many/39"));
    desk.until_alike();
    fs::remove_dir_all(desk.path("docs/many")).expect("removed");
    desk.until("they are held", |desk| desk.share()["held"].as_array().is_some_and(|held| !held.is_empty()));
    let told = desk.alike(["status"]).expect(1).stdout;
    assert!(told.contains("deletes are held: `alike approve docs` lets them through"), "{told}");
    desk.docs().file("an-edit", b"flows");
    laptop.until("edits flow meanwhile", |laptop| laptop.docs().has("an-edit"));
    assert!(laptop.docs().has("many/0") && !desk.docs().has("many/0"));
    let few = desk.alike(["approve", "docs", "--max-delete=3"]).expect(25);
    assert!(few.stderr.contains("hint: `alike approve docs"), "{}", few.stderr);
    desk.alike(["approve", "docs"]).expect(0);
    laptop.until("they are held there as well", |laptop| !laptop.share()["held"].as_array().is_none_or(Vec::is_empty));
    assert!(laptop.docs().has("many/0"), "each member is asked for its own bytes");
    laptop.alike(["approve", "docs"]).expect(0);
    laptop.until("they are through", |laptop| !laptop.docs().has("many"));
    laptop.until_alike();
    desk.until_alike();
    assert_eq!(desk.share()["held"], serde_json::json!([]));
    desk.alike(["approve", "docs"]).expect(0);
    desk.alike(["approve", "nothing"]).expect(2);
}

/// What a server on loopback answers.
fn fetched(port: u16, host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a server");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("written");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

#[test]
fn a_page_and_figures_are_served_on_loopback_and_hooks_are_told() {
    let sandbox = Sandbox::new();
    let (mut desk, laptop) = (Device::new(&sandbox, "desk"), Device::running(&sandbox, "laptop"));
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port").port();
    let file = desk.path("config/alike/config.toml");
    let text = fs::read_to_string(&file).expect("text");
    let told = desk.path("told");
    let hooks = format!("metrics = {free}\n[hooks]\nafter-sync = \"cat >> {}\"\n", told.display());
    fs::write(&file, format!("{text}{hooks}")).expect("written");
    desk.start();
    laptop.docs().file("from-laptop", b"laptop");
    desk.share_with(&laptop);
    desk.until("it arrives", |desk| desk.docs().has("from-laptop"));
    desk.until_alike();
    desk.until("the hook is told", |_| {
        fs::read_to_string(&told).is_ok_and(|text| text.contains("\"paths\":[\"from-laptop\"]"))
    });
    let page = fetched(free, "localhost", "/");
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("docs: <span class=\"good\">alike</span>"), "{page}");
    let figures = fetched(free, &format!("127.0.0.1:{free}"), "/metrics");
    assert!(figures.contains("alike_members{share=\"docs\",state=\"alive\"} 1\n"), "{figures}");
    let elsewhere = fetched(free, "example.org", "/");
    assert!(elsewhere.starts_with("HTTP/1.1 400 "), "a page from elsewhere reads nothing: {elsewhere}");
    desk.alike(["status", "--html", "page.html"]).expect(0);
    assert!(fs::read_to_string(desk.path("page.html")).expect("a page").contains("laptop"));
}
