//! What daemons say to one another: requests for conversations, and words in datagrams. Bytes in and out; pure.

use serde::{Deserialize, Serialize};

use super::members::ShareId;
use super::schedule::Mark;

/// Raised with every change of what is said.
const VERSION: u8 = 3;
/// The longest name of a share in a request, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// The first byte of an announcement among datagrams.
pub const ANNOUNCES: u8 = 0x41;

/// What a conversation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Both compare what they agreed on, and join.
    Meet(ShareId),
    /// The asked side hands out content.
    Content(ShareId),
    /// Both tell who they think is a member.
    Members(ShareId),
    /// The asked side serves a command of the other one.
    Serve(ShareId),
}

/// Whether it takes place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It begins.
    Yes,
    /// Not here: the share is not known, or the asking device is no member of it.
    Unknown,
    /// Not now: it is paused, lent, or being opened.
    NotNow,
    /// Not now: as many commands of members are served there as are served at a time.
    Crowded,
}

/// What a device says that comes with a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// How it calls itself.
    pub name: String,
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Welcome {
    /// The list of members, which holds it by now.
    Members(Vec<u8>),
    /// The invitation was for a share that is not there any more.
    Gone,
}

/// What a member holds, told whenever it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Of which share.
    pub share: ShareId,
    /// Top and knowledge.
    pub mark: Mark,
    /// Paths that its disk does not show yet.
    pub wanted: u32,
    /// Of its list of members.
    pub list: [u8; 8],
}

/// As bytes.
pub fn encode<T: Serialize>(said: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(postcard::to_stdvec(said).expect("what is said has a form"));
    bytes
}

/// Bytes, understood; `None` where they are not.
pub fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (&VERSION, rest) = bytes.split_first()? else { return None };
    let (said, left) = postcard::take_from_bytes(rest).ok()?;
    left.is_empty().then_some(said)
}

impl Announcement {
    /// As a datagram.
    pub fn datagram(&self) -> Vec<u8> {
        let mut bytes = vec![ANNOUNCES];
        bytes.extend(encode(self));
        bytes
    }

    /// A datagram, where it is one.
    pub fn heard(datagram: &[u8]) -> Option<Announcement> {
        let (&ANNOUNCES, rest) = datagram.split_first()? else { return None };
        decode(rest)
    }
}

impl Hello {
    /// The name within its limit.
    pub fn bounded(mut self) -> Hello {
        while self.name.len() > NAME_BYTES_MAX {
            self.name.pop();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_fits_a_datagram_and_comes_back() {
        let said = Announcement { share: ShareId([1; 16]), mark: [2; 16], wanted: u32::MAX, list: [3; 8] };
        let datagram = said.datagram();
        assert!(datagram.len() < 64, "{}", datagram.len());
        assert_eq!(Announcement::heard(&datagram), Some(said));
        for cut in 0..datagram.len() {
            assert_eq!(Announcement::heard(&datagram[..cut]), None);
        }
    }

    #[test]
    fn other_versions_and_what_is_left_over_are_not_understood() {
        let mut bytes = encode(&Request::Meet(ShareId([1; 16])));
        assert_eq!(decode(&bytes), Some(Request::Meet(ShareId([1; 16]))));
        bytes.push(0);
        assert_eq!(decode::<Request>(&bytes), None);
        bytes[0] = 1;
        assert_eq!(decode::<Request>(&bytes), None);
        assert_eq!(decode::<Request>(&[]), None);
    }
}
