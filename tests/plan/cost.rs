//! What planning costs on trees of the size that the budgets name. Run with
//! `cargo test --release --test plan -- --ignored --nocapture`.

use std::io::Write;
use std::time::{Duration, Instant};

use alike::model::Digest;
use alike::model::entry::{Entry, Kind, Record, Stamp};
use alike::model::lane::Lane;
use alike::model::listing::{Builder, Listing};
use alike::model::plan::{MirrorInput, Pair, Plan, plan};

use super::UNGUARDED;
use super::disk::{entry, path};

const LIMIT: Duration = Duration::from_millis(200);

/// `files` files of `bytes(number)`, 100 to a directory, 10 directories to one above, below `top`.
fn tree(top: &str, files: usize, content: impl Fn(usize) -> u64) -> Vec<Record> {
    let mut records = vec![Record { path: path(top), entry: entry(Kind::Directory) }];
    for number in 0..files {
        let (one, two) = (number / 1000, number / 100);
        if number % 1000 == 0 {
            records.push(Record { path: path(&format!("{top}/{one:05}")), entry: entry(Kind::Directory) });
        }
        if number % 100 == 0 {
            records.push(Record { path: path(&format!("{top}/{one:05}/{two:06}")), entry: entry(Kind::Directory) });
        }
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&content(number).to_le_bytes());
        let digest = Digest::of_content(&digest);
        let file = Entry { size: 1000, content: digest, ..entry(Kind::File) };
        records.push(Record { path: path(&format!("{top}/{one:05}/{two:06}/file-{number:07}.c")), entry: file });
    }
    records
}

fn listing(records: &[Record]) -> Listing {
    let mut builder = Builder::with_capacity(records.len());
    for record in records {
        builder.push(record.path.as_ref(), &record.entry, &Stamp::default(), 0);
    }
    builder.finish()
}

/// The pairs of two sorted lists.
fn pairs(source: Vec<Record>, target: &Listing) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut found = vec![false; target.len()];
    for Record { path, entry } in source {
        let row = target.find(path.as_ref()).ok();
        if let Some(row) = row {
            found[row] = true;
        }
        if row.is_none_or(|row| target.row(row).entry() != entry) {
            pairs.push(Pair { path, source: Some(entry), target: row });
        }
    }
    let extra = target.rows().enumerate().filter(|(row, _)| !found[*row]);
    pairs.extend(extra.map(|(row, what)| Pair { path: what.path().to_owned(), source: None, target: Some(row) }));
    pairs.sort_by(|left, right| left.path.cmp(&right.path));
    pairs
}

fn timed(claim: &str, source: Vec<Record>, target: &[Record]) -> Plan {
    let target = listing(target);
    let differing = pairs(source, &target);
    let input = MirrorInput {
        differing,
        target: &target,
        lane: Lane::CONTENT,
        keep_extra: false,
        devices: true,
        guard: UNGUARDED,
    };
    let start = Instant::now();
    let plan = plan(input);
    let (planned, start) = (start.elapsed(), Instant::now());
    let finish = plan.directories_to_finish(&target).len();
    let mut out = std::io::stderr();
    let line = format!("{claim}: {planned:.3?}, finish {finish} in {:.3?}, {:?}\n", start.elapsed(), plan.totals());
    out.write_all(line.as_bytes()).expect("stderr is open");
    assert!(cfg!(debug_assertions) || planned < LIMIT, "{claim} took {planned:?}");
    plan
}

fn number(at: usize) -> u64 {
    at as u64
}

fn joined(parts: &[Vec<Record>; 2]) -> Vec<Record> {
    let mut records = parts.concat();
    records.sort_by(|left, right| left.path.cmp(&right.path));
    records
}

#[test]
#[ignore = "measures"]
fn planning_costs_little_at_the_sizes_of_the_budgets() {
    let other = |files| tree("other", files, |at| at as u64 + 1_000_000);
    let both = |files| joined(&[tree("a", 200_000, number), other(files)]);
    timed("200,000 new files", tree("a", 200_000, number), &[]);
    timed("200,000 new files beside 79,000", both(79_000), &other(79_000));
    timed("200,000 deletes", Vec::new(), &tree("a", 200_000, number));
    let mut touched = tree("a", 79_000, number);
    touched.iter_mut().for_each(|record| record.entry.mtime.secs += 1);
    timed("79,000 touched", touched, &tree("a", 79_000, number));
    let with = |name: &str| joined(&[tree(name, 33_000, number), other(46_000)]);
    let renamed = [
        timed("33,000 of 79,000 renamed", with("new"), &with("old")),
        timed("33,000 equal files renamed", tree("new", 33_000, |_| 1), &tree("old", 33_000, |_| 1)),
        timed(
            "100 contents renamed",
            tree("new", 33_000, |at| number(at % 100)),
            &tree("old", 33_000, |at| number(at % 100)),
        ),
        timed("a deep directory renamed", deep("new"), &deep("old")),
    ];
    assert!(renamed.iter().all(|plan| plan.totals().renames == 1));
    let before = tree("a", 79_000, number);
    timed("79,000 contents shifted by one", tree("a", 79_000, |at| number(at + 1)), &before);
    timed("79,000 contents shuffled", tree("a", 79_000, |at| number(at * 7 % 79_000)), &before);
}

/// 1,000 directories in one another, ten files in each.
fn deep(top: &str) -> Vec<Record> {
    let mut records = vec![Record { path: path(top), entry: entry(Kind::Directory) }];
    let mut at = path(top);
    for depth in 0..1000 {
        for name in 0..10 {
            let content = Digest::of_content(&number(depth * 10 + name).to_le_bytes());
            let file = Entry { size: 10, content, ..entry(Kind::File) };
            records.push(Record { path: at.join(format!("f{name}").as_bytes()).expect("legal"), entry: file });
        }
        at = at.join(b"z").expect("legal");
        records.push(Record { path: at.clone(), entry: entry(Kind::Directory) });
    }
    records
}
