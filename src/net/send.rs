//! The sending half of a stream, whatever carries it. Dropped without [`SendHalf::finish`], the peer sees a reset, never a clean end.

use std::sync::Arc;

use bytes::Bytes;

use super::error::Error;
use super::lane::Lane;
use super::life::{Fault, Life};
use super::pipe::Sending;
use super::queue::{End, Producer};
use super::quic;

/// Sends the bytes of one direction of a stream.
#[derive(Debug)]
pub struct SendHalf {
    life: Arc<Life>,
    carried: Carried,
}

#[derive(Debug)]
enum Carried {
    Quic(quic::Sending),
    Pipe(Sending),
    /// On the pipe until QUIC is up.
    Control(Sending, Arc<Lane>),
    Memory(Producer),
}

impl SendHalf {
    pub(super) fn quic(life: Arc<Life>, sending: quic::Sending) -> Self {
        Self { life, carried: Carried::Quic(sending) }
    }

    pub(super) fn pipe(life: Arc<Life>, sending: Sending) -> Self {
        Self { life, carried: Carried::Pipe(sending) }
    }

    /// The same half of a stream that moves to QUIC; only one on the pipe does.
    pub(super) fn moving(self, lane: Arc<Lane>) -> Self {
        let carried = match self.carried {
            Carried::Pipe(sending) => Carried::Control(sending, lane),
            carried => carried,
        };
        Self { life: self.life, carried }
    }

    pub(super) fn memory(life: Arc<Life>, producer: Producer) -> Self {
        Self { life, carried: Carried::Memory(producer) }
    }

    /// Sends all of `bytes`; waits where the peer does not read. They are copied: see [`Self::write_chunks`].
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match &mut self.carried {
            Carried::Quic(sending) if self.life.throttle().is_none() => {
                sending.write(bytes).await.map_err(|ended| ended.error(&self.life))
            }
            Carried::Quic(_) | Carried::Pipe(_) | Carried::Control(..) | Carried::Memory(_) => {
                self.write_chunk(Bytes::copy_from_slice(bytes)).await
            }
        }
    }

    /// Sends all of `chunks` without copying them, and leaves them empty.
    pub async fn write_chunks(&mut self, chunks: &mut [Bytes]) -> Result<(), Error> {
        if let (Carried::Quic(sending), None) = (&mut self.carried, self.life.throttle()) {
            return sending.write_chunks(chunks).await.map_err(|ended| ended.error(&self.life));
        }
        for chunk in chunks {
            self.write_chunk(std::mem::take(chunk)).await?;
        }
        Ok(())
    }

    /// Moves to QUIC where that is up by now.
    fn follow(&mut self) {
        let Carried::Control(_, lane) = &self.carried else { return };
        let Some(sending) = lane.sending() else { return };
        if let Carried::Control(before, _) = std::mem::replace(&mut self.carried, Carried::Quic(sending)) {
            before.moved();
        }
    }

    /// Where the user limits the link, piece by piece, as the limit allows.
    async fn write_chunk(&mut self, mut chunk: Bytes) -> Result<(), Error> {
        let life = Arc::clone(&self.life);
        let Some(throttle) = life.throttle() else { return self.write_piece(chunk).await };
        while !chunk.is_empty() {
            let piece = chunk.split_to(chunk.len().min(throttle.piece()));
            throttle.take(piece.len()).await;
            self.write_piece(piece).await?;
        }
        Ok(())
    }

    async fn write_piece(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.follow();
        let unwanted = match &mut self.carried {
            Carried::Quic(sending) => {
                return sending.write_chunks(&mut [chunk]).await.map_err(|ended| ended.error(&self.life));
            }
            Carried::Pipe(sending) | Carried::Control(sending, _) => sending.send(chunk).await.is_err(),
            Carried::Memory(producer) => producer.push(chunk).await.is_err(),
        };
        if unwanted { Err(self.unwanted()) } else { Ok(()) }
    }

    /// Ends the direction cleanly: the peer reads all of it and then its end. Does not wait for the peer.
    // Async and fallible as part of the contract: another carrier may have to wait here.
    #[allow(clippy::unused_async)]
    pub async fn finish(self) -> Result<(), Error> {
        match self.carried {
            Carried::Quic(sending) => return sending.finish().map_err(|ended| ended.error(&self.life)),
            Carried::Pipe(sending) | Carried::Control(sending, _) => sending.finish(),
            Carried::Memory(producer) => producer.end(End::Finished),
        }
        Ok(())
    }

    fn unwanted(&self) -> Error {
        if self.life.ended.is_cancelled() {
            return self.life.error();
        }
        Error::Stopped { peer: self.life.peer.to_string() }
    }
}

/// Sends one frame: its length in four bytes, then its bytes.
pub async fn send_frame(half: &mut SendHalf, frame: &[u8]) -> Result<(), Error> {
    let Ok(length) = u32::try_from(frame.len()) else {
        let fault = Fault::Violation("a frame of 4 GiB was to be sent".to_owned());
        return Err(fault.error(&half.life.peer));
    };
    let mut bytes = Vec::with_capacity(4 + frame.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(frame);
    half.write_chunk(bytes.into()).await
}
