//! What happens at a node, for whoever runs it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::converse::Pending;
use super::key::PublicKey;
use super::pair::Joining;
use crate::net::quic::{Farewell, cause};
use crate::net::{Error, Link};

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A peer wants to talk.
    Asked(Asked),
    /// A datagram came. They may be lost, doubled or reordered.
    Told {
        /// Of whom.
        peer: PublicKey,
        /// What it said.
        datagram: Bytes,
    },
    /// There is a connection to a peer now.
    Up {
        /// To whom.
        peer: PublicKey,
        /// Where it is.
        address: SocketAddr,
    },
    /// There is no connection to a peer any more.
    Down {
        /// To whom.
        peer: PublicKey,
        /// How it ended.
        why: Why,
    },
    /// Somebody has proven to hold the ticket of an open invitation.
    Joining(Joining),
    /// Somebody tried to join and could not prove that it was invited.
    Unproven {
        /// Its key.
        key: PublicKey,
        /// Where it called from.
        address: SocketAddr,
        /// Wrong proofs that are left until an invitation closes; it is closed where none is.
        tries_left: u32,
    },
    /// Somebody at this address begins handshakes and does not hear our answers: packets from there arrive, those to there do not.
    /// Reported once in a while only.
    Deaf {
        /// Where; who it is cannot be known.
        address: SocketAddr,
    },
    /// Somebody proved to have a key that is not let in. Each key is reported once in a while only.
    Stranger {
        /// Its key.
        key: PublicKey,
        /// Where it called from.
        address: SocketAddr,
    },
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nothing was heard of the peer for so long.
    Silent(Duration),
    /// The peer says that it hears nothing of us: packets to it are lost, those from it arrive.
    Unheard,
    /// The peer stopped, as it said itself.
    Left,
    /// The peer was started anew.
    Restarted,
    /// We do not let it in any more, or it does not let us in.
    Forgotten,
    /// Anything else, in words.
    Lost(String),
}

impl Why {
    /// How the connection ended, where the peer or the path ended it.
    pub(super) fn of(error: &quinn::ConnectionError, silence: Duration) -> Self {
        use quinn::ConnectionError as Ended;
        match error {
            Ended::TimedOut => Self::Silent(silence),
            Ended::Reset => Self::Restarted,
            Ended::ApplicationClosed(close) if close.error_code == Farewell::Forgotten.code() => Self::Forgotten,
            Ended::ApplicationClosed(close) if close.error_code == Farewell::Unheard.code() => Self::Unheard,
            Ended::ApplicationClosed(close) if close.error_code == Farewell::Leaving.code() => Self::Left,
            error => Self::Lost(cause(error, silence)),
        }
    }
}

/// The events of a node, in the order in which they happened. Read them: conversations wait until they are, datagrams are dropped.
#[derive(Debug)]
pub struct Events(pub(super) mpsc::Receiver<Event>);

impl Events {
    /// The next one; `None` when the node is closed.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// A request for a conversation. Dropped unanswered, it is refused.
#[derive(Debug)]
pub struct Asked {
    /// Who asks.
    pub peer: PublicKey,
    /// What it asks for.
    pub request: Bytes,
    pub(super) pending: Pending,
}

impl Asked {
    /// Answers, and begins the conversation.
    pub async fn answer(self, answer: &[u8]) -> Result<Link, Error> {
        self.pending.answer(answer).await
    }
}
