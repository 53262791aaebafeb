//! The only layer that touches the user's directory. Every operation is a directory handle and one leaf name.
//!
//! Start at [`root::Root`]; [`scan`] reads a root, [`install`] changes one.

mod assemble;
pub mod error;
pub mod filter;
mod found;
pub mod gauge;
mod grain;
pub mod handles;
pub mod hash;
pub mod map;
mod names;
mod observe;
pub mod read;
pub mod root;
pub mod scan;
pub mod status;
pub mod target;
mod walk;
mod xattr;
