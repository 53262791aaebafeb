//! Memories that were restored or cloned: what is set right before a join.

use std::collections::BTreeMap;

use super::{Greeting, Replica};
use crate::model::dot::Dot;
use crate::model::era;
use crate::model::meeting::{self, Doubts};
use crate::model::{RelPath, ReplicaId, Siblings};
use crate::net;
use crate::sync::error::Error;

impl Replica {
    /// Sets right what makes a join with `theirs` unsafe: one of the two memories was restored or cloned. Gives what this
    /// end says of itself then; `None` where all was well on both ends.
    pub fn square(&mut self, theirs: &Greeting, side: era::Side) -> Result<Option<Greeting>, Error> {
        let ours = self.greeting();
        let doubts = match side {
            era::Side::Left => meeting::doubts(ours.teller(), theirs.teller()),
            era::Side::Right => meeting::doubts(theirs.teller(), ours.teller()),
        };
        if doubts.is_empty() {
            return Ok(None);
        }
        self.settle_doubts(&doubts, side)?;
        Ok(Some(self.greeting()))
    }

    fn settle_doubts(&mut self, doubts: &Doubts, side: era::Side) -> Result<(), Error> {
        let renamed = match side {
            era::Side::Left => doubts.renamed[0],
            era::Side::Right => doubts.renamed[1],
        };
        if renamed {
            self.header.id = ReplicaId(net::random()?);
            self.header.counter = 0;
        }
        let agreed = self.agreed()?.clone();
        let first = self.header.counter + 1;
        let mut changed: BTreeMap<RelPath, Siblings> = BTreeMap::new();
        let mut again: BTreeMap<Dot, Dot> = BTreeMap::new();
        for (id, parting) in doubts.partings.iter().filter(|(_, parting)| parting.recuts == side) {
            for row in agreed.listing().rows() {
                let path = row.path().to_owned();
                let siblings = changed.get(&path).cloned().unwrap_or_else(|| agreed.siblings(path.as_ref()));
                let mut recut = siblings.clone();
                let (replica, counter) = (self.header.id, &mut self.header.counter);
                let mint = || {
                    *counter += 1;
                    Dot { replica, counter: *counter }
                };
                let renamed = era::recut(&mut recut, *id, parting.common, mint);
                if !renamed.is_empty() {
                    again.extend(renamed);
                    changed.insert(path, recut);
                }
            }
            self.header.knowledge.forget_after(*id, parting.common);
            // The deletes of the forgotten story are done and have no version to be recorded again: one dot stands for them.
            self.header.counter += 1;
            self.header.knowledge.insert(Dot { replica: self.header.id, counter: self.header.counter });
            self.eras.entry(*id).or_default().forget_after(parting.common);
        }
        again.values().for_each(|&dot| self.header.knowledge.insert(dot));
        for (id, parting) in doubts.partings.iter().filter(|(_, parting)| parting.recuts == side) {
            for witness in self.noted.values_mut().flatten() {
                era::follow(&mut witness.dots, (*id, parting.common), &again);
            }
        }
        self.begin_era(first)?;
        let witnesses = self.noted.clone().into_iter().collect();
        self.write(&changed, witnesses, true)
    }
}
