//! Hosts where UDP was blocked, so that the next run does not wait for QUIC. A small text file in the cache directory:
//! a line a host, `unix-seconds host`. Losing it costs one short wait.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::places::Places;

/// A blocked host is tried again after this long.
const REMEMBER_SECONDS: u64 = 24 * 60 * 60;
/// More lines than this are not kept.
const HOSTS_MAX: usize = 256;

/// The hosts that are remembered.
pub struct Hosts {
    file: Option<PathBuf>,
    blocked: Vec<(u64, String)>,
}

impl Hosts {
    /// Reads what is remembered; nothing where it cannot be read.
    pub fn open() -> Hosts {
        let file = Places::from_environment().map(|places| places.hosts_path());
        let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let fresh = now().saturating_sub(REMEMBER_SECONDS);
        let blocked = text
            .lines()
            .filter_map(|line| {
                let (seconds, host) = line.split_once(' ')?;
                Some((seconds.parse().ok()?, host.to_owned()))
            })
            .filter(|&(seconds, _)| seconds > fresh)
            .take(HOSTS_MAX)
            .collect();
        Hosts { file, blocked }
    }

    /// Whether UDP to this host was blocked within the last day.
    pub fn udp_blocked(&self, host: &str) -> bool {
        self.blocked.iter().any(|(_, known)| known == host)
    }

    /// Remembers how it was this time. A file that cannot be written costs the next run a short wait.
    pub fn note(mut self, host: &str, blocked: bool) {
        if blocked == self.udp_blocked(host) {
            return;
        }
        self.blocked.retain(|(_, known)| known != host);
        if blocked && !host.contains('\n') {
            self.blocked.insert(0, (now(), host.to_owned()));
        }
        let Some(file) = self.file else { return };
        let text: String = self.blocked.iter().map(|(seconds, host)| format!("{seconds} {host}\n")).collect();
        if let Some(parent) = file.parent() {
            let _ = fs::create_dir_all(parent);
        }
        let _ = fs::write(&file, text);
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
