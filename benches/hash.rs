//! Reading against mapping by size: where `MAPPED_BYTES_MIN` comes from. Files in the page cache, one thread; the
//! largest also on all cores.
//!
//! Expected on one core with AVX-512: below 1 MiB a read is faster (64 KiB: 11 us against 16 us, 256 KiB: 54 against 64:
//! the map lock and its faults), at 1 MiB a map (0.17 ms against 0.21 ms). All cores pay from 16 MiB on. Beside another
//! thread that does the same a map is no faster (351 MB in 84 files on two threads: 0.114 s of processor time read, 0.125
//! mapped), and its pages count as the process's memory: so a file that is hashed on one core is read, whatever its size.

use std::hint::black_box;
use std::io::{Seek, Write};

use alike::disk::gauge::Gauge;
use alike::disk::hash::{Cores, hash_mapped, hash_read};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    group.sample_size(20);
    let gauge = Gauge::default();
    for kib in [64u64, 256, 1024, 4096, 16_384, 262_144] {
        let bytes = kib * 1024;
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&vec![kib as u8; bytes as usize]).expect("written");
        group.throughput(Throughput::Bytes(bytes));
        group.bench_with_input(BenchmarkId::new("read", kib), &bytes, |bencher, &bytes| {
            bencher.iter(|| {
                (&file).rewind().expect("at the start");
                black_box(hash_read(&file, bytes, &gauge)).expect("read")
            });
        });
        for cores in [Cores::One, Cores::All] {
            group.bench_with_input(BenchmarkId::new(format!("map {cores:?}"), kib), &bytes, |bencher, &bytes| {
                bencher.iter(|| black_box(hash_mapped(&file, bytes, cores, &gauge)).expect("mapped"));
            });
        }
    }
    group.finish();
}

criterion_group!(hash, benches);
criterion_main!(hash);
