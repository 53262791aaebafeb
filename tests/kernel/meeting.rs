//! Two replicas meet: compare stories, join, commit, install; and may be cut off between any two steps.

use std::collections::BTreeMap;

use alike::model::era::{Eras, Side, Story};
use alike::model::join::join;
use alike::model::story::{self, Stories};
use alike::model::{Dot, Knowledge, ReplicaId, Siblings};

use crate::kernel::install::Install;
use crate::kernel::oracle::Failure;
use crate::kernel::replica::{Entries, Memory};
use crate::kernel::rules::{Mutant, Rules};
use crate::kernel::world::World;

/// How a meeting goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Way {
    /// It ends at this point; 0 for never.
    pub cut: u8,
    /// Files whose witnesses a crash loses.
    pub lag: usize,
    /// The guard refuses the left side's deletes.
    pub refused: bool,
    /// A user of the left side writes between commit and install.
    pub race: Option<u8>,
}

/// Cuts before the installing begins.
pub const CUT_SCANNED: u8 = 1;
pub const CUT_STORIES: u8 = 2;
pub const CUT_LEFT: u8 = 3;
pub const CUT_RIGHT: u8 = 4;

impl World {
    pub fn meet(&mut self, left: usize, right: usize, way: Way) -> Result<(), Failure> {
        self.scan(left, way.refused)?;
        if way.cut == CUT_SCANNED {
            return Ok(());
        }
        self.scan(right, false)?;
        self.tell_stories(left, right)?;
        self.compare_stories(left, right);
        if way.cut == CUT_STORIES {
            return Ok(());
        }
        self.commit(left, right, way)?;
        if matches!(way.cut, CUT_LEFT | CUT_RIGHT) {
            return Ok(());
        }
        if !self.rules.broken(Mutant::OutlivedTouchesStay) && (self.revive(left)? | self.revive(right)?) {
            self.commit(left, right, Way::default())?;
        }
        if let Some(choice) = way.race {
            self.race(left, choice);
        }
        let stop = |at: u8| (way.cut >= at).then(|| usize::from((way.cut - at) / 2 + 1));
        let (left_stop, right_stop) = if way.cut % 2 == 1 { (stop(5), None) } else { (None, stop(5)) };
        let ends = [left, right];
        let whole = self.install(left, &Install { ends, stop: left_stop, lag: way.lag, refused: way.refused });
        if left_stop.is_none() || whole {
            self.install(right, &Install { ends, stop: right_stop, lag: way.lag, refused: false });
        }
        Ok(())
    }

    /// Joins, and commits on one side after the other.
    fn commit(&mut self, left: usize, right: usize, way: Way) -> Result<(), Failure> {
        let (mine, theirs) = (&self.replicas[left].memory, &self.replicas[right].memory);
        if mine.knows == theirs.knows && mine.entries != theirs.entries {
            return Err("equal K and unequal E".to_owned());
        }
        if mine.knows == theirs.knows && mine.seen == theirs.seen {
            return Ok(());
        }
        let seen = mine.seen | theirs.seen;
        let joined = join_all(mine, theirs, self.rules);
        let mut knows = mine.knows.clone();
        knows.union(&theirs.knows);
        let eras: Vec<_> = theirs.eras.iter().map(|(id, eras)| (*id, eras.clone())).collect();
        let left_eras: Vec<_> = mine.eras.iter().map(|(id, eras)| (*id, eras.clone())).collect();
        let (left_knew, right_knew) = (mine.knows.clone(), theirs.knows.clone());
        if way.cut == CUT_LEFT && self.rules.broken(Mutant::KnowledgeBeforeEntries) {
            self.replicas[left].memory.knows = knows;
            return Ok(());
        }
        let partial = way.refused && self.rules.broken(Mutant::PartialJoin);
        let memory = &mut self.replicas[left].memory;
        if partial {
            join_partially(memory, &joined);
        } else {
            memory.entries.clone_from(&joined);
            memory.knows.clone_from(&knows);
            memory.seen = seen;
            learn(memory, &left_knew, &eras, &right_knew);
        }
        self.replicas[left].forget_gone();
        self.check(left)?;
        if way.cut == CUT_LEFT {
            return Ok(());
        }
        let memory = &mut self.replicas[right].memory;
        (memory.entries, memory.knows, memory.seen) = (joined, knows, seen);
        learn(memory, &right_knew, &left_eras, &left_knew);
        self.replicas[right].forget_gone();
        self.check(right)?;
        let (left, right) = (&self.replicas[left].memory, &self.replicas[right].memory);
        if !partial && left.entries != right.entries {
            return Err("equal K and unequal E".to_owned());
        }
        Ok(())
    }

    fn check(&self, r: usize) -> Result<(), Failure> {
        let memory = &self.replicas[r].memory;
        self.oracle.check_entries(&memory.entries, memory.seen).map_err(|why| format!("meeting, at {r}: {why}"))
    }

    /// What each end tells the other of its stories is all that they are.
    fn tell_stories(&self, left: usize, right: usize) -> Result<(), Failure> {
        let maps = [left, right].map(|r| self.replicas[r].memory.eras.iter().cloned().collect::<BTreeMap<_, _>>());
        let stories =
            |at: usize| Stories { eras: &maps[at], knowledge: &self.replicas[[left, right][at]].memory.knows };
        let ends = [stories(0), stories(1)];
        let gists = ends.map(Stories::gists);
        let news = [story::news(ends[0], &gists[1]), story::news(ends[1], &gists[0])];
        for (at, other) in [(0, 1), (1, 0)] {
            let mut heard = news[other].clone();
            if story::is_answered(ends[at], &gists[other], &news[at]) {
                heard.extend(story::answers(ends[other], &gists[at], &news[at]));
            }
            let known = story::gather(ends[at], &gists[other], &heard);
            let same = known.is_some_and(|eras| {
                Stories { eras: &eras, knowledge: &self.replicas[[left, right][other]].memory.knows }.gists()
                    == gists[other]
            });
            if !same {
                return Err(format!("{other} is told wrong to {at}: {:?} {heard:?}", gists[other]));
            }
        }
        Ok(())
    }

    /// Settles what two memories tell of one id before anything is joined.
    fn compare_stories(&mut self, left: usize, right: usize) {
        if self.rules.broken(Mutant::CloneKeepsId) {
            return;
        }
        if self.replicas[left].memory.id == self.replicas[right].memory.id {
            self.renew(right);
        }
        if self.rules.broken(Mutant::RestoreKeepsId) {
            return;
        }
        let ids: Vec<ReplicaId> = self.replicas[left].memory.eras.iter().map(|(id, _)| *id).collect();
        for id in ids {
            let (mine, theirs) = (&self.replicas[left].memory, &self.replicas[right].memory);
            let (Some(story), Some(other)) = (mine.story_of(id), theirs.story_of(id)) else { continue };
            match story.parting(other).map(|parting| (parting.recuts, parting.common)) {
                Some((Side::Left, common)) => self.recut(left, id, common),
                Some((Side::Right, common)) => self.recut(right, id, common),
                None if mine.id == id && story.is_behind(other) => self.renew(left),
                None if theirs.id == id && other.is_behind(story) => self.renew(right),
                None => {}
            }
        }
    }
}

/// Takes over what the other side knows of all ids.
fn learn(memory: &mut Memory, knew: &Knowledge, eras: &[(ReplicaId, Eras)], other_knew: &Knowledge) {
    for (id, eras) in eras {
        let story = Story { eras, highest: other_knew.highest(*id) };
        memory.eras_of(*id).extend(knew.highest(*id), story);
    }
}

fn join_all(left: &Memory, right: &Memory, rules: Rules) -> Entries {
    let (nothing, unknowing) = (Siblings::new(), Knowledge::new());
    let right_knows = if rules.broken(Mutant::JoinForgetsKnowledge) { &unknowing } else { &right.knows };
    let mut joined = Entries::new();
    let only_right = right.entries.iter().filter(|(path, _)| !left.entries.contains_key(*path));
    for (path, siblings) in left.entries.iter().chain(only_right) {
        let other = right.entries.get(path).unwrap_or(&nothing);
        let mine = left.entries.get(path).unwrap_or(&nothing);
        if mine == other {
            joined.insert(path.clone(), siblings.clone());
            continue;
        }
        let mut both = join(mine, &left.knows, other, right_knows);
        if rules.broken(Mutant::LastWriterWins)
            && let Some(last) = both.iter().max_by_key(|version| version.entry.mtime).cloned()
        {
            both = Siblings::new();
            both.insert(last);
        }
        if !both.is_empty() {
            joined.insert(path.clone(), both);
        }
    }
    joined
}

/// The join that was not to be: all but the deletes, and K takes the dots of the versions that came.
fn join_partially(memory: &mut Memory, joined: &Entries) {
    for (path, siblings) in joined {
        let dots: Vec<Dot> = siblings.iter().map(|version| version.dot).collect();
        dots.into_iter().for_each(|dot| memory.knows.insert(dot));
        memory.entries.insert(path.clone(), siblings.clone());
    }
}
