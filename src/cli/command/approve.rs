//! `alike approve NAME`.

use clap::Args;

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::manner::Manner;
use crate::cli::flags::writing::MaxDelete;
use crate::cli::output::Output;
use crate::daemon::config::ShareName;
use crate::daemon::control::{Answer, Ask};
use crate::model::plan::guard::Limit;

/// Let deletes through that the guard holds back
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "`alike status` tells of deletes that are held. They are carried over once; later ones are judged anew."
)]
pub struct Approve {
    /// The share
    name: ShareName,

    /// How many are meant: a number, or a part such as 30%; without it all that are held
    #[arg(long, value_name = "N|N%")]
    max_delete: Option<MaxDelete>,

    #[command(flatten)]
    manner: Manner,
}

impl Approve {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let ended = self.approve(&mut output);
        asking::ended(ended, &mut output)
    }

    fn approve(&self, output: &mut Output) -> Result<Exit, Failure> {
        let limit = self.max_delete.map_or(Limit::Percent(100), |meant| meant.0);
        let answer = asking::ask(&Ask::Approve { share: self.name.clone(), limit }, output)?;
        match answer {
            Answer::Done { message: Some(message) } => self.manner.say(output, format_args!("{message}")),
            _ => self.manner.say(output, format_args!("the deletes of `{}` go through", self.name)),
        }
        Ok(Exit::Alike)
    }
}
