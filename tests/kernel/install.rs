//! Makes a disk what E wants, of the bytes that the two disks of a meeting show: copies first, then plain files, and what is
//! not wanted goes last. May stop after any step.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use alike::model::RelPath;
use alike::model::project::Shown;

use crate::kernel::oracle::Oracle;
use crate::kernel::replica::{Replica, wanted};
use crate::kernel::rules::Mutant;
use crate::kernel::world::{World, witness};

/// How far installing goes.
pub struct Install {
    /// Whose disks hold the bytes that may be taken.
    pub ends: [usize; 2],
    /// It ends after so many changes of the disk.
    pub stop: Option<usize>,
    /// So many of the last witnesses are lost when it ends early.
    pub lag: usize,
    /// Nothing is deleted.
    pub refused: bool,
}

type Wanted = (RelPath, (RelPath, Shown));

impl World {
    /// Whether it came to the end.
    pub fn install(&mut self, r: usize, install: &Install) -> bool {
        let held = install.ends.iter().flat_map(|&end| self.replicas[end].disk.values());
        let mut held: BTreeSet<usize> = held.filter_map(Oracle::number_of).collect();
        // What users destroyed unseen may be in a trash, and so may what an older memory wants.
        let trashed = self.oracle.bytes.iter().enumerate().filter(|(_, bytes)| bytes.unseen || self.oracle.forked);
        held.extend(trashed.map(|(number, _)| number));
        let replica = &mut self.replicas[r];
        let mut wants: Vec<Wanted> = wanted(&replica.memory.entries).into_iter().collect();
        wants.sort_by_key(|(name, (home, shown))| (name == home, !shown.entry.is_directory() && name == home));
        let wants_early = self.rules.broken(Mutant::WitnessBeforeInstall);
        let mut done: Vec<Wanted> = Vec::new();
        let mut changes = 0;
        if self.rules.broken(Mutant::DeletesFirst) && clear(replica, &wants, install, &mut changes, true) {
            return false;
        }
        let mut forced: Vec<usize> = Vec::new();
        let mut queue: Vec<&Wanted> = wants.iter().collect();
        while !queue.is_empty() {
            // What stands in the way of itself is exchanged in one step, so it is no moment to be cut off.
            let free = queue.iter().position(|(name, _)| !is_needed(replica, &wants, name));
            let want = queue.remove(free.unwrap_or(0));
            forced.extend(free.is_none().then(|| replica.disk.get(&want.0).and_then(Oracle::number_of)).flatten());
            if Oracle::number_of(&want.1.1.entry).is_some_and(|number| !held.contains(&number)) {
                continue;
            }
            let Some(changed) = place(replica, want, wants_early.then_some((&self.oracle, changes, install.stop)))
            else {
                continue;
            };
            changes += usize::from(changed);
            done.push(want.clone());
            if changed && free.is_some() && install.stop.is_some_and(|stop| stop <= changes) {
                record(replica, &self.oracle, &done, install.lag);
                replica.is_open = false;
                self.trash(r, &forced);
                return false;
            }
        }
        record(replica, &self.oracle, &done, 0);
        let cut = clear(replica, &wants, install, &mut changes, false);
        self.installed += changes;
        replica.is_open &= !cut;
        self.trash(r, &forced);
        !cut
    }

    /// What had to go though it was to stand elsewhere, and could not be put there: a trash alone holds it.
    fn trash(&mut self, r: usize, forced: &[usize]) {
        let disk = &self.replicas[r].disk;
        for &number in forced {
            let stands = disk.values().any(|entry| Oracle::number_of(entry) == Some(number));
            self.oracle.bytes[number].unseen |= !stands;
        }
    }
}

/// Puts one file in place; says whether anything had to be changed, or nothing where it cannot be done.
fn place(
    replica: &mut Replica,
    (name, (home, shown)): &Wanted,
    early: Option<(&Oracle, usize, Option<usize>)>,
) -> Option<bool> {
    let parent = name.as_ref().parent().filter(|parent| !parent.is_root());
    let homeless = parent
        .is_some_and(|parent| !replica.disk.get(&parent.to_owned()).is_some_and(alike::model::Entry::is_directory));
    if homeless || replica.ignores(name.as_ref()) || replica.ignores(home.as_ref()) || replica.held.contains(home) {
        return None;
    }
    let disk = replica.disk.get(name);
    if disk == Some(&shown.entry) {
        return Some(false);
    }
    // A user was faster: the next scan will see.
    let witnessed = replica.memory.rows.get(name).map(|row| &row.witness.entry);
    if disk != witnessed {
        return None;
    }
    if disk.is_some_and(alike::model::Entry::is_directory) && !shown.entry.is_directory() && !empty(replica, name) {
        return None;
    }
    if let Some((oracle, changes, stop)) = early {
        witness(&mut replica.memory, oracle, home, shown, shown.entry.clone());
        if stop == Some(changes + 1) {
            return Some(true);
        }
    }
    replica.disk.insert(name.clone(), shown.entry.clone());
    Some(true)
}

/// Empties a directory that is to become a file, where all that is in it is known.
fn empty(replica: &mut Replica, directory: &RelPath) -> bool {
    let below: Vec<RelPath> =
        replica.disk.keys().filter(|name| name.as_ref().is_below(directory.as_ref())).cloned().collect();
    if below.iter().any(|name| !replica.is_witnessed(name) || replica.ignores(name.as_ref())) {
        return false;
    }
    for name in below {
        replica.disk.remove(&name);
        replica.memory.rows.remove(&name);
    }
    true
}

/// Records the witnesses of what is in place, but for the last few.
fn record(replica: &mut Replica, oracle: &Oracle, done: &[Wanted], lag: usize) {
    let (recorded, lost) = done.split_at(done.len().saturating_sub(lag));
    for (name, (home, shown)) in recorded {
        witness(&mut replica.memory, oracle, home, shown, shown.entry.clone());
        replica.unwitnessed.remove(name);
    }
    for (name, (_, shown)) in lost {
        replica.unwitnessed.insert(name.clone(), shown.entry.clone());
    }
}

/// Whether a version that is to stand elsewhere stands here alone.
fn is_needed(replica: &Replica, wants: &[Wanted], name: &RelPath) -> bool {
    let Some(row) = replica.memory.rows.get(name).filter(|row| replica.disk.get(name) == Some(&row.witness.entry))
    else {
        return false;
    };
    let dots = &row.witness.dots;
    let elsewhere = wants.iter().filter(|(_, (_, shown))| shown.dots.iter().any(|dot| dots.contains(dot)));
    elsewhere.into_iter().any(|(place, (_, shown))| place != name && replica.disk.get(place) != Some(&shown.entry))
}

/// Takes away what is not wanted and was not changed since; whether it was cut off.
fn clear(replica: &mut Replica, wants: &[Wanted], install: &Install, changes: &mut usize, hasty: bool) -> bool {
    let rows = replica.memory.rows.keys();
    let mut extras: Vec<RelPath> =
        rows.filter(|name| wants.iter().all(|(wanted, _)| wanted != *name)).cloned().collect();
    extras.sort_by_key(|name| Reverse(name.as_ref().depth()));
    extras.retain(|name| !install.refused && replica.is_witnessed(name) && !replica.ignores(name.as_ref()));
    for name in extras {
        if replica.has_children(&name) || !hasty && is_needed(replica, wants, &name) {
            continue;
        }
        replica.disk.remove(&name);
        *changes += 1;
        let is_cut = install.stop.is_some_and(|stop| stop <= *changes);
        if is_cut && install.lag > 0 {
            replica.taken.push(name);
            return true;
        }
        replica.memory.rows.remove(&name);
        if is_cut {
            return true;
        }
    }
    false
}
