//! Laws of the conversation about two trees: it finds exactly what a comparison of the trees finds, in at most three round
//! trips, in few bytes; and whatever a peer says is a violation at worst.

#[path = "reconcile/figures.rs"]
mod figures;
#[path = "reconcile/renames.rs"]
mod renames;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alike::model::digest::Digest;
use alike::model::entry::{Entry, Extra, Kind, Stamp, Time};
use alike::model::lane::Lane;
use alike::model::listing::{Builder, Listing};
use alike::model::path::RelPath;
use alike::model::tree::{Tree, differences};
use alike::proto::Violation;
use alike::proto::limits::{FRAME_BYTES_MAX, PROTOCOL_VERSION};
use alike::proto::reconcile::{Machine, Outcome, Settings, Side, Wants};
use proptest::prelude::*;

/// A set of entries: path -> variant of the entry.
type Set = BTreeMap<RelPath, u8>;

const UNREADABLE: u8 = 9;
/// Added to a variant: the same bytes at another time.
const TOUCHED: u8 = 100;
const SALT: [u8; 16] = [7; 16];

fn entry(path: &RelPath, variant: u8) -> Entry {
    let (variant, touched) = (variant % TOUCHED, u32::from(variant / TOUCHED));
    let kind = match variant {
        UNREADABLE => Kind::Unreadable,
        3 => Kind::Symlink,
        4 => Kind::Directory,
        _ => Kind::File,
    };
    let target = (kind == Kind::Symlink).then(|| (*b"there").into());
    let links = (variant == 5).then(|| (*b"least").into());
    let content =
        if kind == Kind::File { Digest::of_content(&[path.as_bytes(), &[variant]].concat()) } else { Digest::UNKNOWN };
    let mtime = Time {
        secs: 1_700_000_000 + path.as_bytes().len() as i64,
        nanos: u32::from(variant) * 1_000_001
            + touched * (1 + u32::from(path.as_bytes()[path.as_bytes().len() - 3]) * 7_919_111),
    };
    let size = if kind == Kind::File { 2_000 + u64::from(variant) } else { 0 };
    let extra = Some(Box::new(Extra { target, links, ..Extra::default() })).filter(|extra| !extra.is_empty());
    Entry { kind, mode: 0o644, mtime, size, content, uid: 0, gid: 0, extra }
}

fn listing(set: &Set) -> Listing {
    let mut builder = Builder::with_capacity(set.len());
    for (path, &variant) in set {
        builder.push(path.as_ref(), &entry(path, variant), &Stamp::default(), 0);
    }
    builder.finish()
}

fn side(set: &Set) -> Side {
    let listing = listing(set);
    let tree = Arc::new(Tree::build(&listing, Lane::CONTENT));
    Side { listing, tree }
}

fn path(number: usize) -> RelPath {
    RelPath::new(format!("area-{:04}/part-{:03}/source-{number:07}.c", number / 400, number / 20).as_bytes())
        .expect("legal")
}

fn numbered(count: usize) -> Set {
    (0..count).map(|number| (path(number), 0)).collect()
}

/// What a whole conversation took.
#[derive(Debug)]
struct Told {
    initiator: Outcome,
    responder: Outcome,
    bytes: usize,
    messages: u32,
}

/// Carries frames between two machines until both are done; `meddle` may change each.
fn talk(
    initiator: &mut Machine,
    responder: &mut Machine,
    mut meddle: impl FnMut(usize, &mut Vec<u8>),
) -> Result<Told, Violation> {
    let (mut bytes, mut messages, mut frames) = (0, 0, 0);
    let mut outcomes = [None, None];
    for turn in 0..32 {
        let (from, to) =
            if turn % 2 == 0 { (&mut *initiator, &mut *responder) } else { (&mut *responder, &mut *initiator) };
        let mut sent = Vec::new();
        while let Some(frame) = from.poll_transmit() {
            assert!(frame.len() <= FRAME_BYTES_MAX);
            sent.push(frame);
        }
        outcomes[turn % 2] = outcomes[turn % 2].take().or(from.poll_outcome());
        messages += u32::from(!sent.is_empty());
        for mut frame in sent {
            bytes += frame.len();
            meddle(frames, &mut frame);
            frames += 1;
            to.handle(&frame)?;
        }
        outcomes[1 - turn % 2] = outcomes[1 - turn % 2].take().or(to.poll_outcome());
        if let [Some(_), Some(_)] = &outcomes {
            break;
        }
    }
    let [Some(initiator), Some(responder)] = outcomes else { panic!("the conversation hangs") };
    Ok(Told { initiator, responder, bytes, messages })
}

fn reconcile(left: &Side, right: &Side, wants: Wants, push: bool) -> Told {
    let mut initiator = Machine::initiator(left.clone(), Settings { salt: SALT, wants, push });
    let mut responder = Machine::responder(right.clone());
    talk(&mut initiator, &mut responder, |_, _| {}).expect("honest ends")
}

/// The outcome of one end must be what a comparison of the trees says.
fn check(outcome: &Outcome, ours: &Side, theirs: &Side) {
    let wanted = differences((&ours.listing, &ours.tree), (&theirs.listing, &theirs.tree));
    assert_eq!(outcome.differing.len(), wanted.len());
    for (pair, wanted) in outcome.differing.iter().zip(&wanted) {
        assert_eq!(pair.ours, wanted.left);
        let theirs = wanted.right.map(|row| theirs.listing.row(row));
        assert_eq!(pair.theirs.as_ref(), theirs.map(|row| row.entry()).as_ref());
        let paths = [wanted.left.map(|row| ours.listing.row(row).path()), theirs.map(|row| row.path())];
        assert!(paths.into_iter().flatten().all(|path| path == pair.path.as_ref()));
    }
    assert_eq!(outcome.their_top, theirs.tree.top());
    assert_eq!(outcome.their_entries, theirs.listing.len() as u64);
}

const WANTS: [Wants; 3] = [Wants::Both, Wants::Initiator, Wants::Responder];

/// Three round trips; `repeats` allows for one repeat, as a random pair of sets may have a false match.
fn check_all(left: &Set, right: &Set, repeats: u32) {
    let (left, right) = (side(left), side(right));
    for wants in WANTS {
        for push in [false, true] {
            let told = reconcile(&left, &right, wants, push);
            let halves = told.initiator.round_trips_halves.max(told.responder.round_trips_halves);
            assert!(halves <= 6 * (1 + repeats), "{halves}");
            match wants {
                Wants::Responder => assert!(told.initiator.differing.is_empty()),
                _ => check(&told.initiator, &left, &right),
            }
            match wants {
                Wants::Initiator => assert!(told.responder.differing.is_empty()),
                _ => check(&told.responder, &right, &left),
            }
        }
    }
}

fn sets() -> impl Strategy<Value = (Set, Set)> {
    let base = (0usize..1_500, 0u8..3).prop_map(|(count, variant)| (count, variant));
    let changes = prop::collection::vec((0usize..1_600, prop_oneof![Just(None), (0u8..10).prop_map(Some)]), 0..60);
    let span = (0usize..1_600, 0usize..400);
    (base, changes, span, 0u8..5).prop_map(|((count, variant), changes, (start, length), how)| {
        let left: Set = (0..count).map(|number| (path(number), variant)).collect();
        let mut right = left.clone();
        for (number, change) in changes {
            match change {
                Some(variant) => right.insert(path(number), variant),
                None => right.remove(&path(number)),
            };
        }
        if how == 4 {
            // Nearly all are touched; what changed above stays changed.
            right.values_mut().for_each(|variant| *variant += TOUCHED);
        }
        for number in start..start + length {
            match how {
                0 => right.remove(&path(number)),
                1 => right.insert(path(number), 7),
                2 => right.insert(path(number * 31 % 1_500), 8),
                _ => None,
            };
        }
        (left, right)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_conversation_finds_what_a_comparison_finds((left, right) in sets()) {
        check_all(&left, &right, 1);
        check_all(&right, &left, 1);
    }

    #[test]
    fn unrelated_sets_are_told_whole(
        left in prop::collection::btree_map((0usize..4_000).prop_map(path), 0u8..10, 0..400),
        right in prop::collection::btree_map((0usize..4_000).prop_map(path), 0u8..10, 0..400),
    ) {
        check_all(&left, &right, 1);
    }

    #[test]
    fn meddled_frames_are_no_panic_and_no_hang(
        (left, right) in sets(),
        wants in prop::sample::select(&WANTS[..]),
        push in any::<bool>(),
        target in 0usize..6,
        how in 0u8..3,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut initiator = Machine::initiator(side(&left), Settings { salt: SALT, wants, push });
        let mut responder = Machine::responder(side(&right));
        let mut hung = false;
        let mut meddle = |number: usize, frame: &mut Vec<u8>| {
            if number == target {
                let at = at.index(frame.len());
                match how {
                    0 => frame[at] = byte,
                    1 => frame.truncate(at),
                    _ => frame.insert(at, byte),
                }
            }
            hung |= number > 100;
        };
        // A machine that waits for the rest of a message that was cut off waits for the transport, which has its own time-out.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| talk(&mut initiator, &mut responder, &mut meddle)))
            .map_err(|panic| assert_eq!(panic.downcast_ref::<&str>(), Some(&"the conversation hangs")));
        prop_assert!(!hung);
    }

    #[test]
    fn arbitrary_frames_are_violations_at_worst(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..5)) {
        let set = numbered(300);
        for responds in [true, false] {
            let settings = Settings { salt: SALT, wants: Wants::Both, push: true };
            let mut machine = if responds { Machine::responder(side(&set)) } else { Machine::initiator(side(&set), settings) };
            for frame in &frames {
                while machine.poll_transmit().is_some() {}
                let _ = machine.handle(frame);
            }
        }
    }
}

#[test]
fn empty_and_tiny_sets_are_told_apart() {
    for (left, right) in [(0, 0), (0, 1), (1, 0), (0, 3_000), (3_000, 0), (5, 3_000), (3_000, 5), (170, 171)] {
        check_all(&numbered(left), &numbered(right), 0);
    }
}

#[test]
fn no_difference_is_one_round_trip_and_few_bytes() {
    let side = side(&numbered(20_000));
    for wants in WANTS {
        let told = reconcile(&side, &side, wants, false);
        assert_eq!((told.messages, told.initiator.round_trips_halves, told.responder.round_trips_halves), (2, 2, 2));
        assert!(told.bytes < 600, "{}", told.bytes);
        let pushed = reconcile(&side, &side, wants, true);
        assert_eq!(pushed.messages, 2);
        assert!(pushed.bytes < 3_600, "{}", pushed.bytes);
    }
}

#[test]
fn one_change_of_many_costs_few_bytes_and_two_round_trips() {
    let left = numbered(100_000);
    let mut right = left.clone();
    right.insert(path(77_777), 1);
    let (left, right) = (side(&left), side(&right));
    for wants in WANTS {
        let told = reconcile(&left, &right, wants, true);
        assert!(told.bytes < 6_000, "{}", told.bytes);
        let halves = told.initiator.round_trips_halves.max(told.responder.round_trips_halves);
        assert!(halves <= 4, "{wants:?} {halves}");
    }
}

#[test]
fn many_changes_stay_within_three_round_trips() {
    let left = numbered(60_000);
    for every in [2, 11, 90, 1_000] {
        let right = left.keys().enumerate().map(|(at, path)| (path.clone(), u8::from(at % every == 0))).collect();
        check_all(&left, &right, 0);
    }
    let removed: BTreeSet<usize> = (10_000..40_000).collect();
    let right = left
        .iter()
        .enumerate()
        .filter(|(at, _)| !removed.contains(at))
        .map(|(_, (path, _))| (path.clone(), 0))
        .collect();
    check_all(&left, &right, 0);
}

#[test]
fn a_touched_tree_costs_a_few_bytes_an_entry() {
    let left = numbered(30_000);
    let mut right: Set = left.keys().map(|path| (path.clone(), TOUCHED)).collect();
    right.insert(path(20_000), 1);
    right.insert(path(20_001), 0);
    right.insert(path(90_000), 1);
    right.remove(&path(100));
    right.insert(path(7), UNREADABLE);
    check_all(&left, &right, 0);
    let (left, right) = (side(&left), side(&right));
    for wants in [Wants::Initiator, Wants::Responder] {
        for push in [false, true] {
            let told = reconcile(&left, &right, wants, push);
            assert!(told.bytes < 30_000 * 9, "{}", told.bytes);
        }
    }
}

#[test]
fn a_first_copy_streams_in_frames() {
    let (left, right) = (side(&numbered(30_000)), side(&Set::new()));
    let mut initiator = Machine::initiator(left.clone(), Settings { salt: SALT, wants: Wants::Responder, push: true });
    let mut responder = Machine::responder(right.clone());
    let mut largest = 0;
    let told = talk(&mut initiator, &mut responder, |_, frame| largest = largest.max(frame.len())).expect("honest");
    check(&told.responder, &right, &left);
    assert!(largest < 400_000, "{largest}");
    assert!(told.responder.round_trips_halves <= 3);
}

#[test]
fn what_neither_end_can_read_differs_at_no_cost() {
    let mut set = numbered(2_000);
    set.insert(path(7), UNREADABLE);
    let side = side(&set);
    let told = reconcile(&side, &side, Wants::Both, false);
    assert_eq!(told.messages, 2);
    check(&told.initiator, &side, &side);
    assert_eq!(told.responder.differing.len(), 1);
}

#[test]
fn a_false_match_is_seen_and_repeated_under_another_salt() {
    let left = numbered(5_000);
    let mut right = left.clone();
    right.insert(path(1_234), 1);
    let (left, right) = (side(&left), side(&right));
    for wants in WANTS {
        let settings = Settings { salt: SALT, wants, push: true };
        let (mut initiator, mut responder) =
            (Machine::initiator(left.clone(), settings), Machine::responder(right.clone()));
        // As if a match were false: the seal of the first answer is flipped, then also that of the second attempt.
        let once = |number: usize, frame: &mut Vec<u8>| spoil(frame, number == 1);
        let told = talk(&mut initiator, &mut responder, once).expect("a repeat heals it");
        if wants != Wants::Responder {
            assert_eq!(told.initiator.differing.len(), 1);
        }
        if wants != Wants::Initiator {
            assert_eq!(told.responder.differing.len(), 1);
        }
        let (mut initiator, mut responder) =
            (Machine::initiator(left.clone(), settings), Machine::responder(right.clone()));
        let twice = |number: usize, frame: &mut Vec<u8>| spoil(frame, number == 1 || number == 3);
        assert_eq!(talk(&mut initiator, &mut responder, twice).err(), Some(Violation::Contradiction));
    }
}

/// Flips a bit of the seal of a responder's answer: it stands behind welcome, count and bits.
fn spoil(frame: &mut [u8], now: bool) {
    if !now {
        return;
    }
    let matched = if frame[1] == 2 { 1 + 1 + 2 + 32 } else { 1 };
    assert_eq!(frame[matched], 5);
    let count = usize::from(frame[matched + 1] & 0x7f) | usize::from(frame[matched + 2]) << 7;
    frame[matched + 3 + count.div_ceil(8)] ^= 1;
}

#[test]
fn another_lane_is_refused_on_both_ends() {
    let set = numbered(10);
    let owned = listing(&set);
    let tree = Arc::new(Tree::build(&owned, Lane::OWNED));
    let settings = Settings { salt: SALT, wants: Wants::Both, push: false };
    let mut initiator = Machine::initiator(side(&set), settings);
    let mut responder = Machine::responder(Side { listing: owned, tree });
    let hello = initiator.poll_transmit().expect("a hello");
    assert!(hello.len() < 400);
    assert!(matches!(responder.handle(&hello), Err(Violation::Lane { .. })));
    let refusal = responder.poll_transmit().expect("a refusal");
    assert!(matches!(initiator.handle(&refusal), Err(Violation::Lane { .. })));
    assert!(matches!(initiator.handle(&refusal), Err(Violation::Turn(_))));
}

#[test]
fn a_peer_of_another_version_is_refused() {
    let settings = Settings { salt: SALT, wants: Wants::Both, push: false };
    let mut hello = Machine::initiator(side(&numbered(3)), settings).poll_transmit().expect("a hello");
    hello[2] += 1;
    let mut responder = Machine::responder(side(&numbered(3)));
    assert!(matches!(responder.handle(&hello), Err(Violation::Version { .. })));
    assert!(responder.poll_transmit().is_some());
}

/// A hello of a peer that claims `entries`, with whatever top.
fn hello(entries: u8) -> Vec<u8> {
    let lane = Lane::CONTENT.to_byte();
    [&[1, 1, PROTOCOL_VERSION, lane, 0][..], &SALT, &[entries], &[0xaa; 32]].concat()
}

#[test]
fn a_peer_that_never_ends_a_message_is_stopped() {
    let endless: [&[u8]; 4] = [
        // One id of level 1 and 4 bytes a frame.
        &[0, 6, 1, 4, 1, 1, 2, 3, 4],
        // An empty frame; an empty list of ids; matches of nothing that was sent.
        &[0],
        &[0, 6, 1, 4, 0],
        &[0, 5, 1, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
    ];
    for frame in endless {
        let mut responder = Machine::responder(side(&numbered(50)));
        let mut opening = hello(100);
        opening[0] = 0;
        responder.handle(&opening).expect("a hello whose end is to come");
        let taken = (0..1_000).take_while(|_| responder.handle(frame).is_ok()).count();
        assert!(taken <= 100, "{taken}");
        assert!(responder.poll_outcome().is_none());
    }
}

#[test]
fn numbers_that_do_not_add_up_are_violations() {
    let set = numbered(120);
    // The honest initiator has 120 entries; its hello is made to claim others, so its records are too many or too few.
    for claimed in [3, 119, 121] {
        let mut initiator =
            Machine::initiator(side(&set), Settings { salt: SALT, wants: Wants::Responder, push: false });
        let mut responder = Machine::responder(side(&Set::new()));
        let meddle = |number: usize, frame: &mut Vec<u8>| {
            if number == 0 {
                frame[21] = claimed;
            }
        };
        let told = talk(&mut initiator, &mut responder, meddle);
        assert!(matches!(told, Err(Violation::Count(_))), "{told:?}");
    }
}

#[test]
fn a_peer_that_talks_out_of_turn_is_stopped() {
    let set = numbered(50);
    let settings = Settings { salt: SALT, wants: Wants::Responder, push: true };
    // Done, give, records, a second hello, a repeat: none of them fits as the first answer.
    for section in [&[9][..], &[8], &[7, 0, 0, 0, 0], &hello(3)[1..], &[10], &[5, 1, 0], &[99]] {
        let mut initiator = Machine::initiator(side(&set), settings);
        while initiator.poll_transmit().is_some() {}
        assert!(initiator.handle(&[&[1], section].concat()).is_err(), "{section:?}");
    }
    let mut responder = Machine::responder(side(&set));
    responder.handle(&hello(60)).expect("a hello");
    assert_eq!(responder.handle(&hello(60)), Err(Violation::Turn("a message")), "the answer is not sent yet");
}
