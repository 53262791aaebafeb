//! Reaching the far side of a job: the question, the answer, and what every conversation with it shares.

use std::ffi::OsString;
use std::future::Future;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use super::error::Error;
use super::job::{Fidelity, Host, Reading, Remote, Writing};
use super::line::Line;
use super::report::{Event, Gauges, Report};
use super::side;
use crate::disk::target::Fsync;
use crate::net::{self, Connected, Link, SshTarget, Terms};
use crate::proto::message::{self, Answer, Ask, Compress, Failure, Role};
use crate::store::hosts::Hosts;

/// A link on which nothing comes for so long is lost, unless `--timeout` says otherwise.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often a waiting conversation looks whether it shall stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// The far side, ready for the conversation.
pub struct Far {
    /// All streams.
    pub link: Link,
    /// Its root, resolved, with the host in front.
    pub shown: String,
    /// Whether both sides may set owners.
    pub both_superuser: bool,
    /// Whether it is a target that holds nothing yet.
    pub vacant: bool,
    /// How content is packed.
    pub packing: Compress,
    notes: Receiver<String>,
    /// Where ssh reaches it: the host, and whether UDP was blocked the last time.
    by_ssh: Option<(String, bool)>,
}

impl Far {
    /// Tells what the far side printed meanwhile and how it was reached, at the end of a conversation; the next one knows it too.
    pub fn tell(&mut self, report: &mut dyn Report) {
        if let (Some((host, was_blocked)), Some(blocked)) = (&self.by_ssh, self.link.is_udp_blocked()) {
            report.event(Event::Note(carrier(blocked)));
            Hosts::open().note(host, blocked);
            if blocked && !was_blocked {
                let note = format!("{host} is not reached over UDP: everything goes through ssh, which is slower");
                report.event(Event::Note(&note));
            }
        }
        while let Ok(note) = self.notes.try_recv() {
            report.event(Event::Note(&note));
        }
    }
}

/// Reaches the far side and asks it to open its root.
pub async fn connect(remote: &Remote, host: &Host, ask: &Ask, report: &mut dyn Report) -> Result<Far, Error> {
    let ask = Ask { compress: remote.compress, ..ask.clone() };
    let (connected, by_ssh) = match host {
        Host::Ssh(host) => by_ssh(remote, host, &ask, report).await?,
        Host::Member { shown, line } => (by_line(remote, (shown, line), &ask).await?, None),
    };
    match Answer::decode(&connected.answer).map_err(super::converse::violation)? {
        Answer::Opened { path, superuser, vacant } => Ok(Far {
            packing: packing(remote.compress, &connected.link),
            link: connected.link,
            shown: match host {
                Host::Ssh(host) => format!("{host}:{path}"),
                Host::Member { .. } if ask.path.is_empty() => host.to_string(),
                Host::Member { .. } => format!("{host}/{}", String::from_utf8_lossy(&ask.path)),
            },
            both_superuser: superuser && side::superuser(),
            vacant,
            notes: connected.notes,
            by_ssh,
        }),
        Answer::Refused(failure) => {
            connected.link.close().await;
            Err(named(failure, &host.to_string()).into())
        }
    }
}

async fn by_ssh(
    remote: &Remote,
    host: &str,
    ask: &Ask,
    report: &mut dyn Report,
) -> Result<(Connected, Option<(String, bool)>), Error> {
    let blocked = Hosts::open().udp_blocked(host);
    let target = SshTarget {
        command: remote.command.clone(),
        host: host.to_owned(),
        remote_bin: remote.program.clone(),
        timeout: remote.timeout.unwrap_or(SILENCE_MAX),
        skip_wait: blocked,
        pace: remote.pace,
    };
    let connected = net::connect(&target, &ask.encode(), &mut |note| report.event(Event::Note(&note))).await?;
    Ok((connected, Some((host.to_owned(), blocked))))
}

/// The daemons carry the bytes: there is nothing to dial.
async fn by_line(remote: &Remote, (shown, line): (&str, &Line), ask: &Ask) -> Result<Connected, Error> {
    let lost = |source: std::io::Error| {
        Error::Net(net::Error::Lost { peer: shown.to_owned(), source: net::Cause(source.to_string()) })
    };
    let pipe = line.open().map_err(lost)?;
    let timeout = remote.timeout.unwrap_or(SILENCE_MAX);
    let terms = Terms { peer: shown.to_owned(), timeout, skip_wait: true, pace: remote.pace };
    let request = ask.encode();
    let mut nobody = |_| {};
    let connecting = net::connect_over(pipe, &terms, &request, &mut nobody);
    let silent = |_| net::Error::TimedOut { peer: shown.to_owned(), after: timeout };
    Ok(tokio::time::timeout(timeout, connecting).await.map_err(silent)??)
}

/// How content is packed: as the user says, else fast, and not at all between processes of one machine.
pub fn packing(asked: Option<Compress>, link: &Link) -> Compress {
    asked.unwrap_or(if link.is_loopback() { Compress::Off } else { Compress::Fast })
}

/// What carries the streams, in words.
fn carrier(blocked: bool) -> &'static str {
    if blocked { "the streams go through ssh" } else { "the streams go over QUIC" }
}

/// Lets a conversation run until it ends or the user stops it.
pub async fn until_stopped<T>(
    gauges: &Gauges,
    conversation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::pin!(conversation);
    loop {
        tokio::select! {
            outcome = &mut conversation => return outcome,
            () = tokio::time::sleep(STOP_INTERVAL) => {
                if gauges.left.stopped() || gauges.right.stopped() {
                    return Err(Error::Interrupted);
                }
            }
        }
    }
}

/// Runs a conversation on a runtime of its own, on this thread. Scans and installs that still run are told to stop and
/// waited for, so that nothing is left half done behind the caller's back.
pub fn block_on<T>(gauges: &Gauges, conversation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Memory { path: "the network runtime".into(), source })?;
    let outcome = runtime.block_on(until_stopped(gauges, conversation));
    if outcome.is_err() {
        gauges.left.stop();
        gauges.right.stop();
    }
    outcome
}

/// The question that opens a conversation. `cache` says whether index caches are written.
pub fn question(role: Role, path: &std::path::Path, (reading, writing): (&Reading, &Writing), cache: bool) -> Ask {
    let Reading { filter, one_file_system, checksum, quick, fidelity, .. } = reading;
    let Fidelity { mode, xattrs, owner, links, devices } = *fidelity;
    Ask {
        role,
        path: std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec(),
        filter: filter.clone(),
        one_file_system: *one_file_system,
        checksum: *checksum,
        quick: *quick,
        fidelity: [mode, xattrs, owner, links, devices],
        writing: wire(writing),
        superuser: side::superuser(),
        cache,
        decides: message::Decides::Nobody,
        compress: None,
        order: None,
    }
}

fn wire(writing: &Writing) -> message::Writing {
    let Writing { dry_run, keep_extra, limit, trash, backup, delete_excluded, make_parents, fsync } = writing.clone();
    let backup = backup.map(|path| path.into_os_string().into_vec());
    let fsync = match fsync {
        Fsync::Each => 0,
        Fsync::Batch => 1,
        Fsync::Off => 2,
    };
    message::Writing { dry_run, keep_extra, limit, trash, backup, delete_excluded, make_parents, fsync }
}

/// What the far side was asked to read.
pub fn reading(ask: &Ask) -> Reading {
    let [mode, xattrs, owner, links, devices] = ask.fidelity;
    let reading = Reading {
        filter: ask.filter.clone(),
        everything: false,
        one_file_system: ask.one_file_system,
        checksum: ask.checksum,
        quick: ask.quick,
        fidelity: Fidelity { mode, xattrs, owner, links, devices },
    };
    match ask.role {
        Role::Source | Role::Replica => reading,
        Role::Target => reading.of_target(&writing(&ask.writing)),
    }
}

/// How the far side was asked to write.
pub fn writing(asked: &message::Writing) -> Writing {
    let message::Writing { dry_run, keep_extra, limit, trash, backup, delete_excluded, make_parents, fsync } =
        asked.clone();
    let backup = backup.map(|path| OsString::from_vec(path).into());
    let fsync = match fsync {
        0 => Fsync::Each,
        2 => Fsync::Off,
        _ => Fsync::Batch,
    };
    Writing { dry_run, keep_extra, limit, trash, backup, delete_excluded, make_parents, fsync }
}

/// A failure of the far side, with the host's name in front.
pub fn named(failure: Failure, host: &str) -> Failure {
    Failure { message: format!("{host}: {}", failure.message), ..failure }
}
