//! The name of one write: who wrote, and the how-manieth write of that replica it was. Owns nothing else.

use std::fmt;

/// One incarnation of a replica's memory: random, never a device's key, and never used again once it is in doubt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct ReplicaId(pub [u8; 16]);

/// The name of one write or delete. Counters start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Dot {
    /// Who wrote.
    pub replica: ReplicaId,
    /// The how-manieth write of that replica.
    pub counter: u64,
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_as_32_hexadecimal_digits() {
        let mut id = ReplicaId([0; 16]);
        (id.0[0], id.0[15]) = (0xa1, 0x0f);
        assert_eq!(id.to_string(), "a100000000000000000000000000000f");
    }
}
