//! Daemons on loopback, each with a home of its own: they are paired, become alike, and stay so whatever happens to them.

mod harness;

mod daemon {
    pub mod apart;
    pub mod blind;
    pub mod browser;
    pub mod device;
    pub mod guests;
    pub mod hooks;
    pub mod roles;
    pub mod tickets;
}

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use daemon::browser::Browser;
use daemon::device::{Device, pair};
use harness::rot::rot;
use harness::{Sandbox, skip};
use rustix::process::Signal;

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
    let life = |device: &Device<'_>| {
        let kept = fs::read_to_string(device.path("state/alike/bump")).expect("each life is kept from its beginning");
        kept.trim().parse::<u64>().expect("a number")
    };
    let first = life(&laptop);
    laptop.stop(Signal::KILL);
    desk.docs().file("from-desk", b"edited on the desk");
    laptop.docs().file("from-desk", b"edited on the laptop");
    laptop.start();
    assert!(life(&laptop) > first, "also where the clock was set back meanwhile");
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
fn what_comes_back_from_the_trash_of_a_member_that_is_alone_is_kept_once_the_others_are_there() {
    let sandbox = Sandbox::new();
    let (desk, mut laptop) = pair(&sandbox);
    laptop.stop(Signal::TERM);
    desk.docs().file("from-desk", b"edited on the desk");
    laptop.docs().file("from-desk", b"edited on the laptop").remove("deep/er");
    laptop.start();
    desk.until("a conflict", |desk| desk.share()["conflicts"] == 1 && !desk.docs().has("deep/er"));
    desk.until_alike();
    // It is settled by everybody: the copy goes to the trash.
    desk.alike(["resolve", "docs", "*", "--keep", "plain"]).expect(0);
    desk.until_alike();
    let settled = desk.docs().shown();
    assert_eq!(settled, laptop.docs().shown());
    laptop.stop(Signal::TERM);
    let copies = "*.conflict-*";
    for what in [&["deep/er", copies][..], &[copies]] {
        desk.alike(["trash", "restore", "docs"].iter().chain(what)).expect(0);
        desk.until("it is looked at", |desk| desk.share()["conflicts"] == 1);
        let restored = desk.docs().shown();
        laptop.start();
        laptop.until("it comes", |laptop| laptop.docs().shown() == restored);
        laptop.until_alike();
        desk.until_alike();
        assert_eq!((&restored, desk.docs().has("deep/er")), (&desk.docs().shown(), true));
        // Settled once more, it goes once more.
        desk.alike(["resolve", "docs", "*", "--keep", "plain"]).expect(0);
        desk.until_alike();
        laptop.until("it goes", |laptop| laptop.share()["conflicts"] == 0);
        laptop.stop(Signal::TERM);
    }
}

#[test]
fn a_root_that_is_gone_is_told_and_never_made_anew_and_the_share_goes_on_once_it_is_back() {
    let sandbox = Sandbox::new();
    let (desk, laptop) = pair(&sandbox);
    let (root, elsewhere) = (desk.path("docs"), desk.path("elsewhere"));
    let is_failed = |desk: &Device<'_>| {
        let share = desk.share();
        assert!(share["at"] != "failed" || share["alike"] == false, "{share}");
        share["at"] == "failed"
    };
    fs::rename(&root, &elsewhere).expect("moved");
    desk.until("it is told", is_failed);
    assert!(!root.exists(), "nothing is made where it was");
    laptop.docs().file("meanwhile", b"laptop");
    fs::rename(&elsewhere, &root).expect("moved back");
    desk.until("it goes on", |desk| desk.docs().has("meanwhile"));
    desk.until_alike();
    desk.until("all of it is deleted", |_| fs::remove_dir_all(&root).is_ok() || !root.exists());
    desk.until("it is told", is_failed);
    let why = |desk: &Device<'_>| desk.share()["why"][0].as_str().unwrap_or_default().to_owned();
    desk.until("it is told why", |desk| why(desk).ends_with("was synced before and is not there"));
    assert!(!root.exists(), "nothing is made where it was");
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
    let oneself = desk.alike(["forget", "desk"]).expect(2);
    assert!(oneself.stderr.contains("`desk` is this device\nhint: `alike remove SHARE`"), "{}", oneself.stderr);
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
    desk.alike(["resolve", root.text(), "*", "--keep", "plain"]).expect(0);
    let written = desk.alike(["log", root.text(), "from-stick"]).expect(0).stdout;
    assert!(written.contains("from-stick"), "{written}");
    desk.alike(["trash", "list", root.text()]).expect(0);
    desk.alike(["index", root.text()]).expect(0);
    desk.alike(["mirror", root.text(), sandbox.tree("copy").text()]).expect(0);
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
    let told = desk.alike(["status"]).stdout;
    assert!(told.contains("\n  1 entry, 0 B; looked at"), "{told}");
    let taken = desk.daemon()["addresses"][0].as_str().expect("an address").to_owned();
    let third = Device::new(&sandbox, "third").alike(["daemon", "--listen", &taken]).expect(3);
    assert!(third.stderr.contains("cause: address already in use\nhint: the port may be"), "{}", third.stderr);
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
    // Paused, so that one look sees all of it: as it goes, a part is no more than may go.
    desk.alike(["pause", "docs"]).expect(0);
    fs::remove_dir_all(desk.path("docs/many")).expect("removed");
    desk.alike(["resume", "docs"]).expect(0);
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
    let idle = desk.alike(["approve", "docs"]).expect(0);
    assert_eq!(idle.stdout, "no deletes were held in `docs`\n");
    desk.alike(["approve", "nothing"]).expect(2);
}

#[test]
fn what_is_sent_keeps_to_the_limit_of_the_hour_and_the_limit_changes_while_it_runs() {
    let sandbox = Sandbox::new();
    let (desk, laptop) = pair(&sandbox);
    let (limit, lifted) = ("bwlimit = \"00:00,64k 12:00,64k\"\n", "bwlimit = \"off\"\n");
    desk.reconfigure("", limit);
    desk.until("there is a limit", |desk| desk.daemon()["bwlimit"] == 65_536);
    let sent = |desk: &Device<'_>| desk.daemon()["sent"].as_u64().expect("a number");
    let (began, before) = (Instant::now(), sent(&desk));
    desk.docs().file("large", harness::tree::pattern(16 << 20, 1));
    desk.until("a part of it is sent", |desk| sent(desk) - before > 160 << 10);
    assert!(began.elapsed() > Duration::from_millis(1900), "160 KiB at 64 KiB/s in {:?}", began.elapsed());
    assert!(desk.alike(["status"]).stdout.contains("sends at most 65.5 kB/s now"));
    desk.reconfigure(limit, lifted);
    // At the limit it would take four minutes, which is longer than anything is waited for.
    laptop.until("all of it arrives", |laptop| laptop.docs().has("large"));
    assert_eq!(desk.daemon()["bwlimit"], serde_json::Value::Null);
}

#[test]
fn the_name_the_page_and_the_role_change_while_it_runs_and_the_port_says_that_it_waits() {
    let sandbox = Sandbox::new();
    let (desk, laptop) = pair(&sandbox);
    let free =
        || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port").port();
    let (first, second) = (free(), free());
    let page = format!("metrics = {first}\n");
    desk.reconfigure("", &page);
    let serves = |port: u16| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
    desk.until("there is a page", |_| serves(first));
    let other = format!("metrics = {second}\nlisten = \"4711\"\n");
    desk.reconfigure(&page, &other);
    desk.until("it is elsewhere", |_| serves(second) && !serves(first));
    let told = desk.alike(["status"]).stdout;
    assert!(!told.contains("not in use yet"), "the command line says where it listens: {told}");
    // What makes no sense changes nothing, also not in part.
    let broken = format!("metrics = \"many\"\nname = \"chair\"\nlisten = \"4711\"\n{other}");
    desk.reconfigure(&other, &broken);
    let says = |desk: &Device<'_>, what: &str| desk.daemon()["config_problem"].to_string().contains(what);
    desk.until("it is told", |desk| says(desk, "config.toml") && desk.log().contains("configuration not used"));
    let told = desk.alike(["status"]).stdout;
    assert!(told.contains("  the configuration is not in use: "), "{told}");
    assert!(serves(second) && desk.share()["members"][0]["name"] == "desk", "the one before is in use");
    desk.reconfigure(&broken, &other);
    desk.until("it is put right", |desk| says(desk, "null"));

    let file = laptop.path("config/alike/config.toml");
    let text = fs::read_to_string(&file).expect("text").replace("name = \"laptop\"", "name = \"tablet\"");
    fs::write(&file, text.replace("role = \"rw\"", "role = \"receive\"")).expect("written");
    laptop.signal(Signal::HUP);
    desk.until("it is called otherwise", |desk| desk.share()["members"][1]["name"] == "tablet");
    laptop.until("it has another role", |laptop| {
        laptop.share()["role"] == "receive" && laptop.share()["at"] == "resting"
    });
    laptop.docs().file("mine", b"here alone");
    desk.docs().file("theirs", b"for all");
    laptop.until("it takes", |laptop| laptop.docs().has("theirs"));
    laptop.until("what is changed here is told", |laptop| laptop.share()["local"] == serde_json::json!(["mine"]));
    assert!(!desk.docs().has("mine"));
    let told = laptop.alike(["status"]).stdout;
    assert!(told.contains("  mine: changed here alone"), "{told}");
    laptop.alike(["revert", "docs"]).expect(0);
    laptop.until("it is reverted", |laptop| !laptop.docs().has("mine"));
    let trash = laptop.alike(["trash", "list", "docs"]).expect(0).stdout;
    assert!(trash.contains("mine"), "{trash}");
    desk.alike(["revert", "docs"]).expect(2);
}

#[test]
fn what_rots_is_told_healed_from_a_member_and_never_spreads() {
    let sandbox = Sandbox::new();
    let (mut desk, laptop) = pair(&sandbox);
    let clean = desk.alike(["verify", "docs"]).expect(0);
    assert!(clean.last_line().ends_with("0 rotten, 0 put right"), "{}", clean.stdout);
    desk.alike(["pause", "docs"]).expect(0);
    desk.alike(["verify", "docs"]).expect(0);
    desk.alike(["resume", "docs"]).expect(0);
    desk.stop(Signal::TERM);
    rot(&desk.docs(), "from-desk", b"dusk");
    // Without a daemon it is told alone.
    let told = desk.alike(["verify", "docs"]).expect(23);
    assert!(
        told.stderr.contains("`from-desk`: it has rotted: its bytes changed, and nobody wrote them"),
        "{}",
        told.stderr
    );
    laptop.alike(["pause", "docs"]).expect(0);
    desk.start();
    desk.until("it is looked at", |desk| desk.share()["at"] == "resting");
    // Nobody hands it out: it is told, and stays wanted.
    let told = desk.alike(["verify", "docs", "--json"]).expect(23);
    assert_eq!(told.events("problem")[0]["path"], "from-desk");
    assert_eq!((&told.summary()["rotten"], &told.summary()["healed"]), (&1.into(), &0.into()));
    assert_eq!(desk.share()["rotten"], serde_json::json!(["from-desk"]));
    assert!(desk.alike(["status"]).stdout.contains("from-desk: rotted"));
    laptop.alike(["resume", "docs"]).expect(0);
    desk.until("it is healed", |desk| desk.docs().read("from-desk") == b"desk");
    desk.until_alike();
    assert_eq!(laptop.docs().read("from-desk"), b"desk", "it never spread");
    assert_eq!((&desk.share()["rotten"], &desk.share()["conflicts"]), (&serde_json::json!([]), &0.into()));
    // The scrub finds it by itself, and goes on where it was.
    desk.stop(Signal::TERM);
    rot(&desk.docs(), "deep/er", b"diaper");
    let file = desk.path("config/alike/config.toml");
    let text = fs::read_to_string(&file).expect("text");
    fs::write(&file, format!("scrub = \"1s\"\n{text}")).expect("written");
    desk.start();
    desk.until("the scrub finds it", |desk| desk.share()["rotted"] == 1);
    desk.until("it is healed", |desk| desk.docs().read("deep/er") == b"deeper");
    desk.until_alike();
    let trash = desk.alike(["trash", "list", "docs"]).expect(0).stdout;
    assert!(trash.contains("from-desk") && trash.contains("deep/er"), "what stood there is in the trash: {trash}");
}

#[test]
fn the_service_manager_is_told_when_it_is_ready_reads_anew_lives_and_stops() {
    let sandbox = Sandbox::new();
    let mut desk = Device::new(&sandbox, "desk");
    let manager = UnixDatagram::bind(desk.path("notify")).expect("a socket");
    manager.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    let told = || {
        let mut text = [0; 100];
        let bytes = manager.recv(&mut text).expect("it is told something");
        String::from_utf8_lossy(&text[..bytes]).into_owned()
    };
    let others = |word: &str| std::iter::repeat_with(told).find(|told| told != word).expect("it is told more");
    desk.start_with(&[
        ("NOTIFY_SOCKET", desk.path("notify").display().to_string()),
        ("WATCHDOG_USEC", "400000".into()),
    ]);
    assert_eq!(told(), "READY=1");
    assert_eq!((told(), told()), ("WATCHDOG=1".into(), "WATCHDOG=1".into()));
    desk.signal(Signal::HUP);
    assert_eq!(others("WATCHDOG=1"), "RELOADING=1");
    assert_eq!(others("WATCHDOG=1"), "READY=1");
    assert!(desk.stop(Signal::TERM) < Duration::from_secs(5));
    assert_eq!(others("WATCHDOG=1"), "STOPPING=1");
    let unit = desk.alike(["daemon", "--print-unit"]).expect(0).stdout;
    assert!(unit.contains("\nType=notify\n") && unit.contains("\nWatchdogSec="), "{unit}");
}

#[test]
fn two_devices_meet_over_the_newer_protocol_with_a_ticket_that_was_read_as_a_picture() {
    let sandbox = Sandbox::new();
    let (mut desk, mut laptop) = (Device::new(&sandbox, "desk"), Device::new(&sandbox, "laptop"));
    desk.start_at("[::1]:0");
    laptop.start_at("[::1]:0");
    desk.docs().file("from-desk", b"desk");
    desk.alike(["add", "docs", "--name", "docs"]).expect(0);
    let shown = desk.alike(["invite", "docs", "--qr"]).expect(0).stdout;
    let lines: Vec<&str> = shown.lines().collect();
    let (ticket, picture) = lines.split_last().expect("lines");
    let width = picture[0].chars().count();
    let is_dots = |line: &&str| {
        line.chars().count() == width && line.chars().all(|dot| " \u{2580}\u{2584}\u{2588}".contains(dot))
    };
    assert!(picture.len() * 2 >= width && picture.iter().all(is_dots), "{shown}");
    // A picture holds it in capitals.
    laptop.alike(["join", &ticket.to_uppercase(), "docs"]).expect(0);
    laptop.until("it arrives", |laptop| laptop.docs().has("from-desk"));
    laptop.until_alike();
    let address = laptop.share()["members"][1]["address"].as_str().map(str::to_owned);
    assert!(address.as_ref().is_some_and(|address| address.starts_with("[::1]:")), "{address:?}");
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

#[test]
fn the_page_is_read_in_a_browser_follows_what_happens_and_needs_no_mouse() {
    let sandbox = Sandbox::new();
    let (mut desk, mut laptop) = (Device::new(&sandbox, "desk"), Device::running(&sandbox, "laptop"));
    let Some(mut browser) = Browser::start(&sandbox.path("browser")) else { return skip("there is no chromium") };
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port").port();
    let file = desk.path("config/alike/config.toml");
    let text = fs::read_to_string(&file).expect("text");
    fs::write(&file, format!("metrics = {free}\n{text}")).expect("written");
    desk.start();
    desk.share_with(&laptop);
    desk.until_alike();
    browser.open(&format!("http://localhost:{free}/"));
    assert_eq!(browser.evaluate("document.title"), "alike on desk");
    browser.until("document.querySelector('h2').innerText", |text| text == "docs: alike");
    let laptop_row =
        "[...document.querySelectorAll('th')].find(cell => cell.innerText == 'laptop').parentNode.innerText";
    browser
        .until(laptop_row, |text| text.as_str().is_some_and(|text| text.starts_with("laptop\talive\trw\t127.0.0.1:")));
    browser.until("document.querySelector('#live').innerText", |text| text == "Shown as it changes.");
    browser.evaluate("window.opened = 'once'");
    laptop.stop(Signal::TERM);
    browser.until(laptop_row, |text| text.as_str().is_some_and(|text| text.starts_with("laptop\tdown")));
    browser.until("document.querySelector('h2').innerText", |text| text == "docs: alike with all that are alive");
    browser.until("document.querySelector('ul').innerText", |text| {
        text.as_str().is_some_and(|text| text.contains("laptop is down"))
    });
    laptop.start();
    browser.until("document.querySelector('h2').innerText", |text| text == "docs: alike");
    assert_eq!(browser.evaluate("window.opened"), "once", "the page was never loaded again");

    // Whoever has no mouse comes to its end, and whoever does not see it hears what is what.
    browser.until("document.documentElement.scrollHeight > innerHeight", |more| *more == true);
    browser.press("End", 35);
    browser.until("scrollY > 0", |moved| *moved == true);
    let roles = browser.roles();
    for role in ["main", "heading", "status", "table", "columnheader", "rowheader"] {
        assert!(roles.iter().any(|known| known == role), "{role}: {roles:?}");
    }
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    desk.stop(Signal::TERM);
    browser.until("document.querySelector('#live').innerText", |text| text == "The daemon does not answer.");
    assert!(
        browser
            .evaluate("document.querySelector('main').innerText")
            .as_str()
            .is_some_and(|text| text.contains("laptop"))
    );
}
