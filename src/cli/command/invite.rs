//! `alike invite NAME`.

use clap::Args;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::json;

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::manner::Manner;
use crate::cli::output::Output;
use crate::daemon::config::{Role, ShareName};
use crate::daemon::control::{Answer, Ask};

/// Print a ticket with which one other device can join a share
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "On the other device: `alike join TICKET DIR`, while its daemon runs. A ticket is used once, within 10 \
        minutes, and three wrong tries end it. Whoever has it can join: show it to nobody else."
)]
pub struct Invite {
    /// The share
    name: ShareName,

    /// What the other device may do: rw, send or receive
    #[arg(long, default_value = "rw")]
    role: Role,

    /// Print it as a QR code as well
    #[arg(long, conflicts_with = "json")]
    qr: bool,

    /// Print JSON, one object
    #[arg(long, help_heading = "Output")]
    json: bool,

    #[command(flatten)]
    manner: Manner,
}

impl Invite {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let ended = self.invite(&mut output);
        asking::ended(ended, &mut output)
    }

    fn invite(&self, output: &mut Output) -> Result<Exit, Failure> {
        let ask = Ask::Invite { share: self.name.clone(), role: self.role };
        let Answer::Invited { ticket, seconds } = asking::ask(&ask, output)? else {
            return Err(asking::astray());
        };
        if self.json {
            output.line(json!({"v": 1, "type": "invite", "ticket": ticket, "seconds": seconds}));
            return Ok(Exit::Alike);
        }
        if self.qr {
            // Upper case takes fewer dots, and is as good.
            let code = QrCode::new(ticket.to_uppercase());
            let code = code.map_err(|_| Failure::new(Exit::Usage, "the ticket is too long for a QR code".into()))?;
            output.line(code.render::<Dense1x2>().build());
        }
        output.line(&ticket);
        if !self.manner.quiet {
            output.complain(format_args!("for one device, within {} minutes: `alike join TICKET DIR`", seconds / 60));
        }
        Ok(Exit::Alike)
    }
}
