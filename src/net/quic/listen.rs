//! The side that is dialled: one endpoint on a free port, one key that is let in, and one connection that is kept.
//!
//! The client may dial several of our addresses at once, so several connections with its key may come up; the first that carries a
//! stream is the one it chose. From then on nobody is let in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, Incoming, ServerConfig, TokioRuntime};
use tokio::task::JoinSet;

use super::settings::{self, Path};
use super::{Quic, setup};
use crate::net::Error;
use crate::net::life::Meter;
use crate::net::pace::Congestion;
use crate::net::raw_keys::PublicKey;
use crate::net::socket::Socket;
use crate::net::tls::Identity;

/// Handshakes at a time: each costs a signature and memory, and anybody on the network can start one.
const HANDSHAKES_MAX: usize = 8;
/// What an attempt that is not accepted yet may send.
const EARLY_MAX: u64 = 16 << 10;

/// What the side that is dialled needs.
pub(in crate::net) struct Listen<'a> {
    pub(in crate::net) identity: &'a Identity,
    pub(in crate::net) peer: &'a PublicKey,
    pub(in crate::net) path: Path,
    pub(in crate::net) timeout: Duration,
    pub(in crate::net) congestion: Congestion,
    pub(in crate::net) meter: Arc<Meter>,
}

/// An endpoint that waits for the client.
#[derive(Debug)]
pub(in crate::net) struct Listener {
    endpoint: Endpoint,
    pub(in crate::net) port: u16,
}

impl Listen<'_> {
    pub(in crate::net) fn start(self) -> Result<Listener, Error> {
        let tls = self.identity.server(self.peer).map_err(setup)?;
        let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).map_err(setup)?));
        config
            .transport_config(settings::transport(self.path, self.congestion, self.timeout, None))
            .max_incoming(HANDSHAKES_MAX)
            .incoming_buffer_size(EARLY_MAX)
            .incoming_buffer_size_total(EARLY_MAX * HANDSHAKES_MAX as u64);
        let socket = Socket::listening(self.path.mtu(), self.meter).map_err(setup)?;
        let runtime = Arc::new(TokioRuntime);
        let endpoint =
            Endpoint::new_with_abstract_socket(settings::endpoint(self.path)?, Some(config), socket, runtime)
                .map_err(setup)?;
        let port = endpoint.local_addr().map_or(0, |address: SocketAddr| address.port());
        Ok(Listener { endpoint, port })
    }
}

impl Listener {
    /// Gives every connection with the right key to `arrived`, until the future is dropped.
    pub(in crate::net) async fn run(&self, arrived: impl Fn(Quic)) {
        let mut handshakes = JoinSet::new();
        loop {
            tokio::select! {
                incoming = self.endpoint.accept() => match incoming {
                    Some(incoming) if handshakes.len() < HANDSHAKES_MAX => {
                        handshakes.spawn(handshake(incoming));
                    }
                    Some(incoming) => incoming.refuse(),
                    None => return,
                },
                Some(done) = handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        arrived(Quic { connection, _endpoint: self.endpoint.clone() });
                    }
                }
            }
        }
    }

    /// Lets nobody in any more.
    pub(in crate::net) fn refuse_others(&self) {
        self.endpoint.set_server_config(None);
    }
}

/// `None` where the attempt fails: a wrong key is refused here, in the handshake, before any stream.
async fn handshake(incoming: Incoming) -> Option<quinn::Connection> {
    tokio::time::timeout(Duration::from_secs(10), incoming).await.ok()?.ok()
}
