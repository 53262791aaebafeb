//! What a keeper begins, and when: decided from what is under way and what is due.

use std::sync::Arc;

use super::lock;
use super::task::Task;
use super::work::{self, mark_of};
use crate::daemon::hub::chance;
use crate::daemon::schedule::{Due, Moment};
use crate::daemon::speech::Announcement;
use crate::disk::dirty::Dirty;
use crate::net::node::PublicKey;
use crate::sync::share::Share;

/// After so long without a change a share is at rest: its index is saved, as what is noted until then takes memory, and what is
/// free is given back.
const REST_AFTER_MS: u64 = 20_000;

impl Task {
    /// Something has changed: the share comes to rest later.
    pub(super) fn rest_later(&mut self) {
        self.steps.rest_at = Some(self.hub.now() + REST_AFTER_MS);
    }

    /// Begins what is due.
    pub(super) fn act(&mut self) {
        let now = self.hub.now();
        let Some(share) = self.keeper.share() else {
            if self.loans == 0 && !self.steps.opening && !self.keeper.shared.paused && self.steps.open_after <= now {
                self.steps.opening = true;
                self.work.spawn(work::open(Arc::clone(&self.hub), Arc::clone(&self.keeper)));
            }
            return;
        };
        if self.steps.rescan_at <= now {
            self.steps.rescan_at = now + self.rescan_ms();
            self.steps.dirty = Some(Dirty::All);
        }
        if !self.steps.looking
            && self.steps.look_after <= now
            && let Some(dirty) = self.steps.dirty.take()
        {
            self.steps.looking = true;
            self.work.spawn(work::look(share.clone(), dirty));
        }
        let looked = share.standing().looked.is_some();
        if looked && !self.steps.watched && self.steps.watch_after <= now {
            self.steps.watched = true;
            self.work.spawn(work::watch(share.clone()));
        }
        if looked && self.steps.unplaced && !self.steps.placing && self.steps.place_after <= now {
            self.steps.unplaced = false;
            (self.steps.placing, self.steps.asks_again) = (true, false);
            self.approvals.placing();
            self.work.spawn(work::place(Arc::clone(&self.hub), Arc::clone(&self.keeper), share.clone()));
        }
        if self.steps.rest_at.is_some_and(|at| at <= now) {
            self.steps.rest_at = None;
            self.work.spawn(work::rest(share.clone()));
        }
        if looked {
            self.scrub(&share, now);
            self.talk(&share, now);
        }
    }

    /// Tells and meets whom it is time for.
    fn talk(&mut self, share: &Share, now: Moment) {
        for peer in self.rounds.tells(now) {
            self.tell(share, peer);
        }
        match self.rounds.meets(now, &mut chance) {
            Some(Due::Meet(peer)) => {
                let (hub, keeper) = (Arc::clone(&self.hub), Arc::clone(&self.keeper));
                self.work.spawn(work::meet(hub, keeper, share.clone(), peer));
            }
            Some(Due::Tell(peer)) => self.tell(share, peer),
            None => {}
        }
    }

    fn tell(&self, share: &Share, peer: PublicKey) {
        let standing = share.standing();
        let digest = self.keeper.members().digest();
        let said = Announcement {
            share: self.keeper.id,
            mark: mark_of(&standing),
            wanted: standing.wanted.map_or(u32::MAX, |wanted| u32::try_from(wanted).unwrap_or(u32::MAX)),
            list: std::array::from_fn(|at| digest.0[at]),
        };
        self.hub.node.tell(peer, said.datagram().into());
    }

    /// When something is to be done without anything happening.
    pub(super) fn next(&self) -> Moment {
        let steps = &self.steps;
        if self.keeper.share().is_none() {
            let idle = self.loans > 0 || steps.opening || self.keeper.shared.paused;
            return if idle { Moment::MAX } else { steps.open_after };
        }
        let looking = (steps.dirty.is_some() && !steps.looking).then_some(steps.look_after);
        let placing = (steps.unplaced && !steps.placing).then_some(steps.place_after);
        let (meeting, telling) = (Some(self.rounds.next_meeting()), self.rounds.next_tell());
        let all = [Some(steps.rescan_at), steps.rest_at, self.scrub.next(), looking, placing, meeting, telling];
        all.into_iter().flatten().min().unwrap_or(Moment::MAX)
    }

    fn rescan_ms(&self) -> u64 {
        let watching = lock(&self.keeper.now).watching;
        // What is not watched is looked at as often as it is talked about.
        if watching { self.hub.rescan_ms() } else { self.hub.interval_ms() }
    }
}
