//! The plan that makes a target equal to a source.
