//! `alike serve --stdio`: what ssh starts on the far side.

use clap::{ArgAction, Args};

use crate::cli::exit::Exit;
use crate::cli::hint::{self, Asked};
use crate::cli::loan;
use crate::cli::output::Output;
use crate::cli::paint::Color;
use crate::sync;

/// Serve one conversation over standard input and output
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Serve {
    /// Speak over standard input and output
    #[arg(long, required = true)]
    stdio: bool,

    /// Print help
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl Serve {
    pub fn run(self) -> Exit {
        match sync::serve::run(&loan::served) {
            Ok(()) => Exit::Alike,
            // Standard error is the only stream that is free: ssh carries it to the person at the other end.
            Err(error) => hint::explain(&error, Asked::Directory).tell(&mut Output::standard(Color::Never)),
        }
    }
}
