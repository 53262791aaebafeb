//! A root with a memory: its lock, its state, what it agreed on with others, and the steps that change those. Owns the order
//! of commits; what follows from what is decided in `model`.
//!
//! What is on disk wherever it stops: a scan's events are one commit, a meeting's join another, and a witness that the
//! index does not know yet is noted in the same commit as the change that outdated it. The index is saved after that.

mod again;
mod announced;
mod arrived;
mod decide;
mod doubts;
mod settle;
mod shown;
mod witnessed;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use self::shown::{is_beyond, witness_of};
use super::error::Error;
use super::found::Found;
use super::job::{Reading, Writing};
use super::refuse;
use super::side::{self, Side};
use crate::disk::control::{self, Lock};
use crate::disk::gauge::Gauge;
use crate::disk::hidden::Hidden;
use crate::disk::root::Root;
use crate::disk::trash::recall;
use crate::model::agreed::{self, Agreed};
use crate::model::dot::{Dot, ReplicaId};
use crate::model::era::{Era, Eras, Story};
use crate::model::knowledge::Knowledge;
use crate::model::lane::Lane;
use crate::model::meeting::{self, Half, Joined, Teller};
use crate::model::mint::{self, Events, Happened, Look, Renamed};
use crate::model::plan::guard::Guard;
use crate::model::record::{Event, Witness};
use crate::model::siblings::Siblings;
use crate::model::story::Stories;
use crate::model::tree::Tree;
use crate::model::{Digest, Entry, Kind, Listing, PathRef, Problem, ProblemKind, RelPath};
use crate::net;
use crate::proto::reconcile::Side as Compared;
use crate::store::places::RootKey;
use crate::store::receives;
use crate::store::registry::{Known, Registry};
use crate::store::state::{Change, Header, State};

/// The memory's name in `.alike`.
pub const STATE: &str = "state.redb";

/// A root with a memory.
pub struct Replica {
    registry: Registry,
    side: Arc<Side>,
    lock: Option<Lock>,
    writing: Writing,
    /// `None` in a rehearsal of a root that has no memory yet.
    state: Option<State>,
    header: Header,
    agreed: Option<Agreed>,
    tree: Option<Arc<Tree>>,
    noted: BTreeMap<RelPath, Option<Witness>>,
    eras: BTreeMap<ReplicaId, Eras>,
    /// The id under which an era was begun since the memory was opened.
    era: Option<ReplicaId>,
    /// Names whose deletes the guard held back: nothing is put there in this run.
    held: BTreeSet<RelPath>,
    /// Names at which joins have changed what the disk shall show.
    open: BTreeSet<RelPath>,
    /// Whether what happens on this disk is a write.
    mints: bool,
    spree: again::Spree,
}

/// What a replica says of itself first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Who it is.
    pub id: ReplicaId,
    /// Top of the tree of all that it agreed on.
    pub top: Digest,
    /// Number of paths in it.
    pub entries: u64,
    /// All writes that it has seen.
    pub knowledge: Knowledge,
    /// The eras of all replicas that it knows of.
    pub eras: BTreeMap<ReplicaId, Eras>,
}

impl Greeting {
    /// The stories of all replicas that it knows of.
    pub const fn stories(&self) -> Stories<'_> {
        Stories { eras: &self.eras, knowledge: &self.knowledge }
    }

    const fn teller(&self) -> Teller<'_> {
        Teller { id: self.id, knowledge: &self.knowledge, eras: &self.eras }
    }
}

/// A replica that was looked at.
pub struct Looked {
    /// What is on disk.
    pub found: Found,
    /// What the guard held back.
    pub problems: Vec<Problem>,
    /// Files that have another name than at the last look.
    pub renamed: Vec<Renamed>,
}

impl Replica {
    /// Opens the replica of a root, and makes its memory unless this is a dry run.
    pub fn open(root: Root, reading: &Reading, writing: Writing) -> Result<Replica, Error> {
        let registry = Registry::of(root.path());
        Replica::open_known(root, reading, writing, registry)
    }

    /// The same where what this machine knows of its roots is in a place of the caller's choice.
    pub fn open_known(root: Root, reading: &Reading, writing: Writing, registry: Registry) -> Result<Replica, Error> {
        let path = root.path().join(control::NAME).join(STATE);
        let identity = root.identity();
        let key = RootKey { file_system: identity.file_system, inode: identity.inode };
        refuse::inner(&root)?;
        let known = registry.known();
        refuse::replaced(&root, known.as_ref().filter(|_| !exists(&path)), key, writing.limit)?;
        let lock = if writing.dry_run { None } else { Some(Lock::take(&root)?) };
        let state = open_state(&path, key, writing.dry_run)?;
        let mut header = match &state {
            Some(state) => state.header()?,
            None => blank(key)?,
        };
        let restored = known.is_some_and(|known| known.id == header.id && known.counter > header.counter);
        if header.root != key || restored {
            // A copy of a memory, or an older one: what is written from now on is another replica's.
            header = Header { id: ReplicaId(net::random()?), root: key, counter: 0, ..header };
        }
        if lock.is_some() {
            let Header { id, root, counter, .. } = header;
            // A registry that cannot be written costs the recognition of a memory that is restored later.
            let _ = registry.note(&Known { id, root, counter });
        }
        let noted = state.as_ref().map(State::witnesses).transpose()?.unwrap_or_default();
        let side = Arc::new(Side::of_replica(root, reading, !writing.dry_run)?);
        let noted = noted.into_iter().collect();
        let eras = state.as_ref().map(State::eras).transpose()?.unwrap_or_default();
        let (agreed, tree, era, held, open) = (None, None, None, BTreeSet::new(), BTreeSet::new());
        // Where its member only receives, nothing that happens here is a write: it is held back, and what it shows stays until
        // the path changes elsewhere.
        let mints = !receives::is_marked(&side.root().path().join(control::NAME));
        let spree = again::Spree::default();
        let mut replica = Replica {
            registry,
            side,
            lock,
            writing,
            state,
            header,
            agreed,
            tree,
            noted,
            eras,
            era,
            held,
            open,
            mints,
            spree,
        };
        if replica.writing.dry_run {
            // A rehearsal reads its memory at once: a run beside it need not wait until it has ended.
            replica.agreed()?;
            replica.state = None;
        }
        Ok(replica)
    }

    /// How the root is read.
    pub const fn side(&self) -> &Arc<Side> {
        &self.side
    }

    /// The lock of this run.
    pub const fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// What it says of itself first.
    pub fn greeting(&self) -> Greeting {
        let Header { id, top, entries, knowledge, .. } = self.header.clone();
        Greeting { id, top, entries, knowledge, eras: self.eras.clone() }
    }

    /// Scans the root and records what happened there since the last look.
    pub fn look(&mut self, gauge: &Gauge) -> Result<Looked, Error> {
        let found = self.side.scan(gauge)?;
        let (mut problems, mut renamed) = (Vec::from_iter(self.side.lack()), Vec::new());
        self.take_announced(&found)?;
        if found.changed() || !self.is_at_rest() || self.before(&found).is_none() {
            let events = self.events(&found)?.with_astray();
            let events = self.guard(events, &found, &mut problems)?;
            renamed = events.renames();
            self.record(events, &found.listing)?;
            self.keep(&found)?;
        }
        self.forget_announced()?;
        Ok(Looked { found, problems, renamed })
    }

    /// What the last look found. A memory that has seen nothing has looked at nothing, whatever an older one's index says:
    /// what is on disk would pass for what others have deleted since.
    fn before<'a>(&self, found: &'a Found) -> Option<&'a Listing> {
        found.before().filter(|_| !self.header.knowledge.is_empty())
    }

    /// What is agreed on, for a comparison.
    pub fn compared(&mut self) -> Result<Compared, Error> {
        let agreed = self.agreed()?.clone();
        let tree = match &self.tree {
            Some(tree) => Arc::clone(tree),
            None => Arc::new(Tree::build(agreed.listing(), Lane::STATE)),
        };
        self.tree = Some(Arc::clone(&tree));
        Ok(Compared { listing: agreed.listing().clone(), tree })
    }

    /// What a meeting comes to for this replica.
    pub fn meet(&mut self, theirs: &Greeting, differing: &[(RelPath, Siblings)]) -> Result<Joined, Error> {
        let knowledge = self.header.knowledge.clone();
        let agreed = self.agreed()?;
        let half = Half { agreed, knowledge: &knowledge };
        meeting::meet(half, &theirs.knowledge, differing).map_err(|_| self.too_large())
    }

    /// Whether the disk is known to show what is agreed on, so that there is nothing to plan.
    pub fn is_in_place(&self) -> bool {
        self.is_at_rest()
    }

    /// Whether nothing is noted but what a rule hides that stands: it was noted when the rule came, and there is nothing to
    /// be done about it for as long as it stays.
    fn is_at_rest(&self) -> bool {
        if self.noted.is_empty() {
            return true;
        }
        let hidden = Hidden::new(self.side.root(), self.side.filter());
        let mut after = self.noted.iter().skip(1).map(|(name, _)| name);
        self.noted.iter().all(|(name, witness)| {
            // Nobody says here what is to be at the name. What has something below it is a directory.
            let is_directory = after.next().is_some_and(|next| next.as_ref().is_below(name.as_ref()));
            let is_marked = witness.as_ref().is_none_or(|witness| witness.unseen);
            let hides = |kind| hidden.hides(name.as_ref(), kind);
            is_marked && hides(Kind::Directory) && (is_directory || hides(Kind::File))
        })
    }

    /// Conflict copies that the disk shall show.
    pub const fn copies(&self) -> u64 {
        self.header.copies
    }

    /// Names at which nothing is done in this run.
    pub const fn held(&self) -> &BTreeSet<RelPath> {
        &self.held
    }

    /// Makes what a meeting came to this replica's own. What the disk shows at the paths that changed is noted with it.
    pub fn join(&mut self, joined: Joined, theirs: &Greeting, disk: &Listing) -> Result<(), Error> {
        let Joined { agreed, knowledge, changed, .. } = joined;
        let witnesses = self.witnesses(&agreed, &changed, disk)?;
        let knew = std::mem::replace(&mut self.header.knowledge, knowledge);
        for (id, eras) in &theirs.eras {
            let story = Story { eras, highest: theirs.knowledge.highest(*id) };
            self.eras.entry(*id).or_default().extend(knew.highest(*id), story);
        }
        self.commit(agreed, &changed, witnesses.into_iter().collect(), false)
    }

    /// What the disk shall show.
    pub fn wanted(&mut self) -> Result<Listing, Error> {
        self.agreed()?.wanted().map_err(|_| self.too_large())
    }

    /// All that is agreed on, read from the memory once.
    pub fn agreed(&mut self) -> Result<&Agreed, Error> {
        if self.agreed.is_none() {
            let mut all = Vec::new();
            if let Some(state) = &self.state {
                state.each_entry(&mut |path, siblings| all.push((path, siblings)))?;
            }
            self.agreed = Some(agreed::gather(all).map_err(|_| self.too_large())?);
        }
        Ok(self.agreed.as_ref().expect("it was just read"))
    }

    fn events(&mut self, found: &Found) -> Result<Events, Error> {
        let one_file_system = self.side.reading().one_file_system;
        self.agreed()?;
        let disk = &found.listing;
        let hidden = Hidden::new(self.side.root(), self.side.filter());
        let unseen = |path: PathRef<'_>, kind| hidden.may_hide(path, kind) || is_beyond(disk, path, one_file_system);
        let agreed = self.agreed.as_ref().expect("it was just read");
        // Where that cannot be told, they count as being there: nothing is deleted in doubt.
        let thrown = |entry: &Entry| {
            recall::find(self.side.root(), entry.size, &entry.content).map_or(true, |found| found.is_some())
        };
        Ok(mint::events(&Look {
            disk,
            before: self.before(found),
            noted: &self.noted,
            agreed,
            lane: self.lane(),
            unseen: &unseen,
            names: found.names(),
            thrown: &thrown,
        }))
    }

    /// Takes deletes back that nobody has said are meant.
    fn guard(&mut self, mut events: Events, found: &Found, problems: &mut Vec<Problem>) -> Result<Events, Error> {
        if !self.mints {
            return self.hold_all(events);
        }
        let is_delete = |happened: &Happened| matches!(happened.event, Event::Delete { .. });
        let lost = events.lost();
        let entries = (self.header.entries + self.header.copies) as usize;
        let (deletes, entries) = self.spree.with(lost, entries, Instant::now());
        let guard = Guard { limit: self.writing.limit, source_empty: found.listing.is_empty() };
        if lost == 0 || guard.allows(deletes, entries) {
            self.spree.add(lost);
            return Ok(events);
        }
        let cause = guard.cause(deletes, entries);
        problems.push(Problem { path: RelPath::default(), kind: ProblemKind::Guarded, cause });
        for happened in events.happened.iter().filter(|happened| is_delete(happened)) {
            self.held.insert(happened.name.clone());
            let Event::Delete { supersedes } = &happened.event else { continue };
            // The witness stays, so that the next run sees the same delete.
            let kept = |entry: Entry| Witness { dots: supersedes.clone(), entry, unseen: false };
            events.unseen.push((happened.name.clone(), happened.was.clone().map(kept)));
        }
        events.happened.retain(|happened| !is_delete(happened));
        Ok(events)
    }

    /// Makes events writes of this replica. `disk` is what they were seen on.
    fn record(&mut self, events: Events, disk: &Listing) -> Result<(), Error> {
        let Events { happened, unseen, .. } = events;
        if happened.is_empty() && unseen.is_empty() {
            return Ok(());
        }
        let agreed = self.agreed()?.clone();
        let first = self.header.counter + 1;
        let mut changed: BTreeMap<RelPath, Siblings> = BTreeMap::new();
        let mut witnesses: BTreeMap<RelPath, Option<Witness>> = BTreeMap::new();
        for Happened { path, name, mut event, was } in happened {
            // The witness is what the disk shows; what is agreed on may be finer.
            let shown = agreed.shown(name.as_ref()).1;
            let seen = event.clone();
            shown::keep_time(&mut event, was.as_ref(), shown.as_ref());
            let siblings = changed.entry(path).or_insert_with_key(|path| agreed.siblings(path.as_ref()));
            self.header.counter += 1;
            let dot = Dot { replica: self.header.id, counter: self.header.counter };
            match witness_of(dot, &seen) {
                Some(witness) => drop(witnesses.insert(name, Some(witness))),
                // Something else may have come to the name of what was deleted.
                None => drop(witnesses.entry(name).or_insert(None)),
            }
            event.apply(dot, siblings);
            self.header.knowledge.insert(dot);
        }
        witnesses.extend(unseen);
        let next = if changed.is_empty() { agreed } else { agreed.with(&changed).map_err(|_| self.too_large())? };
        for (name, witness) in self.witnesses_of_copies(&next, &changed, disk)? {
            witnesses.entry(name).or_insert(witness);
        }
        self.begin_era(first)?;
        self.commit(next, &changed, witnesses.into_iter().collect(), false)
    }

    /// One commit: other siblings at some paths, witnesses, and the eras.
    fn write(
        &mut self,
        changed: &BTreeMap<RelPath, Siblings>,
        witnesses: Vec<(RelPath, Option<Witness>)>,
        settle: bool,
    ) -> Result<(), Error> {
        let agreed = self.agreed()?.clone();
        let agreed = if changed.is_empty() { agreed } else { agreed.with(changed).map_err(|_| self.too_large())? };
        self.commit(agreed, changed, witnesses, settle)
    }

    /// The same where it is known already what is agreed on then.
    fn commit(
        &mut self,
        agreed: Agreed,
        changed: &BTreeMap<RelPath, Siblings>,
        witnesses: Vec<(RelPath, Option<Witness>)>,
        settle: bool,
    ) -> Result<(), Error> {
        let tree = match (&self.agreed, &self.tree) {
            // Witnesses or knowledge alone change nothing of what is compared.
            (_, tree) if changed.is_empty() => tree.clone(),
            (Some(before), Some(tree)) => Some(Arc::new(agreed.tree(before, tree, changed))),
            _ => Some(Arc::new(Tree::build(agreed.listing(), Lane::STATE))),
        };
        if let Some(tree) = tree.as_ref().filter(|_| !changed.is_empty()) {
            self.header.top = tree.top();
            self.header.entries = agreed.listing().len() as u64;
            self.header.copies = agreed.copies() as u64;
        }
        if let Some(state) = self.state.as_ref().filter(|_| !self.writing.dry_run) {
            let entries: Vec<_> = changed.iter().collect();
            let change = Change { entries: &entries, settle, witnesses: &witnesses, eras: Some(&self.eras) };
            state.commit(&self.header, &change)?;
            let Header { id, root, counter, .. } = self.header;
            // A registry that cannot be written costs the recognition of a memory that is restored later.
            let _ = self.registry.note(&Known { id, root, counter });
        }
        self.noted.extend(witnesses);
        (self.agreed, self.tree) = (Some(agreed), tree);
        Ok(())
    }

    /// The first write after a memory was opened begins an era.
    fn begin_era(&mut self, first: u64) -> Result<(), Error> {
        if self.header.counter < first || self.era == Some(self.header.id) {
            return Ok(());
        }
        self.era = Some(self.header.id);
        let token = u128::from_le_bytes(net::random()?) as u64;
        let own = self.eras.entry(self.header.id).or_default();
        own.begin(Era { first, token });
        Ok(())
    }

    /// Saves the index; gives it, where it was written.
    fn keep(&self, found: &Found) -> Result<Option<File>, Error> {
        if self.writing.dry_run {
            return Ok(None);
        }
        let tree = found.tree(self.lane());
        // Without its index the next look would find no witness, and every edit would be a conflict.
        self.side.save(found, &tree).map_err(|note| Error::Memory {
            path: self.side.root().path().join(control::NAME).join("index"),
            source: std::io::Error::other(note),
        })
    }

    /// The fields that are kept alike in this run.
    fn lane(&self) -> Lane {
        side::lane(self.side.reading(), side::superuser())
    }

    fn too_large(&self) -> Error {
        Error::from(crate::disk::error::Error::TooMany { path: self.side.root().path().into() })
    }
}

/// Only what is surely not there counts as missing.
fn exists(path: &Path) -> bool {
    !matches!(std::fs::symlink_metadata(path), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

fn open_state(path: &Path, key: RootKey, dry_run: bool) -> Result<Option<State>, Error> {
    Ok(match (exists(path), dry_run) {
        (true, true) => Some(State::open_read_only(path)?),
        (true, false) => Some(State::open(path)?),
        (false, true) => None,
        (false, false) => Some(State::create(path, &blank(key)?)?),
    })
}

/// A replica that has seen nothing.
fn blank(root: RootKey) -> Result<Header, Error> {
    let empty = Tree::build(Agreed::empty().listing(), Lane::STATE);
    Ok(Header {
        id: ReplicaId(net::random()?),
        root,
        counter: 0,
        top: empty.top(),
        entries: 0,
        copies: 0,
        knowledge: Knowledge::new(),
    })
}
