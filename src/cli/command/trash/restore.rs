//! `alike trash restore DIR PATTERN...`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::{Entries, Teller, Words, local};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::moment::Moment;
use crate::cli::output::Output;
use crate::cli::quantity;
use crate::sync;
use crate::sync::trash::{Restore as Job, Version};

/// Bring back what was overwritten or deleted
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "What stands at a path now goes to the trash itself: nothing is overwritten. A directory that stands where \
        a directory comes back stays, and takes what it lacks. Of several versions of a path the one that went last comes \
        back, unless `--at` or `--run` says which."
)]
pub struct Restore {
    /// The directory
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: OsString,

    /// Paths below the directory, or gitignore patterns: `notes.txt`, `photos/2025`, `*.jpg`
    #[arg(value_name = "PATTERN", required = true)]
    patterns: Vec<String>,

    /// The versions that stood there then: a date such as 2026-11-23 or 2026-11-23T14:30 in UTC, or 2h, 7d ago
    #[arg(long, value_name = "TIME", conflicts_with = "run")]
    at: Option<Moment>,

    /// The versions that went in this run, as `list --json` names it; its beginning is enough
    #[arg(long, value_name = "RUN")]
    run: Option<String>,

    /// Change nothing; print what would be restored
    #[arg(short = 'n', long)]
    dry_run: bool,

    #[command(flatten)]
    words: Words,
}

impl Restore {
    pub fn run(self) -> Exit {
        let job = match self.meant() {
            Ok(job) => job,
            Err(failure) => return failure.tell(&mut Output::standard(self.words.color)),
        };
        let mut teller = Teller::new(&self.words, "trash restore", Entries::Restored);
        let ended = sync::trash::restore(&job, &mut |told| teller.told(&told));
        let done = if self.dry_run { "would be restored" } else { "restored" };
        teller.finish(ended, |sum| format!("{}, {} {done}", quantity::entries(sum.entries), quantity::bytes(sum.bytes)))
    }

    fn meant(&self) -> Result<Job, Failure> {
        let version = match (&self.at, &self.run) {
            (Some(moment), _) => Version::At(moment.seconds()),
            (None, Some(run)) => Version::Run(run.clone()),
            (None, None) => Version::Newest,
        };
        Ok(Job { root: local(&self.root)?, patterns: self.patterns.clone(), version, dry_run: self.dry_run })
    }
}
