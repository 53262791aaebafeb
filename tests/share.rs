//! Shares as the daemon uses them, in one process: they look, meet over a link in memory, and come to show the same.

mod harness;

mod share {
    pub mod changes;
    pub mod content;
    pub mod meetings;
    pub mod pair;
    pub mod rot;
    pub mod watch;
}
