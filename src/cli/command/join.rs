//! `alike join TICKET DIR`.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::manner::Manner;
use crate::cli::location;
use crate::cli::output::Output;
use crate::daemon::config::ShareName;
use crate::daemon::control::{Answer, Ask};

/// The longest line that may hold a ticket.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// The ticket in the environment.
const VARIABLE: &str = "ALIKE_TICKET";

/// Join a share with a ticket
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Where no ticket is given it is taken from ALIKE_TICKET, or read from standard input: so it need not be on the \
        command line, which others on this machine can see. The directory is made where it is missing; what is in it \
        already is joined with the share, and nothing is deleted."
)]
pub struct Join {
    /// The ticket, and the directory that shall hold the share; or the directory alone
    #[arg(value_name = "TICKET> <DIR", num_args = 1..=2, required = true, value_hint = ValueHint::DirPath)]
    given: Vec<OsString>,

    /// What the share is called here, where not as on the ticket
    #[arg(long)]
    name: Option<ShareName>,

    #[command(flatten)]
    manner: Manner,
}

impl Join {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let ended = self.join(&mut output);
        asking::ended(ended, &mut output)
    }

    fn join(&self, output: &mut Output) -> Result<Exit, Failure> {
        let (ticket, typed) = match &self.given[..] {
            [ticket, directory] => (ticket.to_string_lossy().into_owned(), directory),
            [directory] => (read(output)?, directory),
            _ => return Err(Failure::usage("it takes a ticket and a directory".into())),
        };
        let root = directory(&location::local(typed, "join")?)?;
        let shown = root.display().to_string();
        let ask = Ask::Join { ticket, root, name: self.name.clone() };
        let Answer::Joined { share, role } = asking::ask(&ask, output)? else { return Err(asking::astray()) };
        self.manner.say(output, format_args!("`{shown}` is the share `{share}` ({role})"));
        Ok(Exit::Alike)
    }
}

/// The directory, made where it is missing.
fn directory(typed: &Path) -> Result<PathBuf, Failure> {
    let made = match DirBuilder::new().create(typed) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => typed.canonicalize(),
    };
    let failed = |error: io::Error| {
        Failure::new(Exit::Root, format!("cannot make the directory `{}`", typed.display())).caused_by(&error)
    };
    let root = made.map_err(failed)?;
    if root.is_dir() {
        Ok(root)
    } else {
        Err(Failure::new(Exit::Root, format!("`{}` is no directory", typed.display())))
    }
}

/// The ticket from the environment, or from whoever types.
fn read(output: &mut Output) -> Result<String, Failure> {
    if let Some(ticket) = std::env::var_os(VARIABLE).filter(|ticket| !ticket.is_empty()) {
        return Ok(ticket.to_string_lossy().into_owned());
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        output.complain("ticket (from `alike invite` on the other device):");
    }
    let mut line = String::new();
    let read = io::Read::take(stdin.lock(), LINE_BYTES_MAX).read_line(&mut line);
    match read {
        Ok(_) if !line.trim().is_empty() => Ok(line.trim().to_owned()),
        _ => Err(Failure::usage("no ticket was given".into()).hint("usage: alike join TICKET DIR")),
    }
}
