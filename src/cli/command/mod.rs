//! The commands: one file each, with its help, its arguments and its function.

mod add;
mod approve;
mod completions;
mod conflicts;
mod daemon;
mod diff;
mod forget;
mod index;
mod invite;
mod join;
mod log;
mod mirror;
mod pause;
mod peers;
mod remove;
mod resolve;
mod revert;
mod serve;
mod status;
mod sync;
mod trash;
mod verify;
mod wait;

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
A location is a local path, `[user@]host:path`, which ssh reaches, or `alike://MEMBER/SHARE[/PATH]`,
which the daemon reaches. A trailing slash means nothing: contents are made alike with contents.

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
    Verify(verify::Verify),
    Trash(trash::Trash),
    Daemon(daemon::Daemon),
    Add(add::Add),
    Remove(remove::Remove),
    Invite(invite::Invite),
    Join(join::Join),
    Peers(peers::Peers),
    Forget(forget::Forget),
    Approve(approve::Approve),
    Revert(revert::Revert),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Status(status::Status),
    Wait(wait::Wait),
    Completions(completions::Completions),
    #[command(hide = true)]
    Serve(serve::Serve),
}

impl Command {
    /// Does it; one that lasts calls `give_back` when it has nothing to do.
    pub fn run(self, give_back: fn()) -> Exit {
        match self {
            Command::Sync(sync) => sync.run(),
            Command::Mirror(mirror) => mirror.run(),
            Command::Diff(diff) => diff.run(),
            Command::Conflicts(conflicts) => conflicts.run(),
            Command::Resolve(resolve) => resolve.run(),
            Command::Log(log) => log.run(),
            Command::Index(index) => index.run(),
            Command::Verify(verify) => verify.run(),
            Command::Trash(trash) => trash.run(),
            Command::Daemon(daemon) => daemon.run(give_back),
            Command::Add(add) => add.run(),
            Command::Remove(remove) => remove.run(),
            Command::Invite(invite) => invite.run(),
            Command::Join(join) => join.run(),
            Command::Peers(peers) => peers.run(),
            Command::Forget(forget) => forget.run(),
            Command::Approve(approve) => approve.run(),
            Command::Revert(revert) => revert.run(),
            Command::Pause(pause) => pause.run(),
            Command::Resume(resume) => resume.run(),
            Command::Status(status) => status.run(),
            Command::Wait(wait) => wait.run(),
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
