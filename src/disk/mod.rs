//! The only layer that touches the user's directory. Every operation is a directory handle and one leaf name.
//!
//! Start at [`root::Root`]; [`target::Target`] changes one.

pub mod control;
pub mod copy;
mod directories;
mod discard;
pub mod error;
pub mod gauge;
mod metadata;
pub mod place;
mod remove;
pub mod root;
pub mod stage;
pub mod status;
pub mod target;
mod trash;
