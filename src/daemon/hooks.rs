//! Programs of the user that are told of what happened: a shell runs each with a summary on its standard input, one JSON object
//! on a line. At most one of a kind runs at a time in a share; what comes meanwhile is told together when it has ended.

use std::process::Stdio;
use std::sync::Weak;
use std::time::Duration;

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
        if let Some(why) = run(&command, share.as_str(), &told).await {
            hub.note(Level::Warn, "a hook failed", &share, &[("command", command), ("why", why)]);
        }
    }
}

/// Runs a command, and says how it failed; nothing where it did not.
pub async fn run(command: &str, share: &str, told: &[Value]) -> Option<String> {
    let lines: String = told.iter().map(|told| format!("{told}\n")).collect();
    let ran = tokio::time::timeout(LONGEST, tell(command, share, &lines)).await;
    match ran {
        Ok(Ok(status)) if status.success() => None,
        Ok(Ok(status)) => Some(status.to_string()),
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("it took longer than five minutes".into()),
    }
}

async fn tell(command: &str, share: &str, line: &str) -> std::io::Result<std::process::ExitStatus> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env("ALIKE_SHARE", share)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook need not read what it is told.
        let _ = stdin.write_all(line.as_bytes()).await;
    }
    child.wait().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hook_is_told_and_its_failure_is_known() {
        let directory = tempfile::tempdir().expect("a directory");
        let out = directory.path().join("out");
        let command = format!("cat > {} && echo $ALIKE_SHARE >> {0}", out.display());
        let told = [serde_json::json!({"v": 1, "files": 2})];
        assert_eq!(run(&command, "docs", &told).await, None);
        assert_eq!(std::fs::read_to_string(out).expect("written"), "{\"files\":2,\"v\":1}\ndocs\n");
        assert!(run("exit 3", "docs", &told).await.is_some_and(|why| why.contains('3')));
    }
}
