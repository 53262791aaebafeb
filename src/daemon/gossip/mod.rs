//! Who of a share's members is alive, and where: SWIM over datagrams, one instance a share; and who said last what it holds.
//!
//! The heart is [`Gossip`]: no socket, no clock, no random source. It is given packets, the time and a seed, and gives packets, news
//! and the time when it wants to be called again. [`Standings`] keeps what was announced, and says whom to tell of a change.
//! [`Datagram`] is what goes over the wire for both. [`Circle`] holds all shares of a device: what runs it gives it what happens at
//! the node, and sends what it gives.

mod circle;
mod datagram;
mod heart;
mod presence;
mod settings;
mod standing;
#[cfg(test)]
mod tests;
mod wire;

pub use circle::{Circle, Heard};
pub use datagram::{Datagram, ShareTag};
pub use heart::{Given, Gossip, Liveness, News, Seen};
pub use presence::Presence;
pub use settings::PROBE_MS;
pub use standing::{Standing, Standings};
