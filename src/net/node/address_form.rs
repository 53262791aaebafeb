//! How an address is written, in a ticket and in gossip: `4 or 6 | address | port u16`, numbers big endian as on every network.

use std::net::{IpAddr, SocketAddr};

use bytes::Buf;

/// Writes an address. IPv4 within IPv6 is IPv4.
pub fn put_address(bytes: &mut Vec<u8>, address: &SocketAddr) {
    match address.ip().to_canonical() {
        IpAddr::V4(address) => {
            bytes.push(4);
            bytes.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            bytes.push(6);
            bytes.extend_from_slice(&address.octets());
        }
    }
    bytes.extend_from_slice(&address.port().to_be_bytes());
}

/// Reads an address; `None` where there is none, or not all of it.
pub fn take_address(from: &mut impl Buf) -> Option<SocketAddr> {
    let address: IpAddr = match from.try_get_u8().ok()? {
        4 => from.try_get_u32().ok()?.to_be_bytes().into(),
        6 => from.try_get_u128().ok()?.to_be_bytes().into(),
        _ => return None,
    };
    Some(SocketAddr::new(address, from.try_get_u16().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_and_a_part_of_one_is_none() {
        for (text, length) in [("192.0.2.7:22067", 7), ("[2001:db8::7]:1", 19)] {
            let address: SocketAddr = text.parse().expect("an address");
            let mut bytes = Vec::new();
            put_address(&mut bytes, &address);
            assert_eq!(bytes.len(), length);
            assert_eq!(take_address(&mut &bytes[..]), Some(address));
            for cut in 0..length {
                assert_eq!(take_address(&mut &bytes[..cut]), None, "{cut} bytes");
            }
        }
        assert_eq!(take_address(&mut &[5, 1, 2, 3, 4, 5, 6][..]), None);
    }
}
