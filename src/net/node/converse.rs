//! One of several conversations on a connection: a request, its answer, and then a link that ends without ending the connection.
//!
//! Every stream begins with `kind u8 | conversation u32`, little endian. A conversation begins with a stream of kind 0 that carries
//! the request one way and the answer the other; each side ends its direction of it when it wants nothing more, and resets it when
//! it gives up. All other streams are of kind 1. Who dialled counts in even numbers, who was dialled in odd ones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::settings::{ANSWER, REQUEST_MAX};
use super::warm::{Kind, Warm};
use crate::net::error::{Cause, Error};
use crate::net::life::{Fault, Life, Meter};
use crate::net::link::{Halves, Link};
use crate::net::quic::streams::{Within, halves, halves_within};
use crate::net::receive::{ReceiveHalf, receive_frame};
use crate::net::send::{SendHalf, send_frame};

/// Our end of a conversation. Dropped, it ends.
#[derive(Debug)]
pub(in crate::net) struct Conversation {
    warm: Arc<Warm>,
    id: u32,
    within: Arc<Within>,
    /// What we say our farewell on.
    control: Mutex<Option<SendHalf>>,
}

/// A request that waits for our answer.
#[derive(Debug)]
pub(super) struct Pending {
    conversation: Conversation,
    arrived: mpsc::Receiver<Halves>,
    send: SendHalf,
    receive: ReceiveHalf,
}

impl Conversation {
    /// Takes a place among the connection's conversations.
    pub(super) fn enter(warm: &Arc<Warm>, id: u32) -> Option<(Self, mpsc::Receiver<Halves>)> {
        let (within, arrived) = warm.enter(id)?;
        Some((Self { warm: warm.clone(), id, within, control: Mutex::new(None) }, arrived))
    }

    pub(in crate::net) fn life(&self) -> &Arc<Life> {
        &self.within.life
    }

    pub(in crate::net) fn meter(&self) -> &Arc<Meter> {
        &self.within.meter
    }

    pub(in crate::net) fn rtt(&self) -> Duration {
        self.warm.connection.rtt()
    }

    pub(in crate::net) fn is_loopback(&self) -> bool {
        self.warm.local
    }

    /// A new stream; `None` where the connection has ended.
    pub(in crate::net) async fn open(&self) -> Option<Halves> {
        let (send, receive) = self.warm.open(&self.within.life).await?;
        let (mut send, receive) = halves_within(&self.within, send, receive);
        send.write_all(&Kind::Stream(self.id).header()).await.ok()?;
        Some((send, receive))
    }

    /// Tells the peer that we want nothing more.
    pub(in crate::net) async fn bye(&self) {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(control) = control {
            // A peer that does not want to hear it has gone.
            let _ = control.finish().await;
        }
    }

    /// Ends the conversation on our side. The peer sees it as a reset where it had no farewell.
    pub(in crate::net) fn end(&self) {
        self.within.life.end(Fault::Closed);
        self.warm.leave(self.id);
        drop(self.control.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn begin(self, send: SendHalf, receive: ReceiveHalf, arrived: mpsc::Receiver<Halves>) -> Link {
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(send);
        tokio::spawn(follow(receive, self.within.life.clone()));
        Link::shared(self, arrived)
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.end();
    }
}

/// Hears how the peer leaves the conversation.
async fn follow(mut control: ReceiveHalf, life: Arc<Life>) {
    let heard = tokio::select! {
        heard = control.read_chunk(1) => heard,
        () = life.ended.cancelled() => return,
    };
    match heard {
        Ok(None) => life.bye.cancel(),
        Ok(Some(_)) => life.end(Fault::Violation("it spoke where only a farewell may stand".to_owned())),
        Err(Error::Reset { .. }) => life.end(Fault::Lost("it ended the conversation".to_owned())),
        // Of the connection: whoever looks after it says why.
        Err(_) => {}
    }
}

/// Asks the peer for a conversation.
pub(super) async fn ask(warm: &Arc<Warm>, request: &[u8]) -> Result<(Bytes, Link), Error> {
    let id = warm.next_id();
    let (conversation, arrived) = Conversation::enter(warm, id).ok_or_else(|| warm.error())?;
    let life = conversation.life().clone();
    let exchange = async {
        let (send, receive) = warm.open(&life).await.ok_or_else(|| warm.error())?;
        // Nobody waits for content in order to be asked.
        let _ = send.set_priority(1);
        let (mut send, mut receive) = halves(&life, send, receive);
        send.write_all(&Kind::Ask(id).header()).await?;
        send_frame(&mut send, request).await?;
        match receive_frame(&mut receive, REQUEST_MAX).await {
            Ok(Some(answer)) => Ok((answer, send, receive)),
            Ok(None) | Err(Error::Reset { .. } | Error::Stopped { .. }) => Err(refused(&life)),
            Err(error) => Err(error),
        }
    };
    let (answer, send, receive) = tokio::select! {
        biased;
        exchanged = tokio::time::timeout(ANSWER, exchange) => match exchanged {
            Ok(exchanged) => exchanged?,
            Err(_) => return Err(Error::TimedOut { peer: life.peer.to_string(), after: ANSWER }),
        },
        () = life.ended.cancelled() => return Err(life.error()),
    };
    Ok((answer, conversation.begin(send, receive, arrived)))
}

fn refused(life: &Life) -> Error {
    Error::Refused { peer: life.peer.to_string(), source: Cause("it did not take the request".to_owned()) }
}

/// Takes a request that the peer began; `None` where there is no place for it, or it does not come.
pub(super) async fn hear(warm: &Arc<Warm>, id: u32, (send, mut receive): Halves) -> Option<(Bytes, Pending)> {
    let (conversation, arrived) = Conversation::enter(warm, id)?;
    let request = tokio::time::timeout(ANSWER, receive_frame(&mut receive, REQUEST_MAX)).await;
    let request = request.ok()?.ok()??;
    Some((request, Pending { conversation, arrived, send, receive }))
}

impl Pending {
    pub(super) async fn answer(mut self, answer: &[u8]) -> Result<Link, Error> {
        let life = self.conversation.life().clone();
        tokio::select! {
            biased;
            sent = send_frame(&mut self.send, answer) => sent?,
            () = life.ended.cancelled() => return Err(life.error()),
        }
        Ok(self.conversation.begin(self.send, self.receive, self.arrived))
    }
}
