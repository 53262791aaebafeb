//! The laws of a device among others, over real sockets on loopback.

// What was measured is for people.
#![allow(clippy::print_stderr)]

mod harness;
mod node {
    pub mod pair;
    pub mod path;
}

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use alike::daemon::gossip::{Circle, Presence, Standing};
use alike::daemon::nearby::{Hint, Nearby};
use alike::net::Error;
use alike::net::node::{DATAGRAM_MAX, DeviceKey, Event, Node, NodeSettings, Why};
use alike::net::{receive_frame, send_frame};
use bytes::Bytes;
use harness::far::inside;
use node::pair::{Device, fresh, pair, run};
use node::path::Path;

#[test]
fn two_devices_reach_each_other_ask_and_tell() {
    run(async {
        let (mut a, mut b) = pair().await;
        let peer = b.key();
        let asking = a.node.ask(peer, Bytes::from_static(b"meet"));
        let answering = async {
            let asked = b.asked().await;
            assert_eq!((asked.peer, &asked.request[..]), (a.key(), &b"meet"[..]));
            asked.answer(b"gladly").await.expect("a link")
        };
        let (asked, theirs) = tokio::join!(asking, answering);
        let (answer, ours) = asked.expect("an answer");
        assert_eq!(&answer[..], b"gladly");

        let (mut send, mut receive) = ours.open().await.expect("a stream");
        send_frame(&mut send, b"hello").await.expect("sent");
        let (mut back, mut heard) = theirs.accept().await.expect("a stream");
        assert_eq!(receive_frame(&mut heard, 100).await.expect("read").as_deref(), Some(&b"hello"[..]));
        send_frame(&mut back, b"and to you").await.expect("sent");
        back.finish().await.expect("finished");
        assert_eq!(receive_frame(&mut receive, 100).await.expect("read").as_deref(), Some(&b"and to you"[..]));
        tokio::join!(ours.close(), theirs.close());

        assert!(b.node.tell(a.key(), Bytes::from(vec![7; DATAGRAM_MAX])));
        let seen = &b.node.peers()[0];
        assert!(seen.seen_at == b.addresses()[0] && seen.sent > 0 && seen.received > 0, "{seen:?}");
        let (peer, datagram) = a.told().await;
        assert_eq!((peer, datagram.len()), (b.key(), DATAGRAM_MAX));
    });
}

#[test]
fn the_end_of_a_conversation_ends_neither_the_connection_nor_another_conversation() {
    run(async {
        let (a, mut b) = pair().await;
        let (first, first_there) = a.converse(&mut b).await;
        let (second, second_there) = a.converse(&mut b).await;
        drop(first);
        let gone = first_there.accept().await;
        assert!(matches!(gone, Err(Error::Lost { .. })), "{gone:?}");
        let (mut send, _receive) = second_there.open().await.expect("a stream");
        send_frame(&mut send, b"still here").await.expect("sent");
        let (_send, mut receive) = second.accept().await.expect("a stream");
        assert_eq!(receive_frame(&mut receive, 100).await.expect("read").as_deref(), Some(&b"still here"[..]));
    });
}

#[test]
fn both_ends_close_a_conversation_and_what_was_finished_is_delivered() {
    run(async {
        let (a, mut b) = pair().await;
        let (ours, theirs) = a.converse(&mut b).await;
        let (mut send, _) = ours.open().await.expect("a stream");
        let block = Bytes::from(vec![7; 1 << 20]);
        let sending = async {
            for _ in 0..5 {
                send.write_chunks(&mut [block.clone()]).await.expect("sent");
            }
            send.finish().await.expect("finished");
            ours.close().await;
        };
        let reading = async {
            let (_, mut receive) = theirs.accept().await.expect("a stream");
            let mut total = 0;
            while let Some(chunk) = receive.read_chunk(1 << 20).await.expect("read") {
                total += chunk.len();
            }
            assert!(matches!(theirs.accept().await, Err(Error::Closed { .. })));
            theirs.close().await;
            total
        };
        let ((), total) = tokio::join!(sending, reading);
        assert_eq!(total, 5 << 20);
        assert_eq!(a.node.peers()[0].conversations, 0);
    });
}

#[test]
fn the_death_of_the_connection_ends_its_conversations_and_says_why() {
    run(async {
        let (mut a, mut b) = pair().await;
        let (ours, _theirs) = a.converse(&mut b).await;
        b.node.close().await;
        let ended = ours.accept().await;
        assert!(ended.as_ref().is_err_and(|error| error.to_string().starts_with("lost")), "{ended:?}");
        assert_eq!(a.down().await, (b.key(), Why::Left));
        let asked = a.node.ask(b.key(), Bytes::new()).await;
        assert!(matches!(asked, Err(Error::Unreachable { .. })), "{asked:?}");
    });
}

#[test]
fn a_key_that_is_not_let_in_is_reported_and_gets_no_stream() {
    run(async {
        let (mut a, b) = (fresh(1), fresh(2));
        b.node.allow(BTreeSet::from([a.key()]));
        let reached = b.node.reach(a.key(), &a.addresses()).await;
        assert!(matches!(reached, Err(Error::Refused { .. })), "{reached:?}");
        let stranger = a.next(|event| match event {
            Event::Stranger { key, address } => Some((key, address.ip().is_loopback())),
            Event::Up { .. } | Event::Asked(_) => panic!("a stranger came in"),
            _ => None,
        });
        assert_eq!(stranger.await, (b.key(), true));
        assert!(a.node.peers().is_empty() && b.node.peers().is_empty());
    });
}

#[test]
fn who_is_taken_off_the_list_is_disconnected_and_cannot_come_back() {
    run(async {
        let (mut a, mut b) = pair().await;
        let (_ours, theirs) = a.converse(&mut b).await;
        a.node.allow(BTreeSet::new());
        assert_eq!(a.down().await, (b.key(), Why::Forgotten));
        assert_eq!(b.down().await, (a.key(), Why::Forgotten));
        assert!(theirs.accept().await.is_err());
        assert!(matches!(b.node.reach(a.key(), &a.addresses()).await, Err(Error::Refused { .. })));
        assert!(matches!(a.node.reach(b.key(), &b.addresses()).await, Err(Error::Refused { .. })));
    });
}

#[test]
fn another_device_at_the_address_is_not_taken_for_the_peer() {
    run(async {
        let (a, b, c) = (fresh(1), fresh(2), fresh(3));
        a.node.allow(BTreeSet::from([b.key(), c.key()]));
        c.node.allow(BTreeSet::from([a.key()]));
        let reached = a.node.reach(b.key(), &c.addresses()).await;
        assert!(matches!(reached, Err(Error::Refused { .. })), "{reached:?}");
        assert!(a.node.peers().is_empty());
    });
}

#[test]
fn a_request_that_is_dropped_is_refused() {
    run(async {
        let (a, mut b) = pair().await;
        let asking = a.node.ask(b.key(), Bytes::from_static(b"?"));
        let (asked, ()) = tokio::join!(asking, async { drop(b.asked().await) });
        assert!(matches!(asked, Err(Error::Refused { .. })), "{asked:?}");
    });
}

#[test]
fn two_that_dial_each_other_at_the_same_time_keep_one_connection() {
    run(async {
        for seed in 0..10 {
            let (mut a, mut b) = (fresh(10 + 2 * seed), fresh(11 + 2 * seed));
            Device::acquaint(&a, &b);
            let (to_b, to_a) = (b.addresses(), a.addresses());
            let (one, other) = tokio::join!(a.node.reach(b.key(), &to_b), b.node.reach(a.key(), &to_a));
            one.and(other).expect("reached");
            a.up().await;
            b.up().await;
            // Whatever lingers, both ends talk, in both directions.
            let (_ours, _theirs) = a.converse(&mut b).await;
            let (_ours, _theirs) = b.converse(&mut a).await;
            assert_eq!((a.node.peers().len(), b.node.peers().len()), (1, 1));
        }
    });
}

#[test]
fn a_peer_that_is_started_anew_is_seen_to_be_and_is_reached_again() {
    run(async {
        let (mut a, b) = pair().await;
        let address = b.addresses();
        let b = b.crash_and_start_again().await;
        b.node.allow(BTreeSet::from([a.key()]));
        // Packets to the old connection are answered by the new process: no time-out is waited for.
        let asking = a.node.ask(b.key(), Bytes::from_static(b"are you there"));
        let asked = tokio::time::timeout(Duration::from_secs(5), asking).await.expect("at once");
        assert!(asked.is_err());
        assert_eq!(a.down().await, (b.key(), Why::Restarted));
        a.node.reach(b.key(), &address).await.expect("reached");
        assert_eq!(a.up().await, b.key());
    });
}

/// Two with a path in between that the first has dialled, and a silence that tests can wait for.
async fn pair_over_a_path() -> (Device, Device, Path) {
    let silence = Duration::from_secs(18);
    let (mut a, mut b) = (Device::silent_after(1, silence), Device::silent_after(2, silence));
    Device::acquaint(&a, &b);
    let path = Path::to(b.addresses()[0]);
    a.node.reach(b.key(), &[path.address()]).await.expect("reached");
    a.up().await;
    b.up().await;
    (a, b, path)
}

#[test]
fn a_conversation_goes_on_when_the_address_of_the_dialling_device_changes() {
    run(async {
        let (a, mut b, path) = pair_over_a_path().await;
        let (ours, theirs) = a.converse(&mut b).await;
        for word in [&b"before"[..], b"after", b"and again"] {
            let (mut send, _receive) = ours.open().await.expect("a stream");
            send_frame(&mut send, word).await.expect("sent");
            let (_send, mut receive) = theirs.accept().await.expect("a stream");
            assert_eq!(receive_frame(&mut receive, 100).await.expect("read").as_deref(), Some(word));
            path.rebind();
        }
    });
}

#[test]
fn a_device_that_hears_nothing_says_so_and_the_other_knows_which_way_is_cut() {
    run(async {
        let (mut a, mut b, path) = pair_over_a_path().await;
        path.cut_back(true);
        let (there, here) = tokio::join!(b.down(), a.down());
        assert_eq!(there, (a.key(), Why::Unheard));
        assert!(matches!(&here, (_, Why::Silent(_))), "{here:?}");
        // A new attempt arrives, its answer does not.
        assert!(a.node.reach(b.key(), &[path.address()]).await.is_err());
        let deaf = b.next(|event| if let Event::Deaf { address } = event { Some(address) } else { None }).await;
        assert!(deaf.ip().is_loopback());
        path.cut_back(false);
        a.node.reach(b.key(), &[path.address()]).await.expect("healed");
    });
}

#[test]
fn a_conversation_with_a_silent_peer_ends_before_the_connection_would() {
    run(async {
        let (a, mut b) = (Device::silent_after(1, Duration::from_secs(600)), fresh(2));
        Device::acquaint(&a, &b);
        let path = Path::to(b.addresses()[0]);
        a.node.reach(b.key(), &[path.address()]).await.expect("reached");
        let (ours, _theirs) = a.converse(&mut b).await;
        path.cut_back(true);
        path.cut_there(true);
        let ended = ours.accept().await;
        assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
    });
}

#[test]
fn a_peer_that_begins_conversations_for_ever_is_refused_and_others_are_served() {
    run(async {
        let (mut a, mut b) = pair().await;
        let peer = b.key();
        // Nobody answers the first: they wait.
        let waiting: Vec<_> = (0..64)
            .map(|_| {
                let node = a.node.clone();
                tokio::spawn(async move { node.ask(peer, Bytes::from_static(b"?")).await })
            })
            .collect();
        let mut asked = Vec::new();
        while asked.len() < waiting.len() {
            asked.push(b.asked().await);
        }
        let refused = a.node.ask(peer, Bytes::from_static(b"one more")).await;
        assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
        // The other direction, and what was begun, go on.
        let (_ours, _theirs) = b.converse(&mut a).await;
        drop(asked);
        for waiting in waiting {
            assert!(waiting.await.expect("no panic").is_err());
        }
    });
}

#[test]
fn a_flood_of_datagrams_is_dropped_and_a_request_comes_through() {
    run(async {
        let (a, mut b) = pair().await;
        let flood = Bytes::from(vec![7; DATAGRAM_MAX]);
        for _ in 0..20_000 {
            a.node.tell(b.key(), flood.clone());
        }
        let (_ours, _theirs) = a.converse(&mut b).await;
        assert!(!a.node.tell(b.key(), Bytes::from(vec![7; 1 << 16])), "what fits no packet is not sent");
    });
}

#[test]
fn streams_that_nobody_accepts_stall_their_conversation_alone() {
    run(async {
        let (a, mut b) = pair().await;
        let (greedy, _unread) = a.converse(&mut b).await;
        let (other, theirs) = a.converse(&mut b).await;
        let mut held = Vec::new();
        for _ in 0..500 {
            let (mut send, receive) = greedy.open().await.expect("a stream");
            send.write_all(b"x").await.expect("sent");
            held.push((send, receive));
        }
        let (mut send, _receive) = other.open().await.expect("a stream");
        send_frame(&mut send, b"still here").await.expect("sent");
        let (_send, mut receive) = theirs.accept().await.expect("a stream");
        assert_eq!(receive_frame(&mut receive, 100).await.expect("read").as_deref(), Some(&b"still here"[..]));
    });
}

/// What two devices with nothing to do say to each other in a minute, everything of UDP's payload included.
#[test]
fn an_idle_pair_of_devices_stays_below_six_kilobytes_a_minute() {
    run(async {
        /// Of each, three probes.
        const WATCHED: Duration = Duration::from_secs(30);
        const DOCS: [u8; 8] = *b"docs    ";
        let (a, b) = pair().await;
        let began = Instant::now();
        let members = BTreeSet::from([a.key(), b.key()]);
        let (keys, nodes) = ([a.key(), b.key()], [a.node.clone(), b.node.clone()]);
        let standing = Standing { top: [1; 16], knowledge: [2; 16], members: [3; 16] };
        let mut circles = [0, 1].map(|at| {
            let addresses = vec![SocketAddr::from(([192, 0, 2, at as u8], 22_067))];
            let mut circle = Circle::new(Presence { key: keys[at], bump: 1_764_190_000_000, addresses }, at as u64);
            circle.share(DOCS, members.clone(), 0);
            circle.hold(DOCS, standing, 0);
            circle.up(keys[1 - at], 0);
            circle
        });
        let mut devices = [a, b];
        let now = || u64::try_from(began.elapsed().as_millis()).expect("a short test");
        // The news of the start have been told by then.
        let settled = Duration::from_secs(9);
        let mut before = None;
        while began.elapsed() < settled + WATCHED {
            let [first, second] = &mut devices;
            let (at, told) = tokio::select! {
                (_, datagram) = first.told() => (0, Some(datagram)),
                (_, datagram) = second.told() => (1, Some(datagram)),
                () = tokio::time::sleep(Duration::from_millis(100)) => (0, None),
            };
            if let Some(datagram) = told {
                circles[at].told(keys[1 - at], &datagram, now());
            }
            for (circle, node) in circles.iter_mut().zip(&nodes) {
                circle.tick(now());
                for (to, datagram) in circle.take_datagrams() {
                    node.tell(to, datagram);
                }
            }
            if before.is_none() && began.elapsed() > settled {
                before = Some(nodes[0].traffic());
            }
        }
        assert!(circles[0].is_alike(DOCS, &keys[1]) && circles[1].is_alike(DOCS, &keys[0]));
        let (before, after) = (before.expect("settled"), nodes[0].traffic());
        let moved = (after.sent + after.received) - (before.sent + before.received);
        let minute = moved as f64 * 60.0 / WATCHED.as_secs_f64();
        eprintln!("an idle pair: {minute:.0} bytes a minute");
        assert!(moved > 0 && minute < 6000.0, "{minute:.0} bytes a minute");
    });
}

#[test]
fn a_crowd_of_strangers_is_refused_and_a_member_comes_through() {
    run(async {
        let (mut a, b) = (fresh(1), fresh(2));
        Device::acquaint(&a, &b);
        // More at a time than are heard without a proof that they are where they say.
        let crowd: Vec<_> = (100..130)
            .map(|seed| {
                let (key, address) = (DeviceKey::from_seed([seed; 32]).expect("a key"), b.addresses());
                let listen = SocketAddr::from(([127, 0, 0, 1], 0));
                let (node, events) = Node::open(NodeSettings { listen, ..NodeSettings::new(key) }).expect("a node");
                node.allow(BTreeSet::from([b.key()]));
                let peer = b.key();
                tokio::spawn(async move {
                    let _kept = events;
                    node.reach(peer, &address).await
                })
            })
            .collect();
        a.node.reach(b.key(), &b.addresses()).await.expect("reached");
        assert_eq!(a.up().await, b.key());
        for stranger in crowd {
            let reached = stranger.await.expect("no panic");
            assert!(matches!(reached, Err(Error::Refused { .. })), "{reached:?}");
        }
        assert_eq!(b.node.peers().len(), 1);
    });
}

/// A network of this test alone, with nobody on it.
const LAN: &str = "ip link set lo up && ip link add lan type veth peer name far && ip addr add 10.77.0.1/24 dev lan && \
    ip link set far up && ip link set lan up multicast on";

#[test]
fn devices_on_one_network_hear_where_the_others_are() {
    if !inside("devices_on_one_network_hear_where_the_others_are", "-n", LAN) {
        return;
    }
    run(async {
        let key = |seed| DeviceKey::from_seed([seed; 32]).expect("a key").public();
        let (here, mut heard_here) = Nearby::start(&key(1)).expect("started");
        let (there, mut heard_there) = Nearby::start(&key(2)).expect("started");
        let address = |port| SocketAddr::from(([10, 77, 0, 1], port));
        // Whatever is multicast may be lost, and is said again.
        let mut again = tokio::time::interval(Duration::from_secs(5));
        let (mut of_here, mut of_there) = (None, None);
        while of_here.is_none() || of_there.is_none() {
            tokio::select! {
                hint = heard_here.recv() => of_there = Some(hint.expect("a hint")),
                hint = heard_there.recv() => of_here = Some(hint.expect("a hint")),
                _ = again.tick() => {
                    here.announce(&[address(4001)]);
                    there.announce(&[address(4002)]);
                }
            }
        }
        let hint = |seed, port| Some(Hint { alias: key(seed).alias(), addresses: vec![address(port)] });
        assert_eq!((of_here, of_there), (hint(1, 4001), hint(2, 4002)));
    });
}

#[test]
fn without_a_network_nobody_is_heard_of_and_nothing_fails() {
    if !inside("without_a_network_nobody_is_heard_of_and_nothing_fails", "-n", "true") {
        return;
    }
    run(async {
        let key = DeviceKey::from_seed([1; 32]).expect("a key").public();
        let (nearby, mut heard) = Nearby::start(&key).expect("started");
        nearby.announce(&[SocketAddr::from(([10, 77, 0, 1], 4001))]);
        nearby.announce(&[]);
        let hint = tokio::time::timeout(Duration::from_secs(1), heard.recv()).await;
        assert!(hint.is_err(), "{hint:?}");
        drop(nearby);
        assert!(heard.recv().await.is_none(), "its threads have ended");
    });
}
