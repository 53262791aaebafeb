//! Programs of the user that are told of what happened: a shell runs each with a summary on its standard input, one JSON object
//! on a line. At most one of a kind runs at a time in a share; what comes meanwhile is told together when it has ended.

use std::process::{ExitStatus, Stdio};
use std::sync::Weak;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc;

use super::config::ShareName;
use super::hub::Hub;
use super::journal::Level;

/// A hook that takes longer is ended: it would keep later ones from running.
const LONGEST: Duration = Duration::from_secs(300);
/// What waits for a hook that runs; more is not told.
const WAITING_MAX: usize = 256;

/// Which hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// There is a conflict that was not there before.
    OnConflict,
    /// Something was put in place.
    AfterSync,
}

/// One hook of one share.
#[derive(Debug)]
pub struct Told(mpsc::Sender<Value>);

impl Told {
    /// Tells the hook of a share, whatever is configured by then.
    pub fn new(hub: Weak<Hub>, share: ShareName, hook: Hook) -> Told {
        let (told, hears) = mpsc::channel(WAITING_MAX);
        tokio::spawn(follow(hub, (share, hook), hears));
        Told(told)
    }

    /// Tells it something.
    pub fn tell(&self, what: Value) {
        // A hook that is slower than what happens is not told of all of it.
        let _ = self.0.try_send(what);
    }
}

async fn follow(hub: Weak<Hub>, (share, hook): (ShareName, Hook), mut hears: mpsc::Receiver<Value>) {
    let mut all = Vec::new();
    while hears.recv_many(&mut all, WAITING_MAX).await > 0 {
        let Some(hub) = hub.upgrade() else { return };
        let hooks = hub.hooks();
        let command = match hook {
            Hook::OnConflict => hooks.on_conflict,
            Hook::AfterSync => hooks.after_sync,
        };
        let told = std::mem::take(&mut all);
        let Some(command) = command else { continue };
        if let Some(why) = run(&command, share.as_str(), &told, LONGEST).await {
            hub.note(Level::Warn, "a hook failed", &share, &[("command", command), ("why", why)]);
        }
    }
}

/// Runs a command, at most so long, and says how it failed; nothing where it did not.
async fn run(command: &str, share: &str, told: &[Value], longest: Duration) -> Option<String> {
    let lines: String = told.iter().map(|told| format!("{told}\n")).collect();
    let ran = tokio::time::timeout(longest, tell(command, share, &lines)).await;
    match ran {
        Ok(Ok(status)) if status.success() => None,
        Ok(Ok(status)) => Some(status.to_string()),
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("it took longer than {} s and was ended", longest.as_secs())),
    }
}

async fn tell(command: &str, share: &str, lines: &str) -> std::io::Result<ExitStatus> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env("ALIKE_SHARE", share)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()?;
    let running = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).map(Running);
    if let Some(mut stdin) = child.stdin.take() {
        // A hook need not read what it is told.
        let _ = stdin.write_all(lines.as_bytes()).await;
    }
    let status = child.wait().await?;
    // Its number may be another's from here on.
    std::mem::forget(running);
    Ok(status)
}

/// A shell that has not been waited for, which leads a group of its own: it is ended with all that it has started.
struct Running(Pid);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has just ended by itself needs not be ended.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;
    use std::{fs, thread};

    use rustix::process::test_kill_process;

    use super::*;

    #[tokio::test]
    async fn a_hook_is_told_and_its_failure_is_known() {
        let directory = tempfile::tempdir().expect("a directory");
        let out = directory.path().join("out");
        let command = format!("cat > {} && echo $ALIKE_SHARE >> {0}", out.display());
        let told = [serde_json::json!({"v": 1, "files": 2})];
        assert_eq!(run(&command, "docs", &told, LONGEST).await, None);
        assert_eq!(fs::read_to_string(out).expect("written"), "{\"files\":2,\"v\":1}\ndocs\n");
        assert!(run("exit 3", "docs", &told, LONGEST).await.is_some_and(|why| why.contains('3')));
    }

    #[tokio::test]
    async fn a_hook_that_takes_too_long_is_ended_and_that_is_said() {
        let why = run("sleep 1000", "docs", &[], Duration::from_millis(10)).await;
        assert_eq!(why.as_deref(), Some("it took longer than 0 s and was ended"));
    }

    /// The process whose number a file holds, once it holds one.
    async fn process_in(file: &Path) -> Pid {
        loop {
            let text = fs::read_to_string(file).unwrap_or_default();
            if let Some(id) = text.strip_suffix('\n') {
                return Pid::from_raw(id.parse().expect("a number")).expect("not zero");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn what_a_hook_has_started_ends_with_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("id");
        let command = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let sleeper = tokio::select! {
            why = run(&command, "docs", &[], LONGEST) => panic!("it ended: {why:?}"),
            sleeper = process_in(&file) => sleeper,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while is_running(sleeper) {
            assert!(Instant::now() < deadline, "{sleeper:?} runs on");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether a process runs. One that has ended may wait for whoever it was left to.
    fn is_running(id: Pid) -> bool {
        let state = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
        test_kill_process(id).is_ok() && !state.contains(") Z ")
    }
}
