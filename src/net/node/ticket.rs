//! An invitation as one word: `alike1`, then in base32 the key, the secret, the addresses, the share's name, and a checksum.
//!
//! `key 32 | secret 16 | addresses u8 | address* | length u8 | name`, then four bytes of BLAKE3 of all before it. The secret is worth
//! what it invites to: a ticket is shown to nobody else, and is not logged.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::address_form::{put_address, take_address};
use super::base32;
use super::key::PublicKey;

/// What a ticket begins with; the digit is its version.
const HEAD: &str = "alike1";
/// The part of it that no version changes.
const FAMILY: &str = "alike";
/// Letters of the longest ticket.
const LETTERS_MAX: usize = 1200;
/// Addresses that a ticket holds.
const ADDRESSES_MAX: usize = 16;
/// Bytes of the checksum.
const CHECK: usize = 4;
/// What the checksum is derived under.
const CHECKING: &str = "alike 2026 the checksum of a ticket";

/// What proves that a device was invited: random, used once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Secret(pub [u8; 16]);

impl Secret {
    /// A new one.
    pub fn random() -> Result<Self, crate::net::Error> {
        crate::net::random().map(Self)
    }
}

/// Never printed by accident.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// An invitation to a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Who invites.
    pub key: PublicKey,
    /// Where it is reached, best first. What is above 16 is left out of the text.
    pub addresses: Vec<SocketAddr>,
    /// What the invited proves to know.
    pub secret: Secret,
    /// The name of the share there. What is above 255 bytes is left out of the text.
    pub share: String,
}

/// Why a text is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTicket {
    /// Something else.
    #[error("a ticket is one word that begins with `{HEAD}`")]
    Other,
    /// A ticket of another version of alike.
    #[error("the ticket is of another version of alike: both devices need the same one")]
    Version,
    /// It lost something on the way.
    #[error("the ticket is damaged: a letter of it is missing, doubled or changed; copy it again, whole")]
    Damaged,
}

impl fmt::Display for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key.0.to_vec();
        bytes.extend_from_slice(&self.secret.0);
        let addresses = &self.addresses[..self.addresses.len().min(ADDRESSES_MAX)];
        bytes.push(addresses.len() as u8);
        for address in addresses {
            put_address(&mut bytes, address);
        }
        let mut name = self.share.as_str();
        while name.len() > usize::from(u8::MAX) {
            name = name.split_at(name.char_indices().next_back().map_or(0, |(at, _)| at)).0;
        }
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
        let check = checksum(&bytes);
        bytes.extend_from_slice(&check);
        write!(formatter, "{HEAD}{}", base32::encode(&bytes))
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECK] {
    let digest = blake3::derive_key(CHECKING, bytes);
    *digest.first_chunk().expect("32 bytes begin with 4")
}

impl FromStr for Ticket {
    type Err = NoTicket;

    /// White space around it and within it is passed over: a terminal may have broken the line.
    fn from_str(text: &str) -> Result<Self, NoTicket> {
        let word: String = text.split_whitespace().collect::<String>().to_ascii_lowercase();
        let Some(rest) = word.strip_prefix(HEAD) else {
            let other =
                word.strip_prefix(FAMILY).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
            return Err(if other { NoTicket::Version } else { NoTicket::Other });
        };
        if rest.len() > LETTERS_MAX {
            return Err(NoTicket::Damaged);
        }
        let bytes = base32::decode(rest).ok_or(NoTicket::Damaged)?;
        let (body, check) = bytes.split_last_chunk::<CHECK>().ok_or(NoTicket::Damaged)?;
        if checksum(body) != *check {
            return Err(NoTicket::Damaged);
        }
        Self::decode(body).ok_or(NoTicket::Damaged)
    }
}

impl Ticket {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (key, bytes) = bytes.split_first_chunk::<32>()?;
        let (secret, bytes) = bytes.split_first_chunk::<16>()?;
        let (count, mut bytes) = bytes.split_first()?;
        let mut addresses = Vec::new();
        for _ in 0..*count {
            addresses.push(take_address(&mut bytes)?);
        }
        let (length, name) = bytes.split_first()?;
        let whole = addresses.len() <= ADDRESSES_MAX && name.len() == usize::from(*length);
        let share = std::str::from_utf8(name).ok().filter(|_| whole)?.to_owned();
        Some(Self { key: PublicKey(*key), addresses, secret: Secret(*secret), share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            key: PublicKey([3; 32]),
            addresses: ["192.0.2.7:22067", "[2001:db8::7]:4000"].map(|text| text.parse().expect("an address")).into(),
            secret: Secret([9; 16]),
            share: "Bücher".to_owned(),
        }
    }

    #[test]
    fn a_ticket_is_one_word_and_comes_back_however_it_was_copied() {
        let text = ticket().to_string();
        assert!(text.starts_with("alike1") && text.bytes().all(|letter| letter.is_ascii_alphanumeric()), "{text}");
        assert!(text.len() < 170, "{} letters", text.len());
        for copied in [text.clone(), text.to_uppercase(), format!(" {}\n{}\n", &text[..40], &text[40..])] {
            assert_eq!(copied.parse(), Ok(ticket()));
        }
    }

    #[test]
    fn any_one_letter_that_is_lost_or_changed_is_noticed() {
        let text = ticket().to_string();
        for at in HEAD.len()..text.len() {
            let mut lost = text.clone();
            lost.remove(at);
            assert_eq!(lost.parse::<Ticket>(), Err(NoTicket::Damaged), "letter {at} lost");
            let other = if text.as_bytes()[at] == b'a' { "b" } else { "a" };
            let mut changed = text.clone();
            changed.replace_range(at..=at, other);
            assert_eq!(changed.parse::<Ticket>(), Err(NoTicket::Damaged), "letter {at} changed");
        }
    }

    #[test]
    fn what_is_no_ticket_is_named() {
        assert_eq!("".parse::<Ticket>(), Err(NoTicket::Other));
        assert_eq!("user@host:docs".parse::<Ticket>(), Err(NoTicket::Other));
        assert_eq!("alike2mzxw6".parse::<Ticket>(), Err(NoTicket::Version));
        assert_eq!("alike1".parse::<Ticket>(), Err(NoTicket::Damaged));
        assert_eq!(format!("alike1{}", "a".repeat(1 << 20)).parse::<Ticket>(), Err(NoTicket::Damaged));
    }

    #[test]
    fn a_name_or_a_list_that_is_too_long_is_cut_and_still_a_ticket() {
        let mut long = ticket();
        long.share = "ü".repeat(300);
        long.addresses = vec![long.addresses[1]; 40];
        let read: Ticket = long.to_string().parse().expect("a ticket");
        assert_eq!((read.share.chars().count(), read.addresses.len()), (127, ADDRESSES_MAX));
    }

    #[test]
    fn the_secret_is_never_printed() {
        assert!(!format!("{:?}", ticket()).contains("9, 9"));
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(bytes: Vec<u8>) {
            let _ = Ticket::decode(&bytes);
        }
    }
}
