//! What a datagram between members says: `kind u8 | share 8 bytes`, then a packet of gossip, or what the sender holds.

use bytes::Bytes;

use super::standing::Standing;

/// Which share a datagram is about: the first bytes of its id. A member that is in several shares with the same ones, which chance
/// does not make, would only hear of changes later.
pub type ShareTag = [u8; 8];

/// Bytes before what a datagram says.
const HEAD: usize = 9;

/// A datagram between members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datagram {
    /// A packet of gossip.
    Gossip(ShareTag, Bytes),
    /// What the sender holds.
    Standing(ShareTag, Standing),
}

impl Datagram {
    /// As it is sent.
    pub fn encode(&self) -> Bytes {
        let (kind, share, body) = match self {
            Self::Gossip(share, packet) => (1, share, packet.to_vec()),
            Self::Standing(share, standing) => (2, share, standing.encode().to_vec()),
        };
        [&[kind][..], share, &body].concat().into()
    }

    /// As it came; `None` for what no version of ours says.
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (share, body) = rest.split_first_chunk()?;
        match kind {
            1 => Some(Self::Gossip(*share, bytes.slice(HEAD..))),
            2 => Standing::decode(body).map(|standing| Self::Standing(*share, standing)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_comes_back_and_no_other_is_one() {
        let standing = Standing { top: [1; 16], knowledge: [2; 16], members: [3; 16] };
        for datagram in [
            Datagram::Gossip([7; 8], Bytes::from_static(b"packet")),
            Datagram::Gossip([7; 8], Bytes::new()),
            Datagram::Standing([8; 8], standing),
        ] {
            assert_eq!(Datagram::decode(&datagram.encode()), Some(datagram));
        }
        for bytes in [&b""[..], b"\x01short", b"\x02\0\0\0\0\0\0\0\0short", b"\x09\0\0\0\0\0\0\0\0"] {
            assert_eq!(Datagram::decode(&Bytes::from_static(bytes)), None, "{bytes:?}");
        }
    }
}
