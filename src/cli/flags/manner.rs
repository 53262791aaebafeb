//! How much a command says that asks the daemon: less can be said than of a job.

use std::fmt;

use clap::{ArgAction, Args};

use crate::cli::output::Output;
use crate::cli::paint::Color;

/// Flags about output.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct Manner {
    /// Say nothing but what went wrong
    #[arg(short, long)]
    pub quiet: bool,

    /// Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,

    /// Print help
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl Manner {
    /// One line, where one is wanted.
    pub fn say(&self, output: &mut Output, line: fmt::Arguments<'_>) {
        if !self.quiet {
            output.line(line);
        }
    }
}
