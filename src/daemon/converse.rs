//! What comes from other devices: requests for conversations, words in datagrams, connections that come and go, and who comes
//! with a ticket. Each is answered in a task of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use super::guests::{self, Guest};
use super::hub::{Hub, chance};
use super::journal::Level;
use super::keeper::{Keeper, Word, work};
use super::pairing;
use super::peers::UNHEARD_WHY;
use super::speech::{self, Announcement, Reply, Request};
use crate::net::Error as NetError;
use crate::net::node::{Asked, Event, PublicKey, Why};
use crate::sync::error::Error;

/// Takes an event.
pub fn happened(hub: &Arc<Hub>, event: Event) {
    match event {
        Event::Asked(asked) => {
            let hub = Arc::clone(hub);
            tokio::spawn(async move { answer(&hub, asked).await });
        }
        Event::Told { peer, datagram } => told(hub, peer, &datagram),
        Event::Up { peer, address } => up(hub, peer, address),
        Event::Down { peer, why } => {
            let why = ended(&why);
            hub.journal.say(Level::Info, "disconnected", vec![("peer", name(hub, peer)), ("why", why.clone())]);
            hub.peers.down(peer, why, hub.now(), &mut chance);
            hub.rumours.down(hub, peer);
            hub.live();
        }
        Event::Stranger { key, address } => {
            hub.journal.say(
                Level::Warn,
                "a stranger called",
                vec![("key", key.to_string()), ("address", address.to_string())],
            );
            hub.peers.stranger(key, address);
            hub.changed();
        }
        Event::Joining(joining) => {
            let hub = Arc::clone(hub);
            tokio::spawn(async move { pairing::welcome(&hub, joining).await });
        }
        Event::Deaf { address } => {
            // A device calls from where it listens.
            let peer = hub.member_at(address);
            let called = peer.map_or_else(|| "nobody known".into(), |peer| name(hub, peer));
            let facts = vec![("address", address.to_string()), ("peer", called)];
            hub.journal.say(Level::Warn, "who calls from there does not hear this device", facts);
            if let Some(peer) = peer {
                hub.peers.unheard(peer);
                hub.changed();
            }
        }
        Event::Unproven { key, address, tries_left } => {
            let facts =
                vec![("key", key.short()), ("address", address.to_string()), ("tries left", tries_left.to_string())];
            hub.journal.say(Level::Warn, "a wrong ticket", facts);
        }
    }
}

fn up(hub: &Hub, peer: PublicKey, address: SocketAddr) {
    if hub.peers.up(peer, address, hub.now()) {
        let facts = vec![("peer", name(hub, peer)), ("address", address.to_string())];
        hub.journal.say(Level::Info, "connected", facts);
        hub.rumours.up(hub, peer);
        hub.live();
    }
}

/// An attempt to reach a member came to this.
pub fn tried(hub: &Hub, peer: PublicKey, outcome: Result<(), NetError>) {
    let why = match outcome {
        Ok(()) => {
            // It may have called before it was wanted here: then the word of that connection told nobody anything.
            if let Some(now) = hub.node.peers().into_iter().find(|now| now.key == peer) {
                return up(hub, peer, now.address);
            }
            "the connection ended at once".to_owned()
        }
        Err(error) => std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
    };
    hub.journal.say(Level::Debug, "not reached", vec![("peer", name(hub, peer)), ("why", why.clone())]);
    hub.peers.failed(peer, why, hub.now(), &mut chance);
    hub.changed();
}

/// Why a connection ended, in words: which direction fails is among them.
fn ended(why: &Why) -> String {
    match why {
        Why::Silent(after) => format!("nothing was heard of it for {} s", after.as_secs()),
        Why::Unheard => UNHEARD_WHY.into(),
        Why::Left => "it stopped".into(),
        Why::Restarted => "it was started anew".into(),
        Why::Forgotten => "one of the two is no member for the other any more".into(),
        Why::Lost(what) => what.clone(),
    }
}

/// How a device is called in any share.
pub fn name(hub: &Hub, peer: PublicKey) -> String {
    let known = |keeper: &Arc<Keeper>| {
        let members = keeper.members();
        members.role(peer).is_some() || members.is_forgotten(peer)
    };
    hub.keepers().iter().find(|keeper| known(keeper)).map_or_else(|| peer.short(), |keeper| hub.called(keeper, peer))
}

fn told(hub: &Arc<Hub>, peer: PublicKey, datagram: &bytes::Bytes) {
    let Some(said) = Announcement::heard(datagram) else { return hub.rumours.told(hub, peer, datagram) };
    if let Some(keeper) = hub.keeper_of(said.share) {
        keeper.say(Word::Heard(peer, said));
    }
}

async fn answer(hub: &Arc<Hub>, asked: Asked) {
    let peer = asked.peer;
    let Some(request) = speech::decode::<Request>(&asked.request) else { return };
    let (Request::Meet(id) | Request::Content(id) | Request::Members(id) | Request::Serve(id)) = request;
    let keeper = hub.keeper_of(id).filter(|keeper| keeper.members().role(peer).is_some());
    let share = keeper.as_ref().and_then(|keeper| keeper.share());
    let serves = matches!(request, Request::Serve(_)) && keeper.as_ref().is_some_and(|keeper| !keeper.shared.paused);
    let guest = if serves { Guest::enter() } else { None };
    let reply = match (&keeper, &share, request) {
        (None, ..) => Reply::Unknown,
        (Some(_), None, Request::Meet(_) | Request::Content(_)) => Reply::NotNow,
        (Some(_), _, Request::Serve(_)) if !serves => Reply::NotNow,
        (Some(_), _, Request::Serve(_)) if guest.is_none() => Reply::Crowded,
        _ => Reply::Yes,
    };
    let begins = reply == Reply::Yes;
    let Ok(link) = asked.answer(&speech::encode(&reply)).await else { return };
    let Some(keeper) = keeper.filter(|_| begins) else { return link.close().await };
    let ended: Result<(), Error> = match (request, share, guest) {
        (Request::Meet(_), Some(share), _) => {
            let met = share.answer_meeting(link).await;
            keeper.say(Word::Answered(peer, met));
            Ok(())
        }
        (Request::Content(_), Some(share), _) => share.supply(link).await,
        (Request::Serve(_), _, Some(guest)) => guests::serve(hub, &keeper, (peer, guest), link).await,
        _ => work::answer_exchange(hub, &keeper, peer, link).await,
    };
    if let Err(error) = ended {
        hub.note(
            Level::Debug,
            "a conversation broke off",
            &keeper.name,
            &[("peer", name(hub, peer)), ("why", error.to_string())],
        );
    }
}
