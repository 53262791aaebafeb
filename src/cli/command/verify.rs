//! `alike verify DIR`.

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, ValueHint};

use crate::cli::exit::Exit;
use crate::cli::flags::voice::Voice;
use crate::cli::hint::{self, Asked};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::told::form::Ending;
use crate::cli::{asking, location};
use crate::daemon::control::{Answer, ClientError, verified};
use crate::model::RelPath;
use crate::sync::job;
use crate::sync::report::{Event, Report, Side};
use crate::sync::verify::{self, Checked};

/// Read every file again, and tell which have rotted
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "A file has rotted where its bytes changed and its size, times and inode did not: nobody wrote it. Where the \
        daemon keeps the directory, it fetches such files from a member that has them, and what stands here goes to the \
        trash. The exit status is 23 where a file has rotted and was not put right. Files that were never hashed before are \
        hashed for the next time."
)]
pub struct Verify {
    /// The directory
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: OsString,

    #[command(flatten)]
    voice: Voice,
}

impl Verify {
    pub fn run(self) -> Exit {
        let root = match location::local(&self.root, "verify") {
            Ok(root) => root,
            Err(failure) => return failure.tell(&mut Output::standard(self.voice.color)),
        };
        // Before the daemon is asked, which may take as long as the job does: Ctrl-C ends that as well.
        let session = Session::new(&self.voice, self.voice.of_root("verify", false));
        let quiet = self.voice.quiet || self.voice.json;
        let kept = match of_daemon(&root, quiet, &self.voice) {
            Ok(kept) => kept,
            Err(error) => return asking::failed(&error).tell(&mut Output::standard(self.voice.color)),
        };
        let job = job::Verify { root, reading: job::Reading::default(), cache: true };
        session.run(
            |error| hint::explain(error, Asked::Directory),
            |report| match kept {
                Some(kept) => Ok(told(&job.root, kept, report)),
                None => verify::run(&job, report),
            },
            |form, out, checked| {
                form.ending(out, Ending::Verified(checked));
                Exit::Alike
            },
        )
    }
}

/// What the daemon says, where it keeps the directory.
fn of_daemon(root: &Path, quiet: bool, voice: &Voice) -> Result<Option<Answer>, ClientError> {
    let mut output = Output::standard(voice.color);
    let mut told = quiet;
    let mut waiting = |what: &str| {
        if !std::mem::replace(&mut told, true) {
            output.complain(format_args!("waiting for {what}"));
        }
    };
    verified(root, &mut waiting)
}

/// Tells the daemon's answer as the job would have told it.
fn told(root: &Path, kept: Answer, report: &mut dyn Report) -> Checked {
    report.event(Event::Header { left: &root.display().to_string(), right: "" });
    let Answer::Verified { files, bytes, rotten, healed } = kept else { return Checked::default() };
    for path in &healed {
        report.event(Event::Note(&format!("`{path}` had rotted, and was put right from a member that has it")));
    }
    for path in rotten.iter().filter_map(|path| RelPath::new(path.as_bytes()).ok()) {
        report.event(Event::Problem(&verify::problem(&path), Side::Left));
    }
    let count = |paths: &Vec<String>| paths.len() as u64;
    Checked { files, bytes, rotten: count(&rotten) + count(&healed), healed: count(&healed) }
}
