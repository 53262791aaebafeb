//! One QUIC stream as two halves. A sending half that is dropped before its end is reset: left alone it would end cleanly.

use std::sync::Arc;

use bytes::Bytes;
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};

use super::fault;
use crate::net::Error;
use crate::net::life::{Life, Meter};
use crate::net::receive::ReceiveHalf;
use crate::net::send::SendHalf;

/// Why a stream cannot go on.
#[derive(Debug)]
pub(in crate::net) enum Ended {
    Reset,
    Stopped,
    Connection(ConnectionError),
    /// The conversation that the stream belongs to.
    Conversation,
}

/// The conversation that a stream belongs to, where several share the connection: its end is the end of its streams.
#[derive(Debug)]
pub(in crate::net) struct Within {
    pub(in crate::net) life: Arc<Life>,
    pub(in crate::net) meter: Arc<Meter>,
}

impl Ended {
    pub(in crate::net) fn error(self, life: &Life) -> Error {
        let peer = life.peer.to_string();
        let error = match self {
            Self::Reset => return Error::Reset { peer },
            Self::Stopped => return Error::Stopped { peer },
            Self::Conversation => return life.error(),
            Self::Connection(error) => error,
        };
        // The pipe knows more than a connection that was closed because of it.
        if life.ended.is_cancelled() {
            return life.error();
        }
        fault(&error, life.timeout).error(&peer)
    }
}

/// The sending direction of a stream.
#[derive(Debug)]
pub(in crate::net) struct Sending {
    stream: SendStream,
    finished: bool,
    within: Option<Arc<Within>>,
}

impl Sending {
    pub(in crate::net) async fn write(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        let Some(within) = &self.within else {
            return self.stream.write_all(bytes).await.map_err(unwritten);
        };
        tokio::select! {
            biased;
            written = self.stream.write_all(bytes) => written.map_err(unwritten)?,
            () = within.life.ended.cancelled() => return Err(Ended::Conversation),
        }
        within.meter.count_sent(bytes.len());
        Ok(())
    }

    pub(in crate::net) async fn write_chunks(&mut self, chunks: &mut [Bytes]) -> Result<(), Ended> {
        let Some(within) = &self.within else {
            return self.stream.write_all_chunks(chunks).await.map_err(unwritten);
        };
        let length = chunks.iter().map(Bytes::len).sum();
        tokio::select! {
            biased;
            written = self.stream.write_all_chunks(chunks) => written.map_err(unwritten)?,
            () = within.life.ended.cancelled() => return Err(Ended::Conversation),
        }
        within.meter.count_sent(length);
        Ok(())
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
    within: Option<Arc<Within>>,
}

impl Receiving {
    pub(in crate::net) async fn read(&mut self, max: usize) -> Result<Option<Bytes>, Ended> {
        let Some(within) = &self.within else {
            return read(&mut self.stream, max).await;
        };
        let chunk = tokio::select! {
            // What has come is given out even after the end.
            biased;
            chunk = read(&mut self.stream, max) => chunk?,
            () = within.life.ended.cancelled() => return Err(Ended::Conversation),
        };
        within.meter.count_received(chunk.as_ref().map_or(0, Bytes::len));
        Ok(chunk)
    }
}

async fn read(stream: &mut RecvStream, max: usize) -> Result<Option<Bytes>, Ended> {
    match stream.read_chunk(max, true).await {
        Ok(chunk) => Ok(chunk.map(|chunk| chunk.bytes)),
        Err(ReadError::ConnectionLost(error)) => Err(Ended::Connection(error)),
        Err(_) => Err(Ended::Reset),
    }
}

/// The two directions of a stream of a link that has its connection for itself.
pub(super) fn directions(send: SendStream, receive: RecvStream) -> (Sending, Receiving) {
    let sending = Sending { stream: send, finished: false, within: None };
    (sending, Receiving { stream: receive, within: None })
}

/// A stream of a link that has its connection for itself.
pub(in crate::net) fn halves(life: &Arc<Life>, send: SendStream, receive: RecvStream) -> (SendHalf, ReceiveHalf) {
    both(life, (send, receive), None)
}

/// A stream of a conversation that shares its connection.
pub(in crate::net) fn halves_within(
    within: &Arc<Within>,
    send: SendStream,
    receive: RecvStream,
) -> (SendHalf, ReceiveHalf) {
    both(&within.life, (send, receive), Some(within.clone()))
}

fn both(life: &Arc<Life>, stream: (SendStream, RecvStream), within: Option<Arc<Within>>) -> (SendHalf, ReceiveHalf) {
    let sending = Sending { stream: stream.0, finished: false, within: within.clone() };
    let receiving = Receiving { stream: stream.1, within };
    (SendHalf::quic(life.clone(), sending), ReceiveHalf::quic(life.clone(), receiving))
}
