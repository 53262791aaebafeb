//! One replica: a disk, and a memory that may be lost, restored and copied.

use std::collections::BTreeMap;

use alike::model::era::{Era, Eras, Story};
use alike::model::project::{Shown, project};
use alike::model::record::Witness;
use alike::model::story::{Gists, Stories};
use alike::model::{Entry, Knowledge, PathRef, RelPath, ReplicaId, Siblings};

use crate::kernel::oracle::Mask;

pub type Entries = BTreeMap<RelPath, Siblings>;

/// What a memory holds of one disk path.
#[derive(Debug, Clone)]
pub struct Row {
    /// The path of E whose versions the witness stood for.
    pub home: RelPath,
    pub witness: Witness,
    /// The same for the oracle.
    pub stands: Mask,
}

/// E, K, V and the stories of all ids. Committed as a whole.
#[derive(Debug, Clone)]
pub struct Memory {
    pub id: ReplicaId,
    pub entries: Entries,
    pub knows: Knowledge,
    pub rows: BTreeMap<RelPath, Row>,
    pub eras: Vec<(ReplicaId, Eras)>,
    /// What the oracle says has been seen.
    pub seen: Mask,
}

#[derive(Debug, Clone)]
pub struct Replica {
    pub memory: Memory,
    pub disk: BTreeMap<RelPath, Entry>,
    /// Whether a process has the memory open.
    pub is_open: bool,
    /// The root is not the one that the memory was made for.
    pub moved: bool,
    /// The memory is an older one.
    pub restored: bool,
    pub ignored: Vec<RelPath>,
    pub snapshots: Vec<(Memory, BTreeMap<RelPath, Entry>)>,
    /// What was put in place and has no witness yet.
    pub unwitnessed: BTreeMap<RelPath, Entry>,
    /// What was taken away and still has a witness: a file that is there again has another stamp.
    pub taken: Vec<RelPath>,
    /// Paths of which a delete was refused in this run: nothing of theirs is installed.
    pub held: Vec<RelPath>,
    pub clock: i64,
}

impl Replica {
    pub fn new(id: ReplicaId) -> Replica {
        Replica {
            memory: Memory::new(id),
            disk: BTreeMap::new(),
            is_open: false,
            moved: false,
            restored: false,
            ignored: Vec::new(),
            snapshots: Vec::new(),
            unwitnessed: BTreeMap::new(),
            taken: Vec::new(),
            held: Vec::new(),
            clock: 0,
        }
    }

    /// All that it holds, for people.
    pub fn tell(&self) -> String {
        let number = |entry: &Entry| crate::kernel::oracle::Oracle::number_of(entry).map_or(0, |number| number);
        let file = |entry: &Entry| format!("{}@{}/{:o}", number(entry), entry.mtime.secs, entry.mode);
        let mut told = format!("{:?}\n     E", self.memory.id);
        for (path, siblings) in &self.memory.entries {
            let versions =
                siblings.iter().map(|it| format!("{:?}{}:{}", it.dot.replica, it.dot.counter, file(&it.entry)));
            told.push_str(&format!(" {path}={:?}", versions.collect::<Vec<_>>()));
        }
        told.push_str("\n     D");
        self.disk.iter().for_each(|(path, entry)| told.push_str(&format!(" {path}={}", file(entry))));
        told.push_str("\n     V");
        for (path, row) in &self.memory.rows {
            let dots: Vec<_> = row.witness.dots.iter().map(|dot| format!("{:?}{}", dot.replica, dot.counter)).collect();
            told.push_str(&format!(" {path}={}{dots:?}", file(&row.witness.entry)));
        }
        told
    }

    /// Whether a path, or the file whose copy it is, or a directory above it is ignored.
    pub fn ignores(&self, path: PathRef<'_>) -> bool {
        if self.ignored.is_empty() {
            return false;
        }
        let home = alike::model::project::view_of(path).map(|(plain, _)| plain);
        self.ignored.iter().any(|ignored| {
            path == ignored.as_ref() || path.is_below(ignored.as_ref()) || home.as_ref() == Some(ignored)
        })
    }

    /// After a join: a name at which nothing was, and whose versions are all gone, has no witness any more. One that was kept
    /// for a delete that was refused would make a file that comes there look like the old one.
    pub fn forget_gone(&mut self) {
        let Memory { entries, rows, .. } = &mut self.memory;
        rows.retain(|name, row| {
            let siblings = entries.get(&row.home);
            let lives = |dot| siblings.is_some_and(|siblings| siblings.version(dot).is_some());
            row.witness.unseen || self.disk.contains_key(name) || row.witness.dots.iter().copied().any(lives)
        });
    }

    /// Whether the disk holds something below a path.
    pub fn has_children(&self, path: &RelPath) -> bool {
        self.disk.keys().any(|other| other.as_ref().is_below(path.as_ref()))
    }

    /// Whether the last look at a path, and what is there now, are the same.
    pub fn is_witnessed(&self, path: &RelPath) -> bool {
        let row = self.memory.rows.get(path);
        row.is_some_and(|row| !row.witness.unseen && self.disk.get(path) == Some(&row.witness.entry))
    }
}

impl Memory {
    pub fn new(id: ReplicaId) -> Memory {
        Memory {
            id,
            entries: Entries::new(),
            knows: Knowledge::new(),
            rows: BTreeMap::new(),
            eras: Vec::new(),
            seen: 0,
        }
    }

    pub fn begin_era(&mut self, token: u64) {
        let first = self.knows.highest(self.id) + 1;
        self.eras_of(self.id).begin(Era { first, token });
    }

    pub fn eras_of(&mut self, id: ReplicaId) -> &mut Eras {
        let at = self.eras.iter().position(|(other, _)| *other == id).unwrap_or_else(|| {
            self.eras.push((id, Eras::default()));
            self.eras.len() - 1
        });
        &mut self.eras[at].1
    }

    pub fn gists(&self) -> Gists {
        let eras = self.eras.iter().cloned().collect();
        Stories { eras: &eras, knowledge: &self.knows }.gists()
    }

    pub fn story_of(&self, id: ReplicaId) -> Option<Story<'_>> {
        let (_, eras) = self.eras.iter().find(|(other, _)| *other == id)?;
        Some(Story { eras, highest: self.knows.highest(id) })
    }
}

/// Whether E holds a path, or something below it.
pub fn holds(entries: &Entries, path: PathRef<'_>) -> bool {
    entries.keys().any(|other| other.as_ref() == path || other.as_ref().is_below(path))
}

/// What E wants on disk, and of which path.
pub fn wanted(entries: &Entries) -> BTreeMap<RelPath, (RelPath, Shown)> {
    let mut wanted = BTreeMap::new();
    let nothing = Siblings::new();
    let parents = entries.keys().filter_map(|path| path.as_ref().parent().filter(|parent| !parent.is_root()));
    let implicit = parents.map(PathRef::to_owned).filter(|parent| !entries.contains_key(parent)).collect::<Vec<_>>();
    let all = entries.iter().chain(implicit.iter().map(|path| (path, &nothing)));
    for (path, siblings) in all {
        let has_children = entries.keys().any(|other| other.as_ref().is_below(path.as_ref()));
        let shown = project(path.as_ref(), siblings, has_children, &|name| holds(entries, name));
        for shown in shown.plain.into_iter().chain(shown.copies) {
            wanted.insert(shown.name.clone(), (path.clone(), shown));
        }
    }
    wanted
}
