//! Where the bytes of each wanted file come from: a file of the target that moves, a copy of one, or the source.
//!
//! A file moves at most once, and only where that leaves no path without content while others are fetched: what stands
//! at a path that is wanted too moves only if a rename fills that path again. Otherwise its bytes are copied.

use super::holders::{Holders, join};
use super::links::Links;
use super::spot::{Fate, NONE, Origin, Table, known, number};
use crate::model::entry::Kind;

/// Decides the origin of every spot that needs a body.
pub(super) fn find(table: &mut Table<'_>, holders: &Holders, links: &mut Links) {
    let mut wants = Vec::new();
    for index in 0..table.spots.len() {
        if !matches!(table.spots[index].fate, Fate::Body(_)) {
            continue;
        }
        match (holders.id(table, index), &table.spots[index].want) {
            (Some(id), Some(_)) => wants.push((id, number(index))),
            (None, Some(want)) if !want.is_file() => table.spots[index].fate = Fate::Body(Origin::Nothing),
            (_, Some(_) | None) => {}
        }
    }
    if wants.is_empty() {
        return;
    }
    wants.sort_unstable();
    let mut moves = Moves { taker: vec![NONE; table.spots.len()], links };
    for same in wants.chunk_by(|left, right| left.0 == right.0) {
        let wants = same.iter().map(|&(_, spot)| spot).collect();
        moves.share(table, wants, holders.of_id(same[0].0));
    }
    moves.settle(table);
}

/// Who takes what stands at each spot.
struct Moves<'l> {
    taker: Vec<u32>,
    links: &'l mut Links,
}

impl Moves<'_> {
    /// Shares the holders of one content out to the spots that want it.
    fn share(&mut self, table: &mut Table<'_>, mut wants: Vec<u32>, holders: &[(u32, u32)]) {
        for &want in &wants {
            let own = table.spots[want as usize].row.filter(|&row| holds(table, row, want));
            let from = own.unwrap_or(holders[0].1);
            table.spots[want as usize].fate = Fate::Body(Origin::Copy(from));
        }
        // A directory is only replaced when its turn comes, so nothing can be moved to its path before that.
        let standing = |index: u32| table.row(index as usize).map(|row| row.kind());
        wants.retain(|&index| standing(index) != Some(Kind::Directory));
        let spots = holders.iter().filter_map(|&(_, row)| table.spot_of(row));
        let (vanishing, replaced): (Vec<usize>, Vec<usize>) =
            spots.filter(|&spot| movable(table, spot)).partition(|&spot| table.spots[spot].fate == Fate::Delete);
        for group in [vanishing, replaced] {
            self.assign(table, &mut wants, group.into_iter().map(number).collect());
        }
    }

    /// Gives each holder to one want: of the same name first, then of the same directory, then in tree order.
    fn assign(&mut self, table: &mut Table<'_>, wants: &mut Vec<u32>, mut holders: Vec<u32>) {
        for round in 0..3 {
            if wants.is_empty() || holders.is_empty() {
                return;
            }
            let mut couples = Vec::new();
            if wants.len() == 1 && holders.len() == 1 {
                couples.push((wants[0], holders[0]));
            } else {
                let path = |index: u32| table.spots[index as usize].path.as_ref();
                let key = |index: u32| match round {
                    0 => path(index).name(),
                    1 => path(index).parent().map_or(&b""[..], |parent| parent.as_bytes()),
                    _ => b"",
                };
                join(wants, &mut holders, key, |wants, holders| {
                    couples.extend(wants.iter().copied().zip(holders.iter().copied()));
                });
            }
            for (want, holder) in couples {
                self.couple(table, want, holder);
            }
            wants.retain(|&want| !matches!(table.spots[want as usize].fate, Fate::Body(Origin::Move(_))));
            holders.retain(|&holder| self.taker[holder as usize] == NONE);
        }
    }

    fn couple(&mut self, table: &mut Table<'_>, want: u32, holder: u32) {
        if want != holder && self.links.may_move(holder as usize) {
            self.links.moved(holder as usize, want as usize);
            self.taker[holder as usize] = want;
            table.spots[want as usize].fate = Fate::Body(Origin::Move(holder));
        }
    }

    /// Turns moves that would leave a wanted path empty into copies, and notes what is gone for good.
    fn settle(&mut self, table: &mut Table<'_>) {
        for index in 0..table.spots.len() {
            let mut at = index;
            while self.taker[at] != NONE && !refilled(table.spots[at].fate) {
                let taker = std::mem::replace(&mut self.taker[at], NONE) as usize;
                let row = table.spots[at].row.unwrap_or_default();
                table.spots[taker].fate = Fate::Body(Origin::Copy(row));
                at = taker;
            }
        }
        for index in 0..table.spots.len() {
            if self.taker[index] != NONE && table.spots[index].fate == Fate::Delete {
                table.spots[index].fate = Fate::Gone;
            }
        }
    }
}

/// Whether what stands at a spot may leave it: nothing is wanted there, or something else is.
fn movable(table: &Table<'_>, spot: usize) -> bool {
    match table.spots[spot].fate {
        Fate::Delete | Fate::Body(_) => true,
        Fate::Open
        | Fate::Blocked
        | Fate::Equal
        | Fate::Mkdir
        | Fate::Carried(_)
        | Fate::Link(_)
        | Fate::Metadata
        | Fate::Gone => false,
    }
}

/// Whether a spot whose file has moved away is not left empty for longer than the renames take.
fn refilled(fate: Fate) -> bool {
    matches!(fate, Fate::Delete | Fate::Body(Origin::Move(_)))
}

/// Whether a row holds the bytes that a spot wants.
fn holds(table: &Table<'_>, row: u32, want: u32) -> bool {
    let row = table.target.row(row as usize);
    let held = known(row.kind(), row.size(), row.content());
    held.is_some() && table.spots[want as usize].want.as_ref().map(|want| want.content) == held
}
