//! Knows every write and delete that ever was and what each had before it, and says what must be there. It never looks at
//! K and never joins: what a replica holds is what it has seen, less what the seen writes superseded.

use std::collections::BTreeMap;

use alike::model::{Dot, Entry, RelPath, Siblings};

/// A set of events.
pub type Mask = u128;

/// What went wrong.
pub type Failure = String;

/// A write or a delete.
#[derive(Debug, Clone)]
pub struct Happening {
    pub dot: Dot,
    pub home: RelPath,
    /// What was written; none for a delete.
    pub entry: Option<Entry>,
    pub supersedes: Mask,
}

/// Bytes that a user once wrote.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bytes {
    /// A user overwrote or deleted a file that held them.
    pub overwritten: bool,
    /// The same, at a file whose witness was right: so they must be gone in the end.
    pub replaced: bool,
    /// They were touched, moved, copied or written twice.
    pub spread: bool,
    /// A user overwrote or deleted them where nobody was to look, before anybody had looked at where they had come, or just
    /// when something else was to come there: that may be no delete, so they stay wanted. Or an install replaced them that could not put them where they
    /// belong: a trash holds them.
    pub unseen: bool,
}

#[derive(Debug, Default)]
pub struct Oracle {
    pub happenings: Vec<Happening>,
    pub bytes: Vec<Bytes>,
    /// A memory was restored, cloned or lost: what was superseded may come back, but nothing may be lost.
    pub forked: bool,
}

impl Oracle {
    /// Adds an event and gives its mask.
    pub fn happened(&mut self, happening: Happening) -> Mask {
        self.happenings.push(happening);
        1 << (self.happenings.len() - 1)
    }

    /// The event whose version this is, of those seen. Two clones may write the same under one dot: of twins, the one that
    /// is not superseded.
    pub fn event_of(&self, dot: Dot, entry: &Entry, seen: Mask) -> Mask {
        let all =
            self.happenings.iter().enumerate().filter(|(_, it)| it.dot == dot && it.entry.as_ref() == Some(entry));
        let twins = all.fold(0, |mask, (at, _)| mask | 1 << at) & seen;
        if twins.count_ones() < 2 {
            return twins;
        }
        let alive = twins & !self.superseded(seen);
        let some = if alive == 0 { twins } else { alive };
        some & some.wrapping_neg()
    }

    /// The events of the versions with these dots.
    pub fn events_of(&self, siblings: &Siblings, dots: &[Dot], seen: Mask) -> Mask {
        let versions = siblings.iter().filter(|version| dots.contains(&version.dot));
        versions.fold(0, |mask, version| mask | self.event_of(version.dot, &version.entry, seen))
    }

    /// What all these events superseded.
    pub fn superseded(&self, seen: Mask) -> Mask {
        let all = self.happenings.iter().enumerate().filter(|(at, _)| seen >> at & 1 == 1);
        all.fold(0, |mask, (_, it)| mask | it.supersedes)
    }

    /// Whether one of these events wrote other bytes.
    pub fn has_other_bytes(&self, mask: Mask, entry: &Entry) -> bool {
        let all = self.happenings.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1);
        all.filter_map(|(_, it)| it.entry.as_ref()).any(|wrote| wrote.content != entry.content)
    }

    /// Who has seen these events holds exactly those that none of them superseded.
    pub fn check_entries(&self, entries: &BTreeMap<RelPath, Siblings>, seen: Mask) -> Result<(), Failure> {
        let mut writes: Mask = 0;
        for (at, it) in self.happenings.iter().enumerate() {
            writes |= Mask::from(it.entry.is_some()) << at;
        }
        let expected = seen & writes & !self.superseded(seen);
        let mut held = 0;
        for (path, siblings) in entries {
            for version in siblings {
                let event = self.event_of(version.dot, &version.entry, seen);
                let home = event.checked_ilog2().map(|at| &self.happenings[at as usize].home);
                if home != Some(path) {
                    return Err(format!("{path} holds {:?}, which nobody wrote there", version.dot));
                }
                held |= event;
            }
        }
        if held == expected || self.forked && expected & !held == 0 {
            return Ok(());
        }
        Err(format!("missing {:?}, too many {:?}", self.name(expected & !held), self.name(held & !expected)))
    }

    /// Events for people.
    pub fn name(&self, mask: Mask) -> Vec<String> {
        let all = self.happenings.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1);
        all.map(|(_, it)| format!("{}={:?}", it.home, it.dot)).collect()
    }

    /// The number of the bytes of a file.
    pub fn number_of(entry: &Entry) -> Option<usize> {
        let [a, b, ..] = entry.content.0;
        entry.is_file().then(|| usize::from(u16::from_le_bytes([a, b])))
    }
}
