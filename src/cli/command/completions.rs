//! `alike completions SHELL`.

use std::io::{self, Write};

use clap::{ArgAction, Args, Command, ValueEnum};

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::paint::Color;

/// Print what a shell needs to complete the commands and flags
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,

    /// Print help
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub fn run(self) -> Exit {
        let shell = match self.shell {
            Shell::Bash => clap_complete::Shell::Bash,
            Shell::Zsh => clap_complete::Shell::Zsh,
            Shell::Fish => clap_complete::Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut visible(&super::definition()), "alike", &mut script);
        match io::stdout().write_all(&script) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Failure::new(Exit::Root, "cannot write to standard output".into())
                    .caused_by(&error)
                    .tell(&mut Output::standard(Color::Auto))
            }
            _ => Exit::Alike,
        }
    }
}

/// The command without what is hidden: the shells' generators would offer it.
fn visible(command: &Command) -> Command {
    // The parser keeps names for ever; this process ends once they are printed.
    let name: &'static str = command.get_name().to_owned().leak();
    let mut shown = Command::new(name)
        .about(command.get_about().cloned().unwrap_or_default())
        .disable_help_flag(command.is_disable_help_flag_set())
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned());
    if command.get_version().is_some() {
        shown = shown.version(env!("CARGO_PKG_VERSION"));
    }
    shown.subcommands(command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(visible))
}
