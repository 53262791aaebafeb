//! `alike forget PEER`.

use clap::Args;

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::manner::Manner;
use crate::cli::output::Output;
use crate::daemon::config::ShareName;
use crate::daemon::control::{Answer, Ask};

/// Take a member off: it gets nothing more
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "The other members learn it as soon as they are met, and let it in no longer. What it wrote before stays, and \
        what it has it keeps. A new ticket takes it in again."
)]
pub struct Forget {
    /// The member: its name, or the first letters of its key, as `alike peers` prints them
    member: String,

    /// Of this share alone; without it of all
    #[arg(long, value_name = "NAME")]
    share: Option<ShareName>,

    #[command(flatten)]
    manner: Manner,
}

impl Forget {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let ended = self.forget(&mut output);
        asking::ended(ended, &mut output)
    }

    fn forget(&self, output: &mut Output) -> Result<Exit, Failure> {
        let ask = Ask::Forget { member: self.member.clone(), share: self.share.clone() };
        if let Answer::Done { message: Some(message) } = asking::ask(&ask, output)? {
            self.manner.say(output, format_args!("{message}"));
        }
        Ok(Exit::Alike)
    }
}
