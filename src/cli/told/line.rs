//! One action on one line: the mark, the path, then size and why. Pure.

use crate::cli::paint::Tone;
use crate::cli::quantity;
use crate::model::entry::{Entry, Kind};
use crate::model::plan::{Action, Source, Step};
use crate::sync::report::Side;

/// An action in the parts of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `>`, `>+`, `>-`, `>m`, `>t`, or the same to the left.
    pub mark: &'static str,
    /// How the mark is painted.
    pub tone: Tone,
    /// The path, or `old -> new`; a directory ends in a slash.
    pub path: String,
    /// Size and why, with two spaces in front; empty where there is nothing to add.
    pub details: String,
}

impl Line {
    /// The line of an action.
    pub fn new(action: &Action, side: Side) -> Line {
        let details = details(action).join(", ");
        Line {
            mark: mark(&action.step, side),
            tone: tone(&action.step),
            path: path(action),
            details: if details.is_empty() { details } else { format!("  {details}") },
        }
    }
}

fn mark(step: &Step, side: Side) -> &'static str {
    let marks = match step {
        Step::Update(_) => ["<", ">"],
        Step::Mkdir | Step::Create(_) => ["<+", ">+"],
        Step::Delete { .. } => ["<-", ">-"],
        Step::Rename { .. } => ["<m", ">m"],
        Step::Metadata => ["<t", ">t"],
    };
    match side {
        Side::Left => marks[0],
        Side::Right => marks[1],
    }
}

fn tone(step: &Step) -> Tone {
    match step {
        Step::Mkdir | Step::Create(_) => Tone::New,
        Step::Delete { .. } => Tone::Gone,
        Step::Update(_) | Step::Rename { .. } | Step::Metadata => Tone::Changed,
    }
}

fn path(action: &Action) -> String {
    let slash = if is_directory(action) { "/" } else { "" };
    match &action.step {
        Step::Rename { from } => format!("{from}{slash} -> {}{slash}", action.path),
        _ => format!("{}{slash}", action.path),
    }
}

/// Whether a directory is made, changed or deleted.
pub fn is_directory(action: &Action) -> bool {
    let now = || action.before.as_ref().map(|before| before.kind);
    action.wanted.as_ref().map(|entry| entry.kind).or_else(now) == Some(Kind::Directory)
}

/// Size and why.
fn details(action: &Action) -> Vec<String> {
    let mut details = Vec::new();
    match (&action.step, &action.wanted, &action.before) {
        (Step::Create(source) | Step::Update(source), Some(wanted), _) => {
            details.extend(what(wanted));
            details.extend(origin(source));
        }
        (Step::Rename { .. }, Some(wanted), _) => details.extend(what(wanted)),
        (Step::Delete { .. }, _, Some(before)) => details.extend(what(&before.entry)),
        _ => {}
    }
    details.extend(why(action));
    details
}

/// What an entry is, beside its path: its size for a file, where it points for a link.
fn what(entry: &Entry) -> Option<String> {
    match entry.kind {
        Kind::File => Some(quantity::bytes(entry.size)),
        Kind::Symlink => Some(format!("link to {}", shown(entry.target().unwrap_or_default()))),
        Kind::Directory => None,
        kind => Some(noun(kind).into()),
    }
}

fn origin(source: &Source) -> Option<String> {
    match source {
        Source::Copy { from } => Some(format!("copied from {from}")),
        Source::Link { to } => Some(format!("hard link to {to}")),
        Source::Fetch | Source::None => None,
    }
}

/// Which fields differ. Where the content does, a new modification time says nothing more.
fn why(action: &Action) -> Vec<String> {
    let changes = &action.changes;
    let mut why = Vec::new();
    let (Some(before), Some(wanted)) = (&action.before, &action.wanted) else { return why };
    if before.kind != wanted.kind {
        why.push(format!("was a {}", noun(before.kind)));
        return why;
    }
    let content = changes.content || changes.size;
    let mut add = |differs: bool, name: &str| why.extend(differs.then(|| name.to_owned()));
    add(content, "content");
    add(changes.mtime && !content, "mtime");
    add(changes.owner, "owner");
    add(changes.group, "group");
    add(changes.xattrs, "xattrs");
    add(changes.links, "hard links");
    if changes.mode {
        why.push(format!("mode {:03o} -> {:03o}", before.entry.mode, wanted.mode));
    }
    why
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Symlink => "link",
        Kind::Fifo => "fifo",
        Kind::BlockDevice => "block device",
        Kind::CharDevice => "character device",
        Kind::Socket => "socket",
        Kind::Unreadable => "file that cannot be read",
    }
}

/// Bytes of a link's target as text that is safe for a terminal. A target need not be a legal relative path.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&crate::cli::paint::safe(chunk.valid()));
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::told::samples;

    #[test]
    fn each_action_has_its_mark_then_size_and_why() {
        let shown = |line: Line| format!("{} {}{}", line.mark, line.path, line.details);
        let lines: Vec<String> =
            samples::actions().iter().map(|action| shown(Line::new(action, Side::Right))).collect();
        assert_eq!(
            lines,
            [
                ">+ a\\xff/",
                ">+ a\\xff/copy  2.0 kB, copied from z\\n",
                ">+ a\\xff/hard  7 B, hard link to z",
                ">+ a\\xff/new  1.5 kB",
                ">+ a\\xff/soft  link to ../\\u{1b}[2J",
                "> b  4 B, content",
                ">+ c/  was a file",
                ">t d  mtime, xattrs, mode 644 -> 4755",
                ">m old\\xfe/ -> e/",
                ">- f  5 B",
            ]
        );
        let to_the_left = Line::new(&samples::actions()[5], Side::Left);
        assert_eq!(to_the_left.mark, "<");
    }
}
