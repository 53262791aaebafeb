//! A node, as the rest of the program sees it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;
use tokio::sync::mpsc;

use super::core::{Core, Parts};
use super::dial::Purpose;
use super::event::Events;
use super::greet::NOWHERE;
use super::key::{DeviceKey, PublicKey};
use super::peer::PeerNow;
use super::settings::{CLOSING, EVENTS_MAX, NodeSettings};
use super::ticket::{Secret, Ticket};
use super::trust::Trust;
use super::warm::{Dialled, Warm};
use super::{addresses, converse, dial, listen, pair, trust};
use crate::net::error::{Cause, Error};
use crate::net::life::Meter;
use crate::net::link::{Link, Traffic};
use crate::net::quic::settings::sized;
use crate::net::quic::{Farewell, Path, setup};
use crate::net::socket::Socket;

/// One device among others. Clones are the same node; when the last is dropped, it closes.
#[derive(Debug, Clone)]
pub struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    meter: Arc<Meter>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.core.endpoint.close(Farewell::Leaving.code(), b"");
    }
}

impl Node {
    /// Opens the socket and lets in nobody yet: see [`Self::allow`]. To be called within a runtime.
    pub fn open(settings: NodeSettings) -> Result<(Self, Events), Error> {
        let NodeSettings { key, listen: address, silence } = settings;
        let trust = Arc::new(Trust::default());
        let meter = Arc::new(Meter::default());
        let taken = |source| Error::System { step: "listen on the port of this device", source };
        let socket = Socket::bound(address, Path::Local.mtu(), meter.clone()).map_err(taken)?;
        let server = listen::front(&trust, &key)?;
        let runtime = Arc::new(TokioRuntime);
        let endpoint =
            Endpoint::new_with_abstract_socket(endpoint_config(&key)?, Some(server), socket, runtime).map_err(setup)?;
        let tls = trust::client(&key).map_err(setup)?;
        let joining = Arc::new(QuicClientConfig::try_from(trust::joining(&tls)).map_err(setup)?);
        let client = Arc::new(QuicClientConfig::try_from(tls).map_err(setup)?);
        let (events, reader) = mpsc::channel(EVENTS_MAX);
        let instance = crate::net::random()?;
        let instance = u64::from_le_bytes(*instance.first_chunk().expect("16 bytes begin with 8"));
        let core = Core::new(Parts { key, trust, endpoint, client, joining, silence, instance, events });
        tokio::spawn(listen::listen(core.clone()));
        Ok((Self(Arc::new(Inner { core, meter })), Events(reader)))
    }

    #[cfg(test)]
    pub(super) fn core(&self) -> &Core {
        &self.0.core
    }

    /// Who we are.
    pub fn key(&self) -> PublicKey {
        self.0.core.key.public()
    }

    /// Lets in exactly these keys from now on; whoever is not among them is disconnected.
    pub fn allow(&self, keys: BTreeSet<PublicKey>) {
        let core = &self.0.core;
        core.trust.replace(keys);
        let out = {
            let mut table = core.table();
            table.prune(|key| core.trust.allows(key));
            table.others(|key| core.trust.allows(key))
        };
        for warm in out {
            warm.part(Farewell::Forgotten);
        }
    }

    /// Sees to it that there is a connection to a peer that is let in: at once where there is one, else all its addresses are tried.
    pub async fn reach(&self, peer: PublicKey, addresses: &[SocketAddr]) -> Result<(), Error> {
        let core = &self.0.core;
        if !core.trust.allows(&peer) {
            return Err(Error::Refused { peer: peer.short(), source: Cause("it is no member".to_owned()) });
        }
        // In a task of its own: a caller that gives up does not cut off a connection that another one waits for.
        let dialling = tokio::spawn(reach(core.clone(), peer, addresses.to_vec()));
        tokio::select! {
            biased;
            () = core.up(&peer) => Ok(()),
            dialled = dialling => dialled.map_err(setup)?,
        }
    }

    /// Opens an invitation: whoever proves to know the secret within so long is reported as [`super::Event::Joining`]. It is for one
    /// key, and three wrong proofs close it.
    pub fn invite(&self, secret: Secret, lasts: Duration) {
        self.0.core.trust.invitations().open(secret, lasts);
    }

    /// Closes an invitation.
    pub fn withdraw(&self, secret: &Secret) {
        self.0.core.trust.invitations().close(secret);
    }

    /// Redeems a ticket: proves to the device that made it that we hold it, says `request`, and gives its answer, once it has proven
    /// in turn that it made the ticket. It is not let in by that.
    pub async fn redeem(&self, ticket: &Ticket, request: &[u8]) -> Result<Bytes, Error> {
        pair::redeem(&self.0.core, ticket, request).await
    }

    /// Begins a conversation with a peer to whom there is a connection.
    pub async fn ask(&self, peer: PublicKey, request: Bytes) -> Result<(Bytes, Link), Error> {
        let warm = self.0.core.table().first(&peer);
        match warm {
            Some(warm) => converse::ask(&warm, &request).await,
            None => {
                let source = Cause("there is no connection to it now".to_owned());
                Err(Error::Unreachable { peer: peer.short(), source })
            }
        }
    }

    /// Sends a datagram of at most [`super::DATAGRAM_MAX`] bytes, which may be lost. Whether it was sent at all.
    pub fn tell(&self, peer: PublicKey, datagram: Bytes) -> bool {
        let warm = self.0.core.table().first(&peer);
        warm.is_some_and(|warm| !datagram.is_empty() && warm.tell(datagram))
    }

    /// The peers to whom there is a connection.
    pub fn peers(&self) -> Vec<PeerNow> {
        self.0.core.table().peers()
    }

    /// At most so many bytes a second are sent in all conversations together from now on; `None`: as many as go.
    pub fn limit(&self, bytes: Option<NonZeroU64>) {
        self.0.core.throttle.limit(bytes);
    }

    /// What [`Self::limit`] said last.
    pub fn limited(&self) -> Option<u64> {
        self.0.core.throttle.limited()
    }

    /// What went over the socket since it was opened: the payload of every packet, whoever sent it.
    pub fn traffic(&self) -> Traffic {
        Traffic { sent: self.0.meter.sent(), received: self.0.meter.received() }
    }

    /// Where others reach this device: every address that means something to them; those of the machine itself where it has no
    /// other.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        addresses::reachable(self.0.core.endpoint.local_addr().unwrap_or(NOWHERE))
    }

    /// Gives up connections to addresses that this device does not have any more. A connection follows the device that dialled it;
    /// a peer that had dialled this one would go on calling where nobody is, and is to be reached anew.
    pub fn moved(&self) {
        let is_lost = |warm: &Warm| {
            warm.dialled == Dialled::ByThem
                && warm.connection.local_ip().is_some_and(|address| !addresses::is_ours(&address))
        };
        let all = self.0.core.table().others(|_| false);
        all.iter().filter(|warm| is_lost(warm)).for_each(|warm| warm.part(Farewell::Done));
    }

    /// Tells all peers that this device stops, and stops.
    pub async fn close(&self) {
        let endpoint = &self.0.core.endpoint;
        endpoint.close(Farewell::Leaving.code(), b"");
        // A peer that does not answer finds out by itself.
        let _ = tokio::time::timeout(CLOSING, endpoint.wait_idle()).await;
    }
}

async fn reach(core: Arc<Core>, peer: PublicKey, addresses: Vec<SocketAddr>) -> Result<(), Error> {
    let turn = core.table().turn(peer);
    // One at a time dials a peer; the next one finds the connection, or tries its own addresses.
    let _turn = turn.lock().await;
    if core.table().first(&peer).is_some() {
        return Ok(());
    }
    // It may come by itself meanwhile.
    let Some(reached) = dial::dial(&core, peer, (&addresses, Purpose::Member)).await? else { return Ok(()) };
    if reached.warm(&core, peer).is_some_and(|warm| core.admit(warm)) {
        return Ok(());
    }
    Err(Error::Refused { peer: peer.short(), source: Cause("it is no member any more".to_owned()) })
}

/// What an endpoint answers to packets of connections that it does not know is the same for ever: so a peer learns at once that this
/// device was restarted.
fn endpoint_config(key: &DeviceKey) -> Result<EndpointConfig, Error> {
    let reset = hmac::Key::new(hmac::HMAC_SHA256, &key.derived("alike 2026 the tokens of stateless resets"));
    let ids = key.derived("alike 2026 the ids of connections");
    let ids = u64::from_le_bytes(*ids.first_chunk().expect("32 bytes begin with 8"));
    let mut config = EndpointConfig::new(Arc::new(reset));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)));
    sized(config, Path::Local)
}
