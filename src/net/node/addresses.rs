//! The addresses of this device: what a ticket holds, and which paths are within it.

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// An address as it is written: IPv4 within IPv6 is IPv4.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Every address of this device, without those that mean nothing elsewhere on their own.
fn every() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.iter().map(if_addrs::Interface::ip).filter(|address| !is_link_local(address)).collect()
}

/// Needs the name of an interface beside it.
fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether an address is of this device: then a socket can have it. A list of all addresses says the same, but the system may keep
/// who asks for that waiting for seconds, while networks come and go.
pub(super) fn is_ours(address: &IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || (!address.is_unspecified() && UdpSocket::bind((address, 0)).is_ok())
}

/// Where others reach a socket that is bound to `bound`: the addresses that mean something to them, or else those of this device
/// alone.
pub(super) fn reachable(bound: SocketAddr) -> Vec<SocketAddr> {
    let bound = plain(bound);
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let fits = |address: &IpAddr| bound.is_ipv6() || address.is_ipv4();
    let (own, others): (Vec<IpAddr>, Vec<IpAddr>) = every().into_iter().filter(fits).partition(IpAddr::is_loopback);
    let chosen = if others.is_empty() { own } else { others };
    chosen.into_iter().map(|address| SocketAddr::new(address, bound.port())).collect()
}
