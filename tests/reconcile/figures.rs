//! What comparing costs, held with some slack: bytes both ways beside the records that differ, and round trips. The figures
//! for other sizes, and for a million entries, are those of `benches/reconcile.rs`.

use std::sync::Arc;

use alike::model::digest::Digest;
use alike::model::entry::{Entry, Kind, Stamp, Time};
use alike::model::lane::Lane;
use alike::model::listing::{Builder, Listing};
use alike::model::path::RelPath;
use alike::model::tree::Tree;
use alike::proto::reconcile::{Side, Wants};
use alike::proto::record::Batch;

use super::reconcile;

const ENTRIES: usize = 100_000;

/// (differences, side by side, bytes at most, round trips at most).
const FIGURES: [(usize, bool, usize, f64); 9] = [
    (0, false, 3_300, 1.0),
    (1, false, 5_000, 2.0),
    (10, false, 7_500, 2.0),
    (10, true, 4_000, 2.0),
    (100, false, 18_000, 3.0),
    (100, true, 4_500, 2.0),
    (1_000, false, 130_000, 3.0),
    (1_000, true, 9_500, 3.0),
    (10_000, true, 70_000, 3.0),
];

fn listing(changed: impl Fn(usize) -> bool) -> Listing {
    let mut builder = Builder::with_capacity(ENTRIES);
    for number in 0..ENTRIES {
        let path = format!("drivers/area-{:04}/section-{:05}/source-{number:07}.c", number / 400, number / 20);
        let path = RelPath::new(path.as_bytes()).expect("legal");
        let content = Digest::of_content(&[&number.to_le_bytes()[..], &[u8::from(changed(number))]].concat());
        let nanos = (number as u32).wrapping_mul(2_654_435_761) % 1_000_000_000;
        let mtime = Time { secs: 1_700_000_000 + number as i64 % 7_919, nanos };
        let size = number as u64 * 7_919 % 60_000;
        let entry = Entry { kind: Kind::File, mode: 0o644, mtime, size, content, uid: 0, gid: 0, extra: None };
        builder.push(path.as_ref(), &entry, &Stamp::default(), 0);
    }
    builder.finish()
}

fn side(listing: Listing) -> Side {
    let tree = Arc::new(Tree::build(&listing, Lane::CONTENT));
    Side { listing, tree }
}

/// Bytes of the records of all entries that differ.
fn records(side: &Side, changed: impl Fn(usize) -> bool) -> usize {
    let mut bytes = Vec::new();
    let rows: Vec<usize> = (0..ENTRIES).filter(|&number| changed(number)).collect();
    for rows in rows.chunks(4_000) {
        let mut batch = Batch::default();
        rows.iter().for_each(|&row| batch.push(side.listing.row(row)));
        batch.finish(&mut bytes);
    }
    bytes.len()
}

#[test]
fn the_figures_for_a_hundred_thousand_entries_hold() {
    let left = side(listing(|_| false));
    for (d, is_clustered, bytes_max, round_trips_max) in FIGURES {
        let changed = |number: usize| match d {
            0 => false,
            _ if is_clustered => (ENTRIES / 3..ENTRIES / 3 + d).contains(&number),
            _ => {
                let stride = ENTRIES / d;
                number % stride == (number / stride).wrapping_mul(2_654_435_761) % stride
            }
        };
        let right = side(listing(changed));
        for wants in [Wants::Both, Wants::Initiator, Wants::Responder] {
            let told = reconcile(&left, &right, wants, true);
            let ends = if wants == Wants::Both { 2 } else { 1 };
            let beside = told.bytes.saturating_sub(ends * records(&right, changed));
            let halves = told.initiator.round_trips_halves.max(told.responder.round_trips_halves);
            let what = format!("{d} {} {wants:?}", if is_clustered { "side by side" } else { "scattered" });
            assert!(beside <= bytes_max, "{what}: {beside} B");
            assert!(f64::from(halves) / 2.0 <= round_trips_max, "{what}: {halves} halves");
        }
    }
}
