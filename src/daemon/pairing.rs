//! How a device becomes a member: it is invited by a ticket, and joins with it. What proves the ticket is the node's; what a
//! proven ticket is worth is decided here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::config::{ConfigError, Role, ShareName, Shared, edit};
use super::hub::{Hub, Invitation};
use super::journal::Level;
use super::members::{Granted, Introduction, Members};
use super::place::PlaceError;
use super::speech::{self, Hello, Welcome};
use crate::net::node::{Joining, NoTicket, Secret, Ticket};

/// How long a ticket can be used.
pub const LASTS: Duration = Duration::from_secs(600);
/// Tickets that are open at a time.
const INVITATIONS_MAX: usize = 16;

/// A device cannot be invited, or cannot join.
#[derive(Debug, thiserror::Error)]
pub enum PairingError {
    /// No share has this name.
    #[error("there is no share `{0}`")]
    Unknown(ShareName),
    /// This device may not invite.
    #[error("this device may not invite: it does not read and write in `{0}`")]
    NotAllowed(ShareName),
    /// The text is no ticket.
    #[error("this is no ticket")]
    Ticket(#[source] NoTicket),
    /// The other device did not take it, or cannot be reached.
    #[error("cannot join `{share}`")]
    Net {
        /// What the ticket calls the share.
        share: String,
        /// What happened.
        source: crate::net::Error,
    },
    /// The other device's answer makes no sense.
    #[error("the device that made the ticket has no such share any more")]
    Gone,
    /// A list of members came that cannot be used.
    #[error("the device that made the ticket says what this version does not understand")]
    Garbled,
    /// The name is no name of a share here.
    #[error("the share needs another name here: `{0}` cannot be one")]
    Name(String),
    /// This device has it already.
    #[error("this device has that share already, as `{0}`")]
    Already(ShareName),
    /// What is kept cannot be written.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The configuration cannot be changed.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Makes a ticket.
pub fn invite(hub: &Hub, share: &ShareName, role: Role) -> Result<Ticket, PairingError> {
    let keeper = hub.keeper(share).ok_or_else(|| PairingError::Unknown(share.clone()))?;
    if keeper.members().role(hub.key.public()) != Some(Role::ReadWrite) {
        return Err(PairingError::NotAllowed(share.clone()));
    }
    let secret = Secret::random().map_err(PlaceError::from)?;
    let mut invitations = hub.invitations();
    if invitations.len() >= INVITATIONS_MAX {
        invitations.remove(0);
    }
    invitations.push(Invitation { secret, share: share.clone(), role });
    drop(invitations);
    hub.node.invite(secret, LASTS);
    hub.note(Level::Info, "invited", share, &[("role", role.to_string())]);
    Ok(Ticket { key: hub.key.public(), addresses: hub.node.local_addresses(), secret, share: share.to_string() })
}

/// Takes in who has proven a ticket.
pub async fn welcome(hub: &Arc<Hub>, joining: Joining) {
    let (peer, address) = (joining.peer, joining.address);
    let hello: Option<Hello> = speech::decode(&joining.request).map(Hello::bounded);
    let invitation = hub.invitations().iter().find(|open| open.secret == joining.secret).cloned();
    let keeper = invitation.as_ref().and_then(|open| hub.keeper(&open.share));
    let (Some(_), Some(invitation), Some(keeper)) = (hello, invitation, keeper) else {
        let _ = joining.answer(&speech::encode(&Welcome::Gone)).await;
        return;
    };
    let granted = keeper.change(hub, |members| members.grant(&hub.key, peer, Granted::from(invitation.role)));
    if !matches!(granted, Ok(Ok(()))) {
        hub.note(Level::Error, "cannot take in a device", &keeper.name, &[("key", peer.to_string())]);
        return;
    }
    // It is let in before it hears that it is: it may come at once.
    hub.listed();
    hub.peers.hint(peer, address, hub.now());
    let list = keeper.members().encode();
    let facts = [("key", peer.to_string()), ("address", address.to_string()), ("role", invitation.role.to_string())];
    match joining.answer(&speech::encode(&Welcome::Members(list))).await {
        Ok(()) => hub.note(Level::Info, "a device joined", &keeper.name, &facts),
        Err(error) => {
            hub.note(Level::Warn, "a device joined and may not know it", &keeper.name, &[("why", error.to_string())]);
        }
    }
    // Where the answer was lost it may come again with the same ticket, until that expires.
}

/// Joins with a ticket; gives the share's name here, and what this device may do.
pub async fn join(
    hub: &Arc<Hub>,
    ticket: &str,
    (root, name): (PathBuf, Option<ShareName>),
) -> Result<(ShareName, Role), PairingError> {
    let ticket: Ticket = ticket.parse().map_err(PairingError::Ticket)?;
    let name = match name {
        Some(name) => name,
        None => ticket.share.parse().map_err(|_| PairingError::Name(ticket.share.clone()))?,
    };
    // What would be refused in the end is refused before the ticket is used up.
    let shared = Shared { root, role: Role::ReadWrite, paused: false };
    let config = hub.configured().read()?;
    edit::allowed(&config, &name, &shared)?;
    let hello = Hello { name: hub.name() }.bounded();
    let redeemed = hub.node.redeem(&ticket, &speech::encode(&hello)).await;
    let answer = redeemed.map_err(|source| PairingError::Net { share: ticket.share.clone(), source })?;
    let list = match speech::decode(&answer).ok_or(PairingError::Garbled)? {
        Welcome::Members(list) => list,
        Welcome::Gone => return Err(PairingError::Gone),
    };
    let mut members = Members::decode(&list).map_err(|_| PairingError::Garbled)?;
    let role = members.role(hub.key.public()).ok_or(PairingError::Garbled)?;
    if let Some(keeper) = hub.keeper_of(members.share()) {
        return Err(PairingError::Already(keeper.name.clone()));
    }
    let says = Introduction { name: hub.name(), addresses: hub.node.local_addresses(), replicas: Vec::new() };
    members.introduce(&hub.key, says);
    hub.place.keep(&name, &members)?;
    let shared = Shared { role, ..shared };
    hub.configured().edit(|path, text| edit::add(path, text, &name, &shared))?;
    hub.reload().await?;
    for address in ticket.addresses {
        hub.peers.hint(ticket.key, address, hub.now());
    }
    Ok((name, role))
}
