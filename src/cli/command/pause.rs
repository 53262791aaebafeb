//! `alike pause NAME` and `alike resume NAME`.

use clap::Args;

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::flags::manner::Manner;
use crate::cli::output::Output;
use crate::daemon::config::{ShareName, edit};

/// Let a share rest: it is neither looked at nor met, until `alike resume`
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Pause {
    /// The share
    name: ShareName,

    #[command(flatten)]
    manner: Manner,
}

/// Go on with a share that rests
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Resume {
    /// The share
    name: ShareName,

    #[command(flatten)]
    manner: Manner,
}

impl Pause {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let paused = asking::configure(&mut output, |path, text| edit::pause(path, text, &self.name, edit::Rests::Yes));
        let ended = paused.map(|()| {
            self.manner.say(&mut output, format_args!("`{}` is paused", self.name));
            Exit::Alike
        });
        asking::ended(ended, &mut output)
    }
}

impl Resume {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let resumed = asking::configure(&mut output, |path, text| edit::pause(path, text, &self.name, edit::Rests::No));
        let ended = resumed.map(|()| {
            self.manner.say(&mut output, format_args!("`{}` goes on", self.name));
            Exit::Alike
        });
        asking::ended(ended, &mut output)
    }
}
