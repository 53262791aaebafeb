//! Installing while others read, write, wait or kill.

mod install_support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use alike::disk::error::Error;
use alike::disk::root::Root;
use alike::disk::target::{Target, TargetOptions};
use alike::model::plan::action::Source;
use install_support::*;

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn edits_that_race_with_installs_survive_somewhere() {
    let root = scratch();
    let at = root.path().join("f");
    fs::write(&at, "first").expect("written");
    let stop = AtomicBool::new(false);
    let target = open(root.path(), OPTIONS);
    let (edits, mut kept) = thread::scope(|scope| {
        let editor = scope.spawn(|| edit_until(&stop, root.path()));
        let end = Instant::now() + Duration::from_millis(700);
        while Instant::now() < end {
            let action = update(root.path(), "f", file(b"ours"), Source::Fetch);
            let _may_be_refused = put(&target, &action, b"ours");
        }
        stop.store(true, Ordering::Relaxed);
        editor.join().expect("the editor ends")
    });
    target.finish().expect("finished");
    kept.extend(trash(root.path()).into_iter().map(|(_, bytes)| bytes));
    kept.push(fs::read(&at).expect("readable"));
    for edit in 0..edits {
        assert!(kept.contains(&format!("edit {edit}").into_bytes()), "edit {edit} of {edits} is lost");
    }
    assert!(edits > 20, "the race ran");
}

/// Replaces the file whenever it is not an edit; returns how often, and what the edits replaced. An edit that was put
/// back may be replaced by the next one: that is the editor's doing, and it knows.
fn edit_until(stop: &AtomicBool, root: &Path) -> (u64, Vec<Vec<u8>>) {
    let (mut written, mut replaced) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        if fs::read(root.join("f")).expect("always there").starts_with(b"edit") {
            thread::yield_now();
            continue;
        }
        fs::write(root.join("tmp"), format!("edit {written}")).expect("written");
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        let cwd = rustix::fs::CWD;
        rustix::fs::renameat_with(cwd, root.join("tmp"), cwd, root.join("f"), flags).expect("exchanged");
        replaced.push(fs::read(root.join("tmp")).expect("readable"));
        fs::remove_file(root.join("tmp")).expect("removed");
        written += 1;
    }
    (written, replaced)
}

#[test]
fn a_root_is_held_by_one_run_at_a_time() {
    let root = scratch();
    let first = open(root.path(), OPTIONS);
    let second = Target::open(Root::open(root.path()).expect("opens"), OPTIONS);
    assert!(matches!(second, Err(Error::Held { .. })));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| open(root.path(), OPTIONS));
        thread::sleep(Duration::from_millis(50));
        first.finish().expect("finished");
        // The one that waited holds a lock that has a name.
        let second = waiting.join().expect("opened");
        assert_eq!(names(&root.path().join(".alike")), [".gitignore", "lock", "staging"]);
        second.finish().expect("finished");
    });
    assert!(names(root.path()).is_empty());
}

#[test]
fn nothing_is_left_of_what_was_staged_and_not_placed() {
    let root = scratch();
    let target = open(root.path(), OPTIONS);
    let staged = target.stage().expect("staged");
    let lane = names(&root.path().join(".alike/staging"));
    assert_eq!(names(&root.path().join(".alike/staging").join(&lane[0])).len(), 1);
    drop(staged);
    assert!(names(&root.path().join(".alike/staging").join(&lane[0])).is_empty());
}

#[test]
fn a_reader_sees_the_old_or_the_new_file_at_every_instant() {
    for options in [OPTIONS, NO_TRASH] {
        let root = scratch();
        let at = root.path().join("f");
        fs::write(&at, vec![b'a'; 5000]).expect("written");
        let (stop, target) = (AtomicBool::new(false), open(root.path(), options));
        let seen = thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let bytes = fs::read(&at).expect("the path always names a file");
                    assert_eq!(bytes.len(), 5000);
                    assert!(bytes.iter().all(|&byte| byte == bytes[0]), "one whole version");
                    seen += 1;
                }
                seen
            });
            let placed: Result<Vec<_>, _> = (0..2000)
                .map(|turn| {
                    let bytes = vec![b'a' + (turn % 26) as u8; 5000];
                    put(&target, &update(root.path(), "f", file(&bytes), Source::Fetch), &bytes)
                })
                .collect();
            stop.store(true, Ordering::Relaxed);
            placed.expect("every update is placed");
            reader.join().expect("the reader saw no gap")
        });
        assert!(seen > 100, "the reader read");
        target.finish().expect("finished");
    }
}

#[test]
fn a_killed_run_leaves_whole_files_and_no_litter() {
    for options in [OPTIONS, NO_TRASH] {
        let root = scratch();
        for turn in 0..6 {
            let mut child =
                again(if options == OPTIONS { "child_to_be_killed" } else { "child_without_trash" }, root.path())
                    .spawn()
                    .expect("runs");
            thread::sleep(Duration::from_millis(60 + turn * 23));
            child.kill().expect("killed");
            child.wait().expect("ends");
            for name in names(root.path()).iter().filter(|name| name.starts_with('f')) {
                let bytes = fs::read(root.path().join(name)).expect("readable");
                assert_eq!(bytes.len(), 20_000, "{name} is whole");
                assert!(bytes.iter().all(|&byte| byte == bytes[0]), "{name} is one version");
            }
            let target = open(root.path(), options);
            let staging = root.path().join(".alike/staging");
            assert!(names(&staging).iter().all(|name| name == "replaced"), "staging was cleaned");
            target.finish().expect("finished");
            assert!(!staging.exists());
        }
        for (name, bytes) in trash(root.path()) {
            assert_eq!(bytes.len(), 20_000, "{name} is whole in the trash");
        }
        assert!(names(root.path()).len() > 3, "the child got to work");
        assert!(options == OPTIONS || !root.path().join(".alike").exists(), "without trash nothing of ours is left");
    }
}

#[test]
#[ignore = "a child of a_killed_run_leaves_whole_files_and_no_litter"]
fn child_to_be_killed() {
    work_until_killed(OPTIONS);
}

#[test]
#[ignore = "a child of a_killed_run_leaves_whole_files_and_no_litter"]
fn child_without_trash() {
    work_until_killed(NO_TRASH);
}

fn work_until_killed(options: TargetOptions) {
    let Some(root) = child_root() else { return };
    let target = open(&root, options);
    for turn in 0_u64.. {
        let bytes = vec![b'a' + (turn % 26) as u8; 20_000];
        let name = format!("f{}", turn % 7);
        let there = root.join(&name).exists();
        let action = if there {
            update(&root, &name, file(&bytes), Source::Fetch)
        } else {
            create(&name, file(&bytes), Source::Fetch)
        };
        put(&target, &action, &bytes).expect("placed");
        if turn % 11 == 10 {
            target.place(&delete(&root, &name, false), None).expect("deleted");
        }
    }
}
