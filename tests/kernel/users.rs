//! What users do to a disk, and what that means for the bytes that they had before them.

use alike::model::project::view_of;
use alike::model::{Digest, Entry, Kind, RelPath, Time};

use crate::kernel::oracle::{Bytes, Oracle};
use crate::kernel::replica::{Memory, Replica, wanted};
use crate::kernel::schedule::{Op, Step};
use crate::kernel::world::World;

impl World {
    /// Does a user's step on one disk.
    pub fn use_disk(&mut self, step: Step) {
        let r = usize::from(step.a) % self.replicas.len();
        let path = self.paths[usize::from(step.b) % self.paths.len()].clone();
        let file = self.pick(r, step.b, |_| true);
        let copy = self.pick(r, step.b, |name| view_of(name.as_ref()).is_some());
        match (step.op, file, copy) {
            (Op::Write, ..) => self.write(r, &path, step.c),
            (Op::WriteSame, ..) => self.write_same(r, &path, step.c),
            (Op::FakeCopy, ..) => self.fake(r, &path, step.c),
            (Op::MakeDirectory, ..) => self.make_directory(r, &path),
            (Op::Delete, Some(file), _) => self.delete(r, &file),
            (Op::Touch, Some(file), _) => self.touch(r, &file, step.c),
            (Op::Chmod, Some(file), _) => self.chmod(r, &file, step.c),
            (Op::Rename, Some(file), _) => self.carry(r, &file, &path, true),
            (Op::Copy, Some(file), _) => self.carry(r, &file, &path, false),
            (Op::EditCopy, _, Some(copy)) => self.write(r, &copy, step.c),
            (Op::DeleteCopy, _, Some(copy)) => self.delete(r, &copy),
            (Op::MoveCopyOver, _, Some(copy)) => {
                let plain = view_of(copy.as_ref()).map_or(path, |(plain, _)| plain);
                self.carry(r, &copy, &plain, true);
            }
            _ => {}
        }
    }

    /// A user who is faster than an install.
    pub fn race(&mut self, r: usize, choice: u8) {
        let path = self.paths[usize::from(choice) % self.paths.len()].clone();
        if let Some(number) = self.replicas[r].disk.get(&path).and_then(Oracle::number_of) {
            // Its copy may come to stand beside it while it is overwritten: then both are kept.
            self.oracle.bytes[number].spread = true;
        }
        if choice & 64 == 0 { self.write(r, &path, choice) } else { self.delete(r, &path) }
    }

    fn pick(&self, r: usize, choice: u8, fits: impl Fn(&RelPath) -> bool) -> Option<RelPath> {
        let names = || self.replicas[r].disk.keys().filter(|name| fits(name));
        let count = names().count().max(1);
        names().nth(usize::from(choice) % count).cloned()
    }

    fn time(&mut self, r: usize, choice: u8) -> Time {
        self.tick += 1;
        // Some clocks are off, and some files have a time that many have.
        let secs = if choice.is_multiple_of(8) { 5 } else { 1_000 + self.tick + self.replicas[r].clock };
        Time { secs, nanos: 0 }
    }

    fn write(&mut self, r: usize, path: &RelPath, choice: u8) {
        let mtime = self.time(r, choice);
        self.oracle.bytes.push(Bytes::default());
        let number = self.oracle.bytes.len() - 1;
        let mode = self.replicas[r].disk.get(path).filter(|entry| entry.is_file()).map_or(0o644, |entry| entry.mode);
        self.put(r, path, file_of(number, mode, mtime));
    }

    /// Bytes that others write too.
    fn write_same(&mut self, r: usize, path: &RelPath, choice: u8) {
        let mtime = self.time(r, choice);
        let number = usize::from(choice & 1);
        self.oracle.bytes[number].spread = true;
        self.put(r, path, file_of(number, 0o644, mtime));
    }

    fn fake(&mut self, r: usize, path: &RelPath, choice: u8) {
        let (stem, extension) = path
            .as_bytes()
            .split_last_chunk::<2>()
            .filter(|(_, last)| last[0] == b'.')
            .map_or((path.as_bytes(), &b""[..]), |(stem, extension)| (stem, &extension[..]));
        let digits = if choice & 2 == 0 { &b".conflict-0123abcd"[..] } else { &b".conflict-0123456789abcdef"[..] };
        if let Ok(name) = RelPath::new(&[stem, digits, extension].concat()) {
            self.write(r, &name, choice);
        }
    }

    fn make_directory(&mut self, r: usize, path: &RelPath) {
        let replica = &mut self.replicas[r];
        if !replica.disk.contains_key(path) && !is_below_a_file(replica, path) {
            if let Some(parent) = path.as_ref().parent().filter(|parent| !parent.is_root()) {
                replica.disk.entry(parent.to_owned()).or_insert_with(directory);
            }
            replica.disk.insert(path.clone(), directory());
        }
    }

    fn delete(&mut self, r: usize, path: &RelPath) {
        let below = |name: &&RelPath| *name == path || name.as_ref().is_below(path.as_ref());
        let names: Vec<RelPath> = self.replicas[r].disk.keys().filter(below).cloned().collect();
        for name in names {
            self.oracle.overwrite(&self.replicas[r], &name);
            self.replicas[r].disk.remove(&name);
        }
    }

    fn touch(&mut self, r: usize, path: &RelPath, choice: u8) {
        let mtime = self.time(r, choice);
        self.change(r, path, |entry| entry.mtime = mtime);
    }

    fn chmod(&mut self, r: usize, path: &RelPath, choice: u8) {
        let modes = if self.replicas[r].disk[path].is_directory() { [0o755, 0o700] } else { [0o644, 0o600] };
        self.change(r, path, |entry| entry.mode = modes[usize::from(choice & 1)]);
    }

    fn change(&mut self, r: usize, path: &RelPath, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.replicas[r].disk.get_mut(path) else { return };
        change(entry);
        self.oracle.spread(entry);
    }

    /// Moves or copies a file.
    fn carry(&mut self, r: usize, from: &RelPath, to: &RelPath, moves: bool) {
        let Some(entry) = self.replicas[r].disk.get(from).filter(|entry| entry.is_file() && from != to).cloned() else {
            return;
        };
        if to.as_ref().is_below(from.as_ref()) {
            return;
        }
        self.oracle.spread(&entry);
        if moves {
            self.oracle.leave(&self.replicas[r], from, &entry);
        }
        if self.put(r, to, entry) && moves {
            self.replicas[r].disk.remove(from);
        }
    }

    /// Writes a file over whatever is there, and makes the directories above it.
    fn put(&mut self, r: usize, path: &RelPath, entry: Entry) -> bool {
        if is_below_a_file(&self.replicas[r], path) {
            // The bytes never came to a disk.
            if let Some(number) = Oracle::number_of(&entry) {
                self.oracle.bytes[number].overwritten |= !self.oracle.bytes[number].spread;
            }
            return false;
        }
        self.delete(r, path);
        let replica = &mut self.replicas[r];
        if let Some(parent) = path.as_ref().parent().filter(|parent| !parent.is_root()) {
            replica.disk.entry(parent.to_owned()).or_insert_with(directory);
        }
        replica.disk.insert(path.clone(), entry);
        true
    }

    /// From now on nobody looks: what was done since the last look may go unseen.
    pub fn ignore(&mut self, r: usize, path: RelPath) {
        let replica = &mut self.replicas[r];
        for (name, row) in &replica.memory.rows {
            if !replica.is_witnessed(name) {
                self.oracle.spread(&row.witness.entry);
                self.oracle.unseen(&row.witness.entry);
            }
        }
        replica.unwitnessed.values().for_each(|entry| self.oracle.spread(entry));
        replica.ignored.push(path);
    }

    /// The memory, or all of the root, as it was.
    pub fn restore(
        &mut self,
        r: usize,
        (memory, disk): (Memory, std::collections::BTreeMap<RelPath, Entry>),
        all: bool,
    ) {
        self.oracle.forked = true;
        if all {
            let names: Vec<RelPath> = self.replicas[r].disk.keys().cloned().collect();
            names.iter().for_each(|name| self.oracle.overwrite(&self.replicas[r], name));
            disk.values().for_each(|entry| self.oracle.spread(entry));
            self.replicas[r].disk = disk;
        }
        let replica = &mut self.replicas[r];
        (replica.memory, replica.is_open, replica.restored) = (memory, false, true);
        replica.unwitnessed.clear();
        replica.taken.clear();
    }
}

impl Oracle {
    /// A user overwrites or deletes a file.
    fn overwrite(&mut self, replica: &Replica, path: &RelPath) {
        let Some(number) = replica.disk.get(path).and_then(Oracle::number_of) else { return };
        // Where the same bytes stand twice, one of them may be on its way to another name.
        let twins = replica.disk.values().filter(|entry| Oracle::number_of(entry) == Some(number)).count();
        let is_told = is_told(replica, path);
        let bytes = &mut self.bytes[number];
        bytes.overwritten = true;
        bytes.unseen |= !is_told && replica.memory.rows.contains_key(path) || is_hidden(replica, path);
        bytes.replaced |= is_told && twins == 1 && replica.is_witnessed(path) && !replica.ignores(path.as_ref());
        self.take_along(replica, path);
    }

    /// A touch that yields to an edit has no file of its own: the edit's stands for it. Where nobody looks, the loss of that
    /// file is no delete of either, and the touch is wanted though its bytes went when the edit was put in their place: no
    /// disk need show them, a trash has them.
    fn take_along(&mut self, replica: &Replica, path: &RelPath) {
        let stands = replica.memory.rows.get(path).filter(|_| is_hidden(replica, path)).map_or(0, |row| row.stands);
        let events = self.happenings.iter().enumerate().filter(|(at, _)| stands >> at & 1 == 1);
        let entries: Vec<Entry> = events.filter_map(|(_, it)| it.entry.clone()).collect();
        entries.iter().for_each(|entry| self.unseen(entry));
    }

    /// A user moves a file away: a delete, which may go untold.
    fn leave(&mut self, replica: &Replica, path: &RelPath, entry: &Entry) {
        if is_hidden(replica, path) || replica.memory.rows.contains_key(path) && !is_told(replica, path) {
            self.unseen(entry);
        }
        self.take_along(replica, path);
    }

    /// What becomes of these bytes nobody sees.
    pub fn unseen(&mut self, entry: &Entry) {
        if let Some(number) = Oracle::number_of(entry) {
            self.bytes[number].unseen = true;
        }
    }

    /// These bytes are no longer one write's alone.
    pub fn spread(&mut self, entry: &Entry) {
        if let Some(number) = Oracle::number_of(entry) {
            self.bytes[number].spread = true;
        }
    }
}

/// Whether what is wanted at a name is what the last look saw there: else what was here lives on until its own place is
/// known to be empty.
fn is_told(replica: &Replica, path: &RelPath) -> bool {
    let wants = wanted(&replica.memory.entries);
    let due = wants.get(path).zip(replica.memory.rows.get(path));
    due.is_some_and(|((_, shown), row)| shown.dots == row.witness.dots)
}

/// Whether nobody looks at a name, or nobody has looked since something came there or since it was ignored.
fn is_hidden(replica: &Replica, path: &RelPath) -> bool {
    let is_marked = replica.memory.rows.get(path).is_some_and(|row| row.witness.unseen);
    is_marked || replica.ignores(path.as_ref()) || replica.unwitnessed.contains_key(path)
}

fn is_below_a_file(replica: &Replica, path: &RelPath) -> bool {
    let parent = path.as_ref().parent().filter(|parent| !parent.is_root());
    parent.and_then(|parent| replica.disk.get(&parent.to_owned())).is_some_and(|entry| !entry.is_directory())
}

fn file_of(number: usize, mode: u16, mtime: Time) -> Entry {
    let mut content = [0xa5; 32];
    content[..2].copy_from_slice(&(number as u16).to_le_bytes());
    Entry { kind: Kind::File, mode, mtime, size: 1, content: Digest(content), uid: 0, gid: 0, extra: None }
}

fn directory() -> Entry {
    let mtime = Time::default();
    Entry { kind: Kind::Directory, mode: 0o755, mtime, size: 0, content: Digest::UNKNOWN, uid: 0, gid: 0, extra: None }
}
