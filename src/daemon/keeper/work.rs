//! What a keeper has done in tasks of its own: opening, looking, meeting, putting in place. Decides nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::approvals::Answering;
use super::place::{Kept, Members as Sources};
use super::{Keeper, Meant};
use crate::daemon::hub::Hub;
use crate::daemon::peers::Answered;
use crate::daemon::schedule::Mark;
use crate::daemon::speech::{self, Reply, Request};
use crate::disk::dirty::Dirty;
use crate::disk::hash::Cores;
use crate::disk::watch::{Watch, WatchSettings};
use crate::model::{Digest, Problem, RelPath};
use crate::net::node::PublicKey;
use crate::net::{Link, receive_frame, send_frame};
use crate::sync::error::Error;
use crate::sync::job::{Reading, Writing};
use crate::sync::share::{Allowed, Looked, Materialized, Met, Share, ShareSettings, Standing, Verified};

/// A piece of work that has ended.
pub enum Done {
    /// The root was opened.
    Opened(Result<Share, Error>),
    /// It was looked at.
    Looked(Result<Looked, Error>),
    /// A member was met; what was held here before.
    Met(PublicKey, Mark, Result<Met, Error>),
    /// What somebody means is known; what was held back all the same.
    Meant(Result<Vec<Problem>, Error>, Answering),
    /// Some files were read again.
    Scrubbed(Result<Verified, Error>),
    /// It is watched from now on, or cannot be.
    Watched(Result<Arc<Watch>, Error>),
    /// Nothing has happened for a while, and the index is saved.
    Rested(Result<(), Error>),
    /// What could be put in place was.
    Placed(Result<(Materialized, Kept), Error>),
}

/// A daemon answers a request at once, whatever its shares are at. One that has not in this time does not hear us, or we do
/// not hear it; others may.
const ANSWER: Duration = Duration::from_secs(3);
/// The longest list of members in a conversation.
const LIST_BYTES_MAX: usize = 1 << 20;

/// Opens the root.
pub async fn open(hub: Arc<Hub>, keeper: Arc<Keeper>) -> Done {
    let members = Arc::clone(&keeper.members);
    let settings = ShareSettings {
        root: keeper.shared.root.clone(),
        reading: Reading::default(),
        writing: Writing::default(),
        role: keeper.role(hub.key.public()).into(),
        allowed: Allowed::by(move |id| super::lock(&members).may_write(id)),
        state: None,
    };
    let opened = spawn_blocking(move || Share::open(settings)).await;
    Done::Opened(opened.unwrap_or_else(|_| Err(failed("opening it"))))
}

/// Looks at the root.
pub async fn look(share: Share, dirty: Dirty) -> Done {
    Done::Looked(share.look(dirty).await)
}

/// Does what somebody means.
pub async fn mean(share: Option<Share>, meant: Meant, answer: Answering) -> Done {
    let done = match (share, meant) {
        (Some(share), Meant::Deletes(limit)) => share.approve(limit).await.map(|looked| looked.problems),
        (Some(share), Meant::Revert) => share.revert().await.map(|()| Vec::new()),
        (Some(_), Meant::Heal) => Ok(Vec::new()),
        (None, _) => Err(Error::Busy { what: "the share is at rest".into() }),
    };
    Done::Meant(done, answer)
}

/// Reads files again, from a path on, on one core: nobody waits for it.
pub async fn verify(share: Share, from: Option<RelPath>, bytes_max: u64) -> Done {
    Done::Scrubbed(share.verify(from, bytes_max, Cores::One).await)
}

/// Saves the index where it lacks something: nothing has happened for a while.
pub async fn rest(share: Share) -> Done {
    Done::Rested(if share.standing().unsaved { share.save().await } else { Ok(()) })
}

/// Watches the root from now on.
pub async fn watch(share: Share) -> Done {
    let watched = spawn_blocking(move || share.watch(WatchSettings::default())).await;
    Done::Watched(watched.unwrap_or_else(|_| Err(failed("watching it"))))
}

/// Meets a member.
pub async fn meet(hub: Arc<Hub>, keeper: Arc<Keeper>, share: Share, peer: PublicKey) -> Done {
    let ours = mark_of(&share.standing());
    let met = async {
        let link = ask(&hub, peer, Request::Meet(keeper.id)).await?;
        share.meet(link).await
    };
    Done::Met(peer, ours, met.await)
}

/// Puts in place what is agreed on.
pub async fn place(hub: Arc<Hub>, keeper: Arc<Keeper>, share: Share) -> Done {
    let sources = Sources::new(&hub, &keeper);
    let mut kept = Kept::default();
    let placed = share.materialize(&sources, &mut kept).await;
    Done::Placed(placed.map(|placed| (placed, kept)))
}

/// Begins a conversation with a member.
pub async fn ask(hub: &Hub, peer: PublicKey, request: Request) -> Result<Link, Error> {
    let asking = hub.node.ask(peer, Bytes::from(speech::encode(&request)));
    let asked = tokio::time::timeout(ANSWER, asking).await;
    let Ok(asked) = asked else {
        hub.peers.answered(peer, Answered::Not);
        return Err(Error::Net(crate::net::Error::TimedOut { peer: peer.short(), after: ANSWER }));
    };
    let (answer, link) = asked?;
    hub.peers.answered(peer, Answered::Well);
    match speech::decode(&answer) {
        Some(Reply::Yes) => Ok(link),
        Some(Reply::NotNow) => Err(Error::Busy { what: format!("the share is at rest on {}", peer.short()) }),
        Some(Reply::Crowded) => Err(Error::Busy { what: format!("{} serves many commands now", peer.short()) }),
        Some(Reply::Unknown) => Err(refused(peer, "it does not know the share, or not us as a member of it")),
        None => Err(refused(peer, "it says what this version does not understand")),
    }
}

/// Tells a member who is one, and hears whom it takes for one.
pub async fn exchange(hub: &Hub, keeper: &Keeper, peer: PublicKey) -> Result<(), Error> {
    let link = ask(hub, peer, Request::Members(keeper.id)).await?;
    let (mut send, mut receive) = link.open().await?;
    let ours = keeper.members().encode();
    send_frame(&mut send, &ours).await?;
    send.finish().await?;
    let theirs = receive_frame(&mut receive, LIST_BYTES_MAX).await?;
    link.close().await;
    learn(hub, keeper, peer, theirs.as_deref().unwrap_or_default())
}

/// The other side of [`exchange`].
pub async fn answer_exchange(hub: &Hub, keeper: &Keeper, peer: PublicKey, link: Link) -> Result<(), Error> {
    let (mut send, mut receive) = link.accept().await?;
    let theirs = receive_frame(&mut receive, LIST_BYTES_MAX).await?;
    let ours = keeper.members().encode();
    send_frame(&mut send, &ours).await?;
    send.finish().await?;
    link.close().await;
    learn(hub, keeper, peer, theirs.as_deref().unwrap_or_default())
}

fn learn(hub: &Hub, keeper: &Keeper, peer: PublicKey, bytes: &[u8]) -> Result<(), Error> {
    let garbled = |error: crate::daemon::members::ListError| refused(peer, &error.to_string());
    let theirs = crate::daemon::members::Members::decode(bytes).map_err(garbled)?;
    // A device that was forgotten meanwhile tells nobody anything.
    if keeper.members().role(peer).is_none() {
        return Err(refused(peer, "it is no member any more"));
    }
    let joined = keeper.change(hub, |members| members.join(&theirs));
    let joined = joined.map_err(|error| Error::Memory {
        path: keeper.shared.root.clone(),
        source: std::io::Error::other(error.to_string()),
    })?;
    joined.map(drop).map_err(garbled)
}

fn refused(peer: PublicKey, why: &str) -> Error {
    Error::Net(crate::net::Error::Refused { peer: peer.short(), source: crate::net::Cause(why.into()) })
}

/// What a step that broke comes to.
pub fn failed(what: &str) -> Error {
    Error::Busy { what: format!("{what} broke off") }
}

/// What a share holds, as one digest.
pub fn mark_of(standing: &Standing) -> Mark {
    mark(&standing.top, &standing.knowledge)
}

/// The same of a peer.
pub fn mark(top: &Digest, knowledge: &Digest) -> Mark {
    let both = Digest::of_content(&[top.0, knowledge.0].concat());
    std::array::from_fn(|at| both.0[at])
}
