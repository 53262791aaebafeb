//! What it costs to find out which entries differ: bytes both ways beside the records of the entries that differ, and round
//! trips, as a Markdown table against the figures of the design; then the codec of content, and what a comparison costs in
//! time. Run with `cargo bench --bench reconcile [largest number of entries]`.
//!
//! Expected from a sketch, both ends on one core (a short id 8 bytes, a record about 100 bytes, zstd 0.4 GB/s):
//! - nothing differs: two frames, tops compared, upper levels of 3 kB guessed at: 10 to 20 us;
//! - each scattered change: 2 nodes of 17 ids and 9 records, of which one is needed: 17 x 2 x 8 + 9 x 8 = 350 bytes each way,
//!   and 9 rows looked up at a cache miss each, 5 us;
//! - changes by directory share their nodes: 1 us each, and little beside the records;
//! - first copy: 100 bytes an entry before packing, 0.3 us an entry at 0.4 GB/s and as much to read and write the rows.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use alike::model::digest::Digest;
use alike::model::entry::{Entry, Kind, Stamp, Time};
use alike::model::lane::Lane;
use alike::model::listing::{Builder, Listing, Row};
use alike::model::path::{PathRef, RelPath};
use alike::model::tree::Tree;
use alike::proto::content::{self, Decoder, Reply, Want};
use alike::proto::reconcile::{Machine, Outcome, Settings, Side, Wants};
use alike::proto::record::Batch;
use bytes::Bytes;
use criterion::{Criterion, Throughput};

/// Entries of the comparisons that are timed.
const TIMED_ENTRIES: usize = 100_000;

/// (differences, clustered, design's bytes and round trips at 10^6 entries).
const CASES: [(usize, bool, &str); 14] = [
    (0, false, "0.4-3.3 k / 1"),
    (1, false, "4.3 k / 2"),
    (10, false, "13 k / 2"),
    (10, true, ""),
    (100, false, "35 k / 3"),
    (100, true, "6 k / 2"),
    (1_000, false, "231 k / 3"),
    (1_000, true, "10 k / 3"),
    (10_000, false, "1.1 M / 3"),
    (10_000, true, "71 k / 3"),
    (100_000, false, ""),
    (100_000, true, "576 k / 3"),
    (usize::MAX, false, ""),
    (usize::MAX, true, ""),
];

fn main() {
    let largest = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(1_000_000);
    let mut out = std::io::stdout().lock();
    let head = "| entries | d | both, push | both | target asks, push | target asks | target answers, push | design | target asks, push: ms |";
    writeln!(out, "{head}\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|").expect("stdout");
    for entries in [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|&entries| entries <= largest) {
        let left = side(listing(entries, |_| false));
        for (d, clustered, design) in CASES.into_iter().filter(|case| case.0 == usize::MAX || case.0 * 10 <= entries) {
            let touched = (d, clustered) == (usize::MAX, true);
            let right = match touched {
                true => side(touched_listing(entries)),
                false => side(listing(entries, changed(entries, d, clustered))),
            };
            let cell = |wants, push| cell(&left, &right, wants, push);
            let start = Instant::now();
            talk(&left, &right, Settings { salt: [3; 16], wants: Wants::Initiator, push: true });
            let ms = start.elapsed().as_secs_f64() * 1e3;
            let both = cell(Wants::Both, true);
            let design = if entries == 1_000_000 { design } else { "" };
            let name = match d {
                usize::MAX => if touched { "touched" } else { "all" }.into(),
                _ => format!("{d} {}", if clustered { "c" } else { "s" }),
            };
            writeln!(
                out,
                "| {entries} | {name} | {both} | {} | {} | {} | {} | {design} | {ms:.1} |",
                cell(Wants::Both, false),
                cell(Wants::Initiator, true),
                cell(Wants::Initiator, false),
                cell(Wants::Responder, true),
            )
            .expect("stdout");
        }
    }
    touched(&mut out);
    renamed(&mut out, largest);
    first_copy(&mut out, largest);
    small_files(&mut out);
    drop(out);
    timed(largest.min(TIMED_ENTRIES));
}

/// What a comparison costs in time, on both ends together.
fn timed(entries: usize) {
    let left = side(listing(entries, |_| false));
    let mut criterion = Criterion::default().sample_size(10);
    let mut group = criterion.benchmark_group(format!("reconcile, {entries} entries"));
    for (d, clustered) in [(0, false), (100, false), (100, true), (entries / 10, true)] {
        let right = side(listing(entries, changed(entries, d, clustered)));
        let name = format!("{d} {}", if clustered { "by directory" } else { "scattered" });
        group.throughput(Throughput::Elements(d.max(1) as u64)).bench_function(name, |bencher| {
            bencher.iter(|| talk(&left, &right, Settings { salt: [3; 16], wants: Wants::Initiator, push: true }));
        });
    }
    let nothing = side(Listing::empty());
    group.throughput(Throughput::Elements(entries as u64)).bench_function("first copy", |bencher| {
        bencher.iter(|| talk(&left, &nothing, Settings { salt: [3; 16], wants: Wants::Responder, push: true }));
    });
    group.finish();
}

/// Rows as in a source tree: 20 files a directory, about 45 bytes a path; times with nanoseconds.
fn listing(entries: usize, changed: impl Fn(usize) -> bool) -> Listing {
    rows(entries, changed, |number| {
        let nanos = (number as u32).wrapping_mul(2_654_435_761) % 1_000_000_000;
        Time { secs: 1_700_000_000 + number as i64 % 7_919, nanos }
    })
}

/// The same, touched one after the other, 5 us each.
fn touched_listing(entries: usize) -> Listing {
    rows(
        entries,
        |_| false,
        |number| {
            let nanos = number as i64 * 5_003;
            Time { secs: 1_790_000_000 + nanos / 1_000_000_000, nanos: (nanos % 1_000_000_000) as u32 }
        },
    )
}

fn rows(entries: usize, changed: impl Fn(usize) -> bool, time: impl Fn(usize) -> Time) -> Listing {
    let mut builder = Builder::with_capacity(entries);
    for number in 0..entries {
        let path = format!("drivers/area-{:04}/section-{:05}/source-{number:07}.c", number / 400, number / 20);
        let path = RelPath::new(path.as_bytes()).expect("legal");
        let content = Digest::of_content(&[&number.to_le_bytes()[..], &[u8::from(changed(number))]].concat());
        let size = (number * 7_919 % 60_000) as u64;
        let mtime = time(number);
        let entry = Entry { kind: Kind::File, mode: 0o644, mtime, size, content, uid: 0, gid: 0, extra: None };
        builder.push(path.as_ref(), &entry, &Stamp::default(), 0);
    }
    builder.finish()
}

/// Which entries differ: evenly scattered with a jitter, or one run in the middle.
fn changed(entries: usize, d: usize, clustered: bool) -> impl Fn(usize) -> bool {
    move |number| match d {
        0 => false,
        usize::MAX => true,
        _ if clustered => (entries / 3..entries / 3 + d).contains(&number),
        _ => {
            let stride = entries / d;
            number % stride == (number / stride).wrapping_mul(2_654_435_761) % stride
        }
    }
}

fn side(listing: Listing) -> Side {
    let tree = Arc::new(Tree::build(&listing, Lane::CONTENT));
    Side { listing, tree }
}

/// Bytes beside the differing records, and round trips.
fn cell(left: &Side, right: &Side, wants: Wants, push: bool) -> String {
    let (bytes, outcomes) = talk(left, right, Settings { salt: [3; 16], wants, push });
    let halves = outcomes.iter().map(|outcome| outcome.round_trips_halves).max().unwrap_or(0);
    let records = differing_bytes(&outcomes[0], right) + differing_bytes(&outcomes[1], left);
    let beside = match bytes.checked_sub(records) {
        Some(beside) => shown(beside),
        // Slim records, and matches of content, take less than the records themselves would.
        None => format!("-{}", shown(records - bytes)),
    };
    format!("{beside} / {}", f64::from(halves) / 2.0)
}

/// The records that the owner of `outcome` received and needed.
fn differing_bytes(outcome: &Outcome, theirs: &Side) -> usize {
    let rows = outcome.differing.iter().filter_map(|pair| theirs.listing.find(pair.path.as_ref()).ok());
    let rows: Vec<Row<'_>> = rows.map(|row| theirs.listing.row(row)).collect();
    let mut bytes = Vec::new();
    for rows in rows.chunks(4_000) {
        let mut batch = Batch::default();
        rows.iter().for_each(|&row| batch.push(row));
        batch.finish(&mut bytes);
    }
    bytes.len()
}

fn talk(left: &Side, right: &Side, settings: Settings) -> (usize, [Outcome; 2]) {
    let mut ends = [Machine::initiator(left.clone(), settings), Machine::responder(right.clone())];
    let mut outcomes = [None, None];
    let mut bytes = 0;
    let mut turn = 0;
    while outcomes.iter().any(Option::is_none) {
        while let Some(frame) = ends[turn].poll_transmit() {
            bytes += frame.len();
            ends[1 - turn].handle(&frame).expect("honest ends");
        }
        for (end, outcome) in ends.iter_mut().zip(&mut outcomes) {
            *outcome = outcome.take().or(end.poll_outcome());
        }
        turn = 1 - turn;
    }
    (bytes, outcomes.map(|outcome| outcome.expect("both ended")))
}

fn shown(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes}"),
        1_000..100_000 => format!("{:.1} k", bytes as f64 / 1e3),
        100_000..1_000_000 => format!("{} k", bytes / 1_000),
        _ => format!("{:.2} M", bytes as f64 / 1e6),
    }
}

/// The design's bar: less than 2 MB for 200,000 entries.
fn touched(out: &mut impl std::io::Write) {
    let (left, right) = (side(listing(200_000, |_| false)), side(touched_listing(200_000)));
    for wants in [Wants::Initiator, Wants::Responder] {
        let start = Instant::now();
        let (bytes, _) = talk(&left, &right, Settings { salt: [3; 16], wants, push: true });
        let seconds = start.elapsed().as_secs_f64();
        writeln!(out, "\n200000 touched, {wants:?} wants: {} bytes, {seconds:.3} s", shown(bytes)).expect("stdout");
    }
}

/// Four tenths of a tree in one directory, under another name: bytes of the whole comparison.
fn renamed(out: &mut impl std::io::Write, entries: usize) {
    let before = side(in_directories(entries, "area-4"));
    for (what, after) in
        [("renamed", "renamed"), ("renamed, sorted first", "Area"), ("moved into another", "area-7/moved")]
    {
        let after = side(in_directories(entries, after));
        for (wants, push) in [(Wants::Initiator, true), (Wants::Initiator, false), (Wants::Responder, true)] {
            let ends = if wants == Wants::Initiator { [&before, &after] } else { [&after, &before] };
            let start = Instant::now();
            let (bytes, outcomes) = talk(ends[0], ends[1], Settings { salt: [3; 16], wants, push });
            let ms = start.elapsed().as_secs_f64() * 1e3;
            let halves = outcomes.iter().map(|outcome| outcome.round_trips_halves).max().unwrap_or(0);
            let (bytes, round_trips) = (shown(bytes), f64::from(halves) / 2.0);
            writeln!(out, "\n{entries}, {what}, {wants:?} wants, push {push}: {bytes} bytes, {round_trips} round trips, {ms:.1} ms")
                .expect("stdout");
        }
    }
}

/// Ten directories, of which the fourth holds four tenths of all and is called as said.
fn in_directories(entries: usize, fourth: &str) -> Listing {
    let mut all = std::collections::BTreeMap::new();
    for number in 0..entries {
        let top = if number * 10 < entries * 4 { 4 } else { number % 9 + 5 };
        let top = if top == 4 { fourth.to_owned() } else { format!("area-{top}") };
        let section = format!("{top}/section-{:05}", number / 200);
        let mtime = Time { secs: 1_700_000_000 + number as i64 % 7_919, nanos: number as u32 };
        let content = Digest::of_content(&number.to_le_bytes());
        let entry =
            |kind, content, mtime| Entry { kind, mode: 0o755, mtime, size: 0, content, uid: 0, gid: 0, extra: None };
        for (at, _) in section.match_indices('/').chain([(section.len(), "")]) {
            let path = RelPath::new(&section.as_bytes()[..at]).expect("legal");
            all.entry(path).or_insert_with(|| entry(Kind::Directory, Digest::UNKNOWN, Time::default()));
        }
        let path = RelPath::new(format!("{section}/source-{number:07}.c").as_bytes()).expect("legal");
        all.insert(path, entry(Kind::File, content, mtime));
    }
    let mut builder = Builder::with_capacity(all.len());
    all.iter().for_each(|(path, entry)| builder.push(path.as_ref(), entry, &Stamp::default(), 0));
    builder.finish()
}

fn first_copy(out: &mut impl std::io::Write, entries: usize) {
    let (left, right) = (side(listing(entries, |_| false)), side(Listing::empty()));
    let start = Instant::now();
    let (bytes, outcomes) = talk(&left, &right, Settings { salt: [3; 16], wants: Wants::Responder, push: true });
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(outcomes[1].differing.len(), entries);
    let each = bytes as f64 / entries as f64;
    writeln!(
        out,
        "\nfirst copy of {entries}: {} bytes, {each:.1} an entry, {seconds:.3} s for both ends",
        shown(bytes)
    )
    .expect("stdout");
}

/// 200,000 files of 2 KiB: encoded into one buffer of 1 MiB after another, decoded as they come.
fn small_files(out: &mut impl std::io::Write) {
    const FILES: usize = 200_000;
    let wants: Vec<Want> = (0..2_000)
        .map(|number| {
            let path = format!("directory-{:03}/file-{number:06}", number / 100);
            let path = PathRef::new(path.as_bytes()).expect("legal").to_owned();
            Want::whole(path, Digest::of_content(&[number as u8]))
        })
        .collect();
    let data = [7u8; 2_048];
    let (mut raw, mut wire, start) = (0, 0, Instant::now());
    for _ in 0..FILES / wants.len() {
        let asked = content::decode_request(&content::encode_request(&wants)).expect("legal");
        let content::Request::Wants(asked) = asked else { panic!("wants were asked") };
        let mut decoder = Decoder::new(&wants);
        for part in asked.chunks(500) {
            let mut buffer = Vec::with_capacity(1 << 20);
            for want in part {
                buffer.extend_from_slice(&content::whole_file(want, 2_048, want.content, None));
                buffer.extend_from_slice(&data);
            }
            wire += buffer.len();
            decoder.push(Bytes::from(buffer));
            while let Some(reply) = decoder.poll().expect("legal") {
                if let Reply::Chunk { data, .. } = reply {
                    raw += data.len();
                }
            }
        }
        decoder.finish().expect("whole");
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = raw as f64 / seconds / 1e9;
    writeln!(out, "{FILES} files of 2 KiB: {} bytes on the wire, {seconds:.3} s, {rate:.2} GB/s", shown(wire))
        .expect("stdout");
}
