//! Serves a member's one-shot command on a share, as `alike serve --stdio` would serve it through ssh, but within what a member
//! may: the share's root and nothing outside it, and what the roles of both allow.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::config::Role;
use super::hub::Hub;
use super::journal::Level;
use super::keeper::{Keeper, Word};
use crate::disk::root::Root;
use crate::disk::{self, control};
use crate::model::RelPath;
use crate::net::node::PublicKey;
use crate::net::{self, Link};
use crate::proto::message::{self, Ask};
use crate::sync::error::Error;
use crate::sync::report::Gauges;
use crate::sync::serve::{self, Admitted};

/// Commands of members that are served at a time.
const GUESTS_MAX: usize = 8;
/// What is under way between the connection and what serves.
const WINDOW: usize = 256 << 10;

static GUESTS: AtomicUsize = AtomicUsize::new(0);

/// Serves one command, until it has ended or the daemon does.
pub async fn serve(
    hub: &Arc<Hub>,
    keeper: &Arc<Keeper>,
    (peer, _guest): (PublicKey, Guest),
    link: Link,
) -> Result<(), Error> {
    let strands = net::Strands::accept(&link).await?;
    let (near, far) = tokio::io::duplex(WINDOW);
    let gauges = Gauges::default();
    let served = {
        let (hub, keeper, gauges) = (Arc::clone(hub), Arc::clone(keeper), gauges.clone());
        // It opens and scans as it goes: not on a thread that answers others.
        spawn_blocking(move || {
            let mut loan = Loan { keeper: Arc::clone(&keeper), taken: false };
            let admit = async |ask: Ask| {
                let admitted = permit(&hub, &keeper, peer, ask)?;
                if admitted.ask.role != message::Role::Source {
                    loan.take().await;
                }
                Ok(admitted)
            };
            Handle::current().block_on(serve::over(tokio::io::split(near), &gauges, admit))
        })
    };
    hub.note(Level::Debug, "serves a command of a member", &keeper.name, &[("peer", hub.called(keeper, peer))]);
    tokio::select! {
        () = net::bridge(tokio::io::split(far), strands) => {}
        () = hub.stopping.cancelled() => {}
    }
    gauges.left.stop();
    gauges.right.stop();
    link.close().await;
    served.await.unwrap_or_else(|_| Err(Error::Busy { what: "serving it broke off".into() }))
}

/// What of it is done: the same within the root of the share.
fn permit(hub: &Hub, keeper: &Keeper, peer: PublicKey, mut ask: Ask) -> Result<Admitted, Error> {
    let rehearses = ask.writing.dry_run;
    let theirs = keeper.members().role(peer).ok_or_else(|| forbidden("it is no member", "ask for an invitation"))?;
    let ours = keeper.role(hub.key.public());
    let both = theirs == Role::ReadWrite && ours == Role::ReadWrite;
    let (allowed, what) = match ask.role {
        message::Role::Source => (theirs != Role::Send, "a member that only sends takes nothing"),
        message::Role::Target => {
            (theirs != Role::Receive && ours == Role::ReadWrite, "one of the two members may not change the other")
        }
        message::Role::Replica => {
            (both, "changes would go both ways, and one of the two members only sends or receives")
        }
    };
    if !allowed && !rehearses {
        return Err(forbidden(
            what,
            "`alike status` lists the roles; a share's founder can invite anew with another one",
        ));
    }
    if ask.writing.backup.is_some() || !ask.writing.trash {
        return Err(forbidden(
            "what is replaced in a share goes to its trash",
            "leave out `--backup-dir` and `--no-trash`",
        ));
    }
    if !ask.path.is_empty() && ask.role != message::Role::Source {
        return Err(forbidden("a part of a share can only be read", "name the whole share: `alike://MEMBER/SHARE`"));
    }
    let root = within(&keeper.shared.root, &ask.path)?;
    ask.path = root.path().as_os_str().as_bytes().to_vec();
    Ok(Admitted { ask, root: Some(root) })
}

/// The directory in the share. What the share remembers is nobody's to read.
fn within(root: &Path, path: &[u8]) -> Result<Root, Error> {
    let root = Root::open(root)?;
    let legal = RelPath::new(path).ok();
    let legal = legal.filter(|path| path.as_ref().components().all(|name| name != control::NAME.as_bytes()));
    let legal = legal.ok_or_else(|| forbidden("the path leads out of the share", "name a directory in it"))?;
    root.below(legal.as_ref()).map_err(|error| match error {
        disk::error::Error::NotADirectory { .. } => {
            forbidden("a link or a file stands on the way to the path", "name the directory itself")
        }
        error => error.into(),
    })
}

fn forbidden(what: &str, hint: &str) -> Error {
    Error::Forbidden { message: format!("it is not allowed: {what}"), hint: hint.into() }
}

/// A root that is lent to a member's command, until that ends however it does.
struct Loan {
    keeper: Arc<Keeper>,
    taken: bool,
}

impl Loan {
    async fn take(&mut self) {
        let (granted, lent) = oneshot::channel();
        self.taken = true;
        self.keeper.say(Word::Lend(granted));
        // A keeper that has ended holds nothing.
        let _ = lent.await;
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self.taken {
            self.keeper.say(Word::Returned);
        }
    }
}

/// One of at most [`GUESTS_MAX`].
pub struct Guest(());

impl Guest {
    /// `None` where as many are here already.
    pub fn enter() -> Option<Guest> {
        // Dropped where there is no room, it takes back its number.
        let guest = Guest(());
        (GUESTS.fetch_add(1, Ordering::Relaxed) < GUESTS_MAX).then_some(guest)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        GUESTS.fetch_sub(1, Ordering::Relaxed);
    }
}
