//! The plan that makes one replica's disk show what is agreed on: the plan of a mirror whose source is that. Owns what the
//! two differ in; how it is carried out is [`super::mirror`]'s.

use std::collections::BTreeSet;

use super::action::Plan;
use super::guard::Guard;
use super::mirror::{self, MirrorInput, Pair};
use crate::model::entry::{Entry, Kind, Time};
use crate::model::lane::Lane;
use crate::model::listing::{Listing, Row};
use crate::model::merge::{Pair as Rows, Pairs};
use crate::model::mint::is_kept;
use crate::model::path::{PathRef, RelPath};
use crate::model::problem::{Problem, ProblemKind};

/// What the plan is made from.
pub struct TwoWayInput<'a> {
    /// What the disk shall show.
    pub wanted: &'a Listing,
    /// What it shows.
    pub disk: &'a Listing,
    /// Which fields are kept alike here.
    pub lane: Lane,
    /// Whether a name at which something of this kind shall be, or is to go, is left as it is: left out by the user, or
    /// held back.
    pub left_alone: &'a dyn Fn(PathRef<'_>, Kind) -> bool,
    /// How many deletes are meant.
    pub guard: Guard,
}

/// Decides what must be done at this replica.
pub fn plan(input: &TwoWayInput<'_>) -> Plan {
    let TwoWayInput { wanted, disk, .. } = *input;
    let mut deciding = Deciding { input, differing: Vec::new(), problems: Vec::new() };
    for rows in Pairs::new((wanted, 0..wanted.len()), (disk, 0..disk.len())) {
        match rows {
            Rows::Both(want, row) => deciding.decide(Some(wanted.row(want)), Some(row)),
            Rows::Left(want) => deciding.decide(Some(wanted.row(want)), None),
            Rows::Right(row) => deciding.decide(None, Some(row)),
        }
    }
    deciding.finish()
}

/// The same where it is known that the disk shows what it shall at all names but these; `wanted` holds no others.
pub fn plan_at(input: &TwoWayInput<'_>, names: &BTreeSet<RelPath>) -> Plan {
    let mut deciding = Deciding { input, differing: Vec::new(), problems: Vec::new() };
    for name in names {
        let want = input.wanted.find(name.as_ref()).ok().map(|at| input.wanted.row(at));
        let there = input.disk.find(name.as_ref()).ok();
        if want.is_some() || there.is_some() {
            deciding.decide(want, there);
        }
    }
    deciding.finish()
}

struct Deciding<'a> {
    input: &'a TwoWayInput<'a>,
    differing: Vec<Pair>,
    problems: Vec<Problem>,
}

impl Deciding<'_> {
    /// One name: what shall be there, and the row of what is.
    fn decide(&mut self, source: Option<Row<'_>>, target: Option<usize>) {
        let TwoWayInput { disk, lane, left_alone, .. } = self.input;
        let there = target.map(|row| disk.row(row));
        let leading = source.or(there).expect("a pair has at least one side");
        let (path, left_alone) = (leading.path(), || left_alone(leading.path(), leading.kind()));
        let foreign = there.filter(|row| !is_kept(row.kind()));
        if foreign.is_some() && source.is_none() {
            return;
        }
        if let Some(foreign) = foreign.filter(|row| row.kind() != Kind::Unreadable && !left_alone()) {
            let cause = format!("{} stands here", noun(foreign.kind()));
            self.problems.push(Problem { path: path.to_owned(), kind: ProblemKind::Unwritable, cause });
            return;
        }
        let want = source.map(|want| match there {
            // A directory's time alone is nobody's write.
            Some(row) if want.kind() == Kind::Directory && row.kind() == Kind::Directory => {
                Entry { mtime: row.mtime(), ..want.entry() }
            }
            // Of a time that the file system cuts, what it keeps: without it every run would set it anew.
            Some(row) if !lane.mode && is_cut(want.mtime(), row.mtime()) => {
                Entry { mtime: row.mtime(), ..want.entry() }
            }
            _ => want.entry(),
        });
        let same = match (source, &want, there) {
            (Some(wanted), Some(want), Some(row)) => {
                lane.equal_rows(wanted, row)
                    || (want.kind == Kind::Directory && row.kind() == Kind::Directory || want.mtime == row.mtime())
                        && lane.equal(path, want, &row.entry())
            }
            _ => false,
        };
        if !same && !left_alone() {
            self.differing.push(Pair { path: path.to_owned(), source: want, target });
        }
    }

    fn finish(self) -> Plan {
        let TwoWayInput { disk, lane, guard, .. } = *self.input;
        let differing = self.differing;
        let input = MirrorInput { differing, target: disk, lane, keep_extra: false, devices: false, guard };
        let mut plan = mirror::plan(input);
        plan.problems.extend(self.problems);
        plan
    }
}

/// Seconds that lie between a time and what a coarse file system keeps of it, at most.
const CUT_SECS_MAX: u64 = 2;

/// Whether a time is what a coarse file system keeps of one that is wanted.
pub fn is_cut(want: Time, there: Time) -> bool {
    want != there && there.nanos.is_multiple_of(10_000_000) && want.secs.abs_diff(there.secs) <= CUT_SECS_MAX
}

const fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Fifo => "a fifo",
        Kind::BlockDevice | Kind::CharDevice => "a device",
        Kind::Socket => "a socket",
        Kind::File | Kind::Directory | Kind::Symlink | Kind::Unreadable => "something else",
    }
}
