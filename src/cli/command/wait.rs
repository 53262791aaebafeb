//! `alike wait [NAME]`.

use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::manner::Manner;
use crate::cli::output::Output;
use crate::daemon::config::{ShareName, duration};
use crate::daemon::control::{Answer, Ask, Client, ClientError, DEADLINE, Heard, SILENT};
use crate::daemon::place::Place;

/// Wait until all members hold and show the same
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "The exit status is 0 once it is so, and 30 where it was not within the time-out; then it says what is missing."
)]
pub struct Wait {
    /// The share; without it all of them
    name: Option<ShareName>,

    /// Give up after this long: 500ms, 30s, 5m
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    timeout: Option<Duration>,

    /// Members that are down do not count
    #[arg(long)]
    live: bool,

    #[command(flatten)]
    manner: Manner,
}

impl Wait {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let ended = self.wait(&mut output);
        asking::ended(ended, &mut output)
    }

    fn wait(&self, output: &mut Output) -> Result<Exit, Failure> {
        let failed = |error: &ClientError| asking::failed(error);
        let until = self.timeout.map(|timeout| Instant::now() + timeout);
        let place = Place::from_environment().map_err(|error| failed(&error.into()))?;
        let mut client = Client::connect(&place).map_err(|error| failed(&error))?;
        client.ask(&Ask::Wait { share: self.name.clone(), live: self.live }).map_err(|error| failed(&error))?;
        let mut why = "the daemon has not said how it stands".to_owned();
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Failure::new(Exit::TimedOut, "it is not alike yet".into()).because(&why));
            }
            match client.within(left.unwrap_or(DEADLINE).min(DEADLINE)).map_err(|error| failed(&error))? {
                Heard::Said(Answer::Waiting { what }) => {
                    if what != why && !self.manner.quiet {
                        output.complain(&what);
                    }
                    why = what;
                }
                Heard::Said(_) => return Ok(Exit::Alike),
                Heard::All => return Err(failed(&ClientError::Lost(std::io::ErrorKind::UnexpectedEof.into()))),
                // The time is over, or nothing comes of the daemon.
                Heard::Nothing if self.manner.quiet || left.is_some_and(|left| left <= DEADLINE) => {}
                Heard::Nothing => output.complain(format_args!("waiting for {SILENT}")),
            }
        }
    }
}
