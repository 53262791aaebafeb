//! A real sshd for tests: its own port on loopback, its own keys and configuration in a directory that goes with it. Reads nothing of the
//! user's.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running sshd. It ends when this is dropped.
pub struct Sshd {
    daemon: Child,
    port: u16,
    address: String,
    directory: tempfile::TempDir,
}

/// Where an sshd runs.
#[derive(Debug)]
pub struct Place<'a> {
    /// A network namespace; `None` for this one.
    pub namespace: Option<&'a str>,
    /// The address at which it is reached.
    pub address: &'a str,
}

impl Place<'_> {
    const HERE: Place<'static> = Place { namespace: None, address: "127.0.0.1" };

    fn command(&self, program: &str) -> Command {
        let Some(namespace) = self.namespace else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }
}

impl Sshd {
    /// None where this machine has no sshd, or it does not start.
    pub fn start() -> Option<Self> {
        Self::start_at(&Place::HERE)
    }

    /// The same, somewhere.
    pub fn start_at(place: &Place<'_>) -> Option<Self> {
        let directory = tempfile::tempdir().ok()?;
        let program = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]
            .into_iter()
            .find(|path| Path::new(path).exists())?;
        for name in ["host_key", "user_key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(directory.path().join(name))
                .stdin(Stdio::null())
                .status();
            made.ok().filter(std::process::ExitStatus::success)?;
        }
        fs::copy(directory.path().join("user_key.pub"), directory.path().join("authorized_keys")).ok()?;
        // sshd as root wants its empty directory; elsewhere it is there or not needed.
        let _ = fs::create_dir_all("/run/sshd");
        for _ in 0..5 {
            if let Some((daemon, port)) = start_on_a_free_port(program, directory.path(), place) {
                let sshd = Self { daemon, port, address: place.address.to_owned(), directory };
                fs::write(sshd.directory.path().join("ssh_config"), sshd.client_configuration()).ok()?;
                let key = fs::read_to_string(sshd.directory.path().join("host_key.pub")).ok()?;
                fs::write(sshd.directory.path().join("known_hosts"), format!("* {key}")).ok()?;
                return Some(sshd);
            }
        }
        None
    }

    /// The ssh that reaches it. Any host name will do; `alias` is one of the configuration's own.
    pub fn ssh_command(&self) -> String {
        let directory = self.directory.path().display();
        format!("ssh -p {} -i {directory}/user_key -o BatchMode=yes -F {directory}/ssh_config", self.port)
    }

    /// The ssh that knows it as the host `alias`, by a configuration alone.
    #[allow(dead_code, reason = "not every test that has an sshd needs it")]
    pub fn alias_command(&self) -> String {
        format!("ssh -o BatchMode=yes -F {}/ssh_config", self.directory.path().display())
    }

    /// A configuration that knows this sshd as the host `alias`.
    fn client_configuration(&self) -> String {
        let directory = self.directory.path().display();
        format!(
            "Host alias\n  HostName {}\n\nHost *\n  Port {}\n  IdentityFile {directory}/user_key\n  IdentitiesOnly yes\n  \
             IdentityAgent none\n  UserKnownHostsFile {directory}/known_hosts\n  GlobalKnownHostsFile /dev/null\n  \
             StrictHostKeyChecking yes\n  CheckHostIP no\n",
            self.address, self.port
        )
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn start_on_a_free_port(program: &str, directory: &Path, place: &Place<'_>) -> Option<(Child, u16)> {
    let address = place.address;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.local_addr().ok()?.port();
    let configuration = directory.join("sshd_config");
    let at = directory.display();
    let text = format!(
        "Port {port}\nListenAddress {address}\nHostKey {at}/host_key\nAuthorizedKeysFile {at}/authorized_keys\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
         MaxStartups 100\nUseDNS no\nPrintMotd no\nPrintLastLog no\n"
    );
    fs::write(&configuration, text).ok()?;
    let mut daemon = place
        .command(program)
        .args(["-D", "-e", "-f"])
        .arg(&configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if speaks_ssh(address, port) {
            return Some((daemon, port));
        }
        if daemon.try_wait().ok()?.is_some() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = daemon.kill();
    let _ = daemon.wait();
    None
}

fn speaks_ssh(address: &str, port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((address, port)) else {
        return false;
    };
    let mut greeting = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && stream.read_exact(&mut greeting).is_ok()
        && &greeting == b"SSH-"
}
