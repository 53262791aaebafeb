//! Content from several members: each is asked for what those before it did not have, or died over; ranges of a large file
//! come from all of them at once.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::model::{Problem, ProblemKind};
use crate::net::Link;
use crate::sync::error::Error;
use crate::sync::execute::Run;
use crate::sync::fetch::remote::RemoteSource;
use crate::sync::fetch::{Fetch, Fetched};

/// Members that may have what is wanted, the first asked first.
pub struct Several<'a> {
    /// Their links.
    pub links: &'a [Link],
    /// What their streams run on.
    pub runtime: &'a Handle,
}

impl Fetch for Several<'_> {
    fn fetch(&self, run: &Run<'_>, wants: &[usize], done: &(dyn Fn(usize, Fetched) + Sync)) -> Result<(), Error> {
        let mut left = wants.to_vec();
        let mut refusals: Vec<(usize, Problem)> = Vec::new();
        for (number, link) in self.links.iter().enumerate() {
            if left.is_empty() || run.gauge.stopped() {
                break;
            }
            let others = self.links[number + 1..].to_vec();
            let source = RemoteSource::new(link.clone(), self.runtime.clone()).with_help(others);
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
        ProblemKind::Unwritable | ProblemKind::Unrepresentable | ProblemKind::Guarded | ProblemKind::Rotten => false,
    }
}

fn nobody(run: &Run<'_>, index: usize) -> Problem {
    let path = run.plan.actions[index].path.clone();
    Problem { path, kind: ProblemKind::Missing, cause: "no member that can be reached has these bytes".into() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
