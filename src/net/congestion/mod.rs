//! How much may be in flight on a path: a model of the path (its rate, its shortest round trip, its losses) and the window that follows.
//!
//! Pure: time comes as an argument, and nothing of QUIC is known here. Start at [`Model`].

mod extreme;
mod losses;
mod model;
mod round;

pub(super) use model::Model;

#[cfg(test)]
mod tests;
