//! The numbers of a QUIC connection, each with its reason.

use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::{BbrConfig, ControllerFactory, CubicConfig};
use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

use super::modelled::Modelled;
use crate::net::Error;
use crate::net::pace::Congestion;

/// Streams that a side may have open at a time.
pub(in crate::net) const STREAMS_MAX: u32 = 1024;
/// More than 1024 gaps in one stream end the connection; with full packets a window of 2 MiB cannot have so many.
const STREAM_WINDOW: u32 = 2 << 20;
/// What all streams together may hold for their readers, before the path is known better: 160 MB/s at 100 ms.
pub(super) const CONNECTION_WINDOW: u32 = 16 << 20;
/// What may wait for an acknowledgement, before the path is known better. More costs the processor's cache: 20 % at 16 MiB on loopback.
pub(super) const SEND_WINDOW: u64 = 8 << 20;
/// Neither grows further, whatever the path could hold: this is what a peer may cost in memory, once for each direction. It is 320 MB/s at 100 ms.
pub(super) const WINDOW_MAX: u64 = 32 << 20;
/// A handshake buffer of 16 KiB is the default; our flights are below 1 KiB.
const CRYPTO_BUFFER: usize = 4 << 10;
/// What every path takes: a tunnel on the way takes less than Ethernet.
const WARM_MTU: u16 = 1200;
/// The size of a packet is found to this. It is more than half of what lies between the least and the largest, so that the largest
/// is tried first: one probe on Ethernet, and the middle where a tunnel takes less. Each probe costs what all else costs that two
/// who hold the same have to say.
const WARM_MTU_STEP: u16 = 127;
/// Datagrams that wait, in each direction; above it the oldest is dropped.
const DATAGRAMS_MAX: usize = 64 << 10;
/// What a peer may send that was not let in yet: a greeting, or a frame of pairing.
const CLOSED_WINDOW: u32 = 128 << 10;

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

/// Says that a side keeps the connection alive: the one that dials.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeepAlive;

/// The settings of a connection for one job.
pub(super) fn transport(
    path: Path,
    congestion: Congestion,
    timeout: Duration,
    keep_alive: Option<KeepAlive>,
) -> Arc<TransportConfig> {
    let mut config = base(path, congestion, timeout);
    config.datagram_receive_buffer_size(None);
    if keep_alive.is_some() {
        config.keep_alive_interval(Some((timeout / 4).min(Duration::from_secs(5))));
    }
    Arc::new(config)
}

/// The settings of a connection that stays: it begins with packets that every path takes and finds the largest by itself, has
/// datagrams, and one stream of each side for the greeting.
pub(in crate::net) fn warm(path: Path, silence: Duration, keep_alive: Duration) -> Arc<TransportConfig> {
    let mut config = warm_base(path, silence);
    config.keep_alive_interval(Some(keep_alive));
    Arc::new(config)
}

fn warm_base(path: Path, silence: Duration) -> TransportConfig {
    let mut config = base(path, Congestion::Auto, silence);
    if path == Path::Network {
        let mut probing = MtuDiscoveryConfig::default();
        probing.upper_bound(path.mtu()).minimum_change(WARM_MTU_STEP);
        config.initial_mtu(WARM_MTU).mtu_discovery_config(Some(probing));
    }
    config
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .datagram_receive_buffer_size(Some(DATAGRAMS_MAX))
        .datagram_send_buffer_size(DATAGRAMS_MAX);
    config
}

/// The same for the side that is dialled, until it knows by whom: one stream, and little for it to hold.
pub(in crate::net) fn closed(path: Path, silence: Duration) -> Arc<TransportConfig> {
    let mut config = warm_base(path, silence);
    config.max_concurrent_bidi_streams(VarInt::from_u32(1)).receive_window(VarInt::from_u32(CLOSED_WINDOW));
    Arc::new(config)
}

/// Gives a peer that is let in what all have.
pub(in crate::net) fn open_up(connection: &quinn::Connection) {
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(STREAMS_MAX));
    connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW));
}

fn base(path: Path, congestion: Congestion, timeout: Duration) -> TransportConfig {
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
        .initial_mtu(path.mtu())
        .mtu_discovery_config(Some(probing))
        .congestion_controller_factory(controller(path, congestion))
        .max_idle_timeout(Some(IdleTimeout::try_from(timeout).unwrap_or(VarInt::from_u32(30_000).into())));
    config
}

fn controller(path: Path, congestion: Congestion) -> Arc<dyn ControllerFactory + Send + Sync> {
    match (congestion, path) {
        (Congestion::Auto, Path::Network) => Arc::new(Modelled { first: path.first_window() }),
        // Between two processes the processor is the path: its delays are no queue, and nothing is lost.
        (Congestion::Auto, Path::Local) | (Congestion::Cubic, _) => {
            let mut cubic = CubicConfig::default();
            cubic.initial_window(path.first_window());
            Arc::new(cubic)
        }
        (Congestion::Bbr, _) => {
            let mut bbr = BbrConfig::default();
            bbr.initial_window(path.first_window());
            Arc::new(bbr)
        }
    }
}

/// The settings of an endpoint: the largest packet that it takes.
pub(super) fn endpoint(path: Path) -> Result<EndpointConfig, Error> {
    sized(EndpointConfig::default(), path)
}

/// The same for an endpoint that has other settings too.
pub(in crate::net) fn sized(mut config: EndpointConfig, path: Path) -> Result<EndpointConfig, Error> {
    config.max_udp_payload_size(path.mtu().max(1472)).map_err(super::setup)?;
    Ok(config)
}
