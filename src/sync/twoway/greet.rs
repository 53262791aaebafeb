//! What two ends say of themselves before they compare, on the wire. A greeting is small however many runs wrote: of the
//! eras it has the gists. The eras that the other end cannot know follow only where the two differ.

use crate::model::era::Era;
use crate::model::story::{self, ERAS_MAX, Gist, Gists, Part};
use crate::model::{Digest, Knowledge, ReplicaId};
use crate::proto::message::{self, Message};
use crate::sync::converse::{Control, violation};
use crate::sync::error::Error;
use crate::sync::replica::Greeting;

/// Eras of one message: well below the longest frame.
const ERAS_AT_ONCE: usize = 16 << 10;

/// What the other end said of itself.
#[derive(Debug)]
pub struct Heard {
    /// Who it is.
    pub id: ReplicaId,
    /// Top of the tree of all that it agreed on.
    pub top: Digest,
    /// Number of paths in it.
    pub entries: u64,
    /// All writes that it has seen.
    pub knowledge: Knowledge,
    /// Its stories in short.
    pub gists: Gists,
}

/// What this end says of itself.
pub fn told(greeting: &Greeting) -> message::Greeting {
    let Greeting { id, top, entries, knowledge, .. } = greeting;
    let mut bytes = Vec::new();
    knowledge.encode(&mut bytes);
    let stories = greeting.stories().gists().into_iter().map(|(id, gist)| (id, gist.eras, gist.digest)).collect();
    message::Greeting { id: *id, top: *top, entries: *entries, knowledge: bytes, stories }
}

impl Heard {
    /// What the other end says of itself.
    pub fn read(told: message::Greeting) -> Result<Heard, Error> {
        let message::Greeting { id, top, entries, knowledge, stories } = told;
        let knowledge = Knowledge::decode(&knowledge).ok_or_else(|| violation("knowledge that cannot be read"))?;
        let gists = stories.into_iter().map(|(id, eras, digest)| (id, Gist { eras, digest })).collect();
        Ok(Heard { id, top, entries, knowledge, gists })
    }

    /// Whether the two ends hold and know the same.
    pub fn agrees(&self, ours: &Greeting) -> bool {
        self.top == ours.top && self.knowledge == ours.knowledge && self.gists == ours.stories().gists()
    }

    /// The whole of it, with what was told of its stories.
    pub fn with(self, ours: &Greeting, parts: &[Part]) -> Result<Greeting, Error> {
        let eras = story::gather(ours.stories(), &self.gists, parts);
        let eras = eras.ok_or_else(|| violation("stories that do not fit together"))?;
        Ok(Greeting { id: self.id, top: self.top, entries: self.entries, knowledge: self.knowledge, eras })
    }
}

/// Tells the other end what it cannot know of our stories, and hears the same of its own. Both ends do so at once.
pub async fn exchange(control: &mut Control, ours: &Greeting, theirs: Heard) -> Result<Greeting, Error> {
    let stories = ours.stories();
    let news = story::news(stories, &theirs.gists);
    tell(control, &news).await?;
    let mut parts = hear(control).await?;
    let answers = story::answers(stories, &theirs.gists, &parts);
    if !answers.is_empty() {
        tell(control, &answers).await?;
    }
    if story::is_answered(stories, &theirs.gists, &news) {
        parts.extend(hear(control).await?);
    }
    theirs.with(ours, &parts)
}

/// Tells eras.
pub async fn tell(control: &mut Control, parts: &[Part]) -> Result<(), Error> {
    let mut batch: Vec<message::Eras> = Vec::new();
    let mut room = ERAS_AT_ONCE;
    for Part { id, from, eras } in parts {
        let mut from = *from;
        let mut rest = eras.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(room));
            let told = now.iter().map(|era| (era.first, era.token)).collect();
            batch.push(message::Eras { id: *id, from, eras: told });
            (from, rest, room) = (from + now.len() as u64, later, room - now.len());
            if room == 0 {
                control.send(&Message::Eras(std::mem::take(&mut batch), true)).await?;
                room = ERAS_AT_ONCE;
            }
        }
    }
    control.send(&Message::Eras(batch, false)).await
}

/// Hears eras.
pub async fn hear(control: &mut Control) -> Result<Vec<Part>, Error> {
    let (mut parts, mut count) = (Vec::new(), 0);
    loop {
        let Message::Eras(batch, more) = control.receive().await? else {
            return Err(violation("a message out of turn"));
        };
        count += batch.iter().map(|told| told.eras.len().max(1)).sum::<usize>();
        if count > ERAS_MAX {
            return Err(violation("more eras than any replica has"));
        }
        let era = |(first, token)| Era { first, token };
        let read =
            |told: message::Eras| Part { id: told.id, from: told.from, eras: told.eras.into_iter().map(era).collect() };
        parts.extend(batch.into_iter().map(read));
        if !more {
            return Ok(parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::era::Eras;

    #[test]
    fn a_greeting_stays_small_however_many_runs_wrote() {
        let (mut eras, mut knowledge) = (BTreeMap::new(), Knowledge::new());
        for replica in 0..8_u8 {
            let mut story = Eras::new();
            for run in 0..10_000 {
                story.begin(Era { first: 1 + 7 * run, token: u64::MAX - run });
            }
            let id = ReplicaId([replica ^ 0x5a; 16]);
            knowledge.insert_range(id, 1..=70_000);
            eras.insert(id, story);
        }
        let id = ReplicaId([7; 16]);
        let greeting = Greeting { id, top: Digest([9; 32]), entries: 80_000, knowledge, eras };
        let message = Message::Greeting(told(&greeting)).encode();
        assert!(message.len() < 800, "{} bytes for eight replicas", message.len());
        let Ok(Message::Greeting(again)) = Message::decode(&message) else { panic!("a greeting") };
        assert!(Heard::read(again).expect("legible").agrees(&greeting));
    }
}
