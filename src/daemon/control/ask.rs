//! What commands ask of a daemon, and what it answers. One JSON object a line; the version is in each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::VERSION;
use super::status::Status;
use crate::daemon::config::{Role, ShareName};
use crate::model::plan::guard::Limit;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// How everything stands; `watch`: again and again, whenever it changes.
    Status {
        /// Whether to go on telling.
        watch: bool,
    },
    /// Answers when a share, or all, is alike.
    Wait {
        /// Which; `None` for all.
        share: Option<ShareName>,
        /// Members that are down do not count.
        live: bool,
    },
    /// Reads the configuration again.
    Reload,
    /// Makes a ticket for a share.
    Invite {
        /// Which.
        share: ShareName,
        /// What whoever comes with it may do.
        role: Role,
    },
    /// Comes with a ticket.
    Join {
        /// The ticket.
        ticket: String,
        /// Where the share shall be.
        root: PathBuf,
        /// What it shall be called here; `None` for the name on the ticket.
        name: Option<ShareName>,
    },
    /// Takes a member off a share, or off all.
    Forget {
        /// Its name, or the first letters of its key.
        member: String,
        /// Of which; `None` for all.
        share: Option<ShareName>,
    },
    /// Lets deletes through that the guard held.
    Approve {
        /// Of which share.
        share: ShareName,
        /// How many are meant.
        #[serde(with = "limit")]
        limit: Limit,
    },
    /// Lets go of what was changed here alone, of a share that only receives.
    Revert {
        /// Which.
        share: ShareName,
    },
    /// Reads all files of a root again.
    Verify {
        /// The root, resolved.
        root: PathBuf,
    },
    /// Makes this connection a line to a member, which serves a share on it.
    Reach {
        /// Its name, the first letters of its key, or its address with a port.
        member: String,
        /// Which share.
        share: ShareName,
    },
    /// Lets go of a root until this connection ends.
    Lend {
        /// The root, resolved.
        root: PathBuf,
    },
}

/// An answer, or a part of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done {
        /// What to tell, where there is something.
        message: Option<String>,
    },
    /// It goes on, and waits for this.
    Waiting {
        /// What for.
        what: String,
    },
    /// How everything stands.
    Status(Box<Status>),
    /// A ticket was made.
    Invited {
        /// It, as one word.
        ticket: String,
        /// For so many seconds it can be used.
        seconds: u64,
    },
    /// The share was joined.
    Joined {
        /// As it is called here.
        share: ShareName,
        /// What this device may do.
        role: Role,
    },
    /// All files were read again.
    Verified {
        /// How many.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Those that have rotted, and were not put right.
        rotten: Vec<String>,
        /// Those that had rotted, and were.
        healed: Vec<String>,
    },
    /// The member is at the other end from here on.
    Reached,
    /// The root is let go of.
    Lent,
    /// No share of this daemon has that root.
    NotHeld,
    /// It cannot be done.
    Refused(Refusal),
}

/// Why something cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The exit status it asks for.
    pub exit: u8,
    /// What failed.
    pub message: String,
    /// Why.
    pub causes: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal with a message alone.
    pub fn new(exit: u8, message: impl Into<String>) -> Refusal {
        Refusal { exit, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// An error with the chain of its sources.
    pub fn of(exit: u8, error: &(dyn std::error::Error + 'static)) -> Refusal {
        let causes = std::iter::successors(error.source(), |error| error.source());
        let causes = causes.map(ToString::to_string).collect();
        Refusal { exit, message: error.to_string(), causes, hint: None }
    }

    /// With advice.
    pub fn hint(self, hint: impl Into<String>) -> Refusal {
        Refusal { hint: Some(hint.into()), ..self }
    }
}

#[derive(Serialize, Deserialize)]
struct Line<T> {
    v: u32,
    #[serde(flatten)]
    said: T,
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

/// What came over the socket is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misunderstood {
    /// The other side has another version.
    #[error("it speaks version {0} of the daemon's socket, and this program speaks version {VERSION}")]
    Version(u32),
    /// It is no line of ours.
    #[error("it says what this program does not understand: {0}")]
    Garbled(String),
}

/// As a line, its end included.
pub fn encode<T: Serialize>(said: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(&Line { v: VERSION, said }).expect("what is said has a form in JSON");
    line.push(b'\n');
    line
}

/// A line, understood.
pub fn decode<T: serde::de::DeserializeOwned>(line: &[u8]) -> Result<T, Misunderstood> {
    let garbled = |error: serde_json::Error| Misunderstood::Garbled(error.to_string());
    let Versioned { v } = serde_json::from_slice(line).map_err(garbled)?;
    if v != VERSION {
        return Err(Misunderstood::Version(v));
    }
    serde_json::from_slice::<Line<T>>(line).map(|line| line.said).map_err(garbled)
}

/// A limit of deletes: `500` or `30%`.
mod limit {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::model::plan::guard::Limit;

    pub fn serialize<S: Serializer>(limit: &Limit, to: S) -> Result<S::Ok, S::Error> {
        match limit {
            Limit::Default => to.serialize_str("default"),
            Limit::Count(count) => to.collect_str(count),
            Limit::Percent(percent) => to.collect_str(&format_args!("{percent}%")),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Limit, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || D::Error::custom("a limit is a number or a part in percent");
        match text.strip_suffix('%') {
            Some(part) => part.parse().map(Limit::Percent).map_err(|_| wrong()),
            None if text == "default" => Ok(Limit::Default),
            None => text.parse().map(Limit::Count).map_err(|_| wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_comes_back_as_it_was() {
        let name: ShareName = "docs".parse().expect("legal");
        let asks = [
            Ask::Status { watch: true },
            Ask::Wait { share: Some(name.clone()), live: false },
            Ask::Approve { share: name.clone(), limit: Limit::Percent(30) },
            Ask::Join { ticket: "t".into(), root: "/d".into(), name: None },
        ];
        for ask in asks {
            assert_eq!(decode(&encode(&ask)), Ok(ask));
        }
        let answer = Answer::Refused(Refusal::new(3, "no").hint("yes"));
        assert_eq!(decode(&encode(&answer)), Ok(answer));
    }

    #[test]
    fn other_versions_and_nonsense_are_named() {
        assert_eq!(decode::<Ask>(b"{\"v\":2,\"ask\":\"status\"}"), Err(Misunderstood::Version(2)));
        for wrong in ["", "{}", "[]", "{\"v\":1}", "{\"v\":1,\"ask\":\"dance\"}", "{\"v\":1,\"ask\":\"lend\"}"] {
            assert!(matches!(decode::<Ask>(wrong.as_bytes()), Err(Misunderstood::Garbled(_))), "{wrong}");
        }
    }
}
