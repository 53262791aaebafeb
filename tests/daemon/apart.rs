//! Daemons on hosts of their own: addresses that change, a direction that fails, and commands while the line is cut.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::device::Device;
use crate::harness::hosts::{Cut, Host, apart, hosts, hosts_from, split, within};
use crate::harness::tree::pattern;
use crate::harness::{Sandbox, tell};

/// Something that takes longer than this does not come any more.
const PATIENCE: Duration = Duration::from_secs(90);
/// A command has ended by then, or said what it waits for: after two seconds, and what a busy machine takes on top of that.
const SOON: Duration = Duration::from_secs(10);

/// Two hosts that share a directory, and are alike.
fn pair(flags: &[&str]) -> (Host, Host) {
    let mut both = hosts(&["desk", "laptop"]);
    for host in &mut both {
        host.configure(&format!("name = \"{}\"\ninterval = \"1s\"\n", host.name));
        host.tree("docs").file(&host.name, b"from there");
        host.start_with(flags);
    }
    let (laptop, desk) = (both.pop().expect("two"), both.pop().expect("two"));
    desk.alike(["add", desk.tree("docs").text(), "--name", "docs"]).expect(0);
    let ticket = desk.alike(["invite", "docs", "-q"]).expect(0).stdout;
    laptop.alike(["join", ticket.trim(), laptop.tree("docs").text()]).expect(0);
    within(PATIENCE, "they are alike", || is_met(&desk) && is_met(&laptop));
    (desk, laptop)
}

fn is_met(host: &Host) -> bool {
    let status = host.status("docs");
    status["members"][1]["state"] == "alive" && status["alike"] == true
}

/// Why the other one cannot be reached.
fn why(host: &Host) -> Option<String> {
    host.status("docs")["members"][1]["why"].as_str().map(str::to_owned)
}

#[test]
fn members_find_each_other_on_the_local_network_where_no_address_holds_any_more() {
    const TEST: &str = "daemon::apart::members_find_each_other_on_the_local_network_where_no_address_holds_any_more";
    if !apart(TEST) {
        return;
    }
    let (mut desk, mut laptop) = pair(&[]);
    // Both move while they do not run: what each knows of the other is of no use any more.
    for (host, address) in [(&mut desk, "10.88.0.71"), (&mut laptop, "10.88.0.72")] {
        host.stop(Signal::TERM);
        host.move_to(address);
        host.tree("docs").file(format!("{}-later", host.name), b"later");
    }
    desk.start_with(&["--no-mdns"]);
    laptop.start_with(&[]);
    // One of them alone is not heard of: it says nothing.
    within(PATIENCE, "they miss each other", || why(&desk).is_some() && why(&laptop).is_some());
    assert!(!is_met(&laptop));
    desk.stop(Signal::TERM);
    desk.start_with(&[]);
    within(PATIENCE, "they are alike again", || is_met(&desk) && is_met(&laptop));
    assert!(desk.tree("docs").has("laptop-later") && laptop.tree("docs").has("desk-later"));
    // An address that changes while it runs is told to whoever is there, whichever of the two had called the other.
    laptop.move_to("10.88.0.73");
    is_followed(&laptop, &desk);
    desk.move_to("10.88.0.74");
    is_followed(&desk, &laptop);
}

/// Waits until a host that has moved and another one have found each other.
#[track_caller]
fn is_followed(mover: &Host, other: &Host) {
    within(PATIENCE, "it is followed", || {
        let at = other.status("docs")["members"][1]["address"].as_str().map(str::to_owned);
        is_met(other) && at.is_some_and(|at| at.starts_with(&mover.address)) && is_met(mover)
    });
}

#[test]
fn of_a_way_that_is_cut_in_one_direction_status_names_the_direction() {
    const TEST: &str = "daemon::apart::of_a_way_that_is_cut_in_one_direction_status_names_the_direction";
    if !apart(TEST) {
        return;
    }
    let (mut desk, mut laptop) = pair(&["--no-mdns"]);
    // A daemon that was started anew knows nothing of what went before.
    desk.stop(Signal::KILL);
    laptop.stop(Signal::KILL);
    laptop.deafen(&desk, Cut::Silent);
    desk.start();
    laptop.start();
    within(PATIENCE, "the direction is named", || {
        why(&desk).is_some_and(|why| why.contains("packets to it are lost, those from it arrive"))
    });
    desk.tree("docs").file("meanwhile", b"later");
    laptop.heal();
    within(PATIENCE, "it heals", || laptop.tree("docs").has("meanwhile") && desk.status("docs")["alike"] == true);
}

/// A command that works beside a daemon whose members cannot be reached, and how it may end.
type Verb<'a> = (&'a [&'a str], &'a [i32]);

/// What a person asks of a share, or does to its directory, in an order in which each has something to do.
const VERBS: &[Verb<'_>] = &[
    (&["status"], &[0, 1]),
    (&["status", "--json"], &[0, 1]),
    (&["peers"], &[0]),
    (&["wait", "docs", "--timeout", "500ms"], &[0, 30]),
    (&["wait", "docs", "--live", "--timeout", "500ms"], &[0, 30]),
    (&["diff", "docs", "stick"], &[1]),
    (&["sync", "docs", "stick"], &[1]),
    (&["conflicts", "docs"], &[1]),
    (&["log", "docs"], &[0]),
    (&["resolve", "docs", "*", "--keep", "plain"], &[0]),
    (&["verify", "docs"], &[0]),
    (&["index", "docs"], &[0]),
    (&["mirror", "docs", "copy"], &[0]),
    (&["mirror", "--keep-extra", "extra", "docs"], &[0]),
    (&["trash", "list", "docs"], &[0]),
    // All of it: what a command has just replaced, and the copy that was settled.
    (&["trash", "restore", "docs", "*"], &[0]),
    (&["pause", "docs"], &[0]),
    (&["conflicts", "docs"], &[0]),
    (&["resume", "docs"], &[0]),
    (&["approve", "docs"], &[0, 3]),
    (&["revert", "docs"], &[2, 3]),
    (&["invite", "docs", "-q"], &[0]),
    (&["diff", "alike://laptop/docs", "copy"], &[35]),
    (&["mirror", "alike://laptop/docs", "copy"], &[35]),
];

/// It ends soon, or says soon what it waits for.
#[track_caller]
fn answers_soon(host: &Host, words: &[&str], exits: &[i32]) {
    let outcome = host.alike(words);
    assert!(exits.contains(&outcome.code), "{words:?}: {outcome:?}\n{}", host.log());
    let heard = outcome.told.unwrap_or(outcome.took);
    tell(&format!("{words:?}: {:.2?}, said {:.2?}", outcome.took, outcome.told));
    assert!(heard < SOON, "{words:?} said nothing for {heard:?}: {outcome:?}");
}

#[test]
fn every_command_answers_beside_a_daemon_whose_members_are_cut_off() {
    const TEST: &str = "daemon::apart::every_command_answers_beside_a_daemon_whose_members_are_cut_off";
    if !apart(TEST) {
        return;
    }
    // In silence a command waits for what does not come, turned back it may take that for an answer.
    for cut in [Cut::Silent, Cut::Rejected] {
        all_answer_while(cut);
    }
}

fn all_answer_while(cut: Cut) {
    let (mut desk, laptop) = pair(&["--no-mdns"]);
    desk.serve_ssh();
    let client = hosts_from(9, &["client"]).pop().expect("a host");
    // Something to disagree about, with a stick and with the member.
    desk.tree("docs").file("note", b"desk");
    desk.tree("stick").file("note", b"stick");
    desk.tree("copy");
    desk.tree("docs").file("extra", b"mine");
    desk.tree("extra").file("extra", b"another");
    split(&[&desk], &[&laptop], cut);
    laptop.tree("docs").file("meanwhile", b"laptop");
    for (words, exits) in VERBS {
        if words[0] == "trash" {
            // What was settled before is carried out by the daemon.
            within(PATIENCE, "the copy goes", || copies(&desk).is_empty());
        }
        answers_soon(&desk, words, exits);
    }
    // The same for whoever comes through ssh.
    let far = format!("{}:{}", desk.address, desk.tree("docs").text());
    client.tree("docs").file("client", b"client");
    for (verb, exits) in [("diff", &[1][..]), ("sync", &[0]), ("mirror", &[0])] {
        let through = client.through_ssh(&desk);
        let through: Vec<&str> = through.iter().map(String::as_str).collect();
        let ends: [&str; 2] = if verb == "mirror" { [&far, "copy"] } else { ["docs", &far] };
        client.tree("copy");
        answers_soon(&client, &[&[verb][..], &through, &ends].concat(), exits);
    }
    assert!(!desk.tree("docs").has("meanwhile"), "the cut was no cut");
    desk.heal();
    laptop.heal();
    within(PATIENCE, "all of it is everywhere", || {
        let came = desk.tree("docs").has("meanwhile");
        came && laptop.tree("docs").has("client") && is_met(&desk) && is_met(&laptop)
    });
    assert_eq!(desk.status("docs")["conflicts"], 0, "nobody edited what he had not seen");
    assert_eq!(desk.tree("docs").read("extra"), b"mine");
    assert_eq!(desk.tree("docs").shown(), laptop.tree("docs").shown());
}

/// What stands at the names of copies.
fn copies(host: &Host) -> Vec<Vec<u8>> {
    let shown = host.tree("docs").shown().into_iter();
    shown.filter(|(path, _)| path.to_string_lossy().starts_with("note.conflict-")).map(|(_, bytes)| bytes).collect()
}

#[test]
fn of_a_daemon_that_says_nothing_the_command_says_so_and_goes_on_when_it_speaks() {
    let sandbox = Sandbox::new();
    let desk = Device::running(&sandbox, "desk");
    for words in [&["status"][..], &["peers"], &["wait"]] {
        desk.alike(["status", "-q"]).expect(0);
        desk.signal(Signal::STOP);
        let mut command = desk.command(words);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let first = stderr.next().and_then(Result::ok);
        desk.signal(Signal::CONT);
        assert_eq!(first.as_deref(), Some("waiting for the daemon, which says nothing"), "{words:?}");
        let code = ended(child);
        assert_eq!(code, 0, "{words:?}: {:?}", stderr.collect::<Vec<_>>());
    }
    // It is not waited for without end.
    desk.signal(Signal::STOP);
    let silent = desk.alike(["status"]);
    desk.signal(Signal::CONT);
    let silent = silent.expect(30);
    assert!(silent.stderr.contains("error: the daemon does not answer\nhint: "), "{}", silent.stderr);
}

/// Waits for the end of a command.
#[track_caller]
fn ended(mut child: Child) -> i32 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("it was started here") {
            return status.code().expect("no signal ended it");
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("it waits for a line that was cut {PATIENCE:?} ago");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_line_to_a_member_that_is_cut_in_the_middle_ends_the_command_and_gives_the_root_back() {
    const TEST: &str =
        "daemon::apart::a_line_to_a_member_that_is_cut_in_the_middle_ends_the_command_and_gives_the_root_back";
    const LARGE: usize = 24 << 20;
    if !apart(TEST) {
        return;
    }
    // At this rate it takes more than ten seconds: the cut comes before its end.
    let (desk, laptop) = pair(&["--no-mdns", "--bwlimit", "2048"]);
    let sent = || {
        let told = laptop.alike(["status", "--json"]);
        told.json().first().and_then(|daemon| daemon["sent"].as_u64()).unwrap_or_default()
    };
    // The command alone is to bring it.
    desk.alike(["pause", "docs"]).expect(0);
    laptop.tree("docs").file("large", pattern(LARGE, 1));
    let before = sent();
    let stick = desk.tree("stick");
    let mut command = desk.command(["sync", "stick", "alike://laptop/docs"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    within(PATIENCE, "some of it has come", || sent() > before + (LARGE as u64 / 8));
    assert_eq!(laptop.status("docs")["at"], "lent");
    split(&[&desk], &[&laptop], Cut::Silent);
    let code = ended(child);
    assert!([10, 30, 35].contains(&code), "it ended with {code}");
    assert!(!stick.has("large"), "nothing is shown by halves");
    within(PATIENCE, "the root is given back", || laptop.status("docs")["at"] != "lent");
    laptop.tree("docs").file("later", b"later");
    desk.heal();
    laptop.heal();
    within(PATIENCE, "the next one brings it", || {
        desk.alike(["sync", "stick", "alike://laptop/docs"]).code == 0 && stick.has("large")
    });
    assert_eq!(stick.read("large"), pattern(LARGE, 1));
    assert!(stick.has("later"));
}
