//! Dials QUIC beside the pipe: which addresses, in which order, and what became of it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::arrive::pump;
use super::bootstrap::Offer;
use super::choice::Choice;
use super::error::Error;
use super::life::Life;
use super::link::Halves;
use super::quic::dial::Dial;
use super::quic::{Path, Quic};

/// So long the first address has the wire for itself.
const HEAD_START: Duration = Duration::from_millis(50);
/// Addresses that are dialled at all.
const ADDRESSES_MAX: usize = 8;

/// Finds more addresses of the peer, where those that it named are not reached at once.
pub(super) type Lookup = Pin<Box<dyn Future<Output = Vec<IpAddr>> + Send>>;

/// Dials what the server offered.
pub(super) struct Dialling {
    pub(super) offer: Offer,
    pub(super) dial: Dial,
    pub(super) life: Arc<Life>,
    pub(super) choice: Arc<Choice>,
    pub(super) arrivals: mpsc::Sender<Halves>,
}

impl Dialling {
    pub(super) async fn run(self, lookup: Lookup) {
        let reach = async {
            let quic = self.reach(lookup).await?;
            let first = quic.open_lane().await?;
            Some((quic, first))
        };
        let reached = tokio::select! {
            reached = reach => reached,
            () = self.life.ended.cancelled() => return,
        };
        match reached {
            // Only this task makes the choice.
            Some((quic, first)) => {
                self.choice.take(&quic, first);
                pump(quic, self.life, self.arrivals).await;
            }
            None => self.choice.give_up(),
        }
    }

    /// The first address that answers. The first that the server named has a head start; the others follow together.
    async fn reach(&self, lookup: Lookup) -> Option<Quic> {
        let port = self.offer.port?;
        let mut tried = Vec::new();
        let mut attempts = JoinSet::new();
        self.attempt(self.offer.addresses.iter().take(1), port, &mut tried, &mut attempts);
        let early = tokio::time::timeout(HEAD_START, first(&mut attempts)).await;
        if let Ok(Some(quic)) = early {
            return Some(quic);
        }
        self.attempt(self.offer.addresses.iter(), port, &mut tried, &mut attempts);
        tokio::select! {
            Some(quic) = first(&mut attempts) => return Some(quic),
            found = lookup => self.attempt(found.iter(), port, &mut tried, &mut attempts),
        }
        first(&mut attempts).await
    }

    fn attempt<'a>(
        &self,
        addresses: impl Iterator<Item = &'a IpAddr>,
        port: u16,
        tried: &mut Vec<IpAddr>,
        attempts: &mut JoinSet<Result<Quic, Error>>,
    ) {
        for address in addresses {
            if tried.contains(address) || tried.len() == ADDRESSES_MAX {
                continue;
            }
            tried.push(*address);
            let local = address.is_loopback() || (self.offer.local && self.offer.addresses.contains(address));
            let path = if local { Path::Local } else { Path::Network };
            attempts.spawn(self.dial.clone().attempt(SocketAddr::new(*address, port), path));
        }
    }
}

async fn first(attempts: &mut JoinSet<Result<Quic, Error>>) -> Option<Quic> {
    while let Some(done) = attempts.join_next().await {
        if let Ok(Ok(quic)) = done {
            return Some(quic);
        }
    }
    None
}
