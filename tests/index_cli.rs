//! `index` and `verify` as a person sees them.

mod harness;

use std::fs::File;
use std::process::Stdio;

use harness::Sandbox;
use harness::signals::await_handler;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

#[test]
fn equal_directories_have_equal_tops_and_different_ones_have_not() {
    let sandbox = Sandbox::new();
    let (left, right) = (sandbox.tree("left"), sandbox.tree("right"));
    for tree in [&left, &right] {
        tree.file("a", b"a").mtime("a", 1, 1).file("d/b", b"bb").mtime("d/b", 2, 2).mtime("d", 3, 3);
    }
    let top = |name: &str| {
        let outcome = sandbox.alike(["index", name]).expect(0);
        assert_eq!(outcome.stderr, "");
        let lines: Vec<String> = outcome.timeless().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 3, "{}", outcome.stdout);
        assert_eq!(lines[0], format!("[box]/{name}"));
        assert!(lines[2].starts_with("3 entries, 3 B, 0 problems in [time] ("), "{}", lines[2]);
        lines[1].strip_prefix("top ").expect("the top").to_owned()
    };
    assert_eq!(top("left"), top("right"));
    right.mtime("d/b", 2, 3);
    assert_ne!(top("left"), top("right"));
    assert!(!left.has(".alike"), "an index writes nothing in the root");
}

#[test]
fn json_ends_in_a_summary_and_a_second_run_hashes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.tree("left").sampler();
    let mut first = sandbox.alike(["index", "--json", "left"]).expect(0).summary();
    let top = first["top"].take();
    assert_eq!(top.as_str().expect("a digest").len(), 64);
    assert!(first["seconds"].take().as_f64().expect("seconds") > 0.0);
    let hashed = first["hashed_bytes"].take().as_u64().expect("bytes");
    assert!(hashed >= 300_026, "every file is read: {hashed}");
    assert_eq!(
        first,
        json!({"v": 1, "type": "summary", "top": null, "entries": 13, "bytes": 300_032, "hashed_bytes": null,
               "problems": 0, "seconds": null})
    );
    // Files younger than the file system's grain are not trusted: wait for the second run until all are older.
    std::thread::sleep(std::time::Duration::from_millis(50));
    sandbox.alike(["index", "--json", "left"]).expect(0);
    let third = sandbox.alike(["index", "--json", "left"]).expect(0).summary();
    assert_eq!((&third["top"], &third["hashed_bytes"]), (&top, &json!(0)));
}

#[test]
fn a_missing_directory_is_named() {
    let outcome = Sandbox::new().alike(["index", "nowhere"]).expect(3);
    assert_eq!(outcome.stderr, "error: cannot open the directory `nowhere`\ncause: no such file or directory\n");
    assert_eq!(outcome.stdout, "");
}

#[test]
fn a_verify_that_is_interrupted_ends_in_the_middle_of_a_file_and_says_so_by_its_status() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree("root");
    // To read all of it would take longer than the test may; nothing of it is on the disk.
    let large = File::create(tree.join("large")).expect("a file");
    large.set_len(64 << 30).expect("a length");
    let mut command = sandbox.command(["verify", "root"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    await_handler(&child, Signal::INT);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is there");
    assert_eq!(child.wait().expect("it ends").code(), Some(20));
}
