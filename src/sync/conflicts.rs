//! Conflicts of one replica: which there are, and their settlement. Looks at the root as a sync does; the other replicas
//! learn what was decided when they meet.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use super::error::Error;
use super::execute::Run;
use super::fetch::{Fetch, Fetched};
use super::job::{Conflicts, Reading, Resolve, Writing};
use super::mirror::{Telling, run_and_tell, tell_problems};
use super::narrate::{Narrator, Tally};
use super::refuse;
use super::replica::Replica;
use super::report::{Conflict as Told, Event, Gauges, Report, Side as Which, Summary, Version};
use super::twoway::end::End;
use crate::disk::filter::Filter;
use crate::disk::root::Root;
use crate::model::agreed::Agreed;
use crate::model::project::{Shown, same_version};
use crate::model::record;
use crate::model::resolve::{self, Conflict, Keep, Undecided};
use crate::model::{Listing, PathRef, Problem, ProblemKind, RelPath};

/// What a list came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Number of conflicts.
    pub conflicts: u64,
    /// The exit status that problems ask for.
    pub problem_exit: u8,
}

/// Tells all conflicts.
pub fn list(job: &Conflicts, report: &mut dyn Report) -> Result<Listed, Error> {
    let mut looking = Looking::start(job.root.as_path(), Writing::default(), report)?;
    let agreed = looking.end.replica.agreed()?.clone();
    let own = looking.end.replica.greeting().id;
    let disk = looking.end.looked.found.listing.clone();
    let conflicts = resolve::conflicts(&agreed);
    for conflict in &conflicts {
        let siblings = agreed.siblings(conflict.path.as_ref());
        let version = |shown: &Shown| Version::of(shown, &siblings, own, on_disk(&disk, shown));
        let versions = conflict.shown.iter().map(version).collect();
        looking.telling.report.event(Event::Conflict(&Told { path: conflict.path.clone(), versions }));
    }
    Ok(Listed { conflicts: conflicts.len() as u64, problem_exit: looking.tally.exit })
}

/// Settles all conflicts whose path matches, and makes the disk show it.
pub fn resolve(job: &Resolve, report: &mut dyn Report) -> Result<Summary, Error> {
    let pattern = Pattern::new(job)?;
    refuse::receiver(&Root::open(&job.root)?, &job.writing)?;
    let mut looking = Looking::start(job.root.as_path(), job.writing.clone(), report)?;
    let agreed = looking.end.replica.agreed()?.clone();
    let disk = looking.end.looked.found.listing.clone();
    let mut matching = resolve::conflicts(&agreed);
    matching.retain(|conflict| pattern.matches(conflict));
    let events = decisions(&agreed, &disk, &matching, &job.keep, looking.telling.report)?;
    looking.end.decide(events)?;
    looking.install(job)
}

/// What is decided about each of the conflicts; where one of them cannot be decided nothing is.
fn decisions(
    agreed: &Agreed,
    disk: &Listing,
    matching: &[Conflict],
    keep: &Keep,
    report: &mut dyn Report,
) -> Result<Vec<(RelPath, record::Event)>, Error> {
    let mut names: BTreeSet<RelPath> = BTreeSet::new();
    let mut all = Vec::new();
    for conflict in matching {
        let taken = |name: PathRef<'_>| {
            let agreed_on = agreed.listing().find(name).is_ok() || agreed.has_live_children(name);
            agreed_on || disk.find(name).is_ok() || names.contains(&name.to_owned())
        };
        let settled = resolve::settle(agreed, conflict, keep, &taken).map_err(|why| refused(conflict, keep, why))?;
        names.extend(settled.kept.iter().cloned());
        all.push((conflict, settled));
    }
    for (conflict, settled) in &all {
        report.event(Event::Settled(&conflict.path, &settled.kept));
    }
    Ok(all.into_iter().flat_map(|(_, settled)| settled.events).collect())
}

fn refused(conflict: &Conflict, keep: &Keep, why: Undecided) -> Error {
    let digits = if let Keep::Named(digits) = keep { digits.as_str() } else { "" };
    let path = &conflict.path;
    Error::Usage {
        message: match why {
            Undecided::Nothing => {
                format!("no version of `{path}` has a digest or a replica that begins with `{digits}`")
            }
            Undecided::Several => {
                format!("several versions of `{path}` have a digest or a replica that begins with `{digits}`")
            }
        },
        hint: "nothing was changed; `alike conflicts DIR --json` prints digests and replicas in full".into(),
    }
}

/// Whether the disk shows a version where it belongs.
fn on_disk(disk: &Listing, shown: &Shown) -> bool {
    let there = disk.find(shown.name.as_ref()).ok().map(|index| disk.row(index).entry());
    there.is_some_and(|entry| same_version(&entry, &shown.entry) || entry.is_directory() && shown.entry.is_directory())
}

/// Which paths are meant: one as it is, or gitignore's pattern.
struct Pattern {
    exact: Vec<u8>,
    filter: Filter,
}

impl Pattern {
    fn new(job: &Resolve) -> Result<Pattern, Error> {
        let exact = job.pattern.as_bytes().to_vec();
        let lines: Vec<String> = job.pattern.to_str().map(str::to_owned).into_iter().collect();
        let filter = Filter::new(&lines)
            .map_err(|e| Error::Usage { message: e.to_string(), hint: "patterns have gitignore's syntax".into() })?;
        Ok(Pattern { exact, filter })
    }

    /// A copy's name means its conflict, too.
    fn matches(&self, conflict: &Conflict) -> bool {
        let named = conflict.shown.iter().any(|shown| shown.name.as_bytes() == self.exact);
        named || self.filter.excludes(conflict.path.as_ref(), false)
    }
}

/// A replica that was looked at, and who is told.
struct Looking<'a> {
    end: End,
    gauges: Gauges,
    telling: Telling<'a>,
    tally: Tally,
}

impl<'a> Looking<'a> {
    fn start(root: &std::path::Path, writing: Writing, report: &'a mut dyn Report) -> Result<Looking<'a>, Error> {
        let gauges = Gauges::default();
        report.gauges(&gauges);
        let root = Root::open(root)?;
        refuse::no_replica(&root)?;
        let shown = root.path().display().to_string();
        report.event(Event::Header { left: &shown, right: "" });
        let replica = Replica::open(root, &Reading::default(), writing.clone())?;
        let end = End::of(replica, &Reading::default(), writing, &gauges.left)?;
        let mut telling = Telling { report, which: Which::Left };
        let tally = tell_problems(&end.looked.found.problems, Tally::default(), &mut telling);
        let tally = tell_problems(&end.looked.problems, tally, &mut telling);
        Ok(Looking { end, gauges, telling, tally })
    }

    /// Makes the disk show what is agreed on.
    fn install(mut self, job: &Resolve) -> Result<Summary, Error> {
        let task = self.end.task()?;
        self.tally = tell_problems(&task.plan.problems, self.tally, &mut self.telling);
        self.telling.report.event(Event::Planned(&task.plan.totals()));
        let conflicts = resolve::conflicts(self.end.replica.agreed()?).len() as u64;
        let narrator = Narrator::new(Arc::clone(&task.plan), self.tally);
        if job.writing.dry_run {
            self.tally = narrator.rehearse(&mut self.telling);
            return Ok(self.summary(conflicts));
        }
        let installation = self.end.installation(task, &self.gauges.right);
        if installation.is_needed() {
            let (placed, tally) = run_and_tell(&installation, &Nowhere, narrator, &mut self.telling)?;
            self.tally = tally;
            self.end.settle(installation, Some(&placed))?;
        } else {
            self.tally = narrator.finish(&mut self.telling);
            self.end.settle(installation, None)?;
        }
        Ok(self.summary(conflicts))
    }

    fn summary(&self, conflicts: u64) -> Summary {
        Summary {
            alike: self.tally.problems == 0,
            left: self.end.summary(),
            totals: self.tally.totals,
            conflicts,
            problems: self.tally.problems,
            problem_exit: self.tally.exit,
            ..Summary::default()
        }
    }
}

/// No other replica is asked: what is not here stays wanted.
struct Nowhere;

impl Fetch for Nowhere {
    fn fetch(&self, run: &Run<'_>, wants: &[usize], done: &(dyn Fn(usize, Fetched) + Sync)) -> Result<(), Error> {
        for &index in wants {
            let path = run.plan.actions[index].path.clone();
            let cause = "its bytes are on another replica; the next sync brings them".into();
            done(index, Err(Problem { path, kind: ProblemKind::Missing, cause }));
        }
        Ok(())
    }
}
