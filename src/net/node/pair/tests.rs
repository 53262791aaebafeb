//! Pairing over real sockets, with somebody in between.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::dial::{Purpose, dial};
use super::super::key::DeviceKey;
use super::super::listen;
use super::super::settings::NodeSettings;
use super::super::ticket::{Secret, Ticket};
use super::super::trust::{Door, Trust};
use super::super::{Event, Events, Joining, Node};
use super::invitation::TRIES;
use crate::net::life::Life;
use crate::net::quic::streams::halves;
use crate::net::{Error, receive_frame, send_frame};

const LASTS: Duration = Duration::from_secs(600);

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("no test hangs") });
}

fn device(seed: u8) -> (Node, Events) {
    let key = DeviceKey::from_seed([seed; 32]).expect("a key");
    let settings = NodeSettings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..NodeSettings::new(key) };
    Node::open(settings).expect("a node")
}

fn invite(node: &Node) -> Ticket {
    let secret = Secret::random().expect("a secret");
    node.invite(secret, LASTS);
    Ticket { key: node.key(), addresses: node.local_addresses(), secret, share: "docs".to_owned() }
}

async fn joining(events: &mut Events) -> Joining {
    loop {
        if let Event::Joining(joining) = events.next().await.expect("open") {
            return joining;
        }
    }
}

fn is_refused<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Refused { .. }))
}

#[test]
fn who_holds_the_ticket_joins_once_and_both_are_sure_of_each_other() {
    run(async {
        let ((inviter, mut events), (joiner, _theirs)) = (device(1), device(2));
        let ticket = invite(&inviter);
        let answering = async {
            let joining = joining(&mut events).await;
            assert_eq!((joining.peer, joining.secret, &joining.request[..]), (joiner.key(), ticket.secret, &b"hi"[..]));
            inviter.allow(BTreeSet::from([joining.peer]));
            joining.answer(b"welcome").await.expect("answered");
        };
        let (answer, ()) = tokio::join!(joiner.redeem(&ticket, b"hi"), answering);
        assert_eq!(&answer.expect("joined")[..], b"welcome");
        joiner.allow(BTreeSet::from([inviter.key()]));
        joiner.reach(inviter.key(), &ticket.addresses).await.expect("a member now");

        let (third, _events) = device(3);
        assert!(is_refused(&third.redeem(&ticket, b"me too").await), "one use");
    });
}

#[test]
fn without_an_invitation_nobody_comes_as_far_as_a_proof() {
    run(async {
        let ((inviter, _events), (joiner, _theirs)) = (device(1), device(2));
        let secret = Secret::random().expect("a secret");
        let ticket = Ticket { key: inviter.key(), addresses: inviter.local_addresses(), secret, share: String::new() };
        assert!(is_refused(&joiner.redeem(&ticket, b"").await));
        inviter.invite(secret, LASTS);
        inviter.withdraw(&secret);
        assert!(is_refused(&joiner.redeem(&ticket, b"").await));
        inviter.invite(secret, Duration::ZERO);
        assert!(is_refused(&joiner.redeem(&ticket, b"").await));
    });
}

#[test]
fn three_wrong_secrets_close_the_invitation_and_each_is_reported() {
    run(async {
        let ((inviter, mut events), (guesser, _)) = (device(1), device(2));
        let ticket = invite(&inviter);
        let wrong = Ticket { secret: Secret([0; 16]), ..ticket.clone() };
        for left in (0..TRIES).rev() {
            assert!(is_refused(&guesser.redeem(&wrong, b"").await));
            let Some(Event::Unproven { key, tries_left, .. }) = events.next().await else { panic!("a report") };
            assert_eq!((key, tries_left), (guesser.key(), left));
        }
        let (joiner, _) = device(3);
        assert!(is_refused(&joiner.redeem(&ticket, b"").await), "closed for the right one too");
    });
}

#[test]
fn an_open_invitation_lets_in_no_stranger_as_a_member() {
    run(async {
        let ((inviter, mut events), (stranger, _)) = (device(1), device(2));
        let ticket = invite(&inviter);
        stranger.allow(BTreeSet::from([inviter.key()]));
        assert!(is_refused(&stranger.reach(inviter.key(), &ticket.addresses).await));
        assert!(matches!(events.next().await, Some(Event::Stranger { key, .. }) if key == stranger.key()));
    });
}

/// Somebody in between takes the connection at the inviter's address: its key is another, and nothing is said to it.
#[test]
fn a_proxy_with_a_key_of_its_own_hears_nothing() {
    run(async {
        let ((inviter, _), (proxy, mut proxied), (joiner, _)) = (device(1), device(2), device(3));
        let ticket = Ticket { addresses: proxy.local_addresses(), ..invite(&inviter) };
        proxy.invite(Secret([7; 16]), LASTS);
        assert!(is_refused(&joiner.redeem(&ticket, b"secrets").await));
        proxy.close().await;
        drop(proxy);
        let heard = proxied.next().await;
        assert!(heard.is_none(), "the proxy heard {heard:?}");
    });
}

/// The user was even given the proxy's key for the inviter's. The proxy takes the proof and passes it on to the inviter, and passes
/// back what it says: the two connections export different keys, so the proof holds on neither.
#[test]
fn a_proxy_that_passes_the_proofs_on_fails_closed_on_both_sides() {
    run(async {
        let ((inviter, mut events), (onward, _), (joiner, _)) = (device(1), device(2), device(3));
        let ticket = invite(&inviter);
        let proxy = proxy(&DeviceKey::from_seed([2; 32]).expect("a key"));
        let address = proxy.local_addr().expect("an address");
        let tampered = Ticket { key: onward.key(), addresses: vec![address], ..ticket.clone() };
        let relaying = relay(&proxy, &onward, &ticket);
        let (joined, relayed) = tokio::join!(joiner.redeem(&tampered, b"secrets"), relaying);
        assert!(is_refused(&joined), "{joined:?}");
        assert_eq!(relayed, None, "the inviter gave the proxy nothing to pass back");
        let Some(Event::Unproven { key, tries_left, .. }) = events.next().await else { panic!("a report") };
        assert_eq!((key, tries_left), (onward.key(), TRIES - 1));
    });
}

/// An endpoint that takes joiners as one that invites does, and does with them as it likes.
fn proxy(key: &DeviceKey) -> quinn::Endpoint {
    let trust = Arc::new(Trust::default());
    // It does not know the secret; an invitation of its own makes it take the call.
    trust.invitations().open(Secret([7; 16]), LASTS);
    let config = listen::server(&Door::new(&trust, key)).expect("settings");
    quinn::Endpoint::server(config, SocketAddr::from(([127, 0, 0, 1], 0))).expect("an endpoint")
}

/// Passes the next joiner's frame on to the inviter, over a connection of its own, and what comes back.
async fn relay(proxy: &quinn::Endpoint, onward: &Node, ticket: &Ticket) -> Option<Bytes> {
    let life = Life::new("anybody", LASTS);
    let connection = proxy.accept().await.expect("a call").await.expect("a connection");
    let (send, receive) = connection.accept_bi().await.expect("a stream");
    let (mut back, mut receive) = halves(&life, send, receive);
    let frame = receive_frame(&mut receive, 1 << 16).await.expect("read").expect("a frame");
    let to = dial(onward.core(), ticket.key, (&ticket.addresses, Purpose::Pairing)).await.expect("dialled");
    let to = to.expect("only a member comes by itself");
    let (send, receive) = to.connection.open_bi().await.expect("a stream");
    let (mut send, mut receive) = halves(&life, send, receive);
    send_frame(&mut send, &frame).await.expect("sent");
    let answer = receive_frame(&mut receive, 1 << 16).await.ok().flatten();
    // Whatever it has, it tries.
    send_frame(&mut back, answer.as_ref().unwrap_or(&frame)).await.expect("sent");
    back.finish().await.expect("finished");
    connection.closed().await;
    answer
}
