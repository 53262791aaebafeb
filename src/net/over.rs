//! The client's side of a link over an open byte pipe: swaps keys through it and dials QUIC.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::arrive::start_pipe;
use super::bootstrap::{self, Intake, MESSAGE_MAX, Offer, Request, Stop};
use super::choice::Choice;
use super::dialling::{Dialling, Lookup};
use super::error::{Cause, Error};
use super::life::{Life, Meter};
use super::link::{ARRIVED_MAX, Link, Wire};
use super::pace::Pace;
use super::pipe::{Side, Start};
use super::quic::dial::Dial;
use super::receive::receive_frame;
use super::tls::Identity;

/// On what terms a link is made.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The peer, as messages name it.
    pub peer: String,
    /// Silence for so long ends the link.
    pub timeout: Duration,
    /// UDP to this peer was blocked the last time: content goes through the pipe at once, until QUIC comes if it does.
    pub skip_wait: bool,
    /// How fast either side may send.
    pub pace: Pace,
}

/// A link, and what came with it.
#[derive(Debug)]
pub struct Connected {
    /// The far side's answer to the request.
    pub answer: Bytes,
    /// For all streams.
    pub link: Link,
    /// What the far side prints from now on, line by line; nothing where it has no such channel.
    pub notes: mpsc::Receiver<String>,
}

/// What a conversation begins with.
pub(super) struct Opening<'a, R, W> {
    pub(super) reader: R,
    pub(super) writer: W,
    pub(super) terms: &'a Terms,
    pub(super) request: &'a [u8],
    pub(super) lookup: Lookup,
    /// What to say when the pipe closes.
    pub(super) closed: Box<dyn Fn() -> String + Send + Sync>,
}

/// A bootstrap that is done: the pipe runs and QUIC is being dialled.
pub(super) struct Opened {
    pub(super) noise: String,
    pub(super) wire: Wire,
}

/// Makes a link over a pipe whose other end runs [`super::serve_over`]. `note` hears, in words, what is worth telling the user.
pub async fn connect_over<R, W>(
    (reader, writer): (R, W),
    terms: &Terms,
    request: &[u8],
    note: &mut dyn FnMut(String),
) -> Result<Connected, Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let lookup = Box::pin(std::future::ready(Vec::new()));
    let closed = Box::new(|| "the pipe closed".to_owned());
    let opening = Opening { reader, writer, terms, request, lookup, closed };
    let opened = open(opening).await.map_err(|stop| stop.error(&terms.peer))?;
    let (_, notes) = mpsc::channel(1);
    opened.finish(notes, note).await
}

/// Why there is no link.
pub(super) enum Failure {
    Stop(Stop),
    Error(Error),
}

impl Failure {
    pub(super) fn error(self, peer: &str) -> Error {
        let peer = peer.to_owned();
        match self {
            Self::Error(error) => error,
            Self::Stop(Stop::Version(theirs)) => Error::Version { peer, ours: bootstrap::VERSION, theirs },
            Self::Stop(Stop::Garbled(what)) => Error::Violation { peer, source: Cause(what.to_owned()) },
            Self::Stop(Stop::Closed(said)) if said.is_empty() => {
                Error::Lost { peer, source: Cause("the pipe closed before it began".to_owned()) }
            }
            Self::Stop(Stop::Closed(said)) => Error::Violation { peer, source: Cause(said) },
        }
    }
}

/// Swaps the first messages, starts the pipe and dials.
pub(super) async fn open<R, W>(opening: Opening<'_, R, W>) -> Result<Opened, Failure>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let Opening { reader, mut writer, terms, request, lookup, closed } = opening;
    let identity = Identity::new().map_err(|error| Failure::Error(no_key(error)))?;
    let meter = Arc::new(Meter::default());
    let mut intake = Intake::new(reader);
    let request = Request {
        key: identity.public,
        timeout: terms.timeout,
        pace: terms.pace,
        waits: !terms.skip_wait,
        body: Bytes::copy_from_slice(request),
    };
    let (noise, offer) = swap(&mut intake, &mut writer, &request, &meter).await.map_err(Failure::Stop)?;

    let life = Life::paced(&terms.peer, terms.timeout, terms.pace);
    let (arrivals, arrived) = mpsc::channel(ARRIVED_MAX);
    let start = Start {
        side: Side::Client,
        reader: intake.reader,
        read: intake.buffer,
        writer,
        life: life.clone(),
        meter: meter.clone(),
        closed,
    };
    let pipe = start_pipe(start, arrivals.clone());
    pipe.ping();

    let choice = Choice::new();
    if terms.skip_wait {
        choice.give_up();
    }
    let tls = identity.client(&offer.key).map_err(|error| Failure::Error(no_key(error)))?;
    let dial = Dial::new(tls, (terms.timeout, terms.pace.congestion), meter.clone(), life.peer.clone());
    let dial = dial.map_err(Failure::Error)?;
    let loopback = offer.local || offer.addresses.iter().any(IpAddr::is_loopback);
    let dialling = Dialling { offer, dial, life: life.clone(), choice: Arc::clone(&choice), arrivals };
    tokio::spawn(dialling.run(lookup));
    let wire = Wire { life, pipe, choice, arrived, meter, loopback, child: None };
    Ok(Opened { noise, wire })
}

fn no_key(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::System { step: "make a key for this connection", source: std::io::Error::other(error) }
}

/// Sends our first message while it waits for theirs: ours may be larger than what the pipe holds.
async fn swap<R, W>(
    intake: &mut Intake<R>,
    writer: &mut W,
    request: &Request,
    meter: &Meter,
) -> Result<(String, Offer), Stop>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut ours = bootstrap::hello();
    ours.extend_from_slice(&request.encode());
    meter.count_sent(ours.len());
    let sending = async {
        // A pipe that takes nothing is about to end: the reading side says why.
        let _ = writer.write_all(&ours).await;
        let _ = writer.flush().await;
        Ok(())
    };
    let reading = async {
        let noise = intake.hello(meter).await?;
        Ok((noise, intake.offer(meter).await?))
    };
    let ((), theirs) = tokio::try_join!(sending, reading)?;
    Ok(theirs)
}

impl Opened {
    /// Takes the answer; what the far side prints meanwhile is told.
    pub(super) async fn finish(
        mut self,
        mut notes: mpsc::Receiver<String>,
        note: &mut dyn FnMut(String),
    ) -> Result<Connected, Error> {
        let answer = {
            let mut answer = std::pin::pin!(self.answer());
            loop {
                tokio::select! {
                    answer = &mut answer => break answer,
                    Some(line) = notes.recv() => note(line),
                }
            }
        };
        while let Ok(line) = notes.try_recv() {
            note(line);
        }
        Ok(Connected { answer: answer?, link: Link::wire(self.wire), notes })
    }

    async fn answer(&mut self) -> Result<Bytes, Error> {
        let life = self.wire.life.clone();
        // No time-out of its own: the far side may have much to do before it answers, and a silent one ends the life.
        let (_, mut receiving) = tokio::select! {
            biased;
            Some(halves) = self.wire.arrived.recv() => halves,
            () = life.ended.cancelled() => return Err(life.error()),
        };
        let answer = receive_frame(&mut receiving, MESSAGE_MAX).await?;
        answer.ok_or_else(|| Error::Violation {
            peer: life.peer.to_string(),
            source: Cause("it gave no answer".to_owned()),
        })
    }
}
