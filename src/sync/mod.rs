//! One job from start to end: the only place where the parts meet. `scan -> reconcile -> plan -> fetch -> install`.
//!
//! Start at [`mirror::run`]; [`job`] says what is asked, [`report`] what is told while it runs.

pub mod error;
pub mod index;
pub mod job;
pub mod mirror;
pub mod report;
pub mod serve;
