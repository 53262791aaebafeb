//! What of the target may share bytes with a file that is wanted: its old version, else a file that is about to go and looks
//! like it, because it was renamed and edited, else, of a very large file, one that stays beside it under a like name,
//! because it was copied and edited. Only a guess; what it holds is compared before it is used.

use std::collections::HashMap;
use std::fs::File;
use std::sync::OnceLock;

use crate::disk::read::Reader;
use crate::disk::root::Root;
use crate::model::plan::{Action, Plan, Step};
use crate::model::{Kind, Listing, PathRef, RelPath, Stamp};

/// Shorter files share nothing that is worth the asking.
pub const OLD_BYTES_MIN: u64 = 4 << 10;

/// From this size on a file is held against one that stays: a guess that is wrong costs three round trips and a read, far
/// less than the bytes of such a file.
const BESIDE_BYTES_MIN: u64 = 64 << 20;
/// Entries of a directory among which one is looked for.
const BESIDE_MAX: usize = 10_000;

/// A file of the target.
#[derive(Debug, Clone)]
pub struct Old {
    /// Where it is.
    pub path: RelPath,
    /// What it is known by.
    stamp: Stamp,
}

impl Old {
    fn of(action: &Action) -> Option<Old> {
        let before = action.before.as_ref().filter(|before| before.kind == Kind::File)?;
        (before.stamp.size >= OLD_BYTES_MIN).then(|| Old { path: action.path.clone(), stamp: before.stamp })
    }

    /// Its size.
    pub const fn size(&self) -> u64 {
        self.stamp.size
    }

    /// Opens it, if it still is what was scanned.
    pub fn open(&self, root: &Root) -> Option<File> {
        let opened = Reader::new(root).open(self.path.as_ref()).ok()?;
        let (now, before) = (opened.stamp, self.stamp);
        // Our own renames and links move the change time.
        let same = (now.inode, now.size, now.mtime) == (before.inode, before.size, before.mtime);
        same.then_some(opened.file)
    }
}

/// The old files of a plan.
pub struct Olds<'a> {
    plan: &'a Plan,
    /// What the target holds.
    listing: &'a Listing,
    /// Files that go, by what they look like, with their sizes, sorted.
    leaving: OnceLock<HashMap<Likeness<'a>, Vec<(u64, usize)>>>,
}

/// What a renamed file keeps.
#[derive(PartialEq, Eq, Hash)]
enum Likeness<'a> {
    Name(&'a [u8]),
    Extension(&'a [u8]),
}

impl<'a> Olds<'a> {
    /// Of this plan, for a target that holds this.
    pub const fn new(plan: &'a Plan, listing: &'a Listing) -> Olds<'a> {
        Olds { plan, listing, leaving: OnceLock::new() }
    }

    /// The best guess for an action.
    pub fn find(&self, action: &Action) -> Option<Old> {
        Old::of(action).or_else(|| self.renamed(action)).or_else(|| self.beside(action))
    }

    /// Of the files in the same directory that stay the one whose name is most like it, with the same extension and about
    /// the same size.
    fn beside(&self, action: &Action) -> Option<Old> {
        let size = action.wanted.as_ref().map(|wanted| wanted.size).filter(|&size| size >= BESIDE_BYTES_MIN)?;
        let path = action.path.as_ref();
        let children = self.listing.children(path.parent().unwrap_or(PathRef::ROOT)).map(|(_, row)| row);
        let files = children.take(BESIDE_MAX).filter(|row| row.kind() == Kind::File && row.path() != path);
        let alike = files.filter(|row| row.size() / 2 <= size && size / 2 <= row.size()).filter_map(|row| {
            let shared = shared_name(path, row.path())?;
            Some((shared, std::cmp::Reverse(row.size().abs_diff(size)), row))
        });
        let (_, _, row) = alike.max_by_key(|&(shared, near, _)| (shared, near))?;
        Some(Old { path: row.path().to_owned(), stamp: row.stamp() })
    }

    /// Of the files that go the one that looks most like it: its name, else its extension and about its size.
    fn renamed(&self, action: &Action) -> Option<Old> {
        let size = action.wanted.as_ref()?.size;
        let [name, extension] = likenesses(&action.path);
        let leaving = self.leaving.get_or_init(|| self.leaving());
        let near = |likeness: Option<Likeness<'_>>| {
            let files = leaving.get(&likeness?)?;
            let above = files.partition_point(|&(bytes, _)| bytes < size);
            let beside = [above.checked_sub(1), Some(above)].into_iter().flatten().filter_map(|at| files.get(at));
            let (_, index) = beside.min_by_key(|(bytes, _)| bytes.abs_diff(size))?;
            Old::of(&self.plan.actions[*index])
        };
        near(name).or_else(|| near(extension).filter(|old| old.size() / 2 <= size && size / 2 <= old.size()))
    }

    fn leaving(&self) -> HashMap<Likeness<'a>, Vec<(u64, usize)>> {
        let mut leaving: HashMap<Likeness<'a>, Vec<(u64, usize)>> = HashMap::new();
        for (index, action) in self.plan.actions.iter().enumerate() {
            let old = if matches!(action.step, Step::Delete { .. }) { Old::of(action) } else { None };
            for likeness in old.iter().flat_map(|_| likenesses(&action.path)).flatten() {
                leaving.entry(likeness).or_default().push((old.as_ref().map_or(0, Old::size), index));
            }
        }
        leaving.values_mut().for_each(|files| files.sort_unstable());
        leaving
    }
}

/// Bytes with which both names begin, where these are half of the first at least and the extensions are the same.
fn shared_name(new: PathRef<'_>, old: PathRef<'_>) -> Option<usize> {
    let stem = |name: &[u8]| name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0).unwrap_or(name.len());
    let (new, old) = (new.name(), old.name());
    let (ours, theirs) = (stem(new), stem(old));
    let shared = new[..ours].iter().zip(&old[..theirs]).take_while(|(new, old)| new == old).count();
    (new[ours..] == old[theirs..] && shared * 2 >= ours).then_some(shared)
}

fn likenesses(path: &RelPath) -> [Option<Likeness<'_>>; 2] {
    let name = path.as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    [Some(Likeness::Name(name)), dot.map(|dot| Likeness::Extension(&name[dot..]))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_that_begin_alike_and_have_the_same_extension() {
        let shared = |new: &str, old: &str| {
            let path = |text: &str| RelPath::new(text.as_bytes()).expect("legal");
            shared_name(path(new).as_ref(), path(old).as_ref())
        };
        assert_eq!(shared("a/disk-2.img", "a/disk-1.img"), Some(5));
        assert_eq!(shared("disk-2.img", "disk.img"), Some(4));
        assert_eq!(shared("disk.img", "disk-1.iso"), None, "another extension");
        assert_eq!(shared("holiday.mp4", "home.mp4"), None, "less than half");
        assert_eq!(shared(".disk", ".disk-old"), Some(5));
    }
}
