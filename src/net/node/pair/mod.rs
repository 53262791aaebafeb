//! Pairing: a device that holds a ticket proves it, the one that invites proves it back, over a connection of their own.
//!
//! The two speak `alike-pair/1`, which is spoken only while an invitation is open. One stream: the joining side sends a frame, the
//! inviting side another. Each is a proof of 32 bytes and then what the caller wants to say: see [`proof`].

mod invitation;
mod proof;
mod redeem;
#[cfg(test)]
mod tests;
mod welcome;

pub(super) use invitation::Invitations;
pub(super) use redeem::redeem;
pub use welcome::Joining;
pub(super) use welcome::welcome;
