//! The background peer: keeps shares alike among the machines of their members, for as long as it runs.
//!
//! Owns what is configured, who is a member of what, when whom to meet, and the socket that commands speak to. What a
//! meeting does is [`crate::sync`]'s; how a member is reached is [`crate::net`]'s. Prints nothing.

mod commands;
pub mod config;
pub mod control;
mod converse;
pub mod gossip;
mod guests;
mod hooks;
mod hub;
pub mod journal;
mod keeper;
mod limit;
mod look;
pub mod members;
pub mod memory;
pub mod nearby;
mod pairing;
mod peers;
pub mod place;
mod reach;
mod rumours;
pub mod run;
pub mod schedule;
mod service;
mod speech;
mod verify;
mod vicinity;
pub mod web;
