//! Installing on real file systems: images mounted by loop device, small ones that fill up, mounts inside a root.
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod install_support;

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use alike::disk::target::{Fsync, TargetOptions};
use alike::model::plan::action::Source;
use alike::model::{Digest, Entry, ProblemKind, Time};
use install_support::*;

const DURABLE: TargetOptions = TargetOptions { fsync: Fsync::Batch, ..OPTIONS };

/// A mounted file system, unmounted when dropped.
struct Mounted {
    at: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _gone_with_the_machine = Command::new("umount").arg(&self.at).status();
    }
}

/// Mounts a new file system; `None`, loudly, where this machine cannot.
fn mount(kind: &str, megabytes: u64) -> Option<Mounted> {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let (image, at) = (scratch.path().join("image"), scratch.path().join("mounted"));
    fs::create_dir(&at).expect("made");
    fs::File::create_new(&image).expect("made").set_len(megabytes << 20).expect("sized");
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let mounted = if kind == "tmpfs" {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "none"]).arg(&at))
    } else {
        run(Command::new(format!("mkfs.{kind}")).arg("-q").arg(&image))
            && run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at))
    };
    if !mounted {
        assert!(std::env::var_os("CI").is_none(), "cannot mount {kind}, and nothing may be skipped here");
        println!("skipped: this machine cannot make and mount {kind}");
        return None;
    }
    Some(Mounted { at, _scratch: scratch })
}

/// A directory in the mounted file system: not its top, which may hold `lost+found`.
fn root(mounted: &Mounted) -> PathBuf {
    let root = mounted.at.join("root");
    fs::create_dir(&root).expect("made");
    root
}

fn everything_holds_on(kind: &str, years: &[i64]) {
    let Some(mounted) = mount(kind, 512) else { return };
    let root = root(&mounted);
    metadata_is_kept(&root, years);
    old_or_new(&root);
    replaced_and_moved(&root);
    holes_stay_holes(&root);
    assert!(!names(&root).is_empty());
}

/// Seconds since 1970 at the start of a year, roughly.
fn year(year: i64) -> i64 {
    (year - 1970) * 31_556_952
}

fn metadata_is_kept(root: &Path, years: &[i64]) {
    let target = open(root, DURABLE);
    let times = years.iter().map(|&at| Time { secs: year(at), nanos: 999_999_999 });
    for time in times.chain([Time { secs: -1, nanos: 1 }, Time { secs: (1 << 31) + 5, nanos: 500_000_000 }]) {
        let name = format!("time{}", time.secs);
        let wanted = with_xattr(&Entry { mtime: time, mode: 0o640, ..file(b"x") }, "user.key", b"value\0");
        let placed = put(&target, &create(&name, wanted, Source::Fetch), b"x").expect("placed");
        assert_eq!((placed.stamp.mtime, placed.lacks), (time, None), "{name}");
        let mut value = [0; 16];
        let bytes = rustix::fs::getxattr(root.join(&name), "user.key", &mut value).expect("kept");
        assert_eq!(&value[..bytes], b"value\0");
        let link = Entry { mtime: time, ..symlink("x") };
        let placed = target.place(&create(&format!("{name}-link"), link, Source::None), None).expect("placed");
        assert_eq!(placed.stamp.mtime, time);
    }
    target.place(&mkdir("d"), None).expect("made");
    put(&target, &create("d/f", file(b"x"), Source::Fetch), b"x").expect("placed");
    let wanted = Entry { mode: 0o2751, ..entry(alike::model::Kind::Directory) };
    let stamp = target.directory_metadata(&path("d"), &wanted).expect("set");
    assert_eq!((stamp.mtime, root.join("d").metadata().expect("there").mode() & 0o7777), (MTIME, 0o2751));
    target.finish().expect("finished");
    assert_eq!(before(root, "d").stamp, stamp, "nothing touches a directory after its metadata was set");
}

fn old_or_new(root: &Path) {
    let at = root.join("f");
    fs::write(&at, vec![b'a'; 3000]).expect("written");
    let (stop, target) = (AtomicBool::new(false), open(root, OPTIONS));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let bytes = fs::read(&at).expect("the path always names a file");
                assert!(bytes.len() == 3000 && bytes.iter().all(|&byte| byte == bytes[0]), "one whole version");
            }
        });
        let placed: Result<Vec<_>, _> = (0..300)
            .map(|turn| {
                let bytes = vec![b'a' + (turn % 26) as u8; 3000];
                put(&target, &update(root, "f", file(&bytes), Source::Fetch), &bytes)
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        placed.expect("every update is placed");
        reader.join().expect("no gap");
    });
    target.finish().expect("finished");
    assert_eq!(trash(root).len(), 300);
    fs::remove_dir_all(root.join(".alike")).expect("removed");
}

fn replaced_and_moved(root: &Path) {
    fs::create_dir_all(root.join("one/sub")).expect("made");
    fs::write(root.join("one/sub/f"), "one").expect("written");
    fs::write(root.join("two"), "two").expect("written");
    let target = open(root, OPTIONS);
    let ((left, _), (right, _)) = (rename(root, "two", "one"), rename(root, "one", "two"));
    swap(&target, &left, &right);
    let (action, from) = rename(root, "two", "three");
    target.place_move(&action, &moving(&action, &from)).expect("moved");
    target.place(&update(root, "one", symlink("three"), Source::None), None).expect("replaced");
    target.place(&delete(root, "three", true), None).expect("deleted");
    target.finish().expect("finished");
    assert_eq!(trash(root), [("one".to_owned(), b"two".to_vec()), ("three/sub/f".to_owned(), b"one".to_vec())]);
    fs::remove_dir_all(root.join(".alike")).expect("removed");
}

fn holes_stay_holes(root: &Path) {
    let source = fs::File::create_new(root.join("sparse")).expect("made");
    source.write_all_at(b"data", 1 << 30).expect("written");
    source.set_len(2 << 30).expect("sized");
    let target = open(root, OPTIONS);
    let source = fs::File::open(root.join("sparse")).expect("opened");
    let (staged, digest) = target.copy_from(&source, 2 << 30, None).expect("copied");
    let stamp = before(root, "sparse").stamp;
    let wanted = Entry { size: 2 << 30, content: digest, ..file(b"") };
    target.place(&create("copy", wanted, Source::Fetch), Some(staged)).expect("placed");
    target.copy_within(&path("copy"), &stamp, &digest).expect_err("another inode");
    target.finish().expect("finished");
    assert!(root.join("copy").metadata().expect("there").blocks() * 512 < 1 << 20);
}

#[test]
fn everything_holds_on_tmpfs() {
    everything_holds_on("tmpfs", &[1800, 2486]);
}

#[test]
fn everything_holds_on_ext4() {
    everything_holds_on("ext4", &[1905, 2440]);
}

#[test]
fn everything_holds_on_xfs() {
    everything_holds_on("xfs", &[1905, 2480]);
}

#[test]
fn everything_holds_on_btrfs() {
    everything_holds_on("btrfs", &[1800, 2486]);
}

#[test]
fn a_time_that_the_file_system_cannot_hold_is_named() {
    let Some(mounted) = mount("ext4", 16) else { return };
    let root = root(&mounted);
    let target = open(&root, OPTIONS);
    let wanted = Entry { mtime: Time { secs: year(2486), nanos: 0 }, ..file(b"x") };
    let placed = put(&target, &create("f", wanted, Source::Fetch), b"x").expect("the content is placed");
    let lacks = placed.lacks.expect("ext4 ends in 2446");
    assert_eq!(lacks.kind, ProblemKind::Unrepresentable);
    assert!(lacks.cause.contains("modification time"), "{}", lacks.cause);
    assert_eq!(fs::read(root.join("f")).expect("readable"), b"x");
}

#[test]
fn a_full_disk_leaves_nothing_partial_and_the_rest_goes_on() {
    for kind in ["tmpfs", "ext4"] {
        let Some(mounted) = mount(kind, 8) else { return };
        let root = root(&mounted);
        fs::write(root.join("kept"), "old").expect("written");
        let mut large = tempfile::NamedTempFile::new().expect("made");
        std::io::Write::write_all(&mut large, &vec![b'x'; 20 << 20]).expect("written");
        let target = open(&root, DURABLE);
        for name in ["new", "kept"] {
            let error = target.copy_from(large.as_file(), 20 << 20, None).expect_err("no space");
            let problem = error.into_problem(&path(name));
            assert_eq!((problem.kind, problem.cause.as_str()), (ProblemKind::Unwritable, "no space left on device"));
        }
        assert_eq!(fs::read(root.join("kept")).expect("readable"), b"old");
        // ext4 gives blocks back some time after its next commit.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while rustix::fs::statvfs(&root).expect("a file system").f_bavail == 0 {
            assert!(std::time::Instant::now() < deadline, "{kind}: what failed is gone again");
            rustix::fs::syncfs(fs::File::open(&root).expect("opened")).expect("committed");
        }
        put(&target, &create("small", file(b"fits"), Source::Fetch), b"fits").expect("what failed is gone again");
        target.finish().expect("finished");
        assert_eq!(names(&root), ["kept", "small"]);
    }
}

#[test]
fn a_mount_inside_the_root_is_named_and_loses_nothing() {
    let (Some(outer), Some(inner)) = (mount("tmpfs", 16), mount("ext4", 16)) else { return };
    let root = root(&outer);
    fs::create_dir(root.join("m")).expect("made");
    let bound = Command::new("mount").arg("--bind").arg(&inner.at).arg(root.join("m")).status().expect("runs");
    assert!(bound.success());
    let inside = Mounted { at: root.join("m"), _scratch: tempfile::tempdir().expect("made") };
    fs::write(root.join("m/f"), "inside").expect("written");
    fs::write(root.join("g"), "outside").expect("written");
    let target = open(&root, OPTIONS);
    let (action, from) = rename(&root, "g", "m/g");
    let problems = [
        put(&target, &create("m/new", file(b"n"), Source::Fetch), b"n").expect_err("create"),
        put(&target, &update(&root, "m/f", file(b"n"), Source::Fetch), b"n").expect_err("update"),
        target.place(&delete(&root, "m/f", false), None).expect_err("delete"),
        target.place_move(&action, &moving(&action, &from)).expect_err("rename"),
    ];
    for problem in problems {
        assert_eq!((problem.kind, problem.cause.as_str()), (ProblemKind::Unwritable, "is on another file system"));
    }
    target.finish().expect("finished");
    assert_eq!(fs::read(root.join("m/f")).expect("readable"), b"inside");
    assert_eq!(names(&root), ["g", "m"]);
    drop(inside);
}

#[test]
fn blocks_are_shared_where_the_file_system_can() {
    for kind in ["btrfs", "xfs"] {
        let Some(mounted) = mount(kind, 512) else { return };
        let root = root(&mounted);
        let bytes: Vec<u8> = (0..64_u32 << 18).flat_map(u32::to_le_bytes).collect();
        fs::write(root.join("f"), &bytes).expect("written");
        let target = open(&root, DURABLE);
        let content = Digest::of_content(&bytes);
        let free = || {
            let top = fs::File::open(&mounted.at).expect("opened");
            rustix::fs::syncfs(&top).expect("synced");
            rustix::fs::fstatvfs(&top).expect("stat").f_bfree * rustix::fs::fstatvfs(&top).expect("stat").f_frsize
        };
        let free_before = free();
        let staged = target.copy_within(&path("f"), &before(&root, "f").stamp, &content).expect("copied");
        target.place(&create("copy", file(&bytes), Source::Copy { from: path("f") }), Some(staged)).expect("placed");
        let used = free_before.saturating_sub(free());
        assert!(used < 8 << 20, "{kind}: {used} bytes for a copy");
        assert!(fs::read(root.join("copy")).expect("readable") == bytes);
    }
}
