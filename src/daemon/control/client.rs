//! The commands' side of the socket. Blocks, but never without a word: of a daemon that says nothing for two seconds that is
//! said, and after ten it is an error.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ask::{self, Answer, Ask, Misunderstood, Refusal};
use super::{DEADLINE, LINE_BYTES_MAX, SILENCE_MAX};
use crate::daemon::config::ShareName;
use crate::daemon::place::{Place, PlaceError};
use crate::sync::line::Line;

/// What is waited for where the daemon says nothing.
pub const SILENT: &str = "the daemon, which says nothing";

/// A connection to the daemon of this user.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<UnixStream>,
    /// What has come of the next line.
    line: Vec<u8>,
    heard: Instant,
}

/// A root that the daemon lets go of; it takes it up again when this is dropped.
#[derive(Debug)]
pub struct Loan(#[allow(dead_code)] Client);

/// The daemon cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// None runs.
    #[error("no daemon is running")]
    NotRunning,
    /// Nobody knows where its socket would be.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The connection failed.
    #[error("lost the daemon")]
    Lost(#[source] io::Error),
    /// It says nothing.
    #[error("the daemon does not answer")]
    Silent,
    /// It says what is not understood.
    #[error("cannot speak with the daemon")]
    Misunderstood(#[source] Misunderstood),
    /// It cannot do what was asked.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

impl Client {
    /// Connects.
    pub fn connect(place: &Place) -> Result<Client, ClientError> {
        let connected = place.sockets().iter().find_map(|path| UnixStream::connect(path).ok());
        let stream = connected.ok_or(ClientError::NotRunning)?;
        stream.set_write_timeout(Some(DEADLINE)).map_err(ClientError::Lost)?;
        Ok(Client { reader: BufReader::new(stream), line: Vec::new(), heard: Instant::now() })
    }

    /// Asks; the answers come from [`Self::next`].
    pub fn ask(&mut self, ask: &Ask) -> Result<(), ClientError> {
        self.reader.get_mut().write_all(&ask::encode(ask)).map_err(ClientError::Lost)
    }

    /// The next answer; `None` once the daemon has said everything. A refusal is an error. What is waited for meanwhile is told to
    /// `waiting`.
    pub fn next(&mut self, waiting: &mut dyn FnMut(&str)) -> Result<Option<Answer>, ClientError> {
        loop {
            match self.within(DEADLINE)? {
                Heard::Said(answer) => return Ok(Some(answer)),
                Heard::All => return Ok(None),
                Heard::Nothing => waiting(SILENT),
            }
        }
    }

    /// What comes within so long. An error once the daemon has said nothing for [`SILENCE_MAX`].
    pub fn within(&mut self, wait: Duration) -> Result<Heard, ClientError> {
        self.reader.get_mut().set_read_timeout(Some(wait)).map_err(ClientError::Lost)?;
        let left = LINE_BYTES_MAX.saturating_sub(self.line.len()) as u64;
        match (&mut self.reader).take(left).read_until(b'\n', &mut self.line) {
            Ok(0) => return Ok(Heard::All),
            Ok(_) => {}
            // What has come of a line is kept: the rest follows.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                let is_silent = self.heard.elapsed() >= SILENCE_MAX;
                return if is_silent { Err(ClientError::Silent) } else { Ok(Heard::Nothing) };
            }
            Err(error) => return Err(ClientError::Lost(error)),
        }
        self.heard = Instant::now();
        let line = std::mem::take(&mut self.line);
        match ask::decode(&line).map_err(ClientError::Misunderstood)? {
            Answer::Refused(refusal) => Err(ClientError::Refused(refusal)),
            answer => Ok(Heard::Said(answer)),
        }
    }

    /// Asks, and gives the one answer that matters. What is waited for meanwhile is told to `waiting`.
    pub fn answer(&mut self, ask: &Ask, waiting: &mut dyn FnMut(&str)) -> Result<Answer, ClientError> {
        self.ask(ask)?;
        loop {
            match self.next(waiting)? {
                Some(Answer::Waiting { what }) => waiting(&what),
                Some(answer) => return Ok(answer),
                None => return Err(ClientError::Lost(io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }
}

/// What came of a daemon.
#[derive(Debug)]
pub enum Heard {
    /// An answer.
    Said(Answer),
    /// It has said everything.
    All,
    /// Nothing yet.
    Nothing,
}

/// Has the daemon make a line to a member of a share. What is waited for meanwhile is told to `waiting`.
pub fn reach(member: &str, share: &ShareName, waiting: &mut dyn FnMut(&str)) -> Result<Line, ClientError> {
    let mut client = Client::connect(&Place::from_environment()?)?;
    let ask = Ask::Reach { member: member.into(), share: share.clone() };
    match client.answer(&ask, waiting)? {
        Answer::Reached => {
            let Client { reader, .. } = client;
            let early = reader.buffer().to_vec();
            let stream = reader.into_inner();
            let waits = stream.set_read_timeout(None).and_then(|()| stream.set_write_timeout(None));
            waits.map_err(ClientError::Lost)?;
            Ok(Line::new(stream, &early))
        }
        _ => Err(ClientError::Misunderstood(Misunderstood::Garbled("no line to a member".into()))),
    }
}

/// Asks the daemon to let go of a root, where one runs and holds it. `None` where nobody does.
pub fn borrow(root: &Path, waiting: &mut dyn FnMut(&str)) -> Result<Option<Loan>, ClientError> {
    let Some((mut client, root)) = keeping(root)? else { return Ok(None) };
    match client.answer(&Ask::Lend { root }, waiting)? {
        Answer::Lent => Ok(Some(Loan(client))),
        _ => Ok(None),
    }
}

/// Asks the daemon to read all files of a root again, where one runs and holds it. `None` where nobody does.
pub fn verified(root: &Path, waiting: &mut dyn FnMut(&str)) -> Result<Option<Answer>, ClientError> {
    let Some((mut client, root)) = keeping(root)? else { return Ok(None) };
    let answer = client.answer(&Ask::Verify { root }, waiting)?;
    Ok(Some(answer).filter(|answer| *answer != Answer::NotHeld))
}

/// The daemon, where one runs and the root may be a share's.
fn keeping(root: &Path) -> Result<Option<(Client, PathBuf)>, ClientError> {
    // What has no memory is no share of anybody: most runs ask no daemon at all.
    let memory = root.join(crate::disk::control::NAME).join(crate::sync::replica::STATE);
    let (Ok(_), Ok(root)) = (memory.symlink_metadata(), root.canonicalize()) else { return Ok(None) };
    match Client::connect(&Place::from_environment()?) {
        Ok(client) => Ok(Some((client, root))),
        Err(ClientError::NotRunning) => Ok(None),
        Err(error) => Err(error),
    }
}
