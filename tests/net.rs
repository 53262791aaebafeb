//! The laws of a link, on each of its carriers, within this process.

// Measurements, and why a test was skipped, are for people.
#![allow(clippy::print_stderr)]

#[path = "net/line.rs"]
mod line;

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use alike::net::{
    Carrier, Connected, Error, Link, Pace, ReceiveHalf, Seen, SendHalf, Terms, connect_over, receive_frame, send_frame,
    serve_over,
};
use bytes::Bytes;
use line::Line;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const MIB: usize = 1 << 20;

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), test).await.expect("no test hangs") })
}

fn terms(skip_wait: bool) -> Terms {
    Terms { peer: "there".to_owned(), timeout: Duration::from_secs(10), skip_wait, pace: Pace::default() }
}

fn loopback(local: bool) -> Seen {
    Seen { addresses: vec![IpAddr::from([127, 0, 0, 1])], local, piped: false }
}

/// Both ends over the given pipe.
async fn ends(ours: DuplexStream, theirs: DuplexStream, seen: Seen, terms: &Terms) -> (Connected, Link) {
    let mut note = |_| {};
    let client = connect_over(tokio::io::split(ours), terms, b"request", &mut note);
    let server = serve_over(tokio::io::split(theirs), seen, async |request: Bytes| {
        assert_eq!(&request[..], b"request");
        Bytes::from_static(b"answer")
    });
    let (client, server) = tokio::join!(client, server);
    let client = client.expect("a client");
    assert_eq!(&client.answer[..], b"answer");
    (client, server.expect("a server"))
}

async fn settled(client: &Link, server: &Link) {
    tokio::join!(client.settled(), server.settled());
}

async fn over_quic() -> (Link, Link) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let (client, server) = ends(ours, theirs, loopback(true), &terms(false)).await;
    settled(&client.link, &server).await;
    assert_eq!((client.link.kind(), server.kind()), (Carrier::Quic, Carrier::Quic));
    assert_eq!(client.link.is_udp_blocked(), Some(false));
    (client.link, server)
}

async fn over_the_pipe() -> (Link, Link) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let (client, server) = ends(ours, theirs, Seen::default(), &terms(false)).await;
    settled(&client.link, &server).await;
    assert_eq!(client.link.kind(), Carrier::Pipe);
    assert_eq!(client.link.is_udp_blocked(), Some(true));
    (client.link, server)
}

async fn all_carriers() -> [(Link, Link); 3] {
    [Link::memory(), over_the_pipe().await, over_quic().await]
}

async fn read_to_end(half: &mut ReceiveHalf) -> Result<usize, Error> {
    let mut total = 0;
    while let Some(chunk) = half.read_chunk(MIB).await? {
        total += chunk.len();
    }
    Ok(total)
}

async fn write(half: &mut SendHalf, mut bytes: usize) -> Result<(), Error> {
    let block = Bytes::from(vec![7; 256 << 10]);
    while bytes > 0 {
        let piece = block.slice(..bytes.min(block.len()));
        bytes -= piece.len();
        half.write_chunks(&mut [piece]).await?;
    }
    Ok(())
}

#[test]
fn a_finished_stream_is_read_whole_and_then_ends() {
    run(async {
        for (client, server) in all_carriers().await {
            let (mut send, mut receive) = client.open().await.expect("a stream");
            let sending = async {
                write(&mut send, 3 * MIB + 1).await.expect("sent");
                send.write_all(b"end").await.expect("sent");
                send.finish().await.expect("finished");
            };
            let serving = async {
                let (mut send, mut receive) = server.accept().await.expect("a stream");
                assert_eq!(read_to_end(&mut receive).await.expect("whole"), 3 * MIB + 4);
                send_frame(&mut send, b"thanks").await.expect("sent");
                send.finish().await.expect("finished");
            };
            let ((), (), thanks) = tokio::join!(sending, serving, receive_frame(&mut receive, 100));
            assert_eq!(&thanks.expect("a frame").expect("not the end")[..], b"thanks", "{:?}", client.kind());
            assert!(receive_frame(&mut receive, 100).await.expect("the end").is_none());
        }
    });
}

#[test]
fn a_stream_dropped_before_its_end_is_a_reset_and_never_a_short_file() {
    run(async {
        for (client, server) in all_carriers().await {
            let (mut send, _receive) = client.open().await.expect("a stream");
            send.write_all(b"half of a").await.expect("sent");
            let (_send, mut receive) = server.accept().await.expect("a stream");
            receive.read_exact(&mut [0; 4]).await.expect("the first bytes");
            drop(send);
            let ended = read_to_end(&mut receive).await;
            assert!(matches!(ended, Err(Error::Reset { .. })), "{:?}: {ended:?}", client.kind());
        }
    });
}

#[test]
fn a_receiver_that_lets_go_stops_the_sender() {
    run(async {
        for (client, server) in all_carriers().await {
            let (mut send, _receive) = client.open().await.expect("a stream");
            send.write_all(b"first").await.expect("sent");
            let (kept, receive) = server.accept().await.expect("a stream");
            drop(receive);
            let stopped = write(&mut send, 64 * MIB).await;
            assert!(matches!(stopped, Err(Error::Stopped { .. })), "{:?}: {stopped:?}", client.kind());
            drop(kept);
        }
    });
}

#[test]
fn five_hundred_streams_live_at_once() {
    run(async {
        for (client, server) in all_carriers().await {
            let mut open = Vec::new();
            for number in 0u32..500 {
                let (mut send, receive) = client.open().await.expect("a stream");
                send_frame(&mut send, &number.to_le_bytes()).await.expect("sent");
                open.push((number, send, receive));
            }
            let mut accepted = Vec::new();
            for _ in 0..500 {
                accepted.push(server.accept().await.expect("a stream"));
            }
            for (mut send, mut receive) in accepted {
                let number = receive_frame(&mut receive, 4).await.expect("a frame").expect("not the end");
                send_frame(&mut send, &number).await.expect("sent");
                send.finish().await.expect("finished");
            }
            for (number, send, mut receive) in open {
                send.finish().await.expect("finished");
                let echo = receive_frame(&mut receive, 4).await.expect("a frame").expect("not the end");
                assert_eq!(echo[..], number.to_le_bytes());
            }
        }
    });
}

#[test]
fn slots_are_given_back_when_streams_end() {
    run(async {
        for (client, server) in all_carriers().await {
            for _ in 0..30 {
                let streams = 100;
                let opening = async {
                    for _ in 0..streams {
                        let (mut send, mut receive) = client.open().await.expect("a slot");
                        send_frame(&mut send, b"?").await.expect("sent");
                        send.finish().await.expect("finished");
                        receive_frame(&mut receive, 1).await.expect("a frame");
                    }
                };
                let serving = async {
                    for _ in 0..streams {
                        let (mut send, mut receive) = server.accept().await.expect("a stream");
                        receive_frame(&mut receive, 1).await.expect("a frame");
                        send_frame(&mut send, b"!").await.expect("sent");
                        send.finish().await.expect("finished");
                    }
                };
                tokio::join!(opening, serving);
            }
        }
    });
}

#[test]
fn opening_ends_with_the_time_out_where_the_peer_takes_no_stream() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let short = Terms { timeout: Duration::from_secs(2), ..terms(false) };
        let (client, _server) = ends(ours, theirs, Seen::default(), &short).await;
        let mut held = Vec::new();
        let full = loop {
            match client.link.open().await {
                Ok(halves) => held.push(halves),
                Err(error) => break error,
            }
        };
        assert!(matches!(full, Error::TimedOut { .. }), "{full:?}");
        assert_eq!(held.len(), 512);
    });
}

#[test]
fn a_frame_above_the_limit_is_a_violation() {
    run(async {
        let (client, server) = Link::memory();
        let (mut send, _receive) = client.open().await.expect("a stream");
        send.write_all(&u32::MAX.to_le_bytes()).await.expect("sent");
        let (_send, mut receive) = server.accept().await.expect("a stream");
        let refused = receive_frame(&mut receive, MIB).await;
        assert!(matches!(refused, Err(Error::Violation { .. })), "{refused:?}");
    });
}

#[test]
fn a_gigabyte_goes_through_eight_streams() {
    run(async {
        for (carriers, total) in [(over_quic().await, 1024 * MIB), (over_the_pipe().await, 1024 * MIB)] {
            let (client, server) = carriers;
            let begun = Instant::now();
            let mut senders = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let (mut send, _receive) = client.open().await.expect("a stream");
                senders.spawn(async move {
                    write(&mut send, total / 8).await.expect("sent");
                    send.finish().await.expect("finished");
                });
            }
            let mut receivers = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let (_send, mut receive) = server.accept().await.expect("a stream");
                receivers.spawn(async move { read_to_end(&mut receive).await.expect("whole") });
            }
            let received: usize = receivers.join_all().await.into_iter().sum();
            assert_eq!(received, total);
            let rate = total as f64 / 1e6 / begun.elapsed().as_secs_f64();
            eprintln!("{:?}, one process: {rate:.0} MB/s", client.kind());
        }
    });
}

/// A pipe whose middle flips one bit of the byte at `offset` in one direction.
fn forged(offset: usize, to_server: bool) -> (DuplexStream, DuplexStream) {
    let (ours, near) = tokio::io::duplex(64 << 10);
    let (far, theirs) = tokio::io::duplex(64 << 10);
    let ((from_client, to_client), (from_server, to_far)) = (tokio::io::split(near), tokio::io::split(far));
    tokio::spawn(relay(from_client, to_far, to_server.then_some(offset)));
    tokio::spawn(relay(from_server, to_client, (!to_server).then_some(offset)));
    (ours, theirs)
}

async fn relay(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, flip: Option<usize>) {
    let (mut buffer, mut position) = (vec![0; 4096], 0);
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if let Some(at) = flip.and_then(|flip| flip.checked_sub(position)).filter(|at| *at < length) {
            buffer[at] ^= 1;
        }
        position += length;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[test]
fn a_wrong_key_is_refused_on_either_side_before_any_stream() {
    // The key begins after the first line and the length of the frame.
    let offset = "alike-pipe 4\n".len() + 4 + 5;
    run(async {
        for to_server in [true, false] {
            let (ours, theirs) = forged(offset, to_server);
            let (client, server) = ends(ours, theirs, loopback(true), &terms(false)).await;
            client.link.settled().await;
            // A client whose key is refused hears of it after its own part of the handshake.
            while client.link.kind() != Carrier::Pipe {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // The conversation goes on, through the pipe.
            let (mut send, _receive) = client.link.open().await.expect("a stream");
            send_frame(&mut send, b"still here").await.expect("sent");
            let (_send, mut receive) = server.accept().await.expect("a stream");
            receive_frame(&mut receive, 100).await.expect("a frame");
            assert_eq!((client.link.kind(), server.kind()), (Carrier::Pipe, Carrier::Pipe));
        }
    });
}

#[test]
fn what_was_finished_is_delivered_before_the_link_closes() {
    run(async {
        for (client, server) in all_carriers().await {
            let kind = client.kind();
            let serving = async {
                let (mut send, mut receive) = server.accept().await.expect("a stream");
                receive_frame(&mut receive, 10).await.expect("a frame");
                write(&mut send, MIB / 4).await.expect("sent");
                send.finish().await.expect("finished");
                server.close().await;
            };
            let asking = async {
                let (mut send, mut receive) = client.open().await.expect("a stream");
                send_frame(&mut send, b"all").await.expect("sent");
                // The server has closed by now, as far as it can alone.
                tokio::time::sleep(Duration::from_millis(100)).await;
                assert_eq!(read_to_end(&mut receive).await.expect("whole"), MIB / 4, "{kind:?}");
                client.close().await;
            };
            tokio::join!(serving, asking);
            assert!(client.open().await.is_err());
        }
    });
}

#[test]
fn the_side_that_waits_hears_that_the_other_is_done() {
    run(async {
        for (client, server) in all_carriers().await {
            let (mut send, _receive) = client.open().await.expect("a stream");
            send_frame(&mut send, b"last words").await.expect("sent");
            send.finish().await.expect("finished");
            let kind = client.kind();
            let serving = async {
                let (_send, mut receive) = server.accept().await.expect("a stream");
                receive_frame(&mut receive, 100).await.expect("a frame").expect("not the end");
                let done = server.accept().await;
                assert!(matches!(done, Err(Error::Closed { .. })), "{kind:?}: {done:?}");
                drop(server);
            };
            let begun = Instant::now();
            tokio::join!(serving, client.close());
            assert!(begun.elapsed() < Duration::from_secs(5), "{kind:?}");
        }
    });
}

#[test]
fn a_peer_that_drops_its_link_is_noticed_at_once() {
    run(async {
        for (client, server) in all_carriers().await {
            let kind = client.kind();
            let (mut send, mut receive) = client.open().await.expect("a stream");
            send_frame(&mut send, b"x").await.expect("sent");
            let held = server.accept().await.expect("a stream");
            let begun = Instant::now();
            drop(server);
            let lost = client.accept().await;
            assert!(matches!(lost, Err(Error::Lost { .. })), "{kind:?}: {lost:?}");
            if kind != Carrier::Memory {
                assert!(receive.read_chunk(1).await.is_err(), "{kind:?}");
            }
            assert!(begun.elapsed() < Duration::from_secs(5));
            drop(held);
        }
    });
}

#[test]
fn a_conversation_that_began_on_the_pipe_moves_to_quic() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let (client, server) = ends(ours, theirs, loopback(true), &terms(true)).await;
        let (mut early, _receive) = client.link.open().await.expect("a stream");
        send_frame(&mut early, b"early").await.expect("sent");
        while client.link.kind() != Carrier::Quic {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (mut late, _receive) = client.link.open().await.expect("a stream");
        send_frame(&mut late, b"late").await.expect("sent");
        let mut seen = Vec::new();
        let mut halves = Vec::new();
        for _ in 0..2 {
            let (send, mut receive) = server.accept().await.expect("a stream");
            seen.push(receive_frame(&mut receive, 10).await.expect("a frame").expect("not the end"));
            halves.push((send, receive));
        }
        seen.sort();
        assert_eq!(seen, [&b"early"[..], &b"late"[..]]);
        assert_eq!(server.kind(), Carrier::Quic);
    });
}

#[test]
fn a_port_where_nobody_listens_ends_the_wait_at_once() {
    run(async {
        // The port that the client is told is the next one.
        let (ours, theirs) = forged("alike-pipe 4\n".len() + 4 + 32, false);
        let begun = Instant::now();
        let (client, _server) = ends(ours, theirs, loopback(true), &terms(false)).await;
        client.link.settled().await;
        assert_eq!(client.link.is_udp_blocked(), Some(true));
        assert!(begun.elapsed() < Duration::from_millis(250), "{:?}", begun.elapsed());
    });
}

#[test]
fn nonsense_through_the_pipe_is_a_violation_and_silence_a_time_out() {
    run(async {
        for (nonsense, silent) in [(&[0xff; 64][..], false), (&[][..], true)] {
            let (ours, mut theirs) = tokio::io::duplex(64 << 10);
            let short = Terms { timeout: Duration::from_secs(1), ..terms(true) };
            let mut note = |_| {};
            let mut offer = b"alike-pipe 4\n".to_vec();
            offer.extend_from_slice(&36u32.to_le_bytes());
            offer.extend_from_slice(&[0; 36]);
            offer.extend_from_slice(nonsense);
            let speaking = async {
                theirs.write_all(&offer).await.expect("written");
                tokio::time::sleep(Duration::from_secs(3)).await;
            };
            let (failed, ()) = tokio::join!(connect_over(tokio::io::split(ours), &short, b"", &mut note), speaking);
            match failed {
                Err(Error::Violation { .. }) => assert!(!silent),
                Err(Error::TimedOut { .. }) => assert!(silent),
                other => panic!("{other:?}"),
            }
        }
    });
}

/// Set where this program runs in a network of its own.
const OWN_NETWORK: &str = "ALIKE_TEST_OWN_NETWORK";

/// Runs one test of this program again, in a network of its own that `setup` made; true within it.
fn in_own_network(test: &str, setup: &str) -> bool {
    if std::env::var_os(OWN_NETWORK).is_some() {
        return true;
    }
    let setup = format!("ip link set lo up && ip addr add 10.99.0.1/32 dev lo && {setup}");
    let enter = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-c", script]).arg(std::env::current_exe().expect("this program"));
        command
    };
    if !enter(&setup).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this needs root, unshare, and `{setup}`");
        assert!(std::env::var_os("CI").is_none(), "a network of its own cannot be had, and CI is set");
        return false;
    }
    let script = format!("{setup} && exec \"$0\" --exact {test} --nocapture --include-ignored");
    let status = enter(&script).env(OWN_NETWORK, "1").status().expect("unshare runs");
    assert!(status.success());
    false
}

/// Moves `total` bytes over a network that is not loopback to the link, and returns how long that took.
async fn over_the_network(streams: usize, total: usize) -> (Duration, alike::net::Traffic) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let seen = Seen { addresses: vec![IpAddr::from([10, 99, 0, 1])], local: false, piped: false };
    let (client, server) = ends(ours, theirs, seen, &terms(false)).await;
    while client.link.kind() != Carrier::Quic {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..streams {
        let (mut send, _receive) = client.link.open().await.expect("a stream");
        sending.spawn(async move {
            write(&mut send, total / streams).await.expect("sent");
            send.finish().await.expect("finished");
        });
    }
    let mut receiving = tokio::task::JoinSet::new();
    for _ in 0..streams {
        let (_send, mut receive) = server.accept().await.expect("a stream");
        receiving.spawn(async move { read_to_end(&mut receive).await.expect("whole") });
    }
    assert_eq!(receiving.join_all().await.into_iter().sum::<usize>(), total);
    (begun.elapsed(), client.link.bytes())
}

#[test]
fn a_path_that_takes_only_small_packets_costs_a_moment() {
    if !in_own_network("a_path_that_takes_only_small_packets_costs_a_moment", "ip link set lo mtu 1280") {
        return;
    }
    run(async {
        let (took, traffic) = over_the_network(8, 64 * MIB).await;
        eprintln!("64 MiB where packets are at most 1280 bytes: {took:?}, {traffic:?}");
        assert!(took < Duration::from_secs(15), "{took:?}");
    });
}

#[test]
fn a_handshake_and_one_question_stay_below_five_kilobytes() {
    run(async {
        let mut least = [u64::MAX; 2];
        // A busy machine makes a peer say a thing twice: the least of some conversations is what it takes.
        for (local, _) in [true, false].into_iter().flat_map(|local| [(local, 0), (local, 1), (local, 2)]) {
            let begun = Instant::now();
            let (ours, theirs) = tokio::io::duplex(64 << 10);
            let (client, server) = ends(ours, theirs, loopback(local), &terms(false)).await;
            let took = begun.elapsed();
            let (mut send, mut receive) = client.link.open().await.expect("a stream");
            let before = client.link.bytes();
            let asking = async {
                send_frame(&mut send, &[1; 400]).await.expect("sent");
                receive_frame(&mut receive, 1000).await.expect("a frame");
            };
            let serving = async {
                let (mut send, mut receive) = server.accept().await.expect("a stream");
                receive_frame(&mut receive, 1000).await.expect("a frame");
                send_frame(&mut send, &[1; 400]).await.expect("sent");
                send.finish().await.expect("finished");
            };
            tokio::join!(asking, serving);
            tokio::join!(client.link.close(), server.close());
            let all = client.link.bytes();
            eprintln!("local {local}: link in {took:?}, {before:?} at its start, {all:?} at its end");
            let least = &mut least[usize::from(local)];
            *least = (*least).min(all.sent + all.received);
        }
        assert!(least.iter().all(|&bytes| bytes < 5_500), "{least:?}");
    });
}

fn distant() -> Seen {
    Seen { addresses: vec![line::HOST.into()], local: false, piped: false }
}

/// Sends `total` bytes from the client on eight streams, and returns how long that took.
async fn push(client: &Link, server: &Link, total: usize) -> Duration {
    let begun = Instant::now();
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut send, _receive) = client.open().await.expect("a stream");
        sending.spawn(async move {
            write(&mut send, total / 8).await.expect("sent");
            send.finish().await.expect("finished");
        });
    }
    let mut receiving = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (_send, mut receive) = server.accept().await.expect("a stream");
        receiving.spawn(async move { read_to_end(&mut receive).await.expect("whole") });
    }
    assert_eq!(receiving.join_all().await.into_iter().sum::<usize>(), total);
    begun.elapsed()
}

#[test]
fn a_long_line_that_loses_packets_is_filled_and_little_is_sent_again() {
    if !in_own_network("a_long_line_that_loses_packets_is_filled_and_little_is_sent_again", "true") {
        return;
    }
    let (rate, total) = (2_500_000.0, 12 * MIB);
    let line = Line { delay: Duration::from_millis(50), rate, queue: Duration::from_millis(100), lost: 5 };
    run(async {
        let (ours, theirs, _) = line.lay();
        let (client, server) = ends(ours, theirs, distant(), &terms(false)).await;
        settled(&client.link, &server).await;
        assert_eq!(client.link.kind(), Carrier::Quic);
        let took = push(&client.link, &server, total).await;
        let sent = client.link.bytes().sent;
        let part = total as f64 / took.as_secs_f64() / rate;
        let again = sent as f64 / total as f64 - 1.0;
        eprintln!("100 ms, 20 Mbit/s, 0.5 % loss: {took:?}, {part:.2} of the line, {again:.3} more than the content");
        // 0.84 and 0.05 where it was made; TCP's cubic reaches 0.1 there.
        assert!(part > 0.6, "{part}");
        assert!(again < 0.12, "{again}");
    });
}

#[test]
fn a_conversation_waits_for_no_handshake_and_goes_on_with_quic() {
    if !in_own_network("a_conversation_waits_for_no_handshake_and_goes_on_with_quic", "true") {
        return;
    }
    let delay = Duration::from_millis(150);
    let line = Line { delay, rate: 1e9, queue: Duration::from_secs(1), lost: 0 };
    let trips = |took: Duration| took.as_secs_f64() / (2.0 * delay.as_secs_f64());
    run(async {
        let (ours, theirs, through_the_pipe) = line.lay();
        let begun = Instant::now();
        let (client, server) = ends(ours, theirs, distant(), &terms(false)).await;
        assert!(trips(begun.elapsed()) < 1.4, "the answer came after {:?}", begun.elapsed());
        let serving = tokio::spawn(async move {
            let (mut send, mut receive) = server.accept_control().await.expect("a stream");
            for _ in 0..2 {
                let question = receive_frame(&mut receive, MIB).await.expect("a frame").expect("not the end");
                send_frame(&mut send, &question).await.expect("sent");
            }
            let (mut content, _) = server.open().await.expect("a stream");
            send_frame(&mut content, b"content").await.expect("sent");
            content.finish().await.expect("finished");
            // Until the other side has read it.
            server.close().await;
        });
        let (mut send, mut receive) = client.link.open_control().await.expect("a stream");
        send_frame(&mut send, b"early").await.expect("sent");
        receive_frame(&mut receive, MIB).await.expect("a frame").expect("not the end");
        assert!(trips(begun.elapsed()) < 2.4, "the comparison came after {:?}", begun.elapsed());
        client.link.settled().await;
        assert_eq!(client.link.kind(), Carrier::Quic);
        send_frame(&mut send, &vec![7; MIB / 2]).await.expect("sent");
        let echo = receive_frame(&mut receive, MIB).await.expect("a frame").expect("not the end");
        assert_eq!(echo.len(), MIB / 2);
        let (_, mut content) = client.link.accept().await.expect("a stream");
        receive_frame(&mut content, 100).await.expect("a frame").expect("not the end");
        let piped = through_the_pipe.load(Ordering::Relaxed);
        assert!(piped < 2_000, "{piped} bytes went through the pipe");
        client.link.close().await;
        serving.await.expect("the server ends");
    });
}

#[test]
fn a_limit_holds_for_all_streams_together_within_a_twentieth() {
    run(async {
        let limit = 2_000_000;
        let pace = Pace { limit: NonZeroU64::new(limit), ..Pace::default() };
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let (client, server) = ends(ours, theirs, loopback(true), &Terms { pace, ..terms(false) }).await;
        let took = push(&client.link, &server, 3 * limit as usize).await;
        // The first tenth of a second's worth goes at once.
        assert!((2.85..3.15).contains(&took.as_secs_f64()), "{took:?}");
    });
}
