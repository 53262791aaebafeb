//! Where the control stream goes on once QUIC is up. It begins on the pipe, so that the conversation waits for no handshake, and each
//! direction moves when its sender has something to say: what follows the move on the pipe comes on the first stream of QUIC.

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::quic::{Receiving, Sending};

/// The first stream of the connection that was chosen.
#[derive(Debug, Default)]
pub(super) struct Lane {
    sending: Mutex<Option<Sending>>,
    receiving: Mutex<Option<Receiving>>,
    ready: CancellationToken,
}

impl Lane {
    pub(super) fn put(&self, (sending, receiving): (Sending, Receiving)) {
        *self.sending.lock().unwrap_or_else(PoisonError::into_inner) = Some(sending);
        *self.receiving.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiving);
        self.ready.cancel();
    }

    /// The sending direction, where the stream is there and nobody took it.
    pub(super) fn sending(&self) -> Option<Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The receiving direction, as soon as the stream is there; `None` where somebody took it.
    pub(super) async fn receiving(&self) -> Option<Receiving> {
        self.ready.cancelled().await;
        self.receiving.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
