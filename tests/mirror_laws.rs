//! The laws of `alike mirror` between two local roots, stated on the binary and judged by system calls alone.
//! What happens under races, kills, full disks and large trees is in `mirror_hard.rs`.

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use harness::tree::pattern;
use harness::{Outcome, Sandbox, Tree, assert_alike, judge, skip};
use serde_json::Value;

/// Inode, size, mtime and ctime of everything below a root, and of the root: equal pictures, and nothing was written.
type Picture = BTreeMap<PathBuf, (u64, u64, i64, i64, i64, i64)>;

fn picture(root: &Path) -> Picture {
    let mut seen = Picture::new();
    let mut rest = vec![root.to_owned()];
    while let Some(path) = rest.pop() {
        let stat = path.symlink_metadata().expect("a path that was listed");
        if stat.is_dir() {
            rest.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        }
        let times = (stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec());
        seen.insert(path, (stat.ino(), stat.size(), times.0, times.1, times.2, times.3));
    }
    seen
}

/// A source and a target, empty.
fn roots(sandbox: &Sandbox) -> (Tree, Tree) {
    (sandbox.tree("source"), sandbox.tree("target"))
}

/// Mirrors with more flags.
fn mirror(sandbox: &Sandbox, flags: &[&str]) -> Outcome {
    let mut arguments = vec!["mirror", "source", "target", "--json"];
    arguments.extend(flags);
    sandbox.alike(arguments)
}

fn actions(outcome: &Outcome) -> Vec<Value> {
    outcome.events("action")
}

/// The op of each action, with its path.
fn ops(outcome: &Outcome) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    actions(outcome).iter().map(|action| (text(&action["op"]), text(&action["path"]))).collect()
}

/// Runs the command under strace: how it ended, and the calls of this kind that it made, one a line.
fn traced(sandbox: &Sandbox, arguments: &[&str], kind: &str) -> (Outcome, String) {
    let log = sandbox.path("strace.log");
    let plain = sandbox.command(arguments);
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-qq", "-e", kind, "-o"]).arg(&log);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(sandbox.path("")).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let outcome = sandbox.run(&mut command);
    (outcome, String::from_utf8_lossy(&fs::read(&log).expect("a log")).into_owned())
}

/// Runs the command under strace: how it ended, and the regular files below the sandbox's two roots that it opened.
fn opened(sandbox: &Sandbox, arguments: &[&str]) -> (Outcome, Vec<String>) {
    let (outcome, text) = traced(sandbox, arguments, "trace=open,openat,openat2");
    let roots = [sandbox.path("source"), sandbox.path("target")];
    let path = |line: &str| {
        let (_, result) = line.rsplit_once(" = ")?;
        let path = PathBuf::from(result.split_once('<')?.1.rsplit_once('>')?.0);
        let inside = roots.iter().any(|root| path.starts_with(root)) && path.is_file();
        inside.then(|| path.display().to_string())
    };
    let files = text.lines().filter_map(path).collect();
    (outcome, files)
}

fn strace_works() -> bool {
    let works = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success());
    if !works {
        skip("strace does not work here");
    }
    works
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip("this needs root");
    }
    root
}

/// Where the trash keeps what had this path: the directories below `trash` are one a run.
fn trashed(root: &Tree, path: &str) -> Vec<PathBuf> {
    let runs = fs::read_dir(root.join(".alike/trash")).into_iter().flatten();
    let places = runs.map(|run| run.expect("an entry").path().join(path));
    places.filter(|place| place.symlink_metadata().is_ok()).collect()
}

#[test]
fn a_mirror_makes_all_of_it_alike_and_a_second_run_touches_nothing() {
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.sampler().file("x", b"x").xattr("x", "user.note", b"kept").xattr("docs", "user.deep", b"too");
    source.file("docs/deep/many/0", b"").hard_link("docs/deep/many/1", "docs/deep/many/0").mtime("docs", 77, 7);
    let before = picture(source.path());
    mirror(&sandbox, &[]).expect(0);
    assert_alike(source.path(), target.path());
    assert!(!target.has(".alike"), "no trash, so no litter");
    let after = picture(target.path());
    let again = mirror(&sandbox, &[]).expect(0);
    assert_eq!(actions(&again), Vec::<Value>::new());
    assert_eq!(again.summary()["alike"], true);
    assert_eq!(picture(target.path()), after, "nothing in the target changed");
    assert_eq!(picture(source.path()), before, "the source is never written to");
}

#[test]
fn a_run_with_nothing_to_do_opens_no_file() {
    if !strace_works() {
        return;
    }
    let sandbox = Sandbox::new();
    let (source, _) = roots(&sandbox);
    source.sampler().file("large", pattern(2 << 20, 3));
    std::thread::sleep(Duration::from_millis(50));
    let (first, files) = opened(&sandbox, &["mirror", "source", "target"]);
    first.expect(0);
    assert!(!files.is_empty(), "strace shows what is opened");
    // What was written within the grain of the clock is read once more; then nothing is.
    std::thread::sleep(Duration::from_millis(50));
    mirror(&sandbox, &[]).expect(0);
    let (again, files) = opened(&sandbox, &["mirror", "source", "target"]);
    again.expect(0);
    assert_eq!(files, Vec::<String>::new());
}

#[test]
fn a_first_copy_reads_each_source_file_once_and_knows_it_from_then_on() {
    if !strace_works() {
        return;
    }
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.file("large", pattern(2 << 20, 3)).file("deep/er/still/f", b"f").file("empty", b"");
    for number in 0..40 {
        source
            .file(format!("leaf/{number}"), pattern(number * 100, number as u64))
            .mode(format!("leaf/{number}"), 0o600);
    }
    source.xattr("leaf/7", "user.note", b"kept");
    std::thread::sleep(Duration::from_millis(50));
    let (first, files) = opened(&sandbox, &["mirror", "source", "target", "--json"]);
    let summary = first.expect(0).summary().clone();
    assert_eq!((&summary["alike"], &summary["left"]["top"]), (&Value::from(true), &summary["right"]["top"]));
    let mut read: Vec<&String> = files.iter().filter(|file| file.starts_with(source.text())).collect();
    read.sort();
    let times = read.len();
    read.dedup();
    assert_eq!((times, read.len()), (43, 43), "{read:?}");
    assert_alike(source.path(), target.path());
    let (again, files) = opened(&sandbox, &["index", "source"]);
    again.expect(0);
    assert_eq!(files, Vec::<String>::new(), "what was hashed while it was copied is known");
}

#[test]
fn a_first_index_opens_each_file_once() {
    if !strace_works() {
        return;
    }
    let sandbox = Sandbox::new();
    let (source, _) = roots(&sandbox);
    source.file("larger than a map's least", pattern(2 << 20, 3)).file("larger than a buffer", pattern(300_000, 4));
    source.file("deep/er/still/f", b"f").file("empty", b"");
    for number in 0..40 {
        source.file(format!("leaf/{number}"), pattern(number * 100, number as u64));
    }
    let (first, mut files) = opened(&sandbox, &["index", "source"]);
    first.expect(0);
    files.sort();
    let times = files.len();
    files.dedup();
    assert_eq!((times, files.len()), (44, 44), "{files:?}");
}

#[test]
fn a_first_index_asks_stat_once_of_a_file_at_rest() {
    if !strace_works() {
        return;
    }
    let sandbox = Sandbox::new();
    let (source, _) = roots(&sandbox);
    for number in 0..200 {
        source.file(format!("leaf/{number}"), pattern(number * 10, number as u64));
    }
    let is_at_rest = || {
        let changed = source.join("leaf/199").metadata().expect("there").ctime();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        now.as_secs().cast_signed() > changed + 2
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_at_rest() {
        assert!(Instant::now() < deadline, "the clock stands still");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (first, calls) = traced(&sandbox, &["index", "source", "--json"], "trace=statx,pread64");
    assert_eq!(first.expect(0).summary()["hashed_bytes"], (0..200).map(|number| number * 10).sum::<u64>());
    let of_files = |kind: &str| calls.lines().filter(|line| line.contains(kind) && line.contains("/leaf/")).count();
    // The first of each thread may be read once more: until then it is not known that one has to wait for writers.
    assert!((200..=216).contains(&of_files("pread64(")), "{} reads", of_files("pread64("));
    assert!((200..=216).contains(&of_files("statx(")), "{} stats", of_files("statx("));
}

/// The calls that reach for files. Those of the allocator are left out: how many there are is a matter of time.
const CALLS: &str = "trace=%file,close,read,pread64,write,pwrite64,getdents64,lseek,ftruncate,fchmod,fchown";

#[test]
fn a_run_that_does_little_looks_again_only_where_it_did_it() {
    if !strace_works() {
        return;
    }
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    for number in 0..200 {
        source.file(format!("d{:02}/f{number}", number % 20), format!("{number}"));
    }
    for number in 0..30 {
        source.file(format!("old/deep/f{number}"), format!("old {number}"));
    }
    mirror(&sandbox, &[]).expect(0);
    source.file("d05/f5", b"another").rename("old", "d06/new");
    let (outcome, text) = traced(&sandbox, &["mirror", "source", "target", "--json"], "trace=statx");
    let outcome = outcome.expect(0);
    assert_eq!(outcome.summary()["alike"], true);
    assert_alike(source.path(), target.path());
    let looks = |path: &str| {
        let directory = format!("<{}>, \"f", target.join(path).display());
        text.lines().filter(|line| line.contains(&directory)).count()
    };
    assert_eq!(looks("d07"), 10, "one look at each file where nothing was done");
    assert!(looks("d05") > 10 && looks("d06") >= 20, "where something was done, all is looked at again");
    assert_eq!((looks("old/deep"), looks("d06/new/deep")), (30, 0), "what came along is as it was");
    let (again, files) = opened(&sandbox, &["mirror", "source", "target", "--json"]);
    assert_eq!(actions(&again.expect(0)), Vec::<Value>::new());
    assert_eq!(files, Vec::<String>::new(), "and the index knows all of it");
}

#[test]
fn twice_the_files_cost_at_most_twice_the_calls() {
    if !strace_works() {
        return;
    }
    let counted = [200, 400].map(|files| {
        let sandbox = Sandbox::new();
        let (source, _) = roots(&sandbox);
        let name = |number: usize| format!("{}/{number}", number % 10);
        for number in 0..files {
            source.file(name(number), pattern(number * 7, number as u64));
        }
        let mirror = ["mirror", "source", "target", "--fsync=off"];
        let calls = |more: &[&str]| {
            // What was written within the grain of the clock is read once more: that is no cost of its number.
            std::thread::sleep(Duration::from_millis(50));
            let (outcome, text) = traced(&sandbox, &[&mirror, more].concat(), CALLS);
            outcome.expect(0);
            // A call that another thread's interrupts takes two lines.
            text.lines().filter(|line| !line.contains(" resumed>")).count()
        };
        let (first, _settled, unchanged, contents) = (calls(&[]), calls(&[]), calls(&[]), calls(&["--checksum"]));
        assert!(unchanged < contents && unchanged < first, "{first} {unchanged} {contents}");
        for number in 0..files {
            source.mtime(name(number), 77, 7);
        }
        [first, unchanged, contents, calls(&[])]
    });
    for (what, (few, many)) in
        ["first", "unchanged", "contents", "touched"].iter().zip(counted[0].iter().zip(counted[1]))
    {
        assert!(many <= 2 * few + few / 20, "{what}: {few} calls for 200 files, {many} for 400");
    }
}

/// A source and a target between which every kind of action is due.
fn rich_mix(sandbox: &Sandbox) -> (Tree, Tree) {
    let (source, target) = roots(sandbox);
    source.sampler();
    for name in ["one", "two", "three", "moved/a", "moved/b", "moved/sub/c", "swap-1", "swap-2", "gone", "touched"] {
        source.file(name, pattern(5000, name.len() as u64 * 31 + u64::from(name.as_bytes()[0]) * 7));
    }
    for name in ["cycle-1", "cycle-2", "cycle-3", "file-to-directory", "file-to-link", "together", "apart"] {
        source.file(name, format!("the content of {name}"));
    }
    source.file("directory-to-file/inside", b"i").file("directory-to-link/inside", b"l").link("link-to-file", "one");
    source.link("link-to-directory", "docs").link("turned", "one").hard_link("apart-too", "apart");
    source.file("gone-directory/a", b"a").file("gone-directory/b/c", b"c");
    mirror(sandbox, &[]).expect(0);
    assert_alike(source.path(), target.path());

    source.file("new", b"new").directory("hollow/deep").file("one", b"updated").file("fresh/file", b"fresh");
    source.rename("two", "deep/down/two").rename("moved", "moved-away").remove("gone").remove("gone-directory");
    source.rename("swap-1", "swap-x").rename("swap-2", "swap-1").rename("swap-x", "swap-2");
    source.rename("cycle-1", "x").rename("cycle-3", "cycle-1").rename("cycle-2", "cycle-3").rename("x", "cycle-2");
    source.mode("touched", 0o600).mtime("three", 5, 5).mode("docs", 0o700).mtime("bare", 9, 9);
    source.remove("file-to-directory").file("file-to-directory/now", b"now");
    source
        .remove("file-to-link")
        .link("file-to-link", "three")
        .remove("directory-to-file")
        .file("directory-to-file", b"");
    source
        .remove("directory-to-link")
        .link("directory-to-link", "docs")
        .remove("link-to-file")
        .file("link-to-file", b"f");
    source.remove("link-to-directory").file("link-to-directory/f", b"f").remove("turned").link("turned", "three");
    source.hard_link("together-too", "together").remove("apart-too").file("apart-too", b"the content of apart");
    source.file("copy-of-three", source.read("three"));
    (source, target)
}

#[test]
fn a_diff_says_exactly_what_a_run_then_does() {
    let sandbox = Sandbox::new();
    let (source, target) = rich_mix(&sandbox);
    let before = (picture(source.path()), picture(target.path()));
    let planned = sandbox.alike(["diff", "--mirror", "source", "target", "--json"]).expect(1);
    assert_eq!((picture(source.path()), picture(target.path())), before, "a diff writes in no root");
    let done = mirror(&sandbox, &[]).expect(0);
    assert_eq!(actions(&planned), actions(&done));
    assert_alike(source.path(), target.path());
    let kinds: BTreeSet<String> = ops(&done).into_iter().map(|(op, _)| op).collect();
    let wanted = ["create", "delete", "metadata", "mkdir", "rename", "update"];
    assert_eq!(kinds, wanted.map(String::from).into(), "the mix is rich");
    for count in ["files", "renames", "deletes", "bytes"] {
        assert_eq!(planned.summary()[count], done.summary()[count], "{count}");
    }
    sandbox.alike(["diff", "--mirror", "source", "target"]).expect(0);
}

#[test]
fn a_mirror_back_undoes_every_kind_of_action() {
    let sandbox = Sandbox::new();
    let (source, target) = rich_mix(&sandbox);
    let planned = sandbox.alike(["diff", "--mirror", "target", "source", "--json"]).expect(1);
    let done = sandbox.alike(["mirror", "target", "source", "--json"]).expect(0);
    assert_eq!(actions(&planned), actions(&done));
    assert_alike(source.path(), target.path());
}

#[test]
fn an_edit_right_after_a_run_is_seen_also_of_equal_size_and_with_its_time_put_back() {
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.file("quick", b"aaaa").file("sly", b"bbbb").mtime("sly", 1_500_000_000, 42);
    for round in 0..5u8 {
        mirror(&sandbox, &[]).expect(0);
        source.file("quick", [b'c' + round; 4]).file("sly", [b'p' + round; 4]).mtime("sly", 1_500_000_000, 42);
        let run = mirror(&sandbox, &[]).expect(0);
        assert_eq!(ops(&run), [("update".into(), "quick".into()), ("update".into(), "sly".into())], "round {round}");
        assert_alike(source.path(), target.path());
        // The same at the target: what was changed there is put back.
        target.file("sly", b"evil").mtime("sly", 1_500_000_000, 42);
        let run = mirror(&sandbox, &[]).expect(0);
        assert_eq!(ops(&run), [("update".into(), "sly".into())], "round {round}");
        assert_alike(source.path(), target.path());
    }
}

#[test]
fn quick_reads_nothing_of_what_rsync_made_equal() {
    if !strace_works() {
        return;
    }
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.sampler().file("large", pattern(3 << 20, 5));
    // rsync leaves a directory's time alone that differs by less than a second.
    for path in ["docs/deep/er", "docs"] {
        source.mtime(path, 1_000_000, 1);
    }
    let copy = Command::new("rsync").args(["-aHAX", "source/", "target/"]).current_dir(sandbox.path("")).status();
    if !copy.is_ok_and(|status| status.success()) {
        return skip("rsync does not work here");
    }
    assert_alike(source.path(), target.path());
    let (outcome, files) = opened(&sandbox, &["mirror", "--quick", "source", "target", "--json"]);
    let outcome = outcome.expect(0);
    assert_eq!(files, Vec::<String>::new());
    assert_eq!(actions(&outcome), Vec::<Value>::new());
    // An edit that size or time shows arrives, and a run that reads sees the rest.
    source.file("large", pattern(3 << 20, 6)).file("new", b"new");
    mirror(&sandbox, &["--quick"]).expect(0);
    assert_alike(source.path(), target.path());
    assert_eq!(ops(&mirror(&sandbox, &[]).expect(0)), []);
}

/// Names that most tools stumble over.
fn odd_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"caf\xe9\xff"[..],
        b"new\nline",
        b"\x1b[31mred\x1b[0m\x07",
        b"-rf",
        b"--delete",
        b":colon",
        b"host:path",
        b" leading and trailing ",
        b"tab\there",
        b"back\\slash",
        b"quote\"'`$(x)",
        b"\x01\x7f",
        b"...",
        b"~",
        b"\xc2\x9b31m",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    names.push(vec![b'n'; 255]);
    names.push([&[b'm'; 254][..], b"\xff"].concat());
    names
}

#[test]
fn names_of_any_bytes_travel_and_never_reach_a_terminal_raw() {
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    for name in odd_names() {
        let name = OsStr::from_bytes(&name);
        source.file(name, name.as_bytes()).file(Path::new("below").join(name).join("f"), b"f");
        source.link(Path::new("links").join(name), name);
    }
    let shown = sandbox.alike(["diff", "--mirror", "source", "target"]).expect(1);
    let run = sandbox.alike(["mirror", "-v", "source", "target"]).expect(0);
    for bytes in [&shown.raw, &run.raw] {
        let text = std::str::from_utf8(bytes).expect("what is printed is UTF-8");
        let odd = text.chars().find(|&c| c != '\n' && c.is_control());
        assert_eq!(odd, None, "{text}");
    }
    assert_alike(source.path(), target.path());
    source.file(harness::judge::odd_name(), b"edited");
    let run = mirror(&sandbox, &[]).expect(0);
    assert_eq!(actions(&run)[0]["path_b64"], "Y2Fm6f8=");
    fs::remove_dir_all(source.join("below")).expect("a removal");
    fs::remove_dir_all(source.join("links")).expect("a removal");
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    assert_alike(source.path(), target.path());
}

#[test]
fn an_empty_source_deletes_nothing_unless_all_is_meant() {
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    target.file("precious", b"p").file("d/e", b"e");
    let before = picture(&target.join("d"));
    let run = mirror(&sandbox, &[]).expect(25);
    assert_eq!(actions(&run), Vec::<Value>::new());
    assert_eq!(picture(&target.join("d")), before);
    assert!(target.has("precious") && !target.has(".alike"));
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    assert_alike(source.path(), target.path());
    assert_eq!(trashed(&target, "precious").len(), 1);
}

#[test]
fn edits_still_flow_where_the_guard_holds_deletes() {
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    for number in 0..20 {
        source.file(format!("f{number:02}"), format!("content {number}"));
    }
    mirror(&sandbox, &[]).expect(0);
    for number in 0..11 {
        source.remove(format!("f{number:02}"));
    }
    source.file("f19", b"edited").file("new", b"new").rename("f18", "f18-renamed");
    let run = mirror(&sandbox, &[]).expect(25);
    assert!(!ops(&run).iter().any(|(op, _)| op == "delete"), "{:?}", ops(&run));
    assert!(target.has("f00") && target.has("f10") && target.has("new") && target.has("f18-renamed"));
    assert_eq!(target.read("f19"), b"edited");
    sandbox.alike(["diff", "--mirror", "source", "target"]).expect(25);
    mirror(&sandbox, &["--max-delete=10"]).expect(25);
    mirror(&sandbox, &["--max-delete=11"]).expect(0);
    assert_alike(source.path(), target.path());
}

#[test]
fn roots_that_cannot_be_meant_are_refused() {
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.file("inner/f", b"f");
    target.file("t", b"t");
    symlink(source.path(), sandbox.path("alias")).expect("a link");
    let before = (picture(source.path()), picture(target.path()));
    let home = sandbox.path("home").display().to_string();
    let table: &[(&[&str], i32)] = &[
        (&["source", "source"], 2),
        (&["source", "alias"], 2),
        (&["source", "source/inner"], 2),
        (&["source", "source/not/yet"], 2),
        (&["source/inner", "source"], 2),
        (&["nowhere", "target"], 3),
        (&["source/inner/f", "target"], 3),
        (&["source", "no/parent"], 3),
        (&["source", "target/t"], 3),
        (&["target", &home], 25),
        (&["target", "home/../home"], 25),
        (&["target", "/"], 25),
    ];
    for (arguments, code) in table {
        for verb in [&["mirror"][..], &["diff", "--mirror"]] {
            let outcome = sandbox.alike(verb.iter().chain(*arguments));
            assert_eq!(outcome.code, *code, "{verb:?} {arguments:?}\n{}{}", outcome.stdout, outcome.stderr);
            assert!(outcome.stderr.starts_with("error: "), "{arguments:?}: {}", outcome.stderr);
        }
    }
    assert_eq!((picture(source.path()), picture(target.path())), before);
    assert!(!sandbox.path("no").exists());
}

#[test]
fn a_target_that_another_run_holds_is_left_alone() {
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.file("f", b"f");
    target.directory(".alike");
    let lock = File::create(target.join(".alike/lock")).expect("a lock");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("a free lock");
    mirror(&sandbox, &[]).expect(3);
    assert!(!target.has("f"));
    drop(lock);
    mirror(&sandbox, &[]).expect(0);
    assert_alike(source.path(), target.path());
    assert!(!target.has(".alike"));
}

#[test]
fn what_cannot_be_read_is_named_and_never_deleted() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.file("fine", b"one").file("secret", b"kept").file("closed/a", b"a").file("closed/deep/b", b"b");
    source.file("extra", b"x").file("open/c", b"c");
    let everybody = |path: &Path| rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(0o777)).expect("a mode");
    let program = sandbox.program();
    for place in ["", "source", "target", "home", "config", "state", "cache", "runtime", "alike"] {
        everybody(&sandbox.path(place));
    }
    for path in ["", "closed", "closed/deep", "open", "fine", "secret", "closed/a", "closed/deep/b", "extra", "open/c"]
    {
        std::os::unix::fs::chown(source.join(path), Some(65534), Some(65534)).expect("an owner");
    }
    std::os::unix::fs::chown(target.path(), Some(65534), Some(65534)).expect("an owner");
    let run = |flags: &[&str]| {
        let plain = sandbox.command(["mirror", "source", "target", "--json"]);
        let mut command = Command::new(&program);
        command.args(plain.get_args()).args(flags).current_dir(sandbox.path("")).env_clear().uid(65534).gid(65534);
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        sandbox.run(&mut command)
    };
    run(&[]).expect(0);
    assert_alike(source.path(), target.path());

    source.file("fine", b"two").file("secret", b"hidden").mode("secret", 0).mode("closed", 0).remove("extra");
    let outcome = run(&[]).expect(23);
    let named: BTreeSet<String> =
        outcome.events("problem").iter().map(|p| p["path"].as_str().expect("a path").to_owned()).collect();
    assert_eq!(named, ["closed", "secret"].map(String::from).into());
    assert_eq!(target.read("fine"), b"two");
    assert!(!target.has("extra"), "what is really gone is deleted");
    assert_eq!((target.read("secret"), target.read("closed/deep/b")), (b"kept".to_vec(), b"b".to_vec()));
    assert_eq!(outcome.summary()["alike"], false);
    source.mode("secret", 0o644).mode("closed", 0o755);
    run(&[]).expect(0);
    assert_alike(source.path(), target.path());
}

#[test]
fn what_is_excluded_survives_at_the_target() {
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.file("kept", b"k").file("source.tmp", b"s").file("both/a", b"a").file("build/made", b"m");
    target
        .file("target.tmp", b"t")
        .file("both/old.tmp", b"o")
        .file("lacks/deep/x.tmp", b"x")
        .file("lacks/deep/y", b"y");
    target.file("build/theirs", b"b").file("lacks/only/z", b"z");
    let rehearsal = mirror(&sandbox, &["--exclude", "*.tmp", "--exclude", "build/", "--dry-run"]).expect(1);
    let run = mirror(&sandbox, &["--exclude", "*.tmp", "--exclude", "build/"]).expect(0);
    assert_eq!(actions(&rehearsal), actions(&run));
    for path in ["target.tmp", "both/old.tmp", "lacks/deep/x.tmp", "build/theirs", "kept", "both/a"] {
        assert!(target.has(path), "{path} is there\n{}", run.stdout);
    }
    for path in ["source.tmp", "build/made", "lacks/deep/y", "lacks/only"] {
        assert!(!target.has(path), "{path} is not there");
    }
    let again = mirror(&sandbox, &["--exclude", "*.tmp", "--exclude", "build/"]).expect(0);
    assert_eq!(ops(&again), []);
    // Without the flags everything counts.
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    assert_alike(source.path(), target.path());
}

#[test]
fn extras_stay_where_they_shall() {
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.file("a", b"new").file("d/b", b"b");
    target.file("a", b"old").file("extra", b"e").file("d/extra", b"f").file("only/here", b"h");
    let run = mirror(&sandbox, &["--keep-extra"]).expect(0);
    assert!(!ops(&run).iter().any(|(op, _)| op == "delete"));
    for (path, bytes) in [("a", "new"), ("d/b", "b"), ("extra", "e"), ("d/extra", "f"), ("only/here", "h")] {
        assert_eq!(target.read(path), bytes.as_bytes(), "{path}");
    }
    assert_eq!(ops(&mirror(&sandbox, &["--keep-extra"]).expect(0)), []);
}

#[test]
fn the_trash_holds_every_replaced_and_deleted_byte_at_its_path() {
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.file("replaced", b"new").file("d/replaced", b"new too").file("stays", b"s").file("turned/now", b"n");
    target.file("replaced", b"old").file("d/replaced", pattern(100_000, 1)).file("stays", b"s");
    target.file("gone", b"g").file("dir/gone/deep", b"deep").link("gone-link", "anywhere").file("turned", b"was");
    mirror(&sandbox, &[]).expect(0);
    assert_alike(source.path(), target.path());
    let old = [("replaced", b"old".to_vec()), ("d/replaced", pattern(100_000, 1)), ("gone", b"g".to_vec())];
    let more = [("dir/gone/deep", b"deep".to_vec()), ("turned", b"was".to_vec())];
    for (path, bytes) in old.into_iter().chain(more) {
        let places = trashed(&target, path);
        assert_eq!(places.len(), 1, "{path}: {places:?}");
        assert_eq!(fs::read(&places[0]).expect("a trashed file"), bytes, "{path}");
    }
    assert_eq!(fs::read_link(&trashed(&target, "gone-link")[0]).expect("a link"), Path::new("anywhere"));
    assert_eq!(trashed(&target, "stays"), Vec::<PathBuf>::new());
    assert!(!target.has(".alike/staging"));
    // The trash is no part of the tree: neither of this mirror nor of one that reads this root.
    assert_eq!(ops(&mirror(&sandbox, &[]).expect(0)), []);
    let third = Tree::at(sandbox.path("third"));
    sandbox.alike(["mirror", "target", "third"]).expect(0);
    assert_alike(target.path(), third.path());
    assert!(!third.has(".alike"));
}

#[test]
fn without_trash_nothing_is_left() {
    let sandbox = Sandbox::new();
    let (source, target) = rich_mix(&sandbox);
    mirror(&sandbox, &["--no-trash"]).expect(0);
    assert_alike(source.path(), target.path());
    assert!(!target.has(".alike"), "{:?}", judge(&target.join(".alike"), source.path()));
}

#[test]
fn another_file_system_inside_a_root_is_left_alone_where_that_is_asked() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let (source, target) = roots(&sandbox);
    source.file("a", b"a").directory("mounted");
    target.file("a", b"a").file("mounted/theirs", b"t");
    let mounted = Mounted::new(&source.join("mounted"), "size=1m");
    source.file("mounted/inside", b"i");
    let run = mirror(&sandbox, &["-x"]);
    assert!(target.has("mounted/theirs") && !target.has("mounted/inside"), "{}{}", run.stdout, run.stderr);
    mirror(&sandbox, &["--max-delete=100%"]).expect(0);
    assert!(target.has("mounted/inside") && !target.has("mounted/theirs"));
    drop(mounted);
}

/// A tmpfs that is mounted for as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    fn new(place: &Path, options: &str) -> Mounted {
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(place).status();
        assert!(status.is_ok_and(|status| status.success()), "a tmpfs can be mounted");
        Mounted(place.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
