//! Making the disk show what is agreed on, slice by slice: each plans anew, so a slice that was cut off costs nothing but
//! itself. Owns when to go on and when to stop.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::coming::Coming;
use super::core::{Core, Share, WAIT_MAX};
use super::order::{Order, Stock, Stocked, Works, needs_content};
use super::settings::Role;
use crate::disk::depot::{Depot, Keep};
use crate::disk::dirty::{DIRECTORIES_MAX, Dirty};
use crate::disk::gauge::Gauge;
use crate::disk::target::Target;
use crate::model::plan::{Action, Plan, Step};
use crate::model::{Entry, PathRef, Problem, ProblemKind, RelPath};
use crate::net::Link;
use crate::sync::error::Error;
use crate::sync::execute::Told;
use crate::sync::ledger::Ledger;
use crate::sync::narrate::{Narration, Narrator, Tally};
use crate::sync::placements::InPlace;
use crate::sync::target::Installation;
use crate::sync::twoway::end::Task;

/// Names that are always looked for one by one,
const NAMES_MIN: usize = 1000;
/// and the part of all paths up to which more are.
const NAMES_PART: u64 = 8;

/// A link for content that is being opened; `None` where the member cannot be reached.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Option<Link>> + Send + 'a>>;

/// Members that may have content.
pub trait Sources: Send + Sync {
    /// How many there are now, the one to ask first as number 0.
    fn count(&self) -> usize;
    /// Opens a link for content to one of them; bounded in time.
    fn open(&self, number: usize) -> Opening<'_>;
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Materialized {
    /// What was done.
    pub tally: Tally,
    /// Paths at which the disk does not show yet what is agreed on.
    pub wanted: u64,
}

/// What one slice came to.
enum Slice {
    /// Nothing is left to do.
    Done,
    /// Content is needed before anything is done.
    Content(Order),
    /// Something was planned and done; the order is what it lacked.
    Ran(Ran, Order),
}

struct Ran {
    plan: Arc<Plan>,
    told: Vec<Told>,
}

impl Share {
    /// Makes the disk show what is agreed on, as far as the content can be had. Other steps come in between the slices, and
    /// while content is on its way.
    pub async fn materialize(
        &self,
        sources: &dyn Sources,
        narration: &mut (dyn Narration + Send),
    ) -> Result<Materialized, Error> {
        if self.role() == Role::Send {
            // Whatever others hold, its disk shows what it is to show.
            let shown = |core: &mut Core| {
                core.standing.wanted = Some(0);
                Ok(Materialized::default())
            };
            return self.step(WAIT_MAX, shown).await;
        }
        let works = Arc::new(Works::new(Arc::clone(&self.0.turn).lock_owned().await));
        let mut coming = Coming::new(Arc::clone(&works));
        let outcome = self.slices(sources, &mut coming, narration).await;
        coming.end().await;
        let is_done = outcome.as_ref().is_ok_and(|materialized| materialized.wanted == 0);
        let side = Arc::clone(&self.0.side);
        let keep = if is_done { Keep::Unfinished } else { Keep::All };
        let finished = spawn_blocking(move || Works::finish(works, &side, keep)).await;
        let outcome = outcome?;
        finished.unwrap_or(Ok(()))?;
        Ok(outcome)
    }

    async fn slices(
        &self,
        sources: &dyn Sources,
        coming: &mut Coming,
        narration: &mut (dyn Narration + Send),
    ) -> Result<Materialized, Error> {
        let mut telling = Telling::default();
        loop {
            let (works, gauge) = (Arc::clone(&coming.works), Arc::clone(&self.0.gauge));
            let stock = coming.stock.take();
            let slice = self.step(WAIT_MAX, move |core| core.slice(stock, &works, &gauge)).await?;
            let (order, left) = match slice {
                Slice::Done => return Ok(Materialized { tally: telling.tally, wanted: 0 }),
                Slice::Content(order) => (order, None),
                Slice::Ran(ran, order) => {
                    let left = telling.tell(ran, narration);
                    (order, Some(left))
                }
            };
            let came = coming.next(self, order, sources).await?;
            match left {
                // A slice in which nothing was done would be done again and again.
                Some(Left { wanted, advanced: false }) if !came => {
                    return Ok(Materialized { tally: telling.tally, wanted });
                }
                _ => {}
            }
        }
    }
}

/// What a slice left to do.
#[derive(Debug, Clone, Copy)]
struct Left {
    wanted: u64,
    /// Whether anything was done.
    advanced: bool,
}

/// What was told so far.
#[derive(Default)]
struct Telling {
    tally: Tally,
    /// A path that fails in every slice is told once.
    failed: BTreeSet<RelPath>,
}

impl Telling {
    fn tell(&mut self, ran: Ran, narration: &mut (dyn Narration + Send)) -> Left {
        let done = ran.told.iter().filter(|told| matches!(told, Told::Done(_))).count();
        let wanted = (ran.plan.actions.len() - done) as u64;
        let mut narrator = Narrator::new(ran.plan, self.tally);
        for happened in ran.told {
            let again = matches!(&happened, Told::Problem(problem) if !self.failed.insert(problem.path.clone()));
            if !again {
                narrator.told(happened, narration);
            }
        }
        self.tally = narrator.finish(narration);
        Left { wanted, advanced: done > 0 }
    }
}

impl Core {
    fn slice(&mut self, stock: Option<Stock>, works: &Arc<Works>, gauge: &Arc<Gauge>) -> Result<Slice, Error> {
        if !self.looked {
            return Err(Error::Busy { what: "the share was not looked at yet".into() });
        }
        let names = self.names();
        if names.as_ref().is_some_and(BTreeSet::is_empty) {
            self.standing.wanted = Some(0);
            return Ok(Slice::Done);
        }
        let task = self.plan(names.as_ref())?;
        let plan = Arc::clone(&task.plan);
        self.standing.wanted = Some(plan.actions.len() as u64);
        let has_remains = !works.is_open() && Target::has_remains(self.end.replica.side().root());
        if plan.actions.is_empty() && !has_remains {
            let all = names.unwrap_or_default();
            self.end.replica.note_in_place(&all, &self.end.looked.found.listing)?;
            self.note(&plan, &[]);
            return Ok(Slice::Done);
        }
        let depot = works.depot(self.end.replica.side(), self.end.replica.lock(), self.end.fsync())?;
        let installation = self.end.installation(task, gauge);
        let mut order = Order {
            is_run: stock.is_some(),
            wants: (0..plan.actions.len()).filter(|&at| needs_content(&plan.actions[at].step)).collect(),
            plan: Arc::clone(&plan),
            listing: installation.found.listing.clone(),
            side: Arc::clone(&installation.side),
            options: installation.options(),
            depot,
            _works: Arc::clone(works),
        };
        if stock.is_none() && !order.wants.is_empty() {
            // What goes may be what the content is made of: all is left as it is until some has come.
            self.restore(installation);
            return Ok(Slice::Content(order));
        }
        let ledger = Ledger::default();
        let placed = run(&installation, &order.depot, (stock.unwrap_or_default(), &ledger));
        self.restore(installation);
        let told = ledger.take();
        // What was put in place before a failure is in place.
        self.settle(&plan, &told, placed.as_ref().ok())?;
        let placed = placed.map(drop);
        if placed.is_err() {
            self.open = None;
        }
        placed?;
        self.placed += told.len();
        self.note(&plan, &told);
        let done: BTreeSet<usize> = told.iter().filter_map(done).collect();
        order.wants.retain(|at| !done.contains(at));
        Ok(if plan.actions.is_empty() { Slice::Done } else { Slice::Ran(Ran { plan, told }, order) })
    }

    fn restore(&mut self, installation: Installation) {
        self.end.looked.found = Arc::into_inner(installation.found).expect("nobody else holds what was found");
    }

    /// What is to be done; a file that has rotted is not what the last look took it for.
    fn plan(&mut self, names: Option<&BTreeSet<RelPath>>) -> Result<Task, Error> {
        let limit = self.limit();
        let Some(with_rot) = self.with_rot() else { return self.end.task_at(names, limit) };
        let listing = std::mem::replace(&mut self.end.looked.found.listing, with_rot);
        let task = self.end.task_at(names, limit);
        self.end.looked.found.listing = listing;
        task
    }

    /// The names to plan for; `None`: all. Conflict copies depend on more than their own path.
    fn names(&mut self) -> Option<BTreeSet<RelPath>> {
        let joined = self.end.replica.take_open();
        let open = self.open.as_mut()?;
        open.extend(joined);
        // To look for each of many names costs more than to go through all there are.
        let are_many = open.len() > NAMES_MIN && open.len() as u64 > self.standing.entries / NAMES_PART;
        if are_many || self.end.replica.copies() > 0 && !open.is_empty() {
            self.open = None;
            return None;
        }
        let mut names = open.clone();
        for name in open.iter() {
            let mut above = name.as_ref().parent();
            while let Some(parent) = above.filter(|parent| !parent.is_root()) {
                if !names.insert(parent.to_owned()) {
                    break;
                }
                above = parent.parent();
            }
        }
        Some(names)
    }

    /// Looks at what a run has touched. What else happened there meanwhile is recorded like at any look.
    fn settle(&mut self, plan: &Plan, told: &[Told], placed: Option<&InPlace>) -> Result<(), Error> {
        let ran: Vec<&Action> = match placed {
            Some(_) => told.iter().filter_map(done).map(|index| &plan.actions[index]).collect(),
            // It is not known how far it came.
            None => plan.actions.iter().collect(),
        };
        let mut names: BTreeSet<RelPath> = ran.iter().map(|action| action.path.clone()).collect();
        names.extend(ran.iter().filter_map(|action| match &action.step {
            Step::Rename { from } => Some(from.clone()),
            _ => None,
        }));
        names.extend(told.iter().filter_map(|told| match told {
            Told::Problem(problem) if !problem.path.as_ref().is_root() => Some(problem.path.clone()),
            Told::Problem(_) | Told::Done(_) => None,
        }));
        let parents: BTreeSet<RelPath> =
            names.iter().filter_map(|name| name.as_ref().parent().map(PathRef::to_owned)).collect();
        // The metadata of a directory is in its own row.
        let directories = ran.iter().filter(|action| action.wanted.as_ref().is_some_and(Entry::is_directory));
        let touched: BTreeSet<RelPath> = directories.map(|action| action.path.clone()).chain(parents).collect();
        let touched = if touched.len() > DIRECTORIES_MAX { Dirty::All } else { Dirty::Directories(touched) };
        let mut found =
            self.see(&touched, (Some(placed.unwrap_or(&InPlace::default())), Duration::ZERO), &Gauge::default())?;
        // What came and was deleted or moved away since is in neither listing.
        found.consider(&names);
        names.extend(found.names().into_iter().flatten().cloned());
        if found.names().is_none() {
            names.extend(self.end.replica.noted_names());
        }
        self.end.replica.note_done(plan, &mut told.iter().filter_map(done), &found)?;
        self.take(found)?;
        self.end.replica.note_in_place(&names, &self.end.looked.found.listing)?;
        self.rest();
        Ok(())
    }

    /// Notes what is left after a plan was carried out, as far as it could be.
    fn note(&mut self, plan: &Plan, told: &[Told]) {
        let mut left: BTreeSet<usize> = (0..plan.actions.len()).collect();
        let mut problems: Vec<Problem> = plan.problems.clone();
        for told in told {
            match told {
                Told::Done(index) => drop(left.remove(index)),
                Told::Problem(problem) => problems.push(problem.clone()),
            }
        }
        self.standing.wanted = Some(left.len() as u64);
        let is_held = problems.iter().any(|problem| problem.kind == ProblemKind::Guarded);
        // What was held back is planned for again, together with all else: the guard judges the whole.
        self.open = (!is_held).then(|| {
            let failed = problems.iter().map(|problem| problem.path.clone()).filter(|path| !path.as_ref().is_root());
            left.iter().map(|&index| plan.actions[index].path.clone()).chain(failed).collect()
        });
        if left.is_empty() && !is_held {
            self.approved = None;
        }
        let (held, others): (Vec<Problem>, Vec<Problem>) =
            problems.into_iter().partition(|problem| problem.kind == ProblemKind::Guarded);
        let here = self.end.looked.problems.iter().filter(|problem| problem.kind == ProblemKind::Guarded);
        self.standing.held = here.cloned().chain(held).collect();
        self.standing.problems.extend(others);
        dedup(&mut self.standing.held);
        dedup(&mut self.standing.problems);
    }
}

fn dedup(problems: &mut Vec<Problem>) {
    problems.sort_by(|left, right| (&left.path, left.kind, &left.cause).cmp(&(&right.path, right.kind, &right.cause)));
    problems.dedup_by(|left, right| left.path == right.path && left.kind == right.kind && left.cause == right.cause);
}

fn run(installation: &Installation, depot: &Arc<Depot>, (stock, ledger): (Stock, &Ledger)) -> Result<InPlace, Error> {
    let target = Target::open_in(installation.side.root().try_clone()?, installation.options(), depot)?;
    installation.run_at(target, &Stocked(Mutex::new(stock)), &|told| ledger.tell(told))
}

const fn done(told: &Told) -> Option<usize> {
    match told {
        Told::Done(index) => Some(*index),
        Told::Problem(_) => None,
    }
}
