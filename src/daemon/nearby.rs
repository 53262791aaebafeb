//! Members on the same network, found by multicast DNS: hints where a known key may be, never who is let in.
//!
//! A device is announced under its alias, a digest of its key: who knows the key knows whose it is, and nobody else. Where there is
//! no network or no multicast, nothing is found and nothing is said.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, thread};

use mdns_sd::{Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::sync::mpsc;

use crate::net::node::PublicKey;

/// The kind of service.
const SERVICE: &str = "_alike._udp.local.";
/// Hints that wait to be read; more are dropped, as each is announced again.
const HINTS_MAX: usize = 64;
/// Addresses that are taken of one hint.
const ADDRESSES_MAX: usize = 16;

/// Where somebody says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Who, to be compared with [`PublicKey::alias`] of the keys that are known.
    pub alias: String,
    /// Where.
    pub addresses: Vec<SocketAddr>,
}

/// Announces this device and hears of others. Dropped, it stops.
pub struct Nearby {
    service: Service,
    alias: String,
}

/// The one handle of the service; gone once it is told to end. A request that came after that would wait in its queue for ever.
#[derive(Clone)]
struct Service(Arc<Mutex<Option<ServiceDaemon>>>);

impl Service {
    fn now(&self) -> MutexGuard<'_, Option<ServiceDaemon>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn browse(&self) -> Option<Receiver<ServiceEvent>> {
        self.now().as_ref()?.browse(SERVICE).ok()
    }
}

impl Nearby {
    /// Starts on a thread of its own. `None` where the system refuses even that.
    pub fn start(key: &PublicKey) -> Option<(Self, mpsc::Receiver<Hint>)> {
        let service = Service(Arc::new(Mutex::new(Some(ServiceDaemon::new().ok()?))));
        let heard = service.browse()?;
        let (hints, reader) = mpsc::channel(HINTS_MAX);
        let nearby = Self { service: service.clone(), alias: key.alias() };
        let alias = nearby.alias.clone();
        thread::Builder::new()
            .name("alike-nearby".to_owned())
            .spawn(move || listen(&service, heard, &alias, &hints))
            .ok()?;
        Some((nearby, reader))
    }

    /// Says where this device listens; again when that changes.
    pub fn announce(&self, addresses: &[SocketAddr]) {
        let ips: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).filter(|ip| !ip.is_loopback()).collect();
        let Some(port) = addresses.first().map(SocketAddr::port).filter(|_| !ips.is_empty()) else { return };
        let host = format!("alike-{}.local.", self.alias);
        let service = ServiceInfo::new(SERVICE, &self.alias, &host, &ips[..], port, None);
        // Hints are a convenience: what cannot be said is left out.
        if let (Ok(service), Some(daemon)) = (service, self.service.now().as_ref()) {
            let _ = daemon.register(service);
        }
    }
}

impl fmt::Debug for Nearby {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Nearby").field("alias", &self.alias).finish_non_exhaustive()
    }
}

impl Drop for Nearby {
    fn drop(&mut self) {
        // Ends the threads too.
        if let Some(daemon) = self.service.now().take() {
            let _ = daemon.shutdown();
        }
    }
}

/// Ends with the service. A reader that was too slow is cut off without a word, and begins anew.
fn listen(service: &Service, mut heard: Receiver<ServiceEvent>, ours: &str, hints: &mpsc::Sender<Hint>) {
    while !hints.is_closed() {
        match heard.recv() {
            Ok(ServiceEvent::ServiceResolved(found)) => {
                let alias = found.fullname.split('.').next().unwrap_or_default().to_owned();
                let at = |ip: IpAddr| SocketAddr::new(ip.to_canonical(), found.port);
                let ips = found.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr);
                let addresses: Vec<_> = ips.map(at).take(ADDRESSES_MAX).collect();
                if alias != ours && !addresses.is_empty() {
                    let _ = hints.try_send(Hint { alias, addresses });
                }
            }
            Ok(_) => {}
            Err(_) => match service.browse() {
                Some(again) => heard = again,
                None => return,
            },
        }
    }
}
