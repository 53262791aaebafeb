//! What a share is: its founder, and an id that follows from the founder, so that nobody else can pretend to have founded it.

use std::fmt;
use std::str::FromStr;

use crate::model::Digest;
use crate::net::node::PublicKey;

/// The name of a share among all there are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ShareId(pub [u8; 16]);

/// Who founded a share, and a random number that tells it from the founder's others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Charter {
    /// The device that made it.
    pub founder: PublicKey,
    /// Drawn then.
    pub nonce: [u8; 16],
}

impl Charter {
    /// The id of the share.
    pub fn share(&self) -> ShareId {
        let message = [&b"alike share 1"[..], &self.founder.0, &self.nonce].concat();
        let digest = Digest::of_content(&message);
        ShareId(std::array::from_fn(|at| digest.0[at]))
    }
}

impl fmt::Display for ShareId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for ShareId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl FromStr for ShareId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ShareId, &'static str> {
        let number = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| ShareId(number.to_be_bytes())).ok_or("a share's id has 32 hexadecimal digits")
    }
}
