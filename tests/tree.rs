//! Laws of the Merkle tree: it is a function of the set alone, it is what its definition says, updates equal rebuilds,
//! comparisons equal merges, and arbitrary bytes are refused.

use std::collections::BTreeMap;
use std::ops::Range;

use alike::model::cut::{Cuts, INNER_NODES_MAX, LEAF_ROWS_MAX, Rule, TOP_NODES_MAX};
use alike::model::digest::{Digest, Domain, Hasher};
use alike::model::entry::{Entry, Extra, Kind, Stamp, Time};
use alike::model::lane::{Bytes, Lane};
use alike::model::listing::{Builder, Listing};
use alike::model::path::RelPath;
use alike::model::tree::{Difference, Leaves, Splice, Tree, differences, short_id};
use proptest::prelude::*;

/// A set of entries: path -> variant of the entry.
type Set = BTreeMap<RelPath, u8>;

const UNREADABLE: u8 = 99;

fn entry(variant: u8) -> Entry {
    let kind = match variant {
        UNREADABLE => Kind::Unreadable,
        3 => Kind::Symlink,
        _ => Kind::File,
    };
    let target = (kind == Kind::Symlink).then(|| (*b"there").into());
    let links = (variant == 4).then(|| (*b"least").into());
    let owner_name = (variant >= 4).then(|| "somebody".into());
    Entry {
        kind,
        mode: if variant == 5 { 0o600 } else { 0o644 },
        mtime: Time { secs: 9, nanos: u32::from(variant == 6) },
        size: 1,
        content: Digest([if variant < 4 { variant } else { 0 }; 32]),
        uid: u32::from(variant == 7),
        gid: 0,
        extra: Some(Box::new(Extra { target, links, owner_name, ..Extra::default() }))
            .filter(|extra| !extra.is_empty()),
    }
}

fn listing(set: &Set) -> Listing {
    let mut builder = Builder::with_capacity(set.len());
    for (path, &variant) in set {
        builder.push(path.as_ref(), &entry(variant), &Stamp::default(), 0);
    }
    builder.finish()
}

fn path(number: usize) -> RelPath {
    RelPath::new(format!("dir-{:03}/file-{number:05}", number / 37).as_bytes()).expect("legal")
}

fn numbered(numbers: impl IntoIterator<Item = usize>) -> Set {
    numbers.into_iter().map(|number| (path(number), 0)).collect()
}

/// A name ground against the public key: the `place`th of all, with a mark in the `slot`th of `slots` parts of all marks.
fn ground(place: usize, slot: usize, slots: usize) -> RelPath {
    let step = u64::MAX / 2 / slots as u64;
    let wanted = step * slot as u64..step * (slot as u64 + 1);
    let mut names = (0..).map(|salt: u32| format!("ground-{place:05}-{salt}"));
    let fitting = names.find(|name| wanted.contains(&Rule::of_level(0).mark(name.as_bytes())));
    RelPath::new(fitting.expect("endless").as_bytes()).expect("legal")
}

/// Names without a natural cut among them, as each mark is greater than the one before.
fn rising(count: usize) -> Vec<RelPath> {
    (0..count).map(|place| ground(place, place, count)).collect()
}

/// The tree's starts by definition, at quadratic cost: each level's first rows.
fn starts_by_definition(listing: &Listing) -> Vec<Vec<usize>> {
    let mut levels: Vec<Vec<usize>> = Vec::new();
    let mut below: Vec<usize> = (0..listing.len()).collect();
    while !below.is_empty() && (levels.is_empty() || below.len() > TOP_NODES_MAX) {
        let (rule, window, most) =
            if levels.is_empty() { (Rule::of_level(0), 4, 48) } else { (Rule::of_level(levels.len()), 8, 96) };
        let marks: Vec<u64> = below.iter().map(|&row| rule.mark(listing.row(row).path().as_bytes())).collect();
        let natural = |at: usize| {
            let near = at.saturating_sub(window)..(at + window + 1).min(marks.len());
            at == 0 || near.into_iter().all(|other| other == at || marks[at] < marks[other])
        };
        let mut origin = 0;
        let starts = (0..below.len()).filter(|&at| {
            if natural(at) {
                origin = at;
            }
            (at - origin) % most == 0
        });
        below = starts.map(|at| below[at]).collect();
        levels.push(below.clone());
    }
    levels
}

/// The splices between two sets by a plain merge; those at most `slack` rows apart become one, none do without.
fn splices(old: &Set, new: &Set, slack: Option<usize>) -> Vec<Splice> {
    let mut all: Set = old.clone();
    all.extend(new.clone());
    let mut splices: Vec<Splice> = Vec::new();
    let (mut left, mut right) = (0, 0);
    for path in all.keys() {
        let (before, after) = (old.get(path), new.get(path));
        let (left_end, right_end) = (left + usize::from(before.is_some()), right + usize::from(after.is_some()));
        if before != after {
            match (splices.last_mut(), slack) {
                (Some(last), Some(slack)) if last.old.end + slack >= left && last.new.end + slack >= right => {
                    (last.old.end, last.new.end) = (left_end, right_end);
                }
                _ => splices.push(Splice { old: left..left_end, new: right..right_end }),
            }
        }
        (left, right) = (left_end, right_end);
    }
    splices
}

/// One edit of a set: what is done to a run of neighbouring names.
#[derive(Debug, Clone)]
struct Edit {
    /// First number, and how many.
    run: (usize, usize),
    /// The variant they get; `None` deletes them.
    variant: Option<u8>,
}

fn edits(numbers: usize, most: usize) -> impl Strategy<Value = Vec<Edit>> {
    let first = prop_oneof![4 => 0..numbers, 1 => Just(0usize), 1 => numbers.saturating_sub(12)..numbers];
    let length = prop_oneof![6 => 1..6usize, 1 => 1..400usize];
    let variant = prop_oneof![3 => Just(None), 5 => (0u8..8).prop_map(Some), 1 => Just(Some(UNREADABLE))];
    let edit = (first, length, variant).prop_map(|(first, count, variant)| Edit { run: (first, count), variant });
    prop::collection::vec(edit, 0..most)
}

fn apply(set: &mut Set, names: &[RelPath], edits: &[Edit]) {
    for Edit { run: (first, count), variant } in edits {
        for name in names.iter().skip(*first).take(*count) {
            match variant {
                Some(variant) => drop(set.insert(name.clone(), *variant)),
                None => drop(set.remove(name)),
            }
        }
    }
}

/// The differences of two sets by a plain merge.
fn merged(left: &Set, right: &Set) -> Vec<Difference> {
    let mut all: Set = left.clone();
    all.extend(right.clone());
    let (mut at_left, mut at_right) = (0, 0);
    let mut found = Vec::new();
    for path in all.keys() {
        let (before, after) = (left.get(path), right.get(path));
        let difference = Difference { left: before.map(|_| at_left), right: after.map(|_| at_right) };
        // Variant 7 differs from 0 in the owner alone, which the lane of these tests does not cover.
        let covered = |variant: Option<&u8>| variant.map(|&v| if v == 7 { 0 } else { v });
        if covered(before) != covered(after) || before == Some(&UNREADABLE) {
            found.push(difference);
        }
        (at_left, at_right) = (at_left + usize::from(before.is_some()), at_right + usize::from(after.is_some()));
    }
    found
}

/// The tree, with the leaf nodes of each part of the rows made by themselves.
fn in_parts(listing: &Listing, parts: usize) -> Tree {
    let mut borders: Vec<usize> =
        (0..parts).map(|part| Leaves::border(listing, part * listing.len() / parts)).collect();
    borders.push(listing.len());
    let leaves = borders.windows(2).map(|part| Leaves::over(listing, Lane::CONTENT, part[0]..part[1]));
    Tree::over(listing, Lane::CONTENT, leaves.collect::<Vec<_>>())
}

/// A chain of edits, each applied to the tree; after each the tree must be the one that a build gives, whole or in parts.
fn check_chain(names: &[RelPath], start: Set, chain: &[Vec<Edit>], slack: Option<usize>) -> Result<(), TestCaseError> {
    let mut set = start;
    let mut old = listing(&set);
    let mut tree = Tree::build(&old, Lane::CONTENT);
    for edits in chain {
        let before = set.clone();
        apply(&mut set, names, edits);
        let new = listing(&set);
        let built = Tree::build(&new, Lane::CONTENT);
        prop_assert_eq!(&tree.update(&old, &new, &splices(&before, &set, slack)), &built);
        prop_assert_eq!(&tree.refresh(&old, &new), &built);
        prop_assert_eq!(&in_parts(&new, 1 + new.len() % 7), &built);
        prop_assert_eq!(differences((&old, &tree), (&new, &built)), merged(&before, &set));
        (old, tree) = (new, built);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_tree_is_cut_as_defined(start in edits(4000, 40), all in any::<bool>()) {
        let names: Vec<RelPath> = (0..4000).map(path).collect();
        let mut set = if all { numbered(0..4000) } else { Set::new() };
        apply(&mut set, &names, &start);
        let listing = listing(&set);
        let tree = Tree::build(&listing, Lane::CONTENT);
        let starts: Vec<Vec<usize>> = tree.levels().iter().enumerate()
            .map(|(level, nodes)| (0..nodes.len()).map(|node| tree.rows_of(level, node).start).collect())
            .collect();
        prop_assert_eq!(starts, starts_by_definition(&listing));
    }

    #[test]
    fn any_chain_of_edits_gives_the_tree_of_the_set(
        full in any::<bool>(),
        start in edits(3000, 30),
        chain in prop::collection::vec(edits(3000, 12), 1..4),
        slack in prop::option::of(0..20usize),
    ) {
        let names: Vec<RelPath> = (0..3000).map(path).collect();
        let mut set = if full { numbered(0..3000) } else { Set::new() };
        apply(&mut set, &names, &start);
        check_chain(&names, set, &chain, slack)?;
    }

    #[test]
    fn small_sets_grow_and_vanish(
        start in edits(40, 4),
        chain in prop::collection::vec(edits(40, 4), 1..8),
        slack in prop::option::of(0..3usize),
    ) {
        let names: Vec<RelPath> = (0..40).map(path).collect();
        let mut chain = chain;
        chain.push(vec![Edit { run: (0, 40), variant: None }]);
        chain.push(vec![Edit { run: (5, 3), variant: Some(1) }]);
        let mut set = Set::new();
        apply(&mut set, &names, &start);
        check_chain(&names, set, &chain, slack)?;
    }

    #[test]
    fn forced_cuts_follow_every_edit(
        chain in prop::collection::vec(edits(800, 20), 1..6),
        slack in prop::option::of(0..20usize),
    ) {
        // Between the ground names lie free ones, whose insertion makes natural cuts beside forced ones.
        thread_local!(static GROUND: Vec<RelPath> = rising(400));
        let ground = GROUND.with(Clone::clone);
        let free = |name: &RelPath| RelPath::new(&[name.as_bytes(), b"-free"].concat()).expect("legal");
        let names: Vec<RelPath> = ground.iter().flat_map(|name| [name.clone(), free(name)]).collect();
        let start = ground.into_iter().map(|name| (name, 0)).collect();
        check_chain(&names, start, &chain, slack)?;
    }

    #[test]
    fn any_splices_are_survived(
        numbers in prop::collection::vec((0..300usize, 0..300usize, 0..300usize, 0..300usize), 0..5),
    ) {
        let (old, new) = (listing(&numbered(0..250)), listing(&numbered(20..280)));
        let splices: Vec<Splice> = numbers.into_iter().map(|(a, b, c, d)| Splice { old: a..b, new: c..d }).collect();
        let updated = Tree::build(&old, Lane::CONTENT).update(&old, &new, &splices);
        prop_assert_eq!(updated.rows(), new.len());
    }

    #[test]
    fn differences_equal_a_merge(left in edits(3000, 30), right in edits(3000, 10), full in any::<bool>()) {
        let names: Vec<RelPath> = (0..3000).map(path).collect();
        let mut one = if full { numbered(0..3000) } else { Set::new() };
        apply(&mut one, &names, &left);
        let mut other = one.clone();
        apply(&mut other, &names, &right);
        let (lists, trees) = ([listing(&one), listing(&other)], [&one, &other].map(|set| Tree::build(&listing(set), Lane::CONTENT)));
        prop_assert_eq!(differences((&lists[0], &trees[0]), (&lists[1], &trees[1])), merged(&one, &other));
        // A tree that belongs to another listing only costs time.
        prop_assert_eq!(differences((&lists[0], &Tree::build(&Listing::empty(), Lane::CONTENT)), (&lists[1], &trees[1])), merged(&one, &other));
    }

    #[test]
    fn encoded_trees_come_back(start in edits(2000, 20), lane in 0u8..32) {
        let names: Vec<RelPath> = (0..2000).map(path).collect();
        let mut set = Set::new();
        apply(&mut set, &names, &start);
        let tree = Tree::build(&listing(&set), Lane::from_byte(lane).expect("below 32"));
        let mut bytes = vec![];
        tree.encode(&mut bytes);
        let used = bytes.len();
        bytes.extend_from_slice(b"what follows");
        prop_assert_eq!(Tree::decode(&bytes), Some((tree, used)));
    }

    #[test]
    fn damaged_bytes_give_no_tree_or_one_that_can_be_walked(
        start in edits(700, 10),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
        front in any::<bool>(),
    ) {
        let names: Vec<RelPath> = (0..700).map(path).collect();
        let mut set = numbered(0..300);
        apply(&mut set, &names, &start);
        let old = listing(&set);
        let mut bytes = vec![];
        Tree::build(&old, Lane::CONTENT).encode(&mut bytes);
        prop_assert_eq!(Tree::decode(&bytes[..end.index(bytes.len())]), None);
        let reach = if front { bytes.len().min(300) } else { bytes.len() };
        for (at, byte) in damage {
            bytes[at.index(reach)] = byte;
        }
        if let Some((tree, _)) = Tree::decode(&bytes) {
            let new = listing(&numbered((0..700).step_by(2)));
            let updated = tree.refresh(&old, &new);
            prop_assert_eq!(updated.rows(), new.len());
            prop_assert!(differences((&old, &tree), (&new, &updated)).len() <= old.len() + new.len());
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_tree(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Some((tree, used)) = Tree::decode(&bytes) {
            prop_assert!(used <= bytes.len() && tree.rows() <= 48 * 17 * 96);
        }
    }

    #[test]
    fn rows_are_equal_iff_their_digests_are(left in 0u8..8, right in 0u8..8, lane in 0u8..32) {
        let lane = Lane::from_byte(lane).expect("below 32");
        let lists = [left, right].map(|variant| listing(&Set::from([(path(1), variant)])));
        let mut scratch = Vec::new();
        let [one, other] = [0, 1].map(|at| lane.digest_row(lists[at].row(0), &mut scratch));
        prop_assert_eq!(lane.equal_rows(lists[0].row(0), lists[1].row(0)), one == other);
    }
}

/// Every row near a forced cut is replaced by every row that sorts at its place, beside every other such row.
#[test]
fn forced_cuts_give_way_to_natural_ones_beside_them() {
    const PLACES: usize = 70;
    let name = |place: usize, slot: usize| ground(place, slot, PLACES);
    let rising: Vec<RelPath> = (0..PLACES).map(|place| name(place, place)).collect();
    let rows = |replaced: &[(usize, usize)]| {
        let mut names = rising.clone();
        replaced.iter().for_each(|&(place, slot)| names[place] = name(place, slot));
        names.into_iter().map(|name| (name, 0)).collect::<Set>()
    };
    let mut forced_and_natural = 0;
    for (beside, lower) in (44..56).flat_map(|place| (1..7).map(move |lower| (place, place - lower))) {
        for place in (42..58).filter(|&place| place != beside) {
            let (before, after) = (rows(&[(beside, lower), (place, place - 3)]), rows(&[(beside, lower)]));
            let (old, new) = (listing(&before), listing(&after));
            let (tree, built) = (Tree::build(&old, Lane::CONTENT), Tree::build(&new, Lane::CONTENT));
            let splices = splices(&before, &after, None);
            assert_eq!(tree.update(&old, &new, &splices), built, "{beside} {lower} {place}");
            forced_and_natural += usize::from(built.levels()[0].firsts.contains(&48) && built.levels()[0].len() > 2);
        }
    }
    assert!(forced_and_natural > 50);
}

#[test]
fn nodes_cover_their_level_without_gaps() {
    let listing = listing(&numbered(0..5000));
    let tree = Tree::build(&listing, Lane::CONTENT);
    assert!(tree.levels().len() >= 3);
    for (level, nodes) in tree.levels().iter().enumerate() {
        let most = if level == 0 { LEAF_ROWS_MAX } else { INNER_NODES_MAX };
        let (mut child, mut row) = (0, 0);
        for node in 0..nodes.len() {
            let (children, rows) = (tree.children(level, node), tree.rows_of(level, node));
            assert_eq!((children.start, rows.start), (child, row));
            assert!(!children.is_empty() && children.len() <= most);
            (child, row) = (children.end, rows.end);
        }
        assert_eq!(row, tree.rows());
        assert_eq!(child, if level == 0 { tree.rows() } else { tree.levels()[level - 1].len() });
    }
}

#[test]
fn empty_sets_have_a_top_of_their_own_in_each_lane() {
    let tops: Vec<Digest> =
        (0..32).map(|lane| Tree::build(&Listing::empty(), Lane::from_byte(lane).expect("below 32")).top()).collect();
    for (lane, top) in tops.iter().enumerate() {
        assert!(!tops[..lane].contains(top));
        assert_ne!(*top, Digest::UNKNOWN);
    }
}

/// The digests that this test holds are wire format and index format: when it fails, the version must change.
#[test]
fn the_format_stays() {
    let lane = Lane { bytes: Bytes::SizeAndTime, ..Lane::OWNED };
    let tops = [Tree::build(&Listing::empty(), Lane::CONTENT), Tree::build(&listing(&numbered(0..4000)), lane)]
        .map(|tree| tree.top().to_hex());
    let expected = [
        "9425eb0fd89af5293f722b6d500d4efb53e39f68e1f2fc634ded0fd730637b08",
        "2fb5adef4bd8ef94e483a396ccd4dd9d27f8e784cd2013b804cd559df24da45b",
    ];
    assert_eq!(tops, expected);
    let digest = Hasher::new(Domain::Entry).finish();
    assert_eq!(short_id(*b"0123456789abcdef", &digest), 6_350_586_911_533_714_149);
}

#[test]
fn leaves_have_nine_rows_and_inner_nodes_seventeen_children() {
    let tree = Tree::build(&listing(&numbered(0..60_000)), Lane::CONTENT);
    let sizes: Vec<f64> = (0..3)
        .map(|level| {
            let below = if level == 0 { tree.rows() } else { tree.levels()[level - 1].len() };
            below as f64 / tree.levels()[level].len() as f64
        })
        .collect();
    assert!((8.7..9.3).contains(&sizes[0]), "{sizes:?}");
    assert!((15.5..18.5).contains(&sizes[1]), "{sizes:?}");
    assert!((12.0..22.0).contains(&sizes[2]), "{sizes:?}");
}

/// Nodes of `new` that `old` has not.
fn fresh_nodes(old: &Tree, new: &Tree) -> usize {
    let known: std::collections::HashSet<Digest> =
        old.levels().iter().flat_map(|level| level.digests.iter().copied()).collect();
    new.levels().iter().flat_map(|level| &level.digests).filter(|digest| !known.contains(digest)).count()
}

#[test]
fn a_change_makes_one_node_a_level_and_a_new_file_few_more() {
    let set = numbered(0..60_000);
    let old = Tree::build(&listing(&set), Lane::CONTENT);
    let (mut changed, mut inserted) = (0, 0);
    for number in (0..60_000).step_by(1999) {
        let mut other = set.clone();
        other.insert(path(number), 1);
        let new = Tree::build(&listing(&other), Lane::CONTENT);
        assert_eq!(fresh_nodes(&old, &new), old.levels().len());
        changed += 1;
        other.insert(path(number).join(b"below").expect("legal"), 1);
        inserted += fresh_nodes(&old, &Tree::build(&listing(&other), Lane::CONTENT));
    }
    let mean = inserted as f64 / changed as f64;
    assert!(mean < old.levels().len() as f64 + 2.0, "{mean}");
}

#[test]
fn no_names_make_a_node_larger_than_its_limit() {
    let names = rising(500);
    let set: Set = names.into_iter().map(|name| (name, 0)).collect();
    let tree = Tree::build(&listing(&set), Lane::CONTENT);
    let sizes: Vec<usize> = (0..tree.levels()[0].len()).map(|leaf| tree.children(0, leaf).len()).collect();
    assert_eq!(sizes, [[LEAF_ROWS_MAX; 10].as_slice(), &[20]].concat());
}

#[test]
fn cuts_are_found_from_any_start() {
    for (level, most) in [(0, LEAF_ROWS_MAX), (1, INNER_NODES_MAX), (5, INNER_NODES_MAX)] {
        let rule = Rule::of_level(level);
        let rising = cuts(rule, 0..500, |at| at as u64);
        assert_eq!(rising, (0..500).step_by(most).collect::<Vec<_>>());
        let marks = |at: usize| rule.mark(&at.to_le_bytes());
        let all = cuts(rule, 0..2000, marks);
        for (at, &start) in all.iter().enumerate() {
            assert_eq!(cuts(rule, start..2000, marks), all[at..]);
        }
    }
}

/// All starts among `children`, the first of which is one.
fn cuts(rule: Rule, children: Range<usize>, mark: impl FnMut(usize) -> u64) -> Vec<usize> {
    let mut cuts = Cuts::after(rule, children.start, children.end, mark);
    let mut starts = vec![children.start];
    loop {
        let next = cuts.next_start();
        if next == children.end {
            return starts;
        }
        starts.push(next);
    }
}

#[test]
fn an_unreadable_row_differs_even_where_the_tops_are_equal() {
    let mut set = numbered(0..2000);
    set.insert(path(777), UNREADABLE);
    let listing = listing(&set);
    let tree = Tree::build(&listing, Lane::CONTENT);
    assert_eq!(tree.unreadable(), [777]);
    let found = differences((&listing, &tree), (&listing, &tree));
    assert_eq!(found, [Difference { left: Some(777), right: Some(777) }]);
}
