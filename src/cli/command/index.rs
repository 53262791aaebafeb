//! `alike index DIR`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::reading::Reading;
use crate::cli::flags::voice::Voice;
use crate::cli::hint::{self, Asked};
use crate::cli::loan;
use crate::cli::location;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::told::form::Direction;
use crate::cli::told::form::Form;
use crate::cli::told::json::Json;
use crate::cli::told::text::{Listing, Text};
use crate::sync;

/// Build or refresh the hash tree of a directory
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Prints the tree's highest digest: directories with equal contents have equal ones, on any machine."
)]
pub struct Index {
    /// The directory
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: OsString,

    #[command(flatten)]
    reading: Reading,

    /// Begin anew: read every file, and move what a synced directory remembers aside, into its `.alike`. The next sync joins
    /// both sides as if they had never met, and deletes nothing
    #[arg(long, conflicts_with = "quick")]
    rebuild: bool,

    /// Write no cache of hashes; an existing one is still read
    #[arg(long, help_heading = "What is compared")]
    no_cache: bool,

    #[command(flatten)]
    voice: Voice,
}

impl Index {
    pub fn run(self) -> Exit {
        let job = match self.meant() {
            Ok(job) => job,
            Err(failure) => return failure.tell(&mut Output::standard(self.voice.color)),
        };
        if let Err(failure) = loan::take(&job.root) {
            return failure.tell(&mut Output::standard(self.voice.color));
        }
        let explain = |error: &sync::error::Error| hint::explain(error, Asked::Directory);
        Session::new(&self.voice, self.form()).single(explain, |report| sync::index::run(&job, report))
    }

    fn meant(&self) -> Result<sync::job::Index, Failure> {
        let root = location::local(&self.root, "index")?;
        let mut reading = self.reading.meant()?;
        // What is built anew is read anew.
        reading.checksum |= self.rebuild;
        Ok(sync::job::Index { root, reading, cache: !self.no_cache, forget: self.rebuild })
    }

    fn form(&self) -> Box<dyn Form> {
        let quick = self.reading.is_quick();
        if self.voice.json {
            return Box::new(Json { verb: "index", direction: Direction::Right, dry_run: false, quick });
        }
        let Voice { quiet, stats, .. } = self.voice;
        Box::new(Text { listing: Listing::Nothing, quiet, stats, direction: Direction::Right, quick })
    }
}
