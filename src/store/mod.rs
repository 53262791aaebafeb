//! What this machine remembers between runs: the index of a root. The only writer of our state.

pub mod hosts;
pub mod index;
pub mod journal;
pub mod places;
