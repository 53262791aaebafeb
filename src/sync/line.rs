//! A line to a member of a share: bytes that the daemon of this machine carries to the daemon there, which serves the share.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::OwnedWriteHalf;

/// A line that stands. Clones are the same line, and one job speaks on it.
#[derive(Debug, Clone)]
pub struct Line {
    stream: Arc<UnixStream>,
    early: Arc<[u8]>,
}

impl Line {
    /// Of a socket whose other end is carried on, and what came through it already.
    pub fn new(stream: UnixStream, early: &[u8]) -> Line {
        Line { stream: Arc::new(stream), early: early.into() }
    }

    /// Its two directions, on the runtime of whoever asks.
    pub(super) fn open(&self) -> io::Result<(impl AsyncRead + Send + Unpin + use<>, OwnedWriteHalf)> {
        let stream = self.stream.try_clone()?;
        stream.set_nonblocking(true)?;
        let (reader, writer) = tokio::net::UnixStream::from_std(stream)?.into_split();
        Ok((io::Cursor::new(self.early.to_vec()).chain(reader), writer))
    }
}
