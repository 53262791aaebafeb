//! Answers what commands ask over the socket. Each has an answer within two seconds, or hears what is waited for.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::config::ShareName;
use super::control::status::Status;
use super::control::{Answer, Ask, Caller, Refusal};
use super::hub::Hub;
use super::journal::Level;
use super::keeper::{Keeper, Meant, Word};
use super::look;
use super::members::{Granted, NotAllowed};
use super::pairing::{self, PairingError};
use super::reach;
use super::verify;
use crate::net::node::PublicKey;

/// A command hears something at least this often.
const PATIENCE: Duration = Duration::from_secs(1);
/// Status is told again at most this often.
const WATCH: Duration = Duration::from_millis(200);
/// Exit statuses that a command ends with.
pub mod exit {
    pub const USAGE: u8 = 2;
    pub const ROOT: u8 = 3;
    pub const REFUSED: u8 = 5;
    pub const BUSY: u8 = 30;
    pub const UNREACHABLE: u8 = 35;
}

/// Answers one caller.
pub async fn serve(hub: Arc<Hub>, mut caller: Caller) {
    let Some(ask) = caller.ask().await else { return };
    // Whoever does not listen any more has gone: nothing is left to say.
    let _gone = answer(&hub, caller, ask).await;
}

async fn answer(hub: &Arc<Hub>, mut owned: Caller, ask: Ask) -> std::io::Result<()> {
    let caller = &mut owned;
    match ask {
        Ask::Status { watch: false } => caller.say(&Answer::Status(Box::new(look::status(hub)))).await,
        Ask::Status { watch: true } => watch(hub, caller).await,
        Ask::Wait { share, live } => wait(hub, caller, (share, live)).await,
        Ask::Reload => {
            let reloaded = hub.reload().await.map_err(|error| Refusal::of(exit::USAGE, &error));
            caller.say(&done(reloaded.map(|()| None))).await
        }
        Ask::Invite { share, role } => {
            let invited = pairing::invite(hub, &share, role)
                .map(|ticket| Answer::Invited { ticket: ticket.to_string(), seconds: pairing::LASTS.as_secs() });
            caller.say(&invited.unwrap_or_else(|error| Answer::Refused(of_pairing(&error)))).await
        }
        Ask::Join { ticket, root, name } => {
            let joining = pairing::join(hub, &ticket, (root, name));
            let joined = telling(caller, "the device that made the ticket", joining).await?;
            let answer = joined.map(|(share, role)| Answer::Joined { share, role });
            caller.say(&answer.unwrap_or_else(|error| Answer::Refused(of_pairing(&error)))).await
        }
        Ask::Forget { member, share } => caller.say(&done(forget(hub, &member, share.as_ref()).map(Some))).await,
        Ask::Approve { share, limit } => mean(hub, caller, (share, Meant::Deletes(limit))).await,
        Ask::Revert { share } => mean(hub, caller, (share, Meant::Revert)).await,
        Ask::Verify { root } => verify::verify(hub, caller, &root).await,
        Ask::Lend { root } => lend(hub, caller, &root).await,
        Ask::Reach { member, share } => reach::reach(hub, owned, (&member, &share)).await,
    }
}

/// Tells a share what is meant, and the caller whether that was enough.
async fn mean(hub: &Arc<Hub>, caller: &mut Caller, (share, meant): (ShareName, Meant)) -> std::io::Result<()> {
    let Some(keeper) = hub.keeper(&share) else { return caller.say(&Answer::Refused(unknown(&share))).await };
    let (answered, answer) = oneshot::channel();
    let idle =
        matches!(meant, Meant::Deletes(_)) && keeper.share().is_some_and(|share| share.standing().held.is_empty());
    keeper.say(Word::Mean(meant, answered));
    let told = telling(caller, "the share, which does it", answer).await?;
    let told = match told {
        Ok(Ok(())) => Ok(idle.then(|| format!("no deletes were held in `{share}`"))),
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => Err(Refusal::new(exit::ROOT, format!("`{share}` was let go of meanwhile")).hint("try again")),
    };
    caller.say(&done(told)).await
}

/// The keeper of a root, which is named without links.
pub fn kept_at(hub: &Hub, root: &Path) -> Option<Arc<Keeper>> {
    let is_it = |keeper: &Arc<Keeper>| {
        keeper.shared.root == root || keeper.shared.root.canonicalize().is_ok_and(|real| real == root)
    };
    hub.keepers().into_iter().find(is_it)
}

/// Lets go of a root until the caller has gone.
async fn lend(hub: &Arc<Hub>, caller: &mut Caller, root: &Path) -> std::io::Result<()> {
    let Some(keeper) = kept_at(hub, root) else { return caller.say(&Answer::NotHeld).await };
    let (granted, lent) = oneshot::channel();
    keeper.say(Word::Lend(granted));
    let told = telling(caller, "the daemon, which finishes the files in flight", lent).await;
    let said = match told {
        Ok(_) => caller.say(&Answer::Lent).await,
        Err(error) => Err(error),
    };
    if said.is_ok() {
        hub.note(Level::Debug, "lent to a command", &keeper.name, &[]);
        caller.gone().await;
    }
    keeper.say(Word::Returned);
    said
}

/// Tells how everything stands, whenever it changes.
async fn watch(hub: &Arc<Hub>, caller: &mut Caller) -> std::io::Result<()> {
    let mut changes = hub.changes();
    let mut last: Option<Status> = None;
    loop {
        changes.mark_unchanged();
        let status = look::status(hub);
        if hub.stopping.is_cancelled() {
            return Ok(());
        }
        if last.as_ref() != Some(&status) {
            caller.say(&Answer::Status(Box::new(status.clone()))).await?;
            last = Some(status);
        }
        tokio::time::sleep(WATCH).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            // Ages and rates change by themselves.
            () = tokio::time::sleep(PATIENCE) => {}
            () = hub.stopping.cancelled() => return Ok(()),
            () = caller.gone() => return Ok(()),
        }
    }
}

/// Answers once it is alike.
async fn wait(hub: &Arc<Hub>, caller: &mut Caller, (share, live): (Option<ShareName>, bool)) -> std::io::Result<()> {
    let mut changes = hub.changes();
    let mut told = tokio::time::Instant::now() - PATIENCE;
    loop {
        changes.mark_unchanged();
        if let Some(name) = share.as_ref().filter(|name| hub.keeper(name).is_none()) {
            return caller.say(&Answer::Refused(unknown(name))).await;
        }
        let reasons = reasons(&look::status(hub), share.as_ref(), live);
        if reasons.is_empty() {
            return caller.say(&Answer::Done { message: None }).await;
        }
        if told.elapsed() >= PATIENCE {
            told = tokio::time::Instant::now();
            caller.say(&Answer::Waiting { what: reasons.join("; ") }).await?;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep(PATIENCE) => {}
            () = caller.gone() => return Ok(()),
        }
    }
}

/// Why it is not alike; nothing where it is.
fn reasons(status: &Status, share: Option<&ShareName>, live: bool) -> Vec<String> {
    let wanted = status.shares.iter().filter(|now| share.is_none_or(|name| now.name == *name));
    let open = wanted.filter(|now| if live { !now.alike_live } else { !now.alike });
    open.map(|now| format!("{}: {}", now.name, now.why.first().map_or("it is not alike", String::as_str))).collect()
}

/// Waits for something, and tells the caller so.
pub async fn telling<T>(caller: &mut Caller, what: &str, work: impl Future<Output = T>) -> std::io::Result<T> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            () = tokio::time::sleep(PATIENCE) => caller.say(&Answer::Waiting { what: what.into() }).await?,
        }
    }
}

/// Takes a member off a share, or off all.
fn forget(hub: &Arc<Hub>, member: &str, share: Option<&ShareName>) -> Result<String, Refusal> {
    let keepers: Vec<Arc<Keeper>> =
        hub.keepers().into_iter().filter(|keeper| share.is_none_or(|name| keeper.name == *name)).collect();
    if let (Some(name), true) = (share, keepers.is_empty()) {
        return Err(unknown(name));
    }
    let meant: std::collections::BTreeSet<PublicKey> =
        keepers.iter().flat_map(|keeper| named(hub, keeper, member)).filter(|key| *key != hub.key.public()).collect();
    let key = match meant.len() {
        1 => *meant.first().expect("there is one"),
        0 if keepers.iter().any(|keeper| named(hub, keeper, member).contains(&hub.key.public())) => {
            let refusal = Refusal::new(exit::USAGE, format!("`{member}` is this device"));
            return Err(refusal.hint("`alike remove SHARE` ends a share here"));
        }
        0 => {
            return Err(
                Refusal::new(exit::USAGE, format!("there is no member `{member}`")).hint("`alike peers` lists them")
            );
        }
        _ => {
            let refusal = Refusal::new(exit::USAGE, format!("several members are called `{member}`"));
            return Err(refusal.hint("name it by the first letters of its key; `alike peers` lists them"));
        }
    };
    let mut from = Vec::new();
    for keeper in keepers.iter().filter(|keeper| keeper.members().role(key).is_some()) {
        let forgotten = keeper.change(hub, |members| members.grant(&hub.key, key, Granted::Forgotten));
        match forgotten.map_err(|error| Refusal::of(exit::ROOT, &error))? {
            Ok(()) => from.push(keeper.name.to_string()),
            Err(error @ NotAllowed) => return Err(Refusal::of(exit::REFUSED, &error)),
        }
        hub.note(Level::Info, "forgotten", &keeper.name, &[("key", key.to_string())]);
    }
    Ok(format!("forgot {} in {}", key.short(), from.join(", ")))
}

/// The members that a word may mean.
pub fn named(hub: &Hub, keeper: &Keeper, word: &str) -> Vec<PublicKey> {
    let keys: Vec<PublicKey> = keeper.members().each().map(|member| member.key).collect();
    // Fewer letters could be anybody's.
    let begins = |key: &PublicKey| word.len() >= 4 && key.to_string().starts_with(word);
    keys.into_iter().filter(|key| begins(key) || hub.called(keeper, *key) == word).collect()
}

pub fn unknown(name: &ShareName) -> Refusal {
    Refusal::new(exit::USAGE, format!("there is no share `{name}`")).hint("`alike status` lists the shares")
}

fn of_pairing(error: &PairingError) -> Refusal {
    let exit = match error {
        PairingError::Net { source: crate::net::Error::Refused { .. }, .. } => exit::REFUSED,
        PairingError::Net { source: crate::net::Error::TimedOut { .. }, .. } => 30,
        PairingError::Net { .. } => 35,
        PairingError::Gone | PairingError::Garbled | PairingError::NotAllowed(_) => exit::REFUSED,
        PairingError::Place(_) => exit::ROOT,
        PairingError::Unknown(_)
        | PairingError::Ticket(_)
        | PairingError::Name(_)
        | PairingError::Already(_)
        | PairingError::Config(_) => exit::USAGE,
    };
    let refusal = Refusal::of(exit, error);
    match error {
        PairingError::Unknown(_) => refusal.hint("`alike status` lists the shares"),
        PairingError::Net { .. } | PairingError::Gone => refusal.hint("make a new ticket there: `alike invite SHARE`"),
        PairingError::Name(_) => refusal.hint("`--name NAME` gives it one"),
        PairingError::NotAllowed(_) => refusal.hint("invite from a device that reads and writes"),
        _ => refusal,
    }
}

fn done(outcome: Result<Option<String>, Refusal>) -> Answer {
    match outcome {
        Ok(message) => Answer::Done { message },
        Err(refusal) => Answer::Refused(refusal),
    }
}
