//! One end of a meeting: the same steps on either machine. Owns no link and tells nobody.

use std::collections::BTreeSet;
use std::iter::successors;
use std::path::Path;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::disk::gauge::Gauge;
use crate::disk::hidden::Hidden;
use crate::disk::root::Root;
use crate::model::agreed::siblings_of;
pub use crate::model::meeting::Joining;
use crate::model::mint::Renamed;
use crate::model::plan::guard::{Guard, Limit};
use crate::model::plan::twoway::{self, TwoWayInput};
use crate::model::plan::{Plan, Step, Totals};
use crate::model::project::{same_bytes, view_of};
use crate::model::record::Event;
use crate::model::resolve;
use crate::model::{Listing, PathRef, ProblemKind, RelPath, Siblings};
use crate::proto::reconcile::Outcome;
use crate::sync::error::Error;
use crate::sync::found::Found;
use crate::sync::holdings::Holdings;
use crate::sync::job::{Fsync, Reading, Writing};
use crate::sync::mirror;
use crate::sync::narrate::Tally;
use crate::sync::placements::InPlace;
use crate::sync::refuse;
use crate::sync::replica::{Greeting, Looked, Replica};
use crate::sync::report::{RootSummary, Summary};
use crate::sync::side;
use crate::sync::target::{Installation, Place};

/// One end, looked at.
pub struct End {
    /// Its memory.
    pub replica: Replica,
    /// Its disk.
    pub looked: Looked,
    reading: Reading,
    writing: Writing,
}

/// What is to be done at an end.
pub struct Task {
    /// The actions.
    pub plan: Arc<Plan>,
    /// Conflict copies that the end shows in the end.
    pub conflicts: u64,
}

/// Opens the root of a replica, or makes it; a rehearsal makes nothing, and there must be something to look at. One that
/// was there before and is gone is not made: what belongs there is not mounted, more likely than deleted.
pub fn open(path: &Path, writing: &Writing, reading: &Reading) -> Result<Root, Error> {
    refuse::vanished(path, writing.limit)?;
    refuse::linked(path, writing.limit)?;
    Place::open(path, writing, reading)?.root.map_or_else(|| Ok(Root::open(path)?), Ok)
}

impl End {
    /// Opens the replica of a root and looks at it.
    pub fn look(root: Root, reading: &Reading, writing: Writing, gauge: &Gauge) -> Result<End, Error> {
        refuse::receiver(&root, &writing)?;
        End::of(Replica::open(root, reading, writing.clone())?, reading, writing, gauge)
    }

    /// An open replica of whose disk nothing is known yet.
    pub fn unseen(replica: Replica, reading: &Reading, writing: Writing) -> End {
        let looked = Looked { found: Found::nothing(), problems: Vec::new(), renamed: Vec::new() };
        End { replica, looked, reading: reading.clone(), writing }
    }

    /// Looks at the root, again or for the first time.
    pub fn look_again(&mut self, gauge: &Gauge) -> Result<(), Error> {
        self.looked = self.replica.look(gauge)?;
        Ok(())
    }

    /// Looks at the root of an open replica.
    pub fn of(mut replica: Replica, reading: &Reading, writing: Writing, gauge: &Gauge) -> Result<End, Error> {
        let looked = replica.look(gauge)?;
        Ok(End { replica, looked, reading: reading.clone(), writing })
    }

    /// Joins what the comparison brought.
    pub fn join(&mut self, theirs: &Greeting, outcome: &Outcome) -> Result<Joining, Error> {
        let differing = differing(outcome)?;
        let joined = self.replica.meet(theirs, &differing)?;
        drop(differing);
        let joining = joined.joining;
        self.replica.join(joined, theirs, &self.looked.found.listing)?;
        Ok(joining)
    }

    /// Writes files anew whose versions outlived what they were shown in; gives the paths. Both ends do so, and tell each
    /// other, where a join came to [`Joining::Outlived`].
    pub fn revive(&mut self) -> Result<Vec<RelPath>, Error> {
        self.replica.revive(&self.looked.found.listing)
    }

    /// Whether there are versions that differ in mode alone though modes are not wanted. Both ends come to the same.
    pub fn has_modes_to_settle(&mut self) -> Result<bool, Error> {
        if self.reading.fidelity.mode || self.replica.copies() == 0 {
            return Ok(false);
        }
        let agreed = self.replica.agreed()?;
        Ok(resolve::conflicts(agreed).iter().any(|conflict| !resolve::settle_modes(agreed, conflict).events.is_empty()))
    }

    /// Files that were renamed here and edited elsewhere at their old names, where they stay: both are kept.
    pub fn edited_meanwhile(&mut self) -> Result<Vec<Renamed>, Error> {
        let renamed = std::mem::take(&mut self.looked.renamed);
        if renamed.is_empty() {
            return Ok(renamed);
        }
        let agreed = self.replica.agreed()?;
        let is_back = |renamed: &Renamed| {
            let [plain, moved] = [&renamed.from, &renamed.to].map(|path| agreed.project(path.as_ref()).plain);
            plain.is_some_and(|old| old.entry.is_file() && moved.is_none_or(|new| !same_bytes(&old.entry, &new.entry)))
        };
        Ok(renamed.into_iter().filter(is_back).collect())
    }

    /// Decides conflicts here; gives the paths that changed.
    pub fn decide(&mut self, decisions: Vec<(RelPath, Event)>) -> Result<Vec<(RelPath, Siblings)>, Error> {
        self.replica.decide(decisions, &self.looked.found.listing)
    }

    /// A meeting in which it is known already what the other end holds where the two differ. Gives the number of paths that
    /// changed, and what is to be done then.
    pub fn learn(&mut self, theirs: &Greeting, differing: Vec<(RelPath, Siblings)>) -> Result<(usize, Joining), Error> {
        let joined = self.replica.meet(theirs, &differing)?;
        drop(differing);
        let (changed, joining) = (joined.changed.len(), joined.joining);
        let ours = self.replica.greeting();
        let is_news = joined.knowledge != ours.knowledge || theirs.stories().gists() != ours.stories().gists();
        if changed > 0 || is_news {
            self.replica.join(joined, theirs, &self.looked.found.listing)?;
        }
        Ok((changed, joining))
    }

    /// What is to be done here.
    pub fn task(&mut self) -> Result<Task, Error> {
        // Without an index, what is missing on disk has no witness either.
        if self.replica.is_in_place() && self.looked.found.before().is_some() {
            return Ok(Task { plan: Arc::new(Plan::default()), conflicts: self.replica.copies() });
        }
        self.task_at(None, self.writing.limit)
    }

    /// How many deletes are meant.
    pub const fn limit(&self) -> Limit {
        self.writing.limit
    }

    /// How durability is paid for.
    pub const fn fsync(&self) -> Fsync {
        self.writing.fsync
    }

    /// What is to be done at these names, all others being in place; `None`: at any. As many deletes as `limit` are meant.
    pub fn task_at(&mut self, names: Option<&BTreeSet<RelPath>>, limit: Limit) -> Result<Task, Error> {
        let conflicts = self.replica.copies();
        let wanted = match names {
            None => self.replica.wanted()?,
            Some(names) => self.replica.wanted_at(names)?,
        };
        let held = self.replica.held().clone();
        let side = Arc::clone(self.replica.side());
        let hidden = Hidden::new(side.root(), side.filter());
        let left_alone = |path: PathRef<'_>, kind| is_held(&held, path) || hidden.hides(path, kind);
        let planned = |limit: Limit| {
            let input = TwoWayInput {
                wanted: &wanted,
                disk: &self.looked.found.listing,
                lane: side::lane(self.replica.side().reading(), side::superuser()),
                left_alone: &left_alone,
                guard: Guard { limit, source_empty: false },
            };
            names.map_or_else(|| twoway::plan(&input), |names| twoway::plan_at(&input, names))
        };
        let mut plan = planned(limit);
        let is_held = plan.problems.iter().any(|problem| problem.kind == ProblemKind::Guarded);
        if is_held && limit == Limit::Default {
            let all = planned(Limit::Percent(100));
            if is_meant(&all, &wanted, self.looked.found.listing.len()) {
                plan = all;
            }
        }
        Ok(Task { plan: Arc::new(plan), conflicts })
    }

    /// What it can hand out.
    pub fn holdings(&self) -> Holdings {
        Holdings::new(self.looked.found.listing.clone())
    }

    /// Makes a task ready to run. What was found goes with it, until [`End::settle`] brings back what is there then.
    pub fn installation(&mut self, task: Task, gauge: &Arc<Gauge>) -> Installation {
        Installation {
            side: Arc::clone(self.replica.side()),
            found: Arc::new(std::mem::replace(&mut self.looked.found, Found::nothing())),
            plan: task.plan,
            lane: side::lane(self.replica.side().reading(), side::superuser()),
            writing: self.writing.clone(),
            gauge: Arc::clone(gauge),
            lock: self.replica.lock().cloned(),
        }
    }

    /// After a run, or where none was needed: looks again and remembers what is in place.
    pub fn settle(&mut self, installation: Installation, placed: Option<&InPlace>) -> Result<(), Error> {
        self.looked.found = match placed {
            Some(placed) => {
                let (ended, plan) = (installation.ended(placed), Arc::clone(&installation.plan));
                drop(installation);
                let found = ended.look_again(placed)?.0;
                self.replica.note_done(&plan, &mut placed.done(), &found)?;
                // Saved in the index without being recorded, what the user did meanwhile would never be seen again.
                let touched = plan.touched();
                self.replica.overtake(&found, &|path| touched.holds(path))?;
                found
            }
            None => Arc::into_inner(installation.found).expect("nobody else holds what was found before a run"),
        };
        self.replica.settle(&self.looked.found).map(drop)
    }

    /// What is told of it in the end.
    pub fn summary(&self) -> RootSummary {
        let listing = &self.looked.found.listing;
        RootSummary {
            top: self.replica.greeting().top,
            entries: listing.len() as u64,
            bytes: listing.rows().map(|row| row.size()).sum(),
            hashed_bytes: self.looked.found.hashed_bytes,
            ignoring: self.looked.found.obeyed(),
        }
    }
}

/// Whether a name was held back, or would stand in a directory that was: that is not there.
fn is_held(held: &BTreeSet<RelPath>, path: PathRef<'_>) -> bool {
    !held.is_empty() && successors(Some(path), |below| below.parent()).any(|path| held.contains(&path.to_owned()))
}

/// Whether the guard lets a plan go once copies of conflicts that have ended are left out: their paths stay.
fn is_meant(plan: &Plan, wanted: &Listing, entries: usize) -> bool {
    let deletes = plan.actions.iter().filter(|action| matches!(action.step, Step::Delete { .. }));
    let is_copy = |path: &RelPath| view_of(path.as_ref()).is_some_and(|(plain, _)| wanted.find(plain.as_ref()).is_ok());
    let lost = deletes.filter(|action| !is_copy(&action.path)).count();
    Guard { limit: Limit::Default, source_empty: false }.allows(lost, entries)
}

/// [`End::settle`] on a thread of its own: the link is served meanwhile.
pub async fn settled(mut end: End, installation: Installation, placed: Option<InPlace>) -> Result<End, Error> {
    let settling = spawn_blocking(move || {
        end.settle(installation, placed.as_ref())?;
        Ok(end)
    });
    settling.await.expect("a scan reports its failures and does not panic")
}

/// What is told of a meeting in the end; of a rehearsal with what both plans come to.
pub fn summarize(
    (left, right): (RootSummary, RootSummary),
    tally: Tally,
    conflicts: u64,
    rehearsed: Option<Totals>,
) -> Summary {
    let nothing_left = rehearsed.is_none_or(|planned| planned == Totals::default());
    let equal = left.top == right.top && nothing_left;
    Summary { conflicts, ..mirror::summarize(tally, left, right, equal) }
}

/// Whether two ends hold and know the same.
pub fn agree(ours: &Greeting, theirs: &Greeting) -> bool {
    ours.top == theirs.top && ours.knowledge == theirs.knowledge && ours.stories().gists() == theirs.stories().gists()
}

/// Refuses two ends that know the same and hold different things: one of the memories is not what was written.
pub fn consistent(ours: &Greeting, theirs: &Greeting, (left, right): (&str, &str)) -> Result<(), Error> {
    if ours.knowledge == theirs.knowledge && ours.top != theirs.top {
        return Err(Error::Corrupt { left: left.into(), right: right.into() });
    }
    Ok(())
}

/// The siblings that the other end holds where the two differ.
pub fn differing(outcome: &Outcome) -> Result<Vec<(RelPath, Siblings)>, Error> {
    let siblings = |pair: &crate::proto::reconcile::Pair| match &pair.theirs {
        None => Some(Siblings::new()),
        Some(entry) => siblings_of(entry),
    };
    let all = outcome.differing.iter().map(|pair| Some((pair.path.clone(), siblings(pair)?)));
    all.collect::<Option<Vec<_>>>().ok_or_else(|| crate::sync::converse::violation("an entry without its writes"))
}
