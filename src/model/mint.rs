//! What happened on a disk since it was last looked at, as events of the paths that the replicas agreed on. Pure: two
//! listings and what is remembered in, events out. Start at [`events`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::agreed::Agreed;
use super::digest::Digest;
use super::dot::Dot;
use super::entry::{Entry, Kind};
use super::lane::Lane;
use super::listing::{Listing, Row};
use super::merge::{Pair, Pairs};
use super::path::{PathRef, RelPath};
use super::project::{Projection, Shown, same_bytes, view_of};
use super::record::{Event, Seen, Witness, record};

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
    /// Which fields are compared.
    pub lane: Lane,
    /// Whether what was last seen at a path, of this kind, may be there all the same though the scan did not find it:
    /// filtered, or below something unreadable.
    pub unseen: &'a dyn Fn(PathRef<'_>, Kind) -> bool,
    /// The names at which the disk differs from `before`, where they are known: nothing happened elsewhere.
    pub names: Option<&'a BTreeSet<RelPath>>,
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
    /// Witnesses of names that could not be seen: absence after that is no delete.
    pub unseen: Vec<(RelPath, Option<Witness>)>,
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

/// Finds what happened.
pub fn events(look: &Look<'_>) -> Events {
    let mut noted_copies: BTreeMap<RelPath, Vec<RelPath>> = BTreeMap::new();
    for name in look.noted.keys() {
        if let Some((plain, _)) = view_of(name.as_ref()) {
            noted_copies.entry(plain).or_default().push(name.clone());
        }
    }
    let judge = Judge { look, agreed: look.agreed, noted_copies };
    let mut events = Events::default();
    for name in look.names() {
        judge.judge(name, &mut events);
    }
    events
}

struct Judge<'a> {
    look: &'a Look<'a>,
    agreed: &'a Agreed,
    /// Names of copies among the noted ones, by the plain path.
    noted_copies: BTreeMap<RelPath, Vec<RelPath>>,
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

impl Judge<'_> {
    fn judge(&self, name: RelPath, events: &mut Events) {
        let on_disk = self.look.disk.find(name.as_ref()).ok().map(|index| self.look.disk.row(index));
        let unreadable = on_disk.is_some_and(|row| row.kind() == Kind::Unreadable);
        if on_disk.is_some_and(|row| !is_kept(row.kind())) && !unreadable {
            return;
        }
        let found = |path: PathRef<'_>| self.look.disk.find(path).is_ok();
        // A directory is nobody's copy.
        let (path, shown) = match on_disk {
            Some(row) if row.kind() == Kind::Directory => (name.clone(), self.agreed.project(name.as_ref()).plain),
            _ => self.agreed.shown_beside(name.as_ref(), &found),
        };
        let row = self.row_before(&name);
        let witness = self.witness(&name, row, shown.as_ref().map(|shown| (&shown.entry, shown.dots.as_slice())));
        let kind = witness.as_ref().map_or(Kind::File, |witness| witness.entry.kind);
        if unreadable || on_disk.is_none() && (self.look.unseen)(name.as_ref(), kind) {
            let unseen = witness.map(|witness| Witness { unseen: true, ..witness });
            if self.look.noted.get(&name) != Some(&unseen) {
                events.unseen.push((name, unseen));
            }
            return;
        }
        let disk = on_disk.map(|row| row.entry());
        if let (Some(witness), Some(disk)) = (&witness, &disk)
            && self.look.is_same_entry(&witness.entry, disk)
        {
            return;
        }
        let siblings = self.agreed.siblings(path.as_ref());
        let standing = self.standing(&name, &path);
        let seen = Seen {
            witness: witness.as_ref(),
            disk: disk.as_ref(),
            shown: shown.as_ref(),
            standing: &standing,
            siblings: &siblings,
        };
        match record(&seen) {
            Event::Nothing(_) => {}
            event => {
                let was = witness.map(|witness| witness.entry);
                events.happened.push(Happened { path, name, event, was });
            }
        }
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
