//! `mirror` and `diff` through a real sshd on loopback: push, pull, and what is said when the far side cannot be had.

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use harness::sshd::Sshd;
use harness::{Outcome, Sandbox, assert_alike, skip};

/// A sandbox whose far side is the same machine, through ssh, with places of its own.
struct Far {
    sandbox: Sandbox,
    sshd: Sshd,
}

impl Far {
    fn new() -> Option<Far> {
        let sandbox = Sandbox::new();
        match Sshd::start() {
            Some(sshd) => Some(Far { sandbox, sshd }),
            None => {
                skip("there is no sshd here");
                None
            }
        }
    }

    /// What ssh starts: `alike` with places in the sandbox.
    fn program(&self) -> PathBuf {
        let script = self.sandbox.path("far-alike");
        let alike = env!("CARGO_BIN_EXE_alike");
        let (home, cache) = (self.sandbox.path("far"), self.sandbox.path("far/cache"));
        fs::create_dir_all(&cache).expect("a home for the far side");
        let text = format!(
            "#!/bin/sh\nexport HOME='{}' XDG_CACHE_HOME='{}'\nexec '{alike}' \"$@\"\n",
            home.display(),
            cache.display()
        );
        fs::write(&script, text).expect("a script");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a mode");
        script
    }

    fn alike(&self, arguments: &[&str]) -> Outcome {
        self.alike_with(self.program().to_str().expect("a plain name"), arguments)
    }

    fn alike_with(&self, program: &str, arguments: &[&str]) -> Outcome {
        let ssh = self.sshd.ssh_command();
        self.sandbox.alike([arguments, &["--rsh", &ssh, "--remote-bin", program]].concat())
    }

    fn far(&self, name: &str) -> String {
        format!("127.0.0.1:{}", self.sandbox.path(name).display())
    }
}

#[test]
fn a_push_makes_the_far_side_alike_and_a_second_one_finds_nothing_to_do() {
    let Some(far) = Far::new() else { return };
    far.sandbox.tree("left").sampler();
    let first = far.alike(&["mirror", "left", &far.far("right")]).expect(0);
    assert_eq!(first.stderr, "");
    assert!(first.stdout.starts_with("[box]/left -> 127.0.0.1:[box]/right\n9 files, 300.0 kB, "), "{}", first.stdout);
    assert!(!first.last_line().contains("(0 B sent"), "{}", first.stdout);
    assert_alike(far.sandbox.path("left"), far.sandbox.path("right"));
    let second = far.alike(&["mirror", "left", &far.far("right")]).expect(0);
    assert_eq!(second.stdout, "[box]/left -> 127.0.0.1:[box]/right\nalike\n");
}

/// Files of every way in which content comes: in nests, by themselves, in ranges, and none at all.
const SIZES: [(&str, usize); 10] = [
    ("few/empty", 0),
    ("few/one", 1),
    ("few/small", 5_000),
    ("few/part", 70_000),
    ("few/read-at-once", 256 << 10),
    ("few/hashed-before", (256 << 10) + 1),
    ("few/in-ranges", (9 << 20) + 3),
    ("only-parts/a", 100_000),
    ("only-parts/b", 300_000),
    ("alone/single", 77),
];

#[test]
fn a_first_push_is_alike_at_every_size_and_what_was_read_on_the_way_is_known_afterwards() {
    let Some(far) = Far::new() else { return };
    let left = far.sandbox.path("left");
    for (name, bytes) in SIZES {
        let path = left.join(name);
        fs::create_dir_all(path.parent().expect("below the root")).expect("made");
        let content: Vec<u8> = (0..bytes).map(|at| (at % 251 + name.len()) as u8).collect();
        fs::write(path, content).expect("written");
    }
    for number in 0..40 {
        let directory = left.join(format!("many/{}", number % 4));
        fs::create_dir_all(&directory).expect("made");
        fs::write(directory.join(format!("file-{number}")), format!("content {number}")).expect("written");
    }
    fs::hard_link(left.join("few/small"), left.join("few/small-too")).expect("linked");
    std::os::unix::fs::symlink("small", left.join("few/link")).expect("linked");
    fs::set_permissions(left.join("few/small"), fs::Permissions::from_mode(0o4751)).expect("a mode");
    let first = far.alike(&["mirror", "--json", "left", &far.far("right")]).expect(0);
    assert_eq!(first.summary()["alike"], true, "{}", first.stdout);
    assert_alike(&left, far.sandbox.path("right"));
    // What was read while it was sent is in the index.
    let known = far.sandbox.alike(["index", "--json", "left"]).expect(0);
    assert_eq!(known.summary()["hashed_bytes"], 0, "{}", known.stdout);
    let second = far.alike(&["mirror", "left", &far.far("right")]).expect(0);
    assert_eq!(second.stdout, "[box]/left -> 127.0.0.1:[box]/right\nalike\n");
}

#[test]
fn a_pull_makes_this_side_alike_and_counts_what_it_cost() {
    let Some(far) = Far::new() else { return };
    far.sandbox.tree("left").sampler();
    let first = far.alike(&["mirror", "--json", &far.far("left"), "right"]).expect(0);
    assert_eq!(first.stderr, "");
    let summary = first.summary();
    assert_eq!((&summary["alike"], &summary["files"]), (&true.into(), &9.into()));
    assert!(summary["received"].as_u64().expect("bytes") > 300_000, "{summary}");
    assert_alike(far.sandbox.path("left"), far.sandbox.path("right"));
    let second = far.alike(&["mirror", "--json", &far.far("left"), "right"]).expect(0).summary();
    assert_eq!((&second["alike"], &second["round_trips"]), (&true.into(), &1.into()));
}

#[test]
fn a_diff_of_a_far_target_prints_what_a_push_does() {
    let Some(far) = Far::new() else { return };
    let (left, right) = (far.sandbox.tree("left"), far.sandbox.tree("right"));
    left.file("a", b"new").file("b/c", b"c").mtime("a", 2, 0);
    right.file("a", b"old").file("gone", b"gone").mtime("a", 1, 0);
    let lines = |outcome: &Outcome| -> Vec<String> {
        outcome.stdout.lines().filter(|line| line.starts_with('>')).map(str::to_owned).collect()
    };
    let diff = far.alike(&["diff", "--mirror", "left", &far.far("right")]).expect(1);
    assert_eq!(lines(&diff), ["> a  3 B, content", ">+ b/", ">+ b/c  1 B", ">- gone  4 B"]);
    assert!(right.has("gone") && !right.has(".alike"), "a diff writes nothing in a root");
    let run = far.alike(&["mirror", "-v", "left", &far.far("right")]).expect(0);
    assert_eq!(lines(&run), lines(&diff));
    assert_alike(left.path(), right.path());
}

#[test]
fn what_fails_on_the_far_side_is_told_here() {
    let Some(far) = Far::new() else { return };
    far.sandbox.tree("left").file("a", b"a");
    let missing = far.alike(&["mirror", &far.far("nowhere"), "right"]).expect(3);
    assert!(missing.stderr.starts_with("error: "), "{}", missing.stderr);
    assert!(missing.stderr.contains("[box]/nowhere"), "{}", missing.stderr);
    assert!(missing.stderr.contains("cause: no such file or directory\n"), "{}", missing.stderr);
    assert!(!far.sandbox.path("right").exists(), "nothing is made for a source that is not there");
    let parents = far.alike(&["mirror", "left", &far.far("x/y/z")]).expect(3);
    assert!(parents.stderr.contains("[box]/x/y/z"), "{}", parents.stderr);
    far.alike(&["mirror", "--mkpath", "left", &far.far("x/y/z")]).expect(0);
    assert_alike(far.sandbox.path("left"), far.sandbox.path("x/y/z"));
}

#[test]
fn a_far_side_without_the_program_is_named_with_a_way_out() {
    let Some(far) = Far::new() else { return };
    far.sandbox.tree("left").file("a", b"a");
    let outcome = far.alike_with("/nonexistent/alike", &["mirror", "left", &far.far("right")]).expect(35);
    assert!(outcome.stderr.starts_with("error: cannot start `/nonexistent/alike` on "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--remote-bin"), "{}", outcome.stderr);
}

#[test]
fn an_ssh_that_does_not_connect_is_unreachable() {
    let sandbox = Sandbox::new();
    sandbox.tree("left").file("a", b"a");
    let arguments = ["mirror", "left", "host:right", "-e", "sh -c 'echo no route >&2; exit 255'"];
    let outcome = sandbox.alike(arguments).expect(35);
    assert!(outcome.stderr.starts_with("error: cannot reach "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("cause: no route\n"), "{}", outcome.stderr);
}
