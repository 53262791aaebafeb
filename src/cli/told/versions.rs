//! Versions of paths: of a conflict, of a settlement, of the log. Owns the lines and the JSON objects that tell of them.
//!
//! ```text
//! {"type":"conflict","path":"a","versions":[{"replica":"..","digest":"..","bytes":1,"mtime":"..","at":"a"}]}
//! {"type":"settled","path":"a","kept":["a"]}
//! {"type":"edited-at-old-name","path":"a","renamed":"b"}
//! {"type":"version","path":"a","replica":"..","own":true,"counter":1,"digest":"..","bytes":1,"mtime":".."}
//! ```
//! Also `path_b64`, `renamed_b64` and `at_b64` where a name is not UTF-8; `replica`, `digest` and `at` are null where there is none. Times
//! are UTC, to the nanosecond.

use serde::Serialize;

use super::json::{raw, text};
use crate::cli::output::Output;
use crate::cli::paint::Tone;
use crate::cli::{clock, quantity};
use crate::model::entry::Kind;
use crate::model::{Digest, RelPath};
use crate::sync::report::{Conflict, Version};

/// How many hexadecimal digits people are shown.
const DIGITS: usize = 8;

/// A conflict for people: its path, then a line a version.
pub fn conflict_lines(out: &mut Output, conflict: &Conflict) {
    let mark = out.paint.tone(Tone::Changed, "!!");
    out.line(format_args!("{mark} {}", conflict.path));
    for version in &conflict.versions {
        let at = version.at.as_ref().map_or_else(|| "not here yet".to_owned(), ToString::to_string);
        out.line(format_args!("   {}  {at}", columns(version)));
    }
}

/// A settlement for people.
pub fn settled_line(out: &mut Output, path: &RelPath, kept: &[RelPath]) {
    let names: Vec<String> = kept.iter().map(ToString::to_string).collect();
    out.line(format_args!("{path}: kept {}", names.join(", ")));
}

/// A rename against an edit, for people.
pub fn edited_at_old_name_line(out: &mut Output, from: &RelPath, to: &RelPath) {
    out.line(format_args!("{from}: edited at its old name, and kept beside {to}"));
}

/// A version for people.
pub fn version_line(out: &mut Output, path: &RelPath, version: &Version) {
    let counter = version.write.map_or(0, |write| write.counter);
    out.line(format_args!("{counter:>7}  {}  {path}", columns(version)));
}

/// Replica, time, size and digest, in columns.
fn columns(version: &Version) -> String {
    let replica = version.write.map_or_else(String::new, |write| write.replica.to_string());
    let digest = match (version.kind, version.digest) {
        (Kind::Directory, _) => "(dir)".into(),
        (_, Some(digest)) => digest.to_hex()[..DIGITS].to_owned(),
        (_, None) => String::new(),
    };
    format!(
        "{:DIGITS$} {:4}  {}  {:>8}  {digest:DIGITS$}",
        replica.get(..DIGITS).unwrap_or_default(),
        if version.own { "here" } else { "" },
        clock::shown(version.mtime),
        quantity::bytes(version.bytes),
    )
}

/// A conflict as an object.
#[derive(Serialize)]
pub struct Conflicting {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    versions: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    replica: Option<String>,
    digest: Option<String>,
    bytes: u64,
    mtime: String,
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_b64: Option<String>,
}

/// A settlement as an object.
#[derive(Serialize)]
pub struct Settled {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    kept: Vec<String>,
}

/// A rename against an edit, as an object.
#[derive(Serialize)]
pub struct Apart {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    renamed: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed_b64: Option<String>,
}

impl Apart {
    /// What is told of a file that was renamed and edited apart.
    pub fn new(from: &RelPath, to: &RelPath) -> Apart {
        Apart {
            path: text(from).into_owned(),
            path_b64: raw(from),
            renamed: text(to).into_owned(),
            renamed_b64: raw(to),
        }
    }
}

/// A version as an object.
#[derive(Serialize)]
pub struct Present {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    replica: Option<String>,
    own: bool,
    counter: Option<u64>,
    digest: Option<String>,
    bytes: u64,
    mtime: String,
}

impl Conflicting {
    /// What is told of a conflict.
    pub fn new(conflict: &Conflict) -> Conflicting {
        let shown = |version: &Version| Shown {
            replica: version.write.map(|write| write.replica.to_string()),
            digest: version.digest.as_ref().map(Digest::to_hex),
            bytes: version.bytes,
            mtime: clock::exact(version.mtime),
            at: version.at.as_ref().map(|at| text(at).into_owned()),
            at_b64: version.at.as_ref().and_then(raw),
        };
        let versions = conflict.versions.iter().map(shown).collect();
        Conflicting { path: text(&conflict.path).into_owned(), path_b64: raw(&conflict.path), versions }
    }
}

impl Settled {
    /// What is told of a settlement.
    pub fn new(path: &RelPath, kept: &[RelPath]) -> Settled {
        let kept = kept.iter().map(|name| text(name).into_owned()).collect();
        Settled { path: text(path).into_owned(), path_b64: raw(path), kept }
    }
}

impl Present {
    /// What is told of a version.
    pub fn new(path: &RelPath, version: &Version) -> Present {
        Present {
            path: text(path).into_owned(),
            path_b64: raw(path),
            replica: version.write.map(|write| write.replica.to_string()),
            own: version.own,
            counter: version.write.map(|write| write.counter),
            digest: version.digest.as_ref().map(Digest::to_hex),
            bytes: version.bytes,
            mtime: clock::exact(version.mtime),
        }
    }
}
