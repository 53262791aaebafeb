//! An action in rsync's eleven characters `YXcstpoguax`, for `-i`.

use super::action::{Action, Changes, Source, Step};
use crate::model::entry::{Entry, Kind, Xattr};

/// Names of the attributes that hold POSIX ACLs begin so.
const ACL: &[u8] = b"system.posix_acl_";

/// The eleven characters: how (`>` comes from the source, `c` made or changed here, `h` a hard link, `.` metadata only),
/// what (`f` file, `d` directory, `L` symbolic link, `D` device, `S` fifo or socket), then what differs: content, size,
/// time, permissions, owner, group, (unused), ACL, extended attributes; all `+` where it is new.
///
/// As with rsync, `c` stands for content only where neither size nor time tells it.
pub fn itemize(action: &Action) -> String {
    let Some(wanted) = &action.wanted else { return "*deleting  ".into() };
    let mut text = String::with_capacity(11);
    text.push(how(&action.step));
    text.push(what(wanted.kind));
    let new = match action.step {
        Step::Mkdir | Step::Create(_) => true,
        Step::Rename { .. } => action.changes == Changes::default(),
        Step::Update(_) | Step::Metadata | Step::Delete { .. } => action.changes.kind,
    };
    if new {
        text.push_str("+++++++++");
    } else {
        differences(action, wanted, &mut text);
    }
    text
}

fn how(step: &Step) -> char {
    match step {
        Step::Create(source) | Step::Update(source) => match source {
            Source::Fetch => '>',
            Source::Copy { .. } | Source::None => 'c',
            Source::Link { .. } => 'h',
        },
        Step::Mkdir | Step::Rename { .. } => 'c',
        Step::Metadata => '.',
        Step::Delete { .. } => '*',
    }
}

fn what(kind: Kind) -> char {
    match kind {
        Kind::File => 'f',
        Kind::Directory => 'd',
        Kind::Symlink => 'L',
        Kind::BlockDevice | Kind::CharDevice => 'D',
        Kind::Fifo | Kind::Socket => 'S',
        Kind::Unreadable => '?',
    }
}

fn differences(action: &Action, wanted: &Entry, text: &mut String) {
    let changes = action.changes;
    let content = changes.content && !(wanted.is_file() && (changes.size || changes.mtime));
    let (acl, xattrs) = match &action.before {
        Some(before) if changes.xattrs => attributes(wanted.xattrs(), before.entry.xattrs()),
        Some(_) | None => (false, changes.xattrs),
    };
    let letters = [
        (content, 'c'),
        (changes.size, 's'),
        (changes.mtime, 't'),
        (changes.mode, 'p'),
        (changes.owner, 'o'),
        (changes.group, 'g'),
        (false, 'u'),
        (acl, 'a'),
        (xattrs, 'x'),
    ];
    text.extend(letters.map(|(differs, letter)| if differs { letter } else { '.' }));
}

/// Whether the ACLs differ, and whether the other attributes do.
fn attributes(left: &[Xattr], right: &[Xattr]) -> (bool, bool) {
    let part = |acl: bool| {
        let in_part = move |xattr: &&Xattr| xattr.name.starts_with(ACL) == acl;
        left.iter().filter(in_part).ne(right.iter().filter(in_part))
    };
    (part(true), part(false))
}
