//! The names of copies: `stem.conflict-<hex>.ext` beside the plain file. Owns how such a name is made, and how one is read.
//!
//! The extension is what follows the last dot that is not the first byte; one of more than 64 bytes counts as none. The
//! stem is cut, between characters, where the name would be longer than a file system takes. The digits are the first
//! 8 of a digest of path, kind, bytes and mode; 16 where E holds that name otherwise or two copies share it; and 16 of
//! further digests where somebody took those too.

use super::{Group, Shown, device};
use crate::model::digest::{Digest, Domain};
use crate::model::entry::{Entry, Kind};
use crate::model::path::{NAME_BYTES_MAX, PathRef, RelPath};

const MARK: &[u8] = b".conflict-";
const EXTENSION_BYTES_MAX: usize = 64;
/// Names that are tried before a copy is left out. Whoever takes them all made each by hand.
const TRIES_MAX: u8 = 32;

/// Names the versions that stand beside the plain one.
pub fn name_copies(path: PathRef<'_>, groups: Vec<Group>, taken: &dyn Fn(PathRef<'_>) -> bool) -> Vec<Shown> {
    let digests: Vec<Digest> = groups.iter().map(|group| identity(path, group, 0)).collect();
    let mut copies: Vec<Shown> = Vec::with_capacity(groups.len());
    for (group, digest) in groups.into_iter().zip(&digests) {
        let alone = digests.iter().filter(|other| other.0[..4] == digest.0[..4]).count() == 1;
        let short = alone.then(|| beside(path, &digest.0[..4])).flatten();
        let long = (0..TRIES_MAX).filter_map(|attempt| beside(path, &identity(path, &group, attempt).0[..8]));
        let free = |name: &RelPath| !taken(name.as_ref()) && copies.iter().all(|copy| copy.name != *name);
        if let Some(name) = short.into_iter().chain(long).find(free) {
            copies.push(Shown { name, entry: group.entry, dots: group.dots });
        }
    }
    copies
}

/// The plain path of a name that has the form of a copy's, `stem.conflict-<8 or 16 hex>.ext`, and its hexadecimal digits.
/// A plain name so long that its copies' stem was cut cannot be told from its copies.
pub fn view_of(name: PathRef<'_>) -> Option<(RelPath, &[u8])> {
    // The extension may have the form of a copy's mark itself: then the mark is further to the left.
    let windows = name.name().windows(MARK.len()).enumerate().rev();
    windows.filter(|(_, window)| *window == MARK).find_map(|(at, _)| view_at(name, at))
}

/// The same for the mark at `at`.
fn view_at(name: PathRef<'_>, at: usize) -> Option<(RelPath, &[u8])> {
    let last = name.name();
    let (stem, rest) = (&last[..at], &last[at + MARK.len()..]);
    let digits = rest.iter().position(|&byte| byte == b'.').unwrap_or(rest.len());
    let (digits, extension) = rest.split_at(digits);
    let hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if !matches!(digits.len(), 8 | 16) || !digits.iter().all(hex) {
        return None;
    }
    let plain = [stem, extension].concat();
    // `a.txt.conflict-12345678` is no copy of `a.txt`, whose copies end in `.txt`.
    (!stem.is_empty() && split(&plain).0 == stem).then_some(())?;
    let parent = name.parent().unwrap_or(PathRef::ROOT);
    Some((parent.to_owned().join(&plain).ok()?, digits))
}

/// The path of E to which a disk path without a witness belongs; for all but directories, which are their own path
/// always. A name in the form of a copy's belongs to its plain path where that is present, unless E holds the name itself.
/// With a witness it is the path whose versions the witness stood for. `held`: E holds it, or something below it.
/// `present`: the same, or this scan found something there. A copy of a copy belongs where that one belongs.
pub fn home_of(
    name: PathRef<'_>,
    held: &dyn Fn(PathRef<'_>) -> bool,
    present: &dyn Fn(PathRef<'_>) -> bool,
) -> RelPath {
    match view_of(name) {
        Some((plain, _)) if !held(name) && present(plain.as_ref()) => home_of(plain.as_ref(), held, present),
        _ => name.to_owned(),
    }
}

/// Stem and extension with its dot.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|&byte| byte == b'.') {
        Some(dot) if dot > 0 && name.len() - dot - 1 <= EXTENSION_BYTES_MAX => name.split_at(dot),
        _ => (name, b""),
    }
}

/// The name beside `path` with these digits; `None` where the path would be too long.
fn beside(path: PathRef<'_>, digits: &[u8]) -> Option<RelPath> {
    let (stem, extension) = split(path.name());
    let room = NAME_BYTES_MAX - MARK.len() - 2 * digits.len() - extension.len();
    let mut name = cut(stem, room).to_vec();
    name.extend_from_slice(MARK);
    for byte in digits {
        name.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
    }
    name.extend_from_slice(extension);
    path.parent()?.to_owned().join(&name).ok()
}

/// At most `bytes` of a stem, not ending within a character.
fn cut(stem: &[u8], bytes: usize) -> &[u8] {
    if stem.len() <= bytes {
        return stem;
    }
    let inside = |at: usize| stem[at] & 0xc0 == 0x80;
    let end = (bytes.saturating_sub(3)..=bytes).rev().find(|&at| !inside(at)).unwrap_or(bytes);
    &stem[..end]
}

/// What a copy's digits come from.
fn identity(path: PathRef<'_>, group: &Group, attempt: u8) -> Digest {
    let mut message = Vec::with_capacity(192);
    Domain::View.open(&mut message);
    message.extend_from_slice(&(path.as_bytes().len() as u64).to_le_bytes());
    message.extend_from_slice(path.as_bytes());
    message.extend_from_slice(&[group.entry.kind as u8, attempt]);
    message.extend_from_slice(&group.mode.to_le_bytes());
    put_bytes(&group.entry, &mut message);
    Domain::close(&mut message);
    Digest::of_message(&message)
}

fn put_bytes(entry: &Entry, message: &mut Vec<u8>) {
    match entry.kind {
        Kind::File => message.extend_from_slice(&entry.content.0),
        Kind::Symlink => {
            let target = entry.target().unwrap_or_default();
            message.extend_from_slice(&(target.len() as u64).to_le_bytes());
            message.extend_from_slice(target);
        }
        _ => message.extend_from_slice(&device(entry).to_le_bytes()),
    }
}
