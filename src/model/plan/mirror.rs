//! The plan that makes a target equal to a source: from the paths that differ to one action a path. Knows nothing of
//! how entries came here or what becomes of the actions. Start at [`plan`].

use std::collections::HashMap;

use super::action::{Action, Before, Changes, Move, Plan, Source, Step};
use super::deletes::{self, Way};
use super::guard::Guard;
use super::holders::Holders;
use super::links::{Links, Place};
use super::order;
use super::spot::{Anchor, Fate, Origin, Spot, Table, changes, number};
use super::triage::{self, Rules};
use super::{content, folders};
use crate::model::entry::Entry;
use crate::model::lane::Lane;
use crate::model::listing::Listing;
use crate::model::path::RelPath;
use crate::model::problem::{Problem, ProblemKind};

/// A path that differs in the lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Where.
    pub path: RelPath,
    /// What the source holds there.
    pub source: Option<Entry>,
    /// The row of the target's listing for it.
    pub target: Option<usize>,
}

/// What a mirror's plan is made from.
#[derive(Debug)]
pub struct MirrorInput<'a> {
    /// The paths that differ in the lane, and no others, in tree order, each once.
    pub differing: Vec<Pair>,
    /// All entries of the target.
    pub target: &'a Listing,
    /// What was compared.
    pub lane: Lane,
    /// Keep what only the target has (`--keep-extra`).
    pub keep_extra: bool,
    /// Make fifos and devices (`-D`).
    pub devices: bool,
    /// How many deletes are meant.
    pub guard: Guard,
}

/// Decides what must be done to make the target equal to the source. The same input gives the same plan.
pub fn plan(input: MirrorInput<'_>) -> Plan {
    let MirrorInput { differing, target, lane, keep_extra, devices, guard } = input;
    let mut table = Table::new(differing, target, lane);
    let mut problems = triage::block(&mut table, Rules { keep_extra, devices });
    let holders = Holders::of(&table);
    folders::carry(&mut table, &holders);
    let mut links = Links::of(&table);
    decide(&mut table, &links);
    content::find(&mut table, &holders, &mut links);
    drop((holders, links));
    deletes::spare(&mut table);
    let held = hold(&mut table, guard, &mut problems);
    problems.sort_by(|left, right| left.path.cmp(&right.path));
    Plan { problems, held, ..assemble(table) }
}

/// Decides each spot's fate, but not where bytes come from.
fn decide(table: &mut Table<'_>, links: &Links) {
    for index in 0..table.spots.len() {
        let spot = &table.spots[index];
        if spot.fate != Fate::Open {
            continue;
        }
        table.spots[index].fate = match &spot.want {
            None => Fate::Delete,
            Some(want) if want.is_directory() && !table.same_body(index) => Fate::Mkdir,
            Some(want) if want.is_directory() => in_place(table, index),
            Some(_) => match links.place(table, index) {
                Place::Stays => in_place(table, index),
                Place::Link(anchor) => Fate::Link(anchor),
                Place::Own => Fate::Body(Origin::Fetch),
            },
        };
    }
}

/// What stays in place may need other metadata.
fn in_place(table: &Table<'_>, index: usize) -> Fate {
    if table.changes(index) == Changes::default() { Fate::Equal } else { Fate::Metadata }
}

/// Takes the deletes back where the guard refuses them, and with them whatever replaces a directory that is not empty.
/// Returns how many were taken back.
fn hold(table: &mut Table<'_>, guard: Guard, problems: &mut Vec<Problem>) -> usize {
    let deletes = table.spots.iter().filter(|spot| spot.fate == Fate::Delete).count();
    if guard.allows(deletes, table.target.len()) {
        return 0;
    }
    let cause = guard.cause(deletes, table.target.len());
    problems.push(Problem { path: RelPath::default(), kind: ProblemKind::Guarded, cause });
    for index in 0..table.spots.len() {
        if table.spots[index].fate == Fate::Delete {
            table.spots[index].fate = Fate::Blocked;
            hold_replacement(table, index, problems);
        }
    }
    for index in 0..table.spots.len() {
        let Fate::Link(Anchor::Spot(to)) = table.spots[index].fate else { continue };
        if table.spots[to as usize].fate == Fate::Blocked {
            block(&mut table.spots[index], "the file that it is a name of was held back", problems);
        }
    }
    deletes
}

/// What would replace the directory of a delete that was taken back.
fn hold_replacement(table: &mut Table<'_>, index: usize, problems: &mut Vec<Problem>) {
    let mut above = table.parent(index);
    while let Some(parent) = above {
        if matches!(table.spots[parent].fate, Fate::Body(_) | Fate::Link(_)) {
            block(
                &mut table.spots[parent],
                "the directory that stands here holds deletes that were held back",
                problems,
            );
            return;
        }
        above = table.parent(parent);
    }
}

fn block(spot: &mut Spot, cause: &str, problems: &mut Vec<Problem>) {
    spot.fate = Fate::Blocked;
    problems.push(Problem { path: spot.path.clone(), kind: ProblemKind::Guarded, cause: cause.into() });
}

/// Writes the fates down as actions.
fn assemble(table: Table<'_>) -> Plan {
    let turns = order::turns(&table);
    let ways = deletes::ways(&table);
    let standing: HashMap<u32, Option<u32>> = turns.iter().map(|turn| (turn.spot, turn.standing)).collect();
    let mut writer = Writer { target: table.target, lane: table.lane, named: named(&table).into_iter() };
    let busy = |spot: &&Spot| !matches!(spot.fate, Fate::Open | Fate::Blocked | Fate::Equal | Fate::Gone);
    let mut plan = Plan { actions: Vec::with_capacity(table.spots.iter().filter(busy).count()), ..Plan::default() };
    let mut written: HashMap<u32, usize> = HashMap::new();
    for (index, (mut spot, way)) in table.spots.into_iter().zip(ways).enumerate() {
        let index = number(index);
        let changes = writer.changes(&spot);
        if let Some(&standing) = standing.get(&index) {
            written.insert(index, plan.actions.len());
            spot.row = standing;
        }
        plan.actions.extend(writer.action(spot, way, changes));
    }
    for turn in turns {
        plan.renames.push(written[&turn.spot]);
        plan.moves.push(Move { moved: before(table.target, turn.row), onto: turn.onto });
    }
    plan
}

/// The paths of the spots that other spots name, in the order in which those do.
fn named(table: &Table<'_>) -> Vec<RelPath> {
    let named = table.spots.iter().filter_map(|spot| match spot.fate {
        Fate::Body(Origin::Move(at)) | Fate::Link(Anchor::Spot(at)) => Some(&table.spots[at as usize].path),
        _ => None,
    });
    named.cloned().collect()
}

fn before(target: &Listing, row: u32) -> Before {
    let row = target.row(row as usize);
    Before { kind: row.kind(), stamp: row.stamp(), entry: row.entry() }
}

/// Writes one action a spot, moving paths and entries into it.
struct Writer<'a> {
    target: &'a Listing,
    lane: Lane,
    named: std::vec::IntoIter<RelPath>,
}

impl Writer<'_> {
    fn action(&mut self, spot: Spot, way: Way, changes: Changes) -> Option<Action> {
        let step = self.step(&spot, way)?;
        let before = spot.row.map(|row| Box::new(before(self.target, row)));
        Some(Action { path: spot.path, step, wanted: spot.want, before, changes })
    }

    fn step(&mut self, spot: &Spot, way: Way) -> Option<Step> {
        let source = match spot.fate {
            Fate::Open | Fate::Blocked | Fate::Equal | Fate::Gone => return None,
            Fate::Mkdir => return Some(Step::Mkdir),
            Fate::Metadata => return Some(Step::Metadata),
            Fate::Delete => return Some(Step::Delete { whole: way.whole, within: way.within }),
            Fate::Carried(row) => return Some(Step::Rename { from: self.path_of(row) }),
            Fate::Body(Origin::Move(_)) => return Some(Step::Rename { from: self.named.next()? }),
            Fate::Body(Origin::Fetch) => Source::Fetch,
            Fate::Body(Origin::Nothing) => Source::None,
            Fate::Body(Origin::Copy(row)) => Source::Copy { from: self.path_of(row) },
            Fate::Link(Anchor::Row(row)) => Source::Link { to: self.path_of(row) },
            Fate::Link(Anchor::Spot(_)) => Source::Link { to: self.named.next()? },
        };
        Some(if spot.row.is_some() { Step::Update(source) } else { Step::Create(source) })
    }

    /// What a report says of a spot: nothing where something new comes to be.
    fn changes(&self, spot: &Spot) -> Changes {
        let (Some(want), Some(row)) = (&spot.want, spot.row) else { return Changes::default() };
        let row = self.target.row(row as usize);
        let own = changes(self.lane, want, row);
        match spot.fate {
            Fate::Mkdir | Fate::Metadata => own,
            Fate::Link(_) => Changes { links: true, ..own },
            // The same bytes in a file of its own: it leaves a hard-link group.
            Fate::Body(_) => Changes { links: !own.content, ..own },
            Fate::Open | Fate::Blocked | Fate::Equal | Fate::Carried(_) | Fate::Delete | Fate::Gone => {
                Changes::default()
            }
        }
    }

    fn path_of(&self, row: u32) -> RelPath {
        self.target.row(row as usize).path().to_owned()
    }
}
