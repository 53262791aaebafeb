//! A replica's memory: `state.redb` in its `.alike`. Owns the tables and their bytes; decides nothing about entries.
//!
//! ```text
//! meta      "header" -> version u32 | id [16] | file system u64 | root inode u64 | counter u64 | top [32] | entries u64
//!                       | copies u64 | knowledge
//! entries   path -> siblings
//! witnesses path -> nothing | unseen u8 | dots u32 | dot * | siblings of one: the entry
//! eras      replica id [16] -> (first counter u64 | token u64) *
//! ```
//! Each change is one transaction, durable when [`State::commit`] returns. A file that is damaged, cut short, newer or of
//! something else is an error, never an empty memory: an empty memory would look like "all deleted".

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError};

use super::places::RootKey;
use super::view::View;
use crate::model::dot::{Dot, ReplicaId};
use crate::model::era::{Era, Eras};
use crate::model::knowledge::Knowledge;
use crate::model::record::Witness;
use crate::model::siblings::{Siblings, Version};
use crate::model::{Digest, RelPath};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
const WITNESSES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("witnesses");
const ERAS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("eras");

const HEADER: &str = "header";
/// Raised with every change of this format, of an entry's bytes or of the tree's rule.
const VERSION: u32 = 1;
/// A file that is smaller is never compacted.
const COMPACT_BYTES: u64 = 4 << 20;
/// What the database holds in memory: a scan of all entries needs little more.
const CACHE_BYTES: usize = 8 << 20;

/// The memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The bytes are not what was written.
    #[error("the memory `{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Option<redb::Error>,
    },
    /// Another format, of an older or newer `alike`.
    #[error("the memory `{}` has format {found}, not {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
    },
    /// Another process has it open.
    #[error("another process uses the memory `{}`", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("cannot use the memory `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: redb::Error,
    },
}

/// What is known of a replica as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Who it is.
    pub id: ReplicaId,
    /// The root that the memory was made for.
    pub root: RootKey,
    /// The highest counter taken.
    pub counter: u64,
    /// Top of the tree of all entries.
    pub top: Digest,
    /// Number of paths with entries.
    pub entries: u64,
    /// Conflict copies that the disk shall show.
    pub copies: u64,
    /// All writes seen.
    pub knowledge: Knowledge,
}

/// What the disk showed at a path when it was last looked at; `None` where nothing was there.
pub type Noted = Option<Witness>;

/// One change of the memory.
#[derive(Debug, Default)]
pub struct Change<'a> {
    /// Paths whose siblings changed; empty siblings remove the path.
    pub entries: &'a [(&'a RelPath, &'a Siblings)],
    /// Forget all witnesses noted before: an index that knows them has been saved.
    pub settle: bool,
    /// Witnesses to note.
    pub witnesses: &'a [(RelPath, Noted)],
    /// The eras of all replicas that were heard of, where they changed.
    pub eras: Option<&'a BTreeMap<ReplicaId, Eras>>,
}

/// A rehearsal that reads the memory is waited for this long before a change fails.
const WAIT_MS: u64 = 2000;
const WAIT_STEP_MS: u64 = 20;

/// An open memory. The file itself is opened with the first change.
pub struct State {
    access: Mutex<Access>,
    path: PathBuf,
}

enum Access {
    /// Above the file's bytes; `false` where nothing may be changed.
    View(Database, bool),
    Write(Database),
    /// Between the two, or after an opening that failed.
    Closed,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({})", self.path.display())
    }
}

impl State {
    /// Opens the memory at `path`, of a root whose lock is held.
    pub fn open(path: &Path) -> Result<State, StateError> {
        State::check(path, View::open(path), true)
    }

    /// Opens the memory at `path` for a rehearsal: nothing is written. Other runs cannot change it meanwhile.
    pub fn open_read_only(path: &Path) -> Result<State, StateError> {
        State::check(path, View::open_shared(path), false)
    }

    /// Reads every page once: damage is an error here, and never a wrong answer or a panic later.
    fn check(path: &Path, view: io::Result<View>, writable: bool) -> Result<State, StateError> {
        let view = view.map_err(|error| refuse(path, redb::Error::Io(error)))?;
        let mut builder = Database::builder();
        let opened = builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create_with_backend(view);
        let access = Access::View(opened.map_err(|error| refuse(path, error.into()))?, writable);
        let state = State { access: Mutex::new(access), path: path.into() };
        state.header()?;
        Ok(state)
    }

    /// Makes a new memory at `path`. Built beside its name and renamed there, so that one that was not finished is none.
    pub fn create(path: &Path, header: &Header) -> Result<State, StateError> {
        let staged = path.with_extension("redb.new");
        let io = |source: io::Error| refuse(path, redb::Error::Io(source));
        match std::fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        let created = Database::builder().set_cache_size(CACHE_BYTES).create(&staged);
        let access = Access::Write(created.map_err(|error| refuse(path, error.into()))?);
        let state = State { access: Mutex::new(access), path: path.into() };
        state.commit(header, &Change::default())?;
        std::fs::rename(&staged, path).map_err(io)?;
        if let Some(parent) = path.parent() {
            std::fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(io)?;
        }
        Ok(state)
    }

    /// The replica as a whole.
    pub fn header(&self) -> Result<Header, StateError> {
        let read = self.begin_read()?;
        let meta = read.open_table(META).map_err(|error| self.refuse(error))?;
        let bytes = meta.get(HEADER).map_err(|error| self.refuse(error))?.ok_or_else(|| self.damaged())?;
        let mut fields = Fields(bytes.value());
        match fields.u32() {
            Some(VERSION) => decode_header(&mut fields).ok_or_else(|| self.damaged()),
            Some(found) => Err(StateError::Version { path: self.path.clone(), found }),
            None => Err(self.damaged()),
        }
    }

    /// Hands all paths with their siblings to `each`, in the order of their bytes.
    pub fn each_entry(&self, each: &mut dyn FnMut(RelPath, Siblings)) -> Result<(), StateError> {
        self.each(ENTRIES, &mut |path, value| {
            each(RelPath::new(path).ok()?, Siblings::decode(value).filter(|siblings| !siblings.is_empty())?);
            Some(())
        })
    }

    /// All witnesses that are newer than the index.
    pub fn witnesses(&self) -> Result<Vec<(RelPath, Noted)>, StateError> {
        let mut all = Vec::new();
        self.each(WITNESSES, &mut |path, value| {
            all.push((RelPath::new(path).ok()?, decode_witness(value)?));
            Some(())
        })?;
        Ok(all)
    }

    /// The eras of all replicas that were heard of.
    pub fn eras(&self) -> Result<BTreeMap<ReplicaId, Eras>, StateError> {
        let mut all = BTreeMap::new();
        self.each(ERAS, &mut |id, value| {
            let mut eras = Eras::default();
            let mut fields = Fields(value);
            while !fields.0.is_empty() {
                eras.begin(Era { first: fields.u64()?, token: fields.u64()? });
            }
            all.insert(ReplicaId(id.try_into().ok()?), eras);
            Some(())
        })?;
        Ok(all)
    }

    /// Makes a change durable, all of it or nothing.
    pub fn commit(&self, header: &Header, change: &Change<'_>) -> Result<(), StateError> {
        let mut access = self.access();
        let database = self.writable(&mut access)?;
        let write = database.begin_write().map_err(|error| self.refuse(error))?;
        self.apply(&write, header, change).map_err(|error| refuse(&self.path, error))?;
        write.commit().map_err(|error| self.refuse(error))
    }

    /// Gives back what changes left behind, where that is a third of a large file. Nothing is done where nothing was changed.
    pub fn compact(&self) {
        let mut access = self.access();
        let Access::Write(database) = &mut *access else { return };
        let bytes = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if bytes < COMPACT_BYTES {
            return;
        }
        let stats = database.begin_write().ok().and_then(|write| {
            let stats = write.stats().ok();
            write.abort().ok().and(stats)
        });
        let is_loose = |stats: redb::DatabaseStats| bytes * 2 > (stats.stored_bytes() + stats.metadata_bytes()) * 3;
        if stats.is_some_and(is_loose) {
            // A memory that stays large costs room and nothing else.
            let _ = database.compact();
        }
    }

    fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file itself. It was read and checked when this memory was opened, and nobody has changed it since.
    fn writable<'a>(&self, access: &'a mut Access) -> Result<&'a Database, StateError> {
        if matches!(access, Access::View(_, false)) {
            let source = redb::Error::Io(io::ErrorKind::ReadOnlyFilesystem.into());
            return Err(StateError::Io { path: self.path.clone(), source });
        }
        if !matches!(access, Access::Write(_)) {
            // What was read so far must not be held beside what is written from now on.
            *access = Access::Closed;
            *access = Access::Write(open_file(&self.path)?);
        }
        match access {
            Access::Write(database) => Ok(database),
            Access::View(..) | Access::Closed => Err(StateError::Busy { path: self.path.clone() }),
        }
    }

    fn apply(&self, write: &redb::WriteTransaction, header: &Header, change: &Change<'_>) -> Result<(), redb::Error> {
        if change.settle {
            write.delete_table(WITNESSES)?;
        }
        write.open_table(META)?.insert(HEADER, encode_header(header).as_slice())?;
        let mut entries = write.open_table(ENTRIES)?;
        for (path, siblings) in change.entries {
            put(&mut entries, path, (!siblings.is_empty()).then(|| encoded(|out| siblings.encode(out))))?;
        }
        let mut witnesses = write.open_table(WITNESSES)?;
        for (path, witness) in change.witnesses {
            put(&mut witnesses, path, Some(encode_witness(witness.as_ref())))?;
        }
        let mut eras = write.open_table(ERAS)?;
        for (id, story) in change.eras.into_iter().flatten() {
            let value: Vec<u8> =
                story.iter().flat_map(|era| [era.first.to_le_bytes(), era.token.to_le_bytes()].concat()).collect();
            eras.insert(id.0.as_slice(), value.as_slice())?;
        }
        Ok(())
    }

    fn each(&self, table: TableDefinition<'_, &[u8], &[u8]>, each: &mut Each<'_>) -> Result<(), StateError> {
        let read = self.begin_read()?;
        let Some(table) = opened(read.open_table(table)).map_err(|error| self.refuse(error))? else { return Ok(()) };
        for row in table.iter().map_err(|error| self.refuse(error))? {
            let (key, value) = row.map_err(|error| self.refuse(error))?;
            each(key.value(), value.value()).ok_or_else(|| self.damaged())?;
        }
        Ok(())
    }

    fn begin_read(&self) -> Result<ReadTransaction, StateError> {
        match &*self.access() {
            Access::Write(database) | Access::View(database, _) => database.begin_read(),
            Access::Closed => return Err(StateError::Busy { path: self.path.clone() }),
        }
        .map_err(|error| self.refuse(error))
    }

    fn damaged(&self) -> StateError {
        StateError::Damaged { path: self.path.clone(), source: None }
    }

    fn refuse(&self, error: impl Into<redb::Error>) -> StateError {
        refuse(&self.path, error.into())
    }
}

/// Opens the file for writing; waits for a rehearsal that reads it.
fn open_file(path: &Path) -> Result<Database, StateError> {
    let mut waited_ms = 0;
    loop {
        match Database::builder().set_cache_size(CACHE_BYTES).open(path).map_err(|error| refuse(path, error.into())) {
            Err(StateError::Busy { .. }) if waited_ms < WAIT_MS => {
                thread::sleep(Duration::from_millis(WAIT_STEP_MS));
                waited_ms += WAIT_STEP_MS;
            }
            opened => return opened,
        }
    }
}

/// Takes a key and a value; `None` where they are not what was written.
type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Option<()> + 'a;

/// A table that was never written is empty.
fn opened<T>(table: Result<T, TableError>) -> Result<Option<T>, TableError> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn refuse(path: &Path, error: redb::Error) -> StateError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => StateError::Busy { path },
        redb::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock => StateError::Busy { path },
        // What ends too early, or says what no file can, is a damaged file and no failing disk.
        redb::Error::Io(ref io) if matches!(io.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => {
            StateError::Damaged { path, source: Some(error) }
        }
        redb::Error::Io(_) | redb::Error::PreviousIo => StateError::Io { path, source: error },
        error => StateError::Damaged { path, source: Some(error) },
    }
}

fn put(table: &mut Table<'_, &[u8], &[u8]>, path: &RelPath, value: Option<Vec<u8>>) -> Result<(), redb::Error> {
    match value {
        Some(value) => table.insert(path.as_bytes(), value.as_slice())?,
        None => table.remove(path.as_bytes())?,
    };
    Ok(())
}

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

fn encode_header(header: &Header) -> Vec<u8> {
    encoded(|out| {
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&header.id.0);
        for number in [header.root.file_system, header.root.inode, header.counter] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&header.top.0);
        out.extend_from_slice(&header.entries.to_le_bytes());
        out.extend_from_slice(&header.copies.to_le_bytes());
        header.knowledge.encode(out);
    })
}

fn decode_header(fields: &mut Fields<'_>) -> Option<Header> {
    Some(Header {
        id: ReplicaId(fields.array()?),
        root: RootKey { file_system: fields.u64()?, inode: fields.u64()? },
        counter: fields.u64()?,
        top: Digest(fields.array()?),
        entries: fields.u64()?,
        copies: fields.u64()?,
        knowledge: Knowledge::decode(fields.0)?,
    })
}

fn encode_witness(witness: Option<&Witness>) -> Vec<u8> {
    encoded(|out| {
        let Some(witness) = witness else { return };
        out.push(u8::from(witness.unseen));
        out.extend_from_slice(&(witness.dots.len() as u32).to_le_bytes());
        for dot in &witness.dots {
            out.extend_from_slice(&dot.replica.0);
            out.extend_from_slice(&dot.counter.to_le_bytes());
        }
        let mut siblings = Siblings::new();
        siblings.insert(Version { dot: NO_WRITE, entry: witness.entry.clone(), replaced: Vec::new() });
        siblings.encode(out);
    })
}

/// Stands where a version needs a dot and has none.
const NO_WRITE: Dot = Dot { replica: ReplicaId([0; 16]), counter: 1 };

fn decode_witness(bytes: &[u8]) -> Option<Noted> {
    if bytes.is_empty() {
        return Some(None);
    }
    let mut fields = Fields(bytes);
    let unseen = fields.array::<1>()? == [1];
    let count = fields.u32()?;
    let dots: Option<Vec<Dot>> =
        (0..count).map(|_| Some(Dot { replica: ReplicaId(fields.array()?), counter: fields.u64()? })).collect();
    let siblings = Siblings::decode(fields.0)?;
    let entry = siblings.iter().next()?.entry.clone();
    Some(Some(Witness { dots: dots?, entry, unseen }))
}

/// Reads fields one after the other; `None` once the bytes end.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
