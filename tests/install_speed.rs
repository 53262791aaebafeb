//! How fast things are put in place. Run by hand: `cargo test --release --test install_speed -- --ignored --nocapture`,
//! with `INSTALL_SPEED_ROOT` naming a directory on the file system to be measured.
#![allow(clippy::print_stdout, reason = "it prints what it measures")]

mod install_support;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use alike::disk::target::{Fsync, Target, TargetOptions};
use alike::model::plan::action::{Action, Source};
use install_support::*;

const DIRECTORIES: usize = 500;
const FILES: usize = 50_000;
const BYTES: [u8; 2048] = [7; 2048];

fn place_new(target: &Target, actions: &[Action], batch: usize) {
    for actions in actions.chunks(batch) {
        let staged: Vec<_> = actions
            .iter()
            .map(|action| {
                let staged = target.stage().expect("staged");
                staged.file().write_all_at(&BYTES, 0).expect("written");
                (staged, action)
            })
            .collect();
        let settled: Vec<_> =
            staged.iter().map(|(staged, action)| (staged, action.wanted.as_ref().expect("wanted"))).collect();
        target.settle(&settled).expect("settled");
        for (staged, action) in staged {
            target.place(action, Some(staged)).expect("placed");
        }
    }
}

fn on_threads(target: &Target, actions: &[Action], threads: usize, work: impl Fn(&Target, &[Action]) + Sync) -> f64 {
    let start = Instant::now();
    thread::scope(|scope| {
        for part in actions.chunks(actions.len().div_ceil(threads)) {
            let work = &work;
            scope.spawn(move || work(target, part));
        }
    });
    start.elapsed().as_secs_f64()
}

fn report(what: &str, threads: usize, seconds: f64) {
    let each = seconds * 1e6 / FILES as f64;
    println!("{what}, {threads} thread(s): {seconds:.3} s, {:.0} files/s, {each:.1} us a file", FILES as f64 / seconds);
}

fn names_of_files() -> impl Iterator<Item = String> {
    (0..FILES).map(|file| format!("d{:03}/file-{file:06}.txt", file / (FILES / DIRECTORIES)))
}

fn measure(root: &Path, threads: usize, options: TargetOptions) {
    let target = open(root, options);
    for directory in 0..DIRECTORIES {
        target.place(&mkdir(&format!("d{directory:03}")), None).expect("made");
    }
    let wanted = file(&BYTES);
    let creates: Vec<_> = names_of_files().map(|name| create(&name, wanted.clone(), Source::Fetch)).collect();
    report("create", threads, on_threads(&target, &creates, threads, |target, part| place_new(target, part, 128)));
    let updates: Vec<_> = names_of_files().map(|name| update(root, &name, wanted.clone(), Source::Fetch)).collect();
    report("update", threads, on_threads(&target, &updates, threads, |target, part| place_new(target, part, 128)));
    let each = |target: &Target, part: &[Action]| {
        for action in part {
            target.place(action, None).expect("done");
        }
    };
    let mut touched = wanted;
    touched.mtime.secs += 1;
    let touches: Vec<_> = names_of_files()
        .map(|name| {
            let step = alike::model::plan::action::Step::Metadata;
            let mut action = action(&name, step, Some(touched.clone()), Some(before(root, &name)));
            action.changes = Default::default();
            action
        })
        .collect();
    report("touch", threads, on_threads(&target, &touches, threads, each));
    let deletes: Vec<_> = names_of_files().map(|name| delete(root, &name, false)).collect();
    report("delete", threads, on_threads(&target, &deletes, threads, each));
    let start = Instant::now();
    target.finish().expect("finished");
    println!("finish: {:.3} s", start.elapsed().as_secs_f64());
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let place = std::env::var_os("INSTALL_SPEED_ROOT").map_or_else(|| PathBuf::from("/dev/shm"), PathBuf::from);
    for (what, options) in [
        ("--fsync=off", OPTIONS),
        ("--fsync=batch", TargetOptions { fsync: Fsync::Batch, ..OPTIONS }),
        ("--fsync=off --no-trash", NO_TRASH),
    ] {
        for threads in [1, 2] {
            println!("{what} in {}", place.display());
            let root = tempfile::tempdir_in(&place).expect("a directory");
            measure(root.path(), threads, options);
        }
    }
}
