//! Saving and loading an index of 200,000 entries (29 MB) in the page cache.
//!
//! Expected on two cores: parse 5 to 8 ms, nearly all of it the checksum (BLAKE3 on all cores); save 30 to 40 ms
//! (checksum, write, rename; no sync).

use std::fs::File;
use std::hint::black_box;
use std::sync::Arc;

use alike::disk::map::map;
use alike::model::listing::Builder;
use alike::model::{Digest, Entry, Kind, RelPath, Stamp, Time};
use alike::store::index::{parse, save};
use alike::store::places::RootKey;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ENTRIES: usize = 200_000;
const ROOT: RootKey = RootKey { file_system: 1, inode: 2 };

fn benches(criterion: &mut Criterion) {
    let mut builder = Builder::with_capacity(ENTRIES);
    for number in 0..ENTRIES {
        let path = format!("area{:02}/group{:05}/item-{number:07}.dat", number / 10_000, number / 100);
        let path = RelPath::new(path.as_bytes()).expect("legal");
        let content = Digest::of_content(&number.to_le_bytes());
        let mtime = Time { secs: 1, nanos: 2 };
        let entry = Entry { kind: Kind::File, mode: 0o644, mtime, size: 8, content, uid: 0, gid: 0, extra: None };
        builder.push(path.as_ref(), &entry, &Stamp { inode: number as u64, ..Stamp::default() }, 0);
    }
    let listing = builder.finish();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.index");
    let mut group = criterion.benchmark_group("index");
    group.throughput(Throughput::Elements(ENTRIES as u64)).sample_size(20);
    group.bench_function("save", |bencher| bencher.iter(|| save(&path, ROOT, &listing, None).expect("saved")));
    group.bench_function("map and parse", |bencher| {
        bencher.iter(|| {
            let file = File::open(&path).expect("opened");
            black_box(parse(Arc::new(map(&file).expect("mapped")), ROOT).expect("whole").listing.len())
        });
    });
    group.finish();
}

criterion_group!(index, benches);
criterion_main!(index);
