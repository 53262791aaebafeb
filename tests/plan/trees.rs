//! Random trees: edits that people make, as four bytes each, applied to a file system in memory.

use alike::model::RelPath;
use alike::model::entry::{Extra, Kind, Time, Xattr};

use super::disk::{Disk, entry, file, symlink};

pub type Edit = [u8; 4];

/// Few contents, so that many are equal; some of one size.
const CONTENTS: [&[u8]; 11] = [b"", b"1", b"2", b"33", b"44", b"55", b"666", b"777", b"8888", b"99999", b"aaaaa"];
const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "a.x", "b-y"];

pub struct Trees {
    /// Names that scans do not see take part.
    pub hidden: bool,
    /// Each edit leaves its trace in the directory's time, as it does in a real one.
    pub disturbed: bool,
}

impl Trees {
    pub fn apply(&self, disk: &mut Disk, edits: &[Edit]) {
        let times: Vec<(RelPath, Time)> =
            directories(disk).map(|name| (name.clone(), disk.inode(name).entry.mtime)).collect();
        for &edit in edits {
            self.edit(disk, edit);
        }
        if !self.disturbed {
            for name in directories(disk).cloned().collect::<Vec<_>>() {
                let old = times.iter().find(|(old, _)| *old == name);
                disk.inode_mut(&name).entry.mtime = old.map_or(Time { secs: 1, nanos: 0 }, |&(_, time)| time);
            }
        }
    }

    fn edit(&self, disk: &mut Disk, [what, one, two, three]: Edit) {
        let place = self.place(disk, two, three);
        let here = nth(disk, one);
        match (what % 20, here) {
            (0..=2, _) => fresh(disk, &place, |disk| disk.put(&place, file(CONTENTS[one as usize % 11]))),
            (3, _) => fresh(disk, &place, |disk| disk.put(&place, entry(Kind::Directory))),
            (4, _) => fresh(disk, &place, |disk| disk.put(&place, symlink(NAMES[one as usize % 7].as_bytes()))),
            (5..=7, Some(here)) => relocate(disk, &here, &place),
            (8, Some(here)) => exchange(disk, &here, two),
            (9, Some(here)) => duplicate(disk, &here, &place),
            (10, Some(here)) => hard_link(disk, &here, &place),
            (11, Some(here)) => dress(disk, &here, two),
            (12, Some(here)) => write(disk, &here, two),
            (13, Some(here)) => disk.discard(&here),
            (14, Some(here)) => rotate(disk, &here, two, three),
            (15, Some(here)) => flip(disk, &here, two),
            (16, _) => fill(disk, &place, one),
            (17..=18, _) => {
                let here = directories(disk).nth(one as usize % 4).cloned();
                here.iter().for_each(|here| relocate(disk, here, &place));
            }
            (19, _) => exchange_files(disk, one, two),
            _ => {}
        }
    }

    /// A name in some directory.
    fn place(&self, disk: &Disk, directory: u8, name: u8) -> RelPath {
        let directories: Vec<&RelPath> = directories(disk).collect();
        let above = match directories.get(directory as usize % (directories.len() + 1)) {
            Some(above) if above.as_ref().depth() < 4 => (*above).clone(),
            _ => RelPath::default(),
        };
        let name = match name {
            0..=9 if self.hidden => "hidden",
            10..=14 if self.hidden => "locked",
            _ => NAMES[name as usize % 7],
        };
        above.join(name.as_bytes()).expect("legal")
    }
}

fn directories(disk: &Disk) -> impl Iterator<Item = &RelPath> {
    disk.names.keys().filter(|name| disk.kind(name) == Some(Kind::Directory))
}

fn nth(disk: &Disk, index: u8) -> Option<RelPath> {
    disk.names.keys().nth(index as usize % disk.names.len().max(1)).cloned()
}

fn fresh(disk: &mut Disk, place: &RelPath, act: impl FnOnce(&mut Disk)) {
    if !disk.names.contains_key(place) {
        act(disk);
    }
}

fn relocate(disk: &mut Disk, here: &RelPath, place: &RelPath) {
    let nested = |a: &RelPath, b: &RelPath| a == b || a.as_ref().is_below(b.as_ref());
    if nested(here, place) || nested(place, here) {
        return;
    }
    if disk.names.contains_key(place) {
        disk.discard(place);
    }
    disk.rename(here, place);
}

fn exchange(disk: &mut Disk, here: &RelPath, other: u8) {
    let Some(other) = nth(disk, other) else { return };
    let nested = |a: &RelPath, b: &RelPath| a == b || a.as_ref().is_below(b.as_ref());
    if !nested(here, &other) && !nested(&other, here) {
        disk.exchange(here, &other);
    }
}

/// A directory with files, as a project has.
fn fill(disk: &mut Disk, place: &RelPath, how: u8) {
    if disk.names.contains_key(place) {
        return;
    }
    disk.put(place, entry(Kind::Directory));
    for at in 0..3 + how % 3 {
        let name = place.join(NAMES[at as usize].as_bytes()).expect("legal");
        disk.put(&name, file(CONTENTS[(how as usize + at as usize) % 11]));
    }
}

fn exchange_files(disk: &mut Disk, one: u8, two: u8) {
    let files: Vec<RelPath> = disk.names.keys().filter(|name| disk.kind(name) == Some(Kind::File)).cloned().collect();
    if files.len() > 1 {
        let (one, two) = (&files[one as usize % files.len()], &files[two as usize % files.len()]);
        if one != two {
            disk.exchange(one, two);
        }
    }
}

fn duplicate(disk: &mut Disk, here: &RelPath, place: &RelPath) {
    if disk.names.contains_key(place) || place.as_ref().is_below(here.as_ref()) {
        return;
    }
    for name in std::iter::once(here.clone()).chain(disk.below(here)) {
        let bytes = [place.as_bytes(), &name.as_bytes()[here.as_bytes().len()..]].concat();
        let entry = disk.inode(&name).entry.clone();
        disk.put(&RelPath::new(&bytes).expect("legal"), entry);
    }
}

fn hard_link(disk: &mut Disk, here: &RelPath, place: &RelPath) {
    if disk.kind(here) != Some(Kind::Directory) && !disk.names.contains_key(place) {
        disk.link(place, here);
    }
}

fn dress(disk: &mut Disk, here: &RelPath, how: u8) {
    let entry = &mut disk.inode_mut(here).entry;
    match how % 3 {
        0 if entry.kind != Kind::Symlink => entry.mode = 0o600 + u16::from(how / 64),
        0 | 1 => entry.mtime = Time { secs: 2 + i64::from(how / 64), nanos: 5 },
        _ => {
            let xattrs = vec![Xattr { name: (*b"user.x").into(), value: [how].into() }];
            let target = entry.extra.take().and_then(|extra| extra.target);
            entry.extra = Some(Box::new(Extra { xattrs, target, ..Extra::default() }));
        }
    }
}

fn write(disk: &mut Disk, here: &RelPath, how: u8) {
    let bytes = CONTENTS[how as usize % 11];
    let entry = &mut disk.inode_mut(here).entry;
    match entry.kind {
        Kind::File => {
            (entry.size, entry.content) = (file(bytes).size, file(bytes).content);
            entry.mtime.secs += i64::from(how / 128);
        }
        Kind::Symlink => entry.extra = symlink(NAMES[how as usize % 7].as_bytes()).extra,
        _ => {}
    }
}

/// As log files are rotated: this one to the next name, that one to the one after.
fn rotate(disk: &mut Disk, here: &RelPath, two: u8, three: u8) {
    let (Some(next), Some(last)) = (nth(disk, two), nth(disk, three)) else { return };
    let files = [here, &next, &last].iter().all(|name| disk.kind(name) == Some(Kind::File));
    if files && *here != next && next != last && last != *here {
        let spare = RelPath::new(b"spare").expect("legal");
        disk.rename(&last, &spare);
        disk.rename(&next, &last);
        disk.rename(here, &next);
        if three < 128 {
            disk.rename(&spare, here);
        } else {
            disk.discard(&spare);
        }
    }
}

fn flip(disk: &mut Disk, here: &RelPath, how: u8) {
    let directory = disk.kind(here) == Some(Kind::Directory);
    disk.discard(here);
    match how % 3 {
        0 => disk.put(here, symlink(b"a")),
        1 => disk.put(here, file(CONTENTS[how as usize % 11])),
        _ if directory => disk.put(here, file(b"1")),
        _ => disk.put(here, entry(Kind::Directory)),
    }
}
