//! A memory that is not what was written is told from one that is: an error that names it, never a panic, never an
//! empty memory.

mod harness;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use alike::model::dot::{Dot, ReplicaId};
use alike::model::knowledge::Knowledge;
use alike::model::record::Witness;
use alike::model::siblings::{Siblings, Version};
use alike::model::{Digest, Entry, Kind, RelPath, Time};
use alike::store::places::RootKey;
use alike::store::state::{Change, Header, State, StateError};
use harness::{Sandbox, Tree};

fn entries(count: u64) -> Vec<(RelPath, Siblings)> {
    let mut all: Vec<_> = (0..count)
        .map(|number| {
            let mut siblings = Siblings::new();
            let entry = Entry {
                kind: Kind::File,
                mode: 0o644,
                mtime: Time { secs: number as i64, nanos: 7 },
                size: number,
                content: Digest::of_content(&number.to_le_bytes()),
                uid: 0,
                gid: 0,
                extra: None,
            };
            let dot = Dot { replica: ReplicaId([7; 16]), counter: number + 1 };
            siblings.insert(Version { dot, entry, replaced: Vec::new() });
            (
                RelPath::new(format!("directory {}/file number {number}", number / 40).as_bytes()).expect("legal"),
                siblings,
            )
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn header(entries: u64) -> Header {
    let mut knowledge = Knowledge::new();
    knowledge.insert_range(ReplicaId([7; 16]), 1..=entries);
    Header {
        id: ReplicaId([7; 16]),
        root: RootKey { file_system: 1, inode: 2 },
        counter: entries,
        top: Digest([3; 32]),
        entries,
        copies: 0,
        knowledge,
    }
}

/// All that a memory holds.
fn read_all(path: &Path) -> Result<(Header, Vec<(RelPath, Siblings)>), StateError> {
    let state = State::open(path)?;
    let (header, mut all) = (state.header()?, Vec::new());
    state.each_entry(&mut |path, siblings| all.push((path, siblings)))?;
    state.witnesses()?;
    state.eras()?;
    Ok((header, all))
}

/// A memory of so many paths, in a directory of its own.
fn memory(directory: &Path, count: u64) -> (PathBuf, State) {
    let path = directory.join("state.redb");
    let state = State::create(&path, &header(0)).expect("new");
    let all = entries(count);
    let changed: Vec<_> = all.iter().map(|(path, siblings)| (path, siblings)).collect();
    state.commit(&header(count), &Change { entries: &changed, ..Change::default() }).expect("committed");
    (path, state)
}

#[test]
fn a_flipped_bit_is_an_error_or_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, state) = memory(directory.path(), 600);
    drop(state);
    let (good, whole) = (fs::read(&path).expect("bytes"), read_all(&path).expect("whole"));
    let mut refused = 0;
    for at in (0..good.len()).step_by(641).chain(0..320).chain(good.len() - 64..good.len()) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, &bad).expect("written");
        match read_all(&path) {
            Ok(read) => assert!(read == whole, "byte {at} is believed"),
            Err(StateError::Damaged { .. } | StateError::Version { .. }) => refused += 1,
            Err(error) => panic!("byte {at}: {error}"),
        }
        assert!(fs::read(&path).expect("bytes") == bad, "a look at a damaged memory leaves it as it is");
    }
    assert!(refused > 100, "{refused} of the flips were in bytes that count");
}

#[test]
fn a_memory_that_was_cut_short_or_filled_with_zeros_is_damaged() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, state) = memory(directory.path(), 600);
    drop(state);
    let good = fs::read(&path).expect("bytes");
    for length in (0..good.len()).step_by(2311).chain(0..24).chain([good.len() - 1]) {
        for zeros in [false, true] {
            let mut bad = good[..length].to_vec();
            if zeros {
                bad.resize(good.len(), 0);
            }
            fs::write(&path, &bad).expect("written");
            match read_all(&path) {
                Err(StateError::Damaged { .. }) => {}
                // Nothing but what is not used was lost.
                Ok((header, all)) if zeros => assert_eq!((header.entries, all.len()), (600, 600), "{length}"),
                other => panic!("{length} bytes, zeros {zeros}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_is_no_memory_and_what_a_newer_version_wrote_is_refused() {
    use redb::{Database, TableDefinition};
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.redb");
    for text in ["", "hello\n", &"x".repeat(100_000)] {
        fs::write(&path, text).expect("written");
        assert!(matches!(read_all(&path), Err(StateError::Damaged { .. })), "{}", text.len());
    }
    fs::remove_file(&path).expect("removed");
    let write = |table: TableDefinition<'_, &str, &[u8]>, value: &[u8]| {
        let database = Database::create(&path).expect("a database");
        let write = database.begin_write().expect("begun");
        write.open_table(table).expect("a table").insert("header", value).expect("inserted");
        write.commit().expect("committed");
    };
    write(TableDefinition::new("somebody else's"), b"data");
    assert!(matches!(read_all(&path), Err(StateError::Damaged { .. })));
    write(TableDefinition::new("meta"), &99_u32.to_le_bytes());
    assert!(matches!(read_all(&path), Err(StateError::Version { found: 99, .. })));
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a directory");
    assert!(read_all(&path).is_err());
}

#[test]
fn a_rehearsal_reads_a_memory_that_a_crash_left_and_writes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, state) = memory(directory.path(), 600);
    let left = directory.path().join("left.redb");
    // As it is on disk while a run has it open.
    fs::copy(&path, &left).expect("copied");
    let before = fs::read(&left).expect("bytes");
    let rehearsal = State::open_read_only(&left).expect("opened");
    assert_eq!(rehearsal.header().expect("a header").entries, 600);
    assert!(rehearsal.commit(&header(1), &Change::default()).is_err(), "a rehearsal changes nothing");
    assert!(matches!(State::open_read_only(&path), Err(StateError::Busy { .. })), "the run has it open for writing");
    drop((rehearsal, state));
    assert!(fs::read(&left).expect("bytes") == before);
    let (_, all) = read_all(&left).expect("the next run reads it, too");
    assert_eq!(all, entries(600));
}

#[test]
fn a_change_waits_for_a_rehearsal_that_reads() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, state) = memory(directory.path(), 10);
    drop(state);
    let run = State::open(&path).expect("opened");
    let rehearsal = State::open_read_only(&path).expect("opened beside it");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            drop(rehearsal);
        });
        run.commit(&header(11), &Change::default()).expect("committed after the rehearsal");
    });
    assert_eq!(run.header().expect("a header").entries, 11);
}

/// Two replicas that agree.
fn agreed(sandbox: &Sandbox) -> (Tree, Tree) {
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    for number in 0..40 {
        left.file(format!("d{}/{number}", number % 3), format!("content {number}"));
    }
    sandbox.alike(["sync", "left", "right"]).expect(0);
    (left, right)
}

#[test]
fn a_damaged_memory_stops_every_command_and_names_the_way_out() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    let before = (left.shown(), right.shown());
    let state = left.join(".alike/state.redb");
    let mut bytes = fs::read(&state).expect("bytes");
    bytes.truncate(bytes.len() / 2);
    fs::write(&state, &bytes).expect("written");
    let answer = "error: the memory `[box]/left/.alike/state.redb` is damaged\n";
    let hint = "hint: `alike index --rebuild DIR` moves what is remembered aside: the next sync joins both sides and deletes \
                nothing\n";
    for arguments in [
        &["sync", "left", "right"][..],
        &["sync", "right", "left"],
        &["diff", "left", "right"],
        &["conflicts", "left"],
        &["resolve", "left", "*", "--keep", "plain"],
        &["log", "left"],
    ] {
        let outcome = sandbox.alike(arguments).expect(3);
        assert!(outcome.stderr.starts_with(answer) && outcome.stderr.ends_with(hint), "{}", outcome.stderr);
        assert_eq!((left.shown(), right.shown()), before);
    }
    let rebuilt = sandbox.alike(["index", "--rebuild", "left"]).expect(0);
    assert!(rebuilt.stdout.contains("what was remembered is in [box]/left/.alike/forgotten-1:"), "{}", rebuilt.stdout);
    assert_eq!(fs::read(left.join(".alike/forgotten-1/state.redb")).expect("moved aside"), bytes);
    left.file("d0/0", b"edited without a memory").remove("d1/1");
    sandbox.alike(["sync", "left", "right"]).expect(1);
    assert_eq!(left.shown(), right.shown());
    assert!(left.has("d1/1"), "a first meeting deletes nothing");
    let contents: Vec<_> = left.shown().into_values().collect();
    assert!(contents.contains(&b"content 0".to_vec()) && contents.contains(&b"edited without a memory".to_vec()));
}

#[test]
fn a_rebuild_is_told_as_json_and_a_second_one_goes_beside_the_first() {
    let sandbox = Sandbox::new();
    let (left, _) = agreed(&sandbox);
    for number in 1..=2 {
        let outcome = sandbox.alike(["index", "--json", "--rebuild", "left"]).expect(0);
        let place = left.join(format!(".alike/forgotten-{number}"));
        assert_eq!(outcome.events("forgotten")[0]["path"], format!("[box]/left/.alike/forgotten-{number}"));
        assert!(place.join("state.redb").exists() && place.join("index").exists());
        assert_eq!(outcome.summary()["hashed_bytes"], outcome.summary()["bytes"], "everything is read anew");
        sandbox.alike(["sync", "left", "right"]).expect(0);
    }
    let tree = sandbox.tree("no replica");
    let outcome = sandbox.alike(["index", "--json", "--rebuild", "no replica"]).expect(0);
    assert!(outcome.events("forgotten").is_empty() && !tree.has(".alike"));
}

#[test]
fn a_damaged_index_costs_a_hash_and_never_a_file() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    let before = left.shown();
    let index = left.join(".alike/index");
    let good = fs::read(&index).expect("bytes");
    let flips = (0..good.len()).step_by(good.len() / 9).map(|at| {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        bad
    });
    let cuts = [0, 1, 50, good.len() / 2, good.len() - 1].map(|length| good[..length].to_vec());
    for bad in flips.chain(cuts).chain([b"somebody else's".repeat(1000)]) {
        fs::write(&index, &bad).expect("written");
        sandbox.alike(["sync", "left", "right"]).expect(0);
        assert_eq!((left.shown(), right.shown()), (before.clone(), before.clone()));
    }
}

#[test]
fn an_index_without_its_memory_is_not_believed() {
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    left.file("only-left", b"written before the loss");
    sandbox.alike(["sync", "left", "right"]).expect(0);
    right.remove("only-left").remove("d2/2");
    sandbox.alike(["sync", "left", "right"]).expect(0);
    left.file("new", b"new").file("d0/0", b"edited");
    left.remove(".alike/state.redb");
    let rehearsed = sandbox.alike(["diff", "--json", "left", "right"]).expect(1);
    assert_eq!(rehearsed.summary()["deletes"], 0);
    sandbox.alike(["sync", "left", "right"]).expect(1);
    assert_eq!(left.shown(), right.shown());
    assert!(left.has("new") && left.has("d1/1") && left.has("d0/3"), "what is on disk is nobody's delete");
    left.remove(".alike/state.redb");
    let (third, before) = (sandbox.tree("third"), left.shown());
    sandbox.alike(["sync", "left", "third"]).expect(1);
    assert_eq!((left.shown(), third.shown()), (before.clone(), before), "all of it is news to a third one");
}

#[test]
fn a_run_in_which_nothing_happened_does_not_write_the_memory() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = Sandbox::new();
    let (left, right) = agreed(&sandbox);
    sandbox.alike(["sync", "left", "right"]).expect(0);
    let look = || {
        [&left, &right].map(|tree| {
            let path = tree.join(".alike/state.redb");
            let metadata = fs::metadata(&path).expect("a memory");
            (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), fs::read(&path).expect("bytes"))
        })
    };
    let before = look();
    for arguments in
        [&["sync", "left", "right"][..], &["diff", "left", "right"], &["conflicts", "left"], &["log", "right"]]
    {
        sandbox.alike(arguments).expect(0);
        assert!(look() == before, "{arguments:?}");
    }
}

/// A bar that only a loaded machine comes near; `--nocapture` shows the figures.
#[test]
fn eighty_thousand_new_files_do_not_spend_seconds_in_the_memory() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.redb");
    let state = State::create(&path, &header(0)).expect("new");
    let all = entries(80_000);
    let changed: Vec<_> = all.iter().map(|(path, siblings)| (path, siblings)).collect();
    let seen = |siblings: &Siblings| {
        let version = siblings.iter().next().expect("one version");
        Some(Witness { dots: vec![version.dot], entry: version.entry.clone(), unseen: false })
    };
    let witnesses: Vec<_> = all.iter().map(|(path, siblings)| (path.clone(), seen(siblings))).collect();
    let mut times = Vec::new();
    let mut timed = |what: &str, act: &mut dyn FnMut()| {
        let started = std::time::Instant::now();
        act();
        times.push(format!("{what} {:?}", started.elapsed()));
    };
    let started = std::time::Instant::now();
    timed("join", &mut || {
        let change = Change { entries: &changed, witnesses: &witnesses, ..Change::default() };
        state.commit(&header(80_000), &change).expect("committed");
    });
    timed("settle", &mut || {
        state.commit(&header(80_000), &Change { settle: true, ..Change::default() }).expect("committed");
    });
    let before = fs::metadata(&path).expect("a memory").len();
    timed("compact", &mut || state.compact());
    let after = fs::metadata(&path).expect("a memory").len();
    assert!(after * 3 < before * 2, "{before} bytes are {after} bytes");
    drop(state);
    timed("open", &mut || drop(State::open(&path).expect("whole")));
    timed("open and read", &mut || assert_eq!(read_all(&path).expect("whole").1.len(), 80_000));
    assert!(started.elapsed().as_secs() < 20, "{times:?}");
    let bytes = fs::metadata(&path).expect("a memory").len();
    let _ = writeln!(std::io::stderr(), "{times:?}, {bytes} bytes");
}
