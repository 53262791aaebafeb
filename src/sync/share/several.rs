//! Content from several members: each is asked for what those before it did not have, or died over. Owns how much is asked
//! for at once; what is not asked for is wanted still.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Problem, ProblemKind};
use crate::sync::error::Error;
use crate::sync::execute::Run;
use crate::sync::fetch::remote::RemoteSource;
use crate::sync::fetch::{Fetch, Fetched};

/// Files that one slice brings.
const SLICE_FILES_MAX: usize = 2048;
/// Bytes after which a slice brings no more files.
const SLICE_BYTES_MAX: u64 = 32 << 20;

/// Members that may have what is wanted, the first asked first.
pub struct Several<'a> {
    /// Their links.
    pub sources: &'a [RemoteSource],
}

impl Fetch for Several<'_> {
    fn fetch(&self, run: &Run<'_>, wants: &[usize], done: &(dyn Fn(usize, Fetched) + Sync)) -> Result<(), Error> {
        let mut left = slice(run, wants);
        let mut refusals: Vec<(usize, Problem)> = Vec::new();
        for source in self.sources {
            if left.is_empty() || run.gauge.stopped() {
                break;
            }
            let (answered, refused) = (Mutex::new(HashSet::new()), Mutex::new(Vec::new()));
            // A link that dies leaves its wants to the next member.
            let _died = source.fetch(run, &left, &|index, fetched| match fetched {
                Err(problem) if is_elsewhere(problem.kind) => lock(&refused).push((index, problem)),
                fetched => {
                    lock(&answered).insert(index);
                    done(index, fetched);
                }
            });
            let answered = answered.into_inner().unwrap_or_else(PoisonError::into_inner);
            refusals.extend(refused.into_inner().unwrap_or_else(PoisonError::into_inner));
            left.retain(|index| !answered.contains(index));
        }
        for index in left {
            let told = refusals.iter().position(|(refused, _)| *refused == index);
            let problem = told.map_or_else(|| nobody(run, index), |at| refusals.swap_remove(at).1);
            done(index, Err(problem));
        }
        if run.gauge.stopped() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Whether another member may have what this one does not.
const fn is_elsewhere(kind: ProblemKind) -> bool {
    match kind {
        ProblemKind::Changed | ProblemKind::Vanished | ProblemKind::Missing | ProblemKind::Unreadable => true,
        ProblemKind::Unwritable | ProblemKind::Unrepresentable | ProblemKind::Guarded => false,
    }
}

fn nobody(run: &Run<'_>, index: usize) -> Problem {
    let path = run.plan.actions[index].path.clone();
    Problem { path, kind: ProblemKind::Missing, cause: "no member that can be reached has these bytes".into() }
}

/// As many of the wants as one slice brings: at least one.
fn slice(run: &Run<'_>, wants: &[usize]) -> Vec<usize> {
    let mut bytes = 0;
    let fits = |&&index: &&usize| {
        let before = bytes;
        bytes += run.plan.actions[index].wanted.as_ref().map_or(0, |wanted| wanted.size);
        before < SLICE_BYTES_MAX
    };
    wants.iter().take(SLICE_FILES_MAX).take_while(fits).copied().collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
