//! The receiving half of a stream, whatever carries it. A clean end, a reset and a lost peer are three different answers.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::error::{Cause, Error};
use super::lane::Lane;
use super::life::Life;
use super::pipe::Receiving;
use super::queue::{Consumer, End};
use super::quic;

/// What a frame's memory grows by at most before its bytes have come.
const GROWTH: usize = 64 << 10;

/// Receives the bytes of one direction of a stream. Dropped before the end, it stops the sender.
#[derive(Debug)]
pub struct ReceiveHalf {
    life: Arc<Life>,
    carried: Carried,
}

#[derive(Debug)]
enum Carried {
    Quic(quic::Receiving),
    Pipe(Receiving),
    /// On the pipe until the peer moves it.
    Control(Receiving, Arc<Lane>),
    Memory(Consumer),
}

impl ReceiveHalf {
    pub(super) fn quic(life: Arc<Life>, receiving: quic::Receiving) -> Self {
        Self { life, carried: Carried::Quic(receiving) }
    }

    pub(super) fn pipe(life: Arc<Life>, receiving: Receiving) -> Self {
        Self { life, carried: Carried::Pipe(receiving) }
    }

    /// The same half of a stream that moves to QUIC; only one on the pipe does.
    pub(super) fn moving(self, lane: Arc<Lane>) -> Self {
        let carried = match self.carried {
            Carried::Pipe(receiving) => Carried::Control(receiving, lane),
            carried => carried,
        };
        Self { life: self.life, carried }
    }

    pub(super) fn memory(life: Arc<Life>, consumer: Consumer) -> Self {
        Self { life, carried: Carried::Memory(consumer) }
    }

    /// The next bytes, at most `max`; `None` where the peer finished cleanly. Cancelling it loses nothing.
    pub async fn read_chunk(&mut self, max: usize) -> Result<Option<Bytes>, Error> {
        if let Carried::Control(receiving, lane) = &mut self.carried {
            match receiving.pop(max).await {
                Err(End::Moved) => {}
                popped => return popped.map_err(|end| self.ended(&end)),
            }
            let lane = Arc::clone(lane);
            let receiving = tokio::select! {
                receiving = lane.receiving() => receiving,
                () = self.life.ended.cancelled() => None,
            };
            self.carried = Carried::Quic(receiving.ok_or_else(|| self.life.error())?);
        }
        let popped = match &mut self.carried {
            Carried::Quic(receiving) => {
                return receiving.read(max).await.map_err(|ended| ended.error(&self.life));
            }
            Carried::Pipe(receiving) | Carried::Control(receiving, _) => receiving.pop(max).await,
            Carried::Memory(consumer) => consumer.pop(max).await.map(|popped| popped.map(|(chunk, _)| chunk)),
        };
        popped.map_err(|end| self.ended(&end))
    }

    fn ended(&self, end: &End) -> Error {
        match end {
            End::Fault(fault) => fault.error(&self.life.peer),
            End::Reset | End::Finished => Error::Reset { peer: self.life.peer.to_string() },
            End::Moved => self.violation("a stream moved that is not the first"),
        }
    }

    /// Fills `buffer`. A stream that ends before is a violation.
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        let wanted = buffer.len();
        if self.fill(buffer).await? == wanted { Ok(()) } else { Err(self.short()) }
    }

    /// How much of `buffer` could be filled before the clean end.
    async fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(chunk) = self.read_chunk(buffer.len() - filled).await? else {
                break;
            };
            buffer[filled..filled + chunk.len()].copy_from_slice(&chunk);
            filled += chunk.len();
        }
        Ok(filled)
    }

    fn short(&self) -> Error {
        self.violation("a stream ended in the middle of a message")
    }

    fn violation(&self, what: &str) -> Error {
        Error::Violation { peer: self.life.peer.to_string(), source: Cause(what.to_owned()) }
    }
}

/// Receives one frame as [`super::send_frame`] sent it; `None` at the clean end. A frame above `limit` bytes is a violation, and
/// memory is taken as its bytes come, not as its length says.
pub async fn receive_frame(half: &mut ReceiveHalf, limit: usize) -> Result<Option<Bytes>, Error> {
    let mut header = [0; 4];
    match half.fill(&mut header).await? {
        0 => return Ok(None),
        4 => {}
        _ => return Err(half.short()),
    }
    let length = u32::from_le_bytes(header) as usize;
    if length > limit {
        return Err(half.violation(&format!("a message of {length} bytes is above the limit of {limit}")));
    }
    if length == 0 {
        return Ok(Some(Bytes::new()));
    }
    let first = half.read_chunk(length).await?.ok_or_else(|| half.short())?;
    if first.len() == length {
        return Ok(Some(first));
    }
    let mut frame = BytesMut::with_capacity(length.min(first.len() + GROWTH));
    frame.extend_from_slice(&first);
    while frame.len() < length {
        let chunk = half.read_chunk(length - frame.len()).await?.ok_or_else(|| half.short())?;
        frame.extend_from_slice(&chunk);
    }
    Ok(Some(frame.freeze()))
}
