//! The bytes of a tree in the index.
