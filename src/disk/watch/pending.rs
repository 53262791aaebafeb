//! Directories that may have changed, until they were quiet for a moment. Pure: time is an argument.
//!
//! A directory waits until nothing happens in it, so that what belongs together is told of at once: a temporary name and the
//! one that it becomes. A name that is written on and on is left out of that: the others do not wait for it, and it is told of
//! when it is quiet itself. Whatever is not quiet when its directory is told of waits on. Start at [`Pending::touch`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::touched::Touches;
use crate::disk::dirty::{DIRECTORIES_MAX, Dirty};
use crate::model::RelPath;

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// What was touched is due once it was left alone for so long,
    pub quiet: Duration,
    /// and at the latest so long after it was touched first.
    pub longest: Duration,
}

/// What waits to be looked at.
#[derive(Debug)]
pub(super) struct Pending {
    patience: Patience,
    directories: BTreeMap<RelPath, Touches>,
    all: Option<Touches>,
}

impl Pending {
    /// Nothing waits.
    pub const fn new(patience: Patience) -> Pending {
        Pending { patience, directories: BTreeMap::new(), all: None }
    }

    /// A directory may have changed: a name in it, where one is known.
    pub fn touch(&mut self, directory: &RelPath, name: Option<&[u8]>, now: Instant) {
        let patience = self.patience;
        if let Some(all) = &mut self.all {
            return all.touch(None, now, patience);
        }
        match self.directories.get_mut(directory) {
            Some(touches) => touches.touch(name, now, patience),
            None => self.directories.entry(directory.clone()).or_default().touch(name, now, patience),
        }
        if self.directories.len() > DIRECTORIES_MAX {
            self.touch_all(now);
        }
    }

    /// A name was not settled when it was looked at. Where it waits already, it is told of when it is due.
    pub fn touch_again(&mut self, directory: &RelPath, name: &[u8], now: Instant) {
        let waits = self.directories.get(directory).is_some_and(|touches| touches.waits(name));
        if self.all.is_none() && !waits {
            self.touch(directory, Some(name), now);
        }
    }

    /// Anything may have changed.
    pub fn touch_all(&mut self, now: Instant) {
        let first = self.directories.values().filter_map(Touches::first).min();
        self.directories = BTreeMap::new();
        let all = self.all.get_or_insert_default();
        for at in first.into_iter().chain([now]) {
            all.touch(None, at, self.patience);
        }
    }

    /// When the next directory is due.
    pub fn next(&self) -> Option<Instant> {
        let waiting = self.directories.values().chain(&self.all);
        waiting.filter_map(|touches| touches.due(self.patience)).min()
    }

    /// Takes what is due by now; `None` where nothing is.
    pub fn take(&mut self, now: Instant) -> Option<Dirty> {
        let patience = self.patience;
        let is_due = |touches: &Touches| touches.due(patience).is_some_and(|due| due <= now);
        if let Some(all) = &self.all {
            return is_due(all).then(|| {
                self.all = None;
                Dirty::All
            });
        }
        let mut due = Vec::new();
        self.directories.retain(|path, touches| {
            if is_due(touches) {
                due.push(path.clone());
                touches.told(now, patience);
            }
            !touches.is_empty()
        });
        (!due.is_empty()).then(|| Dirty::Directories(due.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { quiet: Duration::from_millis(50), longest: Duration::from_secs(1) };

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).expect("a legal path")
    }

    fn directories(names: &[&str]) -> Option<Dirty> {
        Some(Dirty::Directories(names.iter().map(|name| path(name)).collect()))
    }

    /// When a directory is told of in which, each at its millisecond, names are touched; it is asked every millisecond until 3000.
    fn told(touches: impl IntoIterator<Item = (u64, Option<String>)>) -> Vec<u64> {
        let start = Instant::now();
        let mut touches: Vec<_> = touches.into_iter().collect();
        touches.sort_by_key(|(ms, _)| std::cmp::Reverse(*ms));
        let mut pending = Pending::new(PATIENCE);
        let is_told = |ms: &u64| {
            while let Some((_, name)) = touches.pop_if(|(at, _)| at == ms) {
                pending.touch(&path("d"), name.as_deref().map(str::as_bytes), start + Duration::from_millis(*ms));
            }
            pending.take(start + Duration::from_millis(*ms)).is_some()
        };
        (0..3000).filter(is_told).collect()
    }

    /// A name is touched every ten milliseconds.
    fn steadily(name: &str, from: u64, until: u64) -> impl Iterator<Item = (u64, Option<String>)> {
        (from..until).step_by(10).map(move |ms| (ms, Some(name.to_owned())))
    }

    fn once(name: &str, ms: u64) -> (u64, Option<String>) {
        (ms, Some(name.to_owned()))
    }

    #[test]
    fn a_directory_is_due_once_it_was_quiet_and_no_other_waits_for_it() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pending = Pending::new(PATIENCE);
        pending.touch(&path("calm"), None, at(0));
        for ms in (0..2000).step_by(10) {
            pending.touch(&path("busy"), None, at(ms));
            let due = pending.take(at(ms));
            match ms {
                50 => assert_eq!(due, directories(&["calm"])),
                1000 => assert_eq!(due, directories(&["busy"]), "a steady stream is looked at once a second"),
                _ => assert_eq!(due, None, "at {ms}"),
            }
        }
        assert_eq!(pending.take(at(2000)), directories(&["busy"]), "it waits anew since it was told of");
        assert_eq!(pending.take(at(2040)), directories(&["busy"]), "what came last is told of once it was quiet");
        assert_eq!(pending.next(), None);
    }

    #[test]
    fn a_name_that_is_being_written_is_told_of_when_it_is_quiet_or_waited_for_long_enough() {
        assert_eq!(told(steadily("log", 0, 500)), [540]);
        assert_eq!(told(steadily("log", 0, 2200)), [1000, 2000, 2240]);
    }

    #[test]
    fn others_do_not_wait_for_a_name_that_is_being_written() {
        // It is told of along with the others, and waits on.
        let others = [once("early", 5), once("one", 300), once("two", 320), once("three", 700)];
        assert_eq!(told(steadily("log", 0, 1000).chain(others)), [55, 370, 750, 1040]);
        let two = steadily("log", 0, 2000).chain(steadily("trace", 4, 2000)).chain([once("other", 1500)]);
        assert_eq!(told(two), [1000, 1550, 2040, 2044]);
    }

    #[test]
    fn a_name_that_is_written_and_then_takes_the_place_of_another_is_told_of_once() {
        let saved = [once("temporary", 0), once("temporary", 20), once("temporary", 40), once("document", 40)];
        assert_eq!(told(saved), [90]);
        // Also where it was written for long.
        assert_eq!(told(steadily("temporary", 0, 400).chain([once("temporary", 400), once("document", 400)])), [450]);
    }

    #[test]
    fn a_stream_of_names_is_told_of_once_a_second_also_beside_one_that_is_being_written() {
        let stream = || (0..2500).step_by(10).map(|ms| once(&format!("new{ms}"), ms));
        assert_eq!(told(stream()), [1000, 2000, 2540]);
        assert_eq!(told(stream().chain(steadily("log", 3, 2500))), [1000, 2000, 2540, 2543]);
    }

    #[test]
    fn what_was_not_settled_is_told_of_in_a_moment_and_no_sooner_where_it_is_being_written() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pending = Pending::new(PATIENCE);
        pending.touch_again(&path("d"), b"file", at(0));
        assert_eq!(pending.next(), Some(at(50)));
        assert_eq!(pending.take(at(50)), directories(&["d"]));
        for ms in (100..=900).step_by(10) {
            pending.touch(&path("d"), Some(b"log"), at(ms));
            pending.touch_again(&path("d"), b"log", at(ms + 5));
            assert_eq!(pending.take(at(ms + 5)), None, "at {ms}");
        }
        assert_eq!(pending.next(), Some(at(950)));
    }

    #[test]
    fn too_many_directories_are_all_of_the_root() {
        let start = Instant::now();
        let mut pending = Pending::new(PATIENCE);
        for number in 0..200_000 {
            pending.touch(&path(&format!("d{number}")), Some(b"name"), start);
        }
        assert!(pending.directories.len() <= DIRECTORIES_MAX);
        assert_eq!(pending.take(start + PATIENCE.quiet), Some(Dirty::All));
        assert_eq!(pending.take(start + PATIENCE.longest), None);
        assert_eq!(pending.next(), None);
    }
}
