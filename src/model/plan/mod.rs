//! What must be done to make a target equal to a source: intention only. Start at [`mirror::plan`].
//!
//! A plan is decided in steps, each in a file of its own, over one table of spots (`spot`): what must be left alone
//! (`triage`), directories that moved (`folders`), hard links (`links`), where bytes come from (`content`), whether the
//! deletes are meant ([`guard`]), the order of renames (`order`) and how deletes are carried out (`deletes`).

pub mod action;
mod content;
mod deletes;
pub mod finish;
mod folders;
pub mod guard;
mod holders;
pub mod itemize;
mod links;
pub mod mirror;
mod order;
mod spot;
pub mod totals;
mod touched;
mod triage;
pub mod twoway;

pub use action::{Action, Before, Changes, Move, Onto, Plan, Source, Step};
pub use guard::{Guard, Limit};
pub use itemize::itemize;
pub use mirror::{MirrorInput, Pair, plan};
pub use totals::Totals;
