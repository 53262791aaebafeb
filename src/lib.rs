//! `alike` makes directories alike across machines, and keeps them so.

pub mod cli;
pub mod disk;
pub mod model;
pub mod net;
pub mod proto;
pub mod store;
pub mod sync;
