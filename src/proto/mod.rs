//! Conversations between peers, without I/O: bytes in, bytes out. Pure like `model`; time and randomness are arguments.
//!
//! Start at [`reconcile::Machine`] (which entries differ) and [`content::Decoder`] (the bytes of files). Every limit is in
//! [`limits`]; what a peer can break is in [`Violation`].

pub mod content;
pub mod limits;
pub mod message;
pub mod reconcile;
pub mod record;
pub mod violation;
mod wire;

pub use violation::Violation;
