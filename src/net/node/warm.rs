//! One connection to a peer, kept: gives each stream to its conversation and each datagram to the reader, and sees to it that a
//! peer that owes us something is still there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use tokio::sync::{Notify, mpsc};

use super::converse::hear;
use super::event::{Asked, Event, Why};
use super::greet::Greeting;
use super::key::PublicKey;
use super::settings::{CONVERSATION_SILENCE, CONVERSATIONS_MAX, EVENTS_FREE, HANDSHAKE, PATIENCE, WATCH};
use crate::net::Error;
use crate::net::life::{Fault, Life, Meter};
use crate::net::link::{ARRIVED_MAX, Halves};
use crate::net::pace::Throttle;
use crate::net::quic::streams::{Within, halves, halves_within};
use crate::net::quic::{Farewell, fault};

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Begins a conversation.
    Ask(u32),
    /// Belongs to one.
    Stream(u32),
}

impl Kind {
    pub(super) fn header(self) -> [u8; 5] {
        let (kind, id) = match self {
            Self::Ask(id) => (0, id),
            Self::Stream(id) => (1, id),
        };
        let [a, b, c, d] = id.to_le_bytes();
        [kind, a, b, c, d]
    }

    fn parse([kind, id @ ..]: [u8; 5]) -> Option<Self> {
        let id = u32::from_le_bytes(id);
        match kind {
            0 => Some(Self::Ask(id)),
            1 => Some(Self::Stream(id)),
            _ => None,
        }
    }
}

/// Who dialled a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialled {
    ByUs,
    ByThem,
}

/// A connection whose peer is let in and has greeted us.
#[derive(Debug)]
pub(super) struct Warm {
    pub(super) connection: quinn::Connection,
    pub(super) peer: PublicKey,
    pub(super) dialled: Dialled,
    pub(super) theirs: Greeting,
    /// Whether the peer is on this machine.
    pub(super) local: bool,
    pub(super) since: Instant,
    life: Arc<Life>,
    throttle: Arc<Throttle>,
    open: Mutex<HashMap<u32, Open>>,
    next: AtomicU32,
    /// A conversation has begun.
    begun: Notify,
    farewell: OnceLock<Farewell>,
    /// How long nothing was heard of the peer, where we gave it up for that.
    quiet: OnceLock<Duration>,
}

/// A conversation that is open.
#[derive(Debug)]
struct Open {
    within: Arc<Within>,
    arrivals: mpsc::Sender<Halves>,
    /// What it had moved when it was last looked at, and since when that has been all.
    moved: u64,
    since: Instant,
}

/// What a connection is made of.
pub(super) struct Made {
    pub(super) connection: quinn::Connection,
    pub(super) peer: PublicKey,
    pub(super) dialled: Dialled,
    pub(super) theirs: Greeting,
    pub(super) local: bool,
    pub(super) silence: Duration,
    /// What may be sent to all peers together.
    pub(super) throttle: Arc<Throttle>,
}

impl Warm {
    pub(super) fn new(made: Made) -> Arc<Self> {
        let first = match made.dialled {
            Dialled::ByUs => 0,
            Dialled::ByThem => 1,
        };
        Arc::new(Self {
            connection: made.connection,
            peer: made.peer,
            dialled: made.dialled,
            theirs: made.theirs,
            local: made.local,
            since: Instant::now(),
            life: Life::new(&made.peer.short(), made.silence),
            throttle: made.throttle,
            open: Mutex::default(),
            next: AtomicU32::new(first),
            begun: Notify::new(),
            farewell: OnceLock::new(),
            quiet: OnceLock::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_id(&self) -> u32 {
        self.next.fetch_add(2, Ordering::Relaxed)
    }

    fn is_ours(&self, id: u32) -> bool {
        id % 2 == self.next.load(Ordering::Relaxed) % 2
    }

    pub(super) fn conversations(&self) -> usize {
        self.lock().len()
    }

    /// Why nothing can be asked of this connection.
    pub(super) fn error(&self) -> Error {
        self.life.error()
    }

    /// Takes a place for a conversation; `None` where the connection has ended, the number is taken, or the peer has too many.
    pub(super) fn enter(&self, id: u32) -> Option<(Arc<Within>, mpsc::Receiver<Halves>)> {
        let mut open = self.lock();
        let theirs = open.keys().filter(|id| !self.is_ours(**id)).count();
        let full = !self.is_ours(id) && theirs >= CONVERSATIONS_MAX;
        if full || open.contains_key(&id) || self.life.ended.is_cancelled() {
            return None;
        }
        let (arrivals, arrived) = mpsc::channel(ARRIVED_MAX);
        let life = Life::sharing(&self.life.peer, self.life.timeout, &self.throttle);
        let within = Arc::new(Within { life, meter: Arc::new(Meter::default()) });
        open.insert(id, Open { within: within.clone(), arrivals, moved: 0, since: Instant::now() });
        self.begun.notify_one();
        Some((within, arrived))
    }

    pub(super) fn leave(&self, id: u32) {
        self.lock().remove(&id);
    }

    /// A new stream, of which nothing is written yet. `None` where the connection has ended.
    pub(super) async fn open(&self, life: &Life) -> Option<(SendStream, RecvStream)> {
        tokio::select! {
            opened = tokio::time::timeout(life.timeout, self.connection.open_bi()) => opened.ok()?.ok(),
            () = life.ended.cancelled() => None,
        }
    }

    /// Sends a datagram, where it fits and the connection takes it.
    pub(super) fn tell(&self, datagram: Bytes) -> bool {
        let fits = self.connection.max_datagram_size().is_some_and(|max| datagram.len() <= max);
        fits && self.connection.send_datagram(datagram).is_ok()
    }

    /// Closes the connection.
    pub(super) fn part(&self, farewell: Farewell) {
        // The first reason counts.
        let _ = self.farewell.set(farewell);
        self.connection.close(farewell.code(), b"");
    }

    /// How the connection ended: for whoever runs the node, and for the conversations on it.
    fn ending(&self) -> (Why, Fault) {
        match (self.farewell.get(), self.connection.close_reason()) {
            (Some(Farewell::Unheard), _) => {
                let quiet = self.quiet.get().copied().unwrap_or(PATIENCE);
                (Why::Silent(quiet), Fault::TimedOut(quiet))
            }
            (Some(Farewell::Forgotten), _) => (Why::Forgotten, Fault::Lost("it is not let in any more".to_owned())),
            (_, Some(error)) => (Why::of(&error, self.life.timeout), fault(&error, self.life.timeout)),
            (_, None) => (Why::Lost("the connection was closed".to_owned()), Fault::Closed),
        }
    }

    /// Serves the connection until it ends; then all its conversations have ended too. How it ended.
    pub(super) async fn run(self: &Arc<Self>, events: &mpsc::Sender<Event>) -> Why {
        tokio::select! {
            _ = self.connection.closed() => {}
            () = self.take_streams(events) => {}
            () = self.take_datagrams(events) => {}
            () = self.watch() => {}
        }
        // Asked first: closing it would be its end then.
        let (why, fault) = self.ending();
        self.part(Farewell::Done);
        let mut open = self.lock();
        self.life.end(fault.clone());
        for (_, conversation) in open.drain() {
            conversation.within.life.end(fault.clone());
        }
        why
    }

    async fn take_streams(self: &Arc<Self>, events: &mpsc::Sender<Event>) {
        while let Ok((send, receive)) = self.connection.accept_bi().await {
            // A stream of its own task: a peer that begins one and says nothing holds up nobody but itself.
            tokio::spawn(self.clone().take(send, receive, events.clone()));
        }
    }

    async fn take(self: Arc<Self>, send: SendStream, mut receive: RecvStream, events: mpsc::Sender<Event>) {
        let mut header = [0; 5];
        let read = tokio::time::timeout(HANDSHAKE, receive.read_exact(&mut header)).await;
        if !matches!(read, Ok(Ok(()))) {
            drop(halves(&self.life, send, receive));
            return;
        }
        match Kind::parse(header) {
            Some(Kind::Stream(id)) => self.give(id, send, receive),
            Some(Kind::Ask(id)) if !self.is_ours(id) => {
                let _ = send.set_priority(1);
                let halves = halves(&self.life, send, receive);
                if let Some((request, pending)) = hear(&self, id, halves).await {
                    // Nobody listens to a node that is closed.
                    let _ = events.send(Event::Asked(Asked { peer: self.peer, request, pending })).await;
                }
            }
            _ => self.part(Farewell::Violation),
        }
    }

    /// A stream of a conversation that has ended meanwhile is reset.
    fn give(&self, id: u32, send: SendStream, receive: RecvStream) {
        let open = self.lock();
        match open.get(&id) {
            Some(conversation) => {
                let halves = halves_within(&conversation.within, send, receive);
                // There is room for all that the connection allows.
                let _ = conversation.arrivals.try_send(halves);
            }
            None => drop(halves(&self.life, send, receive)),
        }
    }

    async fn take_datagrams(&self, events: &mpsc::Sender<Event>) {
        while let Ok(datagram) = self.connection.read_datagram().await {
            // An empty one only asks for a sign of life. One that finds no room is lost, as any may be.
            if !datagram.is_empty() && events.capacity() > EVENTS_FREE {
                let _ = events.try_send(Event::Told { peer: self.peer, datagram });
            }
        }
    }

    /// Ends where the peer is not heard: soon where we wait for it, else shortly before the connection would end without a word.
    /// The peer may hear us still, and learns so which way is cut.
    async fn watch(&self) {
        let mut heard = (self.packets(), Instant::now());
        loop {
            let busy = self.conversations() > 0;
            let patience = self.patience(busy);
            tokio::select! {
                () = tokio::time::sleep((patience / 10).min(WATCH)) => {}
                // What was not heard before nobody waited says nothing.
                () = self.begun.notified(), if !busy => heard.1 = Instant::now(),
            }
            let (packets, quiet) = (self.packets(), heard.1.elapsed());
            if packets != heard.0 {
                heard = (packets, Instant::now());
            } else if quiet >= patience {
                // Asked once a connection.
                let _ = self.quiet.set(quiet);
                return self.part(Farewell::Unheard);
            // Early and often: the other side, which hears this, shall not give up for want of it before we do.
            } else if quiet >= patience / 3 {
                self.tell(Bytes::new());
            }
            self.end_silent_ones();
        }
    }

    /// How long we wait for a sign of life.
    fn patience(&self, busy: bool) -> Duration {
        let idle = self.life.timeout * 5 / 6;
        if busy { idle.min(PATIENCE) } else { idle }
    }

    fn packets(&self) -> u64 {
        self.connection.stats().udp_rx.datagrams
    }

    fn end_silent_ones(&self) {
        for open in self.lock().values_mut() {
            let moved = open.within.meter.sent() + open.within.meter.received();
            if moved != open.moved {
                (open.moved, open.since) = (moved, Instant::now());
            } else if open.since.elapsed() >= CONVERSATION_SILENCE {
                open.within.life.end(Fault::TimedOut(CONVERSATION_SILENCE));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_nothing_else_is_one() {
        for kind in [Kind::Ask(0), Kind::Stream(7), Kind::Stream(u32::MAX)] {
            assert_eq!(Kind::parse(kind.header()), Some(kind));
        }
        assert_eq!(Kind::parse([2, 0, 0, 0, 0]), None);
    }
}
