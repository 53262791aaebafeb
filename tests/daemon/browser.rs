//! A headless Chromium, spoken to over its DevTools protocol on a pipe: JSON objects with a zero byte after each.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longer than a browser takes for anything here.
const DEADLINE: Duration = Duration::from_secs(60);
/// What the browser reads on its third descriptor, and writes on its fourth.
const PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

/// A browser with one page.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    asked: u64,
    /// What the page complained of on its console.
    pub complaints: Vec<Value>,
}

impl Browser {
    /// Starts one that keeps what it has in a directory; `None` where there is none on this machine.
    pub fn start(place: &Path) -> Option<Browser> {
        let path = std::env::var_os("PATH")?;
        let found = |name: &str| std::env::split_paths(&path).map(|part| part.join(name)).find(|file| file.is_file());
        let program: PathBuf = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(found)?;
        std::fs::create_dir_all(place).expect("a directory");
        let log = std::fs::File::create(place.join("log")).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", PIPES]).arg(program).args(["--headless", "--no-sandbox", "--disable-gpu"]);
        command.args(["--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"]);
        command.arg("--remote-debugging-pipe").arg(format!("--user-data-dir={}", place.join("profile").display()));
        command.env("HOME", place).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("a shell");
        let to = child.stdin.take().expect("piped");
        let from = BufReader::new(child.stdout.take().expect("piped"));
        Some(Browser { child, to, from, session: None, asked: 0, complaints: Vec::new() })
    }

    /// Opens a page.
    #[track_caller]
    pub fn open(&mut self, url: &str) {
        let target = self.ask("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = self.ask("Target.attachToTarget", &json!({"targetId": target["targetId"], "flatten": true}));
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Runtime.enable", "Log.enable", "Page.enable", "Accessibility.enable"] {
            self.ask(domain, &json!({}));
        }
        self.ask("Page.navigate", &json!({"url": url}));
        self.until("document.readyState", |state| state == "complete");
    }

    /// What an expression comes to on the page.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        self.ask("Runtime.evaluate", &json!({"expression": expression, "returnByValue": true}))["result"]["value"]
            .take()
    }

    /// Waits until an expression comes to something.
    #[track_caller]
    pub fn until(&mut self, expression: &str, holds: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let value = self.evaluate(expression);
            if holds(&value) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "`{expression}` stays {value}\n{}",
                self.evaluate("document.body.innerText")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses and releases a key.
    #[track_caller]
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.ask("Input.dispatchKeyEvent", &event);
        }
    }

    /// The roles that the page has for who does not see it.
    #[track_caller]
    pub fn roles(&mut self) -> Vec<String> {
        let tree = self.ask("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().expect("nodes").iter();
        nodes.filter_map(|node| node["role"]["value"].as_str()).map(str::to_owned).collect()
    }

    #[track_caller]
    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.asked += 1;
        let mut asked = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            asked["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{asked}\0").as_bytes()).expect("the browser runs");
        loop {
            let mut heard = Vec::new();
            self.from.read_until(0, &mut heard).expect("the browser answers");
            assert!(heard.pop().is_some(), "the browser ended: {method}");
            let mut heard: Value = serde_json::from_slice(&heard).expect("an object");
            if heard["id"] == self.asked {
                assert!(heard["error"].is_null(), "{method}: {heard}");
                return heard["result"].take();
            }
            self.notice(&heard);
        }
    }

    fn notice(&mut self, heard: &Value) {
        let said = &heard["params"];
        let is_complaint = match heard["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => said["type"] == "error" || said["type"] == "warning",
            Some("Log.entryAdded") => said["entry"]["level"] == "error" || said["entry"]["level"] == "warning",
            _ => false,
        };
        if is_complaint {
            self.complaints.push(said.clone());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
