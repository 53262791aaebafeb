//! Watching a root: which of its directories may have changed. A hint and no more: what is lost here, a scan finds.
//!
//! One kernel watch a directory, with a mask that our own reading does not trigger. Events are read at once by a thread of
//! its own and kept as a set of directories, which stays small whatever the burst; whoever asks gets those that were quiet
//! for a moment, but for names that are written on and on. A queue that overflowed means anywhere. Start at [`Watch`].

mod pending;
mod touched;
mod tree;
mod watcher;

pub use watcher::{Coverage, Hint, Watch, WatchSettings};
