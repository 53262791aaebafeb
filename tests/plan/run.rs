//! Runs a plan on a file system in memory, in the order that the plan promises to be sound in, and checks every
//! precondition on the way.

use std::collections::BTreeMap;

use alike::model::entry::{Entry, Kind};
use alike::model::listing::Listing;
use alike::model::plan::{Action, Onto, Plan, Source, Step};
use alike::model::{Digest, RelPath};

use super::disk::Disk;

/// Runs `plan`, which was made for `disk` as `listing` shows it.
pub fn run(plan: &Plan, disk: &mut Disk, listing: &Listing) {
    assert!(plan.actions.is_sorted_by(|left, right| left.path < right.path), "one action a path, in tree order");
    let lasting = lasting(plan, disk);
    let whole = |disk: &Disk, phase: &str| {
        for path in &lasting {
            assert!(disk.names.contains_key(path), "{path} is nowhere after {phase}");
        }
    };
    let staged = stage(plan, disk);
    plan.actions.iter().filter(|action| action.step == Step::Mkdir).for_each(|action| make(disk, action));
    whole(disk, "mkdir");
    rename(plan, disk);
    whole(disk, "renames");
    for action in &plan.actions {
        match &action.step {
            Step::Create(source) | Step::Update(source) if !matches!(source, Source::Link { .. }) => {
                install(disk, action, source, &staged);
            }
            _ => {}
        }
    }
    whole(disk, "content");
    for action in &plan.actions {
        if let Step::Create(Source::Link { to }) | Step::Update(Source::Link { to }) = &action.step {
            clear(disk, action);
            disk.link(&action.path, to);
        }
    }
    whole(disk, "links");
    metadata(plan, disk);
    plan.actions.iter().rev().for_each(|action| delete(disk, action));
    whole(disk, "deletes");
    let finish = plan.directories_to_finish(listing);
    assert!(finish.is_sorted_by(|left, right| left.path > right.path), "deepest first");
    for record in finish {
        assert_eq!(disk.kind(&record.path), Some(Kind::Directory), "{} is finished", record.path);
        dress(disk, &record.path, &record.entry);
    }
}

/// Paths that hold something before and shall hold something after: never empty but within one phase.
fn lasting(plan: &Plan, disk: &Disk) -> Vec<RelPath> {
    let wanted = plan.actions.iter().filter(|action| action.wanted.is_some()).map(|action| action.path.clone());
    wanted.filter(|path| disk.names.contains_key(path)).collect()
}

fn stage(plan: &Plan, disk: &Disk) -> BTreeMap<RelPath, Digest> {
    let mut staged = BTreeMap::new();
    for action in &plan.actions {
        if let Step::Create(Source::Copy { from }) | Step::Update(Source::Copy { from }) = &action.step {
            let entry = &disk.inode(from).entry;
            assert_eq!(entry.kind, Kind::File, "a copy of {from}");
            staged.insert(action.path.clone(), entry.content);
        }
    }
    staged
}

fn make(disk: &mut Disk, action: &Action) {
    clear(disk, action);
    disk.put(&action.path, super::disk::entry(Kind::Directory));
}

/// Checks what stands at an action's path, and discards it.
fn clear(disk: &mut Disk, action: &Action) {
    let Some(before) = &action.before else {
        assert!(!disk.names.contains_key(&action.path), "{} is free", action.path);
        return;
    };
    let stamp = disk.stamp(&action.path);
    assert_eq!(stamp.inode, before.stamp.inode, "what stands at {}", action.path);
    // The change time of a file with several names moves with each of them.
    let alone = before.entry.links().is_none();
    assert!(!alone || before.kind == Kind::Directory || stamp == before.stamp, "{}'s stamp", action.path);
    disk.discard(&action.path);
}

fn rename(plan: &Plan, disk: &mut Disk) {
    assert_eq!(plan.renames.len(), plan.moves.len());
    for (&index, turn) in plan.renames.iter().zip(&plan.moves) {
        let action = &plan.actions[index];
        let Step::Rename { from } = &action.step else { panic!("{:?} is no rename", action.step) };
        let stamp = disk.stamp(from);
        let alone = turn.moved.entry.links().is_none() && turn.moved.kind != Kind::Directory;
        assert_eq!(stamp.inode, turn.moved.stamp.inode, "what moves from {from}");
        assert!(!alone || stamp == turn.moved.stamp, "{from}'s stamp");
        if let Some(before) = &action.before {
            assert_eq!(disk.names.get(&action.path), Some(&before.stamp.inode), "{}", action.path);
        }
        match turn.onto {
            Onto::Nothing => {
                assert_eq!(action.before, None);
                disk.rename(from, &action.path);
            }
            Onto::Doomed => {
                disk.exchange(from, &action.path);
                disk.discard(from);
            }
            Onto::Wanted => disk.exchange(from, &action.path),
        }
    }
}

fn install(disk: &mut Disk, action: &Action, source: &Source, staged: &BTreeMap<RelPath, Digest>) {
    let wanted = action.wanted.clone().expect("a create has an entry");
    if let Source::Copy { .. } = source {
        assert_eq!(staged.get(&action.path), Some(&wanted.content), "{} is a copy of the right bytes", action.path);
    }
    assert_eq!(matches!(source, Source::None), wanted.kind != Kind::File, "{} has bytes or not", action.path);
    assert_eq!(matches!(action.step, Step::Update(_)), action.before.is_some(), "{} replaces or not", action.path);
    clear(disk, action);
    disk.put(&action.path, wanted);
}

fn metadata(plan: &Plan, disk: &mut Disk) {
    for action in &plan.actions {
        let Some(wanted) = action.wanted.as_ref().filter(|wanted| wanted.kind != Kind::Directory) else { continue };
        if matches!(action.step, Step::Metadata) {
            let before = action.before.as_ref().expect("metadata of something");
            assert_eq!(disk.names.get(&action.path), Some(&before.stamp.inode), "{}", action.path);
        }
        if matches!(action.step, Step::Metadata | Step::Rename { .. }) {
            dress(disk, &action.path, wanted);
        }
    }
}

fn delete(disk: &mut Disk, action: &Action) {
    let Step::Delete { whole, within } = action.step else { return };
    if within {
        assert!(!disk.names.contains_key(&action.path) || !whole, "{} goes within", action.path);
        return;
    }
    let before = action.before.as_ref().expect("a delete of something");
    assert_eq!(disk.names.get(&action.path), Some(&before.stamp.inode), "{}", action.path);
    let empty = disk.below(&action.path).is_empty();
    assert!(whole || empty || before.kind == Kind::Directory);
    if whole || empty {
        disk.discard(&action.path);
    }
}

/// Sets metadata; kind and content stay.
fn dress(disk: &mut Disk, path: &RelPath, wanted: &Entry) {
    let inode = disk.inode_mut(path);
    assert_eq!(inode.entry.kind, wanted.kind, "{path}");
    let target = inode.entry.extra.take().and_then(|extra| extra.target);
    let mut extra = wanted.extra.clone().unwrap_or_default();
    (extra.links, extra.target) = (None, target);
    let (content, size) = (inode.entry.content, inode.entry.size);
    inode.entry = Entry { content, size, extra: None, ..wanted.clone() };
    inode.entry.extra = Some(extra).filter(|extra| !extra.is_empty());
}
