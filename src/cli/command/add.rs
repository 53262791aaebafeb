//! `alike add DIR --name NAME`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::manner::Manner;
use crate::cli::location;
use crate::cli::output::Output;
use crate::daemon::config::{Role, ShareName, Shared, edit};

/// Make a directory a share, which the daemon keeps alike with its members
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "This device is the share's founder and first member; `alike invite NAME` takes in others. Nothing in the \
        directory changes but for `.alike`, where its memory is. It can be added while no daemon runs."
)]
pub struct Add {
    /// The directory
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    root: OsString,

    /// What the share is called: letters, digits, `-`, `_` and `.`
    #[arg(long)]
    name: ShareName,

    /// What this device does: rw, send (its changes go out, none come in) or receive (the reverse)
    #[arg(long, default_value = "rw")]
    role: Role,

    #[command(flatten)]
    manner: Manner,
}

impl Add {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let ended = self.add(&mut output);
        asking::ended(ended, &mut output)
    }

    fn add(&self, output: &mut Output) -> Result<Exit, Failure> {
        let typed = location::local(&self.root, "add")?;
        let missing = |error: std::io::Error| {
            Failure::new(Exit::Root, format!("cannot open the directory `{}`", typed.display())).caused_by(&error)
        };
        let root = typed.canonicalize().map_err(missing)?;
        if !root.is_dir() {
            return Err(Failure::new(Exit::Root, format!("`{}` is no directory", typed.display())));
        }
        let shared = Shared { root, role: self.role, paused: false };
        asking::configure(output, |path, text| edit::add(path, text, &self.name, &shared))?;
        self.manner.say(output, format_args!("`{}` is the share `{}`", shared.root.display(), self.name));
        Ok(Exit::Alike)
    }
}
