//! Versions that were taken away while they were on their way from one name to another. What is agreed on has another name for
//! them than that at which they stood, and when the disk was made to show that, they were at neither. Owns when that is a
//! delete.
//!
//! - A run puts a version under its new name before it does anything at the old one, so it is not the run that lost it.
//! - In doubt it is none: what went unseen, what is not read from a file, what a trash has.

use super::{Event, Events, Happened, Judge};
use crate::model::dot::Dot;
use crate::model::entry::{Entry, Kind};
use crate::model::path::{PathRef, RelPath};
use crate::model::project::{Projection, Shown, same_bytes, view_of};
use crate::model::record::Witness;

impl Events {
    /// With the deletes of what went astray among what happened, but for versions that end anyway. Nothing is noted then of the
    /// names at which they stood: whoever puts the same bytes there again writes them.
    pub fn with_astray(mut self) -> Events {
        for (stood, mut happened) in std::mem::take(&mut self.astray) {
            let Event::Delete { supersedes } = &mut happened.event else { continue };
            let same = self.happened.iter().filter(|other| other.path == happened.path);
            let ended: Vec<Dot> = same.flat_map(|other| other.event.superseded()).copied().collect();
            supersedes.retain(|dot| !ended.contains(dot));
            if supersedes.is_empty() {
                continue;
            }
            if self.happened.iter().all(|other| other.name != stood) {
                self.unseen.push((stood, None));
            }
            self.happened.push(happened);
        }
        self.happened.sort_by(|left, right| left.name.cmp(&right.name));
        self
    }
}

/// The paths of which a name may have shown a version: what is agreed on there by now tells nothing of that.
fn homes(name: &RelPath) -> impl Iterator<Item = RelPath> {
    std::iter::successors(Some(name.clone()), |name| Some(view_of(name.as_ref())?.0))
}

impl Judge<'_> {
    /// Finds the versions that are to be shown elsewhere than at `name`, where they were noted, and stand nowhere.
    pub(super) fn find_astray(&self, name: &RelPath, events: &mut Events) {
        let Some(Some(witness)) = self.look.noted.get(name) else { return };
        if witness.unseen || !witness.entry.is_file() || self.holds(name.as_ref(), &witness.entry) {
            return;
        }
        for path in homes(name) {
            let projection = self.agreed.project(path.as_ref());
            for shown in projection.iter().filter(|shown| shown.name != *name) {
                let is_its = |dot: &&Dot| witness.dots.contains(*dot);
                let supersedes: Vec<Dot> = shown.dots.iter().filter(is_its).copied().collect();
                if !supersedes.is_empty() && self.is_astray((&path, &projection), shown, witness) {
                    let (event, was) = (Event::Delete { supersedes }, Some(shown.entry.clone()));
                    let happened = Happened { path: path.clone(), name: shown.name.clone(), event, was };
                    events.astray.push((name.clone(), happened));
                }
            }
        }
    }

    /// Whether a version that a witness showed is at none of the names at which it may be.
    fn is_astray(&self, (path, projection): (&RelPath, &Projection), shown: &Shown, witness: &Witness) -> bool {
        let noted = self.noted_copies.get(path).into_iter().flatten();
        let mut names = projection.iter().map(|shown| &shown.name).chain(noted);
        same_bytes(&shown.entry, &witness.entry)
            && !names.any(|name| self.holds(name.as_ref(), &shown.entry))
            && !(self.look.unseen)(shown.name.as_ref(), Kind::File)
            && !(self.look.thrown)(&shown.entry)
    }

    /// Whether the disk holds these bytes at a name.
    fn holds(&self, name: PathRef<'_>, bytes: &Entry) -> bool {
        let disk = self.look.disk;
        disk.find(name).is_ok_and(|index| same_bytes(&disk.row(index).entry(), bytes))
    }
}
