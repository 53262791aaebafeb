//! Moves bytes between machines: QUIC and the ssh pipe behind one kind of link. The only layer that names quinn and rustls.
//!
//! Owns reaching a peer, its keys, and streams that end cleanly or visibly not. Refuses to know what the bytes mean, and touches
//! no file. Start at [`Link`]; a client begins with [`connect`], the far side with [`serve_over`].

mod arrive;
mod bootstrap;
mod bridge;
mod choice;
mod congestion;
mod dialling;
mod error;
mod lane;
mod life;
mod link;
pub mod node;
mod over;
mod pace;
mod pipe;
mod queue;
mod quic;
mod raw_keys;
mod receive;
mod send;
mod serve;
mod socket;
mod ssh;
mod stdio;
mod tls;
mod wire;

pub use bridge::{Strands, bridge};
pub use error::{Cause, Error};
pub use link::{Carrier, Link, Traffic};
pub use over::{Connected, Terms, connect_over};
pub use pace::{Congestion, Pace};
pub use receive::{ReceiveHalf, receive_frame};
pub use send::{SendHalf, send_frame};
pub use serve::{Seen, serve_over};
pub use ssh::{SshTarget, connect};
pub use stdio::stdio;

/// Random bytes for the salt of a comparison.
pub fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| Error::System { step: "draw random bytes", source: std::io::Error::other("no source of them") })?;
    Ok(bytes)
}
