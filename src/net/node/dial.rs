//! The side that dials: all addresses of a peer, one after the other and soon together; the first that answers with its key counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{ClientConfig, ConnectionError};
use tokio::task::JoinSet;

use super::addresses::{is_ours, plain};
use super::core::Core;
use super::greet::{Greeting, Ungreeted, VERSION};
use super::key::PublicKey;
use super::settings::{HANDSHAKE, KEEP_ALIVE};
use super::trust::server_name;
use super::warm::{Dialled, Made, Warm};
use crate::net::error::{Cause, Error};
use crate::net::quic::settings::warm;
use crate::net::quic::{Path, cause};

/// So long an address has the wire for itself (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);
/// Addresses that are dialled at all.
const ADDRESSES_MAX: usize = 16;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To stay: both sides greet.
    Member,
    /// To redeem a ticket.
    Pairing,
}

/// A connection that is up.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) connection: quinn::Connection,
    /// What the peer greeted with, where it does.
    pub(super) theirs: Option<Greeting>,
}

impl Reached {
    /// The connection as one that stays; `None` where the peer did not greet.
    pub(super) fn warm(self, core: &Core, peer: PublicKey) -> Option<Arc<Warm>> {
        let Self { connection, theirs } = self;
        let local = is_ours(&plain(connection.remote_address()).ip());
        let (theirs, dialled) = (theirs?, Dialled::ByUs);
        let (silence, throttle) = (core.silence, Arc::clone(&core.throttle));
        Some(Warm::new(Made { connection, peer, dialled, theirs, local, silence, throttle }))
    }
}

/// Reaches a peer at one of its addresses. `None` where a member came by itself meanwhile.
pub(super) async fn dial(
    core: &Core,
    peer: PublicKey,
    (addresses, purpose): (&[SocketAddr], Purpose),
) -> Result<Option<Reached>, Error> {
    let order = order(core.table().last_address(&peer), addresses);
    let mut dialling = Dialling { core, peer, purpose, attempts: JoinSet::new(), failed: None };
    match tokio::time::timeout(HANDSHAKE, dialling.run(order)).await {
        Ok(Some(Ended::Reached(reached))) => Ok(Some(reached)),
        Ok(Some(Ended::Came)) => Ok(None),
        Ok(None) => Err(dialling.failed.unwrap_or_else(|| unreachable(peer, "no address of it is known"))),
        Err(_) => Err(dialling.failed.unwrap_or_else(|| Error::TimedOut { peer: peer.short(), after: HANDSHAKE })),
    }
}

fn unreachable(peer: PublicKey, why: &str) -> Error {
    Error::Unreachable { peer: peer.short(), source: Cause(why.to_owned()) }
}

/// The last that worked, then the others with the families alternating, each once.
fn order(last: Option<SocketAddr>, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let plain: Vec<_> = addresses.iter().copied().map(plain).collect();
    let (six, four): (Vec<_>, Vec<_>) = plain.into_iter().partition(SocketAddr::is_ipv6);
    let longer = six.len().max(four.len());
    let pairs = (0..longer).flat_map(|at| [six.get(at), four.get(at)]).flatten().copied();
    let mut order = Vec::new();
    for address in last.into_iter().chain(pairs) {
        if !order.contains(&address) && order.len() < ADDRESSES_MAX {
            order.push(address);
        }
    }
    order
}

/// How dialling ended well.
enum Ended {
    /// A connection is up.
    Reached(Reached),
    /// The peer came by itself. No attempt of ours had come so far that the peer counts it: it counts none that has not greeted.
    Came,
}

struct Dialling<'a> {
    core: &'a Core,
    peer: PublicKey,
    purpose: Purpose,
    attempts: JoinSet<(SocketAddr, Result<quinn::Connection, ConnectionError>)>,
    /// The failure that says most.
    failed: Option<Error>,
}

impl Dialling<'_> {
    async fn run(&mut self, order: Vec<SocketAddr>) -> Option<Ended> {
        let mut waiting = order.into_iter();
        let (core, peer, purpose) = (self.core, self.peer, self.purpose);
        let came = async {
            match purpose {
                Purpose::Member => core.up(&peer).await,
                Purpose::Pairing => std::future::pending().await,
            }
        };
        let mut came = std::pin::pin!(came);
        loop {
            let next = waiting.next();
            let more = next.is_some();
            if let Some(address) = next {
                self.attempt(address);
            }
            let head_start =
                async { if more { tokio::time::sleep(HEAD_START).await } else { std::future::pending().await } };
            let mut head_start = std::pin::pin!(head_start);
            loop {
                let done = tokio::select! {
                    done = self.attempts.join_next() => done,
                    () = &mut head_start => break,
                    () = &mut came => return Some(Ended::Came),
                };
                match done {
                    Some(Ok((address, result))) => {
                        if let Some(reached) = self.judge(address, result).await {
                            return Some(Ended::Reached(reached));
                        }
                    }
                    Some(Err(_)) => {}
                    None if more => break,
                    None => return None,
                }
            }
        }
    }

    fn attempt(&mut self, address: SocketAddr) {
        let path = if is_ours(&address.ip()) { Path::Local } else { Path::Network };
        let tls = match self.purpose {
            Purpose::Member => &self.core.client,
            Purpose::Pairing => &self.core.joining,
        };
        let mut config = ClientConfig::new(tls.clone());
        config.transport_config(warm(path, self.core.silence, KEEP_ALIVE));
        match self.core.endpoint.connect_with(config, address, &server_name(&self.peer)) {
            Ok(connecting) => {
                self.attempts.spawn(async move { (address, connecting.await) });
            }
            Err(error) => self.fail(unreachable(self.peer, &format!("{address}: {error}"))),
        }
    }

    /// A connection that is to stay counts once both sides have greeted.
    async fn judge(
        &mut self,
        address: SocketAddr,
        result: Result<quinn::Connection, ConnectionError>,
    ) -> Option<Reached> {
        let connection = match result {
            Ok(connection) => connection,
            Err(error) => {
                self.fail(self.refusal(address, &error));
                return None;
            }
        };
        if self.purpose == Purpose::Pairing {
            return Some(Reached { connection, theirs: None });
        }
        let ours = Greeting::new(self.core.instance, connection.remote_address());
        match ours.exchange(&connection).await {
            Ok(theirs) if theirs.version == VERSION => Some(Reached { connection, theirs: Some(theirs) }),
            Ok(theirs) => {
                let (ours, theirs) = (u32::from(VERSION), u32::from(theirs.version));
                self.fail(Error::Version { peer: self.peer.short(), ours, theirs });
                None
            }
            Err(Ungreeted::Ended(error)) => {
                self.fail(self.refusal(address, &error));
                None
            }
            Err(Ungreeted::Garbled) => {
                let source = Cause("its greeting is not one".to_owned());
                self.fail(Error::Violation { peer: self.peer.short(), source });
                None
            }
        }
    }

    /// A refusal says more than a path that leads nowhere.
    fn fail(&mut self, error: Error) {
        if self.failed.is_none() || !matches!(error, Error::Unreachable { .. } | Error::TimedOut { .. }) {
            self.failed = Some(error);
        }
    }

    fn refusal(&self, address: SocketAddr, error: &ConnectionError) -> Error {
        let refused =
            |what: &str| Error::Refused { peer: self.peer.short(), source: Cause(format!("{what} ({address})")) };
        match error {
            ConnectionError::TransportError(error) if is_tls(u64::from(error.code)) => {
                refused("another device answers there")
            }
            ConnectionError::ConnectionClosed(close) if is_tls(u64::from(close.error_code)) => {
                refused(match self.purpose {
                    Purpose::Member => "it does not know this device",
                    Purpose::Pairing => "no invitation is open there: it was used, has expired, or was tried too often",
                })
            }
            ConnectionError::ApplicationClosed(_) => refused(&cause(error, self.core.silence)),
            ConnectionError::TimedOut => unreachable(self.peer, &format!("nothing answers at {address}")),
            error => unreachable(self.peer, &format!("{address}: {error}")),
        }
    }
}

/// An alert of TLS (RFC 9001, 4.8).
fn is_tls(code: u64) -> bool {
    (0x100..0x200).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_address_goes_first_and_families_alternate() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let given = ["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1"].map(at);
        let wanted = ["192.0.2.2:1", "[2001:db8::1]:1", "192.0.2.1:1"].map(at);
        assert_eq!(order(Some(at("192.0.2.2:1")), &given), wanted);
    }
}
