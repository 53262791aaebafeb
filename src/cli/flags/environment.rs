//! `ALIKE_*`: every flag can be set in the environment. The names follow from the flags, so none can be forgotten.

use std::env;
use std::ffi::OsStr;

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Command};

/// The command with a variable for every visible flag: `--no-trash` is `ALIKE_NO_TRASH`.
pub fn readable(command: Command) -> Command {
    command.mut_subcommands(|sub| if sub.is_hide_set() { sub } else { readable(sub.mut_args(with_variable)) })
}

fn with_variable(arg: Arg) -> Arg {
    let Some(long) = arg.get_long() else { return arg };
    if arg.is_hide_set() || matches!(arg.get_action(), ArgAction::Help | ArgAction::Version) {
        return arg;
    }
    let name = format!("ALIKE_{}", long.to_uppercase().replace('-', "_"));
    let switch = matches!(arg.get_action(), ArgAction::SetTrue);
    // A variable that says nothing, or no, is as good as none: else it would be in conflict with other flags.
    if env::var_os(&name).is_none_or(|value| value.is_empty() || (switch && says_no(&value))) {
        return arg;
    }
    // Once a flag and process: the parser keeps names for ever.
    let name: &'static str = name.leak();
    let arg = arg.env(name).hide_env(true);
    if switch { arg.value_parser(FalseyValueParser::new()) } else { arg }
}

fn says_no(value: &OsStr) -> bool {
    let value = value.to_string_lossy().to_lowercase();
    ["0", "n", "no", "f", "false", "off"].contains(&value.as_str())
}
