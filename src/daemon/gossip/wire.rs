//! How gossip is written. Who sends and who receives is known from the connection, so their keys are not sent: a packet that the
//! heart sees begins with both, [`KEYS`] bytes of it, and the wire carries the rest.
//!
//! Header: `keys 64 (not sent) | sender's bump, addresses, incarnation | receiver's bump | kind u8 | what the kind holds`. A member:
//! `key 32 | bump | addresses | incarnation | state u8`. Addresses: `count u8 | address*`. Numbers are LEB128 varints.

use bytes::{Buf, BufMut, Bytes};
use foca::{Codec, Header, Member, Message, State};

use super::presence::{ADDRESSES_MAX, Presence};
use crate::net::node::{PublicKey, put_address, take_address};

/// Bytes of the two keys in front of a packet.
pub(super) const KEYS: usize = 64;

/// The form of packets.
#[derive(Debug)]
pub(super) struct Wire;

/// Not a packet, or no room for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of gossip is malformed")]
pub(super) struct Malformed;

type Result<T> = std::result::Result<T, Malformed>;

impl Codec<Presence> for Wire {
    type Error = Malformed;

    fn encode_header(&mut self, header: &Header<Presence>, mut to: impl BufMut) -> Result<()> {
        let mut bytes = Vec::with_capacity(2 * KEYS);
        bytes.extend_from_slice(&header.src.key.0);
        bytes.extend_from_slice(&header.dst.key.0);
        put_life(&mut bytes, &header.src);
        put_number(&mut bytes, header.src_incarnation.into());
        put_number(&mut bytes, header.dst.bump);
        put_message(&mut bytes, &header.message);
        put_all(&bytes, &mut to)
    }

    fn decode_header(&mut self, mut from: impl Buf) -> Result<Header<Presence>> {
        let (src, dst) = (take_key(&mut from)?, take_key(&mut from)?);
        let src = take_life(&mut from, src)?;
        let src_incarnation = take_small(&mut from)?;
        let dst = Presence { bump: take_number(&mut from)?, ..Presence::unknown(dst) };
        let message = take_message(&mut from)?;
        Ok(Header { src, src_incarnation, dst, message })
    }

    fn encode_member(&mut self, member: &Member<Presence>, mut to: impl BufMut) -> Result<()> {
        let mut bytes = Vec::with_capacity(KEYS);
        put_whole(&mut bytes, member.id());
        put_number(&mut bytes, member.incarnation().into());
        bytes.push(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        });
        put_all(&bytes, &mut to)
    }

    fn decode_member(&mut self, mut from: impl Buf) -> Result<Member<Presence>> {
        let id = take_whole(&mut from)?;
        let incarnation = take_small(&mut from)?;
        let state = match take_byte(&mut from)? {
            0 => State::Alive,
            1 => State::Suspect,
            2 => State::Down,
            _ => return Err(Malformed),
        };
        Ok(Member::new(id, incarnation, state))
    }
}

/// A packet that tells a member that it is suspected, as it is sent.
pub(super) fn suspicion(from: &Presence, of: &Member<Presence>) -> Result<Bytes> {
    told(from, of.id(), &[of])
}

/// A packet that tells a member of a life of it that was counted higher than the one it is in, as it is sent.
pub(super) fn later_life(from: &Presence, known: &Presence) -> Result<Bytes> {
    told(from, known, &[])
}

/// A packet for a member beyond the protocol. Our incarnation stands as the least in it, which changes nothing.
fn told(from: &Presence, to: &Presence, members: &[&Member<Presence>]) -> Result<Bytes> {
    let header = Header { src: from.clone(), src_incarnation: 0, dst: to.clone(), message: Message::Gossip };
    let mut bytes = Vec::new();
    Wire.encode_header(&header, &mut bytes)?;
    // How many members follow.
    bytes.put_u16(members.len() as u16);
    members.iter().try_for_each(|member| Wire.encode_member(member, &mut bytes))?;
    Ok(Bytes::from(bytes).slice(KEYS..))
}

/// All or nothing.
fn put_all(bytes: &[u8], to: &mut impl BufMut) -> Result<()> {
    if to.remaining_mut() < bytes.len() {
        return Err(Malformed);
    }
    to.put_slice(bytes);
    Ok(())
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_byte(from: &mut impl Buf) -> Result<u8> {
    from.try_get_u8().map_err(|_| Malformed)
}

fn take_number(from: &mut impl Buf) -> Result<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(from)?;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return Err(Malformed);
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

fn take_small(from: &mut impl Buf) -> Result<u16> {
    u16::try_from(take_number(from)?).map_err(|_| Malformed)
}

fn take_key(from: &mut impl Buf) -> Result<PublicKey> {
    let mut key = [0; 32];
    from.try_copy_to_slice(&mut key).map_err(|_| Malformed)?;
    Ok(PublicKey(key))
}

/// Without the key.
fn put_life(bytes: &mut Vec<u8>, presence: &Presence) {
    put_number(bytes, presence.bump);
    let addresses = &presence.addresses[..presence.addresses.len().min(ADDRESSES_MAX)];
    bytes.push(addresses.len() as u8);
    for address in addresses {
        put_address(bytes, address);
    }
}

fn take_life(from: &mut impl Buf, key: PublicKey) -> Result<Presence> {
    let bump = take_number(from)?;
    let count = take_byte(from)?;
    if usize::from(count) > ADDRESSES_MAX {
        return Err(Malformed);
    }
    let mut addresses = Vec::with_capacity(count.into());
    for _ in 0..count {
        addresses.push(take_address(from).ok_or(Malformed)?);
    }
    Ok(Presence { key, bump, addresses })
}

fn put_whole(bytes: &mut Vec<u8>, presence: &Presence) {
    bytes.extend_from_slice(&presence.key.0);
    put_life(bytes, presence);
}

fn take_whole(from: &mut impl Buf) -> Result<Presence> {
    let key = take_key(from)?;
    take_life(from, key)
}

fn put_message(bytes: &mut Vec<u8>, message: &Message<Presence>) {
    let mut about = |kind: u8, member: &Presence, probe: u8| {
        bytes.extend_from_slice(&[kind, probe]);
        put_whole(bytes, member);
    };
    match message {
        Message::Ping(probe) => bytes.extend_from_slice(&[0, *probe]),
        Message::Ack(probe) => bytes.extend_from_slice(&[1, *probe]),
        Message::PingReq { target, probe_number } => about(2, target, *probe_number),
        Message::IndirectPing { origin, probe_number } => about(3, origin, *probe_number),
        Message::IndirectAck { target, probe_number } => about(4, target, *probe_number),
        Message::ForwardedAck { origin, probe_number } => about(5, origin, *probe_number),
        Message::Announce => bytes.push(6),
        Message::Feed => bytes.push(7),
        Message::Gossip => bytes.push(8),
        Message::Broadcast => bytes.push(9),
        Message::TurnUndead => bytes.push(10),
    }
}

fn take_message(from: &mut impl Buf) -> Result<Message<Presence>> {
    let kind = take_byte(from)?;
    let probe_number = if kind <= 5 { take_byte(from)? } else { 0 };
    Ok(match kind {
        0 => Message::Ping(probe_number),
        1 => Message::Ack(probe_number),
        2 => Message::PingReq { target: take_whole(from)?, probe_number },
        3 => Message::IndirectPing { origin: take_whole(from)?, probe_number },
        4 => Message::IndirectAck { target: take_whole(from)?, probe_number },
        5 => Message::ForwardedAck { origin: take_whole(from)?, probe_number },
        6 => Message::Announce,
        7 => Message::Feed,
        8 => Message::Gossip,
        9 => Message::Broadcast,
        10 => Message::TurnUndead,
        _ => return Err(Malformed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(seed: u8) -> Presence {
        let addresses = ["192.0.2.7:22067", "[2001:db8::7]:1"].map(|text| text.parse().expect("an address")).into();
        Presence { key: PublicKey([seed; 32]), bump: u64::MAX - u64::from(seed), addresses }
    }

    #[test]
    fn every_message_comes_back() {
        let messages = [
            Message::Ping(255),
            Message::Ack(7),
            Message::PingReq { target: presence(3), probe_number: 1 },
            Message::IndirectPing { origin: presence(3), probe_number: 2 },
            Message::IndirectAck { target: presence(3), probe_number: 3 },
            Message::ForwardedAck { origin: presence(3), probe_number: 4 },
            Message::Announce,
            Message::Feed,
            Message::Gossip,
            Message::Broadcast,
            Message::TurnUndead,
        ];
        for message in messages {
            let header = Header { src: presence(1), src_incarnation: 300, dst: presence(2), message };
            let mut bytes = Vec::new();
            Wire.encode_header(&header, &mut bytes).expect("encoded");
            let mut rest = &bytes[..];
            let back = Wire.decode_header(&mut rest).expect("decoded");
            assert!(rest.is_empty());
            assert_eq!(back, header);
            assert_eq!(back.src.addresses, header.src.addresses);
        }
    }

    #[test]
    fn a_member_comes_back_and_a_ping_is_small() {
        let mut bytes = Vec::new();
        let member = Member::new(presence(9), 65_535, State::Suspect);
        Wire.encode_member(&member, &mut bytes).expect("encoded");
        assert_eq!(Wire.decode_member(&bytes[..]), Ok(member));

        let one = |seed| Presence {
            bump: 1_764_190_000_000,
            addresses: vec!["192.0.2.7:22067".parse().expect("an address")],
            ..presence(seed)
        };
        let header = Header { src: one(1), src_incarnation: 0, dst: one(2), message: Message::Ping(1) };
        let mut bytes = Vec::new();
        Wire.encode_header(&header, &mut bytes).expect("encoded");
        assert!(bytes.len() - KEYS <= 24, "{} bytes", bytes.len() - KEYS);
    }

    #[test]
    fn what_does_not_fit_is_not_begun() {
        let mut room = [0u8; 40];
        let member = Member::alive(presence(9));
        let mut to = &mut room[..];
        assert_eq!(Wire.encode_member(&member, &mut to), Err(Malformed));
        assert_eq!(to.len(), 40);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_of_a_peer_panic(bytes: Vec<u8>) {
            let _ = Wire.decode_header(&bytes[..]);
            let _ = Wire.decode_member(&bytes[..]);
        }
    }
}
