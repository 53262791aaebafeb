//! The one kind of link: streams both ways, whatever carries them. Every wait in it ends, at the latest with the time-out.

use std::sync::Arc;
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::{Mutex, mpsc};

use super::choice::Choice;
use super::error::Error;
use super::life::{Fault, Life, Meter};
use super::node::Conversation;
use super::pipe::{self, Pipe};
use super::queue::queue;
use super::quic::{self, Quic};
use super::receive::ReceiveHalf;
use super::send::SendHalf;

/// A stream: what we send and what we receive.
pub(super) type Halves = (SendHalf, ReceiveHalf);

/// Streams that wait to be accepted: all that the pipe allows and all that QUIC allows.
pub(super) const ARRIVED_MAX: usize = pipe::STREAMS_MAX + quic::STREAMS_MAX as usize + 1;
/// What one direction of a stream within this process holds for its reader.
const MEMORY_WINDOW: usize = 1 << 20;
/// How long a stream may be under way, at least, after the peer's farewell.
const OVERTAKEN: Duration = Duration::from_millis(100);
/// How long an in-process link waits for the other side.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(30);

/// What carries a link's next stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// A QUIC connection.
    Quic,
    /// The byte pipe of ssh.
    Pipe,
    /// This process.
    Memory,
}

/// What a link has moved so far, in bytes: UDP payloads, and what went through the pipe, the bootstrap included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// To the peer.
    pub sent: u64,
    /// From the peer.
    pub received: u64,
}

/// A link to a peer. Clones are the same link; when the last is dropped, the link ends, and its streams with it.
#[derive(Debug, Clone)]
pub struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    life: Arc<Life>,
    carriers: Carriers,
    arrived: Mutex<mpsc::Receiver<Halves>>,
    meter: Arc<Meter>,
    loopback: bool,
    /// Killed with the link.
    _child: Option<Child>,
}

#[derive(Debug)]
enum Carriers {
    Memory {
        theirs: mpsc::Sender<Halves>,
        their_life: Arc<Life>,
    },
    Wire {
        pipe: Pipe,
        /// The connection that carries the streams, once there is one.
        choice: Arc<Choice>,
    },
    /// One of several conversations on a connection.
    Shared(Conversation),
}

/// What a link over a pipe is made of.
pub(super) struct Wire {
    pub(super) life: Arc<Life>,
    pub(super) pipe: Pipe,
    pub(super) choice: Arc<Choice>,
    pub(super) arrived: mpsc::Receiver<Halves>,
    pub(super) meter: Arc<Meter>,
    pub(super) loopback: bool,
    pub(super) child: Option<Child>,
}

impl Link {
    pub(super) fn wire(wire: Wire) -> Self {
        Self(Arc::new(Inner {
            life: wire.life,
            carriers: Carriers::Wire { pipe: wire.pipe, choice: wire.choice },
            arrived: Mutex::new(wire.arrived),
            meter: wire.meter,
            loopback: wire.loopback,
            _child: wire.child,
        }))
    }

    /// A link on a connection that others share. It ends with the connection, which goes on without it.
    pub(super) fn shared(conversation: Conversation, arrived: mpsc::Receiver<Halves>) -> Self {
        let (life, meter) = (conversation.life().clone(), conversation.meter().clone());
        let loopback = conversation.is_loopback();
        let (carriers, arrived) = (Carriers::Shared(conversation), Mutex::new(arrived));
        Self(Arc::new(Inner { life, carriers, arrived, meter, loopback, _child: None }))
    }

    /// The two ends of a link within this process.
    pub fn memory() -> (Self, Self) {
        let (left, right) = (Life::new("the other root", MEMORY_TIMEOUT), Life::new("the other root", MEMORY_TIMEOUT));
        let (to_left, at_left) = mpsc::channel(ARRIVED_MAX);
        let (to_right, at_right) = mpsc::channel(ARRIVED_MAX);
        let end = |life: &Arc<Life>, their_life: &Arc<Life>, theirs, arrived| {
            Self(Arc::new(Inner {
                life: life.clone(),
                carriers: Carriers::Memory { theirs, their_life: their_life.clone() },
                arrived: Mutex::new(arrived),
                meter: Arc::default(),
                loopback: true,
                _child: None,
            }))
        };
        (end(&left, &right, to_right, at_left), end(&right, &left, to_left, at_right))
    }

    /// A new stream. QUIC carries it where it is up or comes up soon, else the pipe. Fails when the link has ended, or after the
    /// time-out where the peer leaves all its slots taken.
    pub async fn open(&self) -> Result<Halves, Error> {
        self.opened(self.0.open()).await
    }

    /// The stream of a conversation, to be opened once and first of all: it waits for no QUIC, but begins on the pipe and goes on
    /// with QUIC when that is up.
    pub async fn open_control(&self) -> Result<Halves, Error> {
        Ok(self.0.moving(self.opened(self.0.open_control()).await?))
    }

    /// The stream that the peer opened with [`Self::open_control`].
    pub async fn accept_control(&self) -> Result<Halves, Error> {
        Ok(self.0.moving(self.accept().await?))
    }

    async fn opened(&self, opening: impl Future<Output = Option<Halves>>) -> Result<Halves, Error> {
        let life = &self.0.life;
        tokio::select! {
            biased;
            () = life.ended.cancelled() => Err(life.error()),
            opened = tokio::time::timeout(life.timeout, opening) => match opened {
                Ok(opened) => opened.ok_or_else(|| life.error()),
                Err(_) => Err(Error::TimedOut { peer: life.peer.to_string(), after: life.timeout }),
            },
        }
    }

    /// Waits until it is known what carries the streams: until QUIC is up, or was waited for long enough.
    pub async fn settled(&self) {
        if let Carriers::Wire { pipe, choice } = &self.0.carriers {
            tokio::select! {
                () = choice.settle(|| pipe.rtt()) => {}
                () = self.0.life.ended.cancelled() => {}
            }
        }
    }

    /// Whether UDP does not reach the peer, so that all goes through the pipe; `None` where that is not known yet.
    pub fn is_udp_blocked(&self) -> Option<bool> {
        match &self.0.carriers {
            Carriers::Wire { pipe, choice } => choice.is_missing(pipe.rtt()),
            Carriers::Memory { .. } | Carriers::Shared(_) => Some(false),
        }
    }

    /// The next stream that the peer opens. Waits as long as the link lives: a peer may have nothing to say for a while, and one that
    /// is gone ends the link. [`Error::Closed`] where the peer has called [`Self::close`] and no stream of it is left.
    pub async fn accept(&self) -> Result<Halves, Error> {
        let inner = &*self.0;
        let mut arrived = inner.arrived.lock().await;
        tokio::select! {
            biased;
            Some(halves) = arrived.recv() => Ok(halves),
            () = inner.life.ended.cancelled() => Err(inner.life.error()),
            () = inner.last_stream() => Err(Error::Closed { peer: inner.life.peer.to_string() }),
        }
    }

    /// What the link has moved. Nothing, where it is within this process; the bytes of its own streams, where it shares a connection.
    pub fn bytes(&self) -> Traffic {
        Traffic { sent: self.0.meter.sent(), received: self.0.meter.received() }
    }

    /// What carries the next stream that this side opens.
    pub fn kind(&self) -> Carrier {
        match &self.0.carriers {
            Carriers::Memory { .. } => Carrier::Memory,
            Carriers::Shared(_) => Carrier::Quic,
            Carriers::Wire { choice, .. } if choice.quic().is_some() => Carrier::Quic,
            Carriers::Wire { .. } => Carrier::Pipe,
        }
    }

    /// Whether both ends are on one machine.
    pub fn is_loopback(&self) -> bool {
        self.0.loopback
    }

    /// The round trip of what carries the link; zero within this process, and where it was not measured yet.
    pub fn rtt(&self) -> Duration {
        match &self.0.carriers {
            Carriers::Memory { .. } => Duration::ZERO,
            Carriers::Shared(conversation) => conversation.rtt(),
            Carriers::Wire { pipe, choice } => choice.quic().map_or_else(|| pipe.rtt().unwrap_or_default(), Quic::rtt),
        }
    }

    /// The peer, as messages name it.
    pub fn peer(&self) -> &str {
        &self.0.life.peer
    }

    /// Ends the link when both sides are done with it. To be called after the last byte that this side wants was read: it tells the
    /// peer so, and waits until the peer says the same or is gone, at most for the time-out. So whatever either side finished
    /// sending is delivered before the connection closes.
    pub async fn close(&self) {
        let inner = &*self.0;
        match &inner.carriers {
            Carriers::Memory { their_life, .. } => their_life.bye.cancel(),
            Carriers::Wire { pipe, .. } => pipe.bye(),
            Carriers::Shared(conversation) => conversation.bye().await,
        }
        let both = async {
            tokio::select! {
                () = inner.life.bye.cancelled() => {}
                () = inner.life.ended.cancelled() => {}
            }
            if let Carriers::Wire { pipe, .. } = &inner.carriers {
                pipe.flush().await;
            }
        };
        // A peer that does not answer has lost its right to.
        let _ = tokio::time::timeout(inner.life.timeout, both).await;
        inner.end();
        // The runtime gets a turn to send the end of the connection.
        tokio::task::yield_now().await;
    }
}

impl Inner {
    async fn open_on(&self, pipe: &Pipe) -> Option<Halves> {
        let (sending, receiving) = pipe.open().await?;
        let send = SendHalf::pipe(self.life.clone(), sending);
        Some((send, ReceiveHalf::pipe(self.life.clone(), receiving)))
    }

    async fn open_control(&self) -> Option<Halves> {
        match &self.carriers {
            Carriers::Wire { pipe, .. } => self.open_on(pipe).await,
            Carriers::Memory { .. } | Carriers::Shared(_) => self.open().await,
        }
    }

    /// The control stream goes on with QUIC once that is up.
    fn moving(&self, (send, receive): Halves) -> Halves {
        match &self.carriers {
            Carriers::Wire { choice, .. } => (send.moving(choice.lane()), receive.moving(choice.lane())),
            Carriers::Memory { .. } | Carriers::Shared(_) => (send, receive),
        }
    }

    async fn open(&self) -> Option<Halves> {
        match &self.carriers {
            Carriers::Memory { theirs, their_life } => {
                let (their_side, our_receive) = queue(MEMORY_WINDOW);
                let (our_side, their_receive) = queue(MEMORY_WINDOW);
                let send = SendHalf::memory(their_life.clone(), their_side);
                theirs.send((send, ReceiveHalf::memory(their_life.clone(), their_receive))).await.ok()?;
                let send = SendHalf::memory(self.life.clone(), our_side);
                Some((send, ReceiveHalf::memory(self.life.clone(), our_receive)))
            }
            Carriers::Shared(conversation) => conversation.open().await,
            Carriers::Wire { pipe, choice } => {
                choice.settle(|| pipe.rtt()).await;
                if let Some(quic) = choice.quic()
                    && let Some(halves) = quic.open(&self.life).await
                {
                    return Some(halves);
                }
                self.open_on(pipe).await
            }
        }
    }

    /// Ends when the peer has closed and nothing of it can be under way any more.
    async fn last_stream(&self) {
        self.life.bye.cancelled().await;
        // The farewell goes its own way and may overtake a stream of QUIC, even the first.
        let rtt = match &self.carriers {
            Carriers::Memory { .. } => return,
            Carriers::Wire { pipe, choice } => choice.quic().map_or_else(|| pipe.rtt().unwrap_or_default(), Quic::rtt),
            Carriers::Shared(conversation) => conversation.rtt(),
        };
        tokio::time::sleep((rtt * 4).max(OVERTAKEN)).await;
    }

    fn end(&self) {
        self.life.end(Fault::Closed);
        match &self.carriers {
            Carriers::Memory { their_life, .. } => {
                their_life.end(Fault::Lost("it ended the link".to_owned()));
            }
            Carriers::Wire { choice, .. } => {
                if let Some(quic) = choice.quic() {
                    quic.close();
                }
            }
            Carriers::Shared(conversation) => conversation.end(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}
