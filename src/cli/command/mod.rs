//! The commands: one file each, with its help, its arguments and its function.

mod completions;
mod conflicts;
mod diff;
mod index;
mod log;
mod mirror;
mod resolve;
mod serve;
mod sync;
mod trash;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::exit::Exit;
use super::flags::environment;

/// Makes directories alike across machines
#[derive(Debug, Parser)]
#[command(
    name = "alike",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = AFTER_HELP
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
A location is a local path or `[user@]host:path`, which ssh reaches. A trailing slash means
nothing: contents are made alike with contents.

`ALIKE_<FLAG>` in the environment sets any flag: ALIKE_NO_TRASH=1 is --no-trash.

Exit status:
   0 alike                    12 versions do not match
   1 they differ; conflicts   20 interrupted; what was done is kept
   2 usage                    23 some entries failed
   3 a root cannot be used    24 the source changed while it was read
   5 the peer refused         25 the guard refused
  10 the peer was lost        30 time-out
                              35 the peer cannot be reached";

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    Sync(sync::Sync),
    Mirror(mirror::Mirror),
    Diff(diff::Diff),
    Conflicts(conflicts::Conflicts),
    Resolve(resolve::Resolve),
    Log(log::Log),
    Index(index::Index),
    Trash(trash::Trash),
    Completions(completions::Completions),
    #[command(hide = true)]
    Serve(serve::Serve),
}

impl Command {
    /// Does it.
    pub fn run(self) -> Exit {
        match self {
            Command::Sync(sync) => sync.run(),
            Command::Mirror(mirror) => mirror.run(),
            Command::Diff(diff) => diff.run(),
            Command::Conflicts(conflicts) => conflicts.run(),
            Command::Resolve(resolve) => resolve.run(),
            Command::Log(log) => log.run(),
            Command::Index(index) => index.run(),
            Command::Trash(trash) => trash.run(),
            Command::Completions(completions) => completions.run(),
            Command::Serve(serve) => serve.run(),
        }
    }
}

/// Understands the arguments and the environment.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, clap::Error> {
    let matches = definition().try_get_matches_from(arguments)?;
    Line::from_arg_matches(&matches).map(|line| line.command)
}

/// The whole command line, as the parser and the completions see it.
fn definition() -> clap::Command {
    environment::readable(Line::command())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_is_sound() {
        super::definition().debug_assert();
    }
}
