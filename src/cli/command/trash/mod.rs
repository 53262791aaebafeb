//! `alike trash list|restore|empty`: one file each; what they say in the same way is here.

mod empty;
mod list;
mod restore;

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand};
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hint::{self, Asked};
use crate::cli::loan;
use crate::cli::output::Output;
use crate::cli::paint::{Color, safe};
use crate::cli::quantity;
use crate::cli::told::json;
use crate::model::date::Date;
use crate::model::{Kind, Problem};
use crate::sync::error::Error;
use crate::sync::trash::{Thrown, Told};

/// List, restore or remove what was overwritten or deleted
#[derive(Debug, Args)]
#[command(disable_help_flag = true, arg_required_else_help = true, subcommand_required = true)]
pub struct Trash {
    #[command(subcommand)]
    verb: Verb,

    /// Print help
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::List),
    Restore(restore::Restore),
    Empty(empty::Empty),
}

impl Trash {
    pub fn run(self) -> Exit {
        match self.verb {
            Verb::List(list) => list.run(),
            Verb::Restore(restore) => restore.run(),
            Verb::Empty(empty) => empty.run(),
        }
    }
}

/// How much is said, and in which form.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
struct Words {
    /// Say nothing but what went wrong
    #[arg(short, long)]
    quiet: bool,

    /// Print JSON, one object a line, and nothing else on standard output
    #[arg(long)]
    json: bool,

    /// Use colour on a terminal (auto, unless `NO_COLOR` is set), always or never
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: Color,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Which event an entry of the trash is told as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entries {
    /// It is there.
    Listed,
    /// It came back.
    Restored,
}

/// Says what a job on a trash tells, and sums it up.
struct Teller<'w> {
    words: &'w Words,
    verb: &'static str,
    entries: Entries,
    output: Output,
    worst: Exit,
    sum: Sum,
    last_run: Option<std::sync::Arc<str>>,
}

/// What it came to.
#[derive(Debug, Default, Serialize)]
struct Sum {
    entries: u64,
    bytes: u64,
    runs: u64,
    problems: u64,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Event<'a> {
    Header {
        verb: &'static str,
        left: &'a str,
    },
    Trash(Entry<'a>),
    Action {
        op: &'static str,
        side: &'static str,
        #[serde(flatten)]
        entry: Entry<'a>,
    },
    Problem {
        path: std::borrow::Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_b64: Option<String>,
        kind: &'static str,
        cause: &'a str,
        side: &'static str,
    },
    Summary(&'a Sum),
}

#[derive(Serialize)]
struct Entry<'a> {
    path: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    kind: &'static str,
    bytes: u64,
    run: &'a str,
    at: String,
    mtime: i64,
    mtime_ns: u32,
}

impl<'w> Teller<'w> {
    fn new(words: &'w Words, verb: &'static str, entries: Entries) -> Teller<'w> {
        let (sum, last_run) = (Sum::default(), None);
        Teller { words, verb, entries, output: Output::standard(words.color), worst: Exit::Alike, sum, last_run }
    }

    fn told(&mut self, told: &Told<'_>) {
        match *told {
            Told::Root(root) => {
                let left = root.display().to_string();
                self.say(&Event::Header { verb: self.verb, left: &left }, || safe(&left).into_owned());
            }
            Told::Entry(thing) => self.entry(thing),
            Told::Problem(problem) => self.problem(problem),
        }
    }

    fn entry(&mut self, thing: &Thrown) {
        self.sum.entries += 1;
        self.sum.bytes += thing.bytes;
        if self.last_run.as_ref() != Some(&thing.run) {
            self.sum.runs += u64::from(self.entries == Entries::Listed);
            self.last_run = Some(std::sync::Arc::clone(&thing.run));
        }
        let at = Date::of_seconds(thing.at).to_string();
        let line = || {
            let slash = if thing.kind == Kind::Directory { "/" } else { "" };
            let size = if thing.kind == Kind::File { quantity::bytes(thing.bytes) } else { kind(thing.kind).into() };
            format!("{at}  {size:>9}  {}{slash}", thing.path)
        };
        let entry = Entry {
            path: json::text(&thing.path),
            path_b64: json::raw(&thing.path),
            kind: kind(thing.kind),
            bytes: thing.bytes,
            run: &thing.run,
            at: at.clone(),
            mtime: thing.mtime.secs,
            mtime_ns: thing.mtime.nanos,
        };
        let event = match self.entries {
            Entries::Listed => Event::Trash(entry),
            Entries::Restored => Event::Action { op: "restore", side: "left", entry },
        };
        self.say(&event, line);
    }

    fn problem(&mut self, problem: &Problem) {
        self.sum.problems += 1;
        self.worst = self.worst.worst(Exit::of_problem(problem.kind));
        let Problem { path, kind, cause } = problem;
        if self.words.json {
            let (path, path_b64) = (json::text(path), json::raw(path));
            let event = Event::Problem { path, path_b64, kind: json::class(*kind), cause, side: "left" };
            json::write(&mut self.output, &event);
        } else if path.as_ref().is_root() {
            self.output.error(safe(cause));
        } else {
            self.output.error(format_args!("`{path}`: {}", safe(cause)));
        }
    }

    fn say(&mut self, event: &Event<'_>, line: impl FnOnce() -> String) {
        if self.words.json {
            json::write(&mut self.output, event);
        } else if !self.words.quiet {
            self.output.line(line());
        }
    }

    /// The last line, and how the process ends.
    fn finish(mut self, ended: Result<(), Error>, last: impl FnOnce(&Sum) -> String) -> Exit {
        if let Err(error) = ended {
            self.output.flush();
            return self.worst.worst(hint::explain(&error, Asked::Directory).tell(&mut self.output));
        }
        let sum = std::mem::take(&mut self.sum);
        self.say(&Event::Summary(&sum), || last(&sum));
        self.output.flush();
        self.worst
    }
}

/// The directory, which must be on this machine.
fn local(root: &OsStr) -> Result<PathBuf, Failure> {
    loan::local(root, "trash")
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Symlink => "link",
        Kind::Fifo => "fifo",
        Kind::BlockDevice | Kind::CharDevice => "device",
        Kind::Socket => "socket",
        Kind::Unreadable => "unreadable",
    }
}
