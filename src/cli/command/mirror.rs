//! `alike mirror SOURCE TARGET`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::reading::Reading;
use crate::cli::flags::remote::Remote;
use crate::cli::flags::rsync::Accepted;
use crate::cli::flags::voice::Voice;
use crate::cli::flags::writing::Writing;
use crate::cli::hint::{self, Asked};
use crate::cli::loan;
use crate::cli::location;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::told::form::{Direction, Form};
use crate::cli::told::json::Json;
use crate::cli::told::text::{Listing, Text};
use crate::sync;
use crate::sync::report::Summary;

/// Make TARGET equal to SOURCE
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "The source is never written to. What only the target has goes to the target's trash, and a guard \
        refuses to send much of it there: `--max-delete` says how much is meant. What rsync's \
        -a -r -l -p -t -H -S -X -A -z -h ask for is on already; they are accepted."
)]
pub struct Mirror {
    /// The directory to copy: a path, [user@]host:path or alike://MEMBER/SHARE
    #[arg(value_hint = ValueHint::AnyPath)]
    source: OsString,

    /// The directory that becomes equal to it: a path, [user@]host:path or alike://MEMBER/SHARE
    #[arg(value_hint = ValueHint::AnyPath)]
    target: OsString,

    #[command(flatten)]
    between: Between,

    /// Print each change as rsync's eleven characters
    #[arg(short, long, help_heading = "Output")]
    itemize: bool,

    #[command(flatten)]
    voice: Voice,
}

/// Flags of every job between two roots.
#[derive(Debug, Clone, Args)]
pub struct Between {
    #[command(flatten)]
    pub reading: Reading,

    #[command(flatten)]
    pub writing: Writing,

    #[command(flatten)]
    pub remote: Remote,

    /// Write no cache of hashes; an existing one is still read
    #[arg(long, help_heading = "What is compared")]
    pub no_cache: bool,

    #[command(flatten)]
    accepted: Accepted,
}

impl Between {
    /// The job that makes the two agree.
    pub fn sync(&self, left: &OsString, right: &OsString) -> Result<sync::job::Sync, Failure> {
        let one_way = [
            ("quick", self.reading.is_quick()),
            ("keep-extra", self.writing.is_keeping()),
            ("delete-excluded", self.writing.is_deleting_excluded()),
        ];
        if let Some((flag, _)) = one_way.iter().find(|(_, typed)| *typed) {
            return Err(Failure::usage(format!("`--{flag}` makes no sense where changes go both ways"))
                .hint("it is for `alike mirror`"));
        }
        let (left, right) = location::pair(left, right)?;
        let (reading, writing) = (self.reading.meant()?, self.writing.meant());
        Ok(sync::job::Sync { left, right, remote: self.remote.meant(), reading, writing, prefer: None })
    }

    /// The job that makes `target` equal to `source`.
    pub fn mirror(&self, source: &OsString, target: &OsString) -> Result<sync::job::Mirror, Failure> {
        let (source, target) = location::pair(source, target)?;
        Ok(sync::job::Mirror {
            source,
            target,
            remote: self.remote.meant(),
            reading: self.reading.meant()?,
            writing: self.writing.meant(),
            cache: !self.no_cache,
        })
    }
}

impl Mirror {
    pub fn run(self) -> Exit {
        match self.between.mirror(&self.source, &self.target) {
            Ok(job) => mirror(&job, &self.voice, self.form()),
            Err(failure) => failure.tell(&mut Output::standard(self.voice.color)),
        }
    }

    fn form(&self) -> Box<dyn Form> {
        let dry_run = self.between.writing.is_dry_run();
        let quick = self.between.reading.is_quick();
        if self.voice.json {
            return Box::new(Json { verb: "mirror", direction: Direction::Right, dry_run, quick });
        }
        let listing = match (self.itemize, dry_run || self.voice.verbose > 0) {
            (true, _) => Listing::Items,
            (false, true) => Listing::Marks,
            (false, false) => Listing::Nothing,
        };
        Box::new(Text { listing, quiet: self.voice.quiet, stats: self.voice.stats, direction: Direction::Right, quick })
    }
}

/// Runs the job of a mirror or of its diff.
pub fn mirror(job: &sync::job::Mirror, voice: &Voice, form: Box<dyn Form>) -> Exit {
    // A source is only read: nobody need let go of it.
    if let Err(failure) = loan::of_job(&[&job.target]) {
        return failure.tell(&mut Output::standard(voice.color));
    }
    let asked = Asked::Mirror { source: &job.source, target: &job.target };
    let session = Session::new(voice, form);
    session.pair(
        |summary| verdict(job, summary),
        |error| hint::explain(error, asked),
        |report| sync::mirror::run(job, report),
    )
}

/// Whether the roots are as was asked. What shall stay or was left out does not count, but what a dry run found to do
/// counts, and so does every problem.
fn verdict(job: &sync::job::Mirror, summary: &Summary) -> Exit {
    let done = !job.writing.dry_run || summary.totals == Default::default();
    let in_part = job.writing.keep_extra || job.reading.one_file_system || !job.reading.filter.is_empty();
    let in_part = in_part || summary.left.ignoring || summary.right.ignoring;
    if summary.alike || (in_part && done) { Exit::Alike } else { Exit::Differ }
}
