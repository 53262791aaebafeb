//! Everything that names a QUIC connection: its settings, its streams, dialling and listening.

pub(super) mod dial;
pub(super) mod listen;
mod modelled;
mod settings;
mod streams;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::life::Life;
use super::receive::ReceiveHalf;
use super::send::SendHalf;
pub(super) use settings::Path;
pub(super) use streams::{Receiving, Sending};

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

    /// The next stream that the peer opens. `None` where the connection has ended.
    pub(super) async fn accept(&self, life: &Arc<Life>) -> Option<(SendHalf, ReceiveHalf)> {
        let (send, receive) = self.connection.accept_bi().await.ok()?;
        Some(streams::halves(life, send, receive))
    }
}

/// A step of setting QUIC up that this machine cannot do.
fn setup(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::System { step: "set up QUIC", source: std::io::Error::other(error) }
}
