//! What was touched in one directory, and when: some names by themselves, the rest as one. Pure.

use std::hash::{DefaultHasher, Hasher};
use std::time::Instant;

use super::pending::Patience;

/// Names of a directory that are told apart, those that were touched last. So many can be written on and on at once.
const NAMES_MAX: usize = 16;

/// What was touched in a directory since it was told of, and what was not quiet then.
#[derive(Debug, Default)]
pub(super) struct Touches {
    names: Vec<Name>,
    /// The directory itself, and names that are not told apart.
    rest: Option<Touched>,
}

/// When something was touched.
#[derive(Debug, Clone, Copy)]
struct Touched {
    /// The first time since it was told of.
    first: Instant,
    last: Instant,
}

/// A name that was touched.
#[derive(Debug)]
struct Name {
    /// Its hash, as names may be long. Two with the same are taken for one, and wait for each other.
    hash: u64,
    touched: Touched,
    /// Since when it was never quiet.
    since: Instant,
}

impl Touched {
    const fn at(now: Instant) -> Touched {
        Touched { first: now, last: now }
    }

    fn and(self, other: Touched) -> Touched {
        Touched { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    /// When it is due: quiet for a moment, or waited for long enough.
    fn due(self, patience: Patience) -> Instant {
        (self.last + patience.quiet).min(self.first + patience.longest)
    }

    /// What is left of it once it was told of.
    fn told(self, now: Instant, patience: Patience) -> Option<Touched> {
        (self.last + patience.quiet > now).then_some(Touched { first: now, last: self.last })
    }
}

impl Name {
    /// Whether it is being written on and on.
    fn is_steady(&self, patience: Patience) -> bool {
        self.touched.last.saturating_duration_since(self.since) >= patience.quiet
    }
}

impl Touches {
    /// A name was touched, or the directory itself.
    pub fn touch(&mut self, name: Option<&[u8]>, now: Instant, patience: Patience) {
        let Some(hash) = name.map(hash) else { return self.touch_rest(Touched::at(now)) };
        if let Some(name) = self.names.iter_mut().find(|name| name.hash == hash) {
            if name.touched.last + patience.quiet <= now {
                name.since = now;
            }
            name.touched.last = now;
            return;
        }
        if self.names.len() >= NAMES_MAX {
            let longest_ago = (0..self.names.len()).min_by_key(|&at| self.names[at].touched.last);
            let name = longest_ago.map(|at| self.names.swap_remove(at));
            name.into_iter().for_each(|name| self.touch_rest(name.touched));
        }
        self.names.push(Name { hash, touched: Touched::at(now), since: now });
    }

    fn touch_rest(&mut self, touched: Touched) {
        self.rest = Some(self.rest.map_or(touched, |rest| rest.and(touched)));
    }

    /// Whether a name is known to have been touched.
    pub fn waits(&self, name: &[u8]) -> bool {
        let hash = hash(name);
        self.names.iter().any(|name| name.hash == hash)
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty() && self.rest.is_none()
    }

    /// When anything that waits was touched first.
    pub fn first(&self) -> Option<Instant> {
        self.all().map(|touched| touched.first).min()
    }

    /// When the directory is to be told of: each name that is being written is waited for by nobody but itself.
    pub fn due(&self, patience: Patience) -> Option<Instant> {
        let (steady, calm): (Vec<&Name>, Vec<&Name>) = self.names.iter().partition(|name| name.is_steady(patience));
        let together = calm.iter().map(|name| name.touched).chain(self.rest).reduce(Touched::and);
        let each = steady.iter().map(|name| name.touched).chain(together);
        each.map(|touched| touched.due(patience)).min()
    }

    /// The directory is told of now: what was not quiet waits on.
    pub fn told(&mut self, now: Instant, patience: Patience) {
        self.rest = self.rest.and_then(|rest| rest.told(now, patience));
        self.names.retain_mut(|name| match name.touched.told(now, patience) {
            Some(left) => {
                name.touched = left;
                true
            }
            None => false,
        });
    }

    fn all(&self) -> impl Iterator<Item = Touched> {
        self.names.iter().map(|name| name.touched).chain(self.rest)
    }
}

fn hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}
