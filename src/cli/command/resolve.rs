//! `alike resolve DIR PATTERN --keep ...`.

use std::ffi::OsString;
use std::str::FromStr;

use clap::{Args, ValueHint};

use crate::cli::exit::Exit;
use crate::cli::flags::voice::Voice;
use crate::cli::hint::{self, Asked};
use crate::cli::loan;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::told::form::Ending;
use crate::sync::job::Writing;
use crate::sync::{self, job};

/// Settle conflicts: say which version stays
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "What does not stay goes to the trash. `both` makes an ordinary file of every copy: \
        `name.kept-1a2b3c4d.ext`. A digest or a replica is named by its first digits, as `alike conflicts` prints them; \
        where they name no version of a matching path, or several, nothing is changed at all. The other replicas learn \
        what was decided when they are synced. The exit status is 1 while any conflict remains."
)]
pub struct Resolve {
    /// A directory that is synced
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: OsString,

    /// Which conflicts: a path as `alike conflicts` prints it, or a gitignore pattern; `*` is all
    pattern: OsString,

    /// What stays: plain (what has the plain name), newest, oldest, both, or the first digits of a digest or a replica
    #[arg(long, value_name = "WHICH")]
    keep: Keep,

    /// Change nothing; print what a run would do
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Keep nothing of what is given up
    #[arg(long)]
    no_trash: bool,

    #[command(flatten)]
    voice: Voice,
}

impl Resolve {
    pub fn run(self) -> Exit {
        let root = match loan::local(&self.root, "resolve") {
            Ok(root) => root,
            Err(failure) => return failure.tell(&mut Output::standard(self.voice.color)),
        };
        let writing = Writing { dry_run: self.dry_run, trash: !self.no_trash, ..Writing::default() };
        let job = job::Resolve { root, pattern: self.pattern, keep: self.keep.0, writing };
        Session::new(&self.voice, self.voice.of_root("resolve", self.dry_run)).run(
            |error| hint::explain(error, Asked::Directory),
            |report| sync::conflicts::resolve(&job, report),
            |form, out, summary| {
                form.ending(out, Ending::Alone(summary));
                let exit = if summary.conflicts == 0 { Exit::Alike } else { Exit::Differ };
                exit.worst(Exit::from_code(summary.problem_exit))
            },
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Keep(job::Keep);

impl FromStr for Keep {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Keep, &'static str> {
        let is_hex = !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text {
            "plain" => Ok(Keep(job::Keep::Plain)),
            "newest" => Ok(Keep(job::Keep::Newest)),
            "oldest" => Ok(Keep(job::Keep::Oldest)),
            "both" => Ok(Keep(job::Keep::Both)),
            digits if is_hex => Ok(Keep(job::Keep::Named(digits.into()))),
            _ => Err("it takes plain, newest, oldest, both, or hexadecimal digits of a digest or a replica"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_is_a_word_or_digits() {
        assert_eq!("both".parse(), Ok(Keep(job::Keep::Both)));
        assert_eq!("1A2b".parse(), Ok(Keep(job::Keep::Named("1A2b".into()))));
        for wrong in ["", "mine", "12g", &"a".repeat(65)] {
            assert!(wrong.parse::<Keep>().is_err(), "{wrong}");
        }
    }
}
