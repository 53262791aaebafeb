//! One share, kept alike as long as the daemon runs: it is opened, looked at, met with others and put in place; it is lent to
//! commands, and pauses. One task a share decides; what it decides is done in tasks of their own, so that it always answers.
//!
//! Start at [`Keeper`]; `task` is the loop.

mod approvals;
mod begin;
mod now;
mod place;
mod scrub;
mod steps;
mod task;
mod watching;
pub mod work;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::config::{Role, ShareName, Shared};
use super::control::Refusal;
use super::hub::Hub;
use super::members::{Members, ShareId};
use super::place::PlaceError;
use super::speech::Announcement;
use crate::disk::dirty::Dirty;
use crate::model::plan::guard::Limit;
use crate::net::node::PublicKey;
use crate::sync::error::Error;
use crate::sync::share::{Met, Share, Verified};
pub use now::Now;

/// A share as the rest of the daemon sees it.
pub struct Keeper {
    /// Its name here.
    pub name: ShareName,
    /// As it is configured.
    pub shared: Shared,
    /// Its name among all there are.
    pub id: ShareId,
    members: Arc<Mutex<Arc<Members>>>,
    /// Held while the list is changed and kept.
    changing: Mutex<()>,
    open: Mutex<Option<Share>>,
    now: Mutex<Now>,
    words: mpsc::UnboundedSender<Word>,
}

/// What a keeper is told.
pub enum Word {
    /// A member told what it holds.
    Heard(PublicKey, Announcement),
    /// Who is connected changed.
    Live(BTreeSet<PublicKey>),
    /// A member had asked for a meeting, which has ended.
    Answered(PublicKey, Result<Met, Error>),
    /// Something may have changed on disk.
    Dirty(Dirty),
    /// The root is gone from its place.
    Gone,
    /// The list of members changed.
    Listed,
    /// Another interval between rounds, in milliseconds.
    Interval(u64),
    /// A command wants the root.
    Lend(oneshot::Sender<()>),
    /// It has ended.
    Returned,
    /// Files were read again.
    Verified(Verified),
    /// Somebody says what is meant; answered once it shows whether that was enough.
    Mean(Meant, oneshot::Sender<Result<(), Refusal>>),
    /// The daemon ends, or the share is configured no longer.
    Close(oneshot::Sender<()>),
}

/// What must be said before it is done.
#[derive(Debug, Clone, Copy)]
pub enum Meant {
    /// So many deletes.
    Deletes(Limit),
    /// What was changed here alone shall go.
    Revert,
    /// What has rotted shall be put right.
    Heal,
}

impl Keeper {
    /// Begins to keep a share.
    pub fn start(hub: &Arc<Hub>, (name, shared): (ShareName, Shared), members: Members) -> Arc<Keeper> {
        let (words, hears) = mpsc::unbounded_channel();
        let keeper = Arc::new(Keeper {
            id: members.share(),
            name,
            shared,
            members: Arc::new(Mutex::new(Arc::new(members))),
            changing: Mutex::new(()),
            open: Mutex::new(None),
            now: Mutex::default(),
            words,
        });
        tokio::spawn(task::run(Arc::clone(hub), Arc::clone(&keeper), hears));
        keeper
    }

    /// Tells it something. One that has ended hears nothing.
    pub fn say(&self, word: Word) {
        let _ = self.words.send(word);
    }

    /// The share, where it is open.
    pub fn share(&self) -> Option<Share> {
        lock(&self.open).clone()
    }

    /// The members, as of now. No lock is held on.
    pub fn members(&self) -> Arc<Members> {
        Arc::clone(&lock(&self.members))
    }

    /// What this device does: what it was granted, and no more than is configured.
    pub fn role(&self, own: PublicKey) -> Role {
        let granted = self.members().role(own).unwrap_or(Role::Receive);
        granted.max(self.shared.role)
    }

    /// Changes the list of members, keeps it, and says so where it is another one then.
    pub fn change<T>(&self, hub: &Hub, change: impl FnOnce(&mut Members) -> T) -> Result<T, PlaceError> {
        let turn = lock(&self.changing);
        let before = self.members();
        let mut after = Members::clone(&before);
        let changed = change(&mut after);
        if *before == after {
            return Ok(changed);
        }
        // Kept before it counts: a member that is forgotten must not come back with a crash.
        hub.place.keep(&self.name, &after)?;
        *lock(&self.members) = Arc::new(after);
        drop(turn);
        self.say(Word::Listed);
        hub.listed();
        Ok(changed)
    }

    /// How it stands.
    pub fn now(&self) -> Now {
        lock(&self.now).clone()
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Keeper({})", self.name)
    }
}

/// No code panics while it holds one of these locks.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
