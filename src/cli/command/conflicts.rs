//! `alike conflicts DIR`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::cli::exit::Exit;
use crate::cli::flags::voice::Voice;
use crate::cli::hint::{self, Asked};
use crate::cli::loan;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::told::form::Ending;
use crate::sync::{self, job};

/// List the paths of which there is more than one version
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Of each version: the first digits of the replica that wrote it, its time and size, the first digits of \
        its digest, and the name on disk that shows it. `here` is this directory's own replica. The exit status is 1 \
        while any conflict remains. `alike resolve` settles them; so does deleting a copy, or moving one over the plain \
        file."
)]
pub struct Conflicts {
    /// A directory that is synced
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: OsString,

    #[command(flatten)]
    voice: Voice,
}

impl Conflicts {
    pub fn run(self) -> Exit {
        let root = match loan::local(&self.root, "conflicts") {
            Ok(root) => root,
            Err(failure) => return failure.tell(&mut Output::standard(self.voice.color)),
        };
        let job = job::Conflicts { root };
        Session::new(&self.voice, self.voice.of_root("conflicts", false)).run(
            |error| hint::explain(error, Asked::Directory),
            |report| sync::conflicts::list(&job, report),
            |form, out, listed| {
                form.ending(out, Ending::Counted { noun: "conflict", count: listed.conflicts });
                let exit = if listed.conflicts == 0 { Exit::Alike } else { Exit::Differ };
                exit.worst(Exit::from_code(listed.problem_exit))
            },
        )
    }
}
