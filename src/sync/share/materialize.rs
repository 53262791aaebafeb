//! Making the disk show what is agreed on, slice by slice: each plans anew, so a slice that was cut off costs nothing but
//! itself. Owns when to go on and when to stop.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::core::{Core, Share, WAIT_MAX};
use super::settings::Role;
use super::several::Several;
use crate::disk::gauge::Gauge;
use crate::model::plan::{Plan, Source, Step};
use crate::model::{Problem, ProblemKind, RelPath};
use crate::net::Link;
use crate::sync::error::Error;
use crate::sync::execute::Told;
use crate::sync::fetch::recall::Recalling;
use crate::sync::fetch::remote::RemoteSource;
use crate::sync::ledger::Ledger;
use crate::sync::narrate::{Narration, Narrator, Tally};

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
    /// Content is needed, and no link is open yet.
    Content,
    /// Something was planned and done.
    Ran(Ran),
}

struct Ran {
    plan: Arc<Plan>,
    told: Vec<Told>,
}

impl Share {
    /// Makes the disk show what is agreed on, as far as the content can be had. Other steps come in between the slices.
    pub async fn materialize(
        &self,
        sources: &dyn Sources,
        narration: &mut (dyn Narration + Send),
    ) -> Result<Materialized, Error> {
        if self.role() == Role::Send {
            return Ok(Materialized::default());
        }
        let mut links: Option<Vec<Link>> = None;
        let outcome = self.slices(sources, &mut links, narration).await;
        for link in links.into_iter().flatten() {
            link.close().await;
        }
        outcome
    }

    async fn slices(
        &self,
        sources: &dyn Sources,
        links: &mut Option<Vec<Link>>,
        narration: &mut (dyn Narration + Send),
    ) -> Result<Materialized, Error> {
        let mut tally = Tally::default();
        let mut told: BTreeSet<RelPath> = BTreeSet::new();
        loop {
            let (opened, gauge) = (links.clone(), Arc::clone(&self.0.gauge));
            let runtime = Handle::current();
            let slice = self.step(WAIT_MAX, move |core| core.slice(opened.as_deref(), &runtime, &gauge)).await?;
            let ran = match slice {
                Slice::Done => return Ok(Materialized { tally, wanted: 0 }),
                Slice::Content => {
                    let opening = links.insert(Vec::new());
                    for number in 0..sources.count() {
                        opening.extend(sources.open(number).await);
                    }
                    continue;
                }
                Slice::Ran(ran) => ran,
            };
            let done = ran.told.iter().filter(|told| matches!(told, Told::Done(_))).count();
            let left = (ran.plan.actions.len() - done) as u64;
            let mut narrator = Narrator::new(ran.plan, tally);
            for happened in ran.told {
                // A path that fails in every slice is told once.
                let again = matches!(&happened, Told::Problem(problem) if !told.insert(problem.path.clone()));
                if !again {
                    narrator.told(happened, narration);
                }
            }
            tally = narrator.finish(narration);
            if done == 0 || left == 0 {
                return Ok(Materialized { tally, wanted: left });
            }
        }
    }
}

impl Core {
    fn slice(&mut self, links: Option<&[Link]>, runtime: &Handle, gauge: &Arc<Gauge>) -> Result<Slice, Error> {
        if !self.looked {
            return Err(Error::Busy { what: "the share was not looked at yet".into() });
        }
        let task = self.end.task()?;
        let plan = Arc::clone(&task.plan);
        self.note_plan(&plan);
        if links.is_none() && plan.actions.iter().any(|action| needs_content(&action.step)) {
            return Ok(Slice::Content);
        }
        let installation = self.end.installation(task, gauge);
        if !installation.is_needed() {
            self.end.settle(installation, None)?;
            return Ok(Slice::Done);
        }
        let sources: Vec<RemoteSource> =
            links.unwrap_or_default().iter().map(|link| RemoteSource::new(link.clone(), runtime.clone())).collect();
        let content = Recalling { source: Several { sources: &sources }, other: None };
        let ledger = Ledger::default();
        let placed = installation.run(&content, &|told| ledger.tell(told));
        // What was put in place before a failure is in place.
        let empty = Default::default();
        self.end.settle(installation, Some(placed.as_ref().unwrap_or(&empty)))?;
        placed?;
        let told = ledger.take();
        let done = told.iter().filter(|told| matches!(told, Told::Done(_))).count();
        self.standing.wanted = Some((plan.actions.len() - done) as u64);
        self.note_problems(&told);
        Ok(if plan.actions.is_empty() { Slice::Done } else { Slice::Ran(Ran { plan, told }) })
    }

    fn note_plan(&mut self, plan: &Plan) {
        self.standing.wanted = Some(plan.actions.len() as u64);
        let (held, others): (Vec<Problem>, Vec<Problem>) =
            plan.problems.iter().cloned().partition(|problem| problem.kind == ProblemKind::Guarded);
        self.standing.held.extend(held);
        self.standing.problems.extend(others);
        dedup(&mut self.standing.held);
        dedup(&mut self.standing.problems);
    }

    fn note_problems(&mut self, told: &[Told]) {
        let problems = told.iter().filter_map(|told| match told {
            Told::Problem(problem) => Some(problem.clone()),
            Told::Done(_) => None,
        });
        self.standing.problems.extend(problems);
        dedup(&mut self.standing.problems);
    }
}

fn dedup(problems: &mut Vec<Problem>) {
    problems.sort_by(|left, right| (&left.path, left.kind, &left.cause).cmp(&(&right.path, right.kind, &right.cause)));
    problems.dedup_by(|left, right| left.path == right.path && left.kind == right.kind && left.cause == right.cause);
}

const fn needs_content(step: &Step) -> bool {
    matches!(step, Step::Create(Source::Fetch) | Step::Update(Source::Fetch))
}
