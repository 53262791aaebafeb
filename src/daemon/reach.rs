//! Makes a line from a command on this machine to a member's daemon, which serves a share on it (see [`super::guests`]). Carries
//! bytes and reads none. Whatever cannot be reached is said soon, and what is waited for before that.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::commands::{self, exit, telling};
use super::config::ShareName;
use super::control::{Answer, Caller, Refusal};
use super::hub::Hub;
use super::keeper::{Keeper, work};
use super::speech::Request;
use crate::net::node::PublicKey;
use crate::net::{self, Link};
use crate::sync::error::{Error, NetError};

/// A host's name is looked up for so long,
const LOOKING_UP: Duration = Duration::from_millis(800);
/// and a member without a connection is dialled for so long.
const REACHING: Duration = Duration::from_millis(800);
/// Members that are down and dialled at once at an address that none of them is known to be at.
const DIALLED_MAX: usize = 64;
/// A member that is connected answers within so long, or does not hear us.
const ANSWERING: Duration = Duration::from_millis(900);

/// Answers the caller, and carries its bytes until either end has gone.
pub async fn reach(hub: &Arc<Hub>, mut caller: Caller, to: (&str, &ShareName)) -> std::io::Result<()> {
    let link = match telling(&mut caller, &format!("{}, which is being reached", to.0), ask(hub, to)).await? {
        Ok(link) => link,
        Err(refusal) => return caller.say(&Answer::Refused(refusal)).await,
    };
    if let Ok(strands) = net::Strands::open(&link).await {
        caller.say(&Answer::Reached).await?;
        net::bridge(caller.into_halves(), strands).await;
    }
    link.close().await;
    Ok(())
}

async fn ask(hub: &Arc<Hub>, (member, share): (&str, &ShareName)) -> Result<Link, Refusal> {
    let keeper = hub.keeper(share).ok_or_else(|| commands::unknown(share))?;
    let peer = meant(hub, &keeper, member).await?;
    let called = hub.called(&keeper, peer);
    if !hub.peers.connected().contains(&peer) {
        let addresses = hub.addresses(peer);
        let reached = tokio::time::timeout(REACHING, hub.node.reach(peer, &addresses)).await;
        if !matches!(reached, Ok(Ok(()))) {
            return Err(down(hub, &called, peer));
        }
    }
    match tokio::time::timeout(ANSWERING, work::ask(hub, peer, Request::Serve(keeper.id))).await {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(Error::Busy { what })) => Err(Refusal {
            causes: vec![what],
            ..Refusal::new(exit::BUSY, format!("{called} does not serve `{share}` now"))
        }
        .hint(format!("try again in a moment, or `alike resume {share}` there where it is paused"))),
        Ok(Err(Error::Net(error @ NetError::Refused { .. }))) => Err(Refusal::of(exit::REFUSED, &error)
            .hint(format!("`alike status` there says whether it keeps `{share}`; it may run an older alike"))),
        Ok(Err(_)) | Err(_) => Err(Refusal::new(exit::UNREACHABLE, format!("{called} does not answer"))
            .hint("`alike status` says since when, and in which direction the line fails")),
    }
}

fn down(hub: &Hub, called: &str, peer: PublicKey) -> Refusal {
    let refusal = Refusal::new(exit::UNREACHABLE, format!("{called} is down"));
    let causes = hub.peers.note(peer).reason().into_iter().collect();
    Refusal { causes, ..refusal }.hint("start its daemon, or see `alike peers` for where it was seen last")
}

/// The one member that a word means.
async fn meant(hub: &Hub, keeper: &Keeper, word: &str) -> Result<PublicKey, Refusal> {
    let by_name: BTreeSet<PublicKey> = commands::named(hub, keeper, word).into_iter().collect();
    let found = if by_name.is_empty() { at(hub, keeper, word).await } else { by_name };
    let unknown = |what: &str| {
        let text = format!("{what} `{word}` in `{}`", keeper.name);
        Refusal::new(exit::REFUSED, text).hint("`alike peers` lists the members, their keys and addresses")
    };
    match (found.len(), found.first()) {
        (1, Some(key)) if *key == hub.key.public() => {
            let root = keeper.shared.root.display();
            Err(Refusal::new(exit::USAGE, format!("`{word}` is this device")).hint(format!("write `{root}`")))
        }
        (1, Some(key)) => Ok(*key),
        (0, _) | (_, None) => Err(unknown("there is no member")),
        _ => Err(unknown("several members are called")),
    }
}

/// The member at `host:port`: where it is known to be, or whoever of those that are down answers there.
async fn at(hub: &Hub, keeper: &Keeper, word: &str) -> BTreeSet<PublicKey> {
    if !word.contains(':') {
        return BTreeSet::new();
    }
    let look_up = tokio::time::timeout(LOOKING_UP, tokio::net::lookup_host(word)).await;
    let addresses: Vec<SocketAddr> = look_up.ok().and_then(Result::ok).map(Iterator::collect).unwrap_or_default();
    let members: Vec<PublicKey> = keeper.members().each().map(|member| member.key).collect();
    let there = |key: &&PublicKey| hub.addresses(**key).iter().any(|address| addresses.contains(address));
    let known: BTreeSet<PublicKey> = members.iter().filter(there).copied().collect();
    if !known.is_empty() || addresses.is_empty() {
        return known;
    }
    let connected = hub.peers.connected();
    let down = members.into_iter().filter(|key| *key != hub.key.public() && !connected.contains(key));
    // All at once: each that is not there takes as long as it is waited for. Its key is proven in the handshake: another one
    // there is not taken for it.
    let mut dialling = JoinSet::new();
    for key in down.take(DIALLED_MAX) {
        let (node, addresses) = (hub.node.clone(), addresses.clone());
        dialling.spawn(async move { node.reach(key, &addresses).await.is_ok().then_some(key) });
    }
    let first = async {
        while let Some(dialled) = dialling.join_next().await {
            // A task that broke has reached nobody.
            if let Ok(Some(key)) = dialled {
                return Some(key);
            }
        }
        None
    };
    tokio::time::timeout(REACHING, first).await.ok().flatten().into_iter().collect()
}
