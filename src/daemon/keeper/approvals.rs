//! Commands that said what is meant, and wait to hear whether that was enough: a look judges what was deleted here, the plan
//! after it what others deleted.

use tokio::sync::oneshot;

use super::task::{Task, why};
use crate::daemon::config::ShareName;
use crate::daemon::control::Refusal;
use crate::daemon::journal::Level;
use crate::model::{Problem, ProblemKind};
use crate::sync::error::Error;

/// Where a command waits.
pub type Answering = oneshot::Sender<Result<(), Refusal>>;

/// The exit status where the guard still refuses.
const GUARDED: u8 = 25;
/// Where it makes no sense.
const USAGE: u8 = 2;
/// And where the share cannot be worked on.
const ROOT: u8 = 3;

/// The commands that wait for a plan.
#[derive(Debug, Default)]
pub struct Approvals {
    /// For the next one.
    coming: Vec<Answering>,
    /// For the one that is carried out.
    running: Vec<Answering>,
}

impl Approvals {
    /// A plan is made and carried out from now on.
    pub fn placing(&mut self) {
        self.running.append(&mut self.coming);
    }

    /// It was; what is held still.
    pub fn placed(&mut self, held: &[Problem], share: &ShareName) {
        for answer in self.running.drain(..) {
            tell(answer, held.first().map_or(Ok(()), |held| Err(refused(held, share))));
        }
    }

    /// It was not.
    pub fn failed(&mut self, error: &Error) {
        for answer in self.running.drain(..) {
            tell(answer, Err(Refusal::new(ROOT, why(error))));
        }
    }
}

impl Task {
    /// It is known what somebody means, and what was held back all the same.
    pub(super) fn meant(&mut self, meant: Result<Vec<Problem>, Error>, answer: Answering) {
        let problems = match meant {
            Ok(problems) => problems,
            Err(Error::Usage { message, hint }) => return tell(answer, Err(Refusal::new(USAGE, message).hint(hint))),
            Err(error) => return tell(answer, Err(Refusal::new(ROOT, why(&error)))),
        };
        self.refresh();
        let name = self.keeper.name.clone();
        match problems.iter().find(|problem| problem.kind == ProblemKind::Guarded) {
            Some(held) => tell(answer, Err(refused(held, &name))),
            None => self.approvals.coming.push(answer),
        }
        self.hub.note(Level::Info, "told what is meant", &name, &[]);
        self.steps.unplaced = true;
        self.steps.place_after = self.hub.now();
    }
}

fn refused(held: &Problem, share: &ShareName) -> Refusal {
    let refusal = Refusal::new(GUARDED, format!("more deletes are held in `{share}` than were said to be meant"));
    Refusal { causes: vec![held.cause.clone()], ..refusal }.hint(format!("`alike approve {share}` means all of them"))
}

/// The command may have gone.
fn tell(answer: Answering, outcome: Result<(), Refusal>) {
    let _ = answer.send(outcome);
}
