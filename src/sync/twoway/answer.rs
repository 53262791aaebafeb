//! The end of a meeting that is asked: it answers the comparison, hands out what the asking end lacks, and installs second.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::end::{self, End, Task};
use super::prefer::{self, Rule};
use crate::model::Knowledge;
use crate::model::era::{Era, Eras, Side};
use crate::proto::message::{self, Decides, Message, Scanned};
use crate::proto::reconcile::Machine;
use crate::sync::converse::{Control, violation};
use crate::sync::error::Error;
use crate::sync::replica::Greeting;
use crate::sync::serve::{Receiving, finish, tell_all};
use crate::sync::supply::Supplier;

/// What this end says of itself first, as a message.
pub fn told(greeting: &Greeting) -> message::Greeting {
    let Greeting { id, top, entries, knowledge, eras } = greeting;
    let mut bytes = Vec::new();
    knowledge.encode(&mut bytes);
    let told = |eras: &Eras| eras.iter().map(|era| (era.first, era.token)).collect();
    let eras = eras.iter().map(|(id, eras)| (*id, told(eras))).collect();
    message::Greeting { id: *id, top: *top, entries: *entries, knowledge: bytes, eras }
}

/// What the other end says of itself first.
pub fn greeting_of(told: message::Greeting) -> Result<Greeting, Error> {
    let message::Greeting { id, top, entries, knowledge, eras } = told;
    let knowledge = Knowledge::decode(&knowledge).ok_or_else(|| violation("knowledge that cannot be read"))?;
    let eras = eras.into_iter().map(|(id, told)| {
        let mut eras = Eras::new();
        told.into_iter().for_each(|(first, token)| eras.begin(Era { first, token }));
        (id, eras)
    });
    Ok(Greeting { id, top, entries, knowledge, eras: eras.collect() })
}

/// Answers to the end.
pub async fn converse(
    receiving: &Receiving<'_>,
    control: &mut Control,
    looking: JoinHandle<Result<End, Error>>,
) -> Result<(), Error> {
    let mut end = looking.await.expect("a look reports its failures and does not panic")?;
    tell_all(control, &end.looked.found.problems).await?;
    tell_all(control, &end.looked.problems).await?;
    let ours = end.replica.greeting();
    control.send(&Message::Greeting(told(&ours))).await?;
    let theirs = greeting(control).await?;
    if !end::agree(&ours, &theirs) {
        let theirs = match end.replica.square(&theirs, Side::Right)? {
            None => theirs,
            Some(ours) => {
                control.send(&Message::Greeting(told(&ours))).await?;
                greeting(control).await?
            }
        };
        end::consistent(&end.replica.greeting(), &theirs, ("here", "there"))?;
        let mut machine = Machine::responder(end.replica.compared()?);
        let outcome = control.reconcile(&mut machine, |_| Err(violation("a message out of turn"))).await?;
        end.join(&theirs, &outcome)?;
    }
    match receiving.decides() {
        Decides::Nobody => {}
        Decides::Asking => prefer::hear(control, &mut end).await?,
        Decides::Answering => prefer::tell(control, &mut end, Rule::Shown).await?,
    }
    let task = end.task()?;
    tell_all(control, &task.plan.problems).await?;
    control.send(&Message::Planned(task.plan.totals())).await?;
    if receiving.is_dry_run() {
        return receiving.rehearse(control, &task.plan, Scanned::from(end.summary())).await;
    }
    wait_for_turn(control, receiving, &end).await?;
    let end = install(receiving, control, end, task).await?;
    finish(control, Scanned::from(end.summary())).await
}

async fn greeting(control: &mut Control) -> Result<Greeting, Error> {
    match control.receive().await? {
        Message::Greeting(theirs) => greeting_of(theirs),
        _ => Err(violation("a message out of turn")),
    }
}

/// Hands out content until it is this end's turn.
async fn wait_for_turn(control: &mut Control, receiving: &Receiving<'_>, end: &End) -> Result<(), Error> {
    let listing = end.looked.found.listing.clone();
    let supplier = Supplier::new(Arc::clone(end.replica.side()), listing, receiving.packing());
    let supplying = tokio::spawn(Arc::new(supplier).serve(receiving.link().clone()));
    let message = control.receive().await;
    supplying.abort();
    match message? {
        Message::Turn => Ok(()),
        _ => Err(violation("a message out of turn")),
    }
}

async fn install(receiving: &Receiving<'_>, control: &mut Control, mut end: End, task: Task) -> Result<End, Error> {
    let installation = end.installation(task, receiving.gauge());
    if !installation.is_needed() {
        return end::settled(end, installation, None).await;
    }
    let installation = Arc::new(installation);
    let placed = receiving.install(control, &installation).await?;
    let installation = Arc::into_inner(installation).expect("the run has ended");
    end::settled(end, installation, Some(placed)).await
}
