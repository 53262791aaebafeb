//! Tells what a run does: actions in plan order, each once it is done; problems at once. Counts what was really done.

use std::sync::Arc;

use super::execute::Told;
use crate::model::plan::{Action, Plan, Totals};
use crate::model::{Problem, ProblemKind};

/// Receives what is told.
pub trait Narration {
    /// An action was done, or in a dry run would be.
    fn action(&mut self, action: &Action);
    /// A path failed.
    fn problem(&mut self, problem: &Problem);
}

/// Puts what happens in any order into plan order.
pub struct Narrator {
    plan: Arc<Plan>,
    done: Vec<bool>,
    next: usize,
    tally: Tally,
}

/// What was done, and how it ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// What was really done.
    pub totals: Totals,
    /// Number of problems.
    pub problems: u64,
    /// The exit status that the problems ask for.
    pub exit: u8,
}

impl Tally {
    /// Counts a problem.
    pub fn problem(&mut self, kind: ProblemKind) {
        self.problems += 1;
        self.exit = worse(self.exit, exit_of(kind));
    }
}

impl Narrator {
    /// A narrator of `plan`, on top of what was counted before.
    pub fn new(plan: Arc<Plan>, tally: Tally) -> Narrator {
        let done = vec![false; plan.actions.len()];
        Narrator { plan, done, next: 0, tally }
    }

    /// Tells all of the plan as it stands: the dry run.
    pub fn rehearse(mut self, narration: &mut dyn Narration) -> Tally {
        self.done.fill(true);
        self.finish(narration)
    }

    /// Takes what happened and tells what can be told.
    pub fn told(&mut self, told: Told, narration: &mut dyn Narration) {
        match told {
            Told::Done(index) => {
                self.done[index] = true;
                while self.done.get(self.next) == Some(&true) {
                    self.tell_next(narration);
                }
            }
            Told::Problem(problem) => {
                self.tally.problem(problem.kind);
                narration.problem(&problem);
            }
        }
    }

    /// Tells the rest: what was done after something that was not.
    pub fn finish(mut self, narration: &mut dyn Narration) -> Tally {
        while let Some(&done) = self.done.get(self.next) {
            if done { self.tell_next(narration) } else { self.next += 1 }
        }
        self.tally
    }

    fn tell_next(&mut self, narration: &mut dyn Narration) {
        let action = &self.plan.actions[self.next];
        self.tally.totals.add(action);
        narration.action(action);
        self.next += 1;
    }
}

/// The exit status that a kind of problem asks for.
fn exit_of(kind: ProblemKind) -> u8 {
    match kind {
        ProblemKind::Guarded => 25,
        ProblemKind::Changed | ProblemKind::Vanished => 24,
        ProblemKind::Unreadable
        | ProblemKind::Unwritable
        | ProblemKind::Unrepresentable
        | ProblemKind::Missing
        | ProblemKind::Rotten => 23,
    }
}

/// The one of two problem statuses that is told: 25, then 23, then 24.
fn worse(left: u8, right: u8) -> u8 {
    let rank = |status: u8| [0, 24, 23, 25].iter().position(|&known| known == status).unwrap_or(0);
    if rank(left) >= rank(right) { left } else { right }
}
