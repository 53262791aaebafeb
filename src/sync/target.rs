//! The target's half of a mirror, the same whether it is asked from here or from afar: plan from what differs, run the
//! plan, look at the root again.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::Error;
use super::execute::{self, Run, Told};
use super::fetch::Fetch;
use super::found::Found;
use super::job::{Fidelity, Reading, Writing};
use super::placements::InPlace;
use super::refuse;
use super::report::RootSummary;
use super::side::{Disturbed, Side};
use crate::disk;
use crate::disk::control::Lock;
use crate::disk::gauge::Gauge;
use crate::disk::root::Root;
use crate::disk::target::{Target, TargetOptions};
use crate::model::lane::Lane;
use crate::model::plan::Plan;
use crate::model::plan::guard::Guard;
use crate::model::plan::mirror::{self, MirrorInput, Pair};
use crate::model::tree::Tree;
use crate::model::{Listing, Problem, ProblemKind, RelPath};
use crate::proto::reconcile::Outcome;

/// One in so many names of a root may be looked at one by one before a scan of all is done sooner.
const GLANCED_SHARE: usize = 4;

/// A target before its root is looked at.
pub struct Place {
    /// As the user named it, resolved as far as it exists.
    pub path: PathBuf,
    /// Its root, where it is there or was made.
    pub root: Option<Root>,
}

impl Place {
    /// Opens the target, or makes it unless this is a dry run.
    pub fn open(path: &std::path::Path, writing: &Writing, reading: &Reading) -> Result<Place, Error> {
        let resolved = refuse::resolved(path);
        refuse::precious(&resolved, writing.limit)?;
        refuse::misplaced_backup(&resolved, writing, reading)?;
        let root = match Root::open(path) {
            Ok(root) => Some(root),
            Err(disk::error::Error::Open { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Place::make(path, writing)?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Place { path: resolved, root })
    }

    /// Whether nothing is there that could be kept, moved or replaced.
    pub fn is_vacant(&self) -> bool {
        self.root.as_ref().is_none_or(|root| disk::control::is_alone(root).unwrap_or(false))
    }

    fn make(path: &std::path::Path, writing: &Writing) -> Result<Option<Root>, Error> {
        if writing.dry_run {
            // What a run would refuse, its rehearsal refuses too.
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            if let Some(parent) = parent.filter(|_| !writing.make_parents) {
                Root::open(parent)?;
            }
            return Ok(None);
        }
        Ok(Some(Root::create(path, writing.make_parents)?))
    }
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Differing {
    /// The paths that differ, in tree order.
    pub pairs: Vec<Pair>,
    /// Whether the source has no entries.
    pub source_empty: bool,
}

impl From<Outcome> for Differing {
    fn from(outcome: Outcome) -> Differing {
        let source_empty = outcome.their_entries == 0;
        let pairs = outcome
            .differing
            .into_iter()
            .map(|pair| Pair { path: pair.path, source: pair.theirs, target: pair.ours })
            .collect();
        Differing { pairs, source_empty }
    }
}

/// Plans from what differs.
pub fn plan(differing: Differing, target: &Listing, lane: Lane, writing: &Writing, fidelity: Fidelity) -> Plan {
    let Differing { pairs, source_empty } = differing;
    mirror::plan(MirrorInput {
        differing: pairs,
        target,
        lane,
        keep_extra: writing.keep_extra,
        devices: fidelity.devices,
        guard: Guard { limit: writing.limit, source_empty },
    })
}

/// A plan and the root it is for.
pub struct Installation {
    /// The target's side; its root is taken over for the run.
    pub side: Arc<Side>,
    /// What the target held.
    pub found: Arc<Found>,
    /// What to do.
    pub plan: Arc<Plan>,
    /// How the two ends compare.
    pub lane: Lane,
    /// How the target is written.
    pub writing: Writing,
    /// Counters and the stop flag.
    pub gauge: Arc<Gauge>,
    /// The lock of the root, where it is held for longer than the run.
    pub lock: Option<Lock>,
}

impl Installation {
    /// Whether there is anything to do, also remains of an earlier run to remove.
    pub fn is_needed(&self) -> bool {
        !self.plan.actions.is_empty() || Target::has_remains(self.side.root())
    }

    /// Runs the plan and makes it durable. Blocks; told things may come from any thread.
    pub fn run(&self, fetch: &dyn Fetch, tell: &(dyn Fn(Told) + Sync)) -> Result<InPlace, Error> {
        let target = Target::open_under(self.side.root().try_clone()?, self.options(), self.lock.as_ref())?;
        self.run_at(target, fetch, tell)
    }

    /// How the target is changed.
    pub const fn options(&self) -> TargetOptions {
        TargetOptions {
            fsync: self.writing.fsync,
            keep_trash: self.writing.trash,
            mode: self.lane.mode,
            xattrs: self.lane.xattrs,
            owner: self.lane.owner,
            links: self.lane.links,
        }
    }

    /// The same at a target that is open already.
    pub fn run_at(&self, target: Target, fetch: &dyn Fetch, tell: &(dyn Fn(Told) + Sync)) -> Result<InPlace, Error> {
        let (plan, listing, gauge) = (&*self.plan, &self.found.listing, &*self.gauge);
        let stage = |index: usize| match &plan.actions[index].wanted {
            Some(wanted) => target.stage_for(wanted),
            None => target.stage(),
        };
        let run = Run { plan, target: &target, listing, gauge, tell, stage: &stage };
        let outcome = execute::execute(&run, fetch);
        // What was done before a failure is made durable and tidied up too.
        self.put_away(&target).into_iter().for_each(|problem| tell(Told::Problem(problem)));
        let finished = if outcome.is_ok() { target.finish() } else { target.finish_early() };
        let placements = outcome?;
        finished?.into_iter().for_each(|problem| tell(Told::Problem(problem)));
        Ok(placements)
    }

    /// Sees to what the run put into the trash.
    fn put_away(&self, target: &Target) -> Vec<Problem> {
        let Some(backup) = refuse::resolved_backup(target.root().path(), &self.writing) else {
            // What cannot be removed takes room and does no other harm; the next run tries again.
            let _ = target.expire();
            return Vec::new();
        };
        target.export(&backup).unwrap_or_else(|error| {
            let cause = format!(
                "`{}` cannot be used, so what was replaced is in the trash: {}",
                backup.display(),
                disk::place::cause(&error)
            );
            vec![Problem { path: RelPath::default(), kind: ProblemKind::Unwritable, cause }]
        })
    }

    /// What is needed after the run; the plan is not.
    pub fn ended(&self, placed: &InPlace) -> Ended {
        let listing = &self.found.listing;
        let directories = self.plan.directories(listing, listing.len() / GLANCED_SHARE);
        let moved = || self.plan.moved_directories(|index| placed.is_done(index));
        let disturbed = directories.map(|directories| Disturbed { directories, moved: moved() });
        Ended { side: Arc::clone(&self.side), found: Arc::clone(&self.found), disturbed, lane: self.lane }
    }
}

/// A target whose run is over: by now the plan would only take memory.
pub struct Ended {
    /// The target's side.
    pub side: Arc<Side>,
    /// What the target held before the run.
    found: Arc<Found>,
    /// Where anything was done, as long as that is little.
    disturbed: Option<Disturbed>,
    lane: Lane,
}

impl Ended {
    /// Looks again, wherever anything was done: what the target holds now, not what was meant.
    pub fn look_again(&self, placed: &InPlace) -> Result<(Found, Tree, RootSummary), Error> {
        let found = self.look(placed)?;
        let tree = found.tree(self.lane);
        let mut summary = found.summary(&tree);
        summary.hashed_bytes += self.found.hashed_bytes;
        Ok((found, tree, summary))
    }

    /// As a scan a run would have to look at all names, on all cores; a glance looks at a few of them, on one.
    fn look(&self, placed: &InPlace) -> Result<Found, Error> {
        let gauge = Gauge::default();
        if let Some(disturbed) = &self.disturbed
            && let Some(found) = self.side.look_after(&self.found, disturbed, placed, &gauge)?
        {
            return Ok(found);
        }
        self.side.rescan(&self.found, placed, &gauge)
    }
}
