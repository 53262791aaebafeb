//! A meeting of two shares: metadata alone, both ends join on their own. The conversation is held from a snapshot, without
//! the mutex; only the join needs it.
//!
//! A join is right whatever happened here since the snapshot. What the peer holds was told against the snapshot: where the
//! two did not differ the peer holds what the snapshot held, so a path that changed here meanwhile is joined with that.

use super::core::{Core, Share, WAIT_MAX};
use super::settings::{Allowed, Role};
use super::standing::digest_of;
use crate::model::agreed::{Agreed, siblings_of};
use crate::model::era::Side;
use crate::model::merge::{Pair, Pairs};
use crate::model::{Digest, Listing, RelPath, Siblings};
use crate::net::{Link, Traffic};
use crate::proto::message::{Failure, Message};
use crate::proto::reconcile::{Machine, Settings, Side as Compared, Wants};
use crate::sync::converse::{Control, violation};
use crate::sync::error::Error;
use crate::sync::pull::salt;
use crate::sync::replica::Greeting;
use crate::sync::twoway::end::{self, Joining};
use crate::sync::twoway::greet::{self, Heard};

/// What came of a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// How many paths changed here.
    pub changed: usize,
    /// The peer's top before the meeting.
    pub their_top: Digest,
    /// The digest of all writes that the peer had seen before the meeting.
    pub their_knowledge: Digest,
    /// Round trips of the comparison, after the greeting; none where both were alike.
    pub round_trips: u32,
    /// What was said and heard.
    pub bytes: Traffic,
}

/// What a replica was when a meeting began.
struct Snapshot {
    greeting: Greeting,
    compared: Compared,
    epoch: u64,
}

impl Share {
    /// Meets the share at the other end of the link: this end asks.
    pub async fn meet(&self, link: Link) -> Result<Met, Error> {
        let mut control = Control::open(&link).await?;
        self.converse(link, &mut control, Side::Left).await
    }

    /// Answers a share that asks for a meeting. [`Error::Busy`], here and there, where the share cannot be had soon.
    pub async fn answer_meeting(&self, link: Link) -> Result<Met, Error> {
        let mut control = Control::accept(&link).await?;
        self.converse(link, &mut control, Side::Right).await
    }

    async fn converse(&self, link: Link, control: &mut Control, side: Side) -> Result<Met, Error> {
        let outcome = self.compare(control, side).await;
        if let Err(error) = &outcome {
            // The other end may be gone: then there is nobody to tell.
            let _ = control.send(&Message::Failed(Failure::from(error))).await;
        }
        let _ = control.send(&Message::Bye).await;
        let bytes = link.bytes();
        link.close().await;
        outcome.map(|met| Met { bytes, ..met })
    }

    async fn compare(&self, control: &mut Control, side: Side) -> Result<Met, Error> {
        let mut ours = self.step(WAIT_MAX, Core::snapshot).await?;
        control.send(&Message::Greeting(greet::told(&ours.greeting))).await?;
        let theirs = greeting(control).await?;
        let (their_top, their_knowledge) = (theirs.top, digest_of(&theirs.knowledge));
        let met = Met { changed: 0, their_top, their_knowledge, round_trips: 0, bytes: Traffic::default() };
        if theirs.agrees(&ours.greeting) {
            return Ok(met);
        }
        let mut theirs = greet::exchange(control, &ours.greeting, theirs).await?;
        let doubted = theirs.clone();
        if let Some(again) = self.step(WAIT_MAX, move |core| core.square(&doubted, side)).await? {
            ours = again;
            control.send(&Message::Greeting(greet::told(&ours.greeting))).await?;
            let again = greeting(control).await?;
            theirs = greet::exchange(control, &ours.greeting, again).await?;
        }
        let root = self.root().display().to_string();
        end::consistent(&ours.greeting, &theirs, (&root, "the peer's root"))?;
        let mut machine = match side {
            Side::Left => {
                let settings = Settings { salt: salt()?, wants: Wants::Both, push: true };
                Machine::initiator(ours.compared.clone(), settings)
            }
            Side::Right => Machine::responder(ours.compared.clone()),
        };
        let outcome = control.reconcile(&mut machine, |message| Err(aside(&message))).await?;
        drop(machine);
        let round_trips = outcome.round_trips_halves.div_ceil(2);
        if self.role() == Role::Send {
            return Ok(Met { round_trips, ..met });
        }
        let allowed = self.0.settings.allowed.clone();
        let busy = self.0.busy("has another memory than it had");
        let may_write = self.role() == Role::ReadWrite;
        let changed = self.step(WAIT_MAX, move |core| {
            if core.epoch != ours.epoch {
                return Err(busy);
            }
            let differing = end::differing(&outcome)?;
            // Of a first meeting it is as large as all that is agreed on.
            drop(outcome);
            let (changed, joining) = core.join(&ours, &theirs, differing, &allowed)?;
            if may_write && joining == Joining::Outlived {
                // The peer learns it in the next meeting.
                core.end.revive()?;
            }
            Ok(changed)
        });
        Ok(Met { changed: changed.await?, round_trips, ..met })
    }
}

impl Core {
    fn snapshot(&mut self) -> Result<Snapshot, Error> {
        if !self.looked {
            return Err(Error::Busy { what: "the share was not looked at yet".into() });
        }
        let compared = self.end.replica.compared()?;
        Ok(Snapshot { greeting: self.end.replica.greeting(), compared, epoch: self.epoch })
    }

    /// Sets right what makes a join unsafe; `None` where all was well.
    fn square(&mut self, theirs: &Greeting, side: Side) -> Result<Option<Snapshot>, Error> {
        let squared = self.end.replica.square(theirs, side)?;
        if squared.is_none() {
            return Ok(None);
        }
        // Meetings that began before have told what is not so any more.
        self.epoch += 1;
        self.snapshot().map(Some)
    }

    /// Joins what the peer holds; gives the number of paths that changed.
    fn join(
        &mut self,
        ours: &Snapshot,
        theirs: &Greeting,
        mut differing: Vec<(RelPath, Siblings)>,
        allowed: &Allowed,
    ) -> Result<(usize, Joining), Error> {
        may_write(&self.end.replica.greeting(), theirs, &differing, allowed)?;
        let agreed = self.end.replica.agreed()?.clone();
        if self.end.replica.greeting().top != ours.greeting.top {
            add_since(&mut differing, &ours.compared.listing, &agreed);
        }
        let (changed, joining) = self.end.learn(theirs, differing)?;
        if changed > 0 {
            self.standing.wanted = None;
        }
        Ok((changed, joining))
    }
}

/// Adds the paths that changed here since the snapshot: there the peer holds what the snapshot held.
fn add_since(differing: &mut Vec<(RelPath, Siblings)>, then: &Listing, now: &Agreed) {
    let told: std::collections::BTreeSet<RelPath> = differing.iter().map(|(path, _)| path.clone()).collect();
    let now = now.listing();
    for pair in Pairs::new((then, 0..then.len()), (now, 0..now.len())) {
        let (path, held) = match pair {
            Pair::Both(old, new) if then.row(old).extra_bytes() == now.row(new).extra_bytes() => continue,
            Pair::Both(old, _) | Pair::Left(old) => (then.row(old).path(), siblings_of(&then.row(old).entry())),
            Pair::Right(new) => (now.row(new).path(), None),
        };
        if !told.contains(&path.to_owned()) {
            differing.push((path.to_owned(), held.unwrap_or_default()));
        }
    }
    differing.sort_by(|left, right| left.0.cmp(&right.0));
}

/// Refuses what is new of replicas that may not write, also where somebody else passes it on.
fn may_write(
    ours: &Greeting,
    theirs: &Greeting,
    differing: &[(RelPath, Siblings)],
    allowed: &Allowed,
) -> Result<(), Error> {
    let versions = differing.iter().flat_map(|(_, siblings)| siblings.iter());
    let written =
        versions.map(|version| version.dot).filter(|dot| !ours.knowledge.contains(*dot)).map(|dot| dot.replica);
    let known = theirs.knowledge.iter().map(|(id, _)| id);
    let known = known.filter(|id| theirs.knowledge.highest(*id) > ours.knowledge.highest(*id));
    match written.chain(known).find(|id| *id != ours.id && !allowed.may_write(id)) {
        None => Ok(()),
        Some(id) => Err(violation(format!("writes of {id}, who is no member that may write"))),
    }
}

async fn greeting(control: &mut Control) -> Result<Heard, Error> {
    match control.receive().await? {
        Message::Greeting(theirs) => Heard::read(theirs),
        other => Err(aside(&other)),
    }
}

/// A message that is not the next one. Where one end has learned from a third, between the two greetings, what the other has
/// written since its own, that one looks restored to it: so it greets anew, and the other compares. Neither is at fault, and
/// in the next meeting both know more.
fn aside(message: &Message) -> Error {
    match message {
        Message::Greeting(_) | Message::Reconcile(_) => {
            Error::Busy { what: "one end has changed while the two greeted each other".into() }
        }
        _ => violation("a message out of turn"),
    }
}
