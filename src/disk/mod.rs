//! The only layer that touches the user's directory. Every operation is a directory handle and one leaf name.
//!
//! Start at [`root::Root`]; [`scan`] reads a root, [`target::Target`] changes one.

pub mod announce;
mod assemble;
mod blocks;
pub mod carry;
pub mod chunks;
pub mod control;
pub mod copy;
pub mod deferral;
pub mod depot;
mod directories;
pub mod dirty;
mod discard;
pub mod error;
pub mod filter;
mod found;
pub mod gauge;
pub mod glance;
mod grain;
pub mod handles;
pub mod hash;
pub mod hidden;
pub mod keeps;
pub mod lists;
pub mod map;
mod metadata;
mod moved;
mod names;
mod observe;
mod parts;
pub mod place;
pub mod read;
mod remove;
mod rescue;
pub mod root;
pub mod rules;
pub mod scan;
pub mod stage;
pub mod status;
pub mod target;
pub mod trash;
mod walk;
pub mod watch;
mod xattr;
mod xattrat;
