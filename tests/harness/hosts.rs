//! Several hosts on one machine: a network namespace each, joined by a bridge, with cuts of every shape between them. Every
//! host has a home of its own, may run a daemon, and may be reached by ssh.
//!
//! To be used in a test that [`inside`](super::far::inside) runs in namespaces of its own: what is made here goes with them.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::clock;
use super::far::{inside, script};
use super::outcome::{self, Outcome};
use super::sandbox::Sandbox;
use super::sshd::{Place, Sshd};
use super::tree::Tree;

/// What a program is put into before it makes hosts: processes in it end with it.
const NAMESPACES: &str = "-nmpf";
/// A table of processes and a place for names of namespaces that are this test's alone.
const SETUP: &str = "mount -t proc proc /proc && mkdir -p /run/netns && mount -t tmpfs none /run/netns && \
    ip link set lo up && ip link add bridge type bridge && ip addr add 10.88.0.254/24 dev bridge && \
    ip link set bridge up && nft add table inet probe";

/// Runs a test of this program in namespaces in which hosts can be made. True where the caller is that test.
pub fn apart(test: &str) -> bool {
    inside(test, NAMESPACES, SETUP)
}

/// A daemon that does not answer by then does not start any more, also on a machine that is busy.
const STARTS: Duration = Duration::from_secs(60);
/// So much of what a daemon said is shown where a test fails.
const LAST_LINES: usize = 500;

/// How packets are kept from arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// They vanish on the way.
    Silent,
    /// Whoever sends is told that there is no way.
    Refused,
    /// They are turned back where they arrive, with a word that nobody is to come.
    Rejected,
}

/// A host.
pub struct Host {
    /// Its name, which is its network namespace's as well.
    pub name: String,
    /// Its address.
    pub address: String,
    sandbox: Sandbox,
    daemon: Option<Child>,
    sshd: Option<Sshd>,
    /// How far the daemon's clock is off, in seconds.
    clock_s: i64,
}

/// Makes hosts that all reach each other. At most 200.
pub fn hosts(names: &[&str]) -> Vec<Host> {
    hosts_from(1, names)
}

/// The same beside others: their addresses begin here.
pub fn hosts_from(first: usize, names: &[&str]) -> Vec<Host> {
    names.iter().enumerate().map(|(index, name)| Host::new(name, &format!("10.88.0.{}", index + first))).collect()
}

impl Host {
    fn new(name: &str, address: &str) -> Host {
        for line in [
            format!("ip netns add {name}"),
            format!("ip link add name {name} type veth peer name eth0 netns {name}"),
            format!("ip link set dev {name} master bridge up"),
            format!("ip -n {name} link set lo up"),
            format!("ip -n {name} addr add {address}/24 dev eth0"),
            format!("ip -n {name} link set eth0 up"),
            format!("ip netns exec {name} nft add table inet cut"),
            format!("ip netns exec {name} nft add chain inet cut in {{ type filter hook input priority 0 ; }}"),
        ] {
            must(&line);
        }
        let memory = Path::new("/dev/shm");
        let sandbox = if memory.is_dir() { Sandbox::below(memory) } else { Sandbox::new() };
        Host { name: name.into(), address: address.into(), sandbox, daemon: None, sshd: None, clock_s: 0 }
    }

    /// A directory of this host, made where it is not there.
    pub fn tree(&self, name: &str) -> Tree {
        let path = self.sandbox.path(name);
        fs::create_dir_all(&path).expect("a directory");
        Tree::at(path)
    }

    /// Writes the daemon's configuration.
    pub fn configure(&self, text: &str) {
        let place = self.sandbox.path("config/alike");
        fs::create_dir_all(&place).expect("a directory");
        fs::write(place.join("config.toml"), text).expect("written");
    }

    /// Writes more into it, above the shares that commands have written there.
    pub fn configure_more(&self, text: &str) {
        let before = fs::read_to_string(self.sandbox.path("config/alike/config.toml")).expect("a configuration");
        self.configure(&format!("{text}{before}"));
    }

    /// The command, to be run on this host.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let inner = self.sandbox.command(arguments);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(inner.get_program()).args(inner.get_args());
        command.env_clear().stdin(Stdio::null()).current_dir(self.sandbox.path(""));
        for (name, value) in inner.get_envs() {
            command.env(name, value.expect("variables are set, not taken away"));
        }
        command
    }

    /// Runs the command on this host to its end.
    #[track_caller]
    pub fn alike<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        outcome::of(&mut self.command(arguments), &self.sandbox.path(""))
    }

    /// Starts the daemon and waits until it answers.
    #[track_caller]
    pub fn start(&mut self) {
        self.start_with(&["--no-mdns"]);
    }

    /// The same with other flags.
    #[track_caller]
    pub fn start_with(&mut self, flags: &[&str]) {
        assert!(self.daemon.is_none(), "{}: the daemon runs already", self.name);
        let log = fs::File::options().create(true).append(true).open(self.log_path()).expect("a log");
        let mut command = self.command(["daemon"].iter().chain(flags));
        if self.clock_s != 0 {
            command.envs([("LD_PRELOAD", clock::CLOCK), ("FAKETIME", &format!("{:+}s", self.clock_s))]);
            command.envs([("DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1")]);
        }
        let daemon = command.stdout(Stdio::null()).stderr(log).spawn().expect("the daemon starts");
        self.daemon = Some(daemon);
        let deadline = Instant::now() + STARTS;
        while self.alike(["status", "--json"]).code > 1 {
            let ended = self.daemon.as_mut().and_then(|daemon| daemon.try_wait().ok().flatten());
            let said = || format!("{}: {ended:?}\n{}", self.name, self.log());
            assert!(ended.is_none() && Instant::now() < deadline, "no daemon on {}", said());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// How far the clock of the daemon is off that is started next. Nothing is off where this machine has no such clock.
    pub fn set_clock(&mut self, seconds: i64) {
        self.clock_s = if clock::is_here() { seconds } else { 0 };
    }

    /// A disk of its own for a directory of this host.
    #[track_caller]
    pub fn mount(&self, name: &str, mebibytes: u64) {
        let at = self.tree(name);
        must(&format!("mount -t tmpfs -o size={mebibytes}m none {}", at.text()));
    }

    /// Fills a disk to the last byte.
    pub fn fill(&self, name: &str) {
        let mut ballast = fs::File::create(self.tree(name).join("ballast")).expect("a file");
        for bytes in [1 << 20, 4096] {
            while std::io::Write::write_all(&mut ballast, &vec![1; bytes]).is_ok() {}
        }
    }

    /// Sends the daemon a signal.
    pub fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().expect("the daemon runs");
        // `ip netns exec` becomes the command: the child is the daemon itself.
        kill_process(Pid::from_child(daemon), signal).expect("it is there");
    }

    /// Ends the daemon by a signal and waits for it.
    pub fn stop(&mut self, signal: Signal) {
        self.signal(signal);
        let mut daemon = self.daemon.take().expect("the daemon runs");
        daemon.wait().expect("the daemon was started here");
    }

    /// What the daemon has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.sandbox.path("daemon.log")
    }

    /// The processor time that the daemon has taken.
    pub fn processor_time(&self) -> Duration {
        let id = self.daemon.as_ref().expect("the daemon runs").id();
        let text = fs::read_to_string(format!("/proc/{id}/stat")).expect("a process");
        let after_name = text.rsplit_once(')').expect("a name in parentheses").1;
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// The memory that the daemon holds, in bytes: what it has mapped of its program is the kernel's to take back.
    pub fn memory_bytes(&self) -> u64 {
        let id = self.daemon.as_ref().expect("the daemon runs").id();
        let file = fs::File::open(format!("/proc/{id}/status")).expect("a process");
        let lines = BufReader::new(file).lines().map(|line| line.expect("text"));
        let line = lines.into_iter().find(|line| line.starts_with("RssAnon:")).expect("a size");
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("a number") << 10
    }

    /// What the daemon says of a share.
    #[track_caller]
    pub fn status(&self, share: &str) -> Value {
        self.told_of("name", share)
    }

    /// What the daemon says of itself.
    #[track_caller]
    pub fn daemon_status(&self) -> Value {
        self.told_of("type", "daemon")
    }

    /// The line of the daemon's status in which a field has a value.
    #[track_caller]
    fn told_of(&self, field: &str, value: &str) -> Value {
        let outcome = answered(|| self.alike(["status", "--json"]));
        // 1 says that members differ.
        assert!(outcome.code <= 1, "{}: {outcome:?}\n{}", self.name, self.log());
        let found = outcome.json().into_iter().find(|line| line[field] == value);
        found.unwrap_or_else(|| panic!("{}: no {field} is {value}: {}", self.name, outcome.stdout))
    }

    /// The top of a share.
    #[track_caller]
    pub fn top(&self, share: &str) -> String {
        self.status(share)["top"].as_str().expect("a top").to_owned()
    }

    /// Keeps packets of another host from arriving here.
    pub fn deafen(&self, from: &Host, cut: Cut) {
        match cut {
            Cut::Silent => {
                must(&format!("ip netns exec {} nft add rule inet cut in ip saddr {} drop", self.name, from.address));
            }
            Cut::Rejected => {
                must(&format!("ip netns exec {} nft add rule inet cut in ip saddr {} reject", self.name, from.address));
            }
            Cut::Refused => must(&format!("ip -n {} route replace unreachable {}", from.name, self.address)),
        }
    }

    /// Lets a part of all packets vanish on the way to here.
    pub fn lose(&self, percent: u32) {
        must(&format!(
            "ip netns exec {} nft add rule inet cut in numgen random mod 100 < {percent} counter drop",
            self.name
        ));
    }

    /// Changes a byte of a part of all UDP packets on the way to here; their checksums are right again.
    pub fn corrupt(&self, percent: u32) {
        must(&format!(
            "ip netns exec {} nft add rule inet cut in ip protocol udp numgen random mod 100 < {percent} counter @th,128,8 set 0x5a",
            self.name
        ));
    }

    /// Sends a part of all packets to another host twice.
    pub fn double(&self, percent: u32, to: &Host) {
        must(&format!("ip netns exec {} nft add table ip twice", self.name));
        must(&format!(
            "ip netns exec {} nft add chain ip twice out {{ type filter hook output priority 0 ; }}",
            self.name
        ));
        must(&format!(
            "ip netns exec {} nft add rule ip twice out ip daddr {1} numgen random mod 100 < {percent} counter dup to {1} device eth0",
            self.name, to.address
        ));
    }

    /// Lets a part of all UDP packets from here be overtaken by others: a slow queue of their own holds them back by 10 ms each.
    pub fn scramble(&self, percent: u32) {
        let within = format!("ip netns exec {}", self.name);
        for line in [
            "tc qdisc add dev eth0 root handle 1: htb".to_owned(),
            "tc class add dev eth0 parent 1: classid 1:2 htb rate 1mbit burst 1500 cburst 1500".into(),
            "tc qdisc add dev eth0 parent 1:2 pfifo limit 10".into(),
            "nft add table inet order".into(),
            "nft add chain inet order out { type filter hook output priority 5 ; }".into(),
            format!(
                "nft add rule inet order out ip protocol udp numgen random mod 100 < {percent} counter meta priority set 1:2"
            ),
        ] {
            must(&format!("{within} {line}"));
        }
    }

    /// Counts from now on what another host sends and no cut keeps out.
    pub fn count(&self, from: &Host) {
        must(&format!("ip netns exec {} nft add table inet heard", self.name));
        must(&format!(
            "ip netns exec {} nft add chain inet heard in {{ type filter hook input priority 10 ; }}",
            self.name
        ));
        must(&format!("ip netns exec {} nft add rule inet heard in ip saddr {} counter", self.name, from.address));
    }

    /// Bytes that were counted, with the headers of packets.
    pub fn counted(&self) -> u64 {
        let listed = shell(&format!("ip netns exec {} nft list table inet heard", self.name));
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let count = text.split(" bytes ").nth(1).and_then(|rest| rest.split_whitespace().next());
        count.and_then(|count| count.parse().ok()).expect("a number")
    }

    /// How many packets were lost or changed on the way to here.
    pub fn struck(&self) -> u64 {
        let listed = shell(&format!("ip netns exec {} nft list chain inet cut in", self.name));
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let counts = text.split("counter packets ").skip(1);
        counts.map(|rest| rest.split(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a number")).sum()
    }

    /// Lets everything arrive here again.
    pub fn heal(&self) {
        must(&format!("ip netns exec {} nft flush chain inet cut in", self.name));
        // What is not there any more needs not be taken away.
        let _ = shell(&format!(
            "ip -n {0} route show type unreachable | while read t a; do ip -n {0} route del $t $a; done",
            self.name
        ));
    }

    /// Moves to another address.
    pub fn move_to(&mut self, address: &str) {
        must(&format!("ip -n {} addr flush dev eth0", self.name));
        must(&format!("ip -n {} addr add {address}/24 dev eth0", self.name));
        self.address = address.into();
    }

    /// Lets ssh in.
    pub fn serve_ssh(&mut self) {
        let place = Place { namespace: Some(&self.name), address: &self.address };
        self.sshd = Some(Sshd::start_at(&place).expect("an sshd"));
    }

    /// The flags with which the command reaches another host that ssh lets in.
    pub fn through_ssh(&self, to: &Host) -> Vec<String> {
        let inner = to.sandbox.command(["serve"]);
        let set = |(name, value): (&OsStr, Option<&OsStr>)| Some(format!("{}='{}'", name.to_str()?, value?.to_str()?));
        let variables: Vec<String> = inner.get_envs().filter_map(set).collect();
        let body = format!("export {}\nexec '{}' \"$@\"", variables.join(" "), env!("CARGO_BIN_EXE_alike"));
        let program = script(&to.sandbox.path("alike.sh"), &body);
        let ssh = to.sshd.as_ref().expect("ssh is let in").ssh_command();
        vec!["-e".into(), ssh, "--remote-bin".into(), program.display().to_string()]
    }
}

impl Drop for Host {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            eprintln!("-- the daemon on {} said at last\n{}", self.name, last.join("\n"));
        }
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = shell(&format!("umount -l {}", self.sandbox.path("disk").display()));
        // The next cluster of the same test may use the name again.
        let _ = shell(&format!("ip link del dev {0}; ip netns del {0}", self.name));
    }
}

/// Cuts two groups of hosts from each other, both ways.
pub fn split(left: &[&Host], right: &[&Host], cut: Cut) {
    for one in left {
        for other in right {
            one.deafen(other, cut);
            other.deafen(one, cut);
        }
    }
}

/// What a daemon says of itself. Where everything is slow enough even that may be late: it is asked again for a while.
pub fn answered(mut ask: impl FnMut() -> Outcome) -> Outcome {
    const TIMED_OUT: i32 = 30;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let outcome = ask();
        if outcome.code != TIMED_OUT || Instant::now() > deadline {
            return outcome;
        }
    }
}

/// Waits for a state, at most so long; gives how long it took.
#[track_caller]
pub fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
    started.elapsed()
}

#[track_caller]
fn must(line: &str) {
    let output = shell(line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

fn shell(line: &str) -> std::process::Output {
    // A set of nft stands in braces and angle brackets, which are no shell's here.
    let quoted = line.replace('<', "'<'").replace('{', "'{'").replace('}', "'}'").replace(" ; ", " ';' ");
    let line = if line.contains("while read") { line.to_owned() } else { quoted };
    Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().expect("a shell")
}
