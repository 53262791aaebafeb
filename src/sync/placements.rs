//! What a run has put in place, so that the scan after it hashes nothing of that once more. Owns how little is kept of
//! it: a stamp and a digest an action while the run goes on, and 48 bytes a file from its end to that scan's.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::model::plan::Plan;
use crate::model::{Digest, PathRef, RelPath, Stamp};

/// What is at a path since the run put it there; [`Digest::UNKNOWN`] stands for nothing that is worth knowing.
type Known = (Stamp, Digest);

/// Gathered while a run goes on.
#[derive(Debug)]
pub struct Placements {
    /// By action: most of what is placed has one.
    actions: Vec<Known>,
    /// What came along with a renamed directory, and files that only got one more name.
    others: HashMap<RelPath, Known>,
}

/// What a run put in place, by a hash of path and stamp.
#[derive(Debug, Default)]
pub struct InPlace {
    keys: [RandomState; 2],
    /// Sorted.
    digests: Vec<([u64; 2], Digest)>,
}

impl Placements {
    /// Nothing is in place yet.
    pub fn new(plan: &Plan) -> Placements {
        let nothing = (Stamp::default(), Digest::UNKNOWN);
        Placements { actions: vec![nothing; plan.actions.len()], others: HashMap::new() }
    }

    /// What an action has put in place.
    pub fn of_action(&self, index: usize) -> Option<Known> {
        self.actions.get(index).copied().filter(|(stamp, _)| *stamp != Stamp::default())
    }

    /// What is in place at a path.
    pub fn of_path(&self, plan: &Plan, path: &RelPath) -> Option<Known> {
        match find(plan, path) {
            Some(index) => self.of_action(index),
            None => self.others.get(path).copied(),
        }
    }

    /// An action has put this in place.
    pub fn put_action(&mut self, index: usize, known: Known) {
        self.actions[index] = known;
    }

    /// This is at a path now, whether it has an action or not.
    pub fn put(&mut self, plan: &Plan, path: RelPath, known: Known) {
        match find(plan, &path) {
            Some(index) => self.put_action(index, known),
            None => drop(self.others.insert(path, known)),
        }
    }

    /// The run is over.
    pub fn finish(self, plan: &Plan) -> InPlace {
        let mut placed = InPlace::default();
        let actions = plan.actions.iter().map(|action| &action.path).zip(&self.actions);
        let all = || actions.clone().chain(&self.others).filter(|(_, (_, digest))| *digest != Digest::UNKNOWN);
        placed.digests.reserve_exact(all().count());
        for (path, (stamp, digest)) in all() {
            let key = placed.key(path.as_ref(), stamp);
            placed.digests.push((key, *digest));
        }
        placed.digests.sort_unstable_by_key(|&(key, _)| key);
        placed
    }
}

impl InPlace {
    /// The digest of what the run put at `path`, as long as its stamp is this.
    pub fn recall(&self, path: PathRef<'_>, stamp: &Stamp) -> Option<Digest> {
        let key = self.key(path, stamp);
        let at = self.digests.binary_search_by_key(&key, |&(key, _)| key).ok()?;
        Some(self.digests[at].1)
    }

    /// 128 bits that nobody can foresee: no two of a run's files share them.
    fn key(&self, path: PathRef<'_>, stamp: &Stamp) -> [u64; 2] {
        let Stamp { inode, size, mtime, ctime } = stamp;
        self.keys.each_ref().map(|key| key.hash_one((path, inode, size, mtime, ctime)))
    }
}

fn find(plan: &Plan, path: &RelPath) -> Option<usize> {
    plan.actions.binary_search_by(|action| action.path.cmp(path)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::{Action, Changes, Step};

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
        placements.put(&plan, path("b"), (stamp, b));
        placements.put(&plan, path("d"), (stamp, d));
        placements.put_action(2, (stamp, Digest::UNKNOWN));
        assert_eq!(placements.of_action(1), Some((stamp, b)));
        assert_eq!(placements.of_path(&plan, &path("d")), Some((stamp, d)));
        assert_eq!(placements.of_path(&plan, &path("e")), None);
        let placed = placements.finish(&plan);
        for (text, digest) in [("a", Some(a)), ("b", Some(b)), ("c", None), ("d", Some(d)), ("e", None)] {
            assert_eq!(placed.recall(path(text).as_ref(), &stamp), digest, "{text}");
            assert_eq!(placed.recall(path(text).as_ref(), &other), None, "{text}");
        }
    }
}
