//! A cluster: hosts whose daemons share one directory, and what can be waited for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::harness::Tree;
use super::harness::hosts::{Host, hosts, within};

/// How often members meet in these tests: ten times as often as by default.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// The share's name, and its directory's.
pub const SHARE: &str = "docs";
/// Something that takes longer than this does not come any more.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Hosts of which the first has invited the others; all are alike.
#[track_caller]
pub fn cluster(names: &[&str]) -> Vec<Host> {
    let mut all = hosts(names);
    for host in &mut all {
        host.configure(&format!("name = \"{}\"\ninterval = \"1s\"\nmdns = false\n", host.name));
        host.tree(SHARE);
        host.start();
    }
    let (first, others) = all.split_first().expect("hosts");
    first.alike(["add", first.tree(SHARE).text(), "--name", SHARE]).expect(0);
    for other in others {
        admit(first, other, SHARE);
    }
    let everybody: Vec<&Host> = all.iter().collect();
    converge(PATIENCE, &everybody);
    all
}

/// Lets a host into the share, with a directory.
#[track_caller]
pub fn admit(member: &Host, other: &Host, directory: &str) {
    let invited = member.alike(["invite", SHARE, "--json"]).expect(0);
    let ticket = invited.events("invite")[0]["ticket"].as_str().expect("a ticket").to_owned();
    other.alike(["join", &ticket, other.tree(directory).text()]).expect(0);
}

/// Waits until hosts hold the same and their directories show the same.
#[track_caller]
pub fn converge(limit: Duration, hosts: &[&Host]) -> Duration {
    let mut left: Vec<Value> = Vec::new();
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    let took = within_told(limit, &format!("{names:?} converge"), &mut left, |left| {
        *left = hosts.iter().map(|host| host.status(SHARE)).collect();
        let is_done = |status: &Value| status["top"] == left[0]["top"] && status["wanted"] == 0;
        left.iter().all(is_done) && left[0]["knowledge"] == left[left.len() - 1]["knowledge"]
    });
    let trees: Vec<Tree> = hosts.iter().map(|host| host.tree(SHARE)).collect();
    // The time of a directory alone is nobody's write.
    within(limit, "directories show what is agreed on", || {
        let shown = trees[0].shown();
        trees.iter().all(|tree| tree.shown() == shown)
    });
    took
}

#[track_caller]
fn within_told<T: std::fmt::Debug>(
    limit: Duration,
    what: &str,
    state: &mut T,
    mut holds: impl FnMut(&mut T) -> bool,
) -> Duration {
    let started = std::time::Instant::now();
    while !holds(state) {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}: {state:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    started.elapsed()
}

/// Waits until a host shows a file with these bytes.
#[track_caller]
pub fn arrives(limit: Duration, host: &Host, path: &str, bytes: &[u8]) -> Duration {
    let tree = host.tree(SHARE);
    within(limit, &format!("{path} on {}", host.name), || tree.has(path) && tree.read(path) == bytes)
}

/// Every version of a path that a tree shows: the plain file and its copies.
pub fn versions(tree: &Tree, stem: &str) -> Vec<Vec<u8>> {
    let is_version = |path: &PathBuf| {
        let name = path.to_string_lossy();
        let (start, end) = stem.split_once('.').unwrap_or((stem, ""));
        name == stem || (name.starts_with(&format!("{start}.conflict-")) && name.ends_with(end))
    };
    let mut found: Vec<Vec<u8>> =
        tree.shown().into_iter().filter(|(path, _)| is_version(path)).map(|(_, bytes)| bytes).collect();
    found.sort();
    found
}

/// The paths of all conflict copies that a tree shows.
pub fn copies(tree: &Tree) -> Vec<PathBuf> {
    let shown: BTreeMap<PathBuf, Vec<u8>> = tree.shown();
    shown.into_keys().filter(|path| path.to_string_lossy().contains(".conflict-")).collect()
}
