//! `alike remove NAME`.

use clap::Args;

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::manner::Manner;
use crate::cli::output::Output;
use crate::daemon::config::{ShareName, edit};
use crate::daemon::place::Place;

/// Keep a share no longer; its directory stays as it is
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "The other members keep it, and keep this device on their list: `alike forget` there takes it off. To take \
        part again this device needs a ticket. What is remembered in the directory's `.alike` stays; delete it to make an ordinary directory of it."
)]
pub struct Remove {
    /// The share
    name: ShareName,

    #[command(flatten)]
    manner: Manner,
}

impl Remove {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let removed = asking::configure(&mut output, |path, text| edit::remove(path, text, &self.name));
        // Nobody keeps the list any more: else a directory that is added under the name would be the old share's.
        let forgotten = removed.and_then(|()| {
            let dropped = Place::from_environment().and_then(|place| place.drop_members(&self.name));
            dropped.map_err(|error| Failure::new(Exit::Root, error.to_string()))
        });
        let ended = forgotten.map(|()| {
            self.manner.say(&mut output, format_args!("`{}` is kept no longer; its directory stays", self.name));
            Exit::Alike
        });
        asking::ended(ended, &mut output)
    }
}
