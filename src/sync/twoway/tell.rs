//! Writes that an end makes in the middle of a meeting, when the two have joined already: decisions about conflicts, and
//! files that are written anew. The other end learns them in the same run, as if the two had met once more.

use super::end::End;
use super::greet::{self, Heard};
use crate::model::RelPath;
use crate::model::story::{self, Gists};
use crate::proto::message::{Decision, Message};
use crate::sync::converse::{Control, violation};
use crate::sync::error::Error;

/// Writes are told in messages of about this size.
const MESSAGE_BYTES: usize = 256 << 10;

/// Tells what these paths hold now; `known`: what the other end knows of our stories.
pub async fn tell(control: &mut Control, end: &mut End, known: &Gists, paths: &[RelPath]) -> Result<(), Error> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for path in paths {
        let decision = Decision::new(path, &end.replica.agreed()?.siblings(path.as_ref()));
        bytes += decision.bytes();
        batch.push(decision);
        if bytes >= MESSAGE_BYTES {
            control.send(&Message::Decided(std::mem::take(&mut batch))).await?;
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        control.send(&Message::Decided(batch)).await?;
    }
    let ours = end.replica.greeting();
    control.send(&Message::Greeting(greet::told(&ours))).await?;
    greet::tell(control, &story::news(ours.stories(), known)).await
}

/// Learns what the other end tells; gives what that one knows of the stories.
pub async fn hear(control: &mut Control, end: &mut End) -> Result<Gists, Error> {
    let ours = end.replica.greeting();
    // A write in a meeting is of a path of E, and changes that and at most one beside it.
    let most = ours.entries as usize * 2;
    let mut decided = Vec::new();
    loop {
        match control.receive().await? {
            Message::Decided(batch) if decided.len() + batch.len() <= most => {
                for decision in batch {
                    decided.push(decision.read().map_err(violation)?);
                }
            }
            Message::Greeting(theirs) => {
                let heard = Heard::read(theirs)?;
                let gists = heard.gists.clone();
                let parts = greet::hear(control).await?;
                let _changed = end.learn(&heard.with(&ours, &parts)?, decided)?;
                return Ok(gists);
            }
            _ => return Err(violation("a message out of turn")),
        }
    }
}
