//! The share itself: its mutex, what is behind it, and how long anybody waits for it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Turn, Notify};
use tokio::task::spawn_blocking;

use super::role;
use super::settings::{Role, ShareSettings};
use super::standing::Standing;
use crate::disk::gauge::Gauge;
use crate::disk::root::Root;
use crate::disk::watch::Watch;
use crate::model::plan::guard::Limit;
use crate::model::{Listing, RelPath};
use crate::net::Link;
use crate::store::registry::Registry;
use crate::sync::error::Error;
use crate::sync::job::Writing;
use crate::sync::remote::packing;
use crate::sync::replica::Replica;
use crate::sync::rot::Rotten;
use crate::sync::side::Side;
use crate::sync::supply::Supplier;
use crate::sync::twoway::end::{self, End};

/// Longest wait for a share that is at work. A slice of installing is shorter, a first look may be longer.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);

/// A replica opened for long. Clones are the same share.
#[derive(Clone)]
pub struct Share(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub settings: ShareSettings,
    pub side: Arc<Side>,
    /// `None` once the share was closed.
    core: Arc<Turn<Option<Core>>>,
    published: Mutex<Published>,
    /// Counters of what is looked at and installed, and the flag that stops it.
    pub gauge: Arc<Gauge>,
    /// Held while the disk is made to show what is agreed on, for as long as anything is fetched for that.
    pub turn: Arc<Turn<()>>,
    /// Something else is agreed on, or the share is closed.
    news: Notify,
    /// The watch of the root, once it was asked for.
    pub watch: OnceLock<Arc<Watch>>,
}

/// What can be asked without waiting.
struct Published {
    standing: Standing,
    listing: Listing,
}

/// What the mutex guards.
pub(super) struct Core {
    pub end: End,
    /// Whether the root was looked at since the share was opened: before that nothing is known of it.
    pub looked: bool,
    /// Names at which the disk may not show what is agreed on; `None`: any.
    pub open: Option<BTreeSet<RelPath>>,
    /// Whether the index lacks something,
    pub unsaved: bool,
    /// and when it was saved last,
    pub saved: Instant,
    /// how many names it lacked all the same,
    pub left: usize,
    /// and how much was put in place since.
    pub placed: usize,
    /// How many deletes were said to be meant, until they are done.
    pub approved: Option<Limit>,
    /// Files that have rotted, and were not put right yet.
    pub rotten: Rotten,
    /// Raised where this replica took back something that it had said of itself.
    pub epoch: u64,
    pub standing: Standing,
}

impl Share {
    /// Opens the share's root and takes its lock: nobody else changes it until the share is closed. Blocks for the time
    /// that it takes to read the memory. Nothing is known of the disk before the first look.
    pub fn open(settings: ShareSettings) -> Result<Share, Error> {
        let writing = Writing { dry_run: false, ..settings.writing.clone() };
        let root = end::open(&settings.root, &writing, &settings.reading)?;
        let open = |root: Root| {
            let registry = match &settings.state {
                Some(state) => Registry::within(Some(state), root.path()),
                None => Registry::of(root.path()),
            };
            Replica::open_known(root, &settings.reading, writing.clone(), registry)
        };
        let mut replica = open(root)?;
        // Only now is it known to be the root that it was, and nobody else's.
        if !role::is_kept(replica.side().root(), settings.role) {
            let root = replica.side().root().try_clone()?;
            drop(replica);
            role::keep(&root, settings.role)?;
            replica = open(root)?;
        }
        let end = End::unseen(replica, &settings.reading, writing);
        let mut core = Core {
            end,
            looked: false,
            open: None,
            unsaved: false,
            saved: Instant::now(),
            left: 0,
            placed: 0,
            approved: None,
            rotten: Rotten::new(),
            epoch: 0,
            standing: Standing::default(),
        };
        core.tell_memory()?;
        let side = Arc::clone(core.end.replica.side());
        let published = Published { standing: core.standing.clone(), listing: Listing::empty() };
        Ok(Share(Arc::new(Inner {
            settings,
            side,
            core: Arc::new(Turn::new(Some(core))),
            published: Mutex::new(published),
            gauge: Arc::default(),
            turn: Arc::default(),
            news: Notify::new(),
            watch: OnceLock::new(),
        })))
    }

    /// The root.
    pub fn root(&self) -> &Path {
        self.0.side.root().path()
    }

    /// What this member does.
    pub fn role(&self) -> Role {
        self.0.settings.role
    }

    /// Whether nothing can be done with it any more, as its memory could not be written, or a step broke: it is to be closed and
    /// opened again.
    pub fn is_void(&self) -> bool {
        self.0.core.try_lock().is_ok_and(|core| core.is_none())
    }

    /// Whether the path of the root still leads to it.
    pub fn is_in_place(&self) -> bool {
        self.0.side.root().is_in_place()
    }

    /// Counters of what is looked at and installed.
    pub fn gauge(&self) -> &Arc<Gauge> {
        &self.0.gauge
    }

    /// How the share stands, as of the end of the last step. Never waits for a step that goes on.
    pub fn standing(&self) -> Standing {
        self.0.published().standing.clone()
    }

    /// Hands out content until the other side has closed the link. Waits for no step of this share.
    pub async fn supply(&self, link: Link) -> Result<(), Error> {
        let listing = self.0.listing();
        let supplier = Supplier::new(Arc::clone(&self.0.side), listing, packing(None, &link));
        Arc::new(supplier).serve(link.clone()).await;
        link.close().await;
        Ok(())
    }

    /// Ends what goes on at the next file, and lets go of the root and its memory. Later calls are refused as busy.
    pub async fn close(self) {
        self.0.gauge.stop();
        self.0.news.notify_one();
        let core = self.0.core.lock().await.take();
        let closing = spawn_blocking(move || {
            let Some(mut core) = core else { return };
            if core.looked && core.unsaved {
                // What the index lacks is noted: it costs the next opening a few hashes.
                let _ = core.save();
            }
        });
        // The memory is closed in any case: whatever failed has let go of it.
        let _closed = closing.await;
        // What is being fetched stops, and lets go of the root then.
        drop(self.0.turn.lock().await);
    }

    /// Waits until something else is agreed on than when this was asked last, or the share is closed.
    pub(super) async fn news(&self) {
        self.0.news.notified().await;
    }

    /// Does one step under the mutex, on a thread that may block, and publishes what came of it.
    pub(super) async fn step<T: Send + 'static>(
        &self,
        wait: Duration,
        act: impl FnOnce(&mut Core) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = tokio::time::timeout(wait, Arc::clone(&self.0.core).lock_owned());
        let mut guard = turn.await.map_err(|_| self.0.busy("is at work"))?;
        let inner = Arc::clone(&self.0);
        let stepping = spawn_blocking(move || {
            // Out of the mutex meanwhile: what a step leaves that panics is nobody's.
            let mut core = guard.take().ok_or_else(|| inner.busy("is lent or closed"))?;
            let outcome = act(&mut core).and_then(|outcome| core.save_if_due().map(|()| outcome));
            if matches!(outcome, Err(Error::State(_))) {
                // What is in memory may be ahead of what is on disk: nobody must hear of it. It is read again when the share
                // is opened again.
                return outcome;
            }
            // Also after a failure: what was done before it is done.
            core.tell_memory()?;
            inner.publish(&core);
            *guard = Some(core);
            outcome
        });
        stepping.await.map_err(|_| self.0.busy("had a step that failed"))?
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share({})", self.root().display())
    }
}

impl Inner {
    /// The share cannot be had now.
    pub fn busy(&self, why: &str) -> Error {
        Error::Busy { what: format!("`{}` {why}", self.side.root().path().display()) }
    }

    /// What the last step left on disk.
    pub fn listing(&self) -> Listing {
        self.published().listing.clone()
    }

    fn publish(&self, core: &Core) {
        let published = Published { standing: core.standing.clone(), listing: core.end.looked.found.listing.clone() };
        let before = std::mem::replace(&mut *self.published(), published);
        if before.standing.top != core.standing.top {
            self.news.notify_one();
        }
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
