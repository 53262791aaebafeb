//! A link through a real ssh: the bootstrap, what goes wrong in it, and what carries the streams.
//!
//! The far side is this test program, started again by sshd through a small script.

// Measurements, and why a test was skipped, are for people.
#![allow(clippy::print_stderr)]

#[path = "harness/sshd.rs"]
mod sshd;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use alike::net::{
    Carrier, Connected, Error, Link, ReceiveHalf, Seen, SendHalf, SshTarget, connect, receive_frame, send_frame,
    serve_over, stdio,
};
use bytes::Bytes;
use sshd::Sshd;

const MIB: usize = 1 << 20;
/// Set where this program is the far side.
const FAR_SIDE: &str = "ALIKE_TEST_FAR_SIDE";
/// Set where this program runs in a network without UDP.
const NO_UDP: &str = "ALIKE_TEST_NO_UDP";

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), test).await.expect("no test hangs") })
}

/// The whole of the other side: answers with its process id, then does what each stream says.
#[test]
fn the_far_side() {
    if std::env::var_os(FAR_SIDE).is_none() {
        return;
    }
    run(async {
        let (stdin, stdout) = stdio().expect("our pipes");
        let link = serve_over((stdin, stdout), Seen::from_environment(), async |request: Bytes| {
            let mut answer = format!("{} ", std::process::id()).into_bytes();
            answer.extend_from_slice(&request);
            answer.into()
        })
        .await
        .expect("a client");
        while let Ok((send, receive)) = link.accept().await {
            let link = link.clone();
            tokio::spawn(async move {
                // What fails here shows at the client.
                let _ = obey(send, receive, link).await;
            });
        }
    });
    // The test program would print its summary into the pipe.
    std::process::exit(0);
}

async fn obey(mut send: SendHalf, mut receive: ReceiveHalf, link: Link) -> Result<(), Error> {
    let order = receive_frame(&mut receive, 1000).await?.unwrap_or_default();
    let order = String::from_utf8_lossy(&order).into_owned();
    let mut words = order.split(' ');
    match (words.next(), words.next().and_then(|word| word.parse::<usize>().ok())) {
        (Some("echo"), _) => {
            while let Some(frame) = receive_frame(&mut receive, MIB).await? {
                send_frame(&mut send, &frame).await?;
            }
        }
        (Some("source"), Some(mut bytes)) => {
            let block = Bytes::from(vec![7; 256 << 10]);
            while bytes > 0 {
                let piece = block.slice(..bytes.min(block.len()));
                bytes -= piece.len();
                send.write_chunks(&mut [piece]).await?;
            }
        }
        (Some("close"), _) => {
            send_frame(&mut send, b"bye").await?;
            send.finish().await?;
            link.close().await;
            return Ok(());
        }
        (Some("kind"), _) => send_frame(&mut send, format!("{:?}", link.kind()).as_bytes()).await?,
        _ => return Ok(()),
    }
    send.finish().await
}

/// A script that sshd runs as `alike`.
struct Program {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Program {
    fn new(body: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("alike");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made executable");
        Self { _directory: directory, path }
    }

    fn far_side() -> Self {
        let program = std::env::current_exe().expect("this program");
        let test = "--exact the_far_side --nocapture -q";
        Self::new(&format!("{FAR_SIDE}=1 exec {} {test}", program.display()))
    }
}

fn target(sshd: &Sshd, remote_bin: &Path) -> SshTarget {
    SshTarget {
        command: sshd.ssh_command(),
        remote_bin: remote_bin.display().to_string(),
        timeout: Duration::from_secs(10),
        ..SshTarget::new("127.0.0.1")
    }
}

async fn connected(target: &SshTarget) -> (Connected, Vec<String>) {
    let mut notes = Vec::new();
    let connected = connect(target, b"hello", &mut |note| notes.push(note)).await.expect("a link");
    (connected, notes)
}

async fn failure(target: &SshTarget) -> Error {
    connect(target, b"hello", &mut |_| {}).await.expect_err("no link")
}

async fn order(link: &Link, order: &str) -> (SendHalf, ReceiveHalf) {
    let (mut send, receive) = link.open().await.expect("a stream");
    send_frame(&mut send, order.as_bytes()).await.expect("sent");
    (send, receive)
}

async fn ask(link: &Link, question: &str) -> String {
    let (send, mut receive) = order(link, question).await;
    send.finish().await.expect("finished");
    let answer = receive_frame(&mut receive, MIB).await.expect("a frame").expect("not the end");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Prints what the link carries in a second, and returns what came.
async fn pull(link: &Link, streams: usize, total: usize) -> f64 {
    let begun = Instant::now();
    let mut pulling = tokio::task::JoinSet::new();
    for _ in 0..streams {
        let (send, mut receive) = order(link, &format!("source {}", total / streams)).await;
        send.finish().await.expect("finished");
        pulling.spawn(async move {
            let mut received = 0;
            while let Some(chunk) = receive.read_chunk(MIB).await.expect("whole") {
                received += chunk.len();
            }
            received
        });
    }
    assert_eq!(pulling.join_all().await.into_iter().sum::<usize>(), total);
    total as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

/// None, said aloud, where this machine has no sshd; a failure where the environment promises one.
fn an_sshd() -> Option<Sshd> {
    let sshd = Sshd::start();
    if sshd.is_none() {
        skipped("no sshd can be started here");
    }
    sshd
}

fn skipped(why: &str) {
    eprintln!("skipped: {why}");
    assert!(std::env::var_os("CI").is_none(), "{why}, and CI is set");
}

#[test]
fn ssh_brings_up_quic_and_an_answer_of_any_size() {
    let Some(sshd) = an_sshd() else { return };
    let program = Program::far_side();
    run(async {
        let begun = Instant::now();
        let (connected, _) = connected(&target(&sshd, &program.path)).await;
        eprintln!("link through ssh in {:?}", begun.elapsed());
        assert!(connected.answer.ends_with(b" hello"));
        connected.link.settled().await;
        assert_eq!(connected.link.kind(), Carrier::Quic);
        assert!(connected.link.is_loopback());
        assert_eq!(ask(&connected.link, "kind").await, "Quic");
        eprintln!("after one question: {:?}, rtt {:?}", connected.link.bytes(), connected.link.rtt());
        assert_eq!(ask(&connected.link, "close").await, "bye");
        let closing = Instant::now();
        connected.link.close().await;
        assert!(closing.elapsed() < Duration::from_millis(1900), "{:?}", closing.elapsed());
        let large = vec![b'x'; 900 << 10];
        let answered = connect(&target(&sshd, &program.path), &large, &mut |_| {}).await.expect("a link");
        assert!(answered.answer.ends_with(&large));
    });
}

#[test]
fn an_alias_of_the_users_configuration_is_a_host() {
    let Some(sshd) = an_sshd() else { return };
    let program = Program::far_side();
    run(async {
        let (connected, _) = connected(&SshTarget { host: "alias".to_owned(), ..target(&sshd, &program.path) }).await;
        connected.link.settled().await;
        assert_eq!(connected.link.kind(), Carrier::Quic);
    });
}

#[test]
fn the_pipe_and_quic_carry_content_between_two_processes() {
    let Some(sshd) = an_sshd() else { return };
    let program = Program::far_side();
    run(async {
        let (connected, _) = connected(&target(&sshd, &program.path)).await;
        let rate = pull(&connected.link, 8, 1024 * MIB).await;
        eprintln!("{:?} between two processes: {rate:.0} MB/s", connected.link.kind());
    });
}

#[test]
fn a_missing_program_is_named_with_what_the_far_side_printed() {
    let Some(sshd) = an_sshd() else { return };
    run(async {
        let failed = failure(&target(&sshd, Path::new("/nowhere/alike"))).await;
        assert_eq!(failed.to_string(), "cannot start `/nowhere/alike` on 127.0.0.1");
        let Error::Start { source, .. } = &failed else { panic!("{failed:?}") };
        assert!(
            source.to_string().to_lowercase().contains("no such file or directory")
                || source.to_string().contains("not found"),
            "{source}"
        );
        assert!(failed.hint().is_some_and(|hint| hint.contains("--remote-bin")));
    });
}

#[test]
fn a_program_that_is_no_alike_is_not_waited_for() {
    let Some(sshd) = an_sshd() else { return };
    let program = Program::new("echo 'this account is closed'; echo 'ask the admin' >&2; exit 3");
    run(async {
        let failed = failure(&target(&sshd, &program.path)).await;
        let Error::Start { source, .. } = &failed else { panic!("{failed:?}") };
        assert_eq!(source.to_string(), "ask the admin");
    });
}

#[test]
fn another_version_is_named_as_such() {
    let Some(sshd) = an_sshd() else { return };
    let program = Program::new("echo 'alike-pipe 99'; cat > /dev/null");
    run(async {
        let failed = failure(&target(&sshd, &program.path)).await;
        assert!(matches!(failed, Error::Version { ours: 4, theirs: 99, .. }), "{failed:?}");
    });
}

#[test]
fn a_host_that_ssh_cannot_reach_is_unreachable_in_sshs_own_words() {
    let Some(sshd) = an_sshd() else { return };
    run(async {
        // The first option counts: port 1 instead of the real one.
        let command = sshd.ssh_command().replacen("ssh ", "ssh -p 1 ", 1);
        let failed = failure(&SshTarget { command, ..target(&sshd, Path::new("alike")) }).await;
        let Error::Unreachable { source, .. } = &failed else { panic!("{failed:?}") };
        assert!(source.to_string().contains("refused"), "{source}");
        let failed =
            failure(&SshTarget { host: "-oProxyCommand=touch /tmp/x".to_owned(), ..target(&sshd, Path::new("x")) })
                .await;
        assert!(matches!(failed, Error::Unreachable { .. }), "{failed:?}");
        let failed = failure(&SshTarget { command: "/nowhere/ssh".to_owned(), ..target(&sshd, Path::new("x")) }).await;
        assert!(matches!(failed, Error::Spawn { .. }), "{failed:?}");
        let failed = failure(&SshTarget { command: "ssh 'open".to_owned(), ..target(&sshd, Path::new("x")) }).await;
        assert!(matches!(failed, Error::Command { .. }), "{failed:?}");
    });
}

#[test]
fn what_the_far_side_prints_on_stderr_is_passed_on() {
    let Some(sshd) = an_sshd() else { return };
    let far = Program::far_side();
    let program = Program::new(&format!("echo 'a warning' >&2\nexec {} \"$@\"", far.path.display()));
    run(async {
        let (mut connected, mut notes) = connected(&target(&sshd, &program.path)).await;
        // ssh does not keep the order of the two channels: it may come after the link is up.
        while !notes.iter().any(|note| note == "a warning") {
            notes.push(connected.notes.recv().await.expect("the warning comes"));
        }
    });
}

fn signal(name: &str, process: &str) {
    let sent = Command::new("kill").args([name, process]).status().expect("kill runs");
    assert!(sent.success());
}

fn process(connected: &Connected) -> String {
    String::from_utf8_lossy(&connected.answer).split(' ').next().expect("a process id").to_owned()
}

#[test]
fn a_far_side_that_is_killed_is_noticed_at_once() {
    let Some(sshd) = an_sshd() else { return };
    let program = Program::far_side();
    run(async {
        let (connected, _) = connected(&target(&sshd, &program.path)).await;
        let (_send, mut receive) = order(&connected.link, "source 100000000000").await;
        receive.read_chunk(MIB).await.expect("data").expect("not the end");
        let begun = Instant::now();
        signal("-9", &process(&connected));
        let lost = connected.link.accept().await;
        assert!(matches!(lost, Err(Error::Lost { .. })), "{lost:?}");
        let ended = loop {
            match receive.read_chunk(MIB).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("a clean end"),
                Err(error) => break error,
            }
        };
        assert!(matches!(ended, Error::Lost { .. }), "{ended:?}");
        assert!(matches!(connected.link.open().await, Err(Error::Lost { .. })));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_far_side_that_stands_still_is_a_time_out() {
    let Some(sshd) = an_sshd() else { return };
    let program = Program::far_side();
    run(async {
        let short = SshTarget { timeout: Duration::from_secs(2), ..target(&sshd, &program.path) };
        let (connected, _) = connected(&short).await;
        let process = process(&connected);
        signal("-STOP", &process);
        let begun = Instant::now();
        let lost = connected.link.accept().await;
        signal("-9", &process);
        assert!(matches!(lost, Err(Error::TimedOut { .. })), "{lost:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    });
}

#[test]
fn the_far_side_ends_when_the_client_is_gone() {
    let Some(sshd) = an_sshd() else { return };
    let program = Program::far_side();
    run(async {
        let (connected, _) = connected(&target(&sshd, &program.path)).await;
        let far = PathBuf::from(format!("/proc/{}", process(&connected)));
        assert!(far.exists());
        drop(connected);
        let begun = Instant::now();
        while far.exists() {
            assert!(begun.elapsed() < Duration::from_secs(5), "it is still there");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// Runs one test of this program in a network of its own whose UDP is dropped. False where that cannot be had.
fn without_udp(test: &str) -> bool {
    let rules = "table inet t { chain out { type filter hook output priority 0; udp dport != 53 counter drop; }; }";
    let script = format!("ip link set lo up && nft '{rules}' && exec \"$0\" --exact {test} --nocapture");
    let program = std::env::current_exe().expect("this program");
    let probe =
        Command::new("unshare").args(["-n", "sh", "-c", &format!("ip link set lo up && nft '{rules}'")]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return false;
    }
    let status = Command::new("unshare").args(["-n", "sh", "-c", &script]).arg(program).env(NO_UDP, "1").status();
    assert!(status.expect("unshare runs").success());
    true
}

#[test]
fn where_udp_is_blocked_the_pipe_carries_it() {
    let name = "where_udp_is_blocked_the_pipe_carries_it";
    if std::env::var_os(NO_UDP).is_none() {
        if !without_udp(name) {
            skipped("a network without UDP needs root, unshare, ip and nft");
        }
        return;
    }
    let Some(sshd) = an_sshd() else { return };
    let program = Program::far_side();
    run(async {
        let (connected, _) = connected(&target(&sshd, &program.path)).await;
        connected.link.settled().await;
        assert_eq!(connected.link.is_udp_blocked(), Some(true));
        assert_eq!(connected.link.kind(), Carrier::Pipe);
        assert_eq!(ask(&connected.link, "kind").await, "Pipe");
        let rate = pull(&connected.link, 8, 512 * MIB).await;
        eprintln!("Pipe through ssh: {rate:.0} MB/s; {:?}, rtt {:?}", connected.link.bytes(), connected.link.rtt());
        assert_eq!(ask(&connected.link, "close").await, "bye");
        connected.link.close().await;
        // A caller that remembers does not wait again.
        let begun = Instant::now();
        let (again, _) = self::connected(&SshTarget { skip_wait: true, ..target(&sshd, &program.path) }).await;
        eprintln!("link without waiting in {:?}", begun.elapsed());
        again.link.settled().await;
        assert_eq!(again.link.is_udp_blocked(), Some(true));
        assert!(begun.elapsed() < Duration::from_secs(2));
    });
}
