//! The laws of a device among others, over real sockets on loopback.

mod node {
    pub mod pair;
}

use std::collections::BTreeSet;
use std::time::Duration;

use alike::net::Error;
use alike::net::node::{DATAGRAM_MAX, Event, Why};
use alike::net::{receive_frame, send_frame};
use bytes::Bytes;
use node::pair::{Device, fresh, pair, run};

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
