//! The form of `config.toml`. Each value is understood where it is read, so that what is wrong is told with its line.
//!
//! ```toml
//! listen = "[::]:22067"            # an address with a port, or a port
//! mdns = true
//! metrics = 9547                  # a loopback port; without it there is none
//! interval = "10s"
//! rescan = "1h"
//! scrub = "30d"                   # or "off"
//! bwlimit = "08:00,512k 19:00,off"
//! name = "laptop"
//!
//! [hooks]
//! on-conflict = "notify-send conflict"
//! after-sync = "make"
//!
//! [share.docs]
//! root = "/home/me/docs"
//! role = "rw"                     # or "send" or "receive"
//! paused = false
//! ```

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::name::ShareName;
use super::{Config, ConfigError, Hooks, Role, Shared, Timetable, duration};
use crate::daemon::members::NAME_BYTES_MAX;

/// What a device may be called.
const NAME: &str = "the name of a device takes up to 64 bytes that can be seen";

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default, deserialize_with = "listen")]
    listen: Option<SocketAddr>,
    mdns: Option<bool>,
    metrics: Option<u16>,
    #[serde(default, deserialize_with = "length")]
    interval: Option<Duration>,
    #[serde(default, deserialize_with = "length")]
    rescan: Option<Duration>,
    #[serde(default, deserialize_with = "scrub")]
    scrub: Option<Option<Duration>>,
    #[serde(default, deserialize_with = "timetable")]
    bwlimit: Timetable,
    #[serde(default, deserialize_with = "name")]
    name: Option<String>,
    #[serde(default)]
    hooks: FileHooks,
    #[serde(default)]
    share: BTreeMap<ShareName, FileShare>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileHooks {
    on_conflict: Option<String>,
    after_sync: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileShare {
    #[serde(deserialize_with = "root")]
    root: PathBuf,
    #[serde(default)]
    role: Role,
    #[serde(default)]
    paused: bool,
}

/// Understands the text of the file at `path`.
pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
        ConfigError::Nonsense { path: path.into(), line, message: error.message().replace('\n', ", ") }
    })?;
    let default = Config::default();
    let FileHooks { on_conflict, after_sync } = file.hooks;
    let shares = file.share.into_iter().map(|(name, share)| (name, Shared::from(share))).collect();
    Ok(Config {
        listen: file.listen.unwrap_or(default.listen),
        mdns: file.mdns.unwrap_or(default.mdns),
        metrics: file.metrics,
        interval: file.interval.unwrap_or(default.interval),
        rescan: file.rescan.unwrap_or(default.rescan),
        scrub: file.scrub.unwrap_or(default.scrub),
        bwlimit: file.bwlimit,
        hooks: Hooks { on_conflict, after_sync },
        name: file.name,
        shares,
    })
}

impl From<FileShare> for Shared {
    fn from(share: FileShare) -> Shared {
        let FileShare { root, role, paused } = share;
        Shared { root, role, paused }
    }
}

/// An address with a port, or a port on every address.
pub fn parse_listen(text: &str) -> Result<SocketAddr, &'static str> {
    let port = text.parse().map(|port: u16| SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port));
    port.or_else(|_| text.parse()).map_err(|_| "it takes an address with a port, such as [::]:22067, or a port")
}

fn listen<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    parse_listen(&text).map(Some).map_err(D::Error::custom)
}

fn length<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    duration::parse(&text).map(Some).map_err(D::Error::custom)
}

/// The outer `None`: nothing was said; the inner one: never.
#[allow(clippy::option_option)]
fn scrub<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Duration>>, D::Error> {
    let text = String::deserialize(from)?;
    if text == "off" {
        return Ok(Some(None));
    }
    duration::parse(&text).map(|length| Some(Some(length))).map_err(D::Error::custom)
}

fn timetable<'de, D: Deserializer<'de>>(from: D) -> Result<Timetable, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(D::Error::custom)
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    let legal = !text.trim().is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control);
    if legal { Ok(Some(text)) } else { Err(D::Error::custom(NAME)) }
}

fn root<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::from(String::deserialize(from)?);
    // The daemon's own directory is nobody's business.
    if path.is_absolute() { Ok(path) } else { Err(D::Error::custom("a root is an absolute path")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Config, String> {
        parse(Path::new("c"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_said_is_the_default() {
        assert_eq!(parsed(""), Ok(Config::default()));
    }

    #[test]
    fn every_key_is_understood() {
        let text = "listen = \"4548\"\nmdns = false\nmetrics = 9547\ninterval = \"2s\"\nrescan = \"2h\"\nscrub = \"off\"\nbwlimit = \"1M\"\n\
            name = \"laptop\"\n[hooks]\non-conflict = \"a\"\nafter-sync = \"b\"\n\
            [share.docs]\nroot = \"/d\"\nrole = \"send\"\npaused = true\n[share.music]\nroot = \"/m\"\n";
        let config = parsed(text).expect("legal");
        assert_eq!(config.listen.port(), 4548);
        assert_eq!((config.mdns, config.metrics, config.name.as_deref()), (false, Some(9547), Some("laptop")));
        assert_eq!((config.interval, config.rescan), (Duration::from_secs(2), Duration::from_secs(7200)));
        assert_eq!(
            (config.scrub, parsed("scrub = \"9d\"").map(|config| config.scrub)),
            (None, Ok(Some(Duration::from_secs(777_600))))
        );
        assert_eq!(config.bwlimit.at(0), Some(1 << 20));
        assert_eq!(config.hooks.after_sync.as_deref(), Some("b"));
        let docs = &config.shares[&"docs".parse::<ShareName>().expect("legal")];
        assert_eq!(docs, &Shared { root: "/d".into(), role: Role::Send, paused: true });
        assert_eq!(config.shares.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let table = [
            ("mdns = true\nintervall = \"1s\"\n", 2),
            ("[share.docs]\nroot = \"/d\"\nroel = \"rw\"\n", 3),
            ("[share.docs]\nroot = \"d\"\n", 2),
            ("[share.docs]\nroot = \"/d\"\nrole = \"both\"\n", 3),
            ("\n\n[share.\"a/b\"]\nroot = \"/d\"\n", 3),
            ("interval = \"soon\"\n", 1),
            ("mdns = maybe\n", 1),
            ("\nname = \" \"\n", 2),
            ("name = \"two\\nlines\"\n", 1),
            ("[hooks]\n\nafter = \"x\"\n", 3),
        ];
        for (text, line) in table {
            let message = parsed(text).expect_err(text);
            assert!(message.starts_with(&format!("line {line} of")), "{text:?}: {message}");
        }
    }
}
