//! Syncthing as a tool that runs once: two of its daemons on this machine, started, until both hold the same, then ended.
//! A daemon is not made for that: its start is in the figure, as it is for everybody else. Works of other tools need no
//! daemon, so this program calls itself for it ([`pair`]).

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// After this long the two are given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of the two.
struct Daemon {
    home: PathBuf,
    id: String,
    sync_port: u16,
    rest_port: u16,
    child: Option<Child>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Its own way to end takes seconds; what it wrote is durable by then.
            let _gone_already = child.kill();
            let _status = child.wait();
        }
    }
}

/// Makes `to` what `from` is.
pub fn pair(from: &Path, to: &Path, home: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|e| format!("cannot make {}: {e}", to.display()))?;
    let mut daemons = [Daemon::new(home.join("left"))?, Daemon::new(home.join("right"))?];
    let ids = [0, 1].map(|at| (daemons[at].id.clone(), daemons[at].sync_port));
    for (daemon, folder) in daemons.iter_mut().zip([from, to]) {
        daemon.start(folder, &ids)?;
    }
    let deadline = Instant::now() + PATIENCE;
    while !agree(&daemons) {
        if Instant::now() > deadline {
            return Err("syncthing did not come to an end".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Whether both have looked at their folder, and the right one lacks nothing.
fn agree(daemons: &[Daemon; 2]) -> bool {
    let [left, right] = daemons;
    if !left.has_scanned() || !right.has_scanned() {
        return false;
    }
    let status = |daemon: &Daemon| daemon.ask("/rest/db/status?folder=work");
    let completion = left.ask(&format!("/rest/db/completion?folder=work&device={}", right.id));
    let (Some(here), Some(there), Some(completion)) = (status(left), status(right), completion) else { return false };
    let idle = |status: &Value| status["state"] == "idle" && status["needTotalItems"] == 0;
    idle(&here)
        && idle(&there)
        && completion["needItems"] == 0
        && completion["needDeletes"] == 0
        && here["globalTotalItems"] == there["localTotalItems"]
}

impl Daemon {
    fn new(home: PathBuf) -> Result<Daemon, String> {
        if !home.join("cert.pem").exists() {
            let home = format!("--home={}", home.display());
            output(&["generate", &home, "--no-default-folder", "--skip-port-probing"])?;
        }
        let id = output(&["--device-id", &format!("--home={}", home.display())])?;
        let port = || -> std::io::Result<u16> { Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()) };
        let (sync_port, rest_port) = port().and_then(|one| Ok((one, port()?))).map_err(|e| format!("no port: {e}"))?;
        Ok(Daemon { home, id: id.trim().to_owned(), sync_port, rest_port, child: None })
    }

    fn start(&mut self, folder: &Path, ids: &[(String, u16); 2]) -> Result<(), String> {
        let fail = |e: std::io::Error| format!("cannot start syncthing: {e}");
        fs::write(self.home.join("config.xml"), self.config(folder, ids)).map_err(fail)?;
        let log = fs::File::create(self.home.join("log")).map_err(fail)?;
        let mut command = Command::new("syncthing");
        command.args(["serve", "--no-browser", "--no-restart"]).arg(format!("--home={}", self.home.display()));
        // Without the process that watches over the one that works: that would outlive it.
        command
            .env("STMONITORED", "yes")
            .env("STNOUPGRADE", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(log);
        self.child = Some(command.spawn().map_err(fail)?);
        Ok(())
    }

    fn config(&self, folder: &Path, ids: &[(String, u16); 2]) -> String {
        let members: String = ids.iter().map(|(id, _)| format!("<device id=\"{id}\"></device>")).collect();
        let devices: String = ids
            .iter()
            .map(|(id, port)| format!("<device id=\"{id}\"><address>tcp://127.0.0.1:{port}</address></device>"))
            .collect();
        let off =
            ["globalAnnounceEnabled", "localAnnounceEnabled", "relaysEnabled", "natEnabled", "crashReportingEnabled"];
        let off: String = off.map(|name| format!("<{name}>false</{name}>")).concat();
        format!(
            "<configuration version=\"35\"><folder id=\"work\" path=\"{}\" type=\"sendreceive\" rescanIntervalS=\"0\" \
             fsWatcherEnabled=\"false\">{members}<markerName>.</markerName><minDiskFree unit=\"\">0</minDiskFree></folder>\
             {devices}<gui enabled=\"true\" tls=\"false\"><address>127.0.0.1:{}</address><apikey>key</apikey></gui>\
             <options><listenAddress>tcp://127.0.0.1:{}</listenAddress>{off}<urAccepted>-1</urAccepted>\
             <autoUpgradeIntervalH>0</autoUpgradeIntervalH></options></configuration>",
            folder.display(),
            self.rest_port,
            self.sync_port,
        )
    }

    fn has_scanned(&self) -> bool {
        fs::read_to_string(self.home.join("log")).is_ok_and(|text| text.contains("Completed initial scan"))
    }

    fn ask(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.rest_port)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nX-API-Key: key\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }
}

fn output(arguments: &[&str]) -> Result<String, String> {
    let output =
        Command::new("syncthing").args(arguments).output().map_err(|e| format!("cannot run syncthing: {e}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
