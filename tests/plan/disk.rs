//! A file system in memory: names, inodes, a trash. Owns what a path holds; the plan is run on it by `run`.

use std::collections::{BTreeMap, BTreeSet};

use alike::model::entry::{Entry, Extra, Kind, Record, Stamp, Time};
use alike::model::lane::Lane;
use alike::model::listing::{Builder, FLAG_INCOMPLETE, Listing};
use alike::model::plan::Pair;
use alike::model::{Digest, PathRef, RelPath};

/// Names that the listing does not show: what a filter hides.
pub const HIDDEN: &[u8] = b"hidden";
/// Names that the listing shows as unreadable.
pub const LOCKED: &[u8] = b"locked";

#[derive(Debug, Clone)]
pub struct Inode {
    /// Without the links: those follow from the names.
    pub entry: Entry,
    pub ctime: i64,
}

#[derive(Debug, Clone, Default)]
pub struct Disk {
    pub names: BTreeMap<RelPath, u64>,
    pub inodes: BTreeMap<u64, Inode>,
    pub trash: BTreeSet<u64>,
    next: u64,
    clock: i64,
}

pub fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).expect("a legal path")
}

pub fn entry(kind: Kind) -> Entry {
    let mtime = Time { secs: 1, nanos: 0 };
    let mode = if kind == Kind::Symlink { 0 } else { 0o644 };
    Entry { kind, mode, mtime, size: 0, content: Digest::default(), uid: 0, gid: 0, extra: None }
}

pub fn file(bytes: &[u8]) -> Entry {
    Entry { size: bytes.len() as u64, content: Digest::of_content(bytes), ..entry(Kind::File) }
}

pub fn symlink(target: &[u8]) -> Entry {
    let extra = Extra { target: Some(target.into()), ..Extra::default() };
    Entry { extra: Some(Box::new(extra)), ..entry(Kind::Symlink) }
}

impl Disk {
    pub fn inode(&self, path: &RelPath) -> &Inode {
        &self.inodes[&self.names[path]]
    }

    pub fn inode_mut(&mut self, path: &RelPath) -> &mut Inode {
        self.clock += 1;
        let inode = self.inodes.get_mut(&self.names[path]).expect("every name has an inode");
        inode.ctime = self.clock;
        inode
    }

    pub fn kind(&self, path: &RelPath) -> Option<Kind> {
        if path.as_ref().is_root() {
            return Some(Kind::Directory);
        }
        self.names.get(path).map(|inode| self.inodes[inode].entry.kind)
    }

    /// The names below a path.
    pub fn below(&self, path: &RelPath) -> Vec<RelPath> {
        let after = self.names.range(path.clone()..).map(|(name, _)| name);
        after.filter(|name| *name != path).take_while(|name| name.as_ref().is_below(path.as_ref())).cloned().collect()
    }

    fn disturb(&mut self, path: &RelPath) {
        let parent = path.as_ref().parent().expect("never the root").to_owned();
        assert_eq!(self.kind(&parent), Some(Kind::Directory), "the parent of {path}");
        self.clock += 1;
        let clock = self.clock;
        if let Some(inode) = self.names.get(&parent).copied() {
            self.inodes.get_mut(&inode).expect("held").entry.mtime = Time { secs: 1_000_000 + clock, nanos: 0 };
        }
    }

    pub fn put(&mut self, path: &RelPath, mut entry: Entry) {
        assert!(!self.names.contains_key(path), "{path} is taken");
        self.disturb(path);
        if let Some(extra) = &mut entry.extra {
            extra.links = None;
        }
        entry.extra = entry.extra.filter(|extra| !extra.is_empty());
        self.next += 1;
        self.clock += 1;
        // Inodes are never used again: one that shows up must be the one that was listed.
        let number = self.next + 1000 * self.inodes.len() as u64;
        self.inodes.insert(number, Inode { entry, ctime: self.clock });
        self.names.insert(path.clone(), number);
        self.next = number;
    }

    pub fn link(&mut self, path: &RelPath, to: &RelPath) {
        assert!(!self.names.contains_key(path), "{path} is taken");
        assert_ne!(self.kind(to), Some(Kind::Directory), "a link to {to}");
        self.disturb(path);
        let number = self.names[to];
        self.inode_mut(to);
        self.names.insert(path.clone(), number);
    }

    fn lift(&mut self, path: &RelPath) -> Vec<(RelPath, u64)> {
        assert!(self.names.contains_key(path), "nothing at {path}");
        self.disturb(path);
        self.inode_mut(path);
        let mut names = self.below(path);
        names.insert(0, path.clone());
        names.into_iter().map(|name| (name.clone(), self.names.remove(&name).expect("listed"))).collect()
    }

    fn land(&mut self, lifted: Vec<(RelPath, u64)>, to: &RelPath) {
        let from = lifted[0].0.as_bytes().len();
        self.disturb(to);
        for (name, number) in lifted {
            let bytes = [to.as_bytes(), &name.as_bytes()[from..]].concat();
            let old = self.names.insert(RelPath::new(&bytes).expect("legal"), number);
            assert_eq!(old, None, "a rename onto what stands at {to}");
        }
    }

    pub fn rename(&mut self, from: &RelPath, to: &RelPath) {
        assert!(!self.names.contains_key(to), "{to} is taken");
        let lifted = self.lift(from);
        self.land(lifted, to);
    }

    pub fn exchange(&mut self, left: &RelPath, right: &RelPath) {
        let (lifted, other) = (self.lift(left), self.lift(right));
        self.land(lifted, right);
        self.land(other, left);
    }

    /// Moves a path with all below it to the trash.
    pub fn discard(&mut self, path: &RelPath) {
        let lifted = self.lift(path);
        self.trash.extend(lifted.into_iter().map(|(_, inode)| inode));
    }

    fn least_names(&self) -> BTreeMap<u64, (usize, RelPath)> {
        let mut least = BTreeMap::new();
        for (name, &inode) in &self.names {
            if self.shown(name) && !self.locked(name) {
                least.entry(inode).or_insert_with(|| (0, name.clone())).0 += 1;
            }
        }
        least
    }

    fn under(name: &RelPath, word: &[u8], itself: bool) -> bool {
        let count = name.as_ref().components().count();
        name.as_ref().components().enumerate().any(|(at, part)| part == word && (itself || at + 1 < count))
    }

    /// Whether the listing has a row for a name.
    pub fn shown(&self, name: &RelPath) -> bool {
        !Self::under(name, HIDDEN, true) && !Self::under(name, LOCKED, false)
    }

    fn locked(&self, name: &RelPath) -> bool {
        Self::under(name, LOCKED, true)
    }

    pub fn stamp(&self, name: &RelPath) -> Stamp {
        let inode = self.inode(name);
        let ctime = Time { secs: inode.ctime, nanos: 0 };
        Stamp { inode: self.names[name], size: inode.entry.size, mtime: inode.entry.mtime, ctime }
    }

    /// What a scan finds.
    pub fn listing(&self) -> Listing {
        let least = self.least_names();
        let mut builder = Builder::default();
        for name in self.names.keys().filter(|name| self.shown(name)) {
            let mut entry = self.inode(name).entry.clone();
            if self.locked(name) {
                entry = super::disk::entry(Kind::Unreadable);
            } else if let (count @ 2.., first) = &least[&self.names[name]] {
                assert!(*count > 1);
                entry.extra.get_or_insert_default().links = Some(first.as_bytes().into());
            }
            let hides = self
                .names
                .keys()
                .any(|below| below.as_ref().parent() == Some(name.as_ref()) && below.as_ref().name() == HIDDEN);
            let flags = if hides { FLAG_INCOMPLETE } else { 0 };
            builder.push(name.as_ref(), &entry, &self.stamp(name), flags);
        }
        builder.finish()
    }
}

/// What the source holds, as a peer would send it.
pub fn records(listing: &Listing) -> Vec<Record> {
    listing.rows().map(|row| Record { path: row.path().to_owned(), entry: row.entry() }).collect()
}

/// The paths that differ.
pub fn differing(source: &[Record], target: &Listing, lane: Lane) -> Vec<Pair> {
    let wanted: BTreeMap<&RelPath, &Entry> = source.iter().map(|record| (&record.path, &record.entry)).collect();
    let rows: Vec<RelPath> = target.rows().map(|row| row.path().to_owned()).collect();
    let all: BTreeSet<&RelPath> = wanted.keys().copied().chain(&rows).collect();
    let pair = |path: &RelPath| Pair {
        path: path.clone(),
        source: wanted.get(path).map(|&entry| entry.clone()),
        target: target.find(path.as_ref()).ok(),
    };
    let differs = |pair: &Pair| match (&pair.source, pair.target) {
        (Some(want), Some(row)) => !lane.equal(pair.path.as_ref(), want, &target.row(row).entry()),
        _ => true,
    };
    all.into_iter().map(pair).filter(differs).collect()
}

/// Whether a path is another one or lies below it.
pub fn at_or_below(path: PathRef<'_>, top: PathRef<'_>) -> bool {
    path == top || path.is_below(top)
}
