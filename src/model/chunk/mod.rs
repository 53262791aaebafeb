//! Parts of large files: where they are cut, what they are called, and how two versions of a file are laid over each other.
//!
//! Start at [`Cutter`] (where), then [`Chunks`] (the Merkle tree over the chunks of one file), then [`layout()`] (which bytes of
//! a new version are there already).

pub mod block;
pub mod gear;
pub mod layout;
pub mod list;

pub use block::{BLOCK_BYTES, Block, digest_of};
pub use gear::{Cutter, Grain};
pub use layout::{Base, Facing, Gap, Layout, Reuse, around, layout};
pub use list::{Chunk, Chunks, Span, even_bytes, even_node};
