//! Where the daemon keeps what it must not lose: `$XDG_STATE_HOME/alike`, for this user alone. Owns the device's key, the lists
//! of members, and the lock that keeps a second daemon out.
//!
//! ```text
//! device.key       64 hexadecimal digits: the seed of this device's key
//! shares/NAME      the list of a share's members
//! scrub/NAME       the path at which a share's files are read again next
//! bump             the last count of this device's lives in gossip, in decimal digits
//! daemon.lock      held while a daemon runs
//! ```
//! Each file is replaced by rename, and durable before it has its name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::FlockOperation;

use super::config::ShareName;
use super::members::Members;
use crate::model::RelPath;
use crate::net::node::DeviceKey;
use crate::net::{self};

const KEY: &str = "device.key";
const SHARES: &str = "shares";
const BUMP: &str = "bump";
const SCRUB: &str = "scrub";
const LOCK: &str = "daemon.lock";
/// The socket's name where there is no directory for it but this one.
const SOCKET: &str = "control.sock";
/// The socket's name in `$XDG_RUNTIME_DIR`.
const RUNTIME_SOCKET: &str = "alike.sock";
/// A list of members is far smaller.
const LIST_BYTES_MAX: u64 = 16 << 20;

/// What the daemon keeps cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Neither `XDG_STATE_HOME` nor `HOME` says where it is.
    #[error("no place for what the daemon keeps: neither XDG_STATE_HOME nor HOME is set")]
    NoPlace,
    /// A file cannot be read or written.
    #[error("cannot {step} `{}`", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("`{}` is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it shows.
        what: String,
    },
    /// Another daemon runs.
    #[error("another daemon of this user is running")]
    Running,
    /// The device's key cannot be made or used.
    #[error(transparent)]
    Key(#[from] net::Error),
}

/// The directory of what the daemon keeps.
#[derive(Debug, Clone)]
pub struct Place {
    directory: PathBuf,
    runtime: Option<PathBuf>,
}

/// Held as long as a daemon runs.
#[derive(Debug)]
pub struct Held(#[allow(dead_code)] File);

impl Place {
    /// `$XDG_STATE_HOME/alike`, else `~/.local/state/alike`. As XDG has it, only absolute paths count.
    pub fn from_environment() -> Result<Place, PlaceError> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
        let directory = base.ok_or(PlaceError::NoPlace)?.join("alike");
        let runtime = absolute("XDG_RUNTIME_DIR").map(|runtime| runtime.join(RUNTIME_SOCKET));
        Ok(Place { directory, runtime })
    }

    /// Where the socket of commands is, or may be: the first is where a daemon makes it.
    pub fn sockets(&self) -> Vec<PathBuf> {
        self.runtime.iter().cloned().chain([self.directory.join(SOCKET)]).collect()
    }

    /// Makes the directory where it is missing; whoever it belonged to before, it is this user's alone then.
    pub fn make(&self) -> Result<(), PlaceError> {
        for directory in [self.directory.clone(), self.directory.join(SHARES), self.directory.join(SCRUB)] {
            let io = |source| PlaceError::Io { step: "make", path: directory.clone(), source };
            DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(io)?;
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).map_err(io)?;
        }
        Ok(())
    }

    /// Keeps any other daemon out.
    pub fn hold(&self) -> Result<Held, PlaceError> {
        let path = self.directory.join(LOCK);
        let io = |source| PlaceError::Io { step: "lock", path: path.clone(), source };
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Held(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(PlaceError::Running),
            Err(error) => Err(io(error.into())),
        }
    }

    /// This device's key: made the first time.
    pub fn key(&self) -> Result<DeviceKey, PlaceError> {
        let path = self.directory.join(KEY);
        let seed = match fs::read_to_string(&path) {
            Ok(text) => {
                seed(text.trim()).ok_or_else(|| PlaceError::Damaged { path, what: "it does not hold a key".into() })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let halves = [net::random()?, net::random()?];
                let seed: [u8; 32] = std::array::from_fn(|at| halves[at / 16][at % 16]);
                let digits: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
                replace(&path, format!("{digits}\n").as_bytes())?;
                seed
            }
            Err(source) => return Err(PlaceError::Io { step: "read", path, source }),
        };
        Ok(DeviceKey::from_seed(seed)?)
    }

    /// The members of a share; `None` where none were ever kept.
    pub fn members(&self, name: &ShareName) -> Result<Option<Members>, PlaceError> {
        let path = self.list(name);
        let io = |source| PlaceError::Io { step: "read", path: path.clone(), source };
        let bytes = match fs::metadata(&path) {
            Ok(found) if found.len() <= LIST_BYTES_MAX => fs::read(&path).map_err(io)?,
            Ok(_) => return Err(PlaceError::Damaged { path, what: "it is too long".into() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io(source)),
        };
        let read = Members::decode(&bytes);
        read.map(Some).map_err(|error| PlaceError::Damaged { path: self.list(name), what: error.to_string() })
    }

    /// Keeps the members of a share.
    pub fn keep(&self, name: &ShareName, members: &Members) -> Result<(), PlaceError> {
        replace(&self.list(name), &members.encode())
    }

    /// Forgets the members of a share.
    pub fn drop_members(&self, name: &ShareName) -> Result<(), PlaceError> {
        match fs::remove_file(self.list(name)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(PlaceError::Io { step: "remove", path: self.list(name), source })
            }
            _ => Ok(()),
        }
    }

    /// Where a share's files are to be read again next; what is damaged begins anew.
    pub fn scrub(&self, name: &ShareName) -> Option<RelPath> {
        let bytes = fs::read(self.directory.join(SCRUB).join(name.as_str())).ok()?;
        RelPath::new(&bytes).ok().filter(|next| !next.as_ref().is_root())
    }

    /// Keeps it; `None`: from the beginning.
    pub fn keep_scrub(&self, name: &ShareName, next: Option<&RelPath>) -> Result<(), PlaceError> {
        let bytes = next.map_or_else(Vec::new, |next| next.as_bytes().to_vec());
        replace(&self.directory.join(SCRUB).join(name.as_str()), &bytes)
    }

    /// Tells this life of the device from all before it: the time, or one more than what was kept where the clock was set back.
    pub fn bump(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_millis() as u64);
        // What is damaged counts nothing: then the time has to do.
        let kept = fs::read_to_string(self.directory.join(BUMP)).ok().and_then(|text| text.trim().parse::<u64>().ok());
        now.max(kept.map_or(0, |kept| kept.saturating_add(1)))
    }

    /// Keeps a count that the next life must begin above.
    pub fn keep_bump(&self, bump: u64) -> Result<(), PlaceError> {
        replace(&self.directory.join(BUMP), format!("{bump}\n").as_bytes())
    }

    fn list(&self, name: &ShareName) -> PathBuf {
        self.directory.join(SHARES).join(name.as_str())
    }
}

fn seed(text: &str) -> Option<[u8; 32]> {
    let bytes: Option<Vec<u8>> = (text.len() == 64 && text.is_ascii())
        .then(|| (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()).collect())?;
    bytes?.try_into().ok()
}

/// Replaces a file: the new bytes are durable before they have its name.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), PlaceError> {
    // A name of a share has no `~`.
    let mut staged = path.as_os_str().to_owned();
    staged.push("~");
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&staged, path)?;
        path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    written().map_err(|source| PlaceError::Io { step: "write", path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Place) {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place { directory: directory.path().join("alike"), runtime: None };
        place.make().expect("made");
        (directory, place)
    }

    #[test]
    fn the_key_is_made_once_and_is_this_users_alone() {
        let (_directory, place) = place();
        let key = place.key().expect("a key").public();
        assert_eq!(place.key().expect("the same").public(), key);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&place.directory), mode(&place.directory.join(KEY))), (0o700, 0o600));
        fs::write(place.directory.join(KEY), "nonsense").expect("written");
        assert!(matches!(place.key(), Err(PlaceError::Damaged { .. })), "a damaged key is never replaced");
    }

    #[test]
    fn lists_come_back_as_they_were_kept() {
        let (_directory, place) = place();
        let name: ShareName = "docs".parse().expect("legal");
        assert_eq!(place.members(&name).expect("none"), None);
        let members = Members::found(&place.key().expect("a key"), [1; 16]);
        place.keep(&name, &members).expect("kept");
        assert_eq!(place.members(&name).expect("one"), Some(members));
        fs::write(place.list(&name), b"nonsense").expect("written");
        assert!(matches!(place.members(&name), Err(PlaceError::Damaged { .. })), "damage is never an empty list");
        place.drop_members(&name).expect("removed");
        place.drop_members(&name).expect("removing nothing is fine");
    }

    #[test]
    fn each_life_counts_more_than_what_was_kept_of_the_one_before() {
        let (_directory, place) = place();
        let first = place.bump();
        assert!(first > 1_700_000_000_000, "the time in milliseconds: {first}");
        place.keep_bump(first + 1_000_000_000).expect("kept");
        assert_eq!(place.bump(), first + 1_000_000_001, "also where the clock was set back");
        fs::write(place.directory.join(BUMP), "nonsense").expect("written");
        assert!(place.bump() >= first, "the time does where that is damaged");
    }

    #[test]
    fn the_scrub_goes_on_where_it_was() {
        let (_directory, place) = place();
        let name: ShareName = "docs".parse().expect("legal");
        let next = RelPath::new(b"a/\xff").expect("legal");
        assert_eq!(place.scrub(&name), None);
        place.keep_scrub(&name, Some(&next)).expect("kept");
        assert_eq!(place.scrub(&name), Some(next));
        place.keep_scrub(&name, None).expect("kept");
        assert_eq!(place.scrub(&name), None, "from the beginning");
    }

    #[test]
    fn one_daemon_at_a_time() {
        let (_directory, place) = place();
        let held = place.hold().expect("nobody runs");
        assert!(matches!(place.hold(), Err(PlaceError::Running)));
        drop(held);
        assert!(place.hold().is_ok());
    }
}
