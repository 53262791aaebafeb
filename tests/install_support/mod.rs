//! What the tests of installing share: a root, actions as a plan would make them, and a child process to be killed.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use alike::disk::place::Placed;
use alike::disk::root::Root;
use alike::disk::status::Status;
use alike::disk::target::{Fsync, Target, TargetOptions};
use alike::model::entry::{Extra, Xattr};
use alike::model::plan::action::{Action, Before, Changes, Move, Onto, Source, Step};
use alike::model::{Digest, Entry, Kind, Problem, RelPath, Time};

pub const OPTIONS: TargetOptions =
    TargetOptions { fsync: Fsync::Off, keep_trash: true, mode: true, xattrs: true, owner: false, links: true };
pub const NO_TRASH: TargetOptions = TargetOptions { keep_trash: false, ..OPTIONS };
pub const MTIME: Time = Time { secs: 1_600_000_000, nanos: 123_456_789 };

pub fn open(root: &Path, options: TargetOptions) -> Target {
    Target::open(Root::open(root).expect("the root opens"), options).expect("the target opens")
}

pub fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).expect("a legal path")
}

pub fn entry(kind: Kind) -> Entry {
    let mode = if kind == Kind::Directory { 0o755 } else { 0o644 };
    let mode = if kind == Kind::Symlink { 0 } else { mode };
    Entry { kind, mode, mtime: MTIME, size: 0, content: Digest::default(), uid: 0, gid: 0, extra: None }
}

pub fn file(bytes: &[u8]) -> Entry {
    Entry { size: bytes.len() as u64, content: Digest::of_content(bytes), ..entry(Kind::File) }
}

pub fn symlink(target: &str) -> Entry {
    let extra = Extra { target: Some(target.as_bytes().into()), ..Extra::default() };
    Entry { extra: Some(Box::new(extra)), ..entry(Kind::Symlink) }
}

pub fn with_xattr(entry: &Entry, name: &str, value: &[u8]) -> Entry {
    let xattrs = vec![Xattr { name: name.as_bytes().into(), value: value.into() }];
    Entry { extra: Some(Box::new(Extra { xattrs, ..Extra::default() })), ..entry.clone() }
}

/// What a scan would have said of a path.
pub fn before(root: &Path, text: &str) -> Before {
    let status = Status::at(rustix::fs::CWD, root.join(text)).expect("the path is there");
    let entry = Entry {
        kind: status.kind,
        mode: status.mode,
        mtime: status.stamp.mtime,
        size: status.stamp.size,
        content: Digest::UNKNOWN,
        uid: status.uid,
        gid: status.gid,
        extra: None,
    };
    Before { kind: status.kind, stamp: status.stamp, entry }
}

pub fn action(text: &str, step: Step, wanted: Option<Entry>, before: Option<Before>) -> Action {
    let changes = Changes { xattrs: true, ..Changes::default() };
    Action { path: path(text), step, wanted, before: before.map(Box::new), changes }
}

pub fn create(text: &str, wanted: Entry, source: Source) -> Action {
    action(text, Step::Create(source), Some(wanted), None)
}

pub fn update(root: &Path, text: &str, wanted: Entry, source: Source) -> Action {
    action(text, Step::Update(source), Some(wanted), Some(before(root, text)))
}

pub fn mkdir(text: &str) -> Action {
    action(text, Step::Mkdir, Some(entry(Kind::Directory)), None)
}

pub fn delete(root: &Path, text: &str, whole: bool) -> Action {
    action(text, Step::Delete { whole, within: false }, None, Some(before(root, text)))
}

pub fn within(root: &Path, text: &str) -> Action {
    action(text, Step::Delete { whole: false, within: true }, None, Some(before(root, text)))
}

pub fn rename(root: &Path, from: &str, to: &str) -> (Action, Before) {
    let from_before = before(root, from);
    let there = root.join(to).symlink_metadata().is_ok().then(|| before(root, to));
    (action(to, Step::Rename { from: path(from) }, Some(from_before.entry.clone()), there), from_before)
}

/// Stages bytes, settles them and places them.
pub fn put(target: &Target, action: &Action, bytes: &[u8]) -> Result<Placed, Problem> {
    let staged = target.stage().expect("staging works");
    staged.write_sparse(bytes, 0).expect("writing works");
    staged.set_size(bytes.len() as u64).expect("sizing works");
    target.settle(&[(&staged, action.wanted.as_ref().expect("wanted"))]).expect("settling works");
    target.place(action, Some(staged))
}

/// Every file in the trash, with its path below the run's directory.
pub fn trash(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let Ok(runs) = fs::read_dir(root.join(".alike/trash")) else { return found };
    for run in runs {
        let run = run.expect("readable").path();
        // Beside the directory of a run lies its record.
        if run.is_file() {
            continue;
        }
        collect(&run, &run, &mut found);
    }
    found.sort();
    found
}

fn collect(top: &Path, directory: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        let metadata = path.symlink_metadata().expect("there");
        if metadata.is_dir() {
            collect(top, &path, found);
        } else {
            let shown = path.strip_prefix(top).expect("below").to_string_lossy().into_owned();
            let bytes = if metadata.is_file() { fs::read(&path).expect("readable") } else { Vec::new() };
            found.push((shown, bytes));
        }
    }
}

pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// This test binary again, to run one ignored test of it as a process of its own.
pub fn again(test: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args([test, "--exact", "--ignored", "--nocapture"]).env("INSTALL_CHILD_ROOT", root);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The root that a child works in; `None` where the test is not run as a child.
pub fn child_root() -> Option<PathBuf> {
    std::env::var_os("INSTALL_CHILD_ROOT").map(PathBuf::from)
}

/// How the plan would say that `moved` comes to the action's path.
pub fn moving(action: &Action, moved: &Before) -> Move {
    let onto = if action.before.is_some() { Onto::Doomed } else { Onto::Nothing };
    Move { moved: moved.clone(), onto }
}

/// A cycle of two: one exchange, and the second action has nothing left to move.
pub fn swap(target: &Target, one: &Action, other: &Action) {
    let moved = *other.before.clone().expect("a swap needs two things");
    target.place_move(one, &Move { moved, onto: Onto::Wanted }).expect("swapped");
    target.place_arrived(other, one.before.as_deref()).expect("arrived");
}
