//! The far side of a conversation: `alike serve --stdio`, started by ssh. Does as asked and ends with the conversation.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{JoinHandle, spawn_blocking};

use super::converse::{Control, receive_message, send_message, violation};
use super::error::Error;
use super::fetch::recall::Recalling;
use super::fetch::remote::RemoteSource;
use super::found::Found;
use super::job::Compress;
use super::ledger::Ledger;
use super::mirror::End;
use super::narrate::{Narration, Narrator, Tally};
use super::placements::InPlace;
use super::remote::{packing, reading, writing};
use super::report::Gauges;
use super::rules;
use super::side::{self, Side};
use super::supply::Supplier;
use super::target::{self, Installation, Place};
use super::twoway::ask::order_of;
use super::twoway::{answer, end as twoway_end, end::End as ReplicaEnd};
use crate::disk::control::Lock;
use crate::disk::gauge::Gauge;
use crate::disk::root::Root;
use crate::model::Problem;
use crate::model::lane::Lane;
use crate::model::plan::{Action, Plan};
use crate::net::{self, Link, Seen, SendHalf};
use crate::proto::message::{Answer, Ask, Decides, Failure, Message, PathProblem, Role, Scanned, Told as Line};
use crate::proto::reconcile::Machine;

/// How often a target tells how far it is.
const TELL_INTERVAL: Duration = Duration::from_millis(100);
/// How long a replica that is asked waits for a run that holds its root, where that run may be waiting for the asking one.
const PATIENCE: Duration = Duration::from_secs(8);
/// Actions and problems are told in batches of at most this many.
const TOLD_MAX: usize = 512;

/// Sees to it that nobody else on this machine holds a root, before it is opened.
pub type Borrow<'a> = &'a dyn Fn(&Path) -> Result<(), Error>;

/// Serves one conversation over standard input and output and ends with it.
pub fn run(borrow: Borrow<'_>) -> Result<(), Error> {
    let gauges = Gauges::default();
    let admit = async |ask: Ask| {
        if ask.role != Role::Source {
            borrow(&local_path(&ask.path))?;
        }
        Ok(ask.into())
    };
    super::remote::block_on(&gauges, async {
        let pipe = net::stdio().map_err(|source| Error::Memory { path: "standard input".into(), source })?;
        serve(pipe, Seen::from_environment(), &gauges, admit).await
    })
}

/// What of a request is done.
pub struct Admitted {
    /// The request, as it is carried out.
    pub ask: Ask,
    /// The directory that it is about, where that was opened already.
    pub root: Option<Root>,
}

impl From<Ask> for Admitted {
    fn from(ask: Ask) -> Admitted {
        Admitted { ask, root: None }
    }
}

/// Serves one conversation over a pipe that runs over a connection of its own. `admit` hears what is asked and says what of it is
/// done, or refuses it.
pub async fn over<R, W>(
    pipe: (R, W),
    gauges: &Gauges,
    admit: impl AsyncFnOnce(Ask) -> Result<Admitted, Error>,
) -> Result<(), Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let seen = Seen { piped: true, ..Seen::default() };
    super::remote::until_stopped(gauges, serve(pipe, seen, gauges, admit)).await
}

async fn serve<R, W>(
    pipe: (R, W),
    seen: Seen,
    gauges: &Gauges,
    admit: impl AsyncFnOnce(Ask) -> Result<Admitted, Error>,
) -> Result<(), Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let opened = Arc::new(Mutex::new(None));
    let asked = Arc::clone(&opened);
    let gauge = Arc::clone(&gauges.right);
    let link = net::serve_over(pipe, seen, async move |request| {
        let admitted = match Ask::decode(&request) {
            Ok(ask) => admit(ask).await,
            Err(error) => Err(violation(error)),
        };
        let (answer, open) = match admitted.and_then(|admitted| Opened::open(admitted, &gauge)) {
            Ok(open) => (open.answer(), Some(open)),
            Err(error) => (Answer::Refused(Failure::from(&error)), None),
        };
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = open;
        answer.encode().into()
    })
    .await?;
    let opened = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(opened) = opened else {
        // A refusal is the whole conversation: it ends once the asking side has read it. Ended at once, the pipe could
        // break under what the asking side still writes, and the refusal would count as a lost peer.
        link.close().await;
        return Ok(());
    };
    let mut control = Control::accept(&link).await?;
    let outcome = opened.converse(&mut control, &link, gauges).await;
    if let Err(error) = &outcome {
        // The asking side may be gone: then there is nobody to tell.
        let _ = control.send(&Message::Failed(Failure::from(error))).await;
    }
    let _ = control.finish().await;
    link.close().await;
    outcome
}

/// A root that was opened as asked, and its scan.
struct Opened {
    ask: Ask,
    shown: String,
    /// Whether it is a target that holds nothing yet.
    vacant: bool,
    lane: Lane,
    work: Work,
}

/// What was begun when the root was opened.
enum Work {
    /// One end of a mirror is scanned; there is none where a rehearsal found no root.
    Mirror { side: Option<Arc<Side>>, scan: Option<JoinHandle<Result<Found, Error>>> },
    /// A replica is looked at.
    Replica(JoinHandle<Result<ReplicaEnd, Error>>),
}

impl Opened {
    fn open(Admitted { ask, root }: Admitted, gauge: &Arc<Gauge>) -> Result<Opened, Error> {
        let reading = reading(&ask);
        let path = local_path(&ask.path);
        let lane = side::lane(&reading, ask.superuser && side::superuser());
        let mut vacant = false;
        let (root, shown) = match ask.role {
            Role::Replica => {
                let root = twoway_end::open(&path, &writing(&ask.writing), &reading)?;
                let shown = root.path().display().to_string();
                let (gauge, writing) = (Arc::clone(gauge), writing(&ask.writing));
                // Two machines that ask each other at the same time each hold what the other waits for: one gives up soon,
                // and lets the other have it.
                let is_patient = ask.order.is_some_and(|order| order < order_of(&root)) && !writing.dry_run;
                let looking = spawn_blocking(move || {
                    if is_patient {
                        Lock::await_free(&root, PATIENCE);
                    }
                    ReplicaEnd::look(root, &reading, writing, &gauge)
                });
                return Ok(Opened { ask, shown, vacant: false, lane, work: Work::Replica(looking) });
            }
            Role::Source => {
                let root = root.map_or_else(|| Root::open(&path), Ok)?;
                let shown = root.path().display().to_string();
                (Some(root), shown)
            }
            Role::Target => {
                let place = Place::open(&path, &writing(&ask.writing), &reading)?;
                vacant = place.is_vacant();
                (place.root, place.path.display().to_string())
            }
        };
        let side = root.map(|root| Side::new(root, &reading, ask.cache)).transpose()?.map(Arc::new);
        let scan = side.as_ref().map(|side| {
            let (side, gauge) = (Arc::clone(side), Arc::clone(gauge));
            spawn_blocking(move || side.scan(&gauge))
        });
        Ok(Opened { ask, shown, vacant, lane, work: Work::Mirror { side, scan } })
    }

    fn answer(&self) -> Answer {
        Answer::Opened { path: self.shown.clone(), superuser: side::superuser(), vacant: self.vacant }
    }

    async fn converse(self, control: &mut Control, link: &Link, gauges: &Gauges) -> Result<(), Error> {
        let Opened { ask, lane, work, .. } = self;
        let (side, scan) = match work {
            Work::Mirror { side, scan } => (side, scan),
            Work::Replica(looking) => {
                return answer::converse(&Receiving { ask, lane, gauges, link }, control, looking).await;
            }
        };
        let found = match scan {
            Some(scan) => scan.await.expect("a scan reports its failures and does not panic")?,
            None => Found::nothing(),
        };
        let tree = Arc::new(found.tree(lane));
        let end = End { found, tree };
        let summary = Scanned::from(end.found.summary(&end.tree));
        tell_all(control, &end.found.problems).await?;
        control.send(&Message::Scanned(summary)).await?;
        match (ask.role, side) {
            (Role::Source, Some(side)) => {
                let packing = packing(ask.compress, link);
                source(control, link, (side, packing), end).await
            }
            (_, side) => Receiving { ask, lane, gauges, link }.target(control, side, end, summary).await,
        }
    }
}

/// Relative paths start at the home directory, where ssh starts.
fn local_path(bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(OsStr::from_bytes(bytes));
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ if path.as_os_str().is_empty() => PathBuf::from("."),
        _ => path,
    }
}

/// Answers the comparison and hands out content until the asking side needs no more.
async fn source(
    control: &mut Control,
    link: &Link,
    (side, packing): (Arc<Side>, Compress),
    end: End,
) -> Result<(), Error> {
    let mut machine = Machine::responder(end.compared());
    control.reconcile(&mut machine, |_| Err(violation("a message out of turn"))).await?;
    let supplier = Arc::new(Supplier::new(Arc::clone(&side), end.listing().clone(), packing));
    let supplying = tokio::spawn(supplier.serve(link.clone()));
    let (asked, listing) = (Arc::clone(&side), end.listing().clone());
    let End { found, tree } = end;
    // The index is written while content flows.
    let keeping = spawn_blocking(move || side.save(&found, &tree));
    let last = loop {
        match control.receive().await {
            Ok(Message::RulesWanted(paths)) => rules::answer(control, &asked, &listing, &paths).await?,
            last => break last,
        }
    };
    supplying.abort();
    // A cache that cannot be written costs the next run time and nothing else.
    let _ = keeping.await;
    match last? {
        Message::Bye => Ok(()),
        _ => Err(violation("a message out of turn")),
    }
}

/// Tells problems of single paths.
pub async fn tell_all(control: &mut Control, problems: &[Problem]) -> Result<(), Error> {
    for batch in problems.chunks(TOLD_MAX) {
        let told = batch.iter().map(PathProblem::from).collect();
        control.send(&Message::Problems(told)).await?;
    }
    Ok(())
}

/// What a target on this side carries along.
pub struct Receiving<'a> {
    ask: Ask,
    lane: Lane,
    gauges: &'a Gauges,
    link: &'a Link,
}

impl Receiving<'_> {
    async fn target(
        &self,
        control: &mut Control,
        side: Option<Arc<Side>>,
        end: End,
        before: Scanned,
    ) -> Result<(), Error> {
        let mut machine = Machine::responder(end.compared());
        let outcome = control.reconcile(&mut machine, |_| Err(violation("a message out of turn"))).await?;
        let writing = writing(&self.ask.writing);
        let fidelity = reading(&self.ask).fidelity;
        let first = Arc::clone(&end.tree);
        let (end, differing, more) = rules::settle_afar(control, side.as_ref(), end, outcome.into()).await?;
        tell_all(control, &more).await?;
        let again = !Arc::ptr_eq(&first, &end.tree);
        let before = if again { end.found.summary(&end.tree).into() } else { before };
        let plan = Arc::new(target::plan(differing, end.listing(), self.lane, &writing, fidelity));
        tell_all(control, &plan.problems).await?;
        control.send(&Message::Planned(plan.totals())).await?;
        let (Some(side), false) = (side, writing.dry_run) else {
            return self.rehearse(control, &plan, before).await;
        };
        let End { found, tree } = end;
        let installation = Arc::new(Installation {
            side,
            found: Arc::new(found),
            plan,
            lane: self.lane,
            writing,
            gauge: Arc::clone(&self.gauges.right),
            lock: None,
        });
        if !installation.is_needed() {
            // A cache that cannot be written costs the next run time and nothing else.
            let _ = installation.side.save(&installation.found, &tree);
            return finish(control, before).await;
        }
        let placed = self.install(control, &installation).await?;
        let ended = installation.ended(&placed);
        drop(installation);
        let summary = spawn_blocking(move || -> Result<Scanned, Error> {
            let (found, tree, summary) = ended.look_again(&placed)?;
            let _ = ended.side.save(&found, &tree);
            Ok(summary.into())
        });
        finish(control, summary.await.expect("a scan reports its failures and does not panic")?).await
    }

    /// Whether nothing is to be changed.
    pub const fn is_dry_run(&self) -> bool {
        self.ask.writing.dry_run
    }

    /// Which end decides conflicts.
    pub const fn decides(&self) -> Decides {
        self.ask.decides
    }

    /// How content is packed.
    pub fn packing(&self) -> Compress {
        packing(self.ask.compress, self.link)
    }

    /// The link of the conversation.
    pub const fn link(&self) -> &Link {
        self.link
    }

    /// The counters of what is done here.
    pub const fn gauge(&self) -> &Arc<Gauge> {
        &self.gauges.right
    }

    /// Tells the plan as it stands.
    pub async fn rehearse(&self, control: &mut Control, plan: &Arc<Plan>, before: Scanned) -> Result<(), Error> {
        let mut lines = Lines::default();
        Narrator::new(Arc::clone(plan), Tally::default()).rehearse(&mut lines);
        for message in lines.take() {
            control.send(&message).await?;
        }
        finish(control, before).await
    }

    /// Runs the plan on threads of its own; tells what happens, and stops where the asking side is gone.
    pub async fn install(&self, control: &mut Control, installation: &Arc<Installation>) -> Result<InPlace, Error> {
        let ledger = Arc::new(Ledger::default());
        let content =
            Recalling { source: RemoteSource::new(self.link.clone(), tokio::runtime::Handle::current()), other: None };
        let (running, telling_to) = (Arc::clone(installation), Arc::clone(&ledger));
        let mut run = spawn_blocking(move || running.run(&content, &|told| telling_to.tell(told)));
        let mut narrator = Narrator::new(Arc::clone(&installation.plan), Tally::default());
        let mut lines = Lines::default();
        let mut ticks = tokio::time::interval(TELL_INTERVAL);
        let (send, receive) = control.halves();
        // A message that has begun to arrive must be read on: cancelling would lose its first half.
        let mut parting = std::pin::pin!(receive_message(receive));
        let outcome = loop {
            tokio::select! {
                outcome = &mut run => break outcome.expect("a run reports its failures and does not panic"),
                _ = ticks.tick() => {
                    ledger.take().into_iter().for_each(|told| narrator.told(told, &mut lines));
                    self.tell(send, lines.take(), installation).await?;
                }
                message = &mut parting => {
                    // Nothing is said to a target while it works: this is the end of the asking side.
                    self.gauges.right.stop();
                    return Err(message.err().unwrap_or_else(|| violation("a message out of turn")));
                }
            }
        };
        ledger.take().into_iter().for_each(|told| narrator.told(told, &mut lines));
        narrator.finish(&mut lines);
        self.tell(send, lines.take(), installation).await?;
        outcome
    }

    async fn tell(
        &self,
        send: &mut SendHalf,
        messages: Vec<Message>,
        installation: &Installation,
    ) -> Result<(), Error> {
        for message in messages {
            send_message(send, &message).await?;
        }
        let (files, bytes) = installation.gauge.done();
        send_message(send, &Message::Progress(files, bytes, installation.gauge.reused())).await
    }
}

/// The last words of a target.
pub async fn finish(control: &mut Control, summary: Scanned) -> Result<(), Error> {
    control.send(&Message::Finished(summary)).await?;
    match control.receive().await? {
        Message::Bye => Ok(()),
        _ => Err(violation("a message out of turn")),
    }
}

/// What is told, gathered into messages.
#[derive(Default)]
struct Lines {
    actions: Vec<Line>,
    problems: Vec<PathProblem>,
    ready: Vec<Message>,
}

impl Lines {
    fn take(&mut self) -> Vec<Message> {
        self.close();
        std::mem::take(&mut self.ready)
    }

    fn close(&mut self) {
        if !self.actions.is_empty() {
            self.ready.push(Message::Actions(std::mem::take(&mut self.actions)));
        }
        if !self.problems.is_empty() {
            self.ready.push(Message::Problems(std::mem::take(&mut self.problems)));
        }
    }
}

impl Narration for Lines {
    fn action(&mut self, action: &Action) {
        self.actions.push(Line::from(action));
        if self.actions.len() >= TOLD_MAX {
            self.close();
        }
    }

    fn problem(&mut self, problem: &Problem) {
        self.problems.push(PathProblem::from(problem));
        if self.problems.len() >= TOLD_MAX {
            self.close();
        }
    }
}
