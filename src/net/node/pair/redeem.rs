//! The side that holds a ticket.

use std::sync::Arc;

use bytes::Bytes;
use quinn::ConnectionError;

use super::super::core::Core;
use super::super::dial::{self, Purpose};
use super::super::key::PublicKey;
use super::super::settings::{ANSWER, HANDSHAKE, REQUEST_MAX};
use super::super::ticket::Ticket;
use super::proof::{Bond, PROOF, Role, frame};
use crate::net::error::{Cause, Error};
use crate::net::life::Life;
use crate::net::quic::Farewell;
use crate::net::quic::streams::halves;
use crate::net::receive::receive_frame;
use crate::net::send::send_frame;

/// Joins whoever made the ticket: proves the secret, says `request`, and returns what the other side answered once it has proven
/// the secret too.
pub(in crate::net::node) async fn redeem(core: &Core, ticket: &Ticket, request: &[u8]) -> Result<Bytes, Error> {
    let reached = dial::dial(core, ticket.key, (&ticket.addresses, Purpose::Pairing)).await?;
    let connection = reached.expect("only a member comes by itself").connection;
    let life = Life::new(&ticket.key.short(), ANSWER);
    let joined = tokio::time::timeout(HANDSHAKE + ANSWER, exchange(core, &connection, &life, (ticket, request))).await;
    connection.close(Farewell::Done.code(), b"");
    joined.unwrap_or_else(|_| Err(Error::TimedOut { peer: life.peer.to_string(), after: ANSWER }))
}

async fn exchange(
    core: &Core,
    connection: &quinn::Connection,
    life: &Arc<Life>,
    (ticket, request): (&Ticket, &[u8]),
) -> Result<Bytes, Error> {
    let lost = || match connection.close_reason() {
        Some(ConnectionError::ApplicationClosed(close)) if close.error_code == Farewell::Forgotten.code() => refused(
            &ticket.key,
            "no invitation with this ticket is open there: it was used, has expired, or was tried too often",
        ),
        _ => refused(&ticket.key, "it broke off before it answered"),
    };
    let bond = Bond::of(connection, core.key.public(), ticket.key).ok_or_else(lost)?;
    let (send, receive) = connection.open_bi().await.map_err(|_| lost())?;
    let (mut send, mut receive) = halves(life, send, receive);
    let proof = bond.proof(&ticket.secret, Role::Joins, request);
    send_frame(&mut send, &frame(&proof, request)).await.map_err(|_| lost())?;
    send.finish().await.map_err(|_| lost())?;
    let answer = receive_frame(&mut receive, PROOF + REQUEST_MAX).await.map_err(|_| lost())?.ok_or_else(lost)?;
    let Some((proof, said)) = answer.split_first_chunk::<PROOF>() else {
        return Err(refused(&ticket.key, "it did not prove that it made the ticket"));
    };
    if !bond.holds(&ticket.secret, Role::Invites, (proof, said)) {
        return Err(refused(&ticket.key, "it did not prove that it made the ticket"));
    }
    Ok(answer.slice(PROOF..))
}

fn refused(key: &PublicKey, why: &str) -> Error {
    Error::Refused { peer: key.short(), source: Cause(why.to_owned()) }
}
