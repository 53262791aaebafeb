//! The greeting of a connection: each side says, once it lets the other in, which process it is and where it sees the other.
//!
//! `version u8 | instance u64 | address 16 bytes, IPv4 within IPv6 | port u16`, little endian; more may follow one day.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::addresses::plain;

/// The version of the protocol between nodes.
pub(super) const VERSION: u8 = 1;
const LENGTH: usize = 1 + 8 + 16 + 2;
/// What a greeting of a later version may grow to.
const LENGTH_MAX: usize = 256;

/// What a side says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) version: u8,
    /// Drawn when the node was opened: tells a restarted device from the same one on a new connection.
    pub(super) instance: u64,
    /// Where the sender sees the receiver.
    pub(super) seen: SocketAddr,
}

/// Why a connection does not come up.
#[derive(Debug)]
pub(super) enum Ungreeted {
    Ended(quinn::ConnectionError),
    Garbled,
}

impl Greeting {
    pub(super) fn new(instance: u64, seen: SocketAddr) -> Self {
        Self { version: VERSION, instance, seen: plain(seen) }
    }

    fn encode(&self) -> Vec<u8> {
        let address = match self.seen.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut bytes = vec![self.version];
        bytes.extend_from_slice(&self.instance.to_le_bytes());
        bytes.extend_from_slice(&address.octets());
        bytes.extend_from_slice(&self.seen.port().to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, _) = bytes.split_first_chunk::<LENGTH>()?;
        let (version, bytes) = bytes.split_first()?;
        let (instance, bytes) = bytes.split_first_chunk()?;
        let (address, bytes) = bytes.split_first_chunk::<16>()?;
        let port = u16::from_le_bytes(bytes.try_into().ok()?);
        let seen = plain(SocketAddr::new(Ipv6Addr::from(*address).into(), port));
        Some(Self { version: *version, instance: u64::from_le_bytes(*instance), seen })
    }

    /// Says ours and hears theirs: only then does either side count the connection.
    pub(super) async fn exchange(self, connection: &quinn::Connection) -> Result<Self, Ungreeted> {
        let saying = async {
            let mut stream = connection.open_uni().await.map_err(Ungreeted::Ended)?;
            stream.write_all(&self.encode()).await.map_err(|_| ended(connection))?;
            stream.finish().map_err(|_| ended(connection))
        };
        let hearing = async {
            let mut stream = connection.accept_uni().await.map_err(Ungreeted::Ended)?;
            let bytes = stream.read_to_end(LENGTH_MAX).await.map_err(|_| ended(connection))?;
            Self::decode(&bytes).ok_or(Ungreeted::Garbled)
        };
        tokio::try_join!(saying, hearing).map(|((), theirs)| theirs)
    }
}

fn ended(connection: &quinn::Connection) -> Ungreeted {
    connection.close_reason().map_or(Ungreeted::Garbled, Ungreeted::Ended)
}

/// No address: of a peer that cannot be seen.
pub(super) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_comes_back_and_may_grow() {
        for seen in ["192.0.2.7:22067", "[2001:db8::1]:1"] {
            let greeting = Greeting::new(0x0123_4567_89ab_cdef, seen.parse().expect("an address"));
            let mut bytes = greeting.encode();
            assert_eq!(bytes.len(), LENGTH);
            assert_eq!(Greeting::decode(&bytes), Some(greeting));
            bytes.push(7);
            assert_eq!(Greeting::decode(&bytes), Some(greeting));
            assert_eq!(Greeting::decode(&bytes[..LENGTH - 1]), None);
        }
    }
}
