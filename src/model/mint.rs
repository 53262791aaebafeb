//! What happened on a disk since it was last looked at, as events of the paths that the replicas agreed on. Pure: two
//! listings and what is remembered in, events out. Start at [`events`].

mod astray;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::iter::successors;

use super::agreed::Agreed;
use super::digest::Digest;
use super::dot::Dot;
use super::entry::{Entry, Kind};
use super::lane::Lane;
use super::listing::{FLAG_CHANGED, Listing, Row};
use super::merge::{Pair, Pairs};
use super::path::{PathRef, RelPath};
use super::project::{Projection, Shown, same_bytes, view_of};
use super::record::{Event, Seen, Witness, outlived, record};
use super::siblings::Siblings;

/// What a scan found, and what was known before.
pub struct Look<'a> {
    /// The disk now.
    pub disk: &'a Listing,
    /// The disk at the last look; `None` where that is lost: then no path has a witness.
    pub before: Option<&'a Listing>,
    /// Witnesses that are newer than `before`.
    pub noted: &'a BTreeMap<RelPath, Option<Witness>>,
    /// What the replicas agreed on.
    pub agreed: &'a Agreed,
    /// Which fields are compared. Of the others a change is none, and a write keeps what is agreed on.
    pub lane: Lane,
    /// Whether what was last seen at a path, of this kind, may be there all the same though the scan did not find it:
    /// filtered, or below something unreadable.
    pub unseen: &'a dyn Fn(PathRef<'_>, Kind) -> bool,
    /// The names at which the disk differs from `before`, where they are known: nothing happened elsewhere.
    pub names: Option<&'a BTreeSet<RelPath>>,
    /// Whether these bytes are in the trash of this root: from there they come back where they are wanted.
    pub thrown: &'a dyn Fn(&Entry) -> bool,
}

/// Something that happened at a name on disk.
#[derive(Debug)]
pub struct Happened {
    /// The path it concerns: for a conflict copy, the path of which it is a version.
    pub path: RelPath,
    /// The name on disk.
    pub name: RelPath,
    /// What happened: a write or a delete.
    pub event: Event,
    /// What the last look showed there.
    pub was: Option<Entry>,
}

/// What an entry can be known again by under another name.
#[derive(PartialEq, Eq, Hash)]
enum Feature {
    Content(Digest),
    Target(Option<Box<[u8]>>),
    Directory,
}

impl Feature {
    fn of(entry: &Entry) -> Feature {
        match entry.kind {
            Kind::Directory => Feature::Directory,
            Kind::Symlink => Feature::Target(entry.target().map(Into::into)),
            _ => Feature::Content(entry.content),
        }
    }
}

/// What a look brought to light.
#[derive(Debug, Default)]
pub struct Events {
    /// Writes and deletes, in tree order of the names on disk.
    pub happened: Vec<Happened>,
    /// Witnesses of names that could not be seen: absence after that is no delete, but where they changed just then.
    pub unseen: Vec<(RelPath, Option<Witness>)>,
    /// Deletes of versions that were on their way from one name, which is told, to another. They count where nothing that happened ends those
    /// versions anyway: [`Events::with_astray`].
    pub astray: Vec<(RelPath, Happened)>,
}

impl Events {
    /// How many entries were deleted and have not come up again under another name: renames are no deletes.
    pub fn lost(&self) -> usize {
        let mut come: HashMap<Feature, usize> = HashMap::new();
        for happened in &self.happened {
            if let (Event::Write { entry, .. }, None) = (&happened.event, &happened.was) {
                *come.entry(Feature::of(entry)).or_default() += 1;
            }
        }
        let deleted = self.happened.iter().filter(|happened| matches!(happened.event, Event::Delete { .. }));
        let is_lost = |was: &Entry| match come.get_mut(&Feature::of(was)) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        };
        deleted.filter_map(|happened| happened.was.as_ref()).map(is_lost).filter(|&lost| lost).count()
    }
}

/// A file that has another name now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// Its old name.
    pub from: RelPath,
    /// Its new one.
    pub to: RelPath,
}

impl Events {
    /// Files that were deleted and have come up again under another name, each once; where several could be meant, those of
    /// one last component first.
    pub fn renames(&self) -> Vec<Renamed> {
        let mut come: HashMap<Feature, Vec<&RelPath>> = HashMap::new();
        for happened in &self.happened {
            if let (Event::Write { entry, .. }, None) = (&happened.event, &happened.was)
                && entry.is_file()
            {
                come.entry(Feature::of(entry)).or_default().push(&happened.name);
            }
        }
        let deleted = self.happened.iter().filter(|happened| matches!(happened.event, Event::Delete { .. }));
        let renamed = |gone: &Happened| {
            let names = come.get_mut(&Feature::of(gone.was.as_ref().filter(|was| was.is_file())?))?;
            let same = names.iter().position(|name| name.as_ref().name() == gone.name.as_ref().name());
            let to = if names.is_empty() { return None } else { names.remove(same.unwrap_or(0)) };
            Some(Renamed { from: gone.name.clone(), to: to.clone() })
        };
        deleted.filter_map(renamed).collect()
    }
}

/// Finds what happened.
pub fn events(look: &Look<'_>) -> Events {
    let judge = Judge::new(look);
    let mut events = Events::default();
    for name in look.names() {
        judge.judge(name, &mut events);
    }
    events
}

/// The files that are to be written anew though nobody touched them ([`outlived`]), after a meeting. Only what is noted can
/// be one of them.
pub fn revivals(look: &Look<'_>) -> Vec<Happened> {
    let judge = Judge::new(look);
    let revived = |name: &RelPath| {
        let case = judge.case(name);
        let event = outlived(&case.seen(&judge.standing(name, &case.path)))?;
        Some(case.happened(name.clone(), event))
    };
    look.noted.keys().filter_map(revived).collect()
}

struct Judge<'a> {
    look: &'a Look<'a>,
    agreed: &'a Agreed,
    /// Names of copies among the noted ones, by the plain path.
    noted_copies: BTreeMap<RelPath, Vec<RelPath>>,
}

/// Whether what is at a path, or a directory above it, could not be read because it changed meanwhile.
fn is_changing(disk: &Listing, path: PathRef<'_>) -> bool {
    let found = successors(Some(path), |below| below.parent()).find_map(|place| disk.find(place).ok());
    found.is_some_and(|index| disk.row(index).flags() & FLAG_CHANGED != 0)
}

/// Whether entries of this kind are kept alike.
pub fn is_kept(kind: Kind) -> bool {
    matches!(kind, Kind::File | Kind::Directory | Kind::Symlink)
}

impl Look<'_> {
    /// The names at which something may have happened.
    fn names(&self) -> BTreeSet<RelPath> {
        if let Some(names) = self.names {
            return names.clone();
        }
        let mut names: BTreeSet<RelPath> = self.noted.keys().cloned().collect();
        match self.before {
            Some(before) => self.changed(before, &mut names),
            None => {
                names.extend(self.disk.rows().map(|row| row.path().to_owned()));
            }
        }
        names
    }

    fn changed(&self, before: &Listing, names: &mut BTreeSet<RelPath>) {
        for pair in Pairs::new((before, 0..before.len()), (self.disk, 0..self.disk.len())) {
            let row = match pair {
                Pair::Both(old, new) if self.is_same(before.row(old), self.disk.row(new)) => continue,
                Pair::Both(_, new) | Pair::Right(new) => self.disk.row(new),
                Pair::Left(old) => before.row(old),
            };
            names.insert(row.path().to_owned());
        }
    }

    fn is_same(&self, before: Row<'_>, now: Row<'_>) -> bool {
        self.lane.equal_rows(before, now)
            || before.kind() == Kind::Directory && now.kind() == Kind::Directory && {
                self.is_same_entry(&before.entry(), &now.entry())
            }
    }

    /// Whether nothing changed that is compared in this run. A directory's time alone is no change.
    fn is_same_entry(&self, before: &Entry, now: &Entry) -> bool {
        let directories = before.is_directory() && now.is_directory();
        let mtime = if directories { now.mtime } else { before.mtime };
        self.lane.equal(PathRef::ROOT, &Entry { mtime, ..before.clone() }, now)
    }
}

/// What there is to say of one name on disk.
struct Case {
    path: RelPath,
    shown: Option<Shown>,
    siblings: Siblings,
    witness: Option<Witness>,
    /// `None` also for what is not kept alike.
    disk: Option<Entry>,
}

impl Case {
    fn seen<'a>(&'a self, standing: &'a [Dot]) -> Seen<'a> {
        let Case { shown, siblings, witness, disk, .. } = self;
        Seen { witness: witness.as_ref(), disk: disk.as_ref(), shown: shown.as_ref(), standing, siblings }
    }

    fn happened(self, name: RelPath, event: Event) -> Happened {
        Happened { path: self.path, name, event, was: self.witness.map(|witness| witness.entry) }
    }
}

impl<'a> Judge<'a> {
    fn new(look: &'a Look<'a>) -> Judge<'a> {
        let mut noted_copies: BTreeMap<RelPath, Vec<RelPath>> = BTreeMap::new();
        for name in look.noted.keys() {
            if let Some((plain, _)) = view_of(name.as_ref()) {
                noted_copies.entry(plain).or_default().push(name.clone());
            }
        }
        Judge { look, agreed: look.agreed, noted_copies }
    }

    fn judge(&self, name: RelPath, events: &mut Events) {
        let on_disk = self.look.disk.find(name.as_ref()).ok().map(|index| self.look.disk.row(index));
        let unreadable = on_disk.is_some_and(|row| row.kind() == Kind::Unreadable);
        if on_disk.is_some_and(|row| !is_kept(row.kind())) && !unreadable {
            return;
        }
        let case = self.case(&name);
        let kind = case.witness.as_ref().map_or(Kind::File, |witness| witness.entry.kind);
        if unreadable || on_disk.is_none() && (self.look.unseen)(name.as_ref(), kind) {
            // What changes just now is seen by the next look, and what was there before is known.
            let unseen = !is_changing(self.look.disk, name.as_ref());
            let unseen = case.witness.map(|witness| Witness { unseen: unseen || witness.unseen, ..witness });
            if self.look.noted.get(&name) != Some(&unseen) {
                events.unseen.push((name, unseen));
            }
            return;
        }
        let standing = self.standing(&name, &case.path);
        let seen = case.seen(&standing);
        let event = match (&case.witness, &case.disk) {
            (Some(witness), Some(disk)) if self.look.is_same_entry(&witness.entry, disk) => outlived(&seen),
            _ => Some(record(&seen)).filter(|event| !matches!(event, Event::Nothing(_))),
        };
        self.find_astray(&name, events);
        events.happened.extend(event.map(|event| case.happened(name, event)));
    }

    fn case(&self, name: &RelPath) -> Case {
        let index = self.look.disk.find(name.as_ref()).ok();
        let on_disk = index.map(|index| self.look.disk.row(index)).filter(|row| is_kept(row.kind()));
        let found = |path: PathRef<'_>| self.look.disk.find(path).is_ok();
        // A directory is nobody's copy.
        let (path, shown) = match on_disk {
            Some(row) if row.kind() == Kind::Directory => (name.clone(), self.agreed.project(name.as_ref()).plain),
            _ => self.agreed.shown_beside(name.as_ref(), &found),
        };
        let row = self.row_before(name);
        let witness = self.witness(name, row, shown.as_ref().map(|shown| (&shown.entry, shown.dots.as_slice())));
        let as_agreed = |entry: Entry| match &shown {
            Some(shown) => self.look.lane.seen(entry, &shown.entry),
            None => entry,
        };
        let witness = witness.map(|witness| Witness { entry: as_agreed(witness.entry), ..witness });
        let disk = on_disk.map(|row| as_agreed(row.entry()));
        let siblings = self.agreed.siblings(path.as_ref());
        Case { path, shown, siblings, witness, disk }
    }

    /// The versions of a path whose bytes other names on disk hold. A path without copies has no other names.
    fn standing(&self, name: &RelPath, path: &RelPath) -> Vec<Dot> {
        let Projection { plain, copies } = self.agreed.project(path.as_ref());
        let noted = self.noted_copies.get(path).into_iter().flatten().cloned();
        let mut names: BTreeMap<RelPath, Option<Shown>> = noted.map(|name| (name, None)).collect();
        let shown = plain.into_iter().chain(copies);
        names.extend(shown.map(|shown| (shown.name.clone(), Some(shown))));
        let mut standing = Vec::new();
        for (other, shown) in names.into_iter().filter(|(other, _)| other != name) {
            let Ok(index) = self.look.disk.find(other.as_ref()) else { continue };
            let here = self.look.disk.row(index).entry();
            let row = self.row_before(&other);
            let told = shown.as_ref().map(|shown| (&shown.entry, shown.dots.as_slice()));
            let witness = self.witness(&other, row, told);
            let showing =
                |entry: &Entry, dots: &[Dot]| if same_bytes(entry, &here) { dots.to_vec() } else { Vec::new() };
            standing.extend(shown.iter().flat_map(|shown| showing(&shown.entry, &shown.dots)));
            standing.extend(witness.iter().flat_map(|witness| showing(&witness.entry, &witness.dots)));
        }
        standing
    }

    fn row_before(&self, name: &RelPath) -> Option<Row<'_>> {
        let before = self.look.before?;
        before.find(name.as_ref()).ok().map(|index| before.row(index))
    }

    /// What the last look at a name stood for. Where the disk showed exactly what is agreed on now, it stood for that,
    /// whatever was noted before.
    fn witness(&self, name: &RelPath, row: Option<Row<'_>>, shown: Option<(&Entry, &[Dot])>) -> Option<Witness> {
        let dots = || shown.map_or_else(Vec::new, |(_, dots)| dots.to_vec());
        let was = row.filter(|row| is_kept(row.kind())).map(|row| row.entry());
        match (self.look.noted.get(name), was) {
            (Some(noted), Some(was)) => {
                let agreed = shown.is_some_and(|(entry, _)| self.look.lane.equal(name.as_ref(), entry, &was));
                if agreed { Some(Witness { dots: dots(), entry: was, unseen: false }) } else { noted.clone() }
            }
            (Some(noted), None) => noted.clone(),
            (None, Some(was)) => Some(Witness { dots: dots(), entry: was, unseen: false }),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests;
