//! `alike diff [--mirror] LEFT RIGHT`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::mirror::{self, Between};
use super::sync;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::prefer::Prefer;
use crate::cli::flags::voice::Voice;
use crate::cli::output::Output;
use crate::cli::told::form::{Direction, Form};
use crate::cli::told::json::Json;
use crate::cli::told::names::Names;
use crate::cli::told::stat::Stat;
use crate::cli::told::text::{Listing, Text};

/// Print what a run would do
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "One line a path, in tree order: `>` changed, `>+` new, `>-` deleted, `>m old -> new` renamed, `>t` \
        metadata only; `<` and its like where it goes to the left; then size and why. Nothing is written in either directory. The exit status is 1 where they differ."
)]
pub struct Diff {
    /// The first directory: a path, [user@]host:path or alike://MEMBER/SHARE
    #[arg(value_hint = ValueHint::AnyPath)]
    left: OsString,

    /// The second directory: a path, [user@]host:path or alike://MEMBER/SHARE
    #[arg(value_hint = ValueHint::AnyPath)]
    right: OsString,

    /// Print what `alike mirror LEFT RIGHT` would do, instead of `alike sync LEFT RIGHT`
    #[arg(long)]
    mirror: bool,

    #[command(flatten)]
    between: Between,

    #[command(flatten)]
    prefer: Prefer,

    /// Print each change as rsync's eleven characters
    #[arg(short, long, help_heading = "Output")]
    itemize: bool,

    /// Print a table of counts instead of paths
    #[arg(long, help_heading = "Output", conflicts_with_all = ["json", "itemize"])]
    stat: bool,

    /// Print the paths alone
    #[arg(long, help_heading = "Output", conflicts_with_all = ["json", "itemize", "stat"])]
    name_only: bool,

    /// Print the paths alone, as raw bytes that end in a NUL
    #[arg(short = '0', long, help_heading = "Output", conflicts_with_all = ["json", "itemize", "stat"])]
    null: bool,

    #[command(flatten)]
    voice: Voice,
}

impl Diff {
    pub fn run(self) -> Exit {
        let ended = if self.mirror { self.one_way() } else { self.two_way() };
        ended.unwrap_or_else(|failure| failure.tell(&mut Output::standard(self.voice.color)))
    }

    fn one_way(&self) -> Result<Exit, Failure> {
        if self.prefer.is_some() {
            return Err(Failure::usage("`--prefer` cannot be used together with `--mirror`".into())
                .hint("a mirror has no conflicts: its source wins"));
        }
        let mut job = self.between.mirror(&self.left, &self.right)?;
        job.writing.dry_run = true;
        Ok(mirror::mirror(&job, &self.voice, self.form()))
    }

    fn two_way(&self) -> Result<Exit, Failure> {
        let mut job = self.between.sync(&self.left, &self.right)?;
        job.writing.dry_run = true;
        job.prefer = self.prefer.meant();
        Ok(sync::sync(&job, &self.voice, self.form()))
    }

    fn form(&self) -> Box<dyn Form> {
        let quick = self.between.reading.is_quick();
        let direction = if self.mirror { Direction::Right } else { Direction::Both };
        if self.voice.json {
            return Box::new(Json { verb: "diff", direction, dry_run: true, quick });
        }
        if (self.name_only || self.null) && !self.voice.quiet {
            return Box::new(Names { null: self.null });
        }
        let listing = if self.itemize { Listing::Items } else { Listing::Marks };
        let text = Text { listing, quiet: self.voice.quiet, stats: self.voice.stats, direction, quick };
        if self.stat && !self.voice.quiet { Box::new(Stat::new(text)) } else { Box::new(text) }
    }
}
