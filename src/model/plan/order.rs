//! The order of renames: directories, then chains of files from their free end, then cycles as exchanges.

use super::action::Onto;
use super::spot::{Fate, NONE, Origin, Table, number};

/// One rename to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// The spot that it goes to.
    pub spot: u32,
    /// The row of what moves.
    pub row: u32,
    /// The row of what stands at the spot when the turn comes.
    pub standing: Option<u32>,
    pub onto: Onto,
}

/// Brings the renames into order. The last member of each cycle is left out: it is done by the turn before.
pub(super) fn turns(table: &Table<'_>) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut files = Files { table, taker: vec![NONE; table.spots.len()], done: Vec::new() };
    for (index, spot) in table.spots.iter().enumerate() {
        match spot.fate {
            Fate::Carried(row) => turns.push(Turn { spot: number(index), row, standing: None, onto: Onto::Nothing }),
            Fate::Body(Origin::Move(from)) => files.taker[from as usize] = number(index),
            _ => {}
        }
    }
    files.done = vec![false; table.spots.len()];
    for index in 0..table.spots.len() {
        if files.taker[index] == NONE {
            files.chain(index, &mut turns);
        }
    }
    for index in 0..table.spots.len() {
        files.cycle(index, &mut turns);
    }
    turns
}

struct Files<'t, 'a> {
    table: &'t Table<'a>,
    /// Who takes what stands at each spot.
    taker: Vec<u32>,
    done: Vec<bool>,
}

impl Files<'_, '_> {
    /// The spot and the row that a spot takes its file from, if it does.
    fn from(&self, index: usize) -> Option<(usize, u32)> {
        match self.table.spots[index].fate {
            Fate::Body(Origin::Move(from)) => Some((from as usize, self.table.spots[from as usize].row?)),
            _ => None,
        }
    }

    /// From a spot that nobody takes from, along those that each fills what the one before has left.
    fn chain(&mut self, free: usize, turns: &mut Vec<Turn>) {
        let mut standing = self.table.spots[free].row;
        let mut at = free;
        while let Some((from, row)) = self.from(at) {
            let onto = if standing.is_some() { Onto::Doomed } else { Onto::Nothing };
            turns.push(Turn { spot: number(at), row, standing, onto });
            self.done[at] = true;
            (at, standing) = (from, None);
        }
    }

    /// From the least spot of a cycle around to the one before it: what stands there goes along from turn to turn.
    fn cycle(&mut self, least: usize, turns: &mut Vec<Turn>) {
        let standing = self.table.spots[least].row;
        let mut at = least;
        while let Some((from, row)) = self.from(at).filter(|_| !self.done[at]) {
            self.done[at] = true;
            if from != least {
                turns.push(Turn { spot: number(at), row, standing, onto: Onto::Wanted });
            }
            at = from;
        }
    }
}
