//! `alike trash empty DIR`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::{Entries, Teller, Words, local};
use crate::cli::exit::Exit;
use crate::cli::flags::moment::Moment;
use crate::cli::output::Output;
use crate::cli::quantity;
use crate::sync;

/// Remove what is in the trash for good
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Empty {
    /// The directory
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: OsString,

    /// Only what went before: 7d, 12h, or a date
    #[arg(long, value_name = "AGE")]
    older_than: Option<Moment>,

    #[command(flatten)]
    words: Words,
}

impl Empty {
    pub fn run(self) -> Exit {
        let root = match local(&self.root) {
            Ok(root) => root,
            Err(failure) => return failure.tell(&mut Output::standard(self.words.color)),
        };
        let before = self.older_than.map_or(u64::MAX, Moment::seconds);
        let mut teller = Teller::new(&self.words, "trash empty", Entries::Listed);
        let ended = sync::trash::empty(&root, before, &mut |told| teller.told(&told));
        let ended = ended.map(|removed| (teller.sum.runs, teller.sum.bytes) = (removed.runs, removed.bytes));
        teller.finish(ended, |sum| match sum.runs {
            0 => "nothing to remove".into(),
            runs => format!("{} removed, {}", quantity::count(runs, "run"), quantity::bytes(sum.bytes)),
        })
    }
}
