//! How everything stands, in words for people.

use crate::cli::output::Output;
use crate::cli::paint::{Tone, safe};
use crate::cli::quantity::{bytes, entries};
use crate::daemon::control::status::{At, DaemonNow, Liveness, MemberNow, ShareNow};

/// Problems of a share that are printed.
const PROBLEMS_MAX: usize = 10;

/// Tells all of it.
pub fn tell(daemon: &DaemonNow, shares: &[&ShareNow], output: &mut Output) {
    let key = daemon.key.get(..8).unwrap_or(&daemon.key);
    output.line(format_args!("{} ({key}), up {}", safe(&daemon.name), ago(daemon.uptime_s)));
    if let Some(problem) = &daemon.config_problem {
        output.line(format_args!("  the configuration is not in use: {}", safe(problem)));
    }
    if let Some(waits) = &daemon.config_waits {
        output.line(format_args!("  not in use yet: {}", safe(waits)));
    }
    if let Some(limit) = daemon.bwlimit {
        output.line(format_args!("  sends at most {}/s now", bytes(limit)));
    }
    match daemon.pending.len() {
        0 => {}
        1 => output.line("  1 device called that is no member: `alike peers --pending`"),
        count => output.line(format_args!("  {count} devices called that are no members: `alike peers --pending`")),
    }
    if shares.is_empty() {
        output.line("  no shares: `alike add DIR --name NAME` makes one, `alike join TICKET DIR` joins one");
    }
    for share in shares {
        self::share(share, output);
    }
}

fn share(share: &ShareNow, output: &mut Output) {
    let state = match (share.alike, share.at) {
        (true, _) => output.paint.tone(Tone::New, "alike").to_string(),
        (false, At::Paused) => "paused".into(),
        (false, At::Lent) => "a command works on it".into(),
        (false, At::Opening) => "opening".into(),
        (false, At::Failed) => output.paint.tone(Tone::Error, "failed").to_string(),
        (false, _) if share.alike_live => "alike with all that are alive".into(),
        (false, _) => "not alike".into(),
    };
    output.line("");
    output.line(format_args!("{}  {}  ({})  {state}", share.name, safe(&share.root.to_string_lossy()), share.role));
    let looked =
        share.looked_s.map_or_else(|| "not looked at yet".into(), |ago_s| format!("looked at {} ago", ago(ago_s)));
    let watch = match (&share.watch.problem, share.watch.watching) {
        (Some(problem), _) => format!("partly watched: {}", safe(problem)),
        (None, true) if share.watch.directories == 1 => "1 directory watched".into(),
        (None, true) => format!("{} directories watched", share.watch.directories),
        (None, false) => "not watched".into(),
    };
    output.line(format_args!("  {}, {}; {looked}; {watch}", entries(share.entries), bytes(share.bytes)));
    if share.rate > 0 {
        output.line(format_args!("  {}/s of content arrive", bytes(share.rate)));
    }
    for why in &share.why {
        output.line(format_args!("  {}", safe(why)));
    }
    if share.conflicts > 0 {
        let (verb, s) = if share.conflicts == 1 { ("stands", "y") } else { ("stand", "ies") };
        output.line(format_args!(
            "  {} conflict cop{s} {verb} beside plain names: `alike conflicts DIR`",
            share.conflicts
        ));
    }
    for problem in share.problems.iter().chain(&share.held).take(PROBLEMS_MAX) {
        // Of the whole root no path is told.
        let path = if problem.path.is_empty() { String::new() } else { format!("{}: ", safe(&problem.path)) };
        output.line(format_args!("  {path}{}", safe(&problem.cause)));
    }
    for path in share.local.iter().take(PROBLEMS_MAX) {
        output.line(format_args!("  {}: changed here alone; `alike revert {}` lets it go", safe(path), share.name));
    }
    for path in share.rotten.iter().take(PROBLEMS_MAX) {
        output.line(format_args!("  {}: rotted: its bytes changed, and nobody wrote them", safe(path)));
    }
    for member in share.members.iter().filter(|member| member.state != Liveness::Own) {
        output.line(format_args!("  {}  {}  {}", safe(&member.name), reach(member), member.role));
    }
}

/// Whether and where a member is reached.
pub fn reach(member: &MemberNow) -> String {
    let address = member.address.map_or_else(String::new, |address| format!(" at {address}"));
    match member.state {
        Liveness::Own => "this device".into(),
        Liveness::Alive => {
            let rtt = member.rtt_ms.map_or_else(String::new, |rtt| format!(", {rtt:.1} ms"));
            format!("alive{address}{rtt}")
        }
        Liveness::Suspect => format!("does not answer{address}"),
        Liveness::Down => member.seen_s.map_or_else(|| "down".into(), |seen| format!("down, seen {} ago", ago(seen))),
    }
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
