//! A mirror whose target is on another machine: this side compares, hands out content, and tells what the target does.

use std::path::Path;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::converse::{Control, violation};
use super::error::Error;
use super::found::Found;
use super::job::{Host, Mirror};
use super::mirror::{End, Telling, keep_there, summarize, tell_problems};
use super::narrate::{Narration, Tally};
use super::pull::salt;
use super::remote::{self, Far};
use super::report::{Event, Gauges, Report, RootSummary, Side as Which, Summary};
use super::rules;
use super::side::{self, Side};
use super::supply::{READ_AT_ONCE_BELOW_BYTES, Supplier};
use crate::disk::gauge::Gauge;
use crate::disk::root::Root;
use crate::model::plan::Action;
use crate::model::{Listing, Problem, RelPath};
use crate::proto::message::{Message, Role, Scanned};
use crate::proto::reconcile::{Machine, Settings, Wants};

/// Runs the job to its end.
pub fn run(
    job: &Mirror,
    source: &Path,
    host: &Host,
    target: &Path,
    gauges: &Gauges,
    report: &mut dyn Report,
) -> Result<Summary, Error> {
    let root = Root::open(source)?;
    remote::block_on(gauges, push(job, root, host, target, gauges, report))
}

async fn push(
    job: &Mirror,
    root: Root,
    host: &Host,
    target: &Path,
    gauges: &Gauges,
    report: &mut dyn Report,
) -> Result<Summary, Error> {
    let shown = root.path().display().to_string();
    let side = Arc::new(Side::new(root, &job.reading, job.cache)?);
    // The walk of what is here starts before ssh does.
    let scan = {
        let (side, gauge) = (Arc::clone(&side), Arc::clone(&gauges.left));
        spawn_blocking(move || side.scan(&gauge))
    };
    let ask = remote::question(Role::Target, target, (&job.reading, &job.writing), job.cache);
    let mut far = remote::connect(&job.remote, host, &ask, report).await?;
    report.event(Event::Header { left: &shown, right: &far.shown });
    if far.vacant && !job.writing.dry_run {
        // All of it will be sent, and is hashed then: it is read once.
        side.defer_below(READ_AT_ONCE_BELOW_BYTES);
    }
    let found = scan.await.expect("a scan reports its failures and does not panic")?;
    let outcome = converse(job, &far, (&side, found), gauges, report).await;
    far.tell(report);
    outcome
}

async fn converse(
    job: &Mirror,
    far: &Far,
    (side, found): (&Arc<Side>, Found),
    gauges: &Gauges,
    report: &mut dyn Report,
) -> Result<Summary, Error> {
    let lane = side::lane(&job.reading, far.both_superuser);
    let tree = Arc::new(found.tree(lane));
    let mut end = End { found, tree };
    keep_there(side, &mut end, report);
    let mut telling = Telling { report, which: Which::Left };
    let tally = tell_problems(&end.found.problems, Tally::default(), &mut telling);
    telling.which = Which::Right;
    let mut hearing = Hearing { telling, tally, gauges, finished: None };
    let mut control = Control::open(&far.link).await?;
    let settings = Settings { salt: salt()?, wants: Wants::Responder, push: end.found.changed() };
    let mut machine = Machine::initiator(end.compared(), settings);
    let outcome = control.reconcile(&mut machine, |message| hearing.heard(message)).await?;
    let supplier = Arc::new(Supplier::new(Arc::clone(side), end.listing().clone(), far.packing));
    let supplying = tokio::spawn(Arc::clone(&supplier).serve(far.link.clone()));
    let heard = hear(&mut control, &mut hearing, (side, end.listing())).await;
    supplying.abort();
    heard?;
    control.send(&Message::Bye).await?;
    control.finish().await?;
    far.link.close().await;
    let learned = supplier.take_learned();
    drop(supplier);
    if !learned.is_empty() {
        end.learn(learned);
        keep_there(side, &mut end, hearing.telling.report);
    }
    let left = end.found.summary(&end.tree);
    let right = RootSummary::from(hearing.finished.unwrap_or_default());
    let traffic = far.link.bytes();
    Ok(Summary {
        sent: traffic.sent,
        received: traffic.received,
        reused: gauges.reused(),
        round_trips: outcome.round_trips_halves.div_ceil(2),
        ..summarize(hearing.tally, left, right, left.top == right.top)
    })
}

/// Hears the target until it is done.
async fn hear(
    control: &mut Control,
    hearing: &mut Hearing<'_>,
    (side, listing): (&Arc<Side>, &Listing),
) -> Result<(), Error> {
    while hearing.finished.is_none() {
        match control.receive().await? {
            Message::RulesWanted(paths) => rules::answer(control, side, listing, &paths).await?,
            message => hearing.heard(message)?,
        }
    }
    Ok(())
}

/// Takes what the target tells.
pub struct Hearing<'a> {
    /// Who is told.
    pub telling: Telling<'a>,
    /// What was counted.
    pub tally: Tally,
    /// The counters that the target's progress turns.
    pub gauges: &'a Gauges,
    /// The target's last scan, once it is done.
    pub finished: Option<Scanned>,
}

impl Hearing<'_> {
    /// Takes one message.
    pub fn heard(&mut self, message: Message) -> Result<(), Error> {
        match message {
            Message::Scanned(_) => {}
            Message::Problems(told) => {
                for problem in told {
                    let problem = Problem::try_from(problem).map_err(violation)?;
                    self.tally.problem(problem.kind);
                    self.telling.problem(&problem);
                }
            }
            Message::Renamed(from, to) => {
                let (from, to) = (RelPath::new(&from).map_err(violation)?, RelPath::new(&to).map_err(violation)?);
                self.telling.report.event(Event::EditedAtOldName { from: &from, to: &to });
            }
            Message::Planned(totals) => self.telling.report.event(Event::Planned(&totals)),
            Message::Actions(told) => {
                for action in told {
                    let action = Action::try_from(action).map_err(violation)?;
                    self.tally.totals.add(&action);
                    self.telling.action(&action);
                }
            }
            Message::Progress(files, bytes, reused) => {
                // Counted apart from what is reused at this end.
                Gauge::set(&self.gauges.left.bytes_reused, reused);
                Gauge::set(&self.gauges.right.files_done, files);
                Gauge::set(&self.gauges.right.bytes_done, bytes);
            }
            Message::Finished(scanned) => self.finished = Some(scanned),
            Message::Greeting(_)
            | Message::Eras(..)
            | Message::Decided(_)
            | Message::Turn
            | Message::Reconcile(_)
            | Message::RulesWanted(_)
            | Message::Rules(_)
            | Message::Failed(_)
            | Message::Bye => {
                return Err(violation("a message out of turn"));
            }
        }
        Ok(())
    }
}
