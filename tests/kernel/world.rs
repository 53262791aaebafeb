//! All replicas of a run, and what they do by themselves: open a memory, look at the disk, record.

use alike::model::era;
use alike::model::path::RelPath;
use alike::model::project::{Shown, home_of, same_bytes, same_version};
use alike::model::record::{Event, Quiet, Seen, Witness, record};
use alike::model::{Dot, Entry, Kind, ReplicaId, Siblings};
use std::collections::BTreeMap;

use crate::kernel::oracle::{Failure, Happening, Mask, Oracle};
use crate::kernel::replica::{Memory, Replica, Row, holds, wanted};
use crate::kernel::rules::{Mutant, Rules};
use crate::kernel::schedule::Random;

pub struct World {
    pub replicas: Vec<Replica>,
    pub oracle: Oracle,
    pub rules: Rules,
    pub random: Random,
    pub paths: Vec<RelPath>,
    /// Events that scans found.
    pub recorded: usize,
    /// Files that were written anew though nobody touched them: a meeting may bring that about in any round.
    pub revived: usize,
    /// Changes made to disks by installing.
    pub installed: usize,
    pub ids: u64,
    pub tick: i64,
}

/// What E wants on disk.
type Wants = BTreeMap<RelPath, (RelPath, Shown)>;

/// What a scan found at one disk path.
struct Found {
    name: RelPath,
    home: RelPath,
    event: Event,
    standing: Vec<Dot>,
    /// The versions wanted here, where they are here.
    here: Vec<Dot>,
}

impl World {
    pub fn new_id(&mut self) -> ReplicaId {
        self.ids += 1;
        // Ids come in no order.
        let mut id = [0; 16];
        id[..8].copy_from_slice(&Random(self.ids).next().to_le_bytes());
        ReplicaId(id)
    }

    /// A process opens the memory. One whose root is another takes a new id at once; writes begin a new era.
    pub fn open(&mut self, r: usize) {
        if self.replicas[r].is_open {
            return;
        }
        self.replicas[r].is_open = true;
        if self.replicas[r].moved && !self.rules.broken(Mutant::CloneKeepsId) {
            let id = self.new_id();
            self.replicas[r].memory.id = id;
        }
        self.replicas[r].moved = false;
        let token = self.random.next();
        let memory = &mut self.replicas[r].memory;
        if self.rules.broken(Mutant::SkippedCountersAreSeen) {
            let highest = memory.knows.highest(memory.id);
            memory.knows.insert_range(memory.id, highest + 1..=highest + 3);
        }
        memory.begin_era(token);
    }

    /// Takes a new id in the middle of a run.
    pub fn renew(&mut self, r: usize) {
        self.recorded += 1;
        let id = self.new_id();
        let token = self.random.next();
        self.replicas[r].memory.id = id;
        self.replicas[r].memory.begin_era(token);
    }

    /// Looks at the disk and records what happened, all at once.
    pub fn scan(&mut self, r: usize, refuses: bool) -> Result<(), Failure> {
        self.open(r);
        let World { replicas, oracle, rules, recorded, revived, .. } = self;
        let replica = &mut replicas[r];
        replica.held.clear();
        for name in std::mem::take(&mut replica.taken).iter().filter(|name| replica.disk.contains_key(name)) {
            replica.memory.rows.remove(name);
        }
        let mut wants = wanted(&replica.memory.entries);
        if !rules.broken(Mutant::InstallIsAWrite) {
            take_announced(replica, oracle, &wants);
        }
        let mut names: Vec<RelPath> = replica.disk.keys().chain(replica.memory.rows.keys()).cloned().collect();
        if rules.broken(Mutant::WantedIsDeleted) {
            names.extend(wants.keys().cloned());
        }
        names.sort_unstable();
        names.dedup();
        let mut all = Vec::new();
        for name in names {
            if replica.ignores(name.as_ref()) && !rules.broken(Mutant::IgnoreDrops) {
                if let Some(row) = replica.memory.rows.get_mut(&name) {
                    row.witness.unseen = true;
                }
                continue;
            }
            let found = look(replica, &name, &wants, *rules);
            if refuses && matches!(found.event, Event::Delete { .. }) {
                // Until it is meant, other things may come to this name.
                if let Some(row) = replica.memory.rows.get(&name) {
                    oracle.spread(&row.witness.entry);
                }
                replica.held.push(found.home);
                continue;
            }
            judge(replica, oracle, &found).map_err(|why| format!("scan of {}: {why}", found.name))?;
            let was = replica.memory.rows.get(&found.name).map(|row| &row.witness.entry);
            let is_anew = was.is_some() && replica.disk.get(&found.name) == was;
            let counter = if is_anew { &mut *revived } else { &mut *recorded };
            *counter += usize::from(!matches!(found.event, Event::Nothing(_)));
            if rules.broken(Mutant::EventsOneByOne) {
                settle(replica, oracle, found, wants.get(&name), *rules);
                wants = wanted(&replica.memory.entries);
            } else {
                all.push(found);
            }
        }
        for found in all {
            let want = wants.get(&found.name).cloned();
            settle(replica, oracle, found, want.as_ref(), *rules);
        }
        replica.unwitnessed.clear();
        oracle.check_entries(&replica.memory.entries, replica.memory.seen).map_err(|why| format!("scan of {r}: {why}"))
    }

    /// Writes what is shown of touches anew that outlived what they yielded to; whether there were any.
    pub fn revive(&mut self, r: usize) -> Result<bool, Failure> {
        let World { replicas, oracle, rules, revived, .. } = self;
        let replica = &mut replicas[r];
        let wants = wanted(&replica.memory.entries);
        let seen = |name: &&RelPath| !replica.ignores(name.as_ref()) && replica.is_witnessed(name);
        let names: Vec<RelPath> = replica.memory.rows.keys().filter(seen).cloned().collect();
        let mut any = false;
        for name in names {
            let found = look(replica, &name, &wants, *rules);
            if matches!(found.event, Event::Write { .. }) {
                judge(replica, oracle, &found).map_err(|why| format!("revival of {name}: {why}"))?;
                *revived += 1;
                any = true;
                settle(replica, oracle, found, wants.get(&name), *rules);
            }
        }
        Ok(any)
    }

    /// Records what an id wrote behind a parting again, under own dots.
    pub fn recut(&mut self, r: usize, id: ReplicaId, common: u64) {
        if self.replicas[r].memory.id == id {
            self.renew(r);
        }
        self.recorded += 1;
        let Memory { id: own, entries, knows, rows, eras, seen } = &mut self.replicas[r].memory;
        let own = *own;
        if !self.rules.broken(Mutant::RecutKeepsKnowledge) {
            knows.forget_after(id, common);
        }
        if let Some((_, eras)) = eras.iter_mut().find(|(other, _)| *other == id) {
            eras.forget_after(common);
        }
        // The deletes of the forgotten story are done and have no version to be recorded again: this dot stands for them.
        if !self.rules.broken(Mutant::RecutTakesNoDot) {
            knows.insert(Dot { replica: own, counter: knows.highest(own) + 1 });
        }
        let mut renamed = BTreeMap::new();
        for (path, siblings) in entries.iter_mut() {
            let before = siblings.clone();
            let mint = || {
                let dot = Dot { replica: own, counter: knows.highest(own) + 1 };
                knows.insert(dot);
                dot
            };
            for (old, new) in era::recut(siblings, id, common, mint) {
                let entry = before.version(old).map(|version| version.entry.clone());
                let event = entry.as_ref().map_or(0, |entry| self.oracle.event_of(old, entry, *seen));
                let again = self.oracle.happened(Happening { dot: new, home: path.clone(), entry, supersedes: event });
                *seen |= again;
                rows.values_mut().filter(|row| row.stands & event != 0).for_each(|row| row.stands |= again);
                renamed.insert(old, new);
            }
        }
        for row in rows.values_mut() {
            if self.rules.broken(Mutant::RecutKeepsWitnesses) {
                row.witness.dots.iter_mut().for_each(|dot| *dot = renamed.get(dot).copied().unwrap_or(*dot));
            } else {
                era::follow(&mut row.witness.dots, (id, common), &renamed);
            }
        }
    }
}

/// What a run that was cut off put in place it had announced: so it is known also where nobody looks, and what was changed
/// there since is an edit of that. What is there still needs no word: it is what is wanted.
fn take_announced(replica: &mut Replica, oracle: &Oracle, wants: &Wants) {
    for (name, entry) in replica.unwitnessed.clone() {
        let is_plain = replica.disk.get(&name) == Some(&entry) && !replica.ignores(name.as_ref());
        let want = wants.get(&name).filter(|(_, shown)| shown.entry == entry && !is_plain);
        if let Some((home, shown)) = want {
            witness(&mut replica.memory, oracle, home, shown, entry);
        }
    }
}

/// What the kernel says of one disk path.
fn look(replica: &Replica, name: &RelPath, wants: &Wants, rules: Rules) -> Found {
    let Memory { entries, rows, .. } = &replica.memory;
    let (disk, row) = (replica.disk.get(name), rows.get(name));
    let held = |path: alike::model::PathRef<'_>| holds(entries, path);
    let present = |path: alike::model::PathRef<'_>| held(path) || replica.disk.contains_key(&path.to_owned());
    let home = match row {
        Some(row) => row.home.clone(),
        None if disk.is_some_and(Entry::is_directory) => name.clone(),
        None => home_of(name.as_ref(), &held, &present),
    };
    let nothing = Siblings::new();
    let siblings = entries.get(&home).unwrap_or(&nothing);
    let standing =
        if rules.broken(Mutant::StandingIsIgnored) { Vec::new() } else { standing(replica, wants, name, &home) };
    let shown = wants.get(name).map(|(_, shown)| shown);
    let here = shown.filter(|shown| disk.is_some_and(|disk| same_version(disk, &shown.entry)));
    let here = here.map_or(Vec::new(), |shown| shown.dots.clone());
    let event = record(&Seen { witness: row.map(|row| &row.witness), disk, shown, standing: &standing, siblings });
    let found = Found { name: name.clone(), home, event: Event::Nothing(Quiet::Settled), standing, here };
    Found { event: bend(event, rules, replica, &found), ..found }
}

/// The versions of a path that other disk paths hold.
fn standing(replica: &Replica, wants: &Wants, name: &RelPath, home: &RelPath) -> Vec<Dot> {
    let mut standing = Vec::new();
    for (other, (_, shown)) in wants.iter().filter(|(other, (its_home, _))| *other != name && its_home == home) {
        if replica.disk.get(other).is_some_and(|disk| same_bytes(disk, &shown.entry)) {
            standing.extend_from_slice(&shown.dots);
        }
    }
    for (other, row) in replica.memory.rows.iter().filter(|(other, row)| *other != name && row.home == *home) {
        if replica.disk.get(other).is_some_and(|disk| same_bytes(disk, &row.witness.entry)) {
            standing.extend_from_slice(&row.witness.dots);
        }
    }
    standing
}

/// Breaks a rule of recording.
fn bend(event: Event, rules: Rules, replica: &Replica, at: &Found) -> Event {
    let Some(mutant) = rules.0 else { return event };
    let row = replica.memory.rows.get(&at.name);
    let siblings = replica.memory.entries.get(&at.home);
    let all = || siblings.map_or(Vec::new(), |siblings| siblings.iter().map(|version| version.dot).collect::<Vec<_>>());
    match (mutant, event) {
        (Mutant::ChangeSupersedesWinner, Event::Write { entry, replaced, .. }) if row.is_some() => {
            Event::Write { entry, replaced, supersedes: all() }
        }
        (Mutant::StrangerSupersedes, Event::Write { entry, replaced, .. }) if row.is_none() => {
            Event::Write { entry, replaced, supersedes: all() }
        }
        (Mutant::ViewSupersedesAll, Event::Write { entry, replaced, .. }) if row.is_some() && at.name != at.home => {
            Event::Write { entry, replaced, supersedes: all() }
        }
        (Mutant::TouchSupersedesAll, Event::Write { entry, replaced, .. })
            if row.is_some_and(|row| row.witness.entry.content == entry.content) =>
        {
            Event::Write { entry, replaced, supersedes: all() }
        }
        (Mutant::IgnoreDrops, Event::Nothing(Quiet::Wanted)) => match row {
            Some(row) if !row.witness.dots.is_empty() => Event::Delete { supersedes: row.witness.dots.clone() },
            _ => Event::Nothing(Quiet::Wanted),
        },
        (Mutant::WantedIsDeleted, Event::Nothing(Quiet::Wanted)) if row.is_none() && !all().is_empty() => {
            Event::Delete { supersedes: all() }
        }
        (Mutant::OutlivedTouchesStay, Event::Write { .. })
            if row.zip(replica.disk.get(&at.name)).is_some_and(|(row, disk)| row.witness.entry == *disk) =>
        {
            Event::Nothing(Quiet::Settled)
        }
        (Mutant::InstallIsAWrite, Event::Nothing(Quiet::Settled)) => match (row, replica.disk.get(&at.name)) {
            (None, Some(disk)) => Event::Write { entry: disk.clone(), replaced: Vec::new(), supersedes: Vec::new() },
            _ => Event::Nothing(Quiet::Settled),
        },
        (_, event) => event,
    }
}

/// Whether the event is what must be recorded here, by what the oracle knows.
fn judge(replica: &Replica, oracle: &Oracle, found: &Found) -> Result<(), Failure> {
    let Memory { entries, rows, .. } = &replica.memory;
    let nothing = Siblings::new();
    let siblings = entries.get(&found.home).unwrap_or(&nothing);
    let row = rows.get(&found.name);
    let disk = replica.disk.get(&found.name);
    let stands = row.map_or(0, |row| row.stands);
    let mut held: Mask = 0;
    let mut like: Mask = 0;
    for version in siblings {
        let event = oracle.event_of(version.dot, &version.entry, replica.memory.seen);
        held |= event;
        if row.is_some_and(|row| same_version(&row.witness.entry, &version.entry)) {
            like |= event;
        }
    }
    let gone = match &found.event {
        Event::Nothing(_) => 0,
        Event::Write { supersedes, .. } | Event::Delete { supersedes } => {
            oracle.events_of(siblings, supersedes, replica.memory.seen)
        }
    };
    // What stands elsewhere may stay: what was here when it came there, nobody saw.
    let due = stands & held & !oracle.events_of(siblings, &found.standing, replica.memory.seen);
    let takes_right = gone & due == due && gone & !(stands | like) == 0;
    let pending = disk.is_some() && replica.unwitnessed.get(&found.name) == disk;
    let right = match (&found.event, disk, row) {
        (Event::Nothing(_), None, Some(row)) => row.witness.unseen || due == 0,
        (Event::Delete { .. }, None, Some(row)) => !row.witness.unseen && takes_right && gone != 0,
        (Event::Nothing(_), Some(disk), Some(row)) => {
            alike(&row.witness.entry, disk)
                || (!found.here.is_empty() || disk.is_directory() || due == 0) && is_held(entries, disk)
        }
        (Event::Nothing(_), Some(disk), None) => is_held(entries, disk),
        (Event::Write { .. }, Some(disk), Some(row)) if alike(&row.witness.entry, disk) => {
            gone & !(stands & held) == 0 && oracle.has_other_bytes(gone, disk)
        }
        // A directory that an install made tells nothing, but that nothing stands beside it: that was taken away since.
        (Event::Write { .. }, Some(disk), Some(_)) => (!pending || disk.is_directory() && due != 0) && takes_right,
        (Event::Write { .. }, Some(_), None) => !pending && gone == 0,
        (Event::Nothing(_), None, None) => true,
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("{:?} with {disk:?} on {row:?}", found.event)) }
}

/// Equal, but for the time of a directory.
fn alike(before: &Entry, after: &Entry) -> bool {
    if before.kind == Kind::Directory && after.kind == Kind::Directory {
        return before.mode == after.mode;
    }
    before == after
}

/// Whether E holds these bytes somewhere; directories are held by what is in them.
fn is_held(entries: &BTreeMap<RelPath, Siblings>, disk: &Entry) -> bool {
    let like = |entry: &Entry| entry.kind == disk.kind && entry.content == disk.content;
    disk.is_directory() || entries.values().flat_map(Siblings::iter).any(|version| like(&version.entry))
}

/// Commits what a scan found at one path.
fn settle(replica: &mut Replica, oracle: &mut Oracle, found: Found, want: Option<&(RelPath, Shown)>, rules: Rules) {
    let Found { name, home, event, .. } = found;
    let disk = replica.disk.get(&name).cloned();
    match (event, disk) {
        (Event::Nothing(Quiet::Settled), Some(disk)) => match replica.memory.rows.get_mut(&name) {
            Some(row) if alike(&row.witness.entry, &disk) => {
                row.witness.unseen = false;
                row.witness.entry = disk;
            }
            _ => {
                if let Some((home, shown)) = want {
                    witness(&mut replica.memory, oracle, home, shown, disk);
                }
            }
        },
        (Event::Nothing(Quiet::Wanted), _) => drop(replica.memory.rows.remove(&name)),
        (Event::Nothing(_), _) => {}
        (event, disk) => {
            let memory = &mut replica.memory;
            let siblings = memory.entries.entry(home.clone()).or_default();
            let supersedes = match &event {
                Event::Write { supersedes, .. } | Event::Delete { supersedes } => {
                    oracle.events_of(siblings, supersedes, memory.seen)
                }
                Event::Nothing(_) => 0,
            };
            let is_delete = matches!(event, Event::Delete { .. });
            let next = Dot { replica: memory.id, counter: memory.knows.highest(memory.id) + 1 };
            if !(is_delete && rules.broken(Mutant::DeleteWithoutDot)) {
                memory.knows.insert(next);
            }
            let was = memory.rows.get(&name).map(|row| &row.witness.entry);
            disk.iter().filter(|disk| was == Some(*disk)).for_each(|disk| oracle.spread(disk));
            event.apply(next, siblings);
            if siblings.is_empty() {
                memory.entries.remove(&home);
            }
            let entry = if is_delete { None } else { disk.clone() };
            let mask = oracle.happened(Happening { dot: next, home: home.clone(), entry: entry.clone(), supersedes });
            memory.seen |= mask;
            match entry {
                None => drop(memory.rows.remove(&name)),
                Some(entry) => {
                    let witness = Witness { dots: vec![next], entry, unseen: false };
                    memory.rows.insert(name, Row { home, witness, stands: mask });
                }
            }
        }
    }
}

/// Records what stands at a disk path.
pub fn witness(memory: &mut Memory, oracle: &Oracle, home: &RelPath, shown: &Shown, disk: Entry) {
    let stands = memory.entries.get(home).map_or(0, |siblings| oracle.events_of(siblings, &shown.dots, memory.seen));
    let witness = Witness { dots: shown.dots.clone(), entry: disk, unseen: false };
    memory.rows.insert(shown.name.clone(), Row { home: home.clone(), witness, stands });
}
