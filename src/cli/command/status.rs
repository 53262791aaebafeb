//! `alike status`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::manner::Manner;
use crate::cli::output::Output;
use crate::cli::told::standing;
use crate::daemon::config::ShareName;
use crate::daemon::control::status::Status as Now;
use crate::daemon::control::{Answer, Ask, Client, ClientError};
use crate::daemon::place::Place;
use crate::daemon::web::page;

/// Tell what is alike, who lacks what, and why
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "The exit status is 0 where every share that is told of is alike on all members, else 1."
)]
pub struct Status {
    /// The share; without it all of them
    name: Option<ShareName>,

    /// Tell it again whenever it changes, until Ctrl-C
    #[arg(short, long)]
    watch: bool,

    /// Write a page that shows it to this file, instead of printing it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["json", "watch"])]
    html: Option<PathBuf>,

    /// Print JSON, one object a line: first the daemon, then each share
    #[arg(long, help_heading = "Output")]
    json: bool,

    #[command(flatten)]
    manner: Manner,
}

impl Status {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let ended = if self.watch { self.follow(&mut output) } else { self.once(&mut output) };
        asking::ended(ended, &mut output)
    }

    fn once(&self, output: &mut Output) -> Result<Exit, Failure> {
        let status = asking::status(output)?;
        let Some(file) = &self.html else { return self.tell(&status, output) };
        let page = page::render(&status, &[], page::Life::Still);
        std::fs::write(file, page).map_err(|error| {
            Failure::new(Exit::Root, format!("cannot write `{}`", file.display())).caused_by(&error)
        })?;
        Ok(if status.shares.iter().all(|share| share.alike) { Exit::Alike } else { Exit::Differ })
    }

    fn follow(&self, output: &mut Output) -> Result<Exit, Failure> {
        let failed = |error: &ClientError| asking::failed(error);
        let place = Place::from_environment().map_err(|error| failed(&error.into()))?;
        let mut client = Client::connect(&place).map_err(|error| failed(&error))?;
        client.ask(&Ask::Status { watch: true }).map_err(|error| failed(&error))?;
        // Ages change by themselves, so a daemon that lives says something every second or so.
        while let Some(answer) = asking::heard(&mut client, output)? {
            let Answer::Status(status) = answer else { return Err(asking::astray()) };
            if !self.json {
                output.fresh();
            }
            self.tell(&status, output)?;
            output.flush();
            if output.failure().is_some() {
                return Ok(Exit::Alike);
            }
        }
        Err(failed(&ClientError::Lost(std::io::ErrorKind::UnexpectedEof.into())))
    }

    fn tell(&self, status: &Now, output: &mut Output) -> Result<Exit, Failure> {
        let meant = |share: &&crate::daemon::control::status::ShareNow| {
            self.name.as_ref().is_none_or(|name| share.name == *name)
        };
        let shares: Vec<_> = status.shares.iter().filter(meant).collect();
        if let Some(name) = self.name.as_ref().filter(|_| shares.is_empty()) {
            return Err(Failure::usage(format!("there is no share `{name}`")).hint("`alike status` lists the shares"));
        }
        if self.json {
            output.line(object(json!(status.daemon), "daemon"));
            shares.iter().for_each(|share| output.line(object(json!(share), "share")));
        } else if !self.manner.quiet {
            standing::tell(&status.daemon, &shares, output);
        }
        Ok(if shares.iter().all(|share| share.alike) { Exit::Alike } else { Exit::Differ })
    }
}

fn object(mut object: serde_json::Value, kind: &str) -> serde_json::Value {
    object["v"] = 1.into();
    object["type"] = kind.into();
    object
}
