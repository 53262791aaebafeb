//! A device in a sandbox: its own home, and a daemon on loopback that is ended with it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::hosts::answered;
use crate::harness::{Outcome, Sandbox, Tree};

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);
/// Shares meet this often, and the rest of the configuration begins with it.
const CONFIG: &str = "interval = \"500ms\"\nmdns = false\n";

/// Two that share a directory, alike.
pub fn pair(sandbox: &Sandbox) -> (Device<'_>, Device<'_>) {
    let (desk, laptop) = (Device::running(sandbox, "desk"), Device::running(sandbox, "laptop"));
    desk.docs().file("from-desk", b"desk").file("deep/er", b"deeper");
    laptop.docs().file("from-laptop", b"laptop");
    desk.share_with(&laptop);
    laptop.until_alike();
    desk.until_alike();
    (desk, laptop)
}

/// One device.
pub struct Device<'a> {
    sandbox: &'a Sandbox,
    name: &'static str,
    daemon: Option<Child>,
}

impl<'a> Device<'a> {
    /// A device without a daemon.
    pub fn new(sandbox: &'a Sandbox, name: &'static str) -> Device<'a> {
        let device = Device { sandbox, name, daemon: None };
        for place in ["home", "config/alike", "state", "cache", "runtime", "docs"] {
            fs::create_dir_all(device.path(place)).expect("a place");
        }
        fs::write(device.path("config/alike/config.toml"), format!("{CONFIG}name = \"{name}\"\n")).expect("written");
        device
    }

    /// A device with a daemon.
    pub fn running(sandbox: &'a Sandbox, name: &'static str) -> Device<'a> {
        let mut device = Device::new(sandbox, name);
        device.start();
        device
    }

    /// A path of it.
    pub fn path(&self, place: &str) -> PathBuf {
        self.sandbox.path(self.name).join(place)
    }

    /// The directory that is shared.
    pub fn docs(&self) -> Tree {
        Tree::at(self.path("docs"))
    }

    /// The command, at home there.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.sandbox.command(arguments);
        for (variable, place) in [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_RUNTIME_DIR", "runtime"),
        ] {
            command.env(variable, self.path(place));
        }
        command.current_dir(self.path(""));
        command
    }

    /// Runs the command to its end.
    pub fn alike<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        self.sandbox.run(&mut self.command(arguments))
    }

    /// Runs a command that was prepared with more than arguments to its end.
    pub fn run(&self, command: &mut Command) -> Outcome {
        self.sandbox.run(command)
    }

    /// Starts the daemon, and waits until it answers.
    #[track_caller]
    pub fn start(&mut self) {
        self.launch(Command::new("env"), "127.0.0.1:0");
    }

    /// The same at another address.
    #[track_caller]
    pub fn start_at(&mut self, address: &str) {
        self.launch(Command::new("env"), address);
    }

    /// The same with variables.
    #[track_caller]
    pub fn start_with(&mut self, variables: &[(&str, String)]) {
        let mut by = Command::new("env");
        by.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
        self.launch(by, "127.0.0.1:0");
    }

    /// The same by another program, which becomes what it is given.
    #[track_caller]
    pub fn start_by(&mut self, by: Command) {
        self.launch(by, "127.0.0.1:0");
    }

    #[track_caller]
    fn launch(&mut self, mut by: Command, address: &str) {
        let log = File::options().create(true).append(true).open(self.path("log")).expect("a log");
        let inner = self.command(["daemon", "--listen", address, "--log", "debug"]);
        by.arg(inner.get_program()).args(inner.get_args()).current_dir(self.path(""));
        by.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let daemon = by.stdin(Stdio::null()).stderr(log).stdout(Stdio::null()).spawn();
        self.daemon = Some(daemon.expect("it starts"));
        self.until("the daemon answers", |device| device.alike(["status", "-q"]).code <= 1);
    }

    /// Ends the daemon; how long that took.
    #[track_caller]
    pub fn stop(&mut self, signal: Signal) -> Duration {
        let began = Instant::now();
        if let Some(mut daemon) = self.daemon.take() {
            kill_process(Pid::from_child(&daemon), signal).expect("it runs");
            daemon.wait().expect("it ends");
        }
        began.elapsed()
    }

    /// Waits for a state; shows what was said where it does not come.
    #[track_caller]
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds(self) {
            if Instant::now() > deadline {
                let log = fs::read_to_string(self.path("log")).unwrap_or_default();
                panic!("{}: waited for {DEADLINE:?}: {what}\n{}\n{log}", self.name, self.alike(["status"]).stdout);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until all members hold and show the same.
    #[track_caller]
    pub fn until_alike(&self) {
        self.until("all are alike", |device| device.alike(["status", "-q"]).code == 0);
    }

    /// The daemon's process.
    pub fn process(&self) -> u32 {
        self.daemon.as_ref().expect("it runs").id()
    }

    /// What the daemon has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Sends the daemon a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.daemon.as_ref().expect("it runs")), signal).expect("it is there");
    }

    /// Puts lines before all that is configured, in the place of others that stand there, and has the daemon read it.
    #[track_caller]
    pub fn reconfigure(&self, before: &str, after: &str) {
        let file = self.path("config/alike/config.toml");
        let text = fs::read_to_string(&file).expect("text");
        let rest = text.strip_prefix(before).expect("what was put there before");
        fs::write(&file, format!("{after}{rest}")).expect("written");
        self.signal(Signal::HUP);
    }

    /// What is told of the daemon.
    #[track_caller]
    pub fn daemon(&self) -> Value {
        answered(|| self.alike(["status", "--json"])).events("daemon").pop().expect("a daemon")
    }

    /// What is told of the share.
    #[track_caller]
    pub fn share(&self) -> Value {
        let outcome = answered(|| self.alike(["status", "--json"]));
        outcome.events("share").pop().unwrap_or_else(|| panic!("{}: no share\n{}", self.name, outcome.stderr))
    }

    /// Makes the share here, and has another device join it.
    #[track_caller]
    pub fn share_with(&self, other: &Device<'_>) {
        if self.alike(["status", "--json"]).events("share").is_empty() {
            self.alike(["add", "docs", "--name", "docs"]).expect(0);
        }
        let ticket = self.alike(["invite", "docs", "--json"]).expect(0).events("invite");
        let ticket = ticket[0]["ticket"].as_str().expect("a ticket");
        let mut command = other.command(["join", "docs"]);
        other.sandbox.run(command.env("ALIKE_TICKET", ticket)).expect(0);
    }
}

impl Drop for Device<'_> {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
