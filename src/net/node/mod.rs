//! One device among others: a UDP socket, a key, and one warm connection to each peer, shared by conversations and datagrams.
//!
//! Owns who is let in, which of two connections stays, and what a peer may take of us. Refuses to know what is said. Start at
//! [`Node`].

mod address_form;
mod addresses;
mod base32;
mod converse;
mod core;
mod dial;
mod event;
mod greet;
mod key;
mod listen;
mod open;
mod pair;
mod peer;
mod settings;
mod table;
mod ticket;
mod trust;
mod warm;

pub use address_form::{put_address, take_address};
pub(in crate::net) use converse::Conversation;
pub use event::{Asked, Event, Events, Why};
pub use key::{DeviceKey, NoPublicKey, PublicKey};
pub use open::Node;
pub use pair::Joining;
pub use peer::PeerNow;
pub use settings::{DATAGRAM_MAX, NodeSettings, PORT};
pub use ticket::{NoTicket, Secret, Ticket};
