//! Looks for members on the local network as long as that is wanted: says where this device is, and takes it as a hint where
//! one of a member's alias says that it is.

use std::sync::Arc;

use super::hub::Hub;
use super::journal::Level;
use super::nearby::{Hint, Nearby};

/// Looks and listens, for ever.
pub async fn keep(hub: Arc<Hub>) {
    let mut configured = hub.reconfigured();
    let mut moves = hub.moves();
    loop {
        while !hub.mdns() {
            if configured.changed().await.is_err() {
                return;
            }
        }
        let Some((nearby, mut hints)) = Nearby::start(&hub.key.public()) else {
            return hub.journal.say(Level::Warn, "nobody is looked for on the local network", vec![]);
        };
        nearby.announce(&moves.borrow_and_update());
        while hub.mdns() {
            tokio::select! {
                hint = hints.recv() => match hint {
                    Some(hint) => take(&hub, &hint),
                    None => return hub.journal.say(Level::Warn, "nobody is looked for any more", vec![]),
                },
                moved = moves.changed() => match moved {
                    Ok(()) => nearby.announce(&moves.borrow_and_update()),
                    Err(_) => return,
                },
                changed = configured.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// Whose alias it is, is known of members alone; whether they are there is shown by their key alone.
fn take(hub: &Hub, hint: &Hint) {
    let Some(key) = hub.others().into_iter().find(|key| key.alias() == hint.alias) else { return };
    for address in &hint.addresses {
        hub.peers.hint(key, *address, hub.now());
    }
}
