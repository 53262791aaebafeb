//! The only layer that touches the user's directory. Every operation is a directory handle and one leaf name.
//!
//! Start at [`root::Root`]; [`scan`] reads a root, [`install`] changes one.

pub mod error;
pub mod gauge;
pub mod root;
pub mod target;
