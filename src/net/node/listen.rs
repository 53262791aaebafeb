//! The side that is dialled: one handshake a caller, few at a time, and a key that is not let in is out before any stream.

use std::sync::Arc;
use std::time::Instant;

use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::{Incoming, ServerConfig};
use tokio::task::JoinSet;

use super::addresses::{is_ours, plain};
use super::core::Core;
use super::greet::{Greeting, VERSION};
use super::key::{DeviceKey, PublicKey};
use super::pair;
use super::settings::{EARLY_MAX, HANDSHAKE, HANDSHAKES_FREE, HANDSHAKES_MAX};
use super::trust::{Door, Trust, is_pairing};
use super::warm::{Dialled, Made, Warm};
use crate::net::Error;
use crate::net::quic::settings::{closed, open_up};
use crate::net::quic::{Path, setup};
use crate::net::raw_keys::key_in;

/// Lets peers in until the endpoint closes.
pub(super) async fn listen(core: Arc<Core>) {
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            incoming = core.endpoint.accept() => match incoming {
                Some(incoming) => consider(&core, incoming, &mut handshakes),
                None => return,
            },
            Some(_) = handshakes.join_next() => {}
        }
    }
}

fn consider(core: &Arc<Core>, incoming: Incoming, handshakes: &mut JoinSet<()>) {
    if handshakes.len() >= HANDSHAKES_MAX {
        // No answer: whoever forged the address shall not make us send to it.
        incoming.ignore();
    } else if handshakes.len() >= HANDSHAKES_FREE && !incoming.remote_address_validated() {
        // It comes back with the proof, or there is nobody.
        let _ = incoming.retry();
    } else {
        handshakes.spawn(welcome(core.clone(), incoming));
    }
}

async fn welcome(core: Arc<Core>, incoming: Incoming) {
    let (door, address) = (Door::new(&core.trust, &core.key), plain(incoming.remote_address()));
    let local = is_ours(&address.ip());
    let Ok(mut config) = server(&door) else { return };
    let path = if local { Path::Local } else { Path::Network };
    config.transport_config(closed(path, core.silence));
    let Ok(handshake) = incoming.accept_with(Arc::new(config)) else { return };
    let began = Instant::now();
    let Ok(Ok(connection)) = tokio::time::timeout(HANDSHAKE, handshake).await else {
        match door.stranger() {
            Some(key) => core.stranger(key, address),
            // Who heard us goes on, or is refused, in a few round trips.
            None if began.elapsed() > HANDSHAKE / 2 => core.deaf(address),
            None => {}
        }
        return;
    };
    let Some(peer) = shown(&connection) else { return };
    if door.joins() && is_pairing(protocol(&connection).as_deref()) {
        return pair::welcome(core, connection, peer).await;
    }
    let ours = Greeting::new(core.instance, connection.remote_address());
    let Ok(Ok(theirs)) = tokio::time::timeout(HANDSHAKE, ours.exchange(&connection)).await else { return };
    if theirs.version == VERSION && !door.joins() {
        open_up(&connection);
        let (dialled, silence, throttle) = (Dialled::ByThem, core.silence, Arc::clone(&core.throttle));
        core.admit(Warm::new(Made { connection, peer, dialled, theirs, local, silence, throttle }));
    }
}

fn protocol(connection: &quinn::Connection) -> Option<Vec<u8>> {
    let data = connection.handshake_data()?;
    data.downcast_ref::<HandshakeData>()?.protocol.clone()
}

/// The key that the peer proved to have.
fn shown(connection: &quinn::Connection) -> Option<PublicKey> {
    let identity = connection.peer_identity()?;
    let shown = identity.downcast_ref::<Vec<rustls::pki_types::CertificateDer<'static>>>()?;
    key_in(shown.first()?).map(PublicKey)
}

pub(super) fn server(door: &Arc<Door>) -> Result<ServerConfig, Error> {
    let tls = door.server().map_err(setup)?;
    Ok(ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).map_err(setup)?)))
}

/// What an endpoint needs in order to hear of callers at all. Each gets a door of its own.
pub(super) fn front(trust: &Arc<Trust>, key: &DeviceKey) -> Result<ServerConfig, Error> {
    let mut config = server(&Door::new(trust, key))?;
    config
        .max_incoming(HANDSHAKES_MAX)
        .incoming_buffer_size(EARLY_MAX)
        .incoming_buffer_size_total(EARLY_MAX * HANDSHAKES_MAX as u64);
    Ok(config)
}
