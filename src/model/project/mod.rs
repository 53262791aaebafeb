//! What E looks like on disk, path by path. A pure function of E, so every replica shows the same names. Owns which version
//! has the plain name, which ones stand beside it as copies, and which ones do not stand alone.
//!
//! - Versions equal in kind, bytes and mode are one ([`same_version`]), and stand for all their dots.
//! - Directories are one version whatever their modes, and have the plain name; a path with live children is a directory
//!   even where no version says so.
//! - A version that only touched metadata yields to one whose author replaced the same bytes (in `yields`).
//! - Of the rest the greatest in (mtime, digest of the whole entry) has the plain name. That decides nothing but names.
//!
//! Copies are views: they have no path of their own in E. Start at [`project`].

mod name;
mod yields;

use std::cmp::Ordering;

use super::digest::Digest;
use super::dot::Dot;
use super::entry::{Entry, Kind, Time};
use super::lane::Lane;
use super::path::{PathRef, RelPath};
use super::siblings::{Siblings, Version};

pub use name::{home_of, view_of};

/// Permission bits of a directory that only its children make.
const IMPLICIT_MODE: u16 = 0o755;

/// One file on disk: the plain one, or a copy beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where.
    pub name: RelPath,
    /// What.
    pub entry: Entry,
    /// The writes that it stands for, ascending. Empty for a directory that only its children make.
    pub dots: Vec<Dot>,
}

/// A path on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    /// What has the plain name.
    pub plain: Option<Shown>,
    /// What stands beside it, in the order of preference.
    pub copies: Vec<Shown>,
}

impl Projection {
    /// All that is shown, the plain one first.
    pub fn iter(&self) -> impl Iterator<Item = &Shown> {
        self.plain.iter().chain(&self.copies)
    }
}

/// What a path looks like on disk. `has_live_children`: E holds something below the path. `taken`: E holds that name, or
/// something below it. A copy for which no name is left is not shown, and stays in E.
pub fn project(
    path: PathRef<'_>,
    siblings: &Siblings,
    has_live_children: bool,
    taken: &dyn Fn(PathRef<'_>) -> bool,
) -> Projection {
    let shown = |entry: Entry, dots: Vec<Dot>| Some(Shown { name: path.to_owned(), entry, dots });
    let mut alone = siblings.iter();
    match (alone.next(), alone.next()) {
        (None, _) if !has_live_children => return Projection::default(),
        (Some(only), None) if !has_live_children || only.entry.is_directory() => {
            return Projection { plain: shown(only.entry.clone(), vec![only.dot]), copies: Vec::new() };
        }
        _ => {}
    }
    let directory = directory_of(path, siblings, has_live_children);
    let mut groups = groups_of(path, siblings).into_iter();
    let plain = directory.or_else(|| groups.next());
    let copies = name::name_copies(path, groups.collect(), taken);
    Projection { plain: plain.and_then(|group| shown(group.entry, group.dots)), copies }
}

/// The dots of the versions that do not stand alone: they are shown in another one.
pub fn yielding(siblings: &Siblings) -> Vec<Dot> {
    let files: Vec<&Version> = siblings.iter().filter(|version| !version.entry.is_directory()).collect();
    yields::yielding(&files)
}

/// Whether two entries are one version: equal in kind, bytes and mode. Content that was never read equals nothing.
pub fn same_version(left: &Entry, right: &Entry) -> bool {
    (left.mode == right.mode || left.kind == Kind::Symlink) && same_bytes(left, right)
}

/// Whether two entries are equal in kind and bytes.
pub fn same_bytes(left: &Entry, right: &Entry) -> bool {
    left.kind == right.kind
        && match left.kind {
            Kind::File => left.content == right.content && left.content != Digest::UNKNOWN,
            Kind::Symlink => left.target() == right.target(),
            Kind::BlockDevice | Kind::CharDevice => device(left) == device(right),
            Kind::Directory | Kind::Fifo | Kind::Socket => true,
            Kind::Unreadable => false,
        }
}

fn device(entry: &Entry) -> u64 {
    entry.extra.as_ref().map_or(0, |extra| extra.device)
}

/// Versions that stand as one.
#[derive(Debug)]
struct Group {
    entry: Entry,
    /// As the versions had it: `entry` may have been given another one. Tells groups of one content apart.
    mode: u16,
    dots: Vec<Dot>,
}

impl Group {
    fn add(&mut self, path: PathRef<'_>, version: &Version) {
        self.add_dot(version.dot);
        if compare(path, &version.entry, &self.entry).is_gt() {
            self.entry = version.entry.clone();
        }
    }

    fn add_dot(&mut self, dot: Dot) {
        if let Err(at) = self.dots.binary_search(&dot) {
            self.dots.insert(at, dot);
        }
    }
}

/// Which of two entries of a path is preferred: a total order on entries that differ in anything that is compared.
fn compare(path: PathRef<'_>, left: &Entry, right: &Entry) -> Ordering {
    let digest = |entry: &Entry| Lane::OWNED.digest_entry(path, entry);
    left.mtime.cmp(&right.mtime).then_with(|| {
        if left == right {
            Ordering::Equal
        } else {
            digest(left).cmp(&digest(right)).then_with(|| names(left).cmp(&names(right)))
        }
    })
}

/// What no lane covers: the owner's names.
fn names(entry: &Entry) -> Option<(Option<&str>, Option<&str>)> {
    entry.extra.as_ref().map(|extra| (extra.owner_name.as_deref(), extra.group_name.as_deref()))
}

/// All directories as one version; one of nothing where only children make it; none where there is none.
fn directory_of(path: PathRef<'_>, siblings: &Siblings, has_live_children: bool) -> Option<Group> {
    let mut directory: Option<Group> = None;
    for version in siblings.iter().filter(|version| version.entry.is_directory()) {
        add(&mut directory, path, version);
    }
    let implicit = || Group { entry: implicit_directory(), mode: IMPLICIT_MODE, dots: Vec::new() };
    directory.or_else(|| has_live_children.then(implicit))
}

/// A directory that no version says: nobody's metadata, so the time is none to be set.
fn implicit_directory() -> Entry {
    Entry {
        kind: Kind::Directory,
        mode: IMPLICIT_MODE,
        mtime: Time::default(),
        size: 0,
        content: Digest::UNKNOWN,
        uid: 0,
        gid: 0,
        extra: None,
    }
}

/// All but directories, those that are one version together, the preferred first.
fn groups_of(path: PathRef<'_>, siblings: &Siblings) -> Vec<Group> {
    let files: Vec<&Version> = siblings.iter().filter(|version| !version.entry.is_directory()).collect();
    let yielding = yielding(siblings);
    let mut groups: Vec<Group> = Vec::with_capacity(files.len());
    for version in files.iter().filter(|version| !yielding.contains(&version.dot)) {
        match groups.iter_mut().find(|group| same_version(&group.entry, &version.entry)) {
            Some(group) => group.add(path, version),
            None => groups.push(Group::of(version)),
        }
    }
    groups.sort_by(|left, right| compare(path, &right.entry, &left.entry));
    if !yielding.is_empty() {
        yields::give(path, &files, &yielding, &mut groups);
    }
    groups
}

impl Group {
    fn of(version: &Version) -> Group {
        Group { entry: version.entry.clone(), mode: version.entry.mode, dots: vec![version.dot] }
    }
}

fn add(group: &mut Option<Group>, path: PathRef<'_>, version: &Version) {
    match group {
        Some(group) => group.add(path, version),
        None => *group = Some(Group::of(version)),
    }
}

#[cfg(test)]
mod tests;
