//! Makes a target equal to a source, wherever the two are. Start at [`run`].

use std::sync::Arc;
use std::time::Instant;

use super::error::Error;
use super::fetch::Fetch;
use super::fetch::local::LocalSource;
use super::found::Found;
use super::holdings::Holdings;
use super::job::{Location, Mirror};
use super::ledger::{ASK_INTERVAL, Ledger};
use super::narrate::{Narration, Narrator, Tally};
use super::placements::InPlace;
use super::report::{Event, Gauges, Report, RootSummary, Side as Which, Summary};
use super::side::{self, Side};
use super::target::{self, Differing, Installation, Place};
use super::{pull, push, refuse, rules};
use crate::disk::read::Reader;
use crate::disk::root::Root;
use crate::disk::scan::Memory;
use crate::model::lane::Lane;
use crate::model::plan::Action;
use crate::model::tree::Tree;
use crate::model::{Digest, Listing, Problem};
use crate::proto::reconcile::{Machine, Outcome, Settings, Side as Compared, Wants};

/// Runs the job to its end. Problems of single paths are told and counted; an error ends the job.
pub fn run(job: &Mirror, report: &mut dyn Report) -> Result<Summary, Error> {
    let started = Instant::now();
    let gauges = Gauges::default();
    report.gauges(&gauges);
    let mut summary = match (&job.source, &job.target) {
        (Location::Local(source), Location::Local(target)) => {
            let source = Root::open(source)?;
            let resolved = refuse::resolved(target);
            refuse::precious(&resolved, job.writing.limit)?;
            refuse::nested(&source, &resolved)?;
            refuse::backup_in_source(&source, &resolved, &job.writing)?;
            local(
                job,
                source,
                Place::open(target, &job.writing, &job.reading.of_target(&job.writing))?,
                &gauges,
                report,
            )?
        }
        (Location::Remote { host, path }, Location::Local(target)) => {
            pull::run(job, host, path, target, &gauges, report)?
        }
        (Location::Local(source), Location::Remote { host, path }) => {
            push::run(job, source, host, path, &gauges, report)?
        }
        (Location::Remote { .. }, Location::Remote { .. }) => return Err(refuse::both_remote()),
    };
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

/// Both roots are on this machine.
fn local(job: &Mirror, source: Root, place: Place, gauges: &Gauges, report: &mut dyn Report) -> Result<Summary, Error> {
    let (left, right) = (source.path().display().to_string(), place.path.display().to_string());
    report.event(Event::Header { left: &left, right: &right });
    let lane = side::lane(&job.reading, side::superuser());
    // What goes to a place where nothing is yet is hashed while it is copied: it is read once.
    let source = Side::new(source, &job.reading, job.cache)?;
    source.defer_below(if !job.writing.dry_run && place.is_vacant() { u64::MAX } else { 0 });
    let target_reading = job.reading.of_target(&job.writing);
    let target = place.root.map(|root| Side::new(root, &target_reading, job.cache)).transpose()?.map(Arc::new);
    let (source_end, target_end) =
        rayon::join(|| scan(Some(&source), lane, &gauges.left), || scan(target.as_deref(), lane, &gauges.right));
    let (mut source_end, target_end) = (source_end?, target_end?);
    let mut narration = Telling { report, which: Which::Left };
    let mut tally = tell_problems(&source_end.found.problems, Tally::default(), &mut narration);
    narration.which = Which::Right;
    tally = tell_problems(&target_end.found.problems, tally, &mut narration);
    keep_there(&source, &mut source_end, narration.report);
    let differing = Differing::from(compare_in_memory(&source_end, &target_end)?);
    source_end.listing().rest();
    let theirs = (source.root(), &source_end.found.listing);
    let (target_end, differing, more) = rules::settle(theirs, target.as_deref(), target_end, differing)?;
    tally = tell_problems(&more, tally, &mut narration);
    let plan = target::plan(differing, &target_end.found.listing, lane, &job.writing, job.reading.fidelity);
    let plan = Arc::new(plan);
    let mut left = source_end.found.summary(&source_end.tree);
    let before = target_end.found.summary(&target_end.tree);
    tally = tell_problems(&plan.problems, tally, &mut narration);
    narration.report.event(Event::Planned(&plan.totals()));
    let narrator = Narrator::new(Arc::clone(&plan), tally);
    let (Some(target), false) = (target, job.writing.dry_run) else {
        let nothing = plan.actions.is_empty();
        let tally = narrator.rehearse(&mut narration);
        return Ok(summarize(tally, left, before, nothing && left.top == before.top));
    };
    let installation = Installation {
        side: target,
        found: Arc::new(target_end.found),
        plan,
        lane,
        writing: job.writing.clone(),
        gauge: Arc::clone(&gauges.right),
        lock: None,
    };
    if !installation.is_needed() {
        let tally = narrator.finish(&mut narration);
        keep(&installation.side, &installation.found, &target_end.tree, narration.report);
        return Ok(summarize(tally, left, before, left.top == before.top));
    }
    let holdings = Holdings::new(source_end.found.listing.clone());
    let notes = source.is_deferring().then(|| source.notes());
    let noted = notes.as_ref().map(|notes| notes as &dyn Memory);
    let content = LocalSource::new(Reader::new(source.root()), &holdings).noting(noted);
    let ran = run_and_tell(&installation, &content, narrator, &mut narration);
    if let (Err(_), Some(notes)) = (&ran, &notes) {
        // Interrupted: what was read need not be read again.
        notes.keep();
    }
    let (placed, tally) = ran?;
    let ended = installation.ended(&placed);
    drop(installation);
    if notes.is_some() {
        source_end.learn(holdings.into_learned());
        keep_there(&source, &mut source_end, narration.report);
        left = source_end.found.summary(&source_end.tree);
    }
    source_end.listing().rest();
    let (found, tree, right) = ended.look_again(&placed)?;
    keep(&ended.side, &found, &tree, narration.report);
    Ok(summarize(tally, left, right, left.top == right.top))
}

/// One end of a comparison.
pub struct End {
    /// What was found.
    pub found: Found,
    /// Its tree.
    pub tree: Arc<Tree>,
}

/// Scans a root and builds its tree; a root that is not there is empty.
pub fn scan(side: Option<&Side>, lane: Lane, gauge: &crate::disk::gauge::Gauge) -> Result<End, Error> {
    let found = match side {
        Some(side) => side.scan(gauge)?,
        None => Found::nothing(),
    };
    let tree = Arc::new(found.tree(lane));
    Ok(End { found, tree })
}

impl End {
    /// What the comparison takes.
    pub fn compared(&self) -> Compared {
        Compared { listing: self.listing().clone(), tree: Arc::clone(&self.tree) }
    }

    /// Files that were not read by the scan have been read since: by row.
    pub fn learn(&mut self, contents: Vec<(u32, Digest)>) {
        self.found.learn(contents);
        self.tree = Arc::new(self.found.tree(self.tree.lane()));
    }

    /// The entries.
    pub fn listing(&self) -> &Listing {
        &self.found.listing
    }
}

/// What the target of a mirror has to know.
fn compare_in_memory(source: &End, target: &End) -> Result<Outcome, Error> {
    let settings = Settings { salt: [0; 16], wants: Wants::Initiator, push: false };
    let asking = Machine::initiator(target.compared(), settings);
    let answering = Machine::responder(source.compared());
    let (asked, _) = join_in_memory(asking, answering, false)?;
    Ok(asked)
}

/// The two machines of a conversation, joined without a link: what each found out. Where only the asking one is to know,
/// it ends there.
pub fn join_in_memory(
    mut asking: Machine,
    mut answering: Machine,
    both: bool,
) -> Result<(Outcome, Option<Outcome>), Error> {
    let (mut asked, mut answered) = (None, None);
    loop {
        while let Some(frame) = asking.poll_transmit() {
            answering.handle(&frame).map_err(super::converse::violation)?;
        }
        asked = asked.or_else(|| asking.poll_outcome());
        answered = answered.or_else(|| if both { answering.poll_outcome() } else { None });
        match asked {
            Some(asked) if answered.is_some() || !both => return Ok((asked, answered)),
            kept => asked = kept,
        }
        while let Some(frame) = answering.poll_transmit() {
            asking.handle(&frame).map_err(super::converse::violation)?;
        }
    }
}

/// Runs the plan on its own threads and tells what happens from this one.
pub fn run_and_tell(
    installation: &Installation,
    content: &(dyn Fetch + Sync),
    mut narrator: Narrator,
    narration: &mut Telling<'_>,
) -> Result<(InPlace, Tally), Error> {
    let ledger = Ledger::default();
    let listener = std::thread::current();
    let placed = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let outcome = installation.run(content, &|told| ledger.tell(told));
            listener.unpark();
            outcome
        });
        while !worker.is_finished() {
            std::thread::park_timeout(ASK_INTERVAL);
            ledger.take().into_iter().for_each(|told| narrator.told(told, narration));
        }
        worker.join().expect("a run reports its failures and does not panic")
    });
    ledger.take().into_iter().for_each(|told| narrator.told(told, narration));
    let tally = narrator.finish(narration);
    Ok((placed?, tally))
}

/// Hands what is told to the report.
pub struct Telling<'a> {
    /// Whoever listens.
    pub report: &'a mut dyn Report,
    /// On which side things happen.
    pub which: Which,
}

impl Narration for Telling<'_> {
    fn action(&mut self, action: &Action) {
        self.report.event(Event::Action(action, self.which));
    }

    fn problem(&mut self, problem: &Problem) {
        self.report.event(Event::Problem(problem, self.which));
    }
}

/// Tells the problems of a scan or a plan and counts them.
pub fn tell_problems(problems: &[Problem], mut tally: Tally, narration: &mut dyn Narration) -> Tally {
    for problem in problems {
        tally.problem(problem.kind);
        narration.problem(problem);
    }
    tally
}

/// Keeps the index of a root; a cache that cannot be written is told and costs time only.
pub fn keep(side: &Side, found: &Found, tree: &Tree, report: &mut dyn Report) {
    if let Err(note) = side.save(found, tree) {
        report.event(Event::Note(&note));
    }
}

/// As [`keep`], and what was found lies in the index from then on.
pub fn keep_there(side: &Side, end: &mut End, report: &mut dyn Report) {
    match side.save(&end.found, &end.tree) {
        Ok(file) => end.found.lie_in(file.as_ref()),
        Err(note) => report.event(Event::Note(&note)),
    }
}

/// The summary of a job that ran to its end.
pub fn summarize(tally: Tally, left: RootSummary, right: RootSummary, equal: bool) -> Summary {
    Summary {
        alike: equal && tally.problems == 0,
        left,
        right,
        totals: tally.totals,
        problems: tally.problems,
        problem_exit: tally.exit,
        ..Summary::default()
    }
}
