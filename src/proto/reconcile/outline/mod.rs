//! Directories that the source holds under another name. Owns the guess at them, and the questions that it takes; knows
//! nothing of the comparison itself.
//!
//! Where much differs and the directories are not the same ones, the end that wants records first asks which directories
//! the other holds: of each its name, a digest of all that is below it but for where it stands, and a digest of the names
//! of the directories below it. What it finds in a directory of its own, it lays under the new name, in a listing that
//! *stands in* for its own; and the comparison begins anew with that. So a renamed directory costs a few short answers in
//! place of all its records.
//!
//! All of this is a guess, and nothing rests on it: the comparison that follows finds whatever differs from it. A peer that
//! lies about its directories makes its own records travel, and no more.
//!
//! Directories with fewer than [`FOLDER_ROWS_MIN`](crate::proto::limits::FOLDER_ROWS_MIN) rows below are not worth a
//! question; they are called *small* here, all others *folders*.
//!
//! ```text
//! question := paths number | (bytes number, path) *
//! outlines := blocks number | block *      the directories asked for, in that order, then those named, in that order
//! block    := 0 untold | children number + 1, child *
//! child    := bytes number, name | digest [8] | skeleton [4] | rows below number
//! ```
//! Start at [`Folders`] (one's own), [`Known`] (the other's) and [`guess`].

mod answer;
mod folders;
mod guess;
mod known;
mod stand_in;

pub use answer::{answer, read_question, write_question};
pub use folders::{Bodies, Folders};
pub use guess::guess;
pub use known::{Known, read_outlines};
pub use stand_in::StandIn;
