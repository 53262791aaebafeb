//! The plan that makes one replica's disk show what is agreed on: the plan of a mirror whose source is that. Owns what the
//! two differ in; how it is carried out is [`super::mirror`]'s.

use super::action::Plan;
use super::guard::Guard;
use super::mirror::{self, MirrorInput, Pair};
use crate::model::entry::{Entry, Kind};
use crate::model::lane::Lane;
use crate::model::listing::Listing;
use crate::model::merge::{Pair as Rows, Pairs};
use crate::model::mint::is_kept;
use crate::model::path::PathRef;
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
    let TwoWayInput { wanted, disk, lane, left_alone, guard } = input;
    let mut differing = Vec::new();
    let mut problems = Vec::new();
    for rows in Pairs::new((wanted, 0..wanted.len()), (disk, 0..disk.len())) {
        let (source, target) = match rows {
            Rows::Both(want, row) => (Some(wanted.row(want)), Some(row)),
            Rows::Left(want) => (Some(wanted.row(want)), None),
            Rows::Right(row) => (None, Some(row)),
        };
        let there = target.map(|row| disk.row(row));
        let leading = source.or(there).expect("a pair has at least one side");
        let (path, left_alone) = (leading.path(), || left_alone(leading.path(), leading.kind()));
        let foreign = there.filter(|row| !is_kept(row.kind()));
        if foreign.is_some() && source.is_none() {
            continue;
        }
        if let Some(foreign) = foreign.filter(|row| row.kind() != Kind::Unreadable && !left_alone()) {
            let cause = format!("{} stands here", noun(foreign.kind()));
            problems.push(Problem { path: path.to_owned(), kind: ProblemKind::Unwritable, cause });
            continue;
        }
        let want = source.map(|want| match there {
            // A directory's time alone is nobody's write.
            Some(row) if want.kind() == Kind::Directory && row.kind() == Kind::Directory => {
                Entry { mtime: row.mtime(), ..want.entry() }
            }
            _ => want.entry(),
        });
        let same = match (source, &want, there) {
            (Some(wanted), Some(want), Some(row)) => {
                lane.equal_rows(wanted, row)
                    || want.kind == Kind::Directory
                        && row.kind() == Kind::Directory
                        && lane.equal(path, want, &row.entry())
            }
            _ => false,
        };
        if !same && !left_alone() {
            differing.push(Pair { path: path.to_owned(), source: want, target });
        }
    }
    let input = MirrorInput { differing, target: disk, lane: *lane, keep_extra: false, devices: false, guard: *guard };
    let mut plan = mirror::plan(input);
    plan.problems.extend(problems);
    plan
}

const fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Fifo => "a fifo",
        Kind::BlockDevice | Kind::CharDevice => "a device",
        Kind::Socket => "a socket",
        Kind::File | Kind::Directory | Kind::Symlink | Kind::Unreadable => "something else",
    }
}
