//! One local root, scanned: its listing, its tree, and the index that is kept of it. Owns how a root is read from start to
//! end; says nothing of what it is compared with.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::error::Error;
use super::found::Found;
use super::job::{Fidelity, Reading};
use super::placements::InPlace;
use crate::disk::deferral::Deferral;
use crate::disk::filter::Filter;
use crate::disk::gauge::Gauge;
use crate::disk::glance::{self, Glance, GlanceOptions, Glanced, Moved};
use crate::disk::keeps::Keeps;
use crate::disk::lists::Lists;
use crate::disk::map;
use crate::disk::root::Root;
use crate::disk::rules::Decree;
use crate::disk::scan::{self, Memory, ScanOptions, Scanned};
use crate::model::chunk::{Chunk, Chunks, Cutter};
use crate::model::digest::{Digest, Domain, Hasher};
use crate::model::lane::{Bytes, Lane};
use crate::model::listing::SharedBytes;
use crate::model::tree::Tree;
use crate::model::{Listing, PathRef, Problem, ProblemKind, RelPath, Stamp};
use crate::store::index;
use crate::store::journal::Journal;
use crate::store::places::{Places, RootKey};

/// A root and how it is read.
pub struct Side {
    root: Root,
    reading: Reading,
    filter: Filter,
    /// Which files that nobody has hashed yet are left to whoever copies them.
    deferral: Deferral,
    /// Where the index is kept; `None` where nothing may be written.
    cache: Option<Cache>,
    /// Whether something is wanted that the file system does not keep.
    lacks: bool,
    lists: Lists,
}

struct Cache {
    index: PathBuf,
    journal: PathBuf,
    writable: bool,
    /// The directory that is made for them where it is missing. None is made in a root: one that was moved away, or whose file
    /// system is gone, shall find its place free when it comes back.
    directory: Option<PathBuf>,
}

impl Cache {
    fn make(&self) -> io::Result<()> {
        self.directory.as_ref().map_or(Ok(()), |path| DirBuilder::new().recursive(true).mode(0o700).create(path))
    }
}

/// Where a run did something.
pub struct Disturbed {
    /// The directories in which anything came, went or changed.
    pub directories: BTreeSet<RelPath>,
    /// The directories that it renamed.
    pub moved: Vec<Moved>,
}

impl Side {
    /// Prepares to read `root`.
    pub fn new(root: Root, reading: &Reading, write_cache: bool) -> Result<Side, Error> {
        let filter = filter(reading)?;
        let cache = Places::from_environment().map(|places| {
            let key = key(&root);
            let variant = variant(reading);
            let named = |path: PathBuf| match &variant {
                Some(variant) => path.with_added_extension(variant),
                None => path,
            };
            Cache {
                index: named(places.index_path(key)),
                journal: named(places.journal_path(key)),
                writable: write_cache,
                directory: Some(places.cache().into()),
            }
        });
        Ok(Side {
            root,
            reading: reading.clone(),
            filter,
            deferral: Deferral::default(),
            cache,
            lacks: false,
            lists: Lists::default(),
        })
    }

    /// Prepares to read the root of a replica: its index is in the replica's memory, and rows that a filter hides today
    /// are remembered there. What its file system does not keep is not looked at: there it is as it was agreed on.
    pub fn of_replica(root: Root, reading: &Reading, write_cache: bool) -> Result<Side, Error> {
        let control = root.path().join(crate::disk::control::NAME);
        let (index, journal) = (control.join("index"), control.join("journal"));
        let cache = Cache { index, journal, writable: write_cache, directory: None };
        let keeps = Keeps::of(&root, write_cache);
        let wanted = reading.fidelity;
        let fidelity = Fidelity {
            mode: wanted.mode && keeps.mode,
            xattrs: wanted.xattrs && keeps.xattrs,
            owner: wanted.owner && keeps.mode,
            links: wanted.links && keeps.links,
            devices: wanted.devices,
        };
        let lacks = fidelity.mode != wanted.mode;
        let reading = Reading { fidelity, ..reading.clone() };
        Ok(Side { cache: Some(cache), lacks, ..Side::new(root, &reading, false)? })
    }

    /// From now on leaves files of fewer bytes that nobody has hashed yet to whoever copies them, unless all shall be read. A
    /// scan that goes on leaves them, too.
    pub fn defer_below(&self, bytes: u64) {
        let Reading { checksum, quick, .. } = self.reading;
        if !checksum && !quick {
            self.deferral.raise(bytes);
        }
    }

    /// What its file system does not keep though it is wanted, as a problem of the root.
    pub fn lack(&self) -> Option<Problem> {
        let cause = "its file system keeps no permission bits: the others hold them (--no-perms: not wanted)".into();
        self.lacks.then_some(Problem { path: RelPath::default(), kind: ProblemKind::Unrepresentable, cause })
    }

    /// Whether files that nobody has hashed yet are left to whoever copies them.
    pub fn is_deferring(&self) -> bool {
        self.deferral.is_any()
    }

    /// The filter of this run.
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The root.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The chunk lists of what is in it, as far as they are known.
    pub const fn lists(&self) -> &Lists {
        &self.lists
    }

    /// How it is read.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Walks the root and hashes what the index does not know.
    pub fn scan(&self, gauge: &Gauge) -> Result<Found, Error> {
        let kept = self.load();
        let memory = Recollection { journal: self.journal(), ..self.recollection() };
        let found = self.scan_against(kept, &memory, &self.filter, gauge);
        if found.is_err() {
            // Interrupted: the next run goes on from here. A run that gets through keeps an index instead.
            memory.keep();
        }
        found
    }

    /// Where digests are noted that come to be known after the scan, while those of an interrupted run can still be lost.
    pub fn notes(&self) -> Recollection<'static> {
        Recollection { journal: self.journal(), placed: None, lists: None }
    }

    /// Whether ignore files are obeyed.
    pub fn obeys(&self) -> bool {
        !self.reading.everything
    }

    /// Walks the root again by other ignore files.
    pub fn scan_by(&self, before: &Found, decree: Decree, gauge: &Gauge) -> Result<Found, Error> {
        let memory = Recollection { journal: self.journal(), ..self.recollection() };
        let filter = filter(&self.reading)?.obeying(decree);
        let kept = Some((before.listing.clone(), None));
        let mut found = self.scan_against(kept, &memory, &filter, gauge)?;
        found.hashed_bytes += before.hashed_bytes;
        Ok(found)
    }

    /// Walks the root again after a run that put `placed` in place: nothing of that is hashed once more.
    pub fn rescan(&self, before: &Found, placed: &InPlace, gauge: &Gauge) -> Result<Found, Error> {
        let memory = Recollection { placed: Some(placed), ..self.recollection() };
        self.scan_against(Some((before.listing.clone(), None)), &memory, &self.filter, gauge)
    }

    /// Looks at some directories again; `None` where only a scan can tell. Files that were changed less than `quiet` ago
    /// wait, but for those that a run has put in place.
    pub fn glance(
        &self,
        before: &Found,
        directories: &BTreeSet<RelPath>,
        (placed, quiet): (Option<&InPlace>, Duration),
        gauge: &Gauge,
    ) -> Result<Option<Found>, Error> {
        self.look(before, (directories, &[]), (placed, quiet), gauge)
    }

    /// Looks again wherever a run did anything; `None` where only a scan can tell.
    pub fn look_after(
        &self,
        before: &Found,
        Disturbed { directories, moved }: &Disturbed,
        placed: &InPlace,
        gauge: &Gauge,
    ) -> Result<Option<Found>, Error> {
        // By its patterns and rules another path may hide what was in sight.
        if !moved.is_empty() && (before.obeyed || !self.filter.is_empty()) {
            return Ok(None);
        }
        let found = self.look(before, (directories, moved), (Some(placed), Duration::ZERO), gauge)?;
        // All of it is judged, as after a scan.
        Ok(found.map(|found| Found { names: None, ..found }))
    }

    fn look(
        &self,
        before: &Found,
        (directories, moved): (&BTreeSet<RelPath>, &[Moved]),
        (placed, quiet): (Option<&InPlace>, Duration),
        gauge: &Gauge,
    ) -> Result<Option<Found>, Error> {
        let Reading { one_file_system, checksum, quick, .. } = self.reading;
        if one_file_system || checksum || quick {
            return Ok(None);
        }
        let memory = Recollection { placed, ..self.recollection() };
        let quiet_ns = i64::try_from(quiet.as_nanos()).unwrap_or(i64::MAX);
        let options = GlanceOptions { filter: &self.filter, quiet_ns, moved };
        let glanced = glance::glance(&self.root, &before.listing, directories, &memory, (options, gauge))?;
        let Glance::Seen(Glanced { listing, names, seen, again, mut problems, hashed_bytes }) = glanced else {
            return Ok(None);
        };
        let is_older = |problem: &&Problem| {
            let parent = problem.path.as_ref().parent();
            parent.is_none_or(|parent| !seen.contains(&parent.to_owned())) && !seen.contains(&problem.path)
        };
        problems.extend(before.problems.iter().filter(is_older).cloned());
        Ok(Some(Found {
            changed: !names.is_empty(),
            listing,
            problems,
            obeyed: before.obeyed,
            hashed_bytes,
            before: Some((before.listing.clone(), None)),
            names: Some(names),
            again,
        }))
    }

    fn scan_against(
        &self,
        kept: Option<(Listing, Option<Tree>)>,
        memory: &Recollection<'_>,
        filter: &Filter,
        gauge: &Gauge,
    ) -> Result<Found, Error> {
        let options = ScanOptions {
            filter,
            one_file_system: self.reading.one_file_system,
            checksum: self.reading.checksum && memory.placed.is_none(),
            quick: self.reading.quick,
            defer: Some(&self.deferral),
        };
        let base = kept.as_ref().map(|(listing, _)| listing);
        let Scanned { listing, changed, problems, obeyed, hashed_bytes, .. } =
            scan::scan(&self.root, base, memory, &options, gauge)?;
        let (names, again) = (None, BTreeSet::new());
        Ok(Found { listing, problems, obeyed, hashed_bytes, before: kept, changed, names, again })
    }

    /// Keeps the index for the next run. A cache that cannot be written costs time only, so it is a note, not an error.
    /// Gives the index, where it was written.
    pub fn save(&self, found: &Found, tree: &Tree) -> Result<Option<File>, String> {
        let Some(cache) = self.cache.as_ref().filter(|cache| cache.writable) else { return Ok(None) };
        let unchanged = !found.changed && found.kept().is_some_and(|(_, kept)| kept.lane() == tree.lane());
        if unchanged {
            // What a journal holds of files that were read again says nothing new.
            let _ = std::fs::remove_file(&cache.journal);
            return Ok(None);
        }
        let mut bytes = Vec::new();
        tree.encode(&mut bytes);
        let tell = |error: &dyn std::fmt::Display| format!("the index is not kept: {}: {error}", cache.index.display());
        cache.make().map_err(|error| tell(&error))?;
        let file = index::save(&cache.index, key(&self.root), &found.listing, Some((tree.lane(), &bytes)))
            .map_err(|error| tell(&error))?;
        // The index now knows everything that the journal of an interrupted hash did.
        let _ = std::fs::remove_file(&cache.journal);
        Ok(Some(file))
    }

    fn load(&self) -> Option<(Listing, Option<Tree>)> {
        let cache = self.cache.as_ref()?;
        let file = File::open(&cache.index).ok()?;
        let bytes: SharedBytes = Arc::new(map::map(&file).ok()?);
        // An index that is damaged, of another version or of another root is as good as none: everything is hashed anew.
        let index = index::parse(bytes, key(&self.root)).ok()?;
        let tree = Tree::decode(index.tree()).map(|(tree, _)| tree);
        let tree = tree.filter(|tree| tree.rows() == index.listing.len() && index.lane == Some(tree.lane()));
        Some((index.listing, tree))
    }

    const fn recollection<'a>(&'a self) -> Recollection<'a> {
        Recollection { journal: None, placed: None, lists: Some(&self.lists) }
    }

    fn journal(&self) -> Option<Journal> {
        let cache = self.cache.as_ref().filter(|cache| cache.writable)?;
        cache.make().ok()?;
        Journal::open(&cache.journal, key(&self.root)).ok()
    }
}

/// The patterns that the user gave.
pub fn filter(reading: &Reading) -> Result<Filter, Error> {
    let filter = Filter::new(&reading.filter)
        .map_err(|e| Error::Usage { message: e.to_string(), hint: "patterns have gitignore's syntax".into() })?;
    Ok(filter.obeying(if reading.everything { Decree::Nobody } else { Decree::Own }))
}

fn key(root: &Root) -> RootKey {
    let identity = root.identity();
    RootKey { file_system: identity.file_system, inode: identity.inode }
}

/// The lane in which two ends compare.
pub fn lane(reading: &Reading, both_superuser: bool) -> Lane {
    let Fidelity { mode, xattrs, owner, links, .. } = reading.fidelity;
    let bytes = if reading.quick { Bytes::SizeAndTime } else { Bytes::Digest };
    Lane { bytes, mode, xattrs, owner: owner && both_superuser, links, state: false }
}

/// Whether this process may set owners.
pub fn superuser() -> bool {
    rustix::process::geteuid().is_root()
}

/// Roots that are read with other filters keep an index of their own: rows that a filter hides are not forgotten.
fn variant(reading: &Reading) -> Option<String> {
    if reading.filter.is_empty() && !reading.one_file_system {
        return None;
    }
    let mut hasher = Hasher::new(Domain::Index);
    hasher.update(&[u8::from(reading.one_file_system)]);
    for line in &reading.filter {
        hasher.update(line.as_bytes()).update(b"\n");
    }
    Some(hasher.finish().to_hex()[..16].to_owned())
}

/// What the scan may take for known without reading: a journal of an interrupted hash, or what was just put in place.
pub struct Recollection<'a> {
    journal: Option<Journal>,
    placed: Option<&'a InPlace>,
    lists: Option<&'a Lists>,
}

impl Recollection<'_> {
    /// Writes what the journal still holds back.
    pub fn keep(&self) {
        // A journal that cannot be written costs time and nothing else.
        let _ = self.journal.as_ref().map(Journal::flush);
    }
}

impl Memory for Recollection<'_> {
    fn recall(&self, path: PathRef<'_>, stamp: &Stamp) -> Option<Digest> {
        if let Some(placed) = self.placed {
            return placed.recall(path, stamp);
        }
        self.journal.as_ref()?.recall(path, stamp)
    }

    fn recalls(&self) -> bool {
        self.placed.is_some() || self.journal.as_ref().is_some_and(|journal| !journal.is_empty())
    }

    fn cut(&self, content: &Digest, chunks: Vec<Chunk>) {
        if let Some(lists) = self.lists {
            lists.keep(*content, Cutter::Even, Arc::new(Chunks::new(Cutter::Even, chunks)));
        }
    }

    fn is_bare(&self, path: PathRef<'_>, stamp: &Stamp) -> bool {
        self.placed.is_some_and(|placed| placed.is_bare(path, stamp))
    }

    fn note(&self, path: PathRef<'_>, stamp: &Stamp, content: &Digest) {
        if let Some(journal) = &self.journal {
            // A journal that cannot be written costs time after an interruption, and nothing else.
            let _ = journal.note(path, stamp, content);
        }
    }
}
