//! The task that writes the pipe: many frames a system call, and a ping where there was nothing to say.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::super::life::{Fault, Life, Meter};
use super::super::queue::cost;
use super::super::wire::{Frame, HEADER};
use super::Waiting;

/// Frames that are written together.
const BATCH: usize = 64;
/// Data below this is copied behind its header; above, it is written from where it is.
const COPY_MAX: usize = 2048;

pub(super) struct Writing {
    pub(super) frames: mpsc::UnboundedReceiver<Frame>,
    pub(super) waiting: Arc<Waiting>,
    pub(super) started: Instant,
    pub(super) life: Arc<Life>,
    pub(super) meter: Arc<Meter>,
}

impl Writing {
    pub(super) async fn run<W: AsyncWrite + Unpin>(mut self, mut writer: W, quiet: Duration) {
        let ended = self.life.ended.clone();
        tokio::select! {
            written = self.write(&mut writer, quiet) => {
                if let Err(error) = written {
                    self.life.end(Fault::Lost(error.to_string()));
                }
            }
            () = ended.cancelled() => {}
        }
    }

    async fn write<W: AsyncWrite + Unpin>(&mut self, writer: &mut W, quiet: Duration) -> std::io::Result<()> {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            match tokio::time::timeout(quiet, self.frames.recv_many(&mut batch, BATCH)).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(_) => {
                    self.waiting.control.fetch_add(1, Ordering::Relaxed);
                    batch.push(Frame::Ping(self.started.elapsed().as_micros() as u32));
                }
            }
            let (mut pieces, mut control, mut room) = (Pieces::default(), 0, 0);
            for frame in batch.drain(..) {
                match &frame {
                    Frame::Data(_, data) => room += cost(data.len()),
                    _ => control += 1,
                }
                pieces.append(frame);
            }
            pieces.seal();
            self.meter.count_sent(pieces.remaining());
            writer.write_all_buf(&mut pieces).await?;
            writer.flush().await?;
            self.waiting.written(control, room);
        }
    }
}

/// Headers and data in the order of the wire.
#[derive(Debug, Default)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    head: BytesMut,
    remaining: usize,
}

impl Pieces {
    fn append(&mut self, frame: Frame) {
        self.head.extend_from_slice(&frame.header());
        self.remaining += HEADER;
        if let Frame::Data(_, data) = frame {
            self.remaining += data.len();
            if data.len() <= COPY_MAX {
                self.head.extend_from_slice(&data);
            } else {
                self.seal();
                self.pieces.push_back(data);
            }
        }
    }

    fn seal(&mut self) {
        if !self.head.is_empty() {
            self.pieces.push_back(self.head.split().freeze());
        }
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        self.remaining -= count;
        while let Some(front) = self.pieces.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.pieces.pop_front();
        }
    }
}
