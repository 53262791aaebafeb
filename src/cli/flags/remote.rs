//! How the other machine is reached.

use std::time::Duration;

use clap::{Args, ValueHint};

use crate::sync::job::Remote as Meant;

/// Flags about the far side.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reaching the other machine")]
pub struct Remote {
    /// The ssh command, with its options
    #[arg(short = 'e', long, value_name = "SSH", default_value = "ssh", value_hint = ValueHint::CommandString)]
    rsh: String,

    /// The program to start on the far side
    #[arg(long, value_name = "PROGRAM", default_value = "alike")]
    remote_bin: String,

    /// Give up on a peer that is silent for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
}

impl Remote {
    /// What the job is asked.
    pub fn meant(&self) -> Meant {
        Meant {
            command: self.rsh.clone(),
            program: self.remote_bin.clone(),
            timeout: self.timeout.map(Duration::from_secs),
        }
    }
}
