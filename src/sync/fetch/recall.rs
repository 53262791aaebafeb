//! Bytes that the other side does not show any more: those that a run has put into a trash are as good.

use super::{Fetch, Fetched};
use crate::disk::root::Root;
use crate::disk::stage::Staged;
use crate::disk::trash::recall;
use crate::model::{Digest, ProblemKind};
use crate::sync::error::Error;
use crate::sync::execute::Run;

/// A source behind which stand the target's own trash, and that of the other side where it is on this machine.
pub struct Recalling<'a, F> {
    /// Asked first.
    pub source: F,
    /// The root of the other side.
    pub other: Option<&'a Root>,
}

impl<F: Fetch + Sync> Fetch for Recalling<'_, F> {
    fn fetch(&self, run: &Run<'_>, wants: &[usize], done: &(dyn Fn(usize, Fetched) + Sync)) -> Result<(), Error> {
        self.source.fetch(run, wants, &|index, fetched| match fetched {
            Err(problem) if problem.kind == ProblemKind::Missing => {
                done(index, self.recalled(run, index).ok_or(problem));
            }
            fetched => done(index, fetched),
        })
    }

    fn stages(&self) -> bool {
        self.source.stages()
    }
}

impl<F> Recalling<'_, F> {
    fn recalled(&self, run: &Run<'_>, index: usize) -> Option<(Staged, Digest)> {
        let wanted = run.plan.actions[index].wanted.as_ref()?;
        let roots = [Some(run.target.root()), self.other];
        let in_trash = |root: &Root| recall::find(root, wanted.size, &wanted.content).ok().flatten();
        let file = roots.into_iter().flatten().find_map(in_trash)?;
        run.target.copy_from(&file, wanted.size, Some(&wanted.content)).ok()
    }
}
