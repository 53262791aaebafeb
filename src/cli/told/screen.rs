//! Receives what a job tells and has it said. Remembers the worst of it for the exit status.

use std::sync::Arc;

use super::desk::Desk;
use super::ticker::Ticker;
use crate::cli::exit::Exit;
use crate::cli::paint::safe;
use crate::sync::report::{Event, Gauges, Report};

/// The report of one job.
pub struct Screen {
    desk: Arc<Desk>,
    ticker: Option<Ticker>,
    notes: bool,
    worst: Exit,
    problems: u64,
}

impl Screen {
    /// A screen; with `notes` it tells what only the curious ask for.
    pub fn new(desk: Arc<Desk>, notes: bool) -> Screen {
        Screen { desk, ticker: None, notes, worst: Exit::Alike, problems: 0 }
    }

    /// Ends the progress: the worst status that a problem asked for, and the number of problems.
    pub fn finish(mut self) -> (Exit, u64) {
        drop(self.ticker.take());
        self.desk.lock().output.end_bar();
        (self.worst, self.problems)
    }
}

impl Report for Screen {
    fn gauges(&mut self, gauges: &Gauges) {
        self.desk.watch(gauges);
        self.ticker.get_or_insert_with(|| Ticker::start(Arc::clone(&self.desk)));
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Header { left, right } => self.desk.say(|form, out| {
                form.header(out, left, right);
                out.flush();
            }),
            Event::Note(text) if self.notes => self.desk.say(|_, out| {
                text.lines().for_each(|line| out.complain(safe(line)));
            }),
            Event::Note(_) => {}
            Event::Forgotten(place) => self.desk.say(|form, out| form.forgotten(out, place)),
            Event::Conflict(conflict) => self.desk.say(|form, out| form.conflict(out, conflict)),
            Event::EditedAtOldName { from, to } => self.desk.say(|form, out| form.edited_at_old_name(out, from, to)),
            Event::Settled(path, kept) => self.desk.say(|form, out| form.settled(out, path, kept)),
            Event::Version(path, version) => self.desk.say(|form, out| form.version(out, path, version)),
            Event::Planned(totals) => self.desk.plan(totals),
            Event::Action(action, side) => self.desk.say(|form, out| form.action(out, action, side)),
            Event::Problem(problem, side) => {
                self.worst = self.worst.worst(Exit::of_problem(problem.kind));
                self.problems += 1;
                self.desk.say(|form, out| form.problem(out, problem, side));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::tests::pages;
    use crate::cli::told::form::Direction;
    use crate::cli::told::json::Json;
    use crate::cli::told::samples;
    use crate::model::plan::Totals;
    use crate::model::{Problem, ProblemKind};
    use crate::sync::report::Side;

    fn desk() -> (Arc<Desk>, crate::cli::output::tests::Page) {
        let (output, stdout, _) = pages();
        let json = Json { verb: "mirror", direction: Direction::Right, dry_run: false, quick: false };
        (Arc::new(Desk::new(Box::new(json), output)), stdout)
    }

    #[test]
    fn the_worst_problem_counts() {
        let (desk, _) = desk();
        let mut screen = Screen::new(desk, false);
        for kind in [ProblemKind::Changed, ProblemKind::Guarded, ProblemKind::Unreadable] {
            screen.event(Event::Problem(&Problem { kind, ..samples::problem() }, Side::Left));
        }
        assert_eq!(screen.finish(), (Exit::Guarded, 3));
    }

    #[test]
    fn progress_carries_exact_totals_once_the_plan_is_known() {
        let (desk, stdout) = desk();
        let mut screen = Screen::new(Arc::clone(&desk), false);
        let gauges = Gauges::default();
        screen.gauges(&gauges);
        desk.tick();
        screen.event(Event::Planned(&Totals { files: 3, bytes: 4, ..Totals::default() }));
        desk.tick();
        screen.finish();
        let text = stdout.text();
        assert!(text.lines().next().is_some_and(|line| line.contains(r#""phase":"scan""#)), "{text}");
        assert!(text.lines().last().is_some_and(|line| line.contains(r#""files_total":3,"bytes_total":4"#)), "{text}");
    }

    #[test]
    fn an_interrupt_stops_both_sides() {
        let (desk, _) = desk();
        assert!(!desk.stop(), "there is no job yet");
        let gauges = Gauges::default();
        Screen::new(Arc::clone(&desk), false).gauges(&gauges);
        assert!(desk.stop());
        assert!(gauges.left.stopped() && gauges.right.stopped());
    }
}
