//! Our own stdin and stdout as asynchronous pipes: without a thread between, and without one that keeps the process from ending.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as SystemStream;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// What reads stdin.
pub type Input = Box<dyn AsyncRead + Send + Unpin>;
/// What writes stdout.
pub type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Stdin and stdout. sshd gives sockets or pipes; anything else (a terminal, a file) goes through the runtime's threads.
pub fn stdio() -> io::Result<(Input, Output)> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    Ok((input(stdin)?, output(stdout)?))
}

fn input(descriptor: OwnedFd) -> io::Result<Input> {
    match kind(&descriptor)? {
        Kind::Socket => Ok(Box::new(socket(descriptor)?)),
        Kind::Pipe => Ok(Box::new(pipe::Receiver::from_owned_fd(descriptor)?)),
        Kind::Other => Ok(Box::new(tokio::io::stdin())),
    }
}

fn output(descriptor: OwnedFd) -> io::Result<Output> {
    match kind(&descriptor)? {
        Kind::Socket => Ok(Box::new(socket(descriptor)?)),
        Kind::Pipe => Ok(Box::new(pipe::Sender::from_owned_fd(descriptor)?)),
        Kind::Other => Ok(Box::new(tokio::io::stdout())),
    }
}

enum Kind {
    Socket,
    Pipe,
    Other,
}

fn kind(descriptor: &OwnedFd) -> io::Result<Kind> {
    use rustix::fs::FileType;
    let status = rustix::fs::fstat(descriptor)?;
    Ok(match FileType::from_raw_mode(status.st_mode) {
        FileType::Socket => Kind::Socket,
        FileType::Fifo => Kind::Pipe,
        FileType::RegularFile
        | FileType::Directory
        | FileType::Symlink
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Kind::Other,
    })
}

fn socket(descriptor: OwnedFd) -> io::Result<UnixStream> {
    let stream = SystemStream::from(descriptor);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}
