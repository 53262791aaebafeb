//! The socket that commands speak to: what is said on it, the daemon's side, and the commands' side.
//!
//! A command sends one request, a JSON object on a line; the daemon answers with lines until it is done, and closes. The
//! socket belongs to the user alone, and so does what comes through it.

pub mod ask;
mod client;
mod server;
pub mod status;

pub use ask::{Answer, Ask, Refusal};
pub use client::{Client, ClientError, Loan, borrow, reach, verified};
pub use server::{Caller, Listener};

/// Raised with every change of what is said. A daemon and a command of different versions do not understand each other.
pub const VERSION: u32 = 1;
/// The longest line either side sends.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// The longest a command waits before it hears something.
pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(2);
