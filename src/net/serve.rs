//! The far side of a link: `alike serve --stdio`. Listens for one connection with one key, and ends when the pipe does.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::arrive::{pump, start_pipe};
use super::bootstrap::{self, Intake, Offer, Request, Stop};
use super::choice::Choice;
use super::error::{Cause, Error};
use super::life::{Life, Meter};
use super::link::{ARRIVED_MAX, Halves, Link, Wire};
use super::over::Failure;
use super::pipe::{Pipe, Side, Start};
use super::quic::listen::{Listen, Listener};
use super::quic::{Path, Quic};
use super::send::{SendHalf, send_frame};
use super::tls::Identity;

/// The peer, as messages name it.
const CLIENT: &str = "the client";
/// The client speaks at once: whoever does not is no client.
const FIRST_WORD: Duration = Duration::from_secs(60);

/// How the client reached this machine.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// This machine's addresses that the client can reach, best first.
    pub addresses: Vec<IpAddr>,
    /// Whether the client is on this machine too.
    pub local: bool,
    /// The pipe runs over a connection of its own, and carries everything: no other is listened for.
    pub piped: bool,
}

impl Seen {
    /// What sshd says of the connection: `SSH_CONNECTION` is the client's address and port, then ours.
    pub fn from_environment() -> Self {
        std::env::var("SSH_CONNECTION").map(|value| Self::parse(&value)).unwrap_or_default()
    }

    fn parse(value: &str) -> Self {
        let words: Vec<&str> = value.split(' ').collect();
        let [client, _, server, _] = words[..] else {
            return Self::default();
        };
        let address: Option<IpAddr> = server.parse().ok();
        let local = client == server || address.is_some_and(|address| address.is_loopback());
        Self { addresses: address.into_iter().collect(), local, piped: false }
    }
}

/// Serves one client over a pipe: reads its request, makes the answer with `answer`, and returns the link for all that
/// follows. The link ends when the pipe closes.
pub async fn serve_over<R, W, F>((reader, mut writer): (R, W), seen: Seen, answer: F) -> Result<Link, Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
    F: AsyncFnOnce(Bytes) -> Bytes,
{
    let meter = Arc::new(Meter::default());
    let mut intake = Intake::new(reader);
    // Our version goes first, so that a client of another one can say so.
    say(&mut writer, &bootstrap::hello(), &meter).await?;
    let request = first_word(&mut intake, &meter).await?;
    let (listener, offer) = listen(&request, &seen, &meter)?;
    say(&mut writer, &offer.encode(), &meter).await?;

    let life = Life::paced(CLIENT, request.timeout, request.pace);
    let (arrivals, arrived) = mpsc::channel(ARRIVED_MAX);
    let start = Start {
        side: Side::Server,
        reader: intake.reader,
        read: intake.buffer,
        writer,
        life: life.clone(),
        meter: meter.clone(),
        closed: Box::new(|| "the pipe closed".to_owned()),
    };
    let pipe = start_pipe(start, arrivals.clone());
    pipe.ping();
    let choice = Choice::new();
    if !request.waits {
        choice.give_up();
    }
    match listener {
        Some(listener) => drop(tokio::spawn(admit(Arc::new(listener), life.clone(), choice.clone(), arrivals))),
        None => choice.give_up(),
    }
    let body = answer(request.body).await;
    send_answer(&pipe, &life, &body).await?;
    Ok(Link::wire(Wire { life, pipe, choice, arrived, meter, loopback: seen.local, child: None }))
}

async fn say<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8], meter: &Meter) -> Result<(), Error> {
    let lost = |error: std::io::Error| Error::Lost { peer: CLIENT.to_owned(), source: Cause(error.to_string()) };
    meter.count_sent(bytes.len());
    writer.write_all(bytes).await.map_err(lost)?;
    writer.flush().await.map_err(lost)
}

async fn first_word<R: AsyncRead + Unpin>(intake: &mut Intake<R>, meter: &Meter) -> Result<Request, Error> {
    let word = async {
        let noise = intake.hello(meter).await?;
        if noise.is_empty() { intake.request(meter).await } else { Err(Stop::Garbled("its first line is not ours")) }
    };
    match tokio::time::timeout(FIRST_WORD, word).await {
        Ok(request) => request.map_err(|stop| Failure::Stop(stop).error(CLIENT)),
        Err(_) => Err(Error::TimedOut { peer: CLIENT.to_owned(), after: FIRST_WORD }),
    }
}

/// A listener, where this machine has UDP, and what the client is told of it.
fn listen(request: &Request, seen: &Seen, meter: &Arc<Meter>) -> Result<(Option<Listener>, Offer), Error> {
    let identity = Identity::new().map_err(|error| Error::System {
        step: "make a key for this connection",
        source: std::io::Error::other(error),
    })?;
    let listen = Listen {
        identity: &identity,
        peer: &request.key,
        path: if seen.local { Path::Local } else { Path::Network },
        timeout: request.timeout,
        congestion: request.pace.congestion,
        meter: meter.clone(),
    };
    // Without UDP the pipe carries everything.
    let listener = if seen.piped { None } else { listen.start().ok() };
    let port = listener.as_ref().map(|listener| listener.port).filter(|port| *port != 0);
    let offer = Offer { key: identity.public, port, local: seen.local, addresses: seen.addresses.clone() };
    Ok((listener, offer))
}

async fn send_answer(pipe: &Pipe, life: &Arc<Life>, body: &[u8]) -> Result<(), Error> {
    let (sending, _) = pipe.open().await.ok_or_else(|| life.error())?;
    let mut sending = SendHalf::pipe(life.clone(), sending);
    send_frame(&mut sending, body).await?;
    sending.finish().await
}

/// Lets the client in. Of several connections with its key, the first that carries a stream is the one it chose.
async fn admit(listener: Arc<Listener>, life: Arc<Life>, choice: Arc<Choice>, arrivals: mpsc::Sender<Halves>) {
    let arrived = |quic: Quic| {
        let (listener, life, choice, arrivals) = (listener.clone(), life.clone(), choice.clone(), arrivals.clone());
        tokio::spawn(async move {
            let first = tokio::select! {
                first = quic.accept_lane() => first,
                () = life.ended.cancelled() => None,
            };
            if !first.is_some_and(|first| choice.take(&quic, first)) {
                quic.close();
                return;
            }
            listener.refuse_others();
            pump(quic, life, arrivals).await;
        });
    };
    tokio::select! {
        () = listener.run(arrived) => {}
        () = life.ended.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_ssh_are_read_and_nonsense_is_none() {
        let seen = Seen::parse("192.0.2.1 4000 192.0.2.2 22");
        assert_eq!(seen.addresses, ["192.0.2.2".parse::<IpAddr>().expect("an address")]);
        assert!(!seen.local);
        assert!(Seen::parse("192.0.2.1 4000 192.0.2.1 22").local);
        assert!(Seen::parse("::1 4000 ::1 22").local);
        assert!(Seen::parse("").addresses.is_empty());
        assert!(Seen::parse("a b fe80::1%eth0 22").addresses.is_empty());
    }
}
