//! What a location means: a local path, `[user@]host:path`, or something that is not built yet.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::failure::Failure;
use crate::sync::job::Location;

/// The most bytes of `[user@]host` that ssh is given.
const HOST_BYTES_MAX: usize = 512;

/// Both locations of a job between two roots; at most one may be remote.
pub fn pair(first: &OsStr, second: &OsStr) -> Result<(Location, Location), Failure> {
    match (parse(first)?, parse(second)?) {
        (Location::Remote { host, .. }, Location::Remote { .. }) => {
            Err(Failure::usage("both locations are on other machines".into())
                .hint(format!("run it on one of them: `ssh {host} alike ...`")))
        }
        both => Ok(both),
    }
}

/// A location that must be on this machine, for `verb`.
pub fn local(typed: &OsStr, verb: &str) -> Result<PathBuf, Failure> {
    match parse(typed)? {
        Location::Local(path) => Ok(path),
        Location::Remote { host, .. } => Err(Failure::usage(format!("`{}` is on another machine", typed.display()))
            .hint(format!("run it there: `ssh {host} alike {verb} ...`"))),
    }
}

/// Understands one location. A `:` before the first `/` makes it remote; `./a:b` is a local path.
pub fn parse(typed: &OsStr) -> Result<Location, Failure> {
    let bytes = typed.as_bytes();
    if bytes.is_empty() {
        return Err(Failure::usage("an empty location".into()).hint("write `.` for the current directory"));
    }
    if let Some(refusal) = scheme(typed) {
        return Err(refusal);
    }
    let Some((host, path)) = split(bytes) else {
        return Ok(Location::Local(typed.into()));
    };
    remote(typed, host, path)
}

/// Refuses what looks like an address of a kind that is not spoken.
fn scheme(typed: &OsStr) -> Option<Failure> {
    let (scheme, _) = typed.to_str()?.split_once("://")?;
    if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let refusal = Failure::usage(format!("cannot reach `{}`", typed.display()));
    Some(match scheme {
        "alike" => refusal.because("shares of a daemon are not built yet").hint("write `host:path` to go through ssh"),
        _ => refusal.because(&format!("`{scheme}://` is not spoken")).hint("write `host:path` to go through ssh"),
    })
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

fn remote(typed: &OsStr, host: &[u8], path: &[u8]) -> Result<Location, Failure> {
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
        b"" | b"~" | b"~/" => Ok(Location::Remote { host, path: ".".into() }),
        [b'~', b'/', rest @ ..] => Ok(Location::Remote { host, path: to_path(rest) }),
        [b'~', ..] => refuse("another user's home directory is written in full; `~/` is your own"),
        _ => Ok(Location::Remote { host, path: to_path(path) }),
    }
}

fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Location {
        parse(OsStr::new(text)).unwrap_or_else(|failure| panic!("{text}: {}", failure.message))
    }

    #[test]
    fn a_colon_before_the_first_slash_makes_it_remote() {
        let far = |host: &str, path: &str| Location::Remote { host: host.into(), path: path.into() };
        let table = [
            ("host:path", far("host", "path")),
            ("user@host:/a/b", far("user@host", "/a/b")),
            ("host:a:b", far("host", "a:b")),
            ("host:", far("host", ".")),
            ("host:~", far("host", ".")),
            ("host:~/photos", far("host", "photos")),
            ("[::1]:path", far("::1", "path")),
            ("user@[fe80::1%eth0]:/p", far("user@fe80::1%eth0", "/p")),
            ("./a:b", Location::Local("./a:b".into())),
            ("/a:b", Location::Local("/a:b".into())),
            ("a/b@c:d", Location::Local("a/b@c:d".into())),
            ("plain", Location::Local("plain".into())),
            ("[x]", Location::Local("[x]".into())),
            ("[x", Location::Local("[x".into())),
            ("a@b", Location::Local("a@b".into())),
        ];
        for (text, location) in table {
            assert_eq!(parsed(text), location, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_reached_is_refused_with_a_hint() {
        let wrong = ["", ":path", "@:path", "u@:p", "-oProxyCommand=x:y", "a::b", "host:~bob/x", "alike://m/s"];
        for text in wrong.into_iter().chain(["rsync://h/m", "ssh://h/p", "ho\nst:p"]) {
            let failure = parse(OsStr::new(text)).expect_err(text);
            assert_eq!(failure.exit.code(), 2, "{text}");
            assert!(!failure.hints.is_empty(), "{text}");
        }
    }

    #[test]
    fn names_that_are_not_utf8_stay_as_they_are() {
        let typed = OsStr::from_bytes(b"host:caf\xe9");
        let location = parse(typed).expect("legal");
        assert_eq!(location, Location::Remote { host: "host".into(), path: to_path(b"caf\xe9") });
    }

    #[test]
    fn two_remote_locations_are_refused() {
        let failure = pair(OsStr::new("a:x"), OsStr::new("b:y")).expect_err("two");
        assert_eq!(failure.hints, ["run it on one of them: `ssh a alike ...`"]);
    }
}
