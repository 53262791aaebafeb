//! What must be done to make a target equal to a source: intention only. Start at [`mirror::plan`].

pub mod action;
pub mod guard;
pub mod mirror;

pub use action::{Action, Changes, Plan, Source, Step};
