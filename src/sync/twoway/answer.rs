//! The end of a meeting that is asked: it answers the comparison, hands out what the asking end lacks, and installs second.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::end::{self, End, Joining, Task};
use super::greet::{self, Heard};
use super::prefer::{self, Rule};
use super::tell;
use crate::model::era::Side;
use crate::model::mint::Renamed;
use crate::proto::message::{Decides, Message, Scanned};
use crate::proto::reconcile::Machine;
use crate::sync::converse::{Control, violation};
use crate::sync::error::Error;
use crate::sync::serve::{Receiving, finish, tell_all};
use crate::sync::supply::Supplier;

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
    control.send(&Message::Greeting(greet::told(&ours))).await?;
    let theirs = greeting(control).await?;
    if !theirs.agrees(&ours) {
        meet(control, &mut end, theirs).await?;
    }
    match receiving.decides() {
        Decides::Nobody => {}
        Decides::Asking => drop(tell::hear(control, &mut end).await?),
        Decides::Answering => prefer::tell(control, &mut end, Rule::Shown).await?,
    }
    if end.has_modes_to_settle()? {
        tell::hear(control, &mut end).await?;
    }
    for Renamed { from, to } in end.edited_meanwhile()? {
        control.send(&Message::Renamed(from.as_bytes().into(), to.as_bytes().into())).await?;
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

/// Compares what the two agreed on, and joins it.
async fn meet(control: &mut Control, end: &mut End, theirs: Heard) -> Result<(), Error> {
    let ours = end.replica.greeting();
    let mut theirs = greet::exchange(control, &ours, theirs).await?;
    if let Some(ours) = end.replica.square(&theirs, Side::Right)? {
        control.send(&Message::Greeting(greet::told(&ours))).await?;
        let again = greeting(control).await?;
        theirs = greet::exchange(control, &ours, again).await?;
    }
    end::consistent(&end.replica.greeting(), &theirs, ("here", "there"))?;
    let mut machine = Machine::responder(end.replica.compared()?);
    let outcome = control.reconcile(&mut machine, |_| Err(violation("a message out of turn"))).await?;
    if end.join(&theirs, &outcome)? == Joining::Outlived {
        let revived = end.revive()?;
        let known = tell::hear(control, end).await?;
        tell::tell(control, end, &known, &revived).await?;
    }
    Ok(())
}

async fn greeting(control: &mut Control) -> Result<Heard, Error> {
    match control.receive().await? {
        Message::Greeting(theirs) => Heard::read(theirs),
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
