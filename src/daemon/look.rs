//! How everything stands, gathered for whoever asks.

use std::time::SystemTime;

use super::config::{Role, ShareName};
use super::control::status::{
    At, DaemonNow, Liveness, MemberNow, PROBLEMS_MAX, ProblemNow, ShareNow, Status, StrangerNow, WatchNow,
};
use super::hub::Hub;
use super::keeper::{Keeper, Now};
use super::members::Member;
use crate::model::{Problem, RelPath};
use crate::net::node::PeerNow;

/// How everything stands now.
pub fn status(hub: &Hub) -> Status {
    let peers = hub.node.peers();
    Status { daemon: daemon(hub), shares: hub.keepers().iter().map(|keeper| share(hub, keeper, &peers)).collect() }
}

fn daemon(hub: &Hub) -> DaemonNow {
    let traffic = hub.node.traffic();
    let stranger = |stranger: super::peers::Stranger| StrangerNow {
        key: stranger.key.to_string(),
        address: stranger.address,
        ago_s: stranger.at.elapsed().as_secs(),
    };
    DaemonNow {
        name: hub.name(),
        key: hub.key.public().to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        addresses: hub.own_addresses(),
        uptime_s: hub.now() / 1000,
        bwlimit: hub.node.limited(),
        sent: traffic.sent,
        received: traffic.received,
        pending: hub.peers.strangers().into_iter().map(stranger).collect(),
        config_problem: hub.config_problem(),
        config_waits: hub.config_waits(),
    }
}

/// How one share stands.
pub fn share(hub: &Hub, keeper: &Keeper, peers: &[PeerNow]) -> ShareNow {
    let now = keeper.now();
    let own = hub.key.public();
    let mut members: Vec<MemberNow> =
        keeper.members().each().map(|member| self::member((hub, keeper), &now, member, peers)).collect();
    members.sort_by(|left, right| {
        (left.state != Liveness::Own, &left.name, &left.key).cmp(&(
            right.state != Liveness::Own,
            &right.name,
            &right.key,
        ))
    });
    let standing = &now.standing;
    let (why, why_live) = why(&keeper.name, &now, &members);
    let problems = |problems: &[Problem]| problems.iter().take(PROBLEMS_MAX).map(problem).collect();
    ShareNow {
        name: keeper.name.clone(),
        id: keeper.id.to_string(),
        root: keeper.shared.root.clone(),
        role: keeper.role(own),
        at: now.at,
        alike: why.is_empty(),
        alike_live: why_live,
        why,
        top: standing.top.to_string(),
        knowledge: standing.knowledge.to_string(),
        entries: standing.entries,
        bytes: standing.bytes,
        wanted: standing.wanted,
        conflicts: standing.conflicts,
        held: problems(&standing.held),
        problems: problems(&standing.problems),
        members,
        watch: WatchNow { watching: now.watching, directories: now.directories, problem: now.blind.clone() },
        local: texts(&standing.local),
        rotten: texts(&standing.rotten),
        looked_s: standing.looked.and_then(|at| SystemTime::now().duration_since(at).ok()).map(|ago| ago.as_secs()),
        look_ms: standing.look.as_millis() as u64,
        rounds: now.counters.rounds,
        failed_rounds: now.counters.failed,
        round_trips: now.counters.round_trips,
        meeting_bytes: now.counters.meeting_bytes,
        files: now.counters.files,
        content_bytes: now.counters.bytes,
        scrubbed_bytes: now.counters.scrubbed,
        rotted: now.counters.rotted,
        rate: now.rate(hub.now()),
    }
}

fn texts(paths: &[RelPath]) -> Vec<String> {
    paths.iter().take(PROBLEMS_MAX).map(ToString::to_string).collect()
}

fn problem(problem: &Problem) -> ProblemNow {
    ProblemNow { path: problem.path.to_string(), cause: problem.cause.clone() }
}

fn member((hub, keeper): (&Hub, &Keeper), now: &Now, member: Member<'_>, peers: &[PeerNow]) -> MemberNow {
    let (key, own) = (member.key, hub.key.public());
    let note = hub.peers.note(key);
    let peer = peers.iter().find(|peer| peer.key == key);
    let level = now.levels.get(&key).copied().unwrap_or_default();
    let state = match (key == own, note.connected, hub.rumours.is_suspect(keeper.id, key)) {
        (true, ..) => Liveness::Own,
        (_, true, false) => Liveness::Alive,
        (_, _, true) => Liveness::Suspect,
        (_, false, false) => Liveness::Down,
    };
    let address = peer.map(|peer| peer.address).or_else(|| hub.addresses(key).first().copied());
    MemberNow {
        name: member.says.map(|says| says.name.clone()).filter(|name| !name.is_empty()).unwrap_or_else(|| key.short()),
        key: key.to_string(),
        role: member.role,
        state,
        address: address.filter(|_| key != own),
        rtt_ms: peer.map(|peer| peer.rtt.as_secs_f64() * 1000.0),
        seen_s: note.seen.map(|seen| if note.connected { 0 } else { seen.elapsed().as_secs() }),
        alike: if key == own { Some(now.standing.wanted == Some(0)) } else { level.alike },
        wanted: if key == own {
            now.standing.wanted
        } else {
            level.wanted.filter(|wanted| *wanted != u32::MAX).map(u64::from)
        },
        why: note.reason().filter(|_| !note.connected),
        sent: peer.map_or(0, |peer| peer.sent),
        received: peer.map_or(0, |peer| peer.received),
    }
}

/// Why a share is not alike, a sentence a reason; and whether all of it is about members that are down.
fn why(name: &ShareName, now: &Now, members: &[MemberNow]) -> (Vec<String>, bool) {
    let mut why = Vec::new();
    match now.at {
        At::Opening => why.push("it is being looked at for the first time since the daemon began".to_owned()),
        At::Paused => why.push("it is paused".to_owned()),
        At::Lent => why.push("a command works on it".to_owned()),
        At::Failed => {}
        At::Waiting if now.standing.wanted == Some(0) => why.push("a change here waits to be looked at".to_owned()),
        At::Waiting | At::Resting | At::Working => {}
    }
    why.extend(now.problem.clone());
    match now.standing.wanted {
        Some(0) => {}
        Some(wanted) => why.push(format!("{} wanted here", count(wanted, "path is", "paths are"))),
        None if matches!(now.at, At::Resting | At::Working | At::Waiting) => {
            why.push("what is to be put in place here is being planned".into());
        }
        None => {}
    }
    if !now.standing.held.is_empty() {
        why.push(format!("deletes are held: `alike approve {name}` lets them through"));
    }
    if !now.standing.problems.is_empty() {
        why.push(count(now.standing.problems.len() as u64, "path has a problem", "paths have problems"));
    }
    if !now.standing.rotten.is_empty() {
        why.push(format!(
            "{} rotted, and no member that is reached has it",
            count(now.standing.rotten.len() as u64, "file has", "files have")
        ));
    }
    let live: Vec<String> =
        members.iter().filter(|member| member.state != Liveness::Down).filter_map(of_member).collect();
    let down: Vec<String> =
        members.iter().filter(|member| member.state == Liveness::Down).filter_map(of_member).collect();
    why.extend(live);
    let alike_live = why.is_empty();
    why.extend(down);
    (why, alike_live)
}

/// A count with its noun.
pub fn count(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// Why a member does not show the same, as far as that is known.
fn of_member(member: &MemberNow) -> Option<String> {
    let name = &member.name;
    match (member.state, member.alike, member.wanted) {
        (Liveness::Own, ..) => None,
        // Who takes nothing lacks what it likes.
        (Liveness::Alive | Liveness::Suspect, Some(true), _) if member.role == Role::Send => None,
        (Liveness::Alive, Some(true), Some(0)) => None,
        (Liveness::Alive, Some(true), Some(wanted)) => Some(format!("{name} lacks {}", count(wanted, "path", "paths"))),
        (Liveness::Alive, Some(true), None) => Some(format!("{name} does not show all yet")),
        (Liveness::Alive, Some(false), _) => Some(format!("{name} holds something else, and is to be met")),
        (Liveness::Alive, None, _) => Some(format!("it is not known yet what {name} holds")),
        (Liveness::Suspect, ..) => Some(format!("{name} does not answer")),
        (Liveness::Down, ..) => {
            let since = member
                .seen_s
                .map_or_else(|| "was not seen since the daemon began".into(), |ago| format!("is down since {ago} s"));
            Some(match &member.why {
                Some(why) => format!("{name} {since} ({why})"),
                None => format!("{name} {since}"),
            })
        }
    }
}
