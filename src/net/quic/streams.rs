//! One QUIC stream as two halves. A sending half that is dropped before its end is reset: left alone it would end cleanly.

use std::sync::Arc;

use bytes::Bytes;
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};

use crate::net::Error;
use crate::net::life::{Fault, Life};
use crate::net::receive::ReceiveHalf;
use crate::net::send::SendHalf;

/// Why a stream cannot go on.
#[derive(Debug)]
pub(in crate::net) enum Ended {
    Reset,
    Stopped,
    Connection(ConnectionError),
}

impl Ended {
    pub(in crate::net) fn error(self, life: &Life) -> Error {
        let peer = life.peer.to_string();
        let error = match self {
            Self::Reset => return Error::Reset { peer },
            Self::Stopped => return Error::Stopped { peer },
            Self::Connection(error) => error,
        };
        // The pipe knows more than a connection that was closed because of it.
        if life.ended.is_cancelled() {
            return life.error();
        }
        match error {
            ConnectionError::TimedOut => Fault::TimedOut(life.timeout).error(&peer),
            ConnectionError::TransportError(error) => Fault::Violation(error.to_string()).error(&peer),
            error => Fault::Lost(error.to_string()).error(&peer),
        }
    }
}

/// The sending direction of a stream.
#[derive(Debug)]
pub(in crate::net) struct Sending {
    stream: SendStream,
    finished: bool,
}

impl Sending {
    pub(in crate::net) async fn write(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.stream.write_all(bytes).await.map_err(unwritten)
    }

    pub(in crate::net) async fn write_chunks(&mut self, chunks: &mut [Bytes]) -> Result<(), Ended> {
        self.stream.write_all_chunks(chunks).await.map_err(unwritten)
    }

    pub(in crate::net) fn finish(mut self) -> Result<(), Ended> {
        self.finished = true;
        self.stream.finish().map_err(|_| Ended::Stopped)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.finished {
            // An error means that there is nothing left to reset.
            let _ = self.stream.reset(VarInt::from_u32(0));
        }
    }
}

fn unwritten(error: WriteError) -> Ended {
    match error {
        WriteError::ConnectionLost(error) => Ended::Connection(error),
        WriteError::Stopped(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => Ended::Stopped,
    }
}

/// The receiving direction of a stream. Dropped before its end, quinn stops the sender.
#[derive(Debug)]
pub(in crate::net) struct Receiving {
    stream: RecvStream,
}

impl Receiving {
    pub(in crate::net) async fn read(&mut self, max: usize) -> Result<Option<Bytes>, Ended> {
        match self.stream.read_chunk(max, true).await {
            Ok(chunk) => Ok(chunk.map(|chunk| chunk.bytes)),
            Err(ReadError::ConnectionLost(error)) => Err(Ended::Connection(error)),
            Err(_) => Err(Ended::Reset),
        }
    }
}

pub(super) fn halves(life: &Arc<Life>, send: SendStream, receive: RecvStream) -> (SendHalf, ReceiveHalf) {
    let sending = Sending { stream: send, finished: false };
    (SendHalf::quic(life.clone(), sending), ReceiveHalf::quic(life.clone(), Receiving { stream: receive }))
}
