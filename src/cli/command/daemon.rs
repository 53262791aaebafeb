//! `alike daemon`.

use std::net::SocketAddr;

use clap::{ArgAction, Args};

use crate::cli::asking;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::paint::Color;
use crate::cli::told::lines::Lines;
use crate::daemon::config::Timetable;
use crate::daemon::config::file::parse_listen;
use crate::daemon::journal::{Journal, Level};
use crate::daemon::place::PlaceError;
use crate::daemon::run::{self, DaemonError, Flags, Settings};

/// Keep shares alike with their members, until stopped
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "It stays in the foreground and tells what happens on standard error; a service manager restarts it. \
        SIGTERM ends it within 5 seconds, SIGHUP makes it read its configuration again. It listens on one UDP port, and on \
        a socket that is this user's alone, for the other commands."
)]
pub struct Daemon {
    /// Listen on this port, or on this address and port, instead of what is configured
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    listen: Option<SocketAddr>,

    /// Do not look for members on the local network
    #[arg(long)]
    no_mdns: bool,

    /// Send at most so much: a rate such as 512k, or times of day with rates: '08:00,512k 19:00,off'
    #[arg(long, value_name = "LIMIT")]
    bwlimit: Option<Timetable>,

    /// Tell what matters at least so much: debug, info, warn or error
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: Level,

    /// Tell it as JSON, one object a line
    #[arg(long)]
    json: bool,

    /// Print a unit for systemd and end
    #[arg(long)]
    print_unit: bool,

    /// Print help
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl Daemon {
    pub fn run(self, give_back: fn()) -> Exit {
        let mut output = Output::standard(Color::Auto);
        if self.print_unit {
            output.line(unit().trim_end());
            return asking::ended(Ok(Exit::Alike), &mut output);
        }
        let journal = Journal::new(Box::new(Lines::standard(self.json)), self.log);
        let flags = Flags { listen: self.listen, no_mdns: self.no_mdns, bwlimit: self.bwlimit };
        let ended = run::run(Settings { flags, journal, give_back });
        asking::ended(ended.map(|()| Exit::Alike).map_err(|error| failed(&error)), &mut output)
    }
}

fn failed(error: &DaemonError) -> Failure {
    let failure = match error {
        DaemonError::Config(error) => return asking::misconfigured(error),
        DaemonError::Place(_) | DaemonError::Socket { .. } | DaemonError::Net(_) | DaemonError::System { .. } => {
            Failure::new(Exit::Root, error.to_string())
        }
    };
    let failure = match std::error::Error::source(error) {
        Some(source) => failure.caused_by(source),
        None => failure,
    };
    match error {
        DaemonError::Place(PlaceError::Running) => failure.hint("`alike status` speaks with the one that runs"),
        DaemonError::Place(PlaceError::Damaged { .. }) => {
            failure.hint("put the file back from a copy; without it this machine is another member: `alike join` anew")
        }
        DaemonError::Place(PlaceError::NoPlace) => failure.hint("set HOME"),
        DaemonError::Net(_) => failure.hint(PORT),
        _ => failure,
    }
}

const PORT: &str =
    "the port may be another program's, or the address none of this machine's: `--listen PORT` takes another";

/// A unit of the user's systemd, with this program's path.
fn unit() -> String {
    let program = std::env::current_exe().map_or_else(|_| "alike".into(), |path| path.display().to_string());
    UNIT.replace("PROGRAM", &program)
}

const UNIT: &str = "\
# alike daemon --print-unit > ~/.config/systemd/user/alike.service
# systemctl --user enable --now alike
# loginctl enable-linger      lets it run while you are logged out
# journalctl --user -u alike  shows what it says; journald keeps that within bounds

[Unit]
Description=Keeps directories alike across machines
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart=PROGRAM daemon
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
TimeoutStopSec=10
WatchdogSec=60
LimitNOFILE=65536
UMask=0077

NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
";
