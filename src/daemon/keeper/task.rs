//! The task of one share: hears words, sees work end, and decides what is done next. Waits for nothing else, so that it always
//! hears.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::approvals::Approvals;
use super::place::Kept;
use super::scrub::Scrub;
use super::steps::Steps;
use super::work::{self, Done, mark_of};
use super::{Keeper, Word, lock};
use crate::daemon::config::Role;
use crate::daemon::control::status::At;
use crate::daemon::hooks::{self, Hook};
use crate::daemon::hub::{Hub, chance};
use crate::daemon::journal::Level as Matters;
use crate::daemon::schedule::{Mark, Meeting, Moment, Rounds};
use crate::daemon::speech::Announcement;
use crate::disk::dirty::Dirty;
use crate::net::node::PublicKey;
use crate::sync::error::Error;
use crate::sync::share::{Materialized, Met, Share, Standing};

/// What a task carries along.
pub(super) struct Task {
    pub(super) hub: Arc<Hub>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) rounds: Rounds<PublicKey>,
    pub(super) work: JoinSet<Done>,
    pub(super) steps: Steps,
    /// Commands that have the root.
    pub(super) loans: usize,
    closing: Option<oneshot::Sender<()>>,
    pub(super) approvals: Approvals,
    pub(super) scrub: Scrub,
    on_conflict: hooks::Told,
    after_sync: hooks::Told,
}

/// Keeps a share until it is told to close.
pub async fn run(hub: Arc<Hub>, keeper: Arc<Keeper>, mut hears: mpsc::UnboundedReceiver<Word>) {
    let now = hub.now();
    let rounds = Rounds::new(hub.interval_ms(), mark_of(&Standing::default()), now);
    let steps = Steps::new();
    let hook = |hook| hooks::Told::new(Arc::downgrade(&hub), keeper.name.clone(), hook);
    let (on_conflict, after_sync) = (hook(Hook::OnConflict), hook(Hook::AfterSync));
    let scrub = Scrub::from(hub.place.scrub(&keeper.name));
    let (work, loans, closing, approvals) = (JoinSet::new(), 0, None, Approvals::default());
    let mut task = Task { hub, keeper, rounds, work, steps, loans, closing, approvals, scrub, on_conflict, after_sync };
    task.live(task.hub.peers.connected());
    loop {
        if task.closing.is_some() {
            return task.close().await;
        }
        task.renew().await;
        task.act();
        task.publish();
        let wait = task.next().saturating_sub(task.hub.now());
        tokio::select! {
            word = hears.recv() => match word {
                Some(word) => task.hear(word).await,
                None => return,
            },
            Some(done) = task.work.join_next() => match done {
                Ok(done) => task.done(done),
                Err(error) => task.broke(&error.to_string()),
            },
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
        }
    }
}

impl Task {
    async fn hear(&mut self, word: Word) {
        let now = self.hub.now();
        match word {
            Word::Heard(peer, said) => self.heard(peer, said),
            Word::Live(connected) => self.live(connected),
            Word::Answered(peer, met) => {
                let ours = *self.rounds.ours();
                self.met(peer, ours, met);
            }
            Word::Dirty(dirty) => self.dirty(dirty),
            Word::Gone => self.lose("the root is gone from its place").await,
            Word::Listed => {
                self.live(self.hub.peers.connected());
                self.rounds.tell(now);
            }
            Word::Interval(interval_ms) => self.rounds.every(interval_ms, now),
            Word::Lend(granted) => {
                self.loans += 1;
                self.let_go().await;
                // A command that did not wait for it has ended, and says so itself.
                let _ = granted.send(());
            }
            Word::Returned => {
                self.loans = self.loans.saturating_sub(1);
                self.steps.open_after = now;
            }
            Word::Verified(verified) => self.verified(&verified),
            Word::Mean(meant, answer) => {
                let share = self.keeper.share();
                self.work.spawn(work::mean(share, meant, answer));
            }
            Word::Close(closed) => self.closing = Some(closed),
        }
    }

    /// A member told what it holds.
    fn heard(&mut self, peer: PublicKey, said: Announcement) {
        if self.keeper.members().role(peer).is_none() {
            return;
        }
        let before = lock(&self.keeper.now).levels.get(&peer).and_then(|level| level.wanted);
        self.rounds.heard(peer, said.mark);
        lock(&self.keeper.now).heard.insert(peer, self.hub.now());
        lock(&self.keeper.now).levels.entry(peer).or_default().wanted = Some(said.wanted);
        if said.wanted == 0 && before != Some(0) {
            // It may have got what is wanted here, also where it was just asked in vain.
            self.steps.offered(self.hub.now());
        }
        let list = self.keeper.members().digest();
        if list.0[..8] != said.list {
            let (hub, keeper) = (Arc::clone(&self.hub), Arc::clone(&self.keeper));
            tokio::spawn(async move {
                if let Err(error) = work::exchange(&hub, &keeper, peer).await {
                    hub.note(
                        Matters::Debug,
                        "members not exchanged",
                        &keeper.name,
                        &[("peer", peer.short()), ("why", why(&error))],
                    );
                }
            });
        }
    }

    /// Who is connected.
    fn live(&mut self, connected: BTreeSet<PublicKey>) {
        let members = self.keeper.members();
        let live: BTreeSet<PublicKey> = connected.into_iter().filter(|key| members.role(*key).is_some()).collect();
        self.rounds.live(live.iter().copied(), self.hub.now());
        lock(&self.keeper.now).levels.retain(|key, _| live.contains(key));
        self.steps.place_after = self.hub.now();
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Opened(opened) => self.opened(opened),
            Done::Looked(looked) => {
                self.steps.looking = false;
                match looked {
                    Ok(looked) => {
                        self.succeeded();
                        self.cover();
                        // What happened while something was put in place is seen as no change by the look: the plan sees it.
                        let hinted = std::mem::take(&mut self.steps.hinted);
                        self.steps.unplaced |= looked.changed || hinted || self.is_unplaced();
                        self.steps.hurry(looked.changed, self.hub.now());
                        let standing = self.refresh();
                        let mut now = lock(&self.keeper.now);
                        now.counters.looks += 1;
                        now.counters.look_ms += standing.look.as_millis() as u64;
                        drop(now);
                        self.steps.looked(standing.look.as_millis() as u64, self.hub.now());
                        if looked.changed {
                            self.say(Matters::Debug, "changed here", &[("entries", standing.entries.to_string())]);
                        }
                    }
                    // A directory that was deleted is not told of as long as it is open here.
                    Err(_) if self.keeper.share().is_some_and(|share| !share.is_in_place()) => {
                        self.keeper.say(Word::Gone);
                    }
                    Err(error) => {
                        self.steps.dirty = Some(Dirty::All);
                        self.steps.look_after = self.failed("cannot look at the root", &error);
                    }
                }
            }
            Done::Scrubbed(verified) => self.scrubbed(verified),
            Done::Meant(meant, answer) => self.meant(meant, answer),
            Done::Watched(watched) => self.watched(watched),
            Done::Met(peer, ours, met) => {
                self.rounds.ended(peer);
                self.met(peer, ours, met);
            }
            Done::Rested(Ok(())) => {
                if !self.refresh().unsaved {
                    // That it is saved now is no change.
                    self.steps.rest_at = None;
                }
                self.hub.memory.rests();
            }
            // It is saved after the next change, or when the share is closed.
            Done::Rested(Err(error)) => self.say(Matters::Debug, "index not saved", &[("why", why(&error))]),
            Done::Placed(placed) => self.placed(placed),
        }
    }

    fn opened(&mut self, opened: Result<Share, Error>) {
        self.steps.opening = false;
        match opened {
            Ok(share) if self.loans == 0 => {
                *lock(&self.keeper.open) = Some(share);
                self.succeeded();
                self.steps.dirty = Some(Dirty::All);
                self.steps.watched = false;
                self.steps.look_after = self.hub.now();
                let standing = self.refresh();
                self.hub.introduce(&self.keeper, standing.id);
                self.say(Matters::Info, "open", &[("root", self.keeper.shared.root.display().to_string())]);
            }
            // It was lent meanwhile: dropping it lets go of the root.
            Ok(_) => {}
            Err(error) => self.steps.open_after = self.failed("cannot open the root", &error),
        }
    }

    fn met(&mut self, peer: PublicKey, ours: Mark, met: Result<Met, Error>) {
        match met {
            Ok(met) => {
                let theirs = work::mark(&met.their_top, &met.their_knowledge);
                let takes_nothing = self.takes_nothing(peer);
                let mut now = lock(&self.keeper.now);
                now.heard.insert(peer, self.hub.now());
                now.counters.rounds += 1;
                now.counters.round_trips += u64::from(met.round_trips);
                now.counters.meeting_bytes += met.bytes.sent + met.bytes.received;
                drop(now);
                self.steps.unplaced |= met.changed > 0;
                self.steps.hurry(met.changed > 0, self.hub.now());
                self.refresh();
                self.rounds.met(peer, Meeting { ours, theirs, one_way: takes_nothing });
                let facts = [
                    ("peer", self.hub.called(&self.keeper, peer)),
                    ("changed", met.changed.to_string()),
                    ("sent", met.bytes.sent.to_string()),
                    ("received", met.bytes.received.to_string()),
                ];
                self.say(if met.changed > 0 { Matters::Info } else { Matters::Debug }, "met", &facts);
            }
            Err(error) => {
                self.rounds.failed(peer, self.hub.now(), &mut chance);
                lock(&self.keeper.now).counters.failed += 1;
                let level =
                    if matches!(error, Error::Busy { .. } | Error::Net(_)) { Matters::Debug } else { Matters::Warn };
                self.say(level, "not met", &[("peer", self.hub.called(&self.keeper, peer)), ("why", why(&error))]);
            }
        }
    }

    /// Whether this device or that member takes nothing from the other, so that they may never hold the same.
    fn takes_nothing(&self, peer: PublicKey) -> bool {
        let own = self.keeper.role(self.hub.key.public());
        own == Role::Send || self.keeper.members().role(peer) == Some(Role::Send)
    }

    fn placed(&mut self, placed: Result<(Materialized, Kept), Error>) {
        self.steps.placing = false;
        let (placed, kept) = match placed {
            Ok(placed) => placed,
            Err(error) => {
                self.approvals.failed(&error);
                self.steps.unplaced = true;
                self.steps.place_after = self.failed("cannot put in place", &error);
                return;
            }
        };
        let standing = self.refresh();
        self.approvals.placed(&standing.held, &self.keeper.name);
        self.rounds.tell(self.hub.now());
        let totals = placed.tally.totals;
        let mut now = lock(&self.keeper.now);
        now.counters.files += totals.files;
        now.counters.bytes += totals.bytes;
        drop(now);
        if !kept.paths.is_empty() {
            let facts = [
                ("files", totals.files.to_string()),
                ("bytes", totals.bytes.to_string()),
                ("wanted", placed.wanted.to_string()),
            ];
            self.say(Matters::Info, "put in place", &facts);
            self.succeeded();
            self.steps.served();
            self.after_sync.tell(summary(&self.keeper, &placed, &kept));
        }
        if placed.wanted > 0 {
            self.steps.wanting(!standing.held.is_empty(), self.hub.now());
        } else {
            self.steps.served();
        }
        for problem in kept.problems.iter().take(10) {
            self.say(Matters::Warn, "problem", &[("path", problem.path.to_string()), ("why", problem.cause.clone())]);
        }
    }

    /// A piece of work ended in a bug. It is not known which: all are begun anew.
    fn broke(&mut self, what: &str) {
        self.say(Matters::Error, "a step broke", &[("why", what.into())]);
        self.rounds.all_ended();
        self.steps.broke(self.hub.now());
    }

    /// Lets go of the root: what goes on ends at the next file.
    async fn let_go(&mut self) {
        let share = lock(&self.keeper.open).take();
        self.approvals = Approvals::default();
        if let Some(share) = share {
            self.publish();
            self.unwatched(None);
            share.close().await;
        }
    }

    /// Lets go of a share that has lost its memory: it is opened again, and read as it is on disk.
    async fn renew(&mut self) {
        if self.keeper.share().is_some_and(|share| share.is_void()) {
            self.lose("opened again, as its memory could not be written").await;
        }
    }

    /// Lets go of the root for a reason, which is told until it is open again.
    async fn lose(&mut self, why: &'static str) {
        self.say(Matters::Error, why, &[]);
        self.let_go().await;
        lock(&self.keeper.now).problem = Some(why.into());
        self.steps.open_after = self.steps.failed(self.hub.now());
    }

    async fn close(mut self) {
        self.let_go().await;
        self.work.abort_all();
        if let Some(closed) = self.closing.take() {
            let _ = closed.send(());
        }
    }

    /// Takes over what the share says of itself.
    pub(super) fn refresh(&mut self) -> Standing {
        let Some(share) = self.keeper.share() else { return lock(&self.keeper.now).standing.clone() };
        let standing = share.standing();
        self.rounds.changed(mark_of(&standing), self.hub.now());
        let before = std::mem::replace(&mut lock(&self.keeper.now).standing, standing.clone());
        self.tell_healed(&before, &standing);
        let is_first = before.looked.is_none() && standing.looked.is_some();
        if is_first || before.top != standing.top || standing.unsaved != before.unsaved {
            self.rest_later();
        }
        if standing.conflicts > before.conflicts && before.looked.is_some() {
            self.say(Matters::Warn, "conflict", &[("conflicts", standing.conflicts.to_string())]);
            self.on_conflict.tell(json!({
                "v": 1, "type": "on-conflict", "share": self.keeper.name, "root": self.keeper.shared.root,
                "conflicts": standing.conflicts,
            }));
        }
        standing
    }

    fn is_unplaced(&self) -> bool {
        self.keeper.share().is_some_and(|share| share.standing().wanted != Some(0))
    }

    /// Says what is so.
    fn publish(&mut self) {
        let at = self.at();
        let moment = self.hub.now();
        let levels: Vec<_> = self.rounds.levels().collect();
        let mut now = lock(&self.keeper.now);
        now.at = at;
        now.sample(moment);
        for (key, alike) in levels {
            now.levels.entry(key).or_default().alike = alike;
        }
        drop(now);
        self.hub.changed();
    }

    fn at(&self) -> At {
        let steps = &self.steps;
        let failed = steps.is_failing();
        match self.keeper.share() {
            None if self.keeper.shared.paused => At::Paused,
            None if self.loans > 0 => At::Lent,
            None if failed => At::Failed,
            None => At::Opening,
            Some(share) if share.standing().looked.is_none() => At::Opening,
            Some(_) if steps.looking || steps.placing || self.rounds.is_meeting() => At::Working,
            Some(_) if steps.dirty.is_some() || steps.unplaced => At::Waiting,
            Some(_) => At::Resting,
        }
    }

    fn succeeded(&mut self) {
        self.steps.succeeded();
        lock(&self.keeper.now).problem = None;
    }

    /// A step failed; when it may be tried again.
    fn failed(&mut self, what: &'static str, error: &Error) -> Moment {
        // A share that is at work says so; that is no failure.
        if !matches!(error, Error::Busy { .. }) {
            let text = why(error);
            let known = lock(&self.keeper.now).problem.replace(text.clone());
            let level = if known.as_ref() == Some(&text) { Matters::Debug } else { Matters::Error };
            self.say(level, what, &[("why", text)]);
        }
        self.steps.failed(self.hub.now())
    }

    pub(super) fn say(&self, level: Matters, what: &'static str, facts: &[(&'static str, String)]) {
        self.hub.note(level, what, &self.keeper.name, facts);
    }
}

/// What the hook after a run is told.
fn summary(keeper: &Keeper, placed: &Materialized, kept: &Kept) -> serde_json::Value {
    let totals = placed.tally.totals;
    json!({
        "v": 1, "type": "after-sync", "share": keeper.name, "root": keeper.shared.root, "files": totals.files,
        "bytes": totals.bytes, "renames": totals.renames, "deletes": totals.deletes, "problems": kept.problems.len(),
        "wanted": placed.wanted, "paths": kept.paths,
    })
}

/// An error with its causes, in one line.
pub fn why(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
