//! Makes two replicas agree: what either side wrote reaches the other, and nothing that anybody wrote is lost. Start at
//! [`run`].

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::error::Error;
use super::fetch::local::LocalSource;
use super::holdings::Holdings;
use super::job::{Location, Sync};
use super::mirror::{Telling, join_in_memory, run_and_tell, tell_problems};
use super::narrate::{Narrator, Tally};
use super::refuse;
use super::replica::{Greeting, Looked, Replica};
use super::report::{Event, Gauges, Report, RootSummary, Side as Which, Summary};
use super::side::{self, Found};
use super::target::{Installation, Place};
use crate::disk::read::Reader;
use crate::disk::root::Root;
use crate::model::agreed::siblings_of;
use crate::model::plan::guard::Guard;
use crate::model::plan::twoway::{self, TwoWayInput};
use crate::model::plan::{Plan, Totals};
use crate::model::{PathRef, RelPath, Siblings};
use crate::proto::reconcile::{Machine, Outcome, Settings, Wants};

/// Runs the job to its end. Problems of single paths are told and counted; an error ends the job.
pub fn run(job: &Sync, report: &mut dyn Report) -> Result<Summary, Error> {
    let started = Instant::now();
    let gauges = Gauges::default();
    report.gauges(&gauges);
    let mut summary = match (&job.left, &job.right) {
        (Location::Local(left), Location::Local(right)) => local(job, left, right, &gauges, report)?,
        _ => {
            return Err(Error::Usage {
                message: "a sync through ssh is not built yet".into(),
                hint: "mount the other side, or use `alike mirror`".into(),
            });
        }
    };
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

/// One side of a meeting.
struct End {
    replica: Replica,
    looked: Looked,
    which: Which,
}

/// What is to be done at one side.
struct Task {
    plan: Arc<Plan>,
    copies: u64,
}

fn local(job: &Sync, left: &Path, right: &Path, gauges: &Gauges, report: &mut dyn Report) -> Result<Summary, Error> {
    let (left, right) = (open(job, left)?, open(job, right)?);
    refuse::nested(&left, right.path())?;
    refuse::nested(&right, left.path())?;
    let shown = (left.path().display().to_string(), right.path().display().to_string());
    report.event(Event::Header { left: &shown.0, right: &shown.1 });
    let left = Replica::open(left, &job.reading, job.writing)?;
    let right = Replica::open(right, &job.reading, job.writing)?;
    let (left, right) =
        rayon::join(|| look(left, Which::Left, &gauges.left), || look(right, Which::Right, &gauges.right));
    let (mut left, mut right) = (left?, right?);
    let mut telling = Telling { report, which: Which::Left };
    let mut tally = Tally::default();
    for end in [&left, &right] {
        telling.which = end.which;
        tally = tell_problems(&end.looked.found.problems, tally, &mut telling);
        tally = tell_problems(&end.looked.problems, tally, &mut telling);
    }
    meet(&mut left, &mut right, &shown)?;
    let tasks = [left.task(job)?, right.task(job)?];
    for (task, which) in tasks.iter().zip([Which::Left, Which::Right]) {
        telling.which = which;
        tally = tell_problems(&task.plan.problems, tally, &mut telling);
    }
    let totals = tasks[0].plan.totals().and(tasks[1].plan.totals());
    telling.report.event(Event::Planned(&totals));
    let copies = tasks[0].copies.max(tasks[1].copies);
    let [to_left, to_right] = tasks;
    let mut carry = Carry { job, gauges, telling, tally };
    let from_right = right.holdings();
    carry.out(&mut left, to_left, &from_right, &right)?;
    let from_left = left.holdings();
    carry.out(&mut right, to_right, &from_left, &left)?;
    let Carry { tally, .. } = carry;
    Ok(summarize(tally, &left, &right, copies, totals))
}

fn open(job: &Sync, path: &Path) -> Result<Root, Error> {
    let place = Place::open(path, &job.writing)?;
    // A rehearsal makes nothing, and there is nothing to learn from a root that is not there.
    place.root.map_or_else(|| Ok(Root::open(path)?), Ok)
}

fn look(mut replica: Replica, which: Which, gauge: &crate::disk::gauge::Gauge) -> Result<End, Error> {
    let looked = replica.look(gauge)?;
    Ok(End { replica, looked, which })
}

/// Compares what the two agreed on, and joins it.
fn meet(left: &mut End, right: &mut End, shown: &(String, String)) -> Result<(), Error> {
    let (ours, theirs) = (left.replica.greeting(), right.replica.greeting());
    if ours.top == theirs.top && ours.knowledge == theirs.knowledge {
        return Ok(());
    }
    if ours.knowledge == theirs.knowledge {
        return Err(Error::Corrupt { left: shown.0.clone(), right: shown.1.clone() });
    }
    let settings = Settings { salt: [0; 16], wants: Wants::Both, push: false };
    let asking = Machine::initiator(left.replica.compared()?, settings);
    let answering = Machine::responder(right.replica.compared()?);
    let (to_left, to_right) = join_in_memory(asking, answering, true)?;
    left.join(&theirs, &to_left)?;
    right.join(&ours, &to_right.expect("both were asked for"))
}

impl End {
    fn join(&mut self, theirs: &Greeting, outcome: &Outcome) -> Result<(), Error> {
        let differing = differing(outcome)?;
        let joined = self.replica.meet(theirs, &differing)?;
        self.replica.join(joined, &self.looked.found.listing)
    }

    fn task(&mut self, job: &Sync) -> Result<Task, Error> {
        let wanted = self.replica.wanted()?;
        let held = self.replica.held().clone();
        let side = Arc::clone(self.replica.side());
        let left_alone = |path: PathRef<'_>| {
            held.contains(&path.to_owned()) || side.filter().excludes(path, false) || side.filter().excludes(path, true)
        };
        let plan = twoway::plan(&TwoWayInput {
            wanted: &wanted.listing,
            disk: &self.looked.found.listing,
            lane: side::lane(&job.reading, side::superuser()),
            left_alone: &left_alone,
            guard: Guard { limit: job.writing.limit, source_empty: false },
        });
        Ok(Task { plan: Arc::new(plan), copies: wanted.copies as u64 })
    }

    fn holdings(&self) -> Holdings {
        Holdings::new(self.looked.found.listing.clone())
    }
}

/// The siblings that the other side holds where the two differ.
fn differing(outcome: &Outcome) -> Result<Vec<(RelPath, Siblings)>, Error> {
    let siblings = |pair: &crate::proto::reconcile::Pair| match &pair.theirs {
        None => Some(Siblings::new()),
        Some(record) => siblings_of(&record.entry),
    };
    let all = outcome.differing.iter().map(|pair| Some((pair.path.clone(), siblings(pair)?)));
    all.collect::<Option<Vec<_>>>().ok_or_else(|| super::converse::violation("an entry without its writes"))
}

/// What is carried along while the two sides are changed, one after the other: what one lacks, the other shows.
struct Carry<'a> {
    job: &'a Sync,
    gauges: &'a Gauges,
    telling: Telling<'a>,
    tally: Tally,
}

impl Carry<'_> {
    fn out(&mut self, end: &mut End, task: Task, content: &Holdings, from: &End) -> Result<(), Error> {
        self.telling.which = end.which;
        let narrator = Narrator::new(Arc::clone(&task.plan), self.tally);
        if self.job.writing.dry_run {
            self.tally = narrator.rehearse(&mut self.telling);
            return Ok(());
        }
        let empty = Found::nothing();
        let found = std::mem::replace(&mut end.looked.found, empty);
        let installation = Installation {
            side: Arc::clone(end.replica.side()),
            found: Arc::new(found),
            plan: task.plan,
            lane: side::lane(&self.job.reading, side::superuser()),
            writing: self.job.writing,
            gauge: Arc::clone(&self.gauges.right),
            lock: end.replica.lock().cloned(),
        };
        if !installation.is_needed() {
            self.tally = narrator.finish(&mut self.telling);
            end.looked.found =
                Arc::into_inner(installation.found).expect("nobody else holds what was found before a run");
            return end.replica.settle(&end.looked.found);
        }
        let source = LocalSource { reader: Reader::new(from.replica.side().root()), holdings: content };
        let (placed, tally) = run_and_tell(&installation, &source, narrator, &mut self.telling)?;
        self.tally = tally;
        let (found, _, _) = installation.look_again(&placed)?;
        end.replica.settle(&found)?;
        end.looked.found = found;
        Ok(())
    }
}

fn summarize(tally: Tally, left: &End, right: &End, conflicts: u64, planned: Totals) -> Summary {
    let of = |end: &End| {
        let greeting = end.replica.greeting();
        let listing = &end.looked.found.listing;
        RootSummary {
            top: greeting.top,
            entries: listing.len() as u64,
            bytes: listing.rows().map(|row| row.size()).sum(),
            hashed_bytes: end.looked.found.hashed_bytes,
        }
    };
    let (left, right) = (of(left), of(right));
    Summary {
        alike: left.top == right.top && tally.problems == 0 && tally.totals == planned,
        left,
        right,
        totals: tally.totals,
        conflicts,
        problems: tally.problems,
        problem_exit: tally.exit,
        ..Summary::default()
    }
}
