//! `alike log DIR [PATH]`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::exit::Exit;
use crate::cli::flags::voice::Voice;
use crate::cli::hint::{self, Asked};
use crate::cli::loan;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::told::form::Ending;
use crate::sync::{self, job};

/// Print which replica wrote what
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "One line a version: the how-manieth write of its replica it was, the replica's first digits, its time \
        and size, the first digits of its digest, and the path. `here` is this directory's own replica. Only what is \
        present is known: versions that were replaced or deleted have no line. It prints what the last sync saw; \
        nothing is scanned."
)]
pub struct Log {
    /// A directory that is synced
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: OsString,

    /// A path below it: a file, or a directory with all that it holds
    path: Option<PathBuf>,

    #[command(flatten)]
    voice: Voice,
}

impl Log {
    pub fn run(self) -> Exit {
        let root = match loan::local(&self.root, "log") {
            Ok(root) => root,
            Err(failure) => return failure.tell(&mut Output::standard(self.voice.color)),
        };
        let job = job::Log { root, path: self.path };
        Session::new(&self.voice, self.voice.of_root("log", false)).run(
            |error| hint::explain(error, Asked::Directory),
            |report| sync::log::run(&job, report),
            |form, out, &count| {
                form.ending(out, Ending::Counted { noun: "version", count });
                Exit::Alike
            },
        )
    }
}
