//! `--prefer`: conflicts are decided as they are found. One end decides, by writes of its own; the other learns them in the
//! same run, as if the two had met once more. So both hold the same afterwards, and whoever meets either of them later.
//!
//! *newest* is decided by the end that asks; *left* and *right* by that side, which alone knows what its disk shows.

use std::sync::Arc;

use super::end::End;
use super::tell;
use crate::disk::hidden::Hidden;
use crate::model::resolve::{self, Conflict, Keep, Settled, Undecided};
use crate::model::{Kind, PathRef, RelPath, Siblings};
use crate::proto::message::Decides;
use crate::sync::converse::Control;
use crate::sync::error::Error;
use crate::sync::job::Prefer;
use crate::sync::report::Side as Which;

/// What an end goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The greatest modification time.
    Newest,
    /// What its own disk shows under the plain name.
    Shown,
    /// Versions that differ in mode alone become one of the bits that all of them have: where modes are not wanted, they are
    /// no conflict.
    Modes,
}

/// Who decides where `asking` is the side that asks, and by what.
pub fn decider(prefer: Option<Prefer>, asking: Which) -> (Decides, Rule) {
    match (prefer, asking) {
        (None, _) => (Decides::Nobody, Rule::Newest),
        (Some(Prefer::Newest), _) => (Decides::Asking, Rule::Newest),
        (Some(Prefer::Left), Which::Left) | (Some(Prefer::Right), Which::Right) => (Decides::Asking, Rule::Shown),
        (Some(Prefer::Left), Which::Right) | (Some(Prefer::Right), Which::Left) => (Decides::Answering, Rule::Shown),
    }
}

/// Decides all conflicts that the rule decides; gives the paths that changed.
pub fn decide(end: &mut End, rule: Rule) -> Result<Vec<(RelPath, Siblings)>, Error> {
    let agreed = end.replica.agreed()?.clone();
    let disk = end.looked.found.listing.clone();
    let side = Arc::clone(end.replica.side());
    let hidden = Hidden::new(side.root(), side.filter());
    let mut decisions = Vec::new();
    for conflict in resolve::conflicts(&agreed) {
        let held = conflict.shown.iter().any(|shown| end.replica.held().contains(&shown.name));
        if held || hidden.hides(conflict.path.as_ref(), Kind::File) {
            continue;
        }
        let taken = |name: PathRef<'_>| {
            agreed.listing().find(name).is_ok() || agreed.has_live_children(name) || disk.find(name).is_ok()
        };
        let settled = match rule {
            Rule::Newest => resolve::settle(&agreed, &conflict, &Keep::Newest, &taken),
            Rule::Modes => Ok(resolve::settle_modes(&agreed, &conflict)),
            Rule::Shown => {
                as_shown(&conflict, |on_disk| resolve::settle_as_shown(&agreed, &conflict, on_disk, &taken), &disk)
            }
        };
        // What the rule says nothing about stays a conflict.
        decisions.extend(settled.into_iter().flat_map(|settled| settled.events));
    }
    end.decide(decisions)
}

fn as_shown(
    conflict: &Conflict,
    settle: impl FnOnce(&crate::model::Entry) -> Result<Settled, Undecided>,
    disk: &crate::model::Listing,
) -> Result<Settled, Undecided> {
    let index = disk.find(conflict.path.as_ref()).map_err(|_| Undecided::Nothing)?;
    settle(&disk.row(index).entry())
}

/// Decides, and tells the other end.
pub async fn tell(control: &mut Control, end: &mut End, rule: Rule) -> Result<(), Error> {
    let known = end.replica.greeting().stories().gists();
    let decided = decide(end, rule)?.into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    tell::tell(control, end, &known, &decided).await
}
