//! The daemon's side of the socket: taking it over from a daemon that was killed, and one caller at a time.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

use super::LINE_BYTES_MAX;
use super::ask::{self, Answer, Ask, Misunderstood, Refusal};

/// A request is far shorter.
const ASK_BYTES_MAX: u64 = 64 << 10;
/// Two sides of different versions.
const VERSION_EXIT: u8 = 12;
/// A request that makes no sense.
const USAGE_EXIT: u8 = 2;

/// The socket, while a daemon runs. Dropped, it is removed.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

/// A command that is connected.
#[derive(Debug)]
pub struct Caller {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Listener {
    /// Makes the socket, for this user alone. One that nobody listens on any more is replaced; [`io::ErrorKind::AddrInUse`] where
    /// somebody does.
    pub fn bind(path: &Path) -> io::Result<Listener> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        // Made beside it and renamed: nobody finds a socket that is not private yet, and a stale one gives way.
        let staged = path.with_extension(format!("{}", std::process::id()));
        let _ = fs::remove_file(&staged);
        let socket = UnixListener::bind(&staged)?;
        let placed =
            fs::set_permissions(&staged, fs::Permissions::from_mode(0o600)).and_then(|()| fs::rename(&staged, path));
        if let Err(error) = placed {
            let _ = fs::remove_file(&staged);
            return Err(error);
        }
        Ok(Listener { socket, path: path.into() })
    }

    /// The next caller. Whoever is another user is not one.
    pub async fn accept(&self) -> io::Result<Caller> {
        loop {
            let (stream, _) = self.socket.accept().await?;
            let caller = stream.peer_cred()?.uid();
            if caller == rustix::process::geteuid().as_raw() || caller == 0 {
                return Ok(Caller::new(stream));
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Where it cannot be removed the next daemon takes it over.
        let _ = fs::remove_file(&self.path);
    }
}

impl Caller {
    fn new(stream: UnixStream) -> Caller {
        let (reader, writer) = stream.into_split();
        Caller { reader: BufReader::new(reader), writer }
    }

    /// What it asks; `None` where it is gone, or was told that it is not understood.
    pub async fn ask(&mut self) -> Option<Ask> {
        let mut line = Vec::new();
        (&mut self.reader).take(ASK_BYTES_MAX).read_until(b'\n', &mut line).await.ok()?;
        if line.is_empty() {
            return None;
        }
        match ask::decode(&line) {
            Ok(ask) => Some(ask),
            Err(error) => {
                let exit = if matches!(error, Misunderstood::Version(_)) { VERSION_EXIT } else { USAGE_EXIT };
                let refusal = Refusal::new(exit, format!("the daemon does not understand the command: {error}"));
                self.say(&Answer::Refused(refusal.hint("restart the daemon: it may be older than this command")))
                    .await
                    .ok()?;
                None
            }
        }
    }

    /// Says a part of the answer, or all of it.
    pub async fn say(&mut self, answer: &Answer) -> io::Result<()> {
        let line = ask::encode(answer);
        assert!(line.len() <= LINE_BYTES_MAX, "an answer is bounded where it is made");
        self.writer.write_all(&line).await
    }

    /// Both directions, from here on for bytes that are no requests.
    pub fn into_halves(self) -> (impl AsyncRead + Send + Unpin, OwnedWriteHalf) {
        (self.reader, self.writer)
    }

    /// Ends when the command has gone.
    pub async fn gone(&mut self) {
        let mut byte = [0];
        // A command that goes on speaking after its request is as good as gone.
        let _ = self.reader.read(&mut byte).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_taken_over_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket that nobody listens on"));
        let listener = Listener::bind(&path).expect("taken over");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let second = Listener::bind(&path).expect_err("somebody listens");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(!path.exists());
    }
}
