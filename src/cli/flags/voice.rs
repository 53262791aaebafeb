//! How much is said, and in which form.

use clap::{ArgAction, Args};

use crate::cli::paint::Color;
use crate::cli::told::form::{Direction, Form};
use crate::cli::told::json::Json;
use crate::cli::told::text::{Listing, Text};

/// Flags about output.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct Voice {
    /// Say more: one line a path that changes, and how the peer is reached
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Say nothing but what went wrong
    #[arg(short, long)]
    pub quiet: bool,

    /// Print JSON, one object a line, and nothing else on standard output
    #[arg(long)]
    pub json: bool,

    /// Print a table of figures before the last line
    #[arg(long)]
    pub stats: bool,

    /// Show no progress bar
    #[arg(long)]
    pub no_progress: bool,

    /// Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl Voice {
    /// How a job on one directory is told.
    pub fn of_root(&self, verb: &'static str, dry_run: bool) -> Box<dyn Form> {
        let direction = Direction::Right;
        if self.json {
            return Box::new(Json { verb, direction, dry_run, quick: false });
        }
        let listing = if dry_run || self.verbose > 0 { Listing::Marks } else { Listing::Nothing };
        Box::new(Text { listing, quiet: self.quiet, stats: self.stats, direction, quick: false })
    }
}
