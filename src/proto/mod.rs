//! Conversations between peers, without I/O: bytes in, bytes out. Pure like `model`; time and randomness are arguments.

pub mod content;
pub mod limits;
pub mod message;
pub mod reconcile;
pub mod record;
