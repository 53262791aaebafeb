//! What a location means: a local path, `[user@]host:path`, or `alike://MEMBER/SHARE[/PATH]`. First what was typed, then how it is
//! reached.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::asking;
use super::failure::Failure;
use super::output::Output;
use super::paint::Color;
use crate::daemon::config::ShareName;
use crate::daemon::control;
use crate::sync::job::{Host, Location};

/// The most bytes of `[user@]host` that ssh is given.
const HOST_BYTES_MAX: usize = 512;

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// On this machine.
    Local(PathBuf),
    /// `[user@]host:path`.
    Ssh {
        /// `[user@]host`.
        host: String,
        /// The path there.
        path: PathBuf,
    },
    /// `alike://MEMBER/SHARE[/PATH]`.
    Member {
        /// Its name, the first letters of its key, or its address with a port.
        member: String,
        /// The share, as it is called here.
        share: ShareName,
        /// Below its root.
        path: PathBuf,
    },
}

/// Both locations of a job between two roots; at most one may be on another machine.
pub fn pair(first: &OsStr, second: &OsStr) -> Result<(Location, Location), Failure> {
    let (first, second) = (parse(first)?, parse(second)?);
    if let (Some(there), Some(_)) = (first.there(), second.there()) {
        return Err(Failure::usage("both locations are on other machines".into())
            .hint(format!("run it on one of them: `ssh {there} alike ...`")));
    }
    Ok((first.reached()?, second.reached()?))
}

/// A location that must be on this machine, for `verb`.
pub fn local(typed: &OsStr, verb: &str) -> Result<PathBuf, Failure> {
    match parse(typed)? {
        Typed::Local(path) => Ok(path),
        far => Err(Failure::usage(format!("`{}` is on another machine", typed.display()))
            .hint(format!("run it there: `ssh {} alike {verb} ...`", far.there().unwrap_or("HOST")))),
    }
}

impl Typed {
    /// The other machine, as ssh would be told.
    pub fn there(&self) -> Option<&str> {
        match self {
            Typed::Local(_) => None,
            Typed::Ssh { host, .. } => Some(host),
            Typed::Member { member, .. } => Some(member),
        }
    }

    /// The location of a job. To a member the daemon makes a line.
    fn reached(self) -> Result<Location, Failure> {
        Ok(match self {
            Typed::Local(path) => Location::Local(path),
            Typed::Ssh { host, path } => Location::Remote { host: Host::Ssh(host), path },
            Typed::Member { member, share, path } => {
                let shown = format!("alike://{member}/{share}");
                let mut told = false;
                let mut waiting = |what: &str| {
                    if !std::mem::replace(&mut told, true) {
                        Output::standard(Color::Never).complain(format_args!("waiting for {what}"));
                    }
                };
                let line = control::reach(&member, &share, &mut waiting).map_err(|error| asking::failed(&error))?;
                Location::Remote { host: Host::Member { shown, line }, path }
            }
        })
    }
}

/// Understands one location. A `:` before the first `/` makes it remote; `./a:b` is a local path.
pub fn parse(typed: &OsStr) -> Result<Typed, Failure> {
    let bytes = typed.as_bytes();
    if bytes.is_empty() {
        return Err(Failure::usage("an empty location".into()).hint("write `.` for the current directory"));
    }
    if let Some(rest) = bytes.strip_prefix(b"alike://") {
        return member(typed, rest);
    }
    if let Some(refusal) = scheme(typed) {
        return Err(refusal);
    }
    let Some((host, path)) = split(bytes) else {
        return Ok(Typed::Local(typed.into()));
    };
    remote(typed, host, path)
}

/// A share with a member.
fn member(typed: &OsStr, rest: &[u8]) -> Result<Typed, Failure> {
    let refuse = || {
        Failure::usage(format!("cannot understand `{}`", typed.display()))
            .hint("a share of a member is `alike://MEMBER/SHARE` or `alike://HOST:PORT/SHARE`; `alike peers` lists the members")
    };
    let mut parts = rest.splitn(3, |&byte| byte == b'/');
    let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok()).filter(|part| !part.is_empty());
    let (member, share) = (text().ok_or_else(refuse)?, text().ok_or_else(refuse)?);
    let share = share.parse().map_err(|error: &'static str| refuse().because(error))?;
    let path = parts.next().unwrap_or_default();
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    Ok(Typed::Member { member: member.into(), share, path: to_path(&path[..end]) })
}

/// Refuses what looks like an address of a kind that is not spoken.
fn scheme(typed: &OsStr) -> Option<Failure> {
    let (scheme, _) = typed.to_str()?.split_once("://")?;
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let refusal = Failure::usage(format!("cannot reach `{}`", typed.display()));
    Some(refusal.because(&format!("`{scheme}://` is not spoken")).hint("write `host:path` to go through ssh"))
}

/// The host and the path of a remote location; `None` for a local one.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    // An address in brackets may hold colons: the one that counts comes after the closing bracket.
    let user = bytes.iter().position(|&byte| byte == b'@' || byte == b'/').filter(|&at| bytes[at] == b'@');
    let start = user.map_or(0, |at| at + 1);
    let opened = bytes.get(start) == Some(&b'[');
    let skip = if opened { bytes.iter().position(|&byte| byte == b']')? } else { 0 };
    let colon = skip + bytes[skip..].iter().position(|&byte| byte == b':' || byte == b'/')?;
    (bytes[colon] == b':').then(|| (&bytes[..colon], &bytes[colon + 1..]))
}

fn remote(typed: &OsStr, host: &[u8], path: &[u8]) -> Result<Typed, Failure> {
    let refuse = |hint: &str| Err(Failure::usage(format!("cannot understand `{}`", typed.display())).hint(hint));
    let host = match std::str::from_utf8(host) {
        Ok(host) if host.len() <= HOST_BYTES_MAX => host.replace(['[', ']'], ""),
        _ => return refuse("a host's name is plain text; a local path with `:` is written `./a:b`"),
    };
    // ssh would take a leading dash as an option, and options can name programs to run.
    if host.is_empty() || host.ends_with('@') || host.starts_with('-') || host.chars().any(char::is_control) {
        return refuse("a remote location is `[user@]host:path`; a local path with `:` is written `./a:b`");
    }
    match path {
        [b':', ..] => refuse("an rsync daemon is not spoken to; write `host:path` to go through ssh"),
        b"" | b"~" | b"~/" => Ok(Typed::Ssh { host, path: ".".into() }),
        [b'~', b'/', rest @ ..] => Ok(Typed::Ssh { host, path: to_path(rest) }),
        [b'~', ..] => refuse("another user's home directory is written in full; `~/` is your own"),
        _ => Ok(Typed::Ssh { host, path: to_path(path) }),
    }
}

fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Typed {
        parse(OsStr::new(text)).unwrap_or_else(|failure| panic!("{text}: {}", failure.message))
    }

    #[test]
    fn a_colon_before_the_first_slash_makes_it_remote() {
        let far = |host: &str, path: &str| Typed::Ssh { host: host.into(), path: path.into() };
        let table = [
            ("host:path", far("host", "path")),
            ("user@host:/a/b", far("user@host", "/a/b")),
            ("host:a:b", far("host", "a:b")),
            ("host:", far("host", ".")),
            ("host:~", far("host", ".")),
            ("host:~/photos", far("host", "photos")),
            ("[::1]:path", far("::1", "path")),
            ("user@[fe80::1%eth0]:/p", far("user@fe80::1%eth0", "/p")),
            ("./a:b", Typed::Local("./a:b".into())),
            ("/a:b", Typed::Local("/a:b".into())),
            ("a/b@c:d", Typed::Local("a/b@c:d".into())),
            ("plain", Typed::Local("plain".into())),
            ("[x]", Typed::Local("[x]".into())),
            ("[x", Typed::Local("[x".into())),
            ("a@b", Typed::Local("a@b".into())),
        ];
        for (text, location) in table {
            assert_eq!(parsed(text), location, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_reached_is_refused_with_a_hint() {
        let wrong = [
            "",
            ":path",
            "@:path",
            "u@:p",
            "-oProxyCommand=x:y",
            "a::b",
            "host:~bob/x",
            "alike://m",
            "alike:///s",
            "alike://m//p",
        ];
        for text in wrong.into_iter().chain(["rsync://h/m", "ssh://h/p", "ho\nst:p"]) {
            let failure = parse(OsStr::new(text)).expect_err(text);
            assert_eq!(failure.exit.code(), 2, "{text}");
            assert!(!failure.hints.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_share_of_a_member_has_a_member_a_share_and_perhaps_a_path() {
        let far = |member: &str, path: &str| Typed::Member {
            member: member.into(),
            share: "docs".parse().expect("legal"),
            path: path.into(),
        };
        for (text, location) in [
            ("alike://laptop/docs", far("laptop", "")),
            ("alike://laptop/docs/", far("laptop", "")),
            ("alike://host:22067/docs/a/b/", far("host:22067", "a/b")),
            ("alike://[::1]:22067/docs/a:b", far("[::1]:22067", "a:b")),
        ] {
            assert_eq!(parsed(text), location, "{text}");
        }
    }

    #[test]
    fn names_that_are_not_utf8_stay_as_they_are() {
        let typed = OsStr::from_bytes(b"host:caf\xe9");
        let location = parse(typed).expect("legal");
        assert_eq!(location, Typed::Ssh { host: "host".into(), path: to_path(b"caf\xe9") });
    }

    #[test]
    fn two_remote_locations_are_refused() {
        let failure = pair(OsStr::new("a:x"), OsStr::new("b:y")).expect_err("two");
        assert_eq!(failure.hints, ["run it on one of them: `ssh a alike ...`"]);
    }
}
