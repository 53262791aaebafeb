//! The tools that are compared, how each is called, and one measured call.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::sshd::Sshd;

/// What this program is called with to run two syncthings.
pub const PAIR: &str = "--pair";

/// A tool that is installed here.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it calls itself.
    pub version: String,
    home: PathBuf,
    ssh: Option<String>,
}

/// How a tool is to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Both roots on this machine.
    Local,
    /// The target through ssh.
    Ssh,
    /// Both roots on this machine, every byte compared.
    Contents,
    /// Both roots on this machine, durable at the end.
    Durable,
    /// Both roots on this machine, without any durability.
    Quickly,
    /// Every file is read and hashed; there is no target.
    Index,
}

/// One measured call.
pub struct Measured {
    /// Wall-clock time.
    pub wall: Duration,
    /// Highest resident memory of any of its processes on this side, in KiB.
    pub memory: u64,
    /// Bytes on the wire both ways, where the tool tells.
    pub bytes: Option<u64>,
    /// Whether it said that it did its job.
    pub success: bool,
}

/// The tools that are here.
pub fn installed(work: &Path, sshd: Option<&Sshd>) -> Vec<Tool> {
    let ssh = sshd.map(Sshd::ssh_command);
    ["alike", "rsync", "cp", "unison", "rclone", "syncthing", "b3sum"]
        .into_iter()
        .filter_map(|name| {
            let asked = match name {
                "rclone" => "version",
                "unison" => "-version",
                _ => "--version",
            };
            let version = Command::new(program(name)).arg(asked).output().ok()?;
            let text = String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or_default().trim().to_owned();
            let home = work.join(format!("home-{name}"));
            fs::create_dir_all(&home).ok()?;
            Some(Tool { name, version: text, home, ssh: ssh.clone() })
        })
        .collect()
}

fn program(name: &str) -> &str {
    if name == "alike" { env!("CARGO_BIN_EXE_alike") } else { name }
}

impl Tool {
    /// Forgets what earlier calls left in its home. A two-way tool that remembers a target which is gone would take that for
    /// a wish, and delete the source.
    pub fn forget(&self) -> Result<(), String> {
        let emptied = fs::remove_dir_all(&self.home).and_then(|()| fs::create_dir_all(&self.home));
        emptied.map_err(|e| format!("cannot empty {}: {e}", self.home.display()))
    }

    /// The command for a way, where the tool has one.
    pub fn command(&self, way: Way, source: &Path, target: &Path) -> Option<Command> {
        let (from, to) = (source.to_str()?, target.to_str()?);
        let mut words: Vec<String> = match (self.name, way) {
            ("alike", Way::Index) => {
                return Some(self.at_home(&[program("alike"), "index", "--json", from]));
            }
            ("b3sum", Way::Index) => {
                // As many at once as there are cores; one large file takes all of them in one.
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                let threads = if fs::read_dir(source).ok()?.count() == 1 { cores } else { 1 };
                let all =
                    format!("find {from} -type f -print0 | xargs -0 -n 2000 -P {cores} b3sum --num-threads {threads}");
                return Some(self.at_home(&["sh", "-c", &all]));
            }
            (_, Way::Index) => return None,
            ("alike", _) => vec![
                program("alike").into(),
                "mirror".into(),
                "--json".into(),
                "--no-trash".into(),
                "--max-delete=100%".into(),
            ],
            ("rsync", _) => vec!["rsync".into(), "-a".into(), "--delete".into(), "--stats".into()],
            ("cp", Way::Quickly) => vec!["cp".into(), "-a".into()],
            ("unison", Way::Local | Way::Ssh) => {
                vec!["unison".into(), "-batch".into(), "-silent".into(), "-times".into(), "-confirmbigdel=false".into()]
            }
            ("syncthing", Way::Local | Way::Durable) => {
                let itself = std::env::current_exe().ok()?;
                let mut command = Command::new(itself);
                command.args([PAIR, from, to]).arg(self.home.join("syncthing"));
                return Some(command);
            }
            ("rclone", Way::Local) => vec!["rclone".into(), "sync".into(), "--links".into()],
            _ => return None,
        };
        if way == Way::Contents {
            words.push("--checksum".into());
        }
        if way == Way::Quickly && self.name == "alike" {
            words.push("--fsync=off".into());
        }
        self.locations(way, from, to, &mut words)?;
        if way == Way::Durable && self.name == "rsync" {
            words = vec!["sh".into(), "-c".into(), format!("{} && sync -f {to}", words.join(" "))];
        }
        Some(self.at_home(&words.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    /// A command that keeps what it remembers in this tool's home.
    fn at_home(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("HOME", &self.home).env("UNISON", self.home.join("unison"));
        for place in ["XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
            command.env(place, self.home.join(place));
        }
        command
    }

    fn locations(&self, way: Way, from: &str, to: &str, words: &mut Vec<String>) -> Option<()> {
        let slash = if self.name == "rsync" { "/" } else { "" };
        let far = if way == Way::Ssh {
            let ssh = self.ssh.clone()?;
            match self.name {
                "alike" => words.extend(["-e".into(), ssh, "--remote-bin".into(), program("alike").into()]),
                "rsync" => words.extend(["-e".into(), ssh]),
                "unison" => {
                    // What it remembers on the far side is forgotten with the rest.
                    let far = format!("env UNISON={} unison", self.home.join("unison-far").display());
                    words.extend(["-sshargs".into(), ssh.split_once(' ')?.1.into(), "-servercmd".into(), far]);
                }
                _ => return None,
            }
            true
        } else {
            false
        };
        words.push(format!("{from}{slash}"));
        words.push(match (far, self.name) {
            (false, _) => to.to_owned(),
            (true, "unison") => format!("ssh://localhost/{to}"),
            (true, _) => format!("localhost:{to}"),
        });
        Some(())
    }
}

/// Runs a command to its end.
pub fn run(tool: &Tool, mut command: Command, log: &Path) -> Result<Measured, String> {
    let output = fs::File::create(log).map_err(|e| e.to_string())?;
    let errors = output.try_clone().map_err(|e| e.to_string())?;
    let started = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
    let mut child = child.map_err(|e| format!("cannot start {}: {e}", tool.name))?;
    let (status, memory) = wait(&mut child).map_err(|e| e.to_string())?;
    let wall = started.elapsed();
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    Ok(Measured { wall, memory, bytes: bytes(tool.name, &text), success: status })
}

/// Waits for a child and watches the memory of it and of all that it starts.
fn wait(child: &mut Child) -> std::io::Result<(bool, u64)> {
    let mut highest = 0;
    loop {
        highest = highest.max(highest_of(child.id()));
        if let Some(status) = child.try_wait()? {
            return Ok((status.success(), highest));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The kernel's own high-water mark of a process or of one that it started, whichever is higher.
fn highest_of(id: u32) -> u64 {
    let own = fs::read_to_string(format!("/proc/{id}/status")).ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    });
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let started = children.split_whitespace().filter_map(|id| id.parse().ok()).map(highest_of).max();
    own.unwrap_or(0).max(started.unwrap_or(0))
}

/// Bytes both ways, as the tool itself tells.
fn bytes(name: &str, text: &str) -> Option<u64> {
    match name {
        "alike" => {
            let summary: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
            // An index has nobody to send to.
            Some(summary["sent"].as_u64()? + summary["received"].as_u64()?)
        }
        "rsync" => {
            let number = |label: &str| -> Option<u64> {
                let line = text.lines().find_map(|line| line.strip_prefix(label))?;
                line.trim().replace(',', "").parse().ok()
            };
            Some(number("Total bytes sent:")? + number("Total bytes received:")?)
        }
        _ => None,
    }
}
