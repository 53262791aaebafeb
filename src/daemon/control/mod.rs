//! The socket that commands speak to: what is said on it, the daemon's side, and the commands' side.
//!
//! A command sends one request, a JSON object on a line; the daemon answers with lines until it is done, and closes. The
//! socket belongs to the user alone, and so does what comes through it.

pub mod ask;
mod client;
mod server;
pub mod status;

pub use ask::{Answer, Ask, Refusal};
pub use client::{Client, ClientError, Heard, Loan, SILENT, borrow, reach, verified};
pub use server::{Caller, Listener};

/// Raised with every change of what is said. A daemon and a command of different versions do not understand each other.
pub const VERSION: u32 = 1;
/// The longest line either side sends.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// The longest a command waits before it hears something, or says itself what it waits for.
pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(2);
/// A daemon that says nothing for so long does not answer: it is stopped, or its machine does nothing else any more.
pub const SILENCE_MAX: std::time::Duration = std::time::Duration::from_secs(10);
