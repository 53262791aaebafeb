//! No memory that grows with the square of anything: what scan, tree and plan allocate for four times the entries is about
//! four times as much, in one flat directory and in many. Counted by an allocator of this program's own, each measured part
//! on one thread, so that nothing that goes on beside it is counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use alike::disk::filter::Filter;
use alike::disk::gauge::Gauge;
use alike::disk::root::Root;
use alike::disk::scan::{NoMemory, ScanOptions, Scanned, scan};
use alike::model::lane::Lane;
use alike::model::listing::{Builder, FLAG_RACY};
use alike::model::plan::{Guard, Limit, MirrorInput, Pair, Plan, plan};
use alike::model::tree::{Tree, differences};
use alike::model::{Digest, Entry, Kind, Listing, RelPath, Stamp, Time};

/// Of these, and of four times as many, is told what they cost.
const ENTRIES: usize = 2_000;
/// Four times the entries may cost so many times the bytes: vectors double, and tables are rounded up.
const TIMES_MAX: usize = 5;
/// And so much that does not depend on their number: buffers of a thread that read its first file. One bit for each pair of
/// the entries would be 8 MB.
const FIXED_BYTES_MAX: usize = 2 << 20;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, and how many bytes each thread has asked of it.
struct Counting;

fn count(bytes: usize) {
    // A thread that ends has no counter any more, and measures nothing.
    let _ = ALLOCATED.try_with(|allocated| allocated.set(allocated.get().wrapping_add(bytes)));
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(bytes);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, bytes) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a part of the work returns, and the bytes that it allocated, all together.
fn counted<T: Send>(work: impl FnOnce() -> T + Send) -> (T, usize) {
    // Whatever would go to other threads comes to this one.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    pool.install(|| {
        let before = ALLOCATED.get();
        let done = work();
        (done, ALLOCATED.get() - before)
    })
}

/// The claim, of one part of the work.
fn assert_grows_with_the_number(what: &str, few: usize, many: usize) {
    assert!(few > 0, "{what}: nothing was counted");
    let most = few * TIMES_MAX + FIXED_BYTES_MAX;
    assert!(many <= most, "{what}: {few} bytes for {ENTRIES} entries, {many} for {}", 4 * ENTRIES);
}

/// How entries are spread.
#[derive(Debug, Clone, Copy)]
enum Spread {
    /// All in one directory.
    Flat,
    /// Ten to a directory, ten directories to one above.
    Many,
}

const SPREADS: [Spread; 2] = [Spread::Flat, Spread::Many];

impl Spread {
    /// The directory of a file, below `top`.
    fn directory(self, top: &str, number: usize) -> String {
        match self {
            Spread::Flat => top.to_owned(),
            Spread::Many => format!("{top}/{:04}/{:05}", number / 100, number / 10),
        }
    }

    fn file(self, top: &str, number: usize) -> String {
        format!("{}/file-{number:06}.c", self.directory(top, number))
    }
}

fn look(root: &Path, base: Option<&Listing>) -> Scanned {
    let (root, filter) = (Root::open(root).expect("a root"), Filter::none());
    let options = ScanOptions { filter: &filter, one_file_system: false, checksum: false, quick: false, defer: None };
    scan(&root, base, &NoMemory, &options, &Gauge::default()).expect("scanned")
}

/// A root of so many files, scanned until every stamp is old enough to be trusted.
fn planted(root: &Path, spread: Spread, files: usize) -> Listing {
    for number in 0..files {
        let file = root.join(spread.file("top", number));
        if number % 10 == 0 {
            fs::create_dir_all(file.parent().expect("a directory")).expect("made");
        }
        fs::write(file, number.to_le_bytes()).expect("written");
    }
    let (mut listing, deadline) = (look(root, None).listing, Instant::now() + Duration::from_secs(60));
    loop {
        let Scanned { changed, listing: next, .. } = look(root, Some(&listing));
        if !changed && next.rows().all(|row| row.flags() & FLAG_RACY == 0) {
            return next;
        }
        assert!(Instant::now() < deadline, "the stamps are never trusted");
        listing = next;
    }
}

#[test]
fn what_a_scan_allocates_grows_with_the_number_of_entries() {
    for spread in SPREADS {
        let [few, many] = [ENTRIES, 4 * ENTRIES].map(|files| {
            let root = tempfile::tempdir().expect("a directory");
            let base = planted(root.path(), spread, files);
            let (first, all) = counted(|| look(root.path(), None));
            assert_eq!((first.hashed_files, first.listing.len()), (files as u64, base.len()));
            let (again, nothing) = counted(|| look(root.path(), Some(&base)));
            assert!(!again.changed);
            assert!(nothing < all / 2, "{spread:?}: {nothing} bytes where nothing changed, {all} for all of it");
            (all, nothing)
        });
        assert_grows_with_the_number(&format!("{spread:?}, first scan"), few.0, many.0);
        assert_grows_with_the_number(&format!("{spread:?}, nothing changed"), few.1, many.1);
    }
}

/// What the files of a made tree are.
#[derive(Debug, Clone, Copy)]
struct Make {
    spread: Spread,
    top: &'static str,
    seconds: i64,
    /// How many contents there are.
    contents: usize,
    /// Added to the number of each content.
    shift: usize,
}

impl Make {
    fn of(spread: Spread) -> Make {
        Make { spread, top: "top", seconds: 1, contents: usize::MAX, shift: 0 }
    }

    fn listing(self, files: usize) -> Listing {
        let mtime = Time { secs: self.seconds, nanos: 0 };
        let entry =
            |kind, size, content| Entry { kind, mode: 0o755, mtime, size, content, uid: 0, gid: 0, extra: None };
        let mut all = BTreeMap::new();
        for number in 0..files {
            let file = self.spread.file(self.top, number);
            for (at, _) in file.match_indices('/') {
                let path = RelPath::new(&file.as_bytes()[..at]).expect("legal");
                all.entry(path).or_insert_with(|| entry(Kind::Directory, 0, Digest::UNKNOWN));
            }
            let content = Digest::of_content(&((number + self.shift) % self.contents).to_le_bytes());
            all.insert(RelPath::new(file.as_bytes()).expect("legal"), entry(Kind::File, 8, content));
        }
        let mut builder = Builder::with_capacity(all.len());
        for (number, (path, entry)) in all.iter().enumerate() {
            builder.push(path.as_ref(), entry, &Stamp { inode: number as u64, ..Stamp::default() }, 0);
        }
        builder.finish()
    }
}

/// Pairs of a source and a target, and how they differ.
fn pairs(spread: Spread, files: usize) -> Vec<(&'static str, Listing, Listing)> {
    let (make, nothing) = (Make::of(spread), Listing::empty);
    let same = |contents| Make { contents, ..make };
    vec![
        ("equal", make.listing(files), make.listing(files)),
        ("new", make.listing(files), nothing()),
        ("deleted", nothing(), make.listing(files)),
        ("touched", Make { seconds: 2, ..make }.listing(files), make.listing(files)),
        ("renamed", Make { top: "other", ..make }.listing(files), make.listing(files)),
        ("of one content, renamed", Make { top: "other", ..same(1) }.listing(files), same(1).listing(files)),
        ("of ten contents, shifted", Make { shift: 1, ..same(10) }.listing(files), same(10).listing(files)),
        ("shifted", Make { shift: 1, ..make }.listing(files), make.listing(files)),
    ]
}

/// Bytes for the trees, their update and comparison, and the plan.
fn costs(source: &Listing, target: &Listing) -> [(&'static str, usize); 4] {
    let (tree, build) = counted(|| Tree::build(target, Lane::CONTENT));
    let (other, update) = counted(|| tree.refresh(target, source));
    let (found, compare) = counted(|| differences((source, &other), (target, &tree)));
    let (plan, planning) = counted(|| planned(source, target, &found));
    assert_eq!(plan.actions.is_empty(), found.is_empty(), "what differs is acted on");
    [("tree build", build), ("tree update", update), ("tree diff", compare), ("plan", planning)]
}

fn planned(source: &Listing, target: &Listing, found: &[alike::model::tree::Difference]) -> Plan {
    let path = |listing: &Listing, row: usize| listing.row(row).path().to_owned();
    let differing = found.iter().map(|difference| Pair {
        path: match (difference.left, difference.right) {
            (Some(row), _) => path(source, row),
            (None, row) => path(target, row.expect("one of them has it")),
        },
        source: difference.left.map(|row| source.row(row).entry()),
        target: difference.right,
    });
    let guard = Guard { limit: Limit::Percent(100), source_empty: false };
    let (differing, lane) = (differing.collect(), Lane::CONTENT);
    plan(MirrorInput { differing, target, lane, keep_extra: false, devices: true, guard })
}

#[test]
fn what_tree_and_plan_allocate_grows_with_the_number_of_entries() {
    for spread in SPREADS {
        let few = pairs(spread, ENTRIES);
        let many = pairs(spread, 4 * ENTRIES);
        for ((what, source, target), (_, sources, targets)) in few.iter().zip(&many) {
            for ((part, few), (_, many)) in costs(source, target).into_iter().zip(costs(sources, targets)) {
                // Trees of equal sets are compared by their tops: that costs nothing at all.
                if few + many > 0 {
                    assert_grows_with_the_number(&format!("{spread:?}, {what}, {part}"), few.max(1), many);
                }
            }
        }
    }
}

#[test]
fn a_square_would_be_seen() {
    let table = |entries: usize| counted(|| vec![0u8; entries * entries / 8]).1;
    let (few, many) = (table(ENTRIES), table(4 * ENTRIES));
    assert_eq!((few, many), (ENTRIES * ENTRIES / 8, 2 * ENTRIES * ENTRIES));
    assert!(many > few * TIMES_MAX + FIXED_BYTES_MAX, "one bit for each pair is beyond what is allowed");
}
