//! `alike trash list DIR`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::{Entries, Teller, Words, local};
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::quantity;
use crate::sync;

/// List what is in the trash of a directory
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "One line an entry, what went first at first: when the run began that put it there (UTC), its size, the \
        path that it had. What is in a directory that was deleted as a whole is listed too."
)]
pub struct List {
    /// The directory
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: OsString,

    #[command(flatten)]
    words: Words,
}

impl List {
    pub fn run(self) -> Exit {
        let root = match local(&self.root) {
            Ok(root) => root,
            Err(failure) => return failure.tell(&mut Output::standard(self.words.color)),
        };
        let mut teller = Teller::new(&self.words, "trash list", Entries::Listed);
        let ended = sync::trash::list(&root, &mut |told| teller.told(&told));
        teller.finish(ended, |sum| match sum.entries {
            0 => "the trash is empty".into(),
            count => {
                let runs = quantity::count(sum.runs, "run");
                format!("{}, {}, from {runs}", quantity::entries(count), quantity::bytes(sum.bytes))
            }
        })
    }
}
