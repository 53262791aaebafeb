//! Laws of the guess at renamed directories: it changes what travels and never what is found.

use std::collections::BTreeMap;
use std::sync::Arc;

use alike::model::digest::Digest;
use alike::model::entry::{Entry, Extra, Kind, Stamp, Time};
use alike::model::lane::Lane;
use alike::model::listing::Builder;
use alike::model::path::RelPath;
use alike::model::tree::Tree;
use alike::proto::Violation;
use alike::proto::reconcile::{Machine, Settings, Side, Wants};
use proptest::prelude::*;

use super::{SALT, check, talk};

type Entries = BTreeMap<RelPath, Entry>;

fn rel(path: &str) -> RelPath {
    RelPath::new(path.as_bytes()).expect("legal")
}

fn entry(kind: Kind, number: u64) -> Entry {
    let content = if kind == Kind::File { Digest::of_content(&number.to_le_bytes()) } else { Digest::UNKNOWN };
    let mtime =
        Time { secs: 1_700_000_000 + number as i64 * 7, nanos: (number as u32).wrapping_mul(7_919) % 1_000_000_000 };
    let size = if kind == Kind::File { number } else { 0 };
    Entry { kind, mode: 0o644, mtime, size, content, uid: 0, gid: 0, extra: None }
}

/// `tops` directories of `middles` directories of `files` files each, and a file here and there.
fn tree(tops: u64, middles: u64, files: u64) -> Entries {
    let mut tree = Entries::new();
    let mut number = 0;
    let mut put = |path: String, kind| {
        number += 1;
        tree.insert(rel(&path), entry(kind, number));
    };
    for top in 0..tops {
        put(format!("top-{top}"), Kind::Directory);
        put(format!("top-{top}/a-file"), Kind::File);
        for middle in 0..middles {
            put(format!("top-{top}/middle-{middle}"), Kind::Directory);
            (0..files).for_each(|file| put(format!("top-{top}/middle-{middle}/source-{file:03}.c"), Kind::File));
        }
    }
    tree
}

fn side(tree: &Entries) -> Side {
    let mut builder = Builder::with_capacity(tree.len());
    tree.iter().for_each(|(path, entry)| builder.push(path.as_ref(), entry, &Stamp::default(), 0));
    let listing = builder.finish();
    let tree = Arc::new(Tree::build(&listing, Lane::CONTENT));
    Side { listing, tree }
}

fn below(path: &RelPath, at: &RelPath) -> bool {
    path == at || path.as_ref().is_below(at.as_ref())
}

/// What stands at or below a path, by what comes behind it.
fn subtree(tree: &Entries, at: &RelPath) -> Vec<(Vec<u8>, Entry)> {
    let bytes = at.as_bytes().len();
    tree.iter()
        .filter(|(path, _)| below(path, at))
        .map(|(path, entry)| (path.as_bytes()[bytes..].to_vec(), entry.clone()))
        .collect()
}

fn put(tree: &mut Entries, at: &RelPath, subtree: Vec<(Vec<u8>, Entry)>) {
    tree.retain(|path, _| !below(path, at));
    let paths = subtree.into_iter().map(|(rest, entry)| ([at.as_bytes(), &rest].concat(), entry));
    tree.extend(paths.map(|(path, entry)| (RelPath::new(&path).expect("legal"), entry)));
}

fn rename(tree: &mut Entries, from: &RelPath, to: &RelPath) {
    if below(to, from)
        || tree.get(from).is_none()
        || to.as_ref().parent().is_some_and(|dir| {
            !dir.is_root() && tree.get(&dir.to_owned()).is_none_or(|entry| entry.kind != Kind::Directory)
        })
    {
        return;
    }
    let moved = subtree(tree, from);
    tree.retain(|path, _| !below(path, from));
    put(tree, to, moved);
}

#[derive(Debug, Clone)]
enum Change {
    Rename(RelPath, RelPath),
    Copy(RelPath, RelPath),
    Swap(RelPath, RelPath),
    Remove(RelPath),
    Edit(u8),
    Link(u8, u8),
    Hide(u8),
    Touch(RelPath),
}

fn apply(tree: &mut Entries, change: Change) {
    let nth = |tree: &Entries, at: u8| {
        let files: Vec<&RelPath> =
            tree.iter().filter(|(_, entry)| entry.kind == Kind::File).map(|(path, _)| path).collect();
        files.get(usize::from(at) * 37 % files.len().max(1)).copied().cloned()
    };
    match change {
        Change::Rename(from, to) => rename(tree, &from, &to),
        Change::Copy(from, to) => {
            let parent_stands =
                to.as_ref().parent().is_none_or(|dir| dir.is_root() || tree.contains_key(&dir.to_owned()));
            if parent_stands && !below(&from, &to) {
                let copied = subtree(tree, &from);
                put(tree, &to, copied);
            }
        }
        Change::Swap(left, right) => {
            if tree.contains_key(&left) && tree.contains_key(&right) && !below(&left, &right) && !below(&right, &left) {
                let (one, other) = (subtree(tree, &left), subtree(tree, &right));
                put(tree, &left, other);
                put(tree, &right, one);
            }
        }
        Change::Remove(at) => tree.retain(|path, _| !below(path, &at)),
        Change::Edit(at) => {
            if let Some(path) = nth(tree, at) {
                tree.insert(path, entry(Kind::File, 1_000_000 + u64::from(at)));
            }
        }
        Change::Link(one, other) => {
            let (Some(one), Some(other)) = (nth(tree, one), nth(tree, other)) else { return };
            let least = one.clone().min(other.clone());
            let mut linked = tree[&one].clone();
            linked.extra = Some(Box::new(Extra { links: Some(least.as_bytes().into()), ..Extra::default() }));
            tree.insert(one, linked.clone());
            tree.insert(other, linked);
        }
        Change::Hide(at) => {
            if let Some(path) = nth(tree, at) {
                tree.insert(path, Entry { content: Digest::UNKNOWN, size: 0, ..entry(Kind::Unreadable, 1) });
            }
        }
        Change::Touch(at) => {
            if let Some(entry) = tree.get_mut(&at) {
                entry.mtime.secs += 1;
            }
        }
    }
}

/// Directories that are there, and names that are free.
fn directory() -> impl Strategy<Value = RelPath> {
    prop_oneof![
        (0u8..4).prop_map(|top| rel(&format!("top-{top}"))),
        (0u8..4, 0u8..5).prop_map(|(top, middle)| rel(&format!("top-{top}/middle-{middle}"))),
        (0u8..4).prop_map(|top| rel(&format!("top-{top}/new"))),
        (0u8..3).prop_map(|new| rel(&format!("new-{new}"))),
        (0u8..3, 0u8..5).prop_map(|(new, middle)| rel(&format!("new-{new}/middle-{middle}"))),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (directory(), directory()).prop_map(|(from, to)| Change::Rename(from, to)),
        2 => (directory(), directory()).prop_map(|(from, to)| Change::Copy(from, to)),
        2 => (directory(), directory()).prop_map(|(left, right)| Change::Swap(left, right)),
        1 => directory().prop_map(Change::Remove),
        3 => any::<u8>().prop_map(Change::Edit),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(one, other)| Change::Link(one, other)),
        1 => any::<u8>().prop_map(Change::Hide),
        2 => directory().prop_map(Change::Touch),
    ]
}

const ONE_WANTS: [Wants; 2] = [Wants::Initiator, Wants::Responder];

/// Bytes and round trips of both kinds of one-way conversation; what the wanting end finds is exact.
fn cost(target: &Side, source: &Side, push: bool) -> Vec<(usize, u32)> {
    let talk_of = |wants| {
        let settings = Settings { salt: SALT, wants, push };
        let ends = if wants == Wants::Initiator { [target, source] } else { [source, target] };
        let mut initiator = Machine::initiator(ends[0].clone(), settings);
        let mut responder = Machine::responder(ends[1].clone());
        let told = talk(&mut initiator, &mut responder, |_, _| {}).expect("honest ends");
        let (wanting, giving) = match wants {
            Wants::Initiator => (&told.initiator, &told.responder),
            _ => (&told.responder, &told.initiator),
        };
        check(wanting, target, source);
        assert!(giving.differing.is_empty());
        assert_eq!((giving.their_top, giving.their_entries), (target.tree.top(), target.listing.len() as u64));
        (told.bytes, wanting.round_trips_halves.max(giving.round_trips_halves))
    };
    ONE_WANTS.into_iter().map(talk_of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_found_does_not_depend_on_the_guess(
        before in prop::collection::vec(change(), 0..3),
        changes in prop::collection::vec(change(), 1..7),
        push in any::<bool>(),
    ) {
        let mut target = tree(3, 4, 520);
        before.into_iter().for_each(|change| apply(&mut target, change));
        let mut source = target.clone();
        changes.into_iter().for_each(|change| apply(&mut source, change));
        cost(&side(&target), &side(&source), push);
    }

    #[test]
    fn meddled_guesses_are_no_panic_and_never_a_wrong_end(
        wants in prop::sample::select(&ONE_WANTS[..]),
        target in 1usize..10,
        how in 0u8..3,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let ours = tree(3, 4, 520);
        let mut theirs = ours.clone();
        rename(&mut theirs, &rel("top-1"), &rel("top-0/moved"));
        let (ours, theirs) = (side(&ours), side(&theirs));
        let ends = if wants == Wants::Initiator { [&ours, &theirs] } else { [&theirs, &ours] };
        let mut initiator = Machine::initiator(ends[0].clone(), Settings { salt: SALT, wants, push: true });
        let mut responder = Machine::responder(ends[1].clone());
        let meddle = |number: usize, frame: &mut Vec<u8>| {
            if number == target {
                let at = at.index(frame.len());
                match how {
                    0 => frame[at] ^= byte,
                    1 => frame.truncate(at),
                    _ => frame.insert(at, byte),
                }
            }
        };
        // A machine that waits for the rest of a message that was cut off waits for the transport, which has its own time-out.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| talk(&mut initiator, &mut responder, meddle)))
            .map_err(|panic| assert_eq!(panic.downcast_ref::<&str>(), Some(&"the conversation hangs")));
    }
}

/// What a change of a tree of 20,000 entries costs at most, in bytes and halves of round trips.
fn costs_at_most(change: impl Fn(&mut Entries), bytes: usize, halves: u32) {
    let target = tree(10, 20, 100);
    let mut source = target.clone();
    change(&mut source);
    for push in [false, true] {
        let costs = cost(&side(&target), &side(&source), push);
        assert!(costs.iter().all(|cost| cost.0 <= bytes && cost.1 <= halves), "{push} {costs:?}");
    }
}

#[test]
fn a_renamed_directory_costs_no_records_of_what_is_in_it() {
    costs_at_most(|tree| rename(tree, &rel("top-3"), &rel("zebra")), 14_000, 10);
    costs_at_most(|tree| rename(tree, &rel("top-3"), &rel("top-5/inner")), 14_000, 10);
    // Deeper, and with the times of its parents.
    let deep = |tree: &mut Entries| {
        (0..20).for_each(|middle| {
            rename(tree, &rel(&format!("top-4/middle-{middle}")), &rel(&format!("top-4/renamed-{middle}")));
        });
        apply(tree, Change::Touch(rel("top-4")));
    };
    costs_at_most(deep, 14_000, 12);
}

#[test]
fn all_of_a_tree_moved_below_one_directory_costs_no_records() {
    let into = |tree: &mut Entries| {
        tree.insert(rel("all"), entry(Kind::Directory, 9));
        (0..10).for_each(|top| rename(tree, &rel(&format!("top-{top}")), &rel(&format!("all/top-{top}"))));
    };
    costs_at_most(into, 20_000, 12);
}

#[test]
fn a_renamed_directory_with_edits_inside_costs_its_edits() {
    let edited = |tree: &mut Entries| {
        rename(tree, &rel("top-3"), &rel("zebra"));
        for file in [3, 50, 99] {
            tree.insert(rel(&format!("zebra/middle-7/source-{file:03}.c")), entry(Kind::File, 5_000_000 + file));
        }
        rename(tree, &rel("zebra/middle-3"), &rel("zebra/other"));
    };
    costs_at_most(edited, 20_000, 14);
}

#[test]
fn a_large_flat_directory_renamed_with_one_file_more_costs_little() {
    let mut target = tree(3, 3, 100);
    target.insert(rel("photos"), entry(Kind::Directory, 77));
    (0..5_000).for_each(|photo| {
        drop(target.insert(rel(&format!("photos/p{photo:05}.jpg")), entry(Kind::File, 7_000 + photo)));
    });
    let mut source = target.clone();
    rename(&mut source, &rel("photos"), &rel("pictures"));
    source.insert(rel("pictures/p02500-b.jpg"), entry(Kind::File, 99_999));
    let costs = cost(&side(&target), &side(&source), true);
    assert!(costs.iter().all(|cost| cost.0 < 16_000), "{costs:?}");
}

#[test]
fn copies_and_swaps_of_directories_cost_no_records() {
    let copies = |tree: &mut Entries| {
        apply(tree, Change::Copy(rel("top-1"), rel("top-1.copy")));
        apply(tree, Change::Copy(rel("top-2"), rel("top-2/copy-of-itself")));
    };
    costs_at_most(copies, 16_000, 12);
}

#[test]
fn where_no_directory_was_renamed_nothing_is_asked() {
    let touched = |tree: &mut Entries| tree.values_mut().for_each(|entry| entry.mtime.secs += 1);
    let scattered = |tree: &mut Entries| tree.values_mut().step_by(31).for_each(|entry| entry.mtime.secs += 1);
    let small = |tree: &mut Entries| rename(tree, &rel("top-3/middle-3"), &rel("top-3/other"));
    let none: [&dyn Fn(&mut Entries); 3] = [&touched, &scattered, &small];
    for change in none {
        costs_at_most(change, usize::MAX, 6);
    }
}

#[test]
fn a_new_large_directory_costs_two_round_trips_more_at_most() {
    let new = |tree: &mut Entries| {
        for middle in 0..30 {
            tree.insert(rel("fresh"), entry(Kind::Directory, 1));
            tree.insert(rel(&format!("fresh/part-{middle}")), entry(Kind::Directory, middle));
            (0..100).for_each(|file| {
                drop(tree.insert(
                    rel(&format!("fresh/part-{middle}/{file}")),
                    entry(Kind::File, 900_000 + middle * 100 + file),
                ));
            });
        }
    };
    costs_at_most(new, usize::MAX, 10);
}

/// Frames of a conversation in which the giver asks for nothing and answers with `outlines`.
fn lied_to(outlines: &[u8]) -> Result<(), Violation> {
    let ours = tree(3, 4, 520);
    let mut theirs = ours.clone();
    rename(&mut theirs, &rel("top-1"), &rel("renamed"));
    let (ours, theirs) = (side(&ours), side(&theirs));
    let settings = Settings { salt: SALT, wants: Wants::Initiator, push: false };
    let mut initiator = Machine::initiator(ours.clone(), settings);
    let mut responder = Machine::responder(theirs.clone());
    let mut lied = false;
    let told = talk(&mut initiator, &mut responder, |_, frame| {
        if frame[1] == 15 {
            lied = true;
            *frame = [&[1, 15], outlines].concat();
        }
    });
    assert!(lied, "a question was asked");
    let told = told?;
    check(&told.initiator, &ours, &theirs);
    Ok(())
}

#[test]
fn lies_about_directories_cost_records_and_change_nothing() {
    let child = |name: &[u8], skeleton: u8| {
        let below = [520_u16 as u8 | 0x80, (520_u16 >> 7) as u8];
        [&[name.len() as u8][..], name, &[5; 8], &[skeleton; 4], &below].concat()
    };
    let one = |child: &[u8]| [&[1, 2][..], child].concat();
    // Nothing told; no directory at all; an untold root; what looks like ours and is not; what nests and does not.
    assert_eq!(lied_to(&[0]), Ok(()));
    assert_eq!(lied_to(&[1, 1]), Ok(()));
    assert_eq!(lied_to(&[1, 0]), Ok(()));
    assert_eq!(lied_to(&one(&child(b"middle-3", 0))), Ok(()));
    assert_eq!(lied_to(&one(&child(b"top-2/middle-1", 0))), Ok(()));
    let nested = [&[2, 2][..], &child(b"top-2", 9), &[2], &child(b"middle-1", 0)].concat();
    assert_eq!(lied_to(&nested), Ok(()));
    // The liar is asked about what it made up.
    assert_eq!(lied_to(&one(&child(b"stranger", 9))), Err(Violation::Malformed("question")));
    // More than was asked, disorder, names that are none, a count without children.
    assert_eq!(lied_to(&[2, 1, 1]), Err(Violation::Count("outlines")));
    let twice = [&[1, 3][..], &child(b"b", 0), &child(b"a", 0)].concat();
    assert_eq!(lied_to(&twice), Err(Violation::Order));
    assert!(matches!(lied_to(&[&[1, 2][..], &child(b"../etc", 0)].concat()), Err(Violation::Path(_))));
    assert!(matches!(lied_to(&[&[1, 2][..], &child(b"", 0)].concat()), Err(Violation::Malformed(_))));
    assert!(matches!(lied_to(&[1, 200, 7, 1]), Err(Violation::Short(_))));
    assert!(matches!(lied_to(&[1, 0x80, 0x80, 1, 1]), Err(Violation::Limit { .. })));
}

#[test]
fn questions_that_no_honest_end_asks_are_violations() {
    let ours = side(&tree(4, 5, 120));
    let mut theirs = tree(4, 5, 120);
    rename(&mut theirs, &rel("top-1"), &rel("renamed"));
    let settings = Settings { salt: SALT, wants: Wants::Initiator, push: false };
    let answered = |frames: &[&[u8]]| {
        let mut initiator = Machine::initiator(ours.clone(), settings);
        let mut responder = Machine::responder(side(&theirs));
        responder.handle(&initiator.poll_transmit().expect("a hello")).expect("a hello");
        frames.iter().try_for_each(|frame| {
            while responder.poll_transmit().is_some() {}
            responder.handle(frame)
        })
    };
    let root = &[1, 14, 1, 0][..];
    assert_eq!(answered(&[root]), Ok(()));
    assert_eq!(answered(&[&[1, 14, 1, 4, b'n', b'o', b'n', b'e']]), Err(Violation::Malformed("question")));
    assert_eq!(answered(&[&[1, 14, 0]]), Err(Violation::Malformed("message")));
    assert_eq!(answered(&[&[root; 8][..], &[root]].concat()), Err(Violation::Turn("a question")));
    // A listing that stands in, without a question or twice.
    let stand_in = [&[1, 16, 3][..], &[7; 32]].concat();
    assert_eq!(answered(&[&stand_in]), Err(Violation::Turn("a stand-in")));
    assert_eq!(answered(&[root, &stand_in]), Ok(()));
    assert_eq!(answered(&[root, &stand_in, &stand_in]), Err(Violation::Turn("a stand-in")));
    assert_eq!(answered(&[root, &stand_in, root]), Err(Violation::Turn("a question")));
}
