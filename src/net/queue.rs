//! One direction of a stream within this process: a bounded queue of chunks that ends cleanly, or visibly not.
//!
//! The memory link is two of these a stream; the pipe's receiving side is one, with the bound kept by credit.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::life::Fault;

/// The least that a chunk counts for, so that many tiny chunks cannot take more memory than the bound says.
pub(super) const COST_MIN: usize = 512;

/// What a chunk of `length` bytes counts for.
pub(super) fn cost(length: usize) -> usize {
    length.max(COST_MIN)
}

/// How a stream ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    Finished,
    /// What follows comes elsewhere.
    Moved,
    Reset,
    Fault(Fault),
}

#[derive(Debug, Default)]
struct State {
    /// Each with the cost to give back once it is read to its end.
    chunks: VecDeque<(Bytes, usize)>,
    held: usize,
    end: Option<End>,
    stopped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

impl Shared {
    /// No code panics while it holds the lock, so a poisoned state is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side that fills a queue. Dropped before its end, it is a reset.
#[derive(Debug)]
pub(super) struct Producer {
    shared: Arc<Shared>,
    capacity: usize,
}

/// The side that empties a queue. Dropped, it stops the other side.
#[derive(Debug)]
pub(super) struct Consumer {
    shared: Arc<Shared>,
}

/// A queue that holds chunks of `capacity` in cost.
pub(super) fn queue(capacity: usize) -> (Producer, Consumer) {
    let shared = Arc::new(Shared::default());
    (Producer { shared: shared.clone(), capacity }, Consumer { shared })
}

/// The reader is gone.
#[derive(Debug)]
pub(super) struct Stopped;

/// The other side sent more than the bound allows.
#[derive(Debug)]
pub(super) struct Overflow;

impl Producer {
    /// Waits until there is room. A chunk above the capacity goes in alone.
    pub(super) async fn push(&self, chunk: Bytes) -> Result<(), Stopped> {
        if chunk.is_empty() {
            return Ok(());
        }
        let mut chunk = Some(chunk);
        poll_fn(|context| self.poll_push(context, &mut chunk)).await
    }

    fn poll_push(&self, context: &Context<'_>, chunk: &mut Option<Bytes>) -> Poll<Result<(), Stopped>> {
        let mut state = self.shared.lock();
        if state.stopped {
            return Poll::Ready(Err(Stopped));
        }
        let length = chunk.as_ref().map_or(0, Bytes::len);
        if state.held > 0 && state.held + cost(length) > self.capacity {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        if let Some(chunk) = chunk.take() {
            state.append(chunk);
        }
        Poll::Ready(Ok(()))
    }

    /// Does not wait: the other side keeps the bound, and breaks the protocol where it does not.
    pub(super) fn push_now(&self, chunk: Bytes) -> Result<(), Overflow> {
        let mut state = self.shared.lock();
        if state.stopped || state.end.is_some() {
            return Ok(());
        }
        if state.held + cost(chunk.len()) > self.capacity {
            return Err(Overflow);
        }
        state.append(chunk);
        Ok(())
    }

    /// The first end counts. A reset drops what was not read yet.
    pub(super) fn end(&self, end: End) {
        let mut state = self.shared.lock();
        if state.end.is_some() {
            return;
        }
        if matches!(end, End::Reset) {
            state.chunks.clear();
        }
        state.end = Some(end);
        state.wake_reader();
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.end(End::Reset);
    }
}

impl Consumer {
    /// The next chunk of at most `max` bytes, and the cost that it gave back; `None` at the clean end.
    pub(super) async fn pop(&mut self, max: usize) -> Result<Option<(Bytes, usize)>, End> {
        poll_fn(|context| self.shared.lock().poll_pop(context, max.max(1))).await
    }

    /// Whether the other side has ended it already.
    pub(super) fn has_ended(&self) -> bool {
        self.shared.lock().end.is_some()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        state.chunks.clear();
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
    }
}

impl State {
    fn append(&mut self, chunk: Bytes) {
        let cost = cost(chunk.len());
        self.held += cost;
        self.chunks.push_back((chunk, cost));
        self.wake_reader();
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn poll_pop(&mut self, context: &Context<'_>, max: usize) -> Poll<Result<Option<(Bytes, usize)>, End>> {
        if let Some((front, cost)) = self.chunks.front_mut() {
            if front.len() > max {
                return Poll::Ready(Ok(Some((front.split_to(max), 0))));
            }
            let (chunk, cost) = (std::mem::take(front), *cost);
            self.chunks.pop_front();
            self.held -= cost;
            if let Some(writer) = self.writer.take() {
                writer.wake();
            }
            return Poll::Ready(Ok(Some((chunk, cost))));
        }
        match &self.end {
            Some(End::Finished) => Poll::Ready(Ok(None)),
            Some(end) => Poll::Ready(Err(end.clone())),
            None => {
                self.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
