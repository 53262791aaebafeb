//! What the end-to-end tests stand on: a sandbox with trees in it, the command, and a judge that shares no code with it.
//!
//! Start at [`sandbox::Sandbox`]. Each test file uses a part of this.
#![allow(dead_code, unused_imports)]

pub mod clock;
pub mod far;
pub mod hosts;
pub mod judge;
pub mod mounted;
pub mod outcome;
pub mod rot;
pub mod sandbox;
pub mod signals;
pub mod sshd;
pub mod tree;

pub use far::Far;
pub use judge::{assert_alike, judge};
pub use outcome::Outcome;
pub use sandbox::Sandbox;
pub use signals::await_handler;
pub use tree::Tree;

/// Says that a test cannot run here, and why. On the machine that judges the project nothing may be left out.
#[allow(clippy::print_stderr)]
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "a test was skipped: {reason}");
    eprintln!("skipped: {reason}");
}

/// Says what a test has measured.
#[allow(clippy::print_stderr)]
pub fn tell(measured: &str) {
    eprintln!("{measured}");
}
