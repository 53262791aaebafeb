//! What a run has put in place, so that the scan after it hashes nothing of that once more. Owns how little is kept of
//! it: 49 bytes an action.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::model::plan::{Plan, Source, Step};
use crate::model::{Digest, PathRef, RelPath, Stamp};

/// What is at a path since the run put it there; [`Digest::UNKNOWN`] stands for nothing that is worth knowing.
type Known = (Stamp, Digest);

/// The bit of a key that says of a file that it has no attributes.
const BARE: u64 = 1;

/// Gathered while a run goes on.
#[derive(Debug)]
pub struct Placements<'a> {
    plan: &'a Plan,
    /// What actions put in place, by their index.
    actions: InPlace,
    /// What came along with a renamed directory, and files that only got one more name.
    others: HashMap<RelPath, Known>,
    /// The stamps of files of which an action made one more name: they are those of its other names, too.
    linked: HashMap<usize, Stamp>,
}

/// What a run put in place, by a hash of path and stamp.
#[derive(Debug, Default)]
pub struct InPlace {
    keys: [RandomState; 2],
    /// Sorted, once the run is over.
    digests: Vec<([u64; 2], Digest)>,
    /// Which actions were done, by their index, whatever has become of their paths since.
    done: Vec<bool>,
}

impl<'a> Placements<'a> {
    /// Nothing is in place yet.
    pub fn new(plan: &'a Plan) -> Placements<'a> {
        let (digests, done) = (vec![([0; 2], Digest::UNKNOWN); plan.actions.len()], vec![false; plan.actions.len()]);
        let actions = InPlace { digests, done, ..InPlace::default() };
        Placements { plan, actions, others: HashMap::new(), linked: HashMap::new() }
    }

    /// An action was done.
    pub fn done(&mut self, index: usize) {
        self.actions.done[index] = true;
    }

    /// Whether an action was done.
    pub fn is_done(&self, index: usize) -> bool {
        self.actions.is_done(index)
    }

    /// An action has put this in place.
    pub fn put_action(&mut self, index: usize, (stamp, digest): Known) {
        let action = &self.plan.actions[index];
        self.actions.digests[index] = (self.actions.key(action.path.as_ref(), &stamp), digest);
        if matches!(action.step, Step::Create(Source::Link { .. }) | Step::Update(Source::Link { .. })) {
            self.linked.insert(index, stamp);
        }
    }

    /// The same, of a file that had no attributes then.
    pub fn put_bare(&mut self, index: usize, known: Known) {
        self.put_action(index, known);
        self.actions.digests[index].0[1] |= BARE;
    }

    /// This is at a path now, whether it has an action or not.
    pub fn put(&mut self, path: RelPath, known: Known) {
        match self.find(&path) {
            Some(index) => self.put_action(index, known),
            None => drop(self.others.insert(path, known)),
        }
    }

    /// The stamp that a file had when an action made one more name of it.
    pub fn linked(&self, index: usize) -> Option<Stamp> {
        self.linked.get(&index).copied()
    }

    /// The digest of what was put at a path.
    pub fn digest(&self, path: &RelPath) -> Option<Digest> {
        let known = match self.find(path) {
            Some(index) => Some(self.actions.digests[index].1),
            None => self.others.get(path).map(|&(_, digest)| digest),
        };
        known.filter(|digest| *digest != Digest::UNKNOWN)
    }

    /// The run is over.
    pub fn finish(self) -> InPlace {
        let Placements { mut actions, others, .. } = self;
        for (path, (stamp, digest)) in &others {
            let key = actions.key(path.as_ref(), stamp);
            actions.digests.push((key, *digest));
        }
        actions.digests.retain(|(_, digest)| *digest != Digest::UNKNOWN);
        actions.digests.sort_unstable_by_key(|&(key, _)| key);
        actions
    }

    fn find(&self, path: &RelPath) -> Option<usize> {
        self.plan.actions.binary_search_by(|action| action.path.cmp(path)).ok()
    }
}

impl InPlace {
    /// Whether an action was done.
    pub fn is_done(&self, index: usize) -> bool {
        self.done.get(index) == Some(&true)
    }

    /// The actions that were done.
    pub fn done(&self) -> impl Iterator<Item = usize> {
        self.done.iter().enumerate().filter_map(|(index, &done)| done.then_some(index))
    }

    /// The digest of what the run put at `path`, as long as its stamp is this.
    pub fn recall(&self, path: PathRef<'_>, stamp: &Stamp) -> Option<Digest> {
        self.find(path, stamp).map(|(_, digest)| digest)
    }

    /// Whether the file that the run put at `path` had no attributes when it got this stamp.
    pub fn is_bare(&self, path: PathRef<'_>, stamp: &Stamp) -> bool {
        self.find(path, stamp).is_some_and(|(key, _)| key[1] & BARE != 0)
    }

    fn find(&self, path: PathRef<'_>, stamp: &Stamp) -> Option<([u64; 2], Digest)> {
        let wanted = self.key(path, stamp);
        let bitless = |&([first, second], _): &([u64; 2], Digest)| [first, second & !BARE];
        let (start, end) = self.near(wanted[0]);
        let found = self.digests[start..end].binary_search_by_key(&wanted, bitless).ok()?;
        Some(self.digests[start + found])
    }

    /// Between which two a key lies. Keys are spread evenly: so its place is known but for a few hundred of a hundred thousand,
    /// where a search among all meets a cache miss a step.
    fn near(&self, first: u64) -> (usize, usize) {
        let all = self.digests.len();
        let guess = ((u128::from(first) * all as u128) >> 64) as usize;
        let key = |at: usize| self.digests[at].0[0];
        let (mut start, mut end, mut step) = (guess.min(all), guess.min(all), 64);
        while start > 0 && key(start - 1) >= first {
            start = start.saturating_sub(step);
            step *= 2;
        }
        step = 64;
        while end < all && key(end) <= first {
            end = (end + step).min(all);
            step *= 2;
        }
        (start, end)
    }

    /// 127 bits that nobody can foresee: no two of a run's files share them.
    fn key(&self, path: PathRef<'_>, stamp: &Stamp) -> [u64; 2] {
        let Stamp { inode, size, mtime, ctime } = stamp;
        let [first, second] = self.keys.each_ref().map(|key| key.hash_one((path, inode, size, mtime, ctime)));
        [first, second & !BARE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::{Action, Changes};

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).expect("a legal path")
    }

    fn plan(paths: &[&str]) -> Plan {
        let action = |text: &&str| {
            let changes = Changes::default();
            Action { path: path(text), step: Step::Metadata, wanted: None, before: None, changes }
        };
        Plan { actions: paths.iter().map(action).collect(), ..Plan::default() }
    }

    #[test]
    fn a_digest_is_recalled_for_its_path_and_stamp_alone() {
        let plan = plan(&["a", "b", "c"]);
        let (stamp, other) = (Stamp { inode: 7, ..Stamp::default() }, Stamp { inode: 8, ..Stamp::default() });
        let [a, b, d] = ["a", "b", "d"].map(|text| Digest::of_content(text.as_bytes()));
        let mut placements = Placements::new(&plan);
        placements.put_action(0, (stamp, a));
        placements.put(path("b"), (stamp, b));
        placements.put(path("d"), (stamp, d));
        placements.put_action(2, (stamp, Digest::UNKNOWN));
        for (text, digest) in [("b", Some(b)), ("c", None), ("d", Some(d)), ("e", None)] {
            assert_eq!(placements.digest(&path(text)), digest, "{text}");
        }
        let placed = placements.finish();
        for (text, digest) in [("a", Some(a)), ("b", Some(b)), ("c", None), ("d", Some(d)), ("e", None)] {
            assert_eq!(placed.recall(path(text).as_ref(), &stamp), digest, "{text}");
            assert_eq!(placed.recall(path(text).as_ref(), &other), None, "{text}");
        }
    }
}
