//! What is true and what follows from it. Pure: no file, socket, clock, random source, thread, async or log.
//!
//! Start at [`listing::Listing`] (the entries of a root), then [`tree::Tree`] (its digests), then [`plan`].

pub mod batch;
pub mod cut;
pub mod date;
pub mod digest;
pub mod entry;
pub mod extra;
pub mod lane;
pub mod listing;
pub mod path;
pub mod plan;
pub mod problem;
pub mod tree;

pub use digest::Digest;
pub use entry::{Entry, Kind, Record, Stamp, Time};
pub use listing::Listing;
pub use path::{PathRef, RelPath};
pub use problem::{Problem, ProblemKind};
