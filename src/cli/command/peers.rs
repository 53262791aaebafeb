//! `alike peers`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flags::manner::Manner;
use crate::cli::output::Output;
use crate::cli::paint::safe;
use crate::cli::told::standing;
use crate::daemon::control::status::{Liveness, MemberNow, Status};

/// List the other members, and where they are
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "One line a device: its name, whether it is alive, where it is, the round trip, the first letters of its key, \
        and its shares with what it may do. `--pending` lists devices that called and are no members: they are never let in \
        by themselves; a ticket lets one in."
)]
pub struct Peers {
    /// List devices that called and are no members
    #[arg(long)]
    pending: bool,

    /// Print JSON, one object a line
    #[arg(long, help_heading = "Output")]
    json: bool,

    #[command(flatten)]
    manner: Manner,
}

impl Peers {
    pub fn run(self) -> Exit {
        let mut output = Output::standard(self.manner.color);
        let ended = self.list(&mut output);
        asking::ended(ended, &mut output)
    }

    fn list(&self, output: &mut Output) -> Result<Exit, Failure> {
        let status = asking::status(output)?;
        match (self.pending, self.json) {
            (true, true) => {
                for stranger in &status.daemon.pending {
                    let mut object = json!(stranger);
                    object["v"] = 1.into();
                    object["type"] = "pending".into();
                    output.line(object);
                }
            }
            (true, false) => {
                for stranger in &status.daemon.pending {
                    output.line(format_args!("{}  {}  {} s ago", stranger.key, stranger.address, stranger.ago_s));
                }
            }
            (false, json) => {
                for (member, shares) in devices(&status).into_values() {
                    if json { output.line(object(member, &shares)) } else { output.line(line(member, &shares)) }
                }
            }
        }
        Ok(Exit::Alike)
    }
}

type Shares<'a> = Vec<(&'a str, &'static str)>;

/// Each other device once, with its shares and roles.
fn devices(status: &Status) -> BTreeMap<(&str, &str), (&MemberNow, Shares<'_>)> {
    let mut devices: BTreeMap<_, (&MemberNow, Shares<'_>)> = BTreeMap::new();
    for share in &status.shares {
        for member in share.members.iter().filter(|member| member.state != Liveness::Own) {
            let device = devices.entry((member.name.as_str(), member.key.as_str())).or_insert((member, Vec::new()));
            device.1.push((share.name.as_str(), member.role.word()));
        }
    }
    devices
}

fn line(member: &MemberNow, shares: &Shares<'_>) -> String {
    let shares: Vec<String> = shares.iter().map(|(share, role)| format!("{share} ({role})")).collect();
    format!(
        "{}  {}  {}  {}",
        safe(&member.name),
        standing::reach(member),
        &member.key[..8.min(member.key.len())],
        shares.join(", ")
    )
}

fn object(member: &MemberNow, shares: &Shares<'_>) -> serde_json::Value {
    let shares: BTreeMap<&str, &str> = shares.iter().copied().collect();
    json!({
        "v": 1, "type": "peer", "name": member.name, "key": member.key, "state": member.state, "address": member.address,
        "rtt_ms": member.rtt_ms, "seen_s": member.seen_s, "why": member.why, "shares": shares,
    })
}
