//! Writes that no scan found: decisions about conflicts, which somebody made without touching a file, and files that are
//! written anew because what they were shown in is gone.

use std::collections::BTreeMap;

use super::Replica;
use crate::model::dot::Dot;
use crate::model::mint::{self, Events, Look};
use crate::model::record::Event;
use crate::model::{Entry, Listing, PathRef, RelPath, Siblings};
use crate::sync::error::Error;

impl Replica {
    /// Makes decisions writes of this replica, in one commit, with what the disk shows where they change something. Gives
    /// the siblings of the paths that changed. Until the disk shows it, what stands there is no edit of anybody.
    pub fn decide(
        &mut self,
        decisions: Vec<(RelPath, Event)>,
        disk: &Listing,
    ) -> Result<Vec<(RelPath, Siblings)>, Error> {
        if decisions.is_empty() {
            return Ok(Vec::new());
        }
        let agreed = self.agreed()?.clone();
        let first = self.header.counter + 1;
        let mut changed: BTreeMap<RelPath, Siblings> = BTreeMap::new();
        for (path, event) in decisions {
            let siblings = changed.entry(path).or_insert_with_key(|path| agreed.siblings(path.as_ref()));
            self.header.counter += 1;
            let dot = Dot { replica: self.header.id, counter: self.header.counter };
            event.apply(dot, siblings);
            self.header.knowledge.insert(dot);
        }
        let next = agreed.with(&changed).map_err(|_| self.too_large())?;
        let witnesses = self.witnesses(&next, &changed, disk)?;
        self.begin_era(first)?;
        self.write(&changed, witnesses.into_iter().collect(), false)?;
        Ok(changed.into_iter().collect())
    }

    /// Writes anew what the disk shows of versions that outlived what they were shown in; gives their paths.
    pub fn revive(&mut self, disk: &Listing) -> Result<Vec<RelPath>, Error> {
        self.agreed()?;
        let agreed = self.agreed.as_ref().expect("it was just read");
        let (before, noted, lane) = (Some(disk), &self.noted, self.lane());
        let (unseen, thrown) = (&|_: PathRef<'_>, _| false, &|_: &Entry| true);
        let happened = mint::revivals(&Look { disk, before, noted, agreed, lane, unseen, names: None, thrown });
        let paths = happened.iter().map(|happened| happened.path.clone()).collect();
        self.record(Events { happened, ..Events::default() }, disk)?;
        Ok(paths)
    }
}
