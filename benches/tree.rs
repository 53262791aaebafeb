//! What the Merkle tree costs, at 10^6 entries, on one thread.
//!
//! Expected, from a sketch (BLAKE3 about 45 ns a block of 64 bytes, SipHash-1-3 about 20 ns a path of 50 bytes):
//! - build: entry digest 2 blocks + leaf node 0.55 block + mark 20 ns + reading 150 bytes 10 ns = 150 ns an entry or less;
//! - update of one changed row: 9 entry digests and 4 nodes of 5 to 10 blocks = 3 us, + copying 4.4 MB of arrays 0.5 ms;
//! - refresh of an unchanged listing: reading 2 x 150 bytes = 15 ns an entry;
//! - differences of equal trees: nothing; of 100 scattered changes: 100 x (4 nodes + 2 x 9 rows compared) = 200 us.

use alike::model::Digest;
use alike::model::entry::{Entry, Kind, Stamp, Time};
use alike::model::lane::Lane;
use alike::model::listing::{Builder, Listing};
use alike::model::path::RelPath;
use alike::model::tree::Tree;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ENTRIES: usize = 1_000_000;

/// Paths as in a source tree: 20 files a directory, three directories deep, about 45 bytes each.
fn listing(entries: usize, changed: impl Fn(usize) -> bool) -> Listing {
    let mut builder = Builder::with_capacity(entries);
    let mut pushed = 0;
    while pushed < entries {
        let (area, section, part) = (pushed / 8421, pushed / 421 % 20, pushed / 21 % 20);
        let path = match pushed % 8421 {
            0 => format!("area-{area:04}"),
            n if (n - 1) % 421 == 0 => format!("area-{area:04}/section-{section:02}"),
            _ => format!("area-{area:04}/section-{section:02}/part-{part:02}-{pushed:07}-source.c"),
        };
        let _ = path;
        let path = RelPath::new(
            format!("drivers/area-{:04}/section-{:03}/source-{pushed:07}.c", pushed / 400, pushed / 20).as_bytes(),
        );
        let entry = Entry {
            kind: Kind::File,
            mode: 0o644,
            mtime: Time { secs: 1_700_000_000 + i64::from(changed(pushed)), nanos: 1 },
            size: pushed as u64,
            content: Digest([pushed as u8; 32]),
            uid: 0,
            gid: 0,
            extra: None,
        };
        builder.push(path.expect("legal").as_ref(), &entry, &Stamp::default(), 0);
        pushed += 1;
    }
    builder.finish()
}

fn build(c: &mut Criterion) {
    let listing = listing(ENTRIES, |_| false);
    let mut group = c.benchmark_group("tree");
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES as u64));
    group.bench_function("build", |b| b.iter(|| Tree::build(&listing, Lane::CONTENT)));
    group.finish();
}

criterion_group!(benches, build);
criterion_main!(benches);
