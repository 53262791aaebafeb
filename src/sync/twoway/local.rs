//! Both replicas are on this machine.

use std::path::Path;
use std::sync::Arc;

use super::end::{self, End, Joining, Task};
use super::prefer::{self, Rule};
use crate::disk::read::Reader;
use crate::disk::root::Root;
use crate::model::RelPath;
use crate::model::era::Side;
use crate::model::mint::Renamed;
use crate::model::plan::Totals;
use crate::proto::message::Decides;
use crate::proto::reconcile::{Machine, Settings, Wants};
use crate::sync::error::Error;
use crate::sync::fetch::local::LocalSource;
use crate::sync::fetch::recall::Recalling;
use crate::sync::holdings::Holdings;
use crate::sync::job::{Prefer, Sync};
use crate::sync::mirror::{Telling, join_in_memory, run_and_tell, tell_problems};
use crate::sync::narrate::{Narrator, Tally};
use crate::sync::refuse;
use crate::sync::replica::Replica;
use crate::sync::report::{Event, Gauges, Report, Side as Which, Summary};

/// Runs the job.
pub fn run(job: &Sync, left: &Path, right: &Path, gauges: &Gauges, report: &mut dyn Report) -> Result<Summary, Error> {
    let (left, right) = (end::open(left, &job.writing, &job.reading)?, end::open(right, &job.writing, &job.reading)?);
    refuse::nested(&left, right.path())?;
    refuse::nested(&right, left.path())?;
    let shown = (left.path().display().to_string(), right.path().display().to_string());
    report.event(Event::Header { left: &shown.0, right: &shown.1 });
    let (left, right) = locked(job, left, right)?;
    let (left, right) = rayon::join(
        || End::of(left, &job.reading, job.writing.clone(), &gauges.left),
        || End::of(right, &job.reading, job.writing.clone(), &gauges.right),
    );
    let (mut left, mut right) = (left?, right?);
    let mut carry = Carry { job, gauges, telling: Telling { report, which: Which::Left }, tally: Tally::default() };
    carry.tell(&left, Which::Left);
    carry.tell(&right, Which::Right);
    meet(&mut left, &mut right, (&shown.0, &shown.1))?;
    prefer(job.prefer, &mut left, &mut right)?;
    settle_modes(&mut left, &mut right)?;
    for Renamed { from, to } in left.edited_meanwhile()?.into_iter().chain(right.edited_meanwhile()?) {
        carry.telling.report.event(Event::EditedAtOldName { from: &from, to: &to });
    }
    let (to_left, to_right) = (left.task()?, right.task()?);
    let planned = carry.planned(&to_left, &to_right);
    let conflicts = to_left.conflicts.max(to_right.conflicts);
    let from_right = right.holdings();
    carry.out(&mut left, Which::Left, to_left, (&right, &from_right))?;
    let from_left = left.holdings();
    carry.out(&mut right, Which::Right, to_right, (&left, &from_left))?;
    let rehearsed = job.writing.dry_run.then_some(planned);
    Ok(end::summarize((left.summary(), right.summary()), carry.tally, conflicts, rehearsed))
}

/// Opens both replicas in the order of their paths: two runs that each held one would wait for each other.
fn locked(job: &Sync, left: Root, right: Root) -> Result<(Replica, Replica), Error> {
    let open = |root: Root| {
        refuse::receiver(&root, &job.writing)?;
        Replica::open(root, &job.reading, job.writing.clone())
    };
    if left.path() <= right.path() {
        let left = open(left)?;
        return Ok((left, open(right)?));
    }
    let right = open(right)?;
    Ok((open(left)?, right))
}

/// Compares what the two agreed on, and joins it.
fn meet(left: &mut End, right: &mut End, shown: (&str, &str)) -> Result<(), Error> {
    let (ours, theirs) = (left.replica.greeting(), right.replica.greeting());
    if end::agree(&ours, &theirs) {
        return Ok(());
    }
    left.replica.square(&theirs, Side::Left)?;
    right.replica.square(&ours, Side::Right)?;
    let (ours, theirs) = (left.replica.greeting(), right.replica.greeting());
    end::consistent(&ours, &theirs, shown)?;
    let settings = Settings { salt: [0; 16], wants: Wants::Both, push: false };
    let asking = Machine::initiator(left.replica.compared()?, settings);
    let answering = Machine::responder(right.replica.compared()?);
    let (to_left, to_right) = join_in_memory(asking, answering, true)?;
    let joining = left.join(&theirs, &to_left)?;
    right.join(&ours, &to_right.expect("both were asked for"))?;
    if joining == Joining::Outlived {
        let (to_right, to_left) = (left.revive()?, right.revive()?);
        learn(left, right, &to_right)?;
        learn(right, left, &to_left)?;
    }
    Ok(())
}

/// Lets one end know what the other one wrote since the two joined.
fn learn(writer: &mut End, learner: &mut End, paths: &[RelPath]) -> Result<(), Error> {
    let agreed = writer.replica.agreed()?;
    let written = paths.iter().map(|path| (path.clone(), agreed.siblings(path.as_ref()))).collect::<Vec<_>>();
    learner.learn(&writer.replica.greeting(), written).map(drop)
}

/// Decides what is in conflict, where that was asked for.
fn prefer(prefer: Option<Prefer>, left: &mut End, right: &mut End) -> Result<(), Error> {
    let (decides, rule) = prefer::decider(prefer, Which::Left);
    let (decider, learner) = match decides {
        Decides::Nobody => return Ok(()),
        Decides::Asking => (left, right),
        Decides::Answering => (right, left),
    };
    let decided = prefer::decide(decider, rule)?;
    learner.learn(&decider.replica.greeting(), decided).map(drop)
}

/// Where modes are not wanted, versions that differ in nothing else are no conflict.
fn settle_modes(left: &mut End, right: &mut End) -> Result<(), Error> {
    if !left.has_modes_to_settle()? {
        return Ok(());
    }
    let decided = prefer::decide(left, Rule::Modes)?;
    right.learn(&left.replica.greeting(), decided).map(drop)
}

/// What is carried along while the two ends are changed, one after the other.
struct Carry<'a> {
    job: &'a Sync,
    gauges: &'a Gauges,
    telling: Telling<'a>,
    tally: Tally,
}

impl Carry<'_> {
    fn tell(&mut self, end: &End, which: Which) {
        self.telling.which = which;
        self.tally = tell_problems(&end.looked.found.problems, self.tally, &mut self.telling);
        self.tally = tell_problems(&end.looked.problems, self.tally, &mut self.telling);
    }

    fn planned(&mut self, to_left: &Task, to_right: &Task) -> Totals {
        for (task, which) in [(to_left, Which::Left), (to_right, Which::Right)] {
            self.telling.which = which;
            self.tally = tell_problems(&task.plan.problems, self.tally, &mut self.telling);
        }
        let planned = to_left.plan.totals().and(to_right.plan.totals());
        self.telling.report.event(Event::Planned(&planned));
        planned
    }

    fn out(
        &mut self,
        end: &mut End,
        which: Which,
        task: Task,
        (from, content): (&End, &Holdings),
    ) -> Result<(), Error> {
        self.telling.which = which;
        let narrator = Narrator::new(Arc::clone(&task.plan), self.tally);
        if self.job.writing.dry_run {
            self.tally = narrator.rehearse(&mut self.telling);
            return Ok(());
        }
        let installation = end.installation(task, &self.gauges.right);
        if !installation.is_needed() {
            self.tally = narrator.finish(&mut self.telling);
            return end.settle(installation, None);
        }
        let source = Recalling {
            source: LocalSource::new(Reader::new(from.replica.side().root()), content),
            other: Some(from.replica.side().root()),
        };
        let (placed, tally) = run_and_tell(&installation, &source, narrator, &mut self.telling)?;
        self.tally = tally;
        end.settle(installation, Some(&placed))
    }
}
