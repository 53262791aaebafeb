//! How a command ended: its exit status and everything it said.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// No command of a test may take longer.
const DEADLINE: Duration = Duration::from_secs(120);

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status; 128 and the signal's number where a signal ended it.
    pub code: i32,
    /// Standard output, with the sandbox shown as `[box]`.
    pub stdout: String,
    /// Standard error, with the sandbox shown as `[box]`.
    pub stderr: String,
    /// Standard output as it was.
    pub raw: Vec<u8>,
    /// How long it took.
    pub took: Duration,
    /// When it first said what it waits for; `None` where it never did.
    pub told: Option<Duration>,
}

impl Outcome {
    /// Insists on an exit status.
    #[track_caller]
    pub fn expect(self, code: i32) -> Outcome {
        assert_eq!(self.code, code, "\n-- stdout\n{}\n-- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output with times as `[time]`.
    pub fn timeless(&self) -> String {
        timeless(&self.stdout)
    }

    /// The last line of standard output.
    pub fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }

    /// Standard output as JSON, an object a line.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The JSON objects of one type.
    #[track_caller]
    pub fn events(&self, kind: &str) -> Vec<Value> {
        self.json().into_iter().filter(|event| event["type"] == kind).collect()
    }

    /// The summary, which is the last JSON object.
    #[track_caller]
    pub fn summary(&self) -> Value {
        let last = self.json().pop().expect("a JSON object");
        assert_eq!(last["type"], "summary", "the last object is the summary");
        last
    }
}

/// The text with `in 0.41 s` as `in [time]`.
fn timeless(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let time = line.match_indices(" in ").find_map(|(at, _)| {
            let (number, rest) = line[at + 4..].split_once(" s")?;
            number.parse::<f64>().ok().map(|_| (at, rest))
        });
        match time {
            Some((at, rest)) => out.extend([&line[..at], " in [time]", rest]),
            None => out.push_str(line),
        }
    }
    out
}

/// Runs a command to its end.
#[track_caller]
pub fn of(command: &mut Command, sandbox: &Path) -> Outcome {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let stdout = gather(child.stdout.take().expect("a pipe"));
    let stderr = hear(child.stderr.take().expect("a pipe"), began);
    let status = wait(child);
    let took = began.elapsed();
    let raw = stdout.join().expect("no panic");
    let (stderr, told) = stderr.join().expect("no panic");
    let sandbox = sandbox.to_string_lossy();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(sandbox.trim_end_matches('/'), "[box]");
    Outcome { code: code(status), stdout: shown(&raw), stderr: shown(&stderr), raw, took, told }
}

fn gather(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a readable pipe");
        bytes
    })
}

/// Gathers what is said, and notes when it was first said what is waited for.
fn hear(pipe: impl Read + Send + 'static, began: Instant) -> thread::JoinHandle<(Vec<u8>, Option<Duration>)> {
    thread::spawn(move || {
        let (mut pipe, mut bytes, mut told) = (BufReader::new(pipe), Vec::new(), None);
        loop {
            let line = bytes.len();
            if pipe.read_until(b'\n', &mut bytes).expect("a readable pipe") == 0 {
                return (bytes, told);
            }
            if bytes[line..].starts_with(b"waiting for ") {
                told.get_or_insert_with(|| began.elapsed());
            }
        }
    })
}

/// Waits, and ends the command at the deadline.
#[track_caller]
fn wait(mut child: Child) -> ExitStatus {
    let id = rustix::process::Pid::from_child(&child);
    let (send, ended) = mpsc::channel();
    thread::spawn(move || send.send(child.wait()));
    match ended.recv_timeout(DEADLINE) {
        Ok(status) => status.expect("the command was started here"),
        Err(_) => {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
            panic!("the command did not end in {} s", DEADLINE.as_secs());
        }
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
