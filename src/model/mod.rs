//! What is true and what follows from it. Pure: no file, socket, clock, random source, thread, async or log.
//!
//! Start at [`listing::Listing`] (the entries of a root), then [`tree::Tree`] (its digests), then [`plan`]. Two-way sync
//! starts at [`dot`] and [`knowledge`] (which writes there were), then [`record`] (from the disk), [`join`] (between
//! replicas) and [`project`] (to the disk).

pub mod agreed;
pub mod batch;
pub mod chunk;
pub mod cut;
pub mod date;
pub mod digest;
pub mod dot;
pub mod entry;
pub mod era;
pub mod extra;
pub mod join;
pub mod knowledge;
pub mod lane;
pub mod listing;
pub mod meeting;
pub mod merge;
pub mod mint;
pub mod path;
pub mod plan;
pub mod problem;
pub mod project;
pub mod record;
pub mod resolve;
mod seek;
pub mod siblings;
pub mod story;
pub mod tree;

pub use digest::Digest;
pub use dot::{Dot, ReplicaId};
pub use entry::{Entry, Kind, Record, Stamp, Time};
pub use knowledge::Knowledge;
pub use listing::Listing;
pub use path::{PathRef, RelPath};
pub use problem::{Problem, ProblemKind};
pub use siblings::{Replaced, Siblings, Version};
