//! What systemd is told by datagrams to `$NOTIFY_SOCKET`, and how often it wants to hear that the daemon lives. Does nothing where
//! nobody asks.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The line to the service manager; silent where there is none.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// From the environment.
    pub fn from_environment() -> Manager {
        let address = std::env::var("NOTIFY_SOCKET").ok().and_then(|name| address(&name));
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        let own = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let micros = std::env::var("WATCHDOG_USEC").ok().filter(|_| own).and_then(|text| text.parse().ok());
        Manager { socket, watchdog: micros.map(Duration::from_micros) }
    }

    /// Half of the time within which a sign of life is wanted.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.map(|wanted| wanted / 2)
    }

    /// Tells it something.
    pub fn tell(&self, what: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that is gone is told nothing.
            let _ = socket.send_to_addr(what.as_bytes(), address);
        }
    }
}

fn address(name: &str) -> Option<SocketAddr> {
    match name.strip_prefix('@') {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name).ok(),
        None => SocketAddr::from_pathname(name).ok(),
    }
}
