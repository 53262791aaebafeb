//! What a job tells, in the forms people and programs read. Start at [`screen`]; each [`form::Form`] is one way to say it.

pub mod bar;
pub mod desk;
pub mod form;
pub mod json;
pub mod line;
pub mod lines;
pub mod names;
pub mod progress;
#[cfg(test)]
mod samples;
pub mod screen;
pub mod standing;
pub mod stat;
pub mod text;
pub mod ticker;
pub mod versions;
