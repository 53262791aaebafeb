//! Directories that may have changed, until they were quiet for a moment. Pure: time is an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::disk::dirty::{DIRECTORIES_MAX, Dirty};
use crate::model::RelPath;

/// When a directory was touched.
#[derive(Debug, Clone, Copy)]
struct Touched {
    first: Instant,
    last: Instant,
}

/// What waits to be looked at.
#[derive(Debug)]
pub(super) struct Pending {
    quiet: Duration,
    longest: Duration,
    directories: BTreeMap<RelPath, Touched>,
    all: Option<Touched>,
}

impl Touched {
    const fn at(now: Instant) -> Touched {
        Touched { first: now, last: now }
    }

    /// When it is due: quiet for a moment, or waited for long enough.
    fn due(self, quiet: Duration, longest: Duration) -> Instant {
        (self.last + quiet).min(self.first + longest)
    }
}

impl Pending {
    /// Nothing waits. A directory is due `quiet` after it was touched last, and at the latest `longest` after it was touched
    /// first.
    pub const fn new(quiet: Duration, longest: Duration) -> Pending {
        Pending { quiet, longest, directories: BTreeMap::new(), all: None }
    }

    /// A directory may have changed.
    pub fn touch(&mut self, directory: &RelPath, now: Instant) {
        if let Some(all) = &mut self.all {
            all.last = now;
            return;
        }
        match self.directories.get_mut(directory) {
            Some(touched) => touched.last = now,
            None => drop(self.directories.insert(directory.clone(), Touched::at(now))),
        }
        if self.directories.len() > DIRECTORIES_MAX {
            self.touch_all(now);
        }
    }

    /// Anything may have changed.
    pub fn touch_all(&mut self, now: Instant) {
        let first = self.directories.values().map(|touched| touched.first).min();
        self.directories = BTreeMap::new();
        let all = self.all.get_or_insert_with(|| Touched::at(first.unwrap_or(now)));
        all.last = now;
    }

    /// When the next directory is due.
    pub fn next(&self) -> Option<Instant> {
        let waiting = self.directories.values().chain(&self.all);
        waiting.map(|touched| touched.due(self.quiet, self.longest)).min()
    }

    /// Takes what is due by now; `None` where nothing is.
    pub fn take(&mut self, now: Instant) -> Option<Dirty> {
        let (quiet, longest) = (self.quiet, self.longest);
        if let Some(all) = self.all {
            return (all.due(quiet, longest) <= now).then(|| {
                self.all = None;
                Dirty::All
            });
        }
        let is_due = |touched: &Touched| touched.due(quiet, longest) <= now;
        let due: Vec<RelPath> =
            self.directories.iter().filter(|(_, touched)| is_due(touched)).map(|(path, _)| path.clone()).collect();
        self.directories.retain(|_, touched| !is_due(touched));
        (!due.is_empty()).then(|| Dirty::Directories(due.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).expect("a legal path")
    }

    fn directories(names: &[&str]) -> Option<Dirty> {
        Some(Dirty::Directories(names.iter().map(|name| path(name)).collect()))
    }

    #[test]
    fn a_directory_is_due_once_it_was_quiet_and_no_other_waits_for_it() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pending = Pending::new(QUIET, LONGEST);
        pending.touch(&path("calm"), at(0));
        for ms in (0..2000).step_by(10) {
            pending.touch(&path("busy"), at(ms));
            let due = pending.take(at(ms));
            match ms {
                50 => assert_eq!(due, directories(&["calm"])),
                1000 => assert_eq!(due, directories(&["busy"]), "a steady stream is looked at once a second"),
                _ => assert_eq!(due, None, "at {ms}"),
            }
        }
        // It waits anew since the first time after it was looked at.
        assert_eq!(pending.next(), Some(at(1010) + LONGEST));
    }

    #[test]
    fn too_many_directories_are_all_of_the_root() {
        let start = Instant::now();
        let mut pending = Pending::new(QUIET, LONGEST);
        for number in 0..200_000 {
            pending.touch(&path(&format!("d{number}")), start);
        }
        assert!(pending.directories.len() <= DIRECTORIES_MAX);
        assert_eq!(pending.take(start + QUIET), Some(Dirty::All));
        assert_eq!(pending.take(start + LONGEST), None);
        assert_eq!(pending.next(), None);
    }
}
