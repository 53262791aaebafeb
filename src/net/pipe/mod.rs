//! Many streams over one pair of byte pipes, for where UDP is blocked. Each direction of a stream ends cleanly or as a reset; credit
//! bounds what a side holds for the other; silence ends the link.
//!
//! Ours instead of a ready-made session layer, because in those a reset reads as a clean end, and one direction of a stream cannot
//! be given up alone. Start at [`Pipe`].

mod reader;
mod streams;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, Semaphore, mpsc};

use super::life::{Life, Meter};
use super::queue::Consumer;
use super::wire::{DATA_MAX, Frame};
use streams::Streams;

/// Streams that one side may have open at a time.
pub(super) const STREAMS_MAX: usize = 512;
/// What one direction of a stream may hold for its reader: 5 MB/s at 100 ms. All that a side opens may hold 256 MiB.
const WINDOW: usize = 512 << 10;
/// Data that waits for the pipe, of all streams together.
const OUTBOX_MAX: usize = 512 << 10;
/// Frames without data that may wait for the pipe. They answer the peer's, so only a peer that floods and never reads gets here.
const CONTROL_MAX: usize = 100_000;

/// Which side of the pipe this is; their streams have odd and even numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// A stream that the peer opened.
pub(super) type Arrived = (Sending, Receiving);

/// One session over one pair of pipes.
#[derive(Debug, Clone)]
pub(super) struct Pipe(Arc<Session>);

#[derive(Debug)]
struct Session {
    life: Arc<Life>,
    outbox: mpsc::UnboundedSender<Frame>,
    waiting: Arc<Waiting>,
    /// Streams that we may still open.
    slots: Semaphore,
    streams: Streams,
    rtt_us: AtomicU64,
    started: Instant,
}

/// What waits for the pipe.
#[derive(Debug)]
struct Waiting {
    /// Frames without data.
    control: AtomicU64,
    /// Room for data.
    room: Semaphore,
    written: Notify,
}

impl Waiting {
    fn written(&self, control: u64, room: usize) {
        self.control.fetch_sub(control, Ordering::Relaxed);
        self.room.add_permits(room);
        self.written.notify_waiters();
    }

    fn is_empty(&self) -> bool {
        self.control.load(Ordering::Relaxed) == 0 && self.room.available_permits() == OUTBOX_MAX
    }
}

/// How a session starts.
pub(super) struct Start<R, W> {
    pub(super) side: Side,
    pub(super) reader: R,
    /// What was read already and belongs to the session.
    pub(super) read: BytesMut,
    pub(super) writer: W,
    pub(super) life: Arc<Life>,
    pub(super) meter: Arc<Meter>,
    /// What to say when the pipe closes.
    pub(super) closed: Box<dyn Fn() -> String + Send + Sync>,
}

impl Pipe {
    /// Starts the session's two tasks; `arrived` takes the streams that the peer opens.
    pub(super) fn start<R, W>(start: Start<R, W>, arrived: impl Fn(Arrived) -> bool + Send + 'static) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (outbox, frames) = mpsc::unbounded_channel();
        let started = Instant::now();
        let room = Semaphore::new(OUTBOX_MAX);
        let waiting = Arc::new(Waiting { control: AtomicU64::new(0), room, written: Notify::new() });
        let session = Arc::new(Session {
            life: start.life.clone(),
            outbox,
            waiting: waiting.clone(),
            slots: Semaphore::new(STREAMS_MAX),
            streams: Streams::new(start.side),
            rtt_us: AtomicU64::new(u64::MAX),
            started,
        });
        let writing =
            writer::Writing { frames, waiting, started, life: start.life.clone(), meter: start.meter.clone() };
        tokio::spawn(writing.run(start.writer, start.life.timeout / 3));
        let reading = reader::Reading { session: session.clone(), meter: start.meter, closed: start.closed };
        tokio::spawn(reading.run(start.reader, start.read, arrived));
        Self(session)
    }

    /// A new stream. Waits where the peer holds all the slots; ends with the link.
    pub(super) async fn open(&self) -> Option<Arrived> {
        let permit = tokio::select! {
            permit = self.0.slots.acquire() => permit.ok()?,
            () = self.0.life.ended.cancelled() => return None,
        };
        permit.forget();
        self.0.open()
    }

    pub(super) fn ping(&self) {
        self.0.post(Frame::Ping(self.0.now()));
    }

    /// Tells the peer that we want nothing more.
    pub(super) fn bye(&self) {
        self.0.post(Frame::Bye);
    }

    /// Waits until the pipe has taken everything, or the link has ended.
    pub(super) async fn flush(&self) {
        let waiting = &self.0.waiting;
        loop {
            let written = waiting.written.notified();
            if waiting.is_empty() {
                return;
            }
            tokio::select! {
                () = written => {}
                () = self.0.life.ended.cancelled() => return,
            }
        }
    }

    /// The last measured round trip of the pipe.
    pub(super) fn rtt(&self) -> Option<Duration> {
        let rtt_us = self.0.rtt_us.load(Ordering::Relaxed);
        (rtt_us != u64::MAX).then(|| Duration::from_micros(rtt_us))
    }
}

impl Session {
    /// Microseconds since the session began; wraps after 71 minutes, which is far above any round trip.
    fn now(&self) -> u32 {
        self.started.elapsed().as_micros() as u32
    }

    /// Sends a frame without data. Never waits.
    fn post(&self, frame: Frame) {
        self.waiting.control.fetch_add(1, Ordering::Relaxed);
        // A closed outbox means that the link has ended: nobody reads the frame.
        let _ = self.outbox.send(frame);
    }

    fn flooded(&self) -> bool {
        self.waiting.control.load(Ordering::Relaxed) > CONTROL_MAX as u64
    }

    fn open(self: &Arc<Self>) -> Option<Arrived> {
        let (id, credit, consumer) = self.streams.open(|id| self.post(Frame::Open(id)))?;
        Some(self.halves(id, credit, consumer))
    }

    fn halves(self: &Arc<Self>, id: u32, credit: Arc<Semaphore>, consumer: Consumer) -> Arrived {
        let held = Arc::new(Held { id, session: self.clone() });
        (Sending { held: held.clone(), credit, done: false }, Receiving { held, consumer, owed: 0 })
    }
}

/// Keeps a stream in the session as long as one of its halves lives.
#[derive(Debug)]
struct Held {
    id: u32,
    session: Arc<Session>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.session.streams.remove(self.id) {
            self.session.post(Frame::Gone(self.id));
        }
    }
}

/// The peer wants no more of the stream, or the link has ended.
#[derive(Debug)]
pub(super) struct Unwanted;

/// The sending direction of a stream. Dropped before [`Self::finish`], it is a reset.
#[derive(Debug)]
pub(super) struct Sending {
    held: Arc<Held>,
    credit: Arc<Semaphore>,
    done: bool,
}

impl Sending {
    /// Sends all of `chunk`, as the peer gives credit and the pipe takes it.
    pub(super) async fn send(&mut self, mut chunk: Bytes) -> Result<(), Unwanted> {
        let session = &self.held.session;
        while !chunk.is_empty() {
            let piece = chunk.split_to(chunk.len().min(DATA_MAX));
            let cost = super::queue::cost(piece.len()) as u32;
            self.credit.acquire_many(cost).await.map_err(|_| Unwanted)?.forget();
            // Given back by the writer, frame by frame, at the same cost.
            session.waiting.room.acquire_many(cost).await.map_err(|_| Unwanted)?.forget();
            session.outbox.send(Frame::Data(self.held.id, piece)).map_err(|_| Unwanted)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) {
        self.done = true;
        self.held.session.post(Frame::Finish(self.held.id));
    }

    /// Ends the direction here: it goes on in the first stream of QUIC.
    pub(super) fn moved(mut self) {
        self.done = true;
        self.held.session.post(Frame::Moved(self.held.id));
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.done {
            self.held.session.post(Frame::Reset(self.held.id));
        }
    }
}

/// The receiving direction of a stream. Dropped before its end, it stops the sender.
#[derive(Debug)]
pub(super) struct Receiving {
    held: Arc<Held>,
    consumer: Consumer,
    /// What was read and not yet given back as credit.
    owed: usize,
}

impl Receiving {
    pub(super) async fn pop(&mut self, max: usize) -> Result<Option<Bytes>, super::queue::End> {
        let Some((chunk, cost)) = self.consumer.pop(max).await? else {
            return Ok(None);
        };
        self.owed += cost;
        // Half a window at a time: one small frame for every 256 KiB.
        if self.owed >= WINDOW / 2 {
            self.held.session.post(Frame::Credit(self.held.id, self.owed as u32));
            self.owed = 0;
        }
        Ok(Some(chunk))
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if !self.consumer.has_ended() {
            self.held.session.post(Frame::Stop(self.held.id));
        }
    }
}
