//! The side that invites.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::super::core::Core;
use super::super::event::Event;
use super::super::key::PublicKey;
use super::super::settings::{ANSWER, HANDSHAKE, REQUEST_MAX};
use super::super::ticket::Secret;
use super::invitation::{Moment, Verdict};
use super::proof::{Bond, PROOF, Role, frame};
use crate::net::error::Error;
use crate::net::life::Life;
use crate::net::quic::Farewell;
use crate::net::quic::streams::halves;
use crate::net::receive::receive_frame;
use crate::net::send::{SendHalf, send_frame};

/// Somebody has proven to hold the ticket of an invitation, which is used by that. Dropped unanswered, it is turned away.
#[derive(Debug)]
pub struct Joining {
    /// Who.
    pub peer: PublicKey,
    /// Where from.
    pub address: SocketAddr,
    /// What it was invited with.
    pub secret: Secret,
    /// What it says.
    pub request: Bytes,
    bond: Bond,
    connection: quinn::Connection,
    send: SendHalf,
}

impl Joining {
    /// Answers, with the proof that we made the ticket; ends when the peer has heard it. To be called after the peer is let in: it
    /// may come at once.
    pub async fn answer(mut self, answer: &[u8]) -> Result<(), Error> {
        let proof = self.bond.proof(&self.secret, Role::Invites, answer);
        send_frame(&mut self.send, &frame(&proof, answer)).await?;
        self.send.finish().await?;
        // The peer closes when it has read all.
        let _ = tokio::time::timeout(ANSWER, self.connection.closed()).await;
        Ok(())
    }
}

/// Hears who came with a ticket.
pub(in crate::net::node) async fn welcome(core: Arc<Core>, connection: quinn::Connection, peer: PublicKey) {
    let address = super::super::addresses::plain(connection.remote_address());
    let Ok(Some(joining)) = tokio::time::timeout(HANDSHAKE, hear(&core, &connection, (peer, address))).await else {
        connection.close(Farewell::Forgotten.code(), b"");
        return;
    };
    // Nobody listens to a node that is closed.
    let _ = core.events.send(Event::Joining(joining)).await;
}

async fn hear(core: &Core, connection: &quinn::Connection, from: (PublicKey, SocketAddr)) -> Option<Joining> {
    let (peer, address) = from;
    let (send, receive) = connection.accept_bi().await.ok()?;
    let (send, mut receive) = halves(&Life::new(&peer.short(), HANDSHAKE), send, receive);
    let said = receive_frame(&mut receive, PROOF + REQUEST_MAX).await.ok()??;
    let proof = said.first_chunk::<PROOF>()?;
    let bond = Bond::of(connection, peer, core.key.public())?;
    let holds = |secret: &Secret| bond.holds(secret, Role::Joins, (proof, &said[PROOF..]));
    let verdict = core.trust.invitations().judge(peer, holds, Moment::now());
    match verdict {
        Verdict::Proven(secret) => {
            let (request, connection) = (said.slice(PROOF..), connection.clone());
            Some(Joining { peer, address, secret, request, bond, connection, send })
        }
        Verdict::Unproven { tries_left } => {
            core.note(Event::Unproven { key: peer, address, tries_left });
            None
        }
    }
}
