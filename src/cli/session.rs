//! One job as people see it: the streams, the interrupt, and how its end becomes an exit status.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use super::exit::Exit;
use super::failure::Failure;
use super::flags::voice::Voice;
use super::interrupt;
use super::output::Output;
use super::told::desk::Desk;
use super::told::form::{Ending, Form};
use super::told::screen::Screen;
use crate::sync::error::Error;
use crate::sync::report::{Report, RootSummary, Summary};

/// A job that is about to run.
pub struct Session {
    desk: Arc<Desk>,
    notes: bool,
}

impl Session {
    /// Opens the streams and watches for interrupts.
    pub fn new(voice: &Voice, form: Box<dyn Form>) -> Session {
        let wanted = !(voice.quiet || voice.json || voice.no_progress);
        let output = Output::standard(voice.color);
        let output = if wanted && io::stderr().is_terminal() { output.with_bar() } else { output };
        let desk = Arc::new(Desk::new(form, output));
        interrupt::watch(Arc::clone(&desk));
        Session { desk, notes: voice.verbose > 0 && !voice.quiet }
    }

    /// Runs a job between two roots. Where it ends well `verdict` says whether what was asked is so; problems come on top.
    pub fn pair(
        self,
        verdict: impl FnOnce(&Summary) -> Exit,
        explain: impl FnOnce(&Error) -> Failure,
        run: impl FnOnce(&mut dyn Report) -> Result<Summary, Error>,
    ) -> Exit {
        let mut screen = Screen::new(Arc::clone(&self.desk), self.notes);
        let ended = run(&mut screen);
        let (worst, _) = screen.finish();
        let exit = match &ended {
            Ok(summary) => {
                self.desk.say(|form, out| form.ending(out, Ending::Pair(summary)));
                verdict(summary).worst(Exit::from_code(summary.problem_exit))
            }
            Err(error) => self.failed(error, explain),
        };
        self.close(exit.worst(worst))
    }

    /// Runs a job on one root; `tell` says how it ended, and gives the exit status. Problems come on top.
    pub fn run<T>(
        self,
        explain: impl FnOnce(&Error) -> Failure,
        run: impl FnOnce(&mut dyn Report) -> Result<T, Error>,
        tell: impl FnOnce(&mut dyn Form, &mut Output, &T) -> Exit,
    ) -> Exit {
        let mut screen = Screen::new(Arc::clone(&self.desk), self.notes);
        let ended = run(&mut screen);
        let (worst, _) = screen.finish();
        let exit = match &ended {
            Ok(ended) => {
                let mut exit = Exit::Alike;
                self.desk.say(|form, out| exit = tell(form, out, ended));
                exit
            }
            Err(error) => self.failed(error, explain),
        };
        self.close(exit.worst(worst))
    }

    /// Runs a job on one root.
    pub fn single(
        self,
        explain: impl FnOnce(&Error) -> Failure,
        run: impl FnOnce(&mut dyn Report) -> Result<(RootSummary, u8), Error>,
    ) -> Exit {
        let mut screen = Screen::new(Arc::clone(&self.desk), self.notes);
        let ended = run(&mut screen);
        let (worst, problems) = screen.finish();
        let exit = match &ended {
            Ok((root, code)) => {
                let seconds = self.desk.seconds();
                self.desk.say(|form, out| form.ending(out, Ending::Single { root, problems, seconds }));
                Exit::from_code(*code)
            }
            Err(error) => self.failed(error, explain),
        };
        self.close(exit.worst(worst))
    }

    /// Tells why the job ended, unless it was stopped because nobody reads any more.
    fn failed(&self, error: &Error, explain: impl FnOnce(&Error) -> Failure) -> Exit {
        let failure = explain(error);
        let mut writer = self.desk.lock();
        writer.output.flush();
        if failure.exit == Exit::Interrupted && writer.output.failure().is_some() {
            return failure.exit;
        }
        failure.tell(&mut writer.output)
    }

    /// Sends what is left. A reader that went away is no failure; output that cannot be stored is one.
    fn close(self, exit: Exit) -> Exit {
        let mut writer = self.desk.lock();
        writer.output.flush();
        let failure = match writer.output.failure() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Failure::new(Exit::Root, "cannot write to standard output".into()).caused_by(error)
            }
            _ => return exit,
        };
        exit.worst(failure.tell(&mut writer.output))
    }
}
