//! The background peer: keeps shares alike among the machines of their members, for as long as it runs.
//!
//! Owns what is configured, who is a member of what, when whom to meet, and the socket that commands speak to. What a
//! meeting does is [`crate::sync`]'s; how a member is reached is [`crate::net`]'s. Prints nothing.

pub mod config;
pub mod gossip;
pub mod schedule;
