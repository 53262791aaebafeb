//! Partitions of every shape: hosts in network namespaces of their own, real programs, cuts between them.

#[path = "partitions/cluster.rs"]
mod cluster;
mod harness;
#[path = "partitions/large.rs"]
mod large;
#[path = "partitions/soak.rs"]
mod soak;

use std::time::{Duration, Instant};

use cluster::{INTERVAL, PATIENCE, SHARE, admit, arrives, cluster, converge, copies, versions};
use harness::hosts::{Cut, Host, apart, hosts, split, within};
use harness::tree::pattern;
use rustix::process::Signal;

/// After a cut has healed, all are alike within so long: two intervals, the time to find each other again, and the transfer.
const HEALED: Duration = Duration::from_secs(15);

/// The cuts themselves: without this, a test that survives a cut could have had none.
#[test]
fn a_cut_keeps_ssh_out_until_it_heals() {
    if !apart("a_cut_keeps_ssh_out_until_it_heals") {
        return;
    }
    let mut all = hosts(&["left", "right"]);
    all[1].serve_ssh();
    let (left, right) = (&all[0], &all[1]);
    left.tree("docs").file("a.txt", "one");
    let far = right.tree("docs");
    let mut arguments: Vec<String> = vec!["sync".into(), "--timeout".into(), "2".into()];
    arguments.extend(left.through_ssh(right));
    arguments.extend(["docs".into(), format!("{}:{}", right.address, far.text())]);
    left.alike(&arguments).expect(0);
    assert_eq!(far.read("a.txt"), b"one");
    left.tree("docs").file("a.txt", "two");
    for cut in [Cut::Silent, Cut::Refused] {
        right.deafen(left, cut);
        let outcome = left.alike(&arguments);
        assert!([10, 30, 35].contains(&outcome.code), "{cut:?}: {outcome:?}");
        assert_eq!(far.read("a.txt"), b"one");
        right.heal();
        left.heal();
    }
    left.alike(&arguments).expect(0);
    assert_eq!(far.read("a.txt"), b"two");
}

#[test]
fn a_full_split_converges_on_either_side_and_heals() {
    if !apart("a_full_split_converges_on_either_side_and_heals") {
        return;
    }
    for cut in [Cut::Silent, Cut::Refused] {
        let all = cluster(&["a", "b", "c", "d", "e"]);
        let everybody: Vec<&Host> = all.iter().collect();
        let (left, right) = everybody.split_at(2);
        let here = left[0].tree(SHARE);
        here.file("both.txt", "first").file("deleted.txt", "x").file("edited.txt", "x").file("old/name.txt", "moved");
        for number in 0..100 {
            here.file(format!("many/{number}.txt"), format!("{number}"));
        }
        for host in &everybody {
            arrives(PATIENCE, host, "many/99.txt", b"99");
        }
        converge(PATIENCE, &everybody);
        split(left, right, cut);
        let (here, there) = (left[0].tree(SHARE), right[2].tree(SHARE));
        here.file("both.txt", "by a");
        there.file("both.txt", "by e");
        here.remove("deleted.txt");
        there.file("deleted.txt", "edited by e");
        here.file("edited.txt", "edited by a");
        there.rename("old", "new");
        for number in 0..200 {
            left[1].tree(SHARE).file(format!("left/{number}.txt"), format!("left {number}"));
            right[1].tree(SHARE).file(format!("right/{number}.txt"), format!("right {number}"));
        }
        for host in left {
            arrives(PATIENCE, host, "both.txt", b"by a");
            arrives(PATIENCE, host, "left/199.txt", b"left 199");
        }
        for host in right {
            arrives(PATIENCE, host, "both.txt", b"by e");
            arrives(PATIENCE, host, "right/199.txt", b"right 199");
        }
        converge(PATIENCE, left);
        converge(PATIENCE, right);
        assert!(!left[0].tree(SHARE).has("right") && !right[0].tree(SHARE).has("left"), "the cut was no cut");
        everybody.iter().for_each(|host| host.heal());
        converge(HEALED, &everybody);
        let shown = left[0].tree(SHARE);
        assert_eq!(versions(&shown, "both.txt"), [b"by a".to_vec(), b"by e".to_vec()], "{cut:?}");
        assert_eq!(copies(&shown).len(), 1, "conflicts are exactly the concurrent edits: {:?}", copies(&shown));
        assert_eq!(shown.read("deleted.txt"), b"edited by e");
        assert_eq!(shown.read("edited.txt"), b"edited by a");
        assert!(shown.has("new/name.txt") && !shown.has("old/name.txt"));
        assert!(shown.has("left/0.txt") && shown.has("right/0.txt"));
    }
}

#[test]
fn members_that_are_cut_from_each_other_converge_through_a_client_of_both() {
    if !apart("members_that_are_cut_from_each_other_converge_through_a_client_of_both") {
        return;
    }
    bridge(10);
}

/// Two members that are cut from each other, and a client that syncs with both so many times while all three edit. Gives the
/// bytes that each hears of the other from the healing on until both know that they hold the same, headers included.
fn bridge(visits: u32) -> [u64; 2] {
    let mut all = cluster(&["a", "b"]);
    all.iter_mut().for_each(Host::serve_ssh);
    let client = &hosts_beside(&["client"])[0];
    let (a, b) = (&all[0], &all[1]);
    split(&[a], &[b], Cut::Silent);
    let docs = client.tree(SHARE);
    let visit = |host: &Host| {
        let mut arguments: Vec<String> = vec!["sync".into()];
        arguments.extend(client.through_ssh(host));
        arguments.extend([SHARE.into(), format!("{}:{}", host.address, host.tree(SHARE).text())]);
        client.alike(&arguments).expect(0);
    };
    for round in 0..visits {
        a.tree(SHARE).file("a.txt", format!("a {round}"));
        b.tree(SHARE).file("b.txt", format!("b {round}"));
        docs.file("client.txt", format!("client {round}"));
        // Each takes up the one file that all edit where it has just been.
        docs.file("relay.txt", format!("client {round}"));
        visit(a);
        a.tree(SHARE).file("relay.txt", format!("a {round}"));
        visit(a);
        visit(b);
        assert_eq!(b.tree(SHARE).read("relay.txt"), format!("a {round}").as_bytes());
        b.tree(SHARE).file("relay.txt", format!("b {round}"));
        visit(b);
    }
    visit(a);
    visit(b);
    visit(a);
    let shown = a.tree(SHARE).shown();
    assert_eq!(shown, b.tree(SHARE).shown());
    assert_eq!(copies(&a.tree(SHARE)), Vec::<std::path::PathBuf>::new(), "nobody edited what he had not seen");
    assert_eq!(shown[std::path::Path::new("relay.txt")], format!("b {}", visits - 1).as_bytes());
    let content = a.status(SHARE)["content_bytes"].as_u64();
    a.count(b);
    b.count(a);
    a.heal();
    b.heal();
    // They find each other again, and come to know that they hold the same.
    let knows = |host: &Host| {
        let status = host.status(SHARE);
        let members = status["members"].as_array().expect("members").clone();
        members.iter().skip(1).all(|member| member["state"] == "alive" && member["alike"] == true)
    };
    within(PATIENCE, "both know that they hold the same", || knows(a) && knows(b));
    let heard = [a.counted(), b.counted()];
    converge(HEALED, &[a, b]);
    assert_eq!(a.status(SHARE)["content_bytes"].as_u64(), content, "what both have does not travel again");
    heard
}

#[test]
fn a_one_way_cut_is_bridged_by_a_third_and_named_without_one() {
    if !apart("a_one_way_cut_is_bridged_by_a_third_and_named_without_one") {
        return;
    }
    let mut all = cluster(&["a", "b", "c"]);
    // A hears nothing of B; B hears A.
    all[0].deafen(&all[1], Cut::Silent);
    all[0].tree(SHARE).file("from-a.txt", "a");
    all[1].tree(SHARE).file("from-b.txt", "b");
    arrives(HEALED, &all[0], "from-b.txt", b"b");
    arrives(HEALED, &all[1], "from-a.txt", b"a");
    converge(HEALED, &all.iter().collect::<Vec<_>>());
    all[2].stop(Signal::TERM);
    all[0].tree(SHARE).file("later.txt", "a");
    all[1].tree(SHARE).file("sooner.txt", "b");
    within(PATIENCE, "the failing direction is named", || {
        let status = all[0].status(SHARE);
        let members = status["members"].as_array().expect("members").clone();
        members.iter().any(|member| member["name"] == "b" && member["state"] != "alive") && status["alike"] == false
    });
    let before: Vec<Duration> = all[..2].iter().map(Host::processor_time).collect();
    let started = Instant::now();
    within(PATIENCE, "some time passes", || started.elapsed() > INTERVAL * 5);
    for (host, before) in all.iter().zip(before) {
        let spent = host.processor_time() - before;
        assert!(spent < started.elapsed() / 20, "{} spent {spent:?} on a cut", host.name);
    }
    assert!(!all[0].tree(SHARE).has("sooner.txt") && !all[1].tree(SHARE).has("later.txt"), "the cut was no cut");
    all[0].heal();
    converge(HEALED, &[&all[0], &all[1]]);
    assert!(copies(&all[0].tree(SHARE)).is_empty());
}

#[test]
fn lost_and_changed_packets_change_no_file() {
    if !apart("lost_and_changed_packets_change_no_file") {
        return;
    }
    let all = cluster(&["a", "b"]);
    for host in &all {
        host.lose(20);
        host.corrupt(2);
    }
    let tree = all[0].tree(SHARE);
    for number in 0..2000 {
        tree.file(format!("{}/{number}.bin", number % 10), pattern(5000, number));
    }
    arrives(PATIENCE, &all[1], "9/1999.bin", &pattern(5000, 1999));
    converge(PATIENCE, &[&all[0], &all[1]]);
    assert!(copies(&tree).is_empty());
    for host in &all {
        assert!(host.struck() > 10, "{} packets", host.struck());
    }
}

#[test]
fn a_forgotten_member_gets_nothing_more_and_a_late_one_brings_nothing_back() {
    if !apart("a_forgotten_member_gets_nothing_more_and_a_late_one_brings_nothing_back") {
        return;
    }
    let mut all = cluster(&["a", "b", "c"]);
    all[0].tree(SHARE).file("kept.txt", "x").file("gone.txt", "x");
    for host in &all {
        arrives(PATIENCE, host, "gone.txt", b"x");
    }
    // C sleeps through a delete and an edit.
    all[2].stop(Signal::KILL);
    all[0].tree(SHARE).remove("gone.txt").file("kept.txt", "edited");
    arrives(PATIENCE, &all[1], "kept.txt", b"edited");
    within(PATIENCE, "the delete arrives", || !all[1].tree(SHARE).has("gone.txt"));
    all[2].start();
    converge(PATIENCE, &all.iter().collect::<Vec<_>>());
    assert!(!all[2].tree(SHARE).has("gone.txt"), "what was deleted does not come back");
    assert!(copies(&all[0].tree(SHARE)).is_empty());
    all[0].alike(["forget", "c"]).expect(0);
    all[0].tree(SHARE).file("secret.txt", "for members");
    arrives(PATIENCE, &all[1], "secret.txt", b"for members");
    let started = Instant::now();
    within(PATIENCE, "several rounds pass", || started.elapsed() > INTERVAL * 4);
    assert!(!all[2].tree(SHARE).has("secret.txt"), "a forgotten member gets nothing more");
    // It is let in again, and is a member like any other.
    all[2].alike(["remove", SHARE]).expect(0);
    admit(&all[0], &all[2], SHARE);
    arrives(PATIENCE, &all[2], "secret.txt", b"for members");
}

/// What is held at rest may grow by less than so much, in percent, from the first third of a soak to its end,
const GROWTH_MAX: f64 = 5.0;
/// where it is as long as this: by its first third, caches and the allocator hold what they ever will.
const WARM: Duration = Duration::from_secs(1800);
/// In a shorter one a daemon still warms up: there only what it holds has a limit, in MiB, twice what one holds in an hour.
const HELD_COLD_MAX: f64 = 128.0;

/// `SOAK_SEED` runs another schedule, `SOAK_SECONDS` a longer one, `SOAK_KEEP` names a directory in which roots and logs are kept
/// where it fails.
#[test]
fn a_soak_under_every_fault_ends_alike_with_what_was_written() {
    if !apart("a_soak_under_every_fault_ends_alike_with_what_was_written") {
        return;
    }
    let number = |name, usual| std::env::var(name).map_or(usual, |text| text.parse().expect("a number"));
    let length = Duration::from_secs(number("SOAK_SECONDS", 180));
    let held_mib = soak::run(number("SOAK_SEED", 1), length);
    let (first, last) = (&held_mib[0], &held_mib[held_mib.len() - 1]);
    assert!(last.iter().all(|held| *held < HELD_COLD_MAX), "{held_mib:.1?}");
    let has_grown = |(first, last): (&f64, &f64)| (last / first - 1.0) * 100.0 >= GROWTH_MAX;
    assert!(length < WARM || !first.iter().zip(last).any(has_grown), "{held_mib:.1?}");
}

/// Hosts beside a cluster of two.
fn hosts_beside(names: &[&str]) -> Vec<Host> {
    harness::hosts::hosts_from(10, names)
}
