//! `alike revert NAME`.

use clap::Args;

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::manner::Manner;
use crate::cli::output::Output;
use crate::daemon::config::ShareName;
use crate::daemon::control::Ask;

/// Let go of what was changed here alone, of a share that only receives
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "`alike status` lists what was changed here alone. What the share holds is put in its place; what stands \
        there goes to the trash: `alike trash` gets it back."
)]
pub struct Revert {
    /// The share
    name: ShareName,

    #[command(flatten)]
    manner: Manner,
}

impl Revert {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let ended = self.revert(&mut output);
        asking::ended(ended, &mut output)
    }

    fn revert(&self, output: &mut Output) -> Result<Exit, Failure> {
        asking::ask(&Ask::Revert { share: self.name.clone() }, output)?;
        self.manner.say(output, format_args!("`{}` shows what the others have", self.name));
        Ok(Exit::Alike)
    }
}
