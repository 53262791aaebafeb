//! The messages of a conversation beside the comparison itself: what is asked of the far side, what it tells. Their own
//! wire form (postcard), so that no change of a type elsewhere changes the protocol by accident. Reading them survives
//! arbitrary bytes.

use serde::{Deserialize, Serialize};

use crate::model::entry::Extra;
use crate::model::plan::{Action, Before, Changes, Limit, Source, Step, Totals};
use crate::model::{Digest, Entry, Kind, Problem, ProblemKind, RelPath, ReplicaId, Siblings, Stamp, Time};

/// The bytes are not a message of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message that cannot be read")]
pub struct Unreadable;

/// What the far side is in this job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It holds the source: it answers.
    Source,
    /// It holds the target: it plans and installs.
    Target,
    /// It is a replica: both ends plan and install.
    Replica,
}

/// The first message: what the far side shall do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Its role.
    pub role: Role,
    /// Its root, as the user wrote it.
    pub path: Vec<u8>,
    /// gitignore lines.
    pub filter: Vec<String>,
    /// Stay on one file system.
    pub one_file_system: bool,
    /// Read every file.
    pub checksum: bool,
    /// Compare size and time only.
    pub quick: bool,
    /// Which metadata is wanted: mode, xattrs, owner, links, devices.
    pub fidelity: [bool; 5],
    /// How the target is written; ignored by a source.
    pub writing: Writing,
    /// Whether the asking side may set owners.
    pub superuser: bool,
    /// Whether index caches are written.
    pub cache: bool,
    /// Which end decides conflicts.
    pub decides: Decides,
    /// How content is packed, where the user says so.
    pub compress: Option<Compress>,
    /// What the asking side's root comes in order by, where it is a replica: of two machines that ask each other at the same
    /// time one waits for the other.
    pub order: Option<(u64, u64)>,
}

/// How hard content is packed for the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compress {
    /// Not at all.
    Off,
    /// Faster than almost any link.
    Fast,
    /// For slow links.
    Best,
}

/// Which end of a meeting decides conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decides {
    /// None: every version is kept.
    Nobody,
    /// The one that asks.
    Asking,
    /// The one that answers, for what its disk shows.
    Answering,
}

/// How a target is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writing {
    /// Compare only.
    pub dry_run: bool,
    /// Leave what only the target has.
    pub keep_extra: bool,
    /// How many deletes are meant.
    pub limit: Limit,
    /// Keep what is replaced.
    pub trash: bool,
    /// Put it here instead.
    pub backup: Option<Vec<u8>>,
    /// Delete what is left out as well.
    pub delete_excluded: bool,
    /// Make missing parents.
    pub make_parents: bool,
    /// 0 each, 1 batch, 2 off.
    pub fsync: u8,
}

/// The answer to [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The root is open.
    Opened {
        /// Its resolved path.
        path: String,
        /// Whether the answering side may set owners.
        superuser: bool,
        /// Whether it is a target that holds nothing yet: then what is sent there need not have been hashed before.
        vacant: bool,
    },
    /// It cannot be used.
    Refused(Failure),
}

/// Why the far side cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The exit status it stands for.
    pub exit: u8,
    /// What failed.
    pub message: String,
    /// What the system said.
    pub cause: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// One root at the end of its scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scanned {
    /// The tree's highest digest.
    pub top: Digest,
    /// Number of entries.
    pub entries: u64,
    /// Bytes of all regular files.
    pub bytes: u64,
    /// Bytes that were read and hashed.
    pub hashed_bytes: u64,
    /// Whether any ignore file was obeyed.
    pub ignoring: bool,
}

/// What a replica says of itself first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// Who it is.
    pub id: ReplicaId,
    /// Top of the tree of all that it agreed on.
    pub top: Digest,
    /// Number of paths in it.
    pub entries: u64,
    /// All writes that it has seen, as [`crate::model::Knowledge`] encodes them.
    pub knowledge: Vec<u8>,
    /// Of each replica that it knows of, how many eras it has and a digest of them.
    pub stories: Vec<(ReplicaId, u64, [u8; 16])>,
}

/// Eras of one replica: those that follow the first `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eras {
    /// Whose.
    pub id: ReplicaId,
    /// How many come before them.
    pub from: u64,
    /// First counters and tokens.
    pub eras: Vec<(u64, u64)>,
}

/// What travels on the control stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A frame of the comparison.
    Reconcile(Vec<u8>),
    /// The scan is done.
    Scanned(Scanned),
    /// What a replica says of itself first.
    Greeting(Greeting),
    /// Eras that the other end cannot know, and whether more follow.
    Eras(Vec<Eras>, bool),
    /// What paths hold after writes of the teller's own in the middle of the meeting; a greeting ends them.
    Decided(Vec<Decision>),
    /// A file that was renamed on the teller's side, and edited on the other at its old name: the old name and the new one.
    Renamed(Vec<u8>, Vec<u8>),
    /// The other end's turn to install.
    Turn,
    /// Paths that failed, on the teller's side.
    Problems(Vec<PathProblem>),
    /// The plan's totals; once, before any action.
    Planned(Totals),
    /// Actions that were done, or in a dry run would be.
    Actions(Vec<Told>),
    /// Counters of the target so far: files, bytes, and how many of the bytes were there already.
    Progress(u64, u64, u64),
    /// The target is done; its scan afterwards.
    Finished(Scanned),
    /// A target asks for the text of the source's ignore files at these paths.
    RulesWanted(Vec<Vec<u8>>),
    /// The text of one of them, in the order asked, or why it is not known.
    Rules(Result<Vec<u8>, String>),
    /// The job failed on the teller's side.
    Failed(Failure),
    /// The asking side needs no more.
    Bye,
}

/// What a path holds after a write that the teller made itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    path: Vec<u8>,
    siblings: Vec<u8>,
}

impl Decision {
    /// A path and what it holds now.
    pub fn new(path: &RelPath, siblings: &Siblings) -> Decision {
        let mut bytes = Vec::new();
        siblings.encode(&mut bytes);
        Decision { path: path.as_bytes().into(), siblings: bytes }
    }

    /// How much room it takes, nearly.
    pub fn bytes(&self) -> usize {
        self.path.len() + self.siblings.len()
    }

    /// The path and what it holds.
    pub fn read(&self) -> Result<(RelPath, Siblings), Unreadable> {
        let path = RelPath::new(&self.path).map_err(|_| Unreadable)?;
        let path = Some(path).filter(|path| !path.as_ref().is_root()).ok_or(Unreadable)?;
        Ok((path, Siblings::decode(&self.siblings).ok_or(Unreadable)?))
    }
}

/// A problem on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathProblem {
    path: Vec<u8>,
    kind: ProblemKind,
    cause: String,
}

/// An action on the wire: what a person is told of it, not what it takes to do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    path: Vec<u8>,
    step: u8,
    source: u8,
    from: Vec<u8>,
    wanted: Option<Brief>,
    before: Option<Brief>,
    changes: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Brief {
    kind: u8,
    mode: u16,
    mtime: Time,
    size: u64,
    target: Option<Vec<u8>>,
}

impl Message {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a message; refuses trailing bytes.
    pub fn decode(bytes: &[u8]) -> Result<Message, Unreadable> {
        decode(bytes)
    }
}

impl Ask {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a message; refuses trailing bytes.
    pub fn decode(bytes: &[u8]) -> Result<Ask, Unreadable> {
        decode(bytes)
    }
}

impl Answer {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a message; refuses trailing bytes.
    pub fn decode(bytes: &[u8]) -> Result<Answer, Unreadable> {
        decode(bytes)
    }
}

fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_stdvec(message).expect("messages hold nothing that postcard cannot write")
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Unreadable> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        _ => Err(Unreadable),
    }
}

impl From<&Problem> for PathProblem {
    fn from(problem: &Problem) -> PathProblem {
        PathProblem { path: problem.path.as_bytes().into(), kind: problem.kind, cause: problem.cause.clone() }
    }
}

impl TryFrom<PathProblem> for Problem {
    type Error = Unreadable;

    fn try_from(told: PathProblem) -> Result<Problem, Unreadable> {
        let path = RelPath::new(&told.path).map_err(|_| Unreadable)?;
        Ok(Problem { path, kind: told.kind, cause: told.cause })
    }
}

const CREATE: u8 = 1;
const UPDATE: u8 = 2;
const MKDIR: u8 = 3;
const RENAME: u8 = 4;
const METADATA: u8 = 5;
const DELETE: u8 = 6;

impl From<&Action> for Told {
    fn from(action: &Action) -> Told {
        let (step, source, from) = match &action.step {
            Step::Mkdir => (MKDIR, 0, Vec::new()),
            Step::Create(source) => (CREATE, number(source), origin(source)),
            Step::Update(source) => (UPDATE, number(source), origin(source)),
            Step::Rename { from, .. } => (RENAME, 0, from.as_bytes().into()),
            Step::Metadata => (METADATA, 0, Vec::new()),
            Step::Delete { .. } => (DELETE, 0, Vec::new()),
        };
        Told {
            path: action.path.as_bytes().into(),
            step,
            source,
            from,
            wanted: action.wanted.as_ref().map(Brief::from),
            before: action.before.as_ref().map(|before| Brief::from(&before.entry)),
            changes: pack(action.changes),
        }
    }
}

impl TryFrom<Told> for Action {
    type Error = Unreadable;

    fn try_from(told: Told) -> Result<Action, Unreadable> {
        let path = RelPath::new(&told.path).map_err(|_| Unreadable)?;
        let from = RelPath::new(&told.from).map_err(|_| Unreadable)?;
        let step = match told.step {
            CREATE => Step::Create(source(told.source, from)?),
            UPDATE => Step::Update(source(told.source, from)?),
            MKDIR => Step::Mkdir,
            RENAME => Step::Rename { from },
            METADATA => Step::Metadata,
            DELETE => Step::Delete { whole: false, within: false },
            _ => return Err(Unreadable),
        };
        let before = told.before.map(|brief| {
            let entry = brief.entry()?;
            Ok(Box::new(Before { kind: entry.kind, stamp: Stamp::default(), entry }))
        });
        Ok(Action {
            path,
            step,
            wanted: told.wanted.map(Brief::entry).transpose()?,
            before: before.transpose()?,
            changes: unpack(told.changes),
        })
    }
}

fn number(source: &Source) -> u8 {
    match source {
        Source::None => 0,
        Source::Fetch => 1,
        Source::Copy { .. } => 2,
        Source::Link { .. } => 3,
    }
}

fn origin(source: &Source) -> Vec<u8> {
    match source {
        Source::Copy { from: path } | Source::Link { to: path } => path.as_bytes().into(),
        Source::None | Source::Fetch => Vec::new(),
    }
}

fn source(number: u8, path: RelPath) -> Result<Source, Unreadable> {
    match number {
        0 => Ok(Source::None),
        1 => Ok(Source::Fetch),
        2 => Ok(Source::Copy { from: path }),
        3 => Ok(Source::Link { to: path }),
        _ => Err(Unreadable),
    }
}

fn pack(changes: Changes) -> u16 {
    let Changes { content, size, mtime, mode, owner, group, xattrs, links, kind } = changes;
    [content, size, mtime, mode, owner, group, xattrs, links, kind]
        .iter()
        .enumerate()
        .fold(0, |bits, (at, &set)| bits | u16::from(set) << at)
}

fn unpack(bits: u16) -> Changes {
    let set = |at: u32| bits >> at & 1 == 1;
    Changes {
        content: set(0),
        size: set(1),
        mtime: set(2),
        mode: set(3),
        owner: set(4),
        group: set(5),
        xattrs: set(6),
        links: set(7),
        kind: set(8),
    }
}

impl From<&Entry> for Brief {
    fn from(entry: &Entry) -> Brief {
        Brief {
            kind: entry.kind as u8,
            mode: entry.mode,
            mtime: entry.mtime,
            size: entry.size,
            target: entry.target().map(<[u8]>::to_vec),
        }
    }
}

impl Brief {
    fn entry(self) -> Result<Entry, Unreadable> {
        let kind = Kind::from_u8(self.kind).ok_or(Unreadable)?;
        let target = self.target.map(Vec::into_boxed_slice);
        Ok(Entry {
            kind,
            mode: self.mode,
            mtime: self.mtime,
            size: self.size,
            content: Digest::UNKNOWN,
            uid: 0,
            gid: 0,
            extra: target.map(|target| Box::new(Extra { target: Some(target), ..Extra::default() })),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_told_as_it_is() {
        let action = Action {
            path: RelPath::new(b"a/b").expect("legal"),
            step: Step::Rename { from: RelPath::new(b"c").expect("legal") },
            wanted: None,
            before: None,
            changes: Changes { mtime: true, kind: true, ..Changes::default() },
        };
        let message = Message::Actions(vec![Told::from(&action)]);
        let Ok(Message::Actions(mut told)) = Message::decode(&message.encode()) else { panic!("the same message") };
        assert_eq!(Action::try_from(told.remove(0)), Ok(action));
    }

    #[test]
    fn a_decision_is_told_as_it_is_and_one_that_cannot_be_read_is_refused() {
        let path = RelPath::new(b"a/b").expect("legal");
        let decision = Decision::new(&path, &Siblings::new());
        assert_eq!(decision.read(), Ok((path, Siblings::new())));
        for (path, siblings) in [(&b""[..], &b""[..]), (b"../x", b""), (b"a", b"no siblings")] {
            assert_eq!(Decision { path: path.into(), siblings: siblings.into() }.read(), Err(Unreadable));
        }
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = Message::Bye.encode();
        bytes.push(0);
        assert_eq!(Message::decode(&bytes), Err(Unreadable));
    }
}
