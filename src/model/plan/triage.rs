//! What a mirror must leave alone: what could not be read, what the target cannot hold, what `--keep-extra` keeps.
//! Owns the problems of a plan but for the guard's. Absence caused by an error is never taken for a delete.

use super::spot::{Fate, Table};
use crate::model::entry::Kind;
use crate::model::listing::FLAG_INCOMPLETE;
use crate::model::problem::{Problem, ProblemKind};

/// What the user said about what may be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub keep_extra: bool,
    pub devices: bool,
}

/// Why a spot is left alone.
enum Block {
    /// The source's scan has named it, or it is no problem at all.
    Quiet,
    Problem(ProblemKind, &'static str),
}

/// Blocks the spots that must be left alone, each with all that is below it.
pub(super) fn block(table: &mut Table<'_>, rules: Rules) -> Vec<Problem> {
    let incomplete = incomplete(table);
    let mut problems = Vec::new();
    for (index, incomplete) in incomplete.into_iter().enumerate() {
        let inherited = table.parent(index).is_some_and(|parent| table.spots[parent].fate == Fate::Blocked);
        let block = if inherited { Some(Block::Quiet) } else { judge(table, index, rules, incomplete) };
        let Some(block) = block else { continue };
        let spot = &mut table.spots[index];
        spot.fate = Fate::Blocked;
        if let Block::Problem(kind, cause) = block {
            problems.push(Problem { path: spot.path.clone(), kind, cause: cause.into() });
        }
    }
    problems
}

/// For each spot, whether it is a directory that must not go as a whole.
pub(super) fn incomplete(table: &Table<'_>) -> Vec<bool> {
    table.reach_up(|index| {
        table.spots[index].fate == Fate::Blocked
            || table.row(index).is_some_and(|row| row.kind() == Kind::Unreadable || row.flags() & FLAG_INCOMPLETE != 0)
    })
}

fn judge(table: &Table<'_>, index: usize, rules: Rules, incomplete: bool) -> Option<Block> {
    let row = table.row(index);
    let Some(want) = &table.spots[index].want else {
        return extra(row?.kind(), rules);
    };
    if let Some(block) = unwanted(want.kind, rules) {
        return Some(block);
    }
    let row = row?;
    match row.kind() {
        Kind::Unreadable => {
            Some(Block::Problem(ProblemKind::Unwritable, "what stands here cannot be read, so it stays"))
        }
        Kind::Directory if !want.is_directory() => flip(row.below(), rules, incomplete),
        _ => None,
    }
}

/// Something that only the target has.
fn extra(kind: Kind, rules: Rules) -> Option<Block> {
    if rules.keep_extra {
        Some(Block::Quiet)
    } else if kind == Kind::Unreadable {
        Some(Block::Problem(ProblemKind::Unwritable, "cannot be read here, so it is not deleted"))
    } else {
        None
    }
}

/// Something of the source that is not to be made.
fn unwanted(kind: Kind, rules: Rules) -> Option<Block> {
    let cause = match kind {
        Kind::Unreadable => return Some(Block::Quiet),
        Kind::Socket => "a socket: it cannot be copied",
        Kind::Fifo if !rules.devices => "a fifo: -D copies it",
        Kind::BlockDevice | Kind::CharDevice if !rules.devices => "a device: -D copies it",
        Kind::File | Kind::Directory | Kind::Symlink | Kind::Fifo | Kind::BlockDevice | Kind::CharDevice => {
            return None;
        }
    };
    Some(Block::Problem(ProblemKind::Unrepresentable, cause))
}

/// A directory that something else shall replace.
fn flip(below: usize, rules: Rules, incomplete: bool) -> Option<Block> {
    let cause = if incomplete {
        "the directory that stands here holds ignored files or what cannot be read, so it is not replaced"
    } else if rules.keep_extra && below > 0 {
        "the directory that stands here holds what --keep-extra keeps, so it is not replaced"
    } else {
        return None;
    };
    Some(Block::Problem(ProblemKind::Unwritable, cause))
}
