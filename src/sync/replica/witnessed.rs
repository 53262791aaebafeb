//! What is noted of the disk when what is agreed on changes under it: the witnesses of a join.

use std::collections::BTreeMap;

use super::Replica;
use super::shown::is_shown;
use crate::model::agreed::Agreed;
use crate::model::mint;
use crate::model::record::Witness;
use crate::model::siblings::Siblings;
use crate::model::{Entry, Listing, RelPath};
use crate::sync::error::Error;

/// What names on disk stood for; `None` where nothing was.
type Witnesses = BTreeMap<RelPath, Option<Witness>>;

impl Replica {
    /// What the disk shows where what is agreed on is about to change.
    pub(super) fn witnesses(
        &mut self,
        next: &Agreed,
        changed: &BTreeMap<RelPath, Siblings>,
        disk: &Listing,
    ) -> Result<Witnesses, Error> {
        let displaced = self.agreed()?.displaced(next, changed);
        self.witnesses_at(next, changed.keys().chain(&displaced), disk)
    }

    /// What the disk shows of copies that come, go, or are about to have other names, because of what happened on this disk.
    pub(super) fn witnesses_of_copies(
        &mut self,
        next: &Agreed,
        changed: &BTreeMap<RelPath, Siblings>,
        disk: &Listing,
    ) -> Result<Witnesses, Error> {
        let before = self.agreed()?;
        let mut paths = before.displaced(next, changed);
        // Of one version there is one name, at which it happened.
        let has_copies =
            |(path, siblings): &(&RelPath, &Siblings)| siblings.len() > 1 || before.siblings(path.as_ref()).len() > 1;
        paths.extend(changed.iter().filter(has_copies).map(|(path, _)| path.clone()));
        self.witnesses_at(next, paths.iter(), disk)
    }

    fn witnesses_at<'p>(
        &mut self,
        next: &Agreed,
        paths: impl Iterator<Item = &'p RelPath>,
        disk: &Listing,
    ) -> Result<Witnesses, Error> {
        let lane = self.lane();
        let before = self.agreed()?.clone();
        let mut witnesses = BTreeMap::new();
        for path in paths {
            let (was, is) = (before.project(path.as_ref()), next.project(path.as_ref()));
            let names = [was.plain, is.plain].into_iter().flatten().chain(was.copies).chain(is.copies);
            for name in names.map(|shown| shown.name) {
                let row = disk.find(name.as_ref()).ok().map(|index| disk.row(index));
                let entry = row.filter(|row| mint::is_kept(row.kind())).map(|row| row.entry());
                let shown = before.shown(name.as_ref()).1;
                self.open.insert(name.clone());
                if !self.mints {
                    // What was changed here alone stays until the path changes elsewhere: now.
                    self.held.remove(&name);
                }
                // What was noted is older than this look, which may have found in place what a killed run had put there.
                let is_shown =
                    |entry: &Entry| shown.as_ref().is_some_and(|it| is_shown(&it.entry, entry.clone(), lane));
                let in_place = entry.as_ref().is_some_and(is_shown);
                // Nothing was there, and nothing is left of what was: a witness kept for a delete that was refused would make
                // what comes there look like the old file.
                let siblings = next.siblings(path.as_ref());
                let lives = |witness: &Witness| witness.dots.iter().any(|dot| siblings.version(*dot).is_some());
                let is_gone = entry.is_none()
                    && self
                        .noted
                        .get(&name)
                        .is_some_and(|noted| noted.as_ref().is_some_and(|witness| !witness.unseen && !lives(witness)));
                if self.noted.contains_key(&name) && !in_place && !is_gone {
                    continue;
                }
                let dots = || shown.map_or_else(Vec::new, |shown| shown.dots);
                let witness = entry.map(|entry| Witness { dots: dots(), entry, unseen: false });
                witnesses.insert(name, witness);
            }
        }
        Ok(witnesses)
    }
}
