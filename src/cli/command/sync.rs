//! `alike sync LEFT RIGHT`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::mirror::Between;
use crate::cli::exit::Exit;
use crate::cli::flags::prefer::Prefer;
use crate::cli::flags::voice::Voice;
use crate::cli::hint::{self, Asked};
use crate::cli::loan;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::told::form::{Direction, Form};
use crate::cli::told::json::Json;
use crate::cli::told::text::{Listing, Text};
use crate::sync::{self, report::Summary};

/// Make LEFT and RIGHT agree: changes go both ways
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Edits and deletes on either side reach the other. Where both sides changed a file, both versions are \
        kept: one has the plain name, the other stands beside it as `name.conflict-1a2b3c4d.ext`. What is replaced or \
        deleted goes to the trash of its side. What each side has seen is remembered in its `.alike`."
)]
pub struct Sync {
    /// A directory: a path, [user@]host:path or alike://MEMBER/SHARE
    #[arg(value_hint = ValueHint::AnyPath)]
    left: OsString,

    /// Another directory: a path, [user@]host:path or alike://MEMBER/SHARE
    #[arg(value_hint = ValueHint::AnyPath)]
    right: OsString,

    #[command(flatten)]
    between: Between,

    #[command(flatten)]
    prefer: Prefer,

    /// Print each change as rsync's eleven characters
    #[arg(short, long, help_heading = "Output")]
    itemize: bool,

    #[command(flatten)]
    voice: Voice,
}

impl Sync {
    pub fn run(self) -> Exit {
        match self.between.sync(&self.left, &self.right) {
            Ok(job) => sync(&sync::job::Sync { prefer: self.prefer.meant(), ..job }, &self.voice, self.form()),
            Err(failure) => failure.tell(&mut Output::standard(self.voice.color)),
        }
    }

    fn form(&self) -> Box<dyn Form> {
        let dry_run = self.between.writing.is_dry_run();
        let (quick, direction) = (self.between.reading.is_quick(), Direction::Both);
        if self.voice.json {
            return Box::new(Json { verb: "sync", direction, dry_run, quick });
        }
        let listing = match (self.itemize, dry_run || self.voice.verbose > 0) {
            (true, _) => Listing::Items,
            (false, true) => Listing::Marks,
            (false, false) => Listing::Nothing,
        };
        Box::new(Text { listing, quiet: self.voice.quiet, stats: self.voice.stats, direction, quick })
    }
}

/// Runs the job of a sync or of its diff.
pub fn sync(job: &sync::job::Sync, voice: &Voice, form: Box<dyn Form>) -> Exit {
    if let Err(failure) = loan::of_job(&[&job.left, &job.right]) {
        return failure.tell(&mut Output::standard(voice.color));
    }
    Session::new(voice, form).pair(
        |summary| verdict(job, summary),
        |error| hint::explain(error, Asked::Sync),
        |report| sync::twoway::run(job, report),
    )
}

/// Whether the two agree, and no conflict waits for anybody.
fn verdict(job: &sync::job::Sync, summary: &Summary) -> Exit {
    let done = !job.writing.dry_run || summary.totals == Default::default();
    if summary.conflicts == 0 && done { Exit::Alike } else { Exit::Differ }
}
