//! Versions that only touched metadata. A touch or chmod of bytes that another author replaced meanwhile is no conflict: it
//! yields to that author's version, and gives it its mode and attributes where that one kept what it found.
//!
//! No byte is lost: what yields holds bytes that the other author had before him and replaced. Only a version that does not
//! yield itself is yielded to, so no circle of touches can empty a path; where there is none, all of them stand. It is
//! decided here and not in the join, which so stays a rule on dots alone: what yields stays in E until somebody replaces
//! the file that it is shown in.

use super::{Group, compare};
use crate::model::dot::Dot;
use crate::model::entry::Entry;
use crate::model::path::PathRef;
use crate::model::siblings::{Replaced, Version, attributes};

/// The dots of the versions that yield.
pub fn yielding(versions: &[&Version]) -> Vec<Dot> {
    // A version that could yield to anyone is nobody to yield to.
    let inclined = |version: &&&Version| versions.iter().any(|other| replaced_by(version, other).is_some());
    let steady: Vec<&&Version> = versions.iter().filter(|version| !inclined(version)).collect();
    let yields = |version: &&&Version| steady.iter().any(|other| replaced_by(version, other).is_some());
    versions.iter().filter(yields).map(|version| version.dot).collect()
}

/// Gives mode and attributes of what yields to all that it yields to, and its dot to the first of them. In the end the
/// greatest touch counts.
pub fn give(path: PathRef<'_>, versions: &[&Version], yielding: &[Dot], groups: &mut [Group]) {
    let (mut givers, steady): (Vec<&Version>, Vec<&Version>) =
        versions.iter().partition(|version| yielding.contains(&version.dot));
    givers.sort_by(|left, right| compare(path, &left.entry, &right.entry).then(left.dot.cmp(&right.dot)));
    for giver in givers {
        let mut placed = false;
        for group in &mut *groups {
            let past = steady
                .iter()
                .filter(|version| group.dots.contains(&version.dot))
                .find_map(|version| replaced_by(giver, version).map(|past| (past, version.entry.mode == past.mode)));
            let Some((past, kept_mode)) = past else { continue };
            give_metadata(giver, past, kept_mode, &mut group.entry);
            if !placed {
                group.add_dot(giver.dot);
                placed = true;
            }
        }
    }
}

/// What `other` replaced that `version` merely touched; `None` if `version` does not yield to it.
fn replaced_by<'a>(version: &Version, other: &'a Version) -> Option<&'a Replaced> {
    let entry = &version.entry;
    let before = version.replaced.first().filter(|before| entry.is_file() && before.content == entry.content)?;
    if !other.entry.is_file() {
        return None;
    }
    if other.entry.content != entry.content {
        return other.replaced.iter().find(|past| past.content == entry.content);
    }
    // Touched here, and changed in mode there.
    let kept_mode = before.mode == entry.mode && other.entry.mode != entry.mode;
    other.replaced.iter().find(|past| kept_mode && past.content == entry.content && past.mode == entry.mode)
}

fn give_metadata(giver: &Version, past: &Replaced, kept_mode: bool, entry: &mut Entry) {
    if kept_mode && giver.entry.mode != past.mode {
        entry.mode = giver.entry.mode;
    }
    let kept = attributes(entry.xattrs()) == past.attributes;
    if kept && attributes(giver.entry.xattrs()) != past.attributes {
        let mut extra = entry.extra.take().unwrap_or_default();
        extra.xattrs = giver.entry.xattrs().to_vec();
        entry.extra = if extra.is_empty() { None } else { Some(extra) };
    }
}
