//! What the daemon says while it runs: single lines with facts. Whoever runs it decides where they go.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

/// Lines that are kept for those who look later.
const KEPT_MAX: usize = 100;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Each step.
    Debug,
    /// What changed.
    Info,
    /// What somebody should know.
    Warn,
    /// What does not work.
    Error,
}

impl Level {
    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

impl FromStr for Level {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Level, &'static str> {
        let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
        levels.into_iter().find(|level| level.word() == text).ok_or("it takes debug, info, warn or error")
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// When.
    pub at: SystemTime,
    /// What, in a few words.
    pub what: &'static str,
    /// Of whom and how much: names and values.
    pub facts: Vec<(&'static str, String)>,
}

/// Receives the lines.
pub trait Sink: Send + Sync {
    /// Called for each line.
    fn say(&self, line: &Line);
}

/// Where lines go. Clones are the same journal.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    sink: Box<dyn Sink>,
    least: Level,
    kept: Mutex<VecDeque<Line>>,
}

impl Journal {
    /// Lines that matter at least so much go to `sink`.
    pub fn new(sink: Box<dyn Sink>, least: Level) -> Journal {
        Journal(Arc::new(Inner { sink, least, kept: Mutex::default() }))
    }

    /// Says something.
    pub fn say(&self, level: Level, what: &'static str, facts: Vec<(&'static str, String)>) {
        let line = Line { level, at: SystemTime::now(), what, facts };
        if level >= self.0.least {
            self.0.sink.say(&line);
        }
        if level >= Level::Info {
            let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.truncate(KEPT_MAX - 1);
            kept.push_front(line);
        }
    }

    /// The last lines, the newest first.
    pub fn last(&self) -> Vec<Line> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Journal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lines(Arc<Mutex<Vec<&'static str>>>);

    impl Sink for Lines {
        fn say(&self, line: &Line) {
            self.0.lock().expect("no test panics here").push(line.what);
        }
    }

    #[test]
    fn lines_below_the_level_are_not_said_and_a_bounded_number_is_kept() {
        let said = Arc::default();
        let journal = Journal::new(Box::new(Lines(Arc::clone(&said))), Level::Warn);
        journal.say(Level::Info, "quiet", vec![]);
        (0..300).for_each(|_| journal.say(Level::Warn, "loud", vec![]));
        assert_eq!(said.lock().expect("no test panics here").len(), 300);
        assert_eq!(journal.last().len(), KEPT_MAX);
    }
}
