//! Installing: old or new at every instant, nothing lost, nothing outside the root.

mod install_support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink as make_symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use alike::disk::target::TargetOptions;
use alike::model::plan::action::{Source, Step};
use alike::model::{Digest, Entry, Kind, ProblemKind};
use install_support::*;

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn a_new_file_has_its_bytes_its_mode_and_its_time() {
    let root = scratch();
    let target = open(root.path(), OPTIONS);
    target.place(&mkdir("d"), None).expect("made");
    let wanted = Entry { mode: 0o4751, ..file(b"hello") };
    let placed = put(&target, &create("d/f", wanted, Source::Fetch), b"hello").expect("placed");
    let metadata = root.path().join("d/f").metadata().expect("there");
    assert_eq!(fs::read(root.path().join("d/f")).expect("readable"), b"hello");
    assert_eq!(metadata.mode() & 0o7777, 0o4751);
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (MTIME.secs, i64::from(MTIME.nanos)));
    assert_eq!(placed.stamp, before(root.path(), "d/f").stamp, "the stamp is the one after the rename");
    assert_eq!(placed.lacks, None);
    target.finish().expect("finished");
    assert_eq!(names(root.path()), ["d"], "nothing of ours is left");
}

#[test]
fn the_umask_does_not_matter() {
    let root = scratch();
    let status = again("child_with_a_strange_umask", root.path()).status().expect("runs");
    assert!(status.success());
    assert_eq!(root.path().join("d").metadata().expect("there").mode() & 0o7777, 0o755);
    assert_eq!(root.path().join("d/f").metadata().expect("there").mode() & 0o7777, 0o666);
    assert_eq!(root.path().join("d/p").symlink_metadata().expect("there").mode() & 0o7777, 0o666);
}

#[test]
#[ignore = "a child of the_umask_does_not_matter"]
fn child_with_a_strange_umask() {
    let Some(root) = child_root() else { return };
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o777));
    let target = open(&root, OPTIONS);
    target.place(&mkdir("d"), None).expect("made");
    put(&target, &create("d/f", Entry { mode: 0o666, ..file(b"x") }, Source::Fetch), b"x").expect("placed");
    let fifo = Entry { mode: 0o666, ..entry(Kind::Fifo) };
    target.place(&create("d/p", fifo, Source::None), None).expect("placed");
    target.directory_metadata(&path("d"), &entry(Kind::Directory)).expect("set");
    target.finish().expect("finished");
}

#[test]
fn what_appeared_since_the_scan_is_not_overwritten() {
    let root = scratch();
    let target = open(root.path(), OPTIONS);
    fs::write(root.path().join("f"), "theirs").expect("written");
    let problem = put(&target, &create("f", file(b"ours"), Source::Fetch), b"ours").expect_err("refused");
    assert_eq!((problem.kind, problem.cause.as_str()), (ProblemKind::Unwritable, "appeared since it was scanned"));
    assert_eq!(fs::read(root.path().join("f")).expect("readable"), b"theirs");
    target.finish().expect("finished");
    assert_eq!(names(root.path()), ["f"]);
}

type Edit = fn(&Path);

#[test]
fn a_local_edit_is_never_overwritten_nor_deleted() {
    let edits: [(&str, Edit); 4] = [
        ("in place, same size", |file| fs::write(file, "new").expect("written")),
        ("replaced by a rename", |file| {
            fs::write(file.with_extension("tmp"), "new").expect("written");
            fs::rename(file.with_extension("tmp"), file).expect("renamed");
        }),
        ("permission bits only", |file| {
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("changed");
        }),
        ("another kind", |file| {
            fs::remove_file(file).expect("removed");
            fs::create_dir(file).expect("made");
        }),
    ];
    for (what, edit) in edits {
        let root = scratch();
        let at = root.path().join("f");
        fs::write(&at, "old").expect("written");
        let update = update(root.path(), "f", file(b"ours"), Source::Fetch);
        let delete = delete(root.path(), "f", false);
        thread::sleep(Duration::from_millis(12));
        edit(&at);
        let edited = before(root.path(), "f").stamp;
        let target = open(root.path(), OPTIONS);
        let problem = put(&target, &update, b"ours").expect_err(what);
        assert_eq!((problem.kind, problem.cause.as_str()), (ProblemKind::Unwritable, "changed since it was scanned"));
        target.place(&delete, None).expect_err(what);
        assert_eq!(before(root.path(), "f").stamp, edited, "{what}: untouched");
        target.finish().expect("finished");
        assert_eq!(names(root.path()), ["f"], "{what}: nothing went to the trash");
    }
}

#[test]
fn the_trash_holds_every_replaced_byte() {
    let root = scratch();
    fs::create_dir_all(root.path().join("a/b")).expect("made");
    for (name, bytes) in [("a/b/f", "one"), ("a/g", "two"), ("h", "three"), ("a/b/i", "four")] {
        fs::write(root.path().join(name), bytes).expect("written");
    }
    let target = open(root.path(), OPTIONS);
    put(&target, &update(root.path(), "a/b/f", file(b"1"), Source::Fetch), b"1").expect("placed");
    put(&target, &update(root.path(), "h", file(b"3"), Source::Fetch), b"3").expect("placed");
    target.place(&delete(root.path(), "a/g", false), None).expect("deleted");
    target.place(&delete(root.path(), "a/b", true), None).expect("deleted");
    target.finish().expect("finished");
    let found = trash(root.path());
    let found: Vec<(&str, &str)> =
        found.iter().map(|(path, bytes)| (path.as_str(), std::str::from_utf8(bytes).expect("text"))).collect();
    // The directory went as a whole after one of its files: the name that it finds taken gets a suffix.
    assert_eq!(found, [("a/b.~1/f", "1"), ("a/b.~1/i", "four"), ("a/b/f", "one"), ("a/g", "two"), ("h", "three")]);
    assert_eq!(names(root.path()), [".alike", "a", "h"]);
    assert_eq!(names(&root.path().join(".alike")), [".gitignore", "lock", "trash"]);
}

#[test]
fn a_directory_gives_way_to_a_file_and_a_file_to_a_directory() {
    let root = scratch();
    fs::create_dir_all(root.path().join("d/sub")).expect("made");
    fs::write(root.path().join("d/sub/f"), "below").expect("written");
    fs::write(root.path().join("f"), "file").expect("written");
    let target = open(root.path(), OPTIONS);
    // Handles of what is below are in the cache before the directory goes.
    put(&target, &create("d/sub/new", file(b"n"), Source::Fetch), b"n").expect("placed");
    put(&target, &update(root.path(), "d", file(b"now a file"), Source::Fetch), b"now a file").expect("placed");
    let mkdir = action("f", Step::Mkdir, Some(entry(Kind::Directory)), Some(before(root.path(), "f")));
    target.place(&mkdir, None).expect("placed");
    put(&target, &create("f/inside", file(b"i"), Source::Fetch), b"i").expect("placed");
    put(&target, &create("d/sub/lost", file(b"l"), Source::Fetch), b"l").expect_err("the directory is gone");
    target.finish().expect("finished");
    assert_eq!(fs::read(root.path().join("d")).expect("readable"), b"now a file");
    assert_eq!(fs::read(root.path().join("f/inside")).expect("readable"), b"i");
    let found: Vec<String> = trash(root.path()).into_iter().map(|(path, _)| path).collect();
    assert_eq!(found, ["d/sub/f", "d/sub/new", "f"]);
}

#[test]
fn files_and_directories_move_and_swap() {
    let root = scratch();
    fs::create_dir_all(root.path().join("big/sub")).expect("made");
    fs::create_dir(root.path().join("other")).expect("made");
    for name in ["big/sub/f", "x", "y", "over", "moved"] {
        fs::write(root.path().join(name), name).expect("written");
    }
    let target = open(root.path(), OPTIONS);
    put(&target, &create("big/sub/new", file(b"n"), Source::Fetch), b"n").expect("placed");
    let (action, from) = rename(root.path(), "big", "other/big");
    target.place_move(&action, &moving(&action, &from)).expect("moved");
    put(&target, &create("big/sub/lost", file(b"l"), Source::Fetch), b"l").expect_err("nothing is there any more");
    put(&target, &create("other/big/sub/found", file(b"l"), Source::Fetch), b"l").expect("placed");
    let (action, from) = rename(root.path(), "moved", "over");
    target.place_move(&action, &moving(&action, &from)).expect("moved over another");
    let ((left, _), (right, _)) = (rename(root.path(), "y", "x"), rename(root.path(), "x", "y"));
    swap(&target, &left, &right);
    let ((left, _), (right, _)) = (rename(root.path(), "other", "x"), rename(root.path(), "x", "other"));
    swap(&target, &left, &right);
    target.finish().expect("finished");
    let read = |name: &str| fs::read_to_string(root.path().join(name)).expect("readable");
    assert_eq!((read("other"), read("y"), read("over")), ("y".into(), "x".into(), "moved".into()));
    assert_eq!(names(&root.path().join("x/big/sub")), ["f", "found", "new"]);
    assert_eq!(trash(root.path()), [("over".to_owned(), b"over".to_vec())]);
}

#[test]
fn an_edited_file_is_not_moved() {
    let root = scratch();
    fs::write(root.path().join("f"), "old").expect("written");
    let (action, from) = rename(root.path(), "f", "g");
    fs::write(root.path().join("f"), "edited").expect("written");
    let target = open(root.path(), OPTIONS);
    target.place_move(&action, &moving(&action, &from)).expect_err("refused");
    assert_eq!(names(root.path()), [".alike", "f"]);
}

/// What a link of somebody who wants us outside looks like at each step.
#[test]
fn a_symbolic_link_in_the_middle_of_a_path_is_never_followed() {
    let (root, outside) = (scratch(), scratch());
    fs::write(outside.path().join("f"), "outside").expect("written");
    fs::create_dir(outside.path().join("sub")).expect("made");
    let untouched = before(outside.path(), "f").stamp;
    make_symlink(outside.path(), root.path().join("l")).expect("linked");
    fs::write(root.path().join("mine"), "mine").expect("written");
    let target = open(root.path(), OPTIONS);
    let seen = || Some(before(outside.path(), "f"));
    let wanted = || Some(file(b"ours"));
    let fetch = |step| action("l/f", step, wanted(), seen());
    put(&target, &create("l/new", file(b"x"), Source::Fetch), b"x").expect_err("create");
    put(&target, &fetch(Step::Update(Source::Fetch)), b"ours").expect_err("update");
    for step in [Step::Metadata, Step::Delete { whole: false, within: false }, Step::Rename { from: path("mine") }] {
        target.place(&fetch(step), None).expect_err("refused");
    }
    target.place(&action("l/d", Step::Mkdir, Some(entry(Kind::Directory)), None), None).expect_err("mkdir");
    let whole = action("l/sub", Step::Delete { whole: true, within: false }, None, Some(before(outside.path(), "sub")));
    target.place(&whole, None).expect_err("delete whole");
    target.place(&create("l/s", symlink("x"), Source::None), None).expect_err("symlink");
    target.place(&create("l/n", file(b""), Source::Link { to: path("mine") }), None).expect_err("link there");
    target.place(&create("n", file(b""), Source::Link { to: path("l/f") }), None).expect_err("link from there");
    let from = action("taken", Step::Rename { from: path("l/f") }, wanted(), None);
    target.place_move(&from, &moving(&from, &before(outside.path(), "f"))).expect_err("rename from there");
    target.copy_within(&path("l/f"), &untouched, &Digest::of_content(b"outside")).expect_err("copy");
    target.directory_metadata(&path("l"), &entry(Kind::Directory)).expect_err("directory metadata");
    target.directory_metadata(&path("l/sub"), &entry(Kind::Directory)).expect_err("directory metadata below");
    // The link itself is the thing that a path names: what it points to stays as it is.
    let itself = action("l", Step::Metadata, Some(symlink("x")), Some(before(root.path(), "l")));
    target.place(&itself, None).expect("the link's own time");
    target.copy_within(&path("l"), &untouched, &Digest::of_content(b"outside")).expect_err("copy of a link");
    target.finish().expect("finished");
    assert_eq!(before(outside.path(), "f").stamp, untouched);
    assert_eq!(names(outside.path()), ["f", "sub"]);
    assert_eq!(names(root.path()), ["l", "mine"]);
}

#[test]
fn a_plan_never_writes_into_our_own_directory() {
    let root = scratch();
    let target = open(root.path(), OPTIONS);
    for name in [".alike", ".alike/lock", ".alike/trash/x"] {
        put(&target, &create(name, file(b"x"), Source::Fetch), b"x").expect_err("reserved");
    }
    let from = action("x", Step::Rename { from: path(".alike/lock") }, Some(file(b"")), None);
    target.place(&from, None).expect_err("reserved");
    target.place(&create("y", file(b""), Source::Link { to: path(".alike/lock") }), None).expect_err("reserved");
}

#[test]
fn without_trash_what_was_replaced_is_gone_at_the_end() {
    let root = scratch();
    fs::create_dir_all(root.path().join("d/sub")).expect("made");
    for name in ["f", "g", "d/one", "d/sub/two"] {
        fs::write(root.path().join(name), name).expect("written");
    }
    let target = open(root.path(), NO_TRASH);
    put(&target, &update(root.path(), "f", file(b"new"), Source::Fetch), b"new").expect("placed");
    target.place(&delete(root.path(), "g", false), None).expect("deleted");
    for name in ["d/one", "d/sub", "d/sub/two"] {
        target.place(&within(root.path(), name), None).expect("noted");
    }
    target.place(&delete(root.path(), "d", true), None).expect("deleted");
    assert_eq!(target.finish().expect("finished"), []);
    assert_eq!(names(root.path()), ["f"]);
}

#[test]
fn without_trash_what_was_written_to_after_all_is_kept_and_named() {
    use std::io::Write;
    let root = scratch();
    fs::create_dir_all(root.path().join("d/sub")).expect("made");
    for name in ["f", "d/one", "d/sub/two"] {
        fs::write(root.path().join(name), name).expect("written");
    }
    let mut writer = fs::OpenOptions::new().append(true).open(root.path().join("f")).expect("opened");
    let target = open(root.path(), NO_TRASH);
    put(&target, &update(root.path(), "f", file(b"new"), Source::Fetch), b"new").expect("placed");
    writer.write_all(b" and more").expect("written");
    target.place(&within(root.path(), "d/one"), None).expect("noted");
    fs::write(root.path().join("d/sub/unseen"), "unseen").expect("written");
    target.place(&delete(root.path(), "d", true), None).expect("deleted");
    let kept = target.finish().expect("finished");
    let mut named: Vec<String> = kept.iter().map(|problem| problem.path.to_string()).collect();
    named.sort();
    assert_eq!(named, ["d/sub/two", "d/sub/unseen", "f"]);
    let found: Vec<Vec<u8>> = trash(root.path()).into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(found, [b"d/sub/two".to_vec(), b"unseen".to_vec(), b"f and more".to_vec()]);
    assert_eq!(names(root.path()), [".alike", "f"]);
}

#[test]
fn hard_links_are_made_and_replacing_one_name_is_no_edit_of_another() {
    let root = scratch();
    fs::write(root.path().join("a"), "old").expect("written");
    fs::hard_link(root.path().join("a"), root.path().join("b")).expect("linked");
    let target = open(root.path(), OPTIONS);
    let (one, two) = (
        update(root.path(), "a", file(b"new"), Source::Fetch),
        update(root.path(), "b", file(b"new"), Source::Link { to: path("a") }),
    );
    put(&target, &one, b"new").expect("placed");
    target.place(&two, None).expect("linked");
    target.place(&create("c", file(b"new"), Source::Link { to: path("a") }), None).expect("linked");
    target.finish().expect("finished");
    let inode = |name: &str| root.path().join(name).metadata().expect("there").ino();
    assert_eq!((inode("a"), inode("b")), (inode("b"), inode("c")));
    assert_eq!(fs::read(root.path().join("b")).expect("readable"), b"new");
    assert_eq!(trash(root.path()).len(), 2);
}

#[test]
fn links_fifos_and_devices_are_made_and_replaced() {
    let root = scratch();
    let target = open(root.path(), OPTIONS);
    target.place(&create("s", symlink("a target\n"), Source::None), None).expect("placed");
    target.place(&create("p", entry(Kind::Fifo), Source::None), None).expect("placed");
    let problem = target.place(&create("k", entry(Kind::Socket), Source::None), None).expect_err("no sockets");
    assert_eq!(problem.kind, ProblemKind::Unrepresentable);
    target.place(&update(root.path(), "p", symlink("x"), Source::None), None).expect("replaced");
    put(&target, &update(root.path(), "s", file(b"f"), Source::Fetch), b"f").expect("replaced");
    if rustix::process::geteuid().is_root() {
        let mut null = entry(Kind::CharDevice);
        null.extra.get_or_insert_default().device = rustix::fs::makedev(1, 3);
        target.place(&create("null", null, Source::None), None).expect("placed");
        assert_eq!(root.path().join("null").metadata().expect("there").rdev(), rustix::fs::makedev(1, 3));
    }
    let metadata = root.path().join("p").symlink_metadata().expect("there");
    assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (MTIME.secs, i64::from(MTIME.nanos)));
    assert_eq!(fs::read_link(root.path().join("p")).expect("a link"), Path::new("x"));
    assert_eq!(trash(root.path()).len(), 2);
}

#[test]
fn metadata_changes_without_content_and_only_where_nobody_wrote() {
    let root = scratch();
    fs::write(root.path().join("f"), "content").expect("written");
    let target = open(root.path(), OPTIONS);
    let wanted = Entry { mode: 0, ..with_xattr(&file(b"content"), "user.note", b"value") };
    let change = action("f", Step::Metadata, Some(wanted), Some(before(root.path(), "f")));
    let placed = target.place(&change, None).expect("changed");
    assert_eq!((placed.stamp, placed.lacks), (before(root.path(), "f").stamp, None));
    assert_eq!(root.path().join("f").metadata().expect("there").mode() & 0o7777, 0);
    let plain = action("f", Step::Metadata, Some(file(b"content")), Some(before(root.path(), "f")));
    assert_eq!(target.place(&plain, None).expect("changed back").lacks, None);
    let mut buffer = [0; 64];
    assert!(rustix::fs::getxattr(root.path().join("f"), "user.note", &mut buffer).is_err(), "the attribute is gone");
    target.place(&plain, None).expect_err("the stamp is another one by now");
}

#[test]
fn a_directory_that_still_holds_something_stays() {
    let root = scratch();
    fs::create_dir(root.path().join("d")).expect("made");
    fs::write(root.path().join("d/ignored"), "x").expect("written");
    let target = open(root.path(), OPTIONS);
    assert!(target.place(&delete(root.path(), "d", false), None).expect("no problem").remains);
    fs::remove_file(root.path().join("d/ignored")).expect("removed");
    assert!(!target.place(&delete(root.path(), "d", false), None).expect("no problem").remains);
    assert_eq!(names(root.path()), [".alike"]);
}

#[test]
fn directories_without_write_permission_are_changed_by_their_owner() {
    let root = scratch();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).expect("changed");
    // A binary below a private directory cannot be run by others: a copy can. Another process makes it, as a child that another
    // test starts meanwhile would hold what this one writes, and a file that is written to cannot be run.
    let copy = root.path().join("test-binary");
    let copied = std::process::Command::new("cp").arg(std::env::current_exe().expect("a path")).arg(&copy).status();
    assert!(copied.expect("cp runs").success());
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut child_of_copy = std::process::Command::new(&copy);
    child_of_copy.args(["child_that_is_not_root", "--exact", "--ignored", "--nocapture"]);
    child_of_copy.env("INSTALL_CHILD_ROOT", root.path().join("inner")).uid(65_534).gid(65_534).current_dir("/");
    fs::create_dir(root.path().join("inner")).expect("made");
    std::os::unix::fs::chown(root.path().join("inner"), Some(65_534), Some(65_534)).expect("given away");
    let output = child_of_copy.output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "a child of directories_without_write_permission_are_changed_by_their_owner"]
fn child_that_is_not_root() {
    let Some(root) = child_root() else { return };
    assert!(!rustix::process::geteuid().is_root());
    for name in ["locked/deep", "gone/deep", "from/deep"] {
        fs::create_dir_all(root.join(name)).expect("made");
        fs::write(root.join(name).join("f"), "old").expect("written");
        for directory in [root.join(name), root.join(name).parent().expect("above").to_owned()] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o555)).expect("changed");
        }
    }
    let mode = |name: &str| root.join(name).metadata().expect("there").mode() & 0o7777;
    let target = open(&root, OPTIONS);
    put(&target, &update(&root, "locked/deep/f", file(b"new"), Source::Fetch), b"new").expect("placed");
    put(&target, &create("locked/new", file(b"new"), Source::Fetch), b"new").expect("placed");
    target.place(&delete(&root, "gone", true), None).expect("deleted");
    let (action, from) = rename(&root, "from/deep", "moved");
    target.place_move(&action, &moving(&action, &from)).expect("moved");
    let unowned = Entry { uid: 0, gid: 0, ..file(b"x") };
    let read_only = Entry { mode: 0o444, ..with_xattr(&file(b"x"), "user.a", b"1") };
    put(&target, &create("attributes", read_only.clone(), Source::Fetch), b"x").expect("placed");
    let again = Entry { extra: with_xattr(&file(b"x"), "user.a", b"2").extra, ..read_only };
    let change = install_support::action("attributes", Step::Metadata, Some(again), Some(before(&root, "attributes")));
    assert_eq!(target.place(&change, None).expect("changed").lacks, None);
    target.finish().expect("finished");
    assert_eq!((mode("locked"), mode("locked/deep"), mode("moved"), mode("from")), (0o555, 0o555, 0o555, 0o555));
    let target = open(&root, TargetOptions { owner: true, ..OPTIONS });
    let placed = put(&target, &create("owned", unowned, Source::Fetch), b"x").expect("placed");
    let lacks = placed.lacks.expect("the owner cannot be kept");
    assert_eq!(lacks.kind, ProblemKind::Unrepresentable);
    assert!(lacks.cause.starts_with("its owner is not kept"), "{}", lacks.cause);
}

#[test]
fn a_set_group_id_directory_hands_its_group_on() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let root = scratch();
    fs::create_dir(root.path().join("d")).expect("made");
    std::os::unix::fs::chown(root.path().join("d"), None, Some(4242)).expect("given");
    fs::set_permissions(root.path().join("d"), fs::Permissions::from_mode(0o2775)).expect("changed");
    let target = open(root.path(), OPTIONS);
    let wanted = Entry { mode: 0o6755, ..file(b"x") };
    put(&target, &create("d/f", wanted, Source::Fetch), b"x").expect("placed");
    let metadata = root.path().join("d/f").metadata().expect("there");
    assert_eq!((metadata.gid(), metadata.mode() & 0o7777), (4242, 0o6755));
}

#[test]
fn copies_are_verified_and_keep_holes() {
    use std::os::unix::fs::FileExt;
    let root = scratch();
    let source = fs::File::create_new(root.path().join("sparse")).expect("made");
    source.write_all_at(b"start", 0).expect("written");
    source.write_all_at(b"middle", 3 << 30).expect("written");
    source.set_len(5 << 30).expect("sized");
    let source = fs::File::open(root.path().join("sparse")).expect("opened");
    let target = open(root.path(), OPTIONS);
    let (staged, digest) = target.copy_from(&source, 5 << 30, None).expect("copied");
    let metadata = staged.file().metadata().expect("there");
    assert_eq!(metadata.len(), 5 << 30);
    assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
    let stamp = before(root.path(), "sparse").stamp;
    let copy = target.copy_within(&path("sparse"), &stamp, &digest).expect("the same bytes");
    let mut bytes = [0; 6];
    copy.file().read_exact_at(&mut bytes, 3 << 30).expect("readable");
    assert_eq!(&bytes, b"middle");
    target.copy_within(&path("sparse"), &stamp, &Digest::of_content(b"other")).expect_err("other bytes");
    target.copy_from(&source, 1000, None).expect_err("longer than it was");
    target.copy_from(&source, (5 << 30) + 1, None).expect_err("shorter than it was");
}

#[test]
fn deletes_from_many_directories_need_few_handles() {
    let root = scratch();
    for directory in 0..600 {
        fs::create_dir(root.path().join(format!("d{directory}"))).expect("made");
        fs::write(root.path().join(format!("d{directory}/f")), "x").expect("written");
    }
    let target = open(root.path(), OPTIONS);
    for directory in 0..600 {
        target.place(&delete(root.path(), &format!("d{directory}/f"), false), None).expect("deleted");
    }
    let handles = fs::read_dir("/proc/self/fd").expect("readable").count();
    assert!(handles < 600, "{handles} handles");
    assert_eq!(trash(root.path()).len(), 600);
}

#[test]
fn a_mode_and_an_owner_that_are_not_wanted_are_those_of_before() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let root = scratch();
    fs::write(root.path().join("old"), "old").expect("written");
    std::os::unix::fs::chown(root.path().join("old"), Some(4343), Some(4242)).expect("given");
    fs::set_permissions(root.path().join("old"), fs::Permissions::from_mode(0o2710)).expect("changed");
    let seen = |name: &str| {
        let metadata = root.path().join(name).metadata().expect("there");
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    };
    let target = open(root.path(), TargetOptions { mode: false, ..OPTIONS });
    let wanted = Entry { mode: 0o6777, uid: 1, gid: 1, ..file(b"new") };
    put(&target, &update(root.path(), "old", wanted.clone(), Source::Fetch), b"new").expect("placed");
    put(&target, &create("new", wanted, Source::Fetch), b"new").expect("placed");
    target.place(&mkdir("d"), None).expect("made");
    target.directory_metadata(&path("d"), &entry(Kind::Directory)).expect("set");
    target.finish().expect("finished");
    let umask = fs::read_to_string("/proc/self/status").expect("readable");
    let umask = umask.lines().find_map(|line| line.strip_prefix("Umask:")).expect("a mask");
    let umask = u32::from_str_radix(umask.trim(), 8).expect("octal");
    assert_eq!(seen("old"), (4343, 4242, 0o2710));
    assert_eq!((seen("new").2, seen("d").2), (0o777 & !umask, 0o755 & !umask));
}

/// A source file, opened.
fn opened(root: &std::path::Path, bytes: &[u8]) -> fs::File {
    fs::write(root.join("source"), bytes).expect("written");
    fs::File::open(root.join("source")).expect("opened")
}

#[test]
fn a_nest_puts_a_directory_in_its_place_with_all_its_files() {
    let root = scratch();
    let source = opened(root.path(), b"bytes");
    let target = open(root.path(), OPTIONS);
    let wanted = Entry { mode: 0o640, ..file(b"bytes") };
    let mut nest = target.nest(&mkdir("d")).expect("a nest");
    for name in ["d/f", "d/g"] {
        let action = create(name, wanted.clone(), Source::Fetch);
        target.nest_copy(&nest, &action, (&source, 5, Some(&wanted.content)), &|| Ok(())).expect("copied");
    }
    let torn = create("d/torn", wanted.clone(), Source::Fetch);
    let changed = || Err(alike::disk::copy::PlaceError::Changed);
    target.nest_copy(&nest, &torn, (&source, 5, None), &changed).expect_err("changed meanwhile");
    target.nest_copy(&nest, &torn, (&source, 5, Some(&Digest::UNKNOWN)), &|| Ok(())).expect_err("other bytes");
    assert!(!root.path().join("d").exists(), "nothing is there before all of it is");
    target.place_nest(&mkdir("d"), &mut nest).expect("placed");
    drop(nest);
    target.finish().expect("finished");
    let mut names: Vec<_> =
        fs::read_dir(root.path().join("d")).expect("there").map(|e| e.expect("read").path()).collect();
    names.sort();
    assert_eq!(names, [root.path().join("d/f"), root.path().join("d/g")]);
    for name in names {
        let metadata = name.metadata().expect("there");
        assert_eq!(
            (metadata.mode() & 0o7777, metadata.mtime(), metadata.mtime_nsec()),
            (0o640, 1_600_000_000, 123_456_789)
        );
        assert_eq!(fs::read(name).expect("read"), b"bytes");
    }
}

#[test]
fn where_somebody_made_the_directory_the_files_of_a_nest_come_one_by_one_and_replace_nothing() {
    let root = scratch();
    let source = opened(root.path(), b"bytes");
    let target = open(root.path(), OPTIONS);
    let mut nest = target.nest(&mkdir("d")).expect("a nest");
    let copy = |name: &str| {
        let action = create(name, file(b"bytes"), Source::Fetch);
        let copied = target.nest_copy(&nest, &action, (&source, 5, None), &|| Ok(()));
        (action, copied.expect("copied").0)
    };
    let (free, taken) = (copy("d/free"), copy("d/taken"));
    fs::create_dir(root.path().join("d")).expect("made");
    fs::write(root.path().join("d/taken"), "mine").expect("written");
    target.place_nest(&mkdir("d"), &mut nest).expect_err("somebody made it");
    target.place(&mkdir("d"), None).expect("that is what is wanted");
    target.place_nested(&free.0, &nest, &free.1).expect("placed");
    target.place_nested(&taken.0, &nest, &taken.1).expect_err("somebody's file");
    assert_eq!(fs::read(root.path().join("d/free")).expect("there"), b"bytes");
    assert_eq!(fs::read(root.path().join("d/taken")).expect("there"), b"mine");
    drop(nest);
    target.finish().expect("finished");
    assert!(!root.path().join(".alike").exists(), "staging is gone");
}

#[test]
fn a_directory_that_would_take_over_a_group_is_made_in_its_place() {
    let root = scratch();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o2755)).expect("changed");
    let target = open(root.path(), OPTIONS);
    assert!(target.nest(&mkdir("d")).is_none());
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("changed");
    drop(target);
    let each = TargetOptions { fsync: alike::disk::target::Fsync::Each, ..OPTIONS };
    assert!(open(root.path(), each).nest(&mkdir("d")).is_none(), "each file by itself");
    assert!(open(root.path(), OPTIONS).nest(&mkdir("d")).is_some());
}
