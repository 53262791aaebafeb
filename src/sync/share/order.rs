//! Content on order: what a plan lacks is fetched to the depot while nobody holds the share, and put in place by the next
//! slice that has it. Owns how much is fetched at once. A large file is fetched beside all else, one at a time.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::task::{JoinHandle, spawn_blocking};

use super::several::Several;
use crate::disk::control::Lock;
use crate::disk::depot::{Depot, Keep};
use crate::disk::gauge::Gauge;
use crate::disk::handles::raise_limit;
use crate::disk::stage::Staged;
use crate::disk::target::{Fsync, Target, TargetOptions};
use crate::model::plan::{Plan, Source, Step};
use crate::model::{Digest, Listing, Problem, RelPath};
use crate::net::Link;
use crate::sync::error::Error;
use crate::sync::execute::Run;
use crate::sync::fetch::recall::Recalling;
use crate::sync::fetch::{Fetch, Fetched};
use crate::sync::side::Side;

/// Files that are fetched before those that came are put in place,
const SLICE_FILES_MIN: usize = 1024;
/// and so many where more are wanted: each slice plans anew and copies all rows, so slices of one size cost the square of what
/// is wanted. A slice is put in place within a second all the same.
const SLICE_FILES_MAX: usize = 16 << 10;
/// Each file of a slice holds a handle until it is in place: this part of what may be open.
const SLICE_HANDLES_PART: usize = 4;
/// Bytes after which no more files are fetched before.
const SLICE_BYTES_MAX: u64 = 32 << 20;
/// Longer files are fetched beside the others, which do not wait for them.
const LARGE_BYTES_MIN: u64 = 8 << 20;

/// The depot of a share while it is made to show what is agreed on. Whoever fetches holds it: the root is let go of after the
/// last one.
pub struct Works {
    depot: OnceLock<Arc<Depot>>,
    _turn: OwnedMutexGuard<()>,
}

impl Works {
    /// Nothing is open yet.
    pub fn new(turn: OwnedMutexGuard<()>) -> Works {
        Works { depot: OnceLock::new(), _turn: turn }
    }

    /// Whether the depot is open.
    pub fn is_open(&self) -> bool {
        self.depot.get().is_some()
    }

    /// The depot, opened where it is not. To be called with the share in hand.
    pub fn depot(&self, side: &Side, lock: Option<&Lock>, fsync: Fsync) -> Result<Arc<Depot>, Error> {
        if let Some(depot) = self.depot.get() {
            return Ok(Arc::clone(depot));
        }
        let depot = Arc::new(Depot::open(side.root(), fsync, lock)?);
        Ok(Arc::clone(self.depot.get_or_init(|| depot)))
    }

    /// Ends it, where nobody fetches any more.
    pub fn finish(works: Arc<Works>, side: &Side, keep: Keep) -> Result<(), Error> {
        let depot = Arc::into_inner(works).and_then(|works| works.depot.into_inner()).and_then(Arc::into_inner);
        Ok(depot.map_or(Ok(()), |depot| depot.finish(side.root(), keep))?)
    }
}

/// What a plan lacks.
#[derive(Clone)]
pub struct Order {
    pub plan: Arc<Plan>,
    /// Whether the rest of it was done: then there is nothing to do before something comes.
    pub is_run: bool,
    /// Indices of its actions.
    pub wants: Vec<usize>,
    pub listing: Listing,
    pub side: Arc<Side>,
    pub options: TargetOptions,
    pub depot: Arc<Depot>,
    /// Outlives what is fetched.
    pub _works: Arc<Works>,
}

/// Where content is asked for.
#[derive(Clone)]
pub struct Asked {
    /// Members, the first asked first.
    pub links: Vec<Link>,
    /// What their streams run on.
    pub runtime: Handle,
}

impl Order {
    /// As much of what is small as is put in place at once, but for what was tried before.
    pub fn small(&self, tried: &BTreeSet<Digest>) -> Vec<usize> {
        let mut bytes = 0;
        let fits = |&index: &usize| {
            let before = bytes;
            bytes += self.size(index);
            before < SLICE_BYTES_MAX
        };
        let small = self.wants.iter().copied().filter(|&index| self.size(index) < LARGE_BYTES_MIN);
        let small = small.filter(|&index| !tried.contains(&self.content(index)));
        small.take(slice_files(self.wants.len(), raise_limit())).take_while(fits).collect()
    }

    /// The least of what is large, but for what was tried before.
    pub fn large(&self, tried: &BTreeSet<Digest>) -> Option<usize> {
        let large = self.wants.iter().copied().filter(|&index| self.size(index) >= LARGE_BYTES_MIN);
        large.filter(|&index| !tried.contains(&self.content(index))).min_by_key(|&index| self.size(index))
    }

    /// The digest of what an action wants.
    pub fn content(&self, index: usize) -> Digest {
        self.plan.actions[index].wanted.as_ref().map_or(Digest::UNKNOWN, |wanted| wanted.content)
    }

    fn size(&self, index: usize) -> u64 {
        self.plan.actions[index].wanted.as_ref().map_or(0, |wanted| wanted.size)
    }

    /// Fetches some of it.
    pub async fn fetch(self, wants: Vec<usize>, asked: Asked, gauge: Arc<Gauge>) -> Result<Stock, Error> {
        spawn_blocking(move || self.bring(&wants, &asked, &gauge)).await.unwrap_or(Err(Error::Interrupted))
    }

    fn bring(&self, wants: &[usize], asked: &Asked, gauge: &Gauge) -> Result<Stock, Error> {
        // Nothing is replaced here, so nothing is to be discarded.
        let options = TargetOptions { keep_trash: true, ..self.options };
        let target = Target::open_in(self.side.root().try_clone()?, options, &self.depot)?;
        let stage = |_| target.stage();
        let (plan, listing, tell) = (&self.plan, &self.listing, &|_| {});
        let run = Run { plan, target: &target, listing, gauge, tell, stage: &stage };
        let stock = Mutex::new(Stock::default());
        let source = Several { links: &asked.links, runtime: &asked.runtime };
        let came = |index: usize, fetched: Fetched| match fetched {
            Ok((staged, content)) => lock(&stock).files.entry(content).or_default().push(staged),
            Err(problem) => drop(lock(&stock).problems.insert(problem.path.clone(), (self.content(index), problem))),
        };
        Recalling { source, other: None }.fetch(&run, wants, &came)?;
        Ok(stock.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What came, and why the rest did not.
#[derive(Default)]
pub struct Stock {
    files: HashMap<Digest, Vec<Staged>>,
    problems: HashMap<RelPath, (Digest, Problem)>,
}

impl Stock {
    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// A stock as a source: what is not in it is wanted still.
pub struct Stocked(pub Mutex<Stock>);

impl Fetch for Stocked {
    fn fetch(&self, run: &Run<'_>, wants: &[usize], done: &(dyn Fn(usize, Fetched) + Sync)) -> Result<(), Error> {
        for &index in wants.iter().take_while(|_| !run.gauge.stopped()) {
            let action = &run.plan.actions[index];
            let Some(content) = action.wanted.as_ref().map(|wanted| wanted.content) else { continue };
            let staged = lock(&self.0).files.get_mut(&content).and_then(Vec::pop);
            if let Some(staged) = staged {
                done(index, Ok((staged, content)));
                continue;
            }
            // Something else may be wanted there by now.
            let told = lock(&self.0).problems.get(&action.path).filter(|(then, _)| *then == content).cloned();
            told.into_iter().for_each(|(_, problem)| done(index, Err(problem)));
        }
        if run.gauge.stopped() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// A large file that is being fetched. Dropped, it stops; what came of it is a part, and the next one goes on with that.
pub struct Haul {
    gauge: Arc<Gauge>,
    bringing: JoinHandle<Result<Stock, Error>>,
}

impl Haul {
    /// Begins to fetch one file.
    pub fn begin(order: Order, want: usize, asked: Asked) -> Haul {
        let gauge = Arc::<Gauge>::default();
        let counting = Arc::clone(&gauge);
        let bringing = spawn_blocking(move || order.bring(&[want], &asked, &counting));
        Haul { gauge, bringing }
    }

    /// Waits for the file. May be called again where it was not waited for to the end.
    pub async fn came(&mut self) -> Result<Stock, Error> {
        (&mut self.bringing).await.unwrap_or(Err(Error::Interrupted))
    }

    /// Stops, and waits until the depot is let go of.
    pub async fn stop(mut self) {
        self.gauge.stop();
        let _whatever_came = self.came().await;
    }
}

impl Drop for Haul {
    fn drop(&mut self) {
        self.gauge.stop();
    }
}

/// Whether a step needs bytes from elsewhere.
pub const fn needs_content(step: &Step) -> bool {
    matches!(step, Step::Create(Source::Fetch) | Step::Update(Source::Fetch))
}

/// How many of the files that are wanted come in one slice, where so many files may be open.
fn slice_files(wanted: usize, handles: usize) -> usize {
    let most = (handles / SLICE_HANDLES_PART).clamp(SLICE_FILES_MIN, SLICE_FILES_MAX);
    (wanted / 4).clamp(SLICE_FILES_MIN, most)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::slice_files;

    #[test]
    fn two_hundred_thousand_files_come_in_a_few_slices_and_a_few_in_one() {
        assert_eq!(slice_files(10, 1 << 20), 1024);
        assert_eq!(slice_files(200_000, 1 << 20), 16 << 10);
        assert_eq!(slice_files(200_000, 4096), 1024, "where few files may be open, slices are short");
        let (mut left, mut slices) = (200_000, 0);
        while left > 0 {
            left -= slice_files(left, 1 << 20).min(left);
            slices += 1;
        }
        assert!(slices < 40, "{slices} slices");
    }
}
