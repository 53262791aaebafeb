//! What the Merkle tree costs, at 10^6 entries, on one thread.
//!
//! Expected, from a sketch (BLAKE3 16 wide: 9 ns a block of 64 bytes; SipHash-1-3: 15 ns a path; a cache miss: 100 ns):
//! - build: entry 2 blocks + leaf node 0.6 block = 23 ns, mark 15 ns, the message copied twice 15 ns, 157 bytes from
//!   memory 20 ns, cuts 10 ns = 85 ns an entry; without vector lanes 52 ns a block, so 200 ns;
//! - refresh of an unchanged listing: two times 157 bytes from memory = 30 ns an entry;
//! - update: copying 4.3 MB of arrays 0.3 ms, and for each changed row 9 entries 0.3 us, 5 nodes of 5 to 10 blocks 2 us and
//!   10 cache misses 1 us = 3.5 us; where a path goes, 25 more marks at a cache miss or two each = 6 us;
//! - differences: for each changed row 5 nodes of 17 digests, 2 x 9 rows compared = 1 us where in the cache, 3 us where not.

use alike::model::Digest;
use alike::model::entry::{Entry, Kind, Stamp, Time};
use alike::model::lane::Lane;
use alike::model::listing::{Builder, Listing};
use alike::model::path::RelPath;
use alike::model::tree::{Splice, Tree, differences};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ENTRIES: usize = 1_000_000;

/// Paths as in a source tree, about 53 bytes each; `variant` says what each entry holds, `None` leaves it out.
fn listing(variant: impl Fn(usize) -> Option<u8>) -> Listing {
    let mut builder = Builder::with_capacity(ENTRIES);
    for (number, variant) in (0..ENTRIES).filter_map(|number| Some((number, variant(number)?))) {
        let (area, section) = (number / 400, number / 20);
        let path = format!("drivers/area-{area:04}/section-{section:05}/source-{number:07}.c");
        let entry = Entry {
            kind: Kind::File,
            mode: 0o644,
            mtime: Time { secs: 1_700_000_000, nanos: 1 },
            size: number as u64,
            content: Digest([variant; 32]),
            uid: 0,
            gid: 0,
            extra: None,
        };
        builder.push(RelPath::new(path.as_bytes()).expect("legal").as_ref(), &entry, &Stamp::default(), 0);
    }
    builder.finish()
}

/// Rows `rows` changed in place.
fn changed(rows: impl Iterator<Item = usize>) -> Vec<Splice> {
    rows.map(|row| Splice { old: row..row + 1, new: row..row + 1 }).collect()
}

fn whole(c: &mut Criterion) {
    let (one, same) = (listing(|_| Some(0)), listing(|_| Some(0)));
    let tree = Tree::build(&one, Lane::CONTENT);
    let mut bytes = Vec::new();
    tree.encode(&mut bytes);
    let mut group = c.benchmark_group("entries");
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES as u64));
    group.bench_function("build", |b| b.iter(|| Tree::build(&one, Lane::CONTENT)));
    group.bench_function("refresh, nothing changed", |b| b.iter(|| tree.refresh(&one, &same)));
    group.bench_function("decode", |b| b.iter(|| Tree::decode(&bytes)));
    group.finish();
}

fn changes(c: &mut Criterion) {
    let old = listing(|_| Some(0));
    let tree = Tree::build(&old, Lane::CONTENT);
    let mut group = c.benchmark_group("changes");
    group.sample_size(10);
    for count in [1, 10, 100, 1000, 10_000] {
        let step = ENTRIES / count;
        let is_changed = move |number: usize| number % step == step / 2;
        let new = listing(|number| Some(u8::from(is_changed(number))));
        let splices = changed((0..ENTRIES).filter(|&number| is_changed(number)));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("update, {count} changed"), |b| b.iter(|| tree.update(&old, &new, &splices)));
        let updated = tree.update(&old, &new, &splices);
        group.bench_function(format!("differences, {count} changed"), |b| {
            b.iter(|| differences((&old, &tree), (&new, &updated)));
        });
        let fewer = listing(|number| (!is_changed(number)).then_some(0));
        let deleted = |(at, row): (usize, usize)| Splice { old: row..row + 1, new: row - at..row - at };
        let splices: Vec<Splice> = (0..ENTRIES).filter(|&n| is_changed(n)).enumerate().map(deleted).collect();
        group.bench_function(format!("update, {count} deleted"), |b| b.iter(|| tree.update(&old, &fewer, &splices)));
    }
    group.finish();
}

criterion_group!(benches, whole, changes);
criterion_main!(benches);
