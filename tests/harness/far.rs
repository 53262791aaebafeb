//! The far side of an end-to-end test: a real sshd, and the command behind it in a home of its own. Nothing of the user's
//! is read or written on either side.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::outcome::Outcome;
use super::sandbox::Sandbox;
use super::sshd::Sshd;
use super::tree::Tree;

/// A host that ssh reaches, with a sandbox for both sides.
pub struct Far {
    /// Where the trees of both sides are.
    pub sandbox: Sandbox,
    /// The daemon.
    pub sshd: Sshd,
    /// What ssh starts: a script.
    pub program: PathBuf,
    /// What the script starts: a path that no other process has.
    served: PathBuf,
    starts: PathBuf,
    exits: PathBuf,
}

impl Far {
    /// A host; `None`, told, where this machine has no sshd.
    pub fn start() -> Option<Far> {
        Far::with(Sandbox::new())
    }

    /// A host whose trees are in memory, where that can be had: for many runs of which none waits for a disk.
    pub fn in_memory() -> Option<Far> {
        let memory = Path::new("/dev/shm");
        Far::with(if memory.is_dir() { Sandbox::below(memory) } else { Sandbox::new() })
    }

    fn with(sandbox: Sandbox) -> Option<Far> {
        let Some(sshd) = Sshd::start() else {
            super::skip("there is no sshd");
            return None;
        };
        let far = sandbox.path("far");
        for place in ["home", "config", "state", "cache", "runtime"] {
            fs::create_dir_all(far.join(place)).expect("a place");
        }
        let [served, starts, exits] = ["served", "starts", "exits"].map(|name| far.join(name));
        symlink(env!("CARGO_BIN_EXE_alike"), &served).expect("a new link");
        let at = far.display();
        let body = format!(
            "export HOME={at}/home XDG_CONFIG_HOME={at}/config XDG_STATE_HOME={at}/state XDG_CACHE_HOME={at}/cache \
             XDG_RUNTIME_DIR={at}/runtime LC_ALL=C\ncd {at}/home\n\
             echo >> {at}/starts\n{at}/served \"$@\"\ncode=$?\necho $code >> {at}/exits\nexit $code"
        );
        let program = script(&far.join("alike"), &body);
        Some(Far { sandbox, sshd, program, served, starts, exits })
    }

    /// A tree as an argument.
    pub fn at(&self, tree: &Tree) -> String {
        format!("127.0.0.1:{}", tree.text())
    }

    /// The home directory there.
    pub fn home(&self) -> Tree {
        Tree::at(self.sandbox.path("far/home"))
    }

    /// The command with its arguments, told how the host is reached.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        self.command_with(&self.program, arguments)
    }

    /// The same with another program on the far side.
    pub fn command_with<S: AsRef<OsStr>>(&self, program: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.sandbox.command(arguments);
        command.args(["-e", &self.sshd.ssh_command()]).arg("--remote-bin").arg(program);
        command
    }

    /// Runs the command to its end.
    pub fn alike<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        self.sandbox.run(&mut self.command(arguments))
    }

    /// What runs on the far side now.
    pub fn processes(&self) -> Vec<Pid> {
        let ours = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|&byte| byte == 0).next() == Some(self.served.as_os_str().as_encoded_bytes())
        };
        let entries = fs::read_dir("/proc").expect("a process table").flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter(ours);
        pids.filter_map(Pid::from_raw).collect()
    }

    /// Sends a signal to what runs on the far side; how many it reached.
    pub fn signal(&self, signal: Signal) -> usize {
        self.processes().into_iter().filter(|&pid| kill_process(pid, signal).is_ok()).count()
    }

    /// How many runs were begun on the far side so far.
    pub fn starts(&self) -> usize {
        fs::read_to_string(&self.starts).unwrap_or_default().lines().count()
    }

    /// Waits until one more than `before` was begun on the far side, and runs or has ended already.
    #[track_caller]
    pub fn await_served(&self, before: usize) {
        let has_ended = || self.exits().len() > before;
        await_that("the far side starts", || self.starts() > before && (!self.processes().is_empty() || has_ended()));
    }

    /// Insists that nothing is left running on the far side.
    #[track_caller]
    pub fn assert_gone(&self) {
        await_that("the far side ends", || self.processes().is_empty());
    }

    /// The exit statuses of what ran on the far side so far.
    pub fn exits(&self) -> Vec<i32> {
        let text = fs::read_to_string(&self.exits).unwrap_or_default();
        text.lines().map(|line| line.parse().expect("a status")).collect()
    }
}

/// How long a state may let wait for itself: only a failure takes that long, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a state.
#[track_caller]
pub fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited for {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Writes a shell script that can be run.
pub fn script(path: &Path, body: &str) -> PathBuf {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("made executable");
    path.to_owned()
}

/// Runs one test of this program again in namespaces of its own, after a setup by a shell. True where the caller is that
/// test; else it is done, or it is told why it cannot be.
pub fn inside(test: &str, namespaces: &str, setup: &str) -> bool {
    const INSIDE: &str = "ALIKE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let probe = Command::new("unshare").args([namespaces, "sh", "-c", setup]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        super::skip("namespaces need root, unshare, ip, mount and nft");
        return false;
    }
    let script = format!("{setup} && exec \"$0\" --exact {test} --include-ignored --nocapture");
    let program = std::env::current_exe().expect("this program");
    let status = Command::new("unshare").args([namespaces, "sh", "-c", &script]).arg(program).env(INSIDE, "1").status();
    assert!(status.expect("unshare runs").success());
    false
}
