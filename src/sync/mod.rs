//! One job from start to end: the only place where the parts meet. `scan -> reconcile -> plan -> fetch -> install`.
//!
//! Start at [`mirror::run`]; [`job`] says what is asked, [`report`] what is told while it runs.

pub mod conflicts;
pub mod converse;
mod differ;
pub mod error;
pub mod execute;
pub mod fetch;
pub mod found;
pub mod grow;
pub mod holdings;
pub mod index;
pub mod job;
pub mod ledger;
pub mod line;
pub mod log;
pub mod mirror;
pub mod narrate;
mod pen;
pub mod placements;
pub mod pull;
pub mod push;
pub mod refuse;
pub mod remote;
pub mod replica;
pub mod report;
pub mod rot;
pub mod rules;
pub mod serve;
pub mod share;
pub mod side;
pub mod supply;
pub mod target;
pub mod trash;
pub mod twoway;
pub mod verify;
