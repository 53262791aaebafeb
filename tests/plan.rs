//! The planner's laws: a plan that is run in the order it promises makes the target equal to the source, loses nothing,
//! and fetches nothing that the target has.

#[path = "plan/cost.rs"]
mod cost;
#[path = "plan/disk.rs"]
mod disk;
#[path = "plan/run.rs"]
mod run;
#[path = "plan/table.rs"]
mod table;
#[path = "plan/trees.rs"]
mod trees;

use std::collections::BTreeSet;

use alike::model::entry::{Entry, Kind, Record};
use alike::model::lane::{Bytes, Lane};
use alike::model::listing::Listing;
use alike::model::plan::{Guard, Limit, MirrorInput, Plan, Source, Step, plan};
use alike::model::{Digest, ProblemKind, RelPath};
use proptest::prelude::*;

use disk::{Disk, HIDDEN, LOCKED, at_or_below, differing, records};
use trees::{Edit, Trees};

const UNGUARDED: Guard = Guard { limit: Limit::Percent(100), source_empty: false };

/// Two trees with a common past.
#[derive(Debug, Clone)]
struct Case {
    common: Vec<Edit>,
    at_source: Vec<Edit>,
    at_target: Vec<Edit>,
    disturbed: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let edits = |most| prop::collection::vec(any::<Edit>(), 0..most);
    (edits(60), edits(8), edits(4), any::<bool>()).prop_map(|(common, at_source, at_target, disturbed)| Case {
        common,
        at_source,
        at_target,
        disturbed,
    })
}

fn build(case: &Case, hidden: bool) -> (Disk, Disk) {
    let trees = Trees { hidden, disturbed: case.disturbed };
    let mut common = Disk::default();
    trees.apply(&mut common, &case.common);
    let (mut source, mut target) = (common.clone(), common);
    trees.apply(&mut source, &case.at_source);
    trees.apply(&mut target, &case.at_target);
    source.trash.clear();
    target.trash.clear();
    (source, target)
}

fn mirror(source: &[Record], target: &Listing, lane: Lane, keep_extra: bool) -> Plan {
    let differing = differing(source, target, lane);
    plan(MirrorInput { differing, target, lane, keep_extra, devices: true, guard: UNGUARDED })
}

fn contents(disk: &Disk) -> BTreeSet<Digest> {
    let entries = disk.names.values().map(|inode| &disk.inodes[inode].entry);
    entries.filter(|entry| entry.size > 0).map(|entry| entry.content).collect()
}

/// Every file that was there is there or in the trash.
fn assert_nothing_lost(before: &Disk, after: &Disk) {
    let there: BTreeSet<u64> = after.names.values().copied().chain(after.trash.iter().copied()).collect();
    for (name, inode) in &before.names {
        assert!(there.contains(inode), "{name} is lost");
    }
}

fn assert_no_bytes_travel_twice(plan: &Plan, before: &Disk) {
    let held = contents(before);
    for action in &plan.actions {
        if let (Step::Create(Source::Fetch) | Step::Update(Source::Fetch), Some(wanted)) =
            (&action.step, &action.wanted)
        {
            assert!(wanted.size == 0 || !held.contains(&wanted.content), "{} is fetched", action.path);
        }
    }
}

/// Plans and runs, and checks what must hold in any case.
fn make_alike(source: &[Record], target: &Disk, lane: Lane, keep_extra: bool) -> (Plan, Disk) {
    let listing = target.listing();
    let plan = mirror(source, &listing, lane, keep_extra);
    assert_eq!(plan, mirror(source, &listing, lane, keep_extra), "the same input gives the same plan");
    let mut after = target.clone();
    run::run(&plan, &mut after, &listing);
    assert_nothing_lost(target, &after);
    (plan, after)
}

fn lanes() -> [Lane; 3] {
    [Lane::OWNED, Lane { links: false, ..Lane::CONTENT }, Lane { mode: false, xattrs: false, ..Lane::CONTENT }]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases_wanted(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_makes_the_target_equal_to_the_source(case in cases()) {
        let (source, target) = build(&case, false);
        let records = records(&source.listing());
        for lane in lanes() {
            let (plan, after) = make_alike(&records, &target, lane, false);
            prop_assert_eq!(&plan.problems, &[]);
            let left = differing(&records, &after.listing(), lane);
            prop_assert!(left.is_empty(), "{:?} left of {:#?}", left, plan.actions);
            assert_no_bytes_travel_twice(&plan, &target);
        }
    }

    #[test]
    fn what_only_the_target_has_stays_with_keep_extra(case in cases()) {
        let (source, target) = build(&case, false);
        let records = records(&source.listing());
        let (plan, after) = make_alike(&records, &target, Lane::CONTENT, true);
        for (name, inode) in &target.names {
            let extra = !source.names.contains_key(name);
            prop_assert!(!extra || after.names.get(name) == Some(inode), "{} is gone", name);
        }
        for pair in differing(&records, &after.listing(), Lane::CONTENT) {
            let named = plan.problems.iter().any(|p| at_or_below(pair.path.as_ref(), p.path.as_ref()));
            // A group that an extra name belongs to keeps its least name.
            let shared = pair.source.as_ref().is_some_and(|entry| entry.links().is_some());
            prop_assert!(pair.source.is_none() || named || shared, "{:?} left of {:#?}", pair, plan.actions);
        }
    }

    #[test]
    fn what_a_scan_could_not_see_is_never_touched(case in cases()) {
        let (source, target) = build(&case, true);
        let records = records(&source.listing());
        let (plan, after) = make_alike(&records, &target, Lane::CONTENT, false);
        for (name, inode) in &target.names {
            let unseen = name.as_ref().components().any(|part| part == HIDDEN || part == LOCKED);
            let stays = after.names.get(name) == Some(inode);
            prop_assert!(!unseen || stays, "{} is gone by {:#?}", name, plan.actions);
        }
        let blocked: Vec<RelPath> = unseen_at(&source).chain(unseen_at(&target)).collect();
        for pair in differing(&records, &after.listing(), Lane::CONTENT) {
            let excused = blocked.iter().any(|unseen| {
                at_or_below(pair.path.as_ref(), unseen.as_ref()) || at_or_below(unseen.as_ref(), pair.path.as_ref())
            });
            let named = plan.problems.iter().any(|p| at_or_below(pair.path.as_ref(), p.path.as_ref()));
            let shared = pair.source.as_ref().is_some_and(|entry| entry.links().is_some());
            prop_assert!(excused || named || shared, "{:?} left of {:#?}", pair, plan.actions);
        }
    }

    #[test]
    fn with_unknown_digests_size_and_time_decide(case in cases()) {
        let (source, target) = build(&case, false);
        let lane = Lane { bytes: Bytes::SizeAndTime, ..Lane::CONTENT };
        let mut records = records(&source.listing());
        for record in &mut records {
            record.entry.content = Digest::UNKNOWN;
        }
        let (plan, after) = make_alike(&records, &target, lane, false);
        prop_assert!(differing(&records, &after.listing(), lane).is_empty(), "{:#?}", plan.actions);
    }

    #[test]
    fn a_refused_delete_drops_deletes_only(case in cases()) {
        let (source, target) = build(&case, false);
        let (records, listing) = (records(&source.listing()), target.listing());
        let free = mirror(&records, &listing, Lane::CONTENT, false);
        let guard = Guard { limit: Limit::Count(0), source_empty: false };
        let pairs = differing(&records, &listing, Lane::CONTENT);
        let held = plan(MirrorInput { differing: pairs, target: &listing, lane: Lane::CONTENT, keep_extra: false, devices: true, guard });
        prop_assert_eq!(held.held as u64, free.totals().deletes);
        prop_assert_eq!(held.totals().deletes, 0);
        prop_assert_eq!(held.problems.iter().filter(|p| p.path.as_ref().is_root()).count(), usize::from(held.held > 0));
        prop_assert!(held.problems.iter().all(|problem| problem.kind == ProblemKind::Guarded));
        let mut after = target.clone();
        run::run(&held, &mut after, &listing);
        assert_nothing_lost(&target, &after);
        for pair in differing(&records, &after.listing(), Lane::CONTENT) {
            let named = held.problems.iter().any(|p| !p.path.as_ref().is_root() && at_or_below(pair.path.as_ref(), p.path.as_ref()));
            let links = |entry: &Entry| entry.links().is_some();
            let shared = pair.target.is_some_and(|row| links(&after.listing().row(row).entry())) || pair.source.as_ref().is_some_and(links);
            prop_assert!(pair.source.is_none() || named || shared, "{:?} left of {:#?}", pair, held.actions);
        }
    }

    #[test]
    fn a_hostile_source_makes_no_plan_panic(case in cases(), lies in prop::collection::vec(any::<[u8; 3]>(), 1..6)) {
        let (source, target) = build(&case, true);
        let mut records = records(&source.listing());
        for [which, how, what] in lies {
            let count = records.len().max(1);
            let Some(record) = records.get_mut(which as usize % count) else { continue };
            lie(&mut record.entry, how, what);
            if how % 16 == 7 {
                records.remove(which as usize % count);
            }
        }
        let listing = target.listing();
        for keep_extra in [false, true] {
            let plan = mirror(&records, &listing, Lane::CONTENT, keep_extra);
            plan.directories_to_finish(&listing);
            plan.totals();
            plan.actions.iter().for_each(|action| assert_eq!(alike::model::plan::itemize(action).len(), 11));
        }
    }
}

/// Thousands in a release build, hundreds otherwise; `PROPTEST_CASES` says otherwise.
fn cases_wanted() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { 1_000 } else { 10_000 })
}

fn unseen_at(disk: &Disk) -> impl Iterator<Item = RelPath> {
    let unseen = |name: &&RelPath| name.as_ref().components().any(|part| part == HIDDEN || part == LOCKED);
    disk.names.keys().filter(unseen).cloned()
}

/// What no honest scan would say.
fn lie(entry: &mut Entry, how: u8, what: u8) {
    let extra = entry.extra.get_or_insert_default();
    match how % 8 {
        0 => extra.links = Some([b'a' + what % 5].into()),
        1 => extra.links = Some((*b"../..").into()),
        2 => extra.links = Some((*b"a/b").into()),
        3 => entry.size = u64::MAX - u64::from(what),
        4 => entry.content = Digest::of_content(b"1"),
        5 => entry.kind = Kind::from_u8(what % 8 + 1).expect("of eight"),
        6 => extra.target = None,
        _ => entry.mtime.secs = i64::MIN,
    }
    if entry.extra.as_ref().is_some_and(|extra| extra.is_empty()) {
        entry.extra = None;
    }
}
