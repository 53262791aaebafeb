//! Reaches a peer with the user's own ssh: its configuration, agent, jump hosts and prompts work as they always do.

use std::collections::VecDeque;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::bootstrap::Stop;
use super::dialling::Lookup;
use super::error::{Cause, Error};
use super::over::{self, Connected, Failure, Opened, Opening, Terms};
use super::pace::Pace;

/// A password may be asked for; sshd gives two minutes for that.
const LOGIN: Duration = Duration::from_secs(120);
/// How long a process that closed its pipe may take to exit.
const EXIT: Duration = Duration::from_secs(2);
/// Lines of the far side that are kept as the cause of a failure.
const LINES_KEPT: usize = 5;
/// The longest line that is told whole.
const LINE_MAX: usize = 4 << 10;

/// A peer that ssh reaches.
#[derive(Debug, Clone)]
pub struct SshTarget {
    /// What to run, split as a shell would: `ssh`, or `ssh -p 2222 -i key`.
    pub command: String,
    /// `host` or `user@host`, as ssh takes it.
    pub host: String,
    /// The far side's `alike`, as its shell takes it.
    pub remote_bin: String,
    /// Silence for so long ends the link.
    pub timeout: Duration,
    /// UDP to this host was blocked the last time: start on the pipe at once.
    pub skip_wait: bool,
    /// How fast either side may send.
    pub pace: Pace,
}

impl SshTarget {
    /// The host with all that is usual.
    pub fn new(host: &str) -> Self {
        Self {
            command: "ssh".to_owned(),
            host: host.to_owned(),
            remote_bin: "alike".to_owned(),
            timeout: Duration::from_secs(30),
            skip_wait: false,
            pace: Pace::default(),
        }
    }
}

/// Starts `alike serve --stdio` on the far side and makes a link to it. `note` hears what ssh and the far side print meanwhile, and
/// what is worth telling the user; `request` goes through the pipe, never as an argument.
pub async fn connect(target: &SshTarget, request: &[u8], note: &mut dyn FnMut(String)) -> Result<Connected, Error> {
    let words = words(target)?;
    let mut child = spawn(target, &words)?;
    let (Some(writer), Some(reader), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::System { step: "open pipes to ssh", source: std::io::ErrorKind::BrokenPipe.into() });
    };
    let (said, mut lines) = Said::listen(stderr);
    let SshTarget { timeout, skip_wait, pace, .. } = *target;
    let terms = Terms { peer: target.host.clone(), timeout, skip_wait, pace };
    let kept = said.clone();
    let closed = Box::new(move || kept.or("the ssh connection closed"));
    let lookup = lookup(words, target.host.clone());
    let opening = Opening { reader, writer, terms: &terms, request, lookup, closed };
    let opened = {
        let mut login = std::pin::pin!(tokio::time::timeout(LOGIN + target.timeout, over::open(opening)));
        loop {
            tokio::select! {
                opened = &mut login => break opened,
                Some(line) = lines.recv() => note(line),
            }
        }
    };
    let mut opened: Opened = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(Failure::Stop(Stop::Closed(noise)))) => {
            let failed = why(target, child, &said, &noise).await;
            while let Ok(line) = lines.try_recv() {
                note(line);
            }
            return Err(failed);
        }
        Ok(Err(failure)) => return Err(failure.error(&target.host)),
        Err(_) => return Err(Error::TimedOut { peer: target.host.clone(), after: LOGIN + target.timeout }),
    };
    for line in opened.noise.lines() {
        note(format!("{}: {line}", target.host));
    }
    opened.wire.child = Some(child);
    opened.finish(lines, note).await
}

fn words(target: &SshTarget) -> Result<Vec<String>, Error> {
    let wrong = |what: String| Error::Command { command: target.command.clone(), source: Cause(what) };
    let words = shell_words::split(&target.command).map_err(|error| wrong(error.to_string()))?;
    if words.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    // A host that looks like an option would be one.
    if target.host.is_empty() || target.host.starts_with('-') {
        let source = Cause("this is no name of a host".to_owned());
        return Err(Error::Unreachable { peer: target.host.clone(), source });
    }
    Ok(words)
}

fn is_ssh(words: &[String]) -> bool {
    words.first().is_some_and(|word| Path::new(word).file_name().is_some_and(|name| name == "ssh"))
}

fn spawn(target: &SshTarget, words: &[String]) -> Result<Child, Error> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    if is_ssh(words) {
        // No terminal there, whatever the configuration says: it would garble the pipe. Prompts use ours, by way of /dev/tty.
        let seconds = target.timeout.as_secs().max(1);
        command.args(["-T", "-o"]).arg(format!("ConnectTimeout={seconds}"));
    }
    command
        .arg(&target.host)
        .arg(format!("{} serve --stdio", target.remote_bin))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::Spawn { peer: target.host.clone(), command: words[0].clone(), source })
}

/// Why the far side closed the pipe before it said our line.
async fn why(target: &SshTarget, mut child: Child, said: &Said, noise: &str) -> Error {
    let status = tokio::time::timeout(EXIT, child.wait()).await;
    said.finished(EXIT).await;
    let code = status.ok().and_then(Result::ok).and_then(|status| status.code());
    let peer = target.host.clone();
    let what = match code {
        Some(127) => "command not found",
        Some(126) => "permission denied",
        _ => "it ended before it said anything",
    };
    let printed = if noise.is_empty() { said.or(what) } else { said.or(last_lines(noise).as_str()) };
    // 255 is how ssh says that it failed itself; the far side's own exit statuses are others.
    if code == Some(255) {
        return Error::Unreachable { peer, source: Cause(printed) };
    }
    Error::Start { peer, program: target.remote_bin.clone(), source: Cause(printed) }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES_KEPT)..].join("; ")
}

/// What the far side printed on stderr last.
#[derive(Debug, Clone)]
struct Said {
    kept: Arc<Mutex<VecDeque<String>>>,
    finished: tokio_util::sync::CancellationToken,
}

impl Said {
    fn listen(stderr: impl AsyncRead + Send + Unpin + 'static) -> (Self, mpsc::Receiver<String>) {
        let (tell, lines) = mpsc::channel(256);
        let said = Self { kept: Arc::default(), finished: tokio_util::sync::CancellationToken::new() };
        tokio::spawn(said.clone().read(stderr, tell));
        (said, lines)
    }

    async fn read(self, mut stderr: impl AsyncRead + Unpin, tell: mpsc::Sender<String>) {
        let mut buffer = Vec::with_capacity(LINE_MAX);
        while let Ok(1..) = stderr.read_buf(&mut buffer).await {
            while let Some(end) = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                self.keep(&line, &tell);
            }
            if buffer.len() >= LINE_MAX {
                self.keep(&std::mem::take(&mut buffer), &tell);
            }
        }
        self.keep(&buffer, &tell);
        self.finished.cancel();
    }

    fn keep(&self, line: &[u8], tell: &mpsc::Sender<String>) {
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        if line.is_empty() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == LINES_KEPT {
            kept.pop_front();
        }
        kept.push_back(line.clone());
        // Where nobody reads, the last lines are kept at least.
        let _ = tell.try_send(line);
    }

    /// The last lines, or `else_said` where there are none.
    fn or(&self, else_said: &str) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_empty() { else_said.to_owned() } else { kept.iter().cloned().collect::<Vec<_>>().join("; ") }
    }

    async fn finished(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.finished.cancelled()).await;
    }
}

/// The addresses of the host that ssh itself would dial, for where the far side's own view of them leads nowhere.
fn lookup(words: Vec<String>, host: String) -> Lookup {
    Box::pin(async move {
        if !is_ssh(&words) {
            return Vec::new();
        }
        let asked = Command::new(&words[0]).args(&words[1..]).args(["-G", &host]).stdin(Stdio::null()).output();
        let Ok(asked) = asked.await else {
            return Vec::new();
        };
        let settings = String::from_utf8_lossy(&asked.stdout).into_owned();
        let Some(name) = settings.lines().find_map(|line| line.strip_prefix("hostname ")) else {
            return Vec::new();
        };
        resolve(name.to_owned()).await
    })
}

/// In a thread of its own: the runtime would wait for a slow name server when it ends, and this thread need not be waited for.
async fn resolve(name: String) -> Vec<IpAddr> {
    let (tell, found) = tokio::sync::oneshot::channel();
    let look = move || {
        let addresses = (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect());
        let _ = tell.send(addresses.unwrap_or_default());
    };
    match std::thread::Builder::new().name("resolve".to_owned()).spawn(look) {
        Ok(_) => found.await.unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}
