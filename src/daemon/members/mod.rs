//! Who is a member of a share, as a map that replicates. Pure but for signatures, which are arithmetic.
//!
//! A list holds *grants* (what a device may do, signed by who granted it) and *cards* (how a member calls itself, where it is,
//! which replicas are its own; signed by itself). Both are only ever added, and of several the greatest counts; so joining
//! lists is commutative, associative and idempotent, and no clock decides anything. What is not signed by somebody who may
//! say it is dropped where a list is read: a [`Members`] that exists holds nothing else, whoever passed it on.
//!
//! A member that is forgotten has a grant that says so. It outranks what was granted before, and a later grant can take the
//! device in again. Start at [`Members`].

mod card;
mod charter;
mod codec;
mod grant;
mod list;

pub use card::{Card, Introduction};
pub use charter::{Charter, ShareId};
pub use grant::{Grant, Granted};
pub use list::{Member, Members, NotAllowed};

/// The most grants of a share, ever.
pub const GRANTS_MAX: usize = 4096;
/// The most members with a card.
pub const CARDS_MAX: usize = 512;
/// The most addresses on a card.
pub const ADDRESSES_MAX: usize = 16;
/// The most replicas on a card.
pub const REPLICAS_MAX: usize = 64;
/// The longest name of a device, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// A list cannot be read, or not joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The bytes are no list of this version.
    #[error("it is no list of members")]
    Garbled,
    /// It is another share's.
    #[error("it is the list of another share")]
    Foreign,
    /// More than any share has.
    #[error("it has more members than a share may have")]
    TooLong,
}
