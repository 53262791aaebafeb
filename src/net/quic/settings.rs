//! The numbers of a QUIC connection, each with its reason.

use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::CubicConfig;
use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

use crate::net::Error;

/// Streams that a side may have open at a time.
const STREAMS_MAX: u32 = 1024;
/// More than 1024 gaps in one stream end the connection; with full packets a window of 2 MiB cannot have so many.
const STREAM_WINDOW: u32 = 2 << 20;
/// What all streams together may hold for their readers: 160 MB/s at 100 ms.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// What may wait for an acknowledgement. More costs the processor's cache: 20 % at 16 MiB on loopback.
const SEND_WINDOW: u64 = 8 << 20;
/// A handshake buffer of 16 KiB is the default; our flights are below 1 KiB.
const CRYPTO_BUFFER: usize = 4 << 10;

/// What kind of path lies between the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum Path {
    /// Both on one machine.
    Local,
    /// Anything else.
    Network,
}

impl Path {
    /// The size of a packet from the first on. On a network it is what Ethernet takes: probing for it would cost more bytes than a
    /// whole comparison of equal trees; where the path takes less, the losses show it and the size falls to 1200.
    pub(in crate::net) fn mtu(self) -> u16 {
        match self {
            Self::Local => 8952,
            Self::Network => 1452,
        }
    }

    /// What may be sent before the first acknowledgement; must hold several packets.
    fn first_window(self) -> u64 {
        match self {
            Self::Local => 512 << 10,
            Self::Network => 64 << 10,
        }
    }
}

/// The settings of a connection. The dialling side keeps it alive.
pub(super) fn transport(path: Path, timeout: Duration, keeps_alive: bool) -> Arc<TransportConfig> {
    let mut cubic = CubicConfig::default();
    cubic.initial_window(path.first_window());
    let mut probing = MtuDiscoveryConfig::default();
    probing.upper_bound(path.mtu());
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .crypto_buffer_size(CRYPTO_BUFFER)
        .datagram_receive_buffer_size(None)
        .initial_mtu(path.mtu())
        .mtu_discovery_config(Some(probing))
        .congestion_controller_factory(Arc::new(cubic))
        .max_idle_timeout(Some(IdleTimeout::try_from(timeout).unwrap_or(VarInt::from_u32(30_000).into())));
    if keeps_alive {
        config.keep_alive_interval(Some((timeout / 4).min(Duration::from_secs(5))));
    }
    Arc::new(config)
}

/// The settings of an endpoint: the largest packet that it takes.
pub(super) fn endpoint(path: Path) -> Result<EndpointConfig, Error> {
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(path.mtu().max(1472)).map_err(super::setup)?;
    Ok(config)
}
