//! The side that dials: one attempt at one address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, TokioRuntime};

use super::settings::{self, KeepAlive, Path};
use super::{Quic, setup};
use crate::net::Error;
use crate::net::error::Cause;
use crate::net::life::Meter;
use crate::net::pace::Congestion;
use crate::net::socket::Socket;

/// How long an attempt may take. The pipe carries the conversation meanwhile.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What an attempt needs, whatever the address.
#[derive(Clone)]
pub(in crate::net) struct Dial {
    pub(in crate::net) tls: Arc<QuicClientConfig>,
    timeout: Duration,
    congestion: Congestion,
    pub(in crate::net) meter: Arc<Meter>,
    pub(in crate::net) peer: Arc<str>,
}

impl Dial {
    pub(in crate::net) fn new(
        tls: rustls::ClientConfig,
        (timeout, congestion): (Duration, Congestion),
        meter: Arc<Meter>,
        peer: Arc<str>,
    ) -> Result<Self, Error> {
        let tls = Arc::new(QuicClientConfig::try_from(tls).map_err(setup)?);
        Ok(Self { tls, timeout, congestion, meter, peer })
    }

    /// Ends at once where the system says that nobody listens at `address`.
    pub(in crate::net) async fn attempt(self, address: SocketAddr, path: Path) -> Result<Quic, Error> {
        let socket = Socket::dialling(address, path.mtu(), self.meter.clone()).map_err(setup)?;
        let watched = socket.clone();
        let endpoint =
            Endpoint::new_with_abstract_socket(settings::endpoint(path)?, None, socket, Arc::new(TokioRuntime))
                .map_err(setup)?;
        let mut config = ClientConfig::new(self.tls.clone());
        config.transport_config(settings::transport(path, self.congestion, self.timeout, Some(KeepAlive)));
        // The name means nothing: the key alone is checked.
        let connecting = endpoint.connect_with(config, address, "alike").map_err(setup)?;
        let connection = tokio::select! {
            connected = tokio::time::timeout(HANDSHAKE, connecting) => match connected {
                Ok(connected) => connected.map_err(|error| self.refused(error.to_string()))?,
                Err(_) => return Err(Error::TimedOut { peer: self.peer.to_string(), after: HANDSHAKE }),
            },
            () = watched.refusal() => return Err(self.refused(format!("nobody listens at {address}"))),
        };
        Ok(Quic { connection, _endpoint: endpoint })
    }

    fn refused(&self, how: String) -> Error {
        Error::Refused { peer: self.peer.to_string(), source: Cause(how) }
    }
}
