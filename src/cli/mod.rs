//! Talks to people: arguments, output, exit status. The only layer that prints; decides nothing about files.
//!
//! Start at `command` (one file a command). An argument is understood in two steps: `flags` hold what was typed,
//! and each turns itself into what the job is asked ([`crate::sync::job`]). What a job tells goes through `told`.

mod asking;
mod base64;
mod clock;
mod command;
mod exit;
mod failure;
mod flags;
mod hint;
mod interrupt;
mod loan;
mod location;
mod output;
mod paint;
mod quantity;
mod session;
mod told;
mod usage;

use std::process::ExitCode;

/// Runs the command line of this process and says how it went; `give_back` gives back what the allocator keeps for the thread
/// that calls it.
pub fn run(give_back: fn()) -> ExitCode {
    let status = match command::parse(std::env::args_os()) {
        Ok(command) => command.run(give_back),
        Err(error) => usage::answer(&error),
    };
    ExitCode::from(status.code())
}
