//! Everything that names a QUIC connection: its settings, its streams, dialling and listening.

pub(super) mod dial;
pub(super) mod listen;
mod modelled;
pub(super) mod settings;
pub(super) mod streams;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::life::{Fault, Life};
use super::receive::ReceiveHalf;
use super::send::SendHalf;
pub(super) use settings::{Path, STREAMS_MAX};
pub(super) use streams::{Receiving, Sending};

/// The first byte of the first stream.
const LANE: u8 = 1;

/// One connection to the peer.
#[derive(Debug, Clone)]
pub(super) struct Quic {
    connection: quinn::Connection,
    /// Kept: the endpoint's task ends when the last handle of it does.
    _endpoint: quinn::Endpoint,
}

impl Quic {
    pub(super) fn is_up(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    /// Widens the windows as the path shows what it holds, as long as the future is polled.
    pub(super) async fn widen(&self) {
        windows::widen(self).await;
    }

    pub(super) fn rtt(&self) -> Duration {
        self.connection.rtt()
    }

    pub(super) fn close(&self) {
        self.connection.close(quinn::VarInt::from_u32(0), b"");
    }

    /// A new stream; waits where the peer holds all the slots. `None` where the connection has ended.
    pub(super) async fn open(&self, life: &Arc<Life>) -> Option<(SendHalf, ReceiveHalf)> {
        let (send, receive) = self.connection.open_bi().await.ok()?;
        Some(streams::halves(life, send, receive))
    }

    /// Opens the first stream, by which the peer learns that this is the connection to use.
    pub(super) async fn open_lane(&self) -> Option<(Sending, Receiving)> {
        let (mut send, receive) = self.connection.open_bi().await.ok()?;
        // A stream shows at the other side with its first byte.
        send.write_all(&[LANE]).await.ok()?;
        Some(streams::directions(send, receive))
    }

    /// Waits for the first stream that the peer opens. `None` where the connection has ended, or began with something else.
    pub(super) async fn accept_lane(&self) -> Option<(Sending, Receiving)> {
        let (send, mut receive) = self.connection.accept_bi().await.ok()?;
        let mut first = [0];
        receive.read_exact(&mut first).await.ok()?;
        (first == [LANE]).then(|| streams::directions(send, receive))
    }

    /// The next stream that the peer opens. `None` where the connection has ended.
    pub(super) async fn accept(&self, life: &Arc<Life>) -> Option<(SendHalf, ReceiveHalf)> {
        let (send, receive) = self.connection.accept_bi().await.ok()?;
        Some(streams::halves(life, send, receive))
    }
}

/// Why a connection closes: the code that the peer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// Nothing is left to do.
    Done = 0,
    /// The peer is not let in any more.
    Forgotten = 1,
    /// Another connection between the two stays.
    Replaced = 2,
    /// We hear nothing of the peer, though it may hear us.
    Unheard = 3,
    /// This device stops.
    Leaving = 4,
    /// The peer broke the protocol.
    Violation = 5,
}

impl Farewell {
    pub(super) fn code(self) -> quinn::VarInt {
        quinn::VarInt::from_u32(self as u32)
    }

    /// What the peer told us, in our words: its own are not repeated.
    fn told(code: quinn::VarInt) -> &'static str {
        match code.into_inner() {
            1 => "it does not let this device in any more",
            2 => "another connection took the place of this one",
            3 => "it hears nothing of this device, though this device hears it",
            4 => "it stopped",
            5 => "it says that this device broke the protocol",
            _ => "it closed the connection",
        }
    }
}

/// Why a connection ended.
pub(super) fn fault(error: &quinn::ConnectionError, timeout: Duration) -> Fault {
    use quinn::ConnectionError as Ended;
    match error {
        Ended::TimedOut => Fault::TimedOut(timeout),
        Ended::TransportError(error) => Fault::Violation(error.to_string()),
        Ended::ApplicationClosed(close) => Fault::Lost(Farewell::told(close.error_code).to_owned()),
        Ended::LocallyClosed => Fault::Closed,
        Ended::Reset => Fault::Lost("it was restarted".to_owned()),
        error => Fault::Lost(error.to_string()),
    }
}

/// The same in words.
pub(super) fn cause(error: &quinn::ConnectionError, timeout: Duration) -> String {
    match fault(error, timeout) {
        Fault::Lost(what) | Fault::Violation(what) => what,
        Fault::TimedOut(after) => format!("nothing was heard for {} s", after.as_secs_f32()),
        Fault::Closed => "the connection was closed".to_owned(),
    }
}

/// A step of setting QUIC up that this machine cannot do.
pub(super) fn setup(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::System { step: "set up QUIC", source: std::io::Error::other(error) }
}
