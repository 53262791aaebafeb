//! A mirror whose source is on another machine: this side compares, plans, fetches and installs.

use std::path::Path;
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};

use super::converse::{Control, violation};
use super::error::Error;
use super::fetch::recall::Recalling;
use super::fetch::remote::RemoteSource;
use super::found::Found;
use super::job::{Host, Mirror};
use super::ledger::{ASK_INTERVAL, Ledger};
use super::mirror::{End, Telling, keep, summarize, tell_problems};
use super::narrate::{Narrator, Tally};
use super::placements::InPlace;
use super::remote::{self, Far};
use super::report::{Event, Gauges, Report, RootSummary, Side as Which, Summary};
use super::rules;
use super::side::{self, Side};
use super::target::{self, Differing, Installation, Place};
use crate::disk::root::Root;
use crate::model::Problem;
use crate::model::lane::Lane;
use crate::net::Link;
use crate::proto::message::{Message, Role, Scanned};
use crate::proto::reconcile::{Machine, Settings, Wants};

/// Runs the job to its end.
pub fn run(
    job: &Mirror,
    host: &Host,
    source: &Path,
    target: &Path,
    gauges: &Gauges,
    report: &mut dyn Report,
) -> Result<Summary, Error> {
    remote::block_on(gauges, pull(job, host, source, target, gauges, report))
}

async fn pull(
    job: &Mirror,
    host: &Host,
    source: &Path,
    target: &Path,
    gauges: &Gauges,
    report: &mut dyn Report,
) -> Result<Summary, Error> {
    // The walk of what is already here starts before ssh does.
    let early = if Root::open(target).is_ok() { Some(Looking::start(job, target, gauges)?) } else { None };
    let ask = remote::question(Role::Source, source, (&job.reading, &job.writing), job.cache);
    let mut far = remote::connect(&job.remote, host, &ask, report).await?;
    let looking = match early {
        Some(looking) => looking,
        None => Looking::start(job, target, gauges)?,
    };
    let outcome = converse(job, &far, looking, gauges, report).await;
    far.tell(report);
    outcome
}

async fn converse(
    job: &Mirror,
    far: &Far,
    looking: Looking,
    gauges: &Gauges,
    report: &mut dyn Report,
) -> Result<Summary, Error> {
    report.event(Event::Header { left: &far.shown, right: &looking.shown });
    let lane = side::lane(&job.reading, far.both_superuser);
    let (side, end) = looking.finish(lane).await?;
    let mut pulling = Pulling { job, lane, gauges, report, far };
    let mut control = Control::open(&far.link).await?;
    let compared = pulling.compare(&mut control, &end).await?;
    let Compared { round_trips, differing, source, problems } = compared;
    let first: Vec<Problem> = end.found.problems.clone();
    let (end, differing, more) = rules::settle_afar(&mut control, side.as_ref(), end, differing).await?;
    let problems = Problems { source: problems, target: first.into_iter().chain(more).collect() };
    let summary = pulling.carry_out((side, end), (source, problems), differing).await?;
    let summary = Summary { round_trips, ..summary };
    control.send(&Message::Bye).await?;
    control.finish().await?;
    far.link.close().await;
    let traffic = far.link.bytes();
    Ok(Summary { sent: traffic.sent, received: traffic.received, reused: gauges.reused(), ..summary })
}

/// A local target that is being scanned.
struct Looking {
    shown: String,
    side: Option<Arc<Side>>,
    scan: Option<JoinHandle<Result<Found, Error>>>,
}

impl Looking {
    fn start(job: &Mirror, target: &Path, gauges: &Gauges) -> Result<Looking, Error> {
        let reading = job.reading.of_target(&job.writing);
        let place = Place::open(target, &job.writing, &reading)?;
        let shown = place.path.display().to_string();
        let side = place.root.map(|root| Side::new(root, &reading, job.cache)).transpose()?.map(Arc::new);
        let scan = side.as_ref().map(|side| {
            let (side, gauge) = (Arc::clone(side), Arc::clone(&gauges.right));
            spawn_blocking(move || side.scan(&gauge))
        });
        Ok(Looking { shown, side, scan })
    }

    async fn finish(self, lane: Lane) -> Result<(Option<Arc<Side>>, End), Error> {
        let found = match self.scan {
            Some(scan) => scan.await.expect("a scan reports its failures and does not panic")?,
            None => Found::nothing(),
        };
        let tree = Arc::new(found.tree(lane));
        Ok((self.side, End { found, tree }))
    }
}

/// What a pull carries along.
struct Pulling<'a> {
    job: &'a Mirror,
    lane: Lane,
    gauges: &'a Gauges,
    report: &'a mut dyn Report,
    far: &'a Far,
}

/// What could not be read at either end.
struct Problems {
    source: Vec<Problem>,
    target: Vec<Problem>,
}

/// What the comparison brought.
struct Compared {
    round_trips: u32,
    differing: Differing,
    source: Scanned,
    problems: Vec<Problem>,
}

impl Pulling<'_> {
    async fn compare(&mut self, control: &mut Control, end: &End) -> Result<Compared, Error> {
        let mut source = Scanned::default();
        let mut problems = Vec::new();
        let settings = Settings { salt: salt()?, wants: Wants::Initiator, push: end.found.changed() };
        let mut machine = Machine::initiator(end.compared(), settings);
        let outcome = control
            .reconcile(&mut machine, |message| match message {
                Message::Scanned(scanned) => {
                    source = scanned;
                    Ok(())
                }
                Message::Problems(told) => {
                    for problem in told {
                        problems.push(Problem::try_from(problem).map_err(violation)?);
                    }
                    Ok(())
                }
                _ => Err(violation("a message out of turn")),
            })
            .await?;
        Ok(Compared {
            round_trips: outcome.round_trips_halves.div_ceil(2),
            differing: outcome.into(),
            source,
            problems,
        })
    }

    async fn carry_out(
        &mut self,
        (side, end): (Option<Arc<Side>>, End),
        (source, problems): (Scanned, Problems),
        differing: Differing,
    ) -> Result<Summary, Error> {
        let left = RootSummary::from(source);
        let before = end.found.summary(&end.tree);
        let mut telling = Telling { report: &mut *self.report, which: Which::Left };
        let mut tally = tell_problems(&problems.source, Tally::default(), &mut telling);
        telling.which = Which::Right;
        tally = tell_problems(&problems.target, tally, &mut telling);
        let plan = target::plan(differing, end.listing(), self.lane, &self.job.writing, self.job.reading.fidelity);
        let plan = Arc::new(plan);
        tally = tell_problems(&plan.problems, tally, &mut telling);
        telling.report.event(Event::Planned(&plan.totals()));
        let narrator = Narrator::new(Arc::clone(&plan), tally);
        let nothing = plan.actions.is_empty();
        let (Some(side), false) = (side, self.job.writing.dry_run) else {
            let tally = narrator.rehearse(&mut telling);
            return Ok(summarize(tally, left, before, nothing && left.top == before.top));
        };
        let End { found, tree } = end;
        let installation = Installation {
            side: Arc::clone(&side),
            found: Arc::new(found),
            plan,
            lane: self.lane,
            writing: self.job.writing.clone(),
            gauge: Arc::clone(&self.gauges.right),
            lock: None,
        };
        if !installation.is_needed() {
            keep(&installation.side, &installation.found, &tree, telling.report);
            let tally = narrator.finish(&mut telling);
            return Ok(summarize(tally, left, before, left.top == before.top));
        }
        let installation = Arc::new(installation);
        let (placed, tally) = install(&installation, &self.far.link, narrator, &mut telling).await?;
        let ended = installation.ended(&placed);
        drop(installation);
        let again = spawn_blocking(move || ended.look_again(&placed));
        let (found, tree, right) = again.await.expect("a scan reports its failures and does not panic")?;
        keep(&side, &found, &tree, telling.report);
        Ok(summarize(tally, left, right, left.top == right.top))
    }
}

/// Runs the plan on threads of its own and tells what happens from this task.
pub async fn install(
    installation: &Arc<Installation>,
    link: &Link,
    mut narrator: Narrator,
    telling: &mut Telling<'_>,
) -> Result<(InPlace, Tally), Error> {
    let ledger = Arc::new(Ledger::default());
    let content = Recalling { source: RemoteSource::new(link.clone(), tokio::runtime::Handle::current()), other: None };
    let (running, telling_to) = (Arc::clone(installation), Arc::clone(&ledger));
    let mut run = spawn_blocking(move || running.run(&content, &|told| telling_to.tell(told)));
    let placed = loop {
        tokio::select! {
            placed = &mut run => break placed.expect("a run reports its failures and does not panic"),
            () = tokio::time::sleep(ASK_INTERVAL) => {
                ledger.take().into_iter().for_each(|told| narrator.told(told, telling));
            }
        }
    };
    ledger.take().into_iter().for_each(|told| narrator.told(told, telling));
    let tally = narrator.finish(telling);
    Ok((placed?, tally))
}

/// A salt for the short ids of one comparison.
pub fn salt() -> Result<[u8; 16], Error> {
    Ok(crate::net::random()?)
}
