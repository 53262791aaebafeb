//! The other replica is on another machine: this end asks, installs first, and then hands out what the other lacks.

use std::path::Path;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::end::{self, End, Joining, Task};
use super::greet::{self, Heard};
use super::prefer::{self, Rule};
use super::tell;
use crate::disk::root::Root;
use crate::model::Problem;
use crate::model::era::Side;
use crate::model::mint::Renamed;
use crate::model::plan::Totals;
use crate::proto::message::{Ask, Decides, Message, Role};
use crate::proto::reconcile::{Machine, Settings, Wants};
use crate::sync::converse::{Control, violation};
use crate::sync::error::Error;
use crate::sync::job::{Host, Sync};
use crate::sync::mirror::{Telling, tell_problems};
use crate::sync::narrate::{Narrator, Tally};
use crate::sync::pull::{self, salt};
use crate::sync::push::Hearing;
use crate::sync::remote::{self, Far};
use crate::sync::report::{Event, Gauges, Report, RootSummary, Side as Which, Summary};
use crate::sync::supply::Supplier;

/// Runs the job: `which` side is the local one.
pub fn run(
    job: &Sync,
    (root, which): (&Path, Which),
    (host, path): (&Host, &Path),
    gauges: &Gauges,
    report: &mut dyn Report,
) -> Result<Summary, Error> {
    let root = end::open(root, &job.writing, &job.reading)?;
    remote::block_on(gauges, ask(job, (root, which), (host, path), gauges, report))
}

async fn ask(
    job: &Sync,
    (root, which): (Root, Which),
    (host, path): (&Host, &Path),
    gauges: &Gauges,
    report: &mut dyn Report,
) -> Result<Summary, Error> {
    let shown = root.path().display().to_string();
    let order = Some(order_of(&root));
    // The walk of what is here starts before ssh does.
    let looking = {
        let (job, gauge) = (job.clone(), Arc::clone(&gauges.left));
        spawn_blocking(move || End::look(root, &job.reading, job.writing.clone(), &gauge))
    };
    let question = remote::question(Role::Replica, path, (&job.reading, &job.writing), true);
    let (decides, _) = prefer::decider(job.prefer, which);
    let question = Ask { decides, order, ..question };
    let mut far = remote::connect(&job.remote, host, &question, report).await?;
    let (left, right) = match which {
        Which::Left => (shown.as_str(), far.shown.as_str()),
        Which::Right => (far.shown.as_str(), shown.as_str()),
    };
    report.event(Event::Header { left, right });
    let end = looking.await.expect("a look reports its failures and does not panic")?;
    let hearing = Hearing { telling: Telling { report, which }, tally: Tally::default(), gauges, finished: None };
    let mut asking = Asking { job, which, far: &far, hearing, shown: (left.into(), right.into()), round_trips: 1 };
    let outcome = asking.converse(end).await;
    far.tell(report);
    outcome
}

/// What roots come in order by, on whichever machine.
pub fn order_of(root: &Root) -> (u64, u64) {
    (root.identity().file_system, root.identity().inode)
}

struct Asking<'a> {
    job: &'a Sync,
    which: Which,
    far: &'a Far,
    hearing: Hearing<'a>,
    shown: (String, String),
    round_trips: u32,
}

impl Asking<'_> {
    async fn converse(&mut self, mut end: End) -> Result<Summary, Error> {
        let mut control = Control::open(&self.far.link).await?;
        let ours = end.replica.greeting();
        control.send(&Message::Greeting(greet::told(&ours))).await?;
        self.turn_to(self.which);
        self.tell(&end.looked.found.problems);
        self.tell(&end.looked.problems);
        self.turn_to(self.other());
        let theirs = self.greeting(&mut control).await?;
        if !theirs.agrees(&ours) {
            self.meet(&mut control, &mut end, theirs).await?;
        }
        match prefer::decider(self.job.prefer, self.which) {
            (Decides::Nobody, _) => {}
            (Decides::Asking, rule) => prefer::tell(&mut control, &mut end, rule).await?,
            (Decides::Answering, _) => drop(tell::hear(&mut control, &mut end).await?),
        }
        if end.has_modes_to_settle()? {
            prefer::tell(&mut control, &mut end, Rule::Modes).await?;
        }
        for Renamed { from, to } in end.edited_meanwhile()? {
            self.hearing.telling.report.event(Event::EditedAtOldName { from: &from, to: &to });
        }
        let task = end.task()?;
        let planned = self.planned(&mut control, &task).await?;
        let conflicts = task.conflicts;
        let (end, far) = if self.job.writing.dry_run {
            let far = self.rehearse(&mut control, &task).await?;
            (end, far)
        } else {
            self.carry_out(&mut control, end, task).await?
        };
        control.send(&Message::Bye).await?;
        control.finish().await?;
        self.far.link.close().await;
        Ok(self.summary(&end, far, (planned, conflicts)))
    }

    /// What the other end says of itself, and of its root.
    async fn greeting(&mut self, control: &mut Control) -> Result<Heard, Error> {
        loop {
            match control.receive().await? {
                Message::Greeting(told) => return Heard::read(told),
                other => self.hearing.heard(other)?,
            }
        }
    }

    async fn meet(&mut self, control: &mut Control, end: &mut End, theirs: Heard) -> Result<(), Error> {
        let ours = end.replica.greeting();
        let mut theirs = greet::exchange(control, &ours, theirs).await?;
        if let Some(ours) = end.replica.square(&theirs, Side::Left)? {
            control.send(&Message::Greeting(greet::told(&ours))).await?;
            let again = self.greeting(control).await?;
            theirs = greet::exchange(control, &ours, again).await?;
        }
        let shown = (self.shown.0.as_str(), self.shown.1.as_str());
        end::consistent(&end.replica.greeting(), &theirs, shown)?;
        let settings = Settings { salt: salt()?, wants: Wants::Both, push: true };
        let mut machine = Machine::initiator(end.replica.compared()?, settings);
        let outcome = control.reconcile(&mut machine, |_| Err(violation("a message out of turn"))).await?;
        self.round_trips += outcome.round_trips_halves.div_ceil(2);
        if end.join(&theirs, &outcome)? == Joining::Outlived {
            let known = end.replica.greeting().stories().gists();
            let revived = end.revive()?;
            tell::tell(control, end, &known, &revived).await?;
            tell::hear(control, end).await?;
        }
        Ok(())
    }

    /// The plans of both ends, added up.
    async fn planned(&mut self, control: &mut Control, task: &Task) -> Result<Totals, Error> {
        self.turn_to(self.which);
        self.tell(&task.plan.problems);
        self.turn_to(self.other());
        loop {
            match control.receive().await? {
                Message::Planned(theirs) => {
                    let planned = task.plan.totals().and(theirs);
                    self.hearing.telling.report.event(Event::Planned(&planned));
                    return Ok(planned);
                }
                other => self.hearing.heard(other)?,
            }
        }
    }

    async fn rehearse(&mut self, control: &mut Control, task: &Task) -> Result<RootSummary, Error> {
        self.turn_to(self.which);
        self.hearing.tally =
            Narrator::new(Arc::clone(&task.plan), self.hearing.tally).rehearse(&mut self.hearing.telling);
        self.turn_to(self.other());
        self.listen(control).await
    }

    /// This end installs; then the other does, and is handed what it lacks.
    async fn carry_out(
        &mut self,
        control: &mut Control,
        mut end: End,
        task: Task,
    ) -> Result<(End, RootSummary), Error> {
        self.turn_to(self.which);
        let narrator = Narrator::new(Arc::clone(&task.plan), self.hearing.tally);
        let installation = end.installation(task, &self.hearing.gauges.right);
        let end = if installation.is_needed() {
            let installation = Arc::new(installation);
            let link = &self.far.link;
            let (placed, tally) = pull::install(&installation, link, narrator, &mut self.hearing.telling).await?;
            self.hearing.tally = tally;
            let installation = Arc::into_inner(installation).expect("the run has ended");
            end::settled(end, installation, Some(placed)).await?
        } else {
            self.hearing.tally = narrator.finish(&mut self.hearing.telling);
            end::settled(end, installation, None).await?
        };
        self.turn_to(self.other());
        let listing = end.looked.found.listing.clone();
        let supplier = Supplier::new(Arc::clone(end.replica.side()), listing, self.far.packing);
        let supplying = tokio::spawn(Arc::new(supplier).serve(self.far.link.clone()));
        control.send(&Message::Turn).await?;
        let far = self.listen(control).await;
        supplying.abort();
        far.map(|far| (end, far))
    }

    /// Hears the other end until it is done.
    async fn listen(&mut self, control: &mut Control) -> Result<RootSummary, Error> {
        loop {
            if let Some(finished) = self.hearing.finished.take() {
                return Ok(RootSummary::from(finished));
            }
            let message = control.receive().await?;
            self.hearing.heard(message)?;
        }
    }

    fn tell(&mut self, problems: &[Problem]) {
        self.hearing.tally = tell_problems(problems, self.hearing.tally, &mut self.hearing.telling);
    }

    fn turn_to(&mut self, which: Which) {
        self.hearing.telling.which = which;
    }

    const fn other(&self) -> Which {
        match self.which {
            Which::Left => Which::Right,
            Which::Right => Which::Left,
        }
    }

    fn summary(&self, end: &End, far: RootSummary, (planned, conflicts): (Totals, u64)) -> Summary {
        let near = end.summary();
        let (left, right) = match self.which {
            Which::Left => (near, far),
            Which::Right => (far, near),
        };
        let traffic = self.far.link.bytes();
        let rehearsed = self.job.writing.dry_run.then_some(planned);
        Summary {
            sent: traffic.sent,
            received: traffic.received,
            reused: self.hearing.gauges.reused(),
            round_trips: self.round_trips,
            ..end::summarize((left, right), self.hearing.tally, conflicts, rehearsed)
        }
    }
}
