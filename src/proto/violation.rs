//! What a peer can break. A violation ends the conversation; it is never a panic, and names the rule.

use crate::model::path::PathError;

/// The peer broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The peer speaks another version.
    #[error("the peer speaks version {theirs} of the protocol, we speak {ours}")]
    Version {
        /// Our version.
        ours: u8,
        /// Theirs.
        theirs: u8,
    },
    /// The peer compares other fields than we do.
    #[error("the peer compares lane {theirs:#04x}, we compare {ours:#04x}")]
    Lane {
        /// Byte of our lane.
        ours: u8,
        /// Byte of theirs.
        theirs: u8,
    },
    /// A message ends too early.
    #[error("the peer's {0} is cut short")]
    Short(&'static str),
    /// A message goes on after its end.
    #[error("the peer's {0} has bytes after its end")]
    Trailing(&'static str),
    /// A field holds what it cannot hold.
    #[error("the peer's {0} is malformed")]
    Malformed(&'static str),
    /// Something is larger than the protocol allows.
    #[error("the peer's {what} is larger than {limit}")]
    Limit {
        /// What.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A path of the peer is no legal relative path.
    #[error("the peer sent an illegal path: {0}")]
    Path(#[from] PathError),
    /// Records do not come in tree order, or one comes twice.
    #[error("the peer's records are not in tree order")]
    Order,
    /// A message does not fit the state of the conversation.
    #[error("the peer sent {0} out of turn")]
    Turn(&'static str),
    /// The peer's numbers contradict each other.
    #[error("the peer's {0} do not add up")]
    Count(&'static str),
    /// The conversation has more steps than the protocol allows.
    #[error("the peer needs more than {0} steps")]
    Steps(u8),
    /// What the peer says is equal is not, also under a second salt; or its top contradicts its nodes.
    #[error("the peer's tree contradicts itself")]
    Contradiction,
}
