//! What this machine remembers between runs: the index of a root. The only writer of our state.
//!
//! Start at [`index`] (the listing and its tree), [`journal`] (digests of a hash that goes on), [`state`] (a replica's
//! memory), [`places`] (where).

pub mod forget;
pub mod hosts;
pub mod index;
pub mod journal;
pub mod places;
pub mod receives;
pub mod registry;
pub mod state;
pub mod view;
