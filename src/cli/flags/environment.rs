//! `ALIKE_*`: every flag can be set in the environment. The names follow from the flags, so none can be forgotten.

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Command};

/// The command with a variable for every visible flag: `--no-trash` is `ALIKE_NO_TRASH`.
pub fn readable(command: Command) -> Command {
    command.mut_subcommands(|sub| if sub.is_hide_set() { sub } else { sub.mut_args(with_variable) })
}

fn with_variable(arg: Arg) -> Arg {
    let Some(long) = arg.get_long() else { return arg };
    if arg.is_hide_set() || matches!(arg.get_action(), ArgAction::Help | ArgAction::Version) {
        return arg;
    }
    // Once a flag and process: clap keeps names for ever.
    let name: &'static str = format!("ALIKE_{}", long.to_uppercase().replace('-', "_")).leak();
    let switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let arg = arg.env(name).hide_env(true);
    if switch { arg.value_parser(FalseyValueParser::new()) } else { arg }
}
