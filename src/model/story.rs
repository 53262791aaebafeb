//! What two replicas tell each other of their [eras](super::era): of each story its *gist*, which is small however many runs
//! wrote, and of the eras themselves only what the other cannot know. Pure.
//!
//! Whoever knows more of an id can tell from the other's gist whether that one's story is the beginning of its own: then it
//! tells what came after. Where it is not, two memories of one id have parted, and each tells all that it knows of that id:
//! the one that knows more at once, the other when it hears that. Start at [`news`].

use std::collections::BTreeMap;

use super::digest::{Digest, Domain};
use super::dot::ReplicaId;
use super::era::{Era, Eras, Story};
use super::knowledge::Knowledge;

/// The most eras that are taken from a peer in one meeting: of one run an hour those of a century.
pub const ERAS_MAX: usize = 1 << 20;

/// A story in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gist {
    /// How many eras it has; at least one.
    pub eras: u64,
    /// A digest of them, cut to 128 bits.
    pub digest: [u8; 16],
}

/// The gists of all stories that a memory knows.
pub type Gists = BTreeMap<ReplicaId, Gist>;

/// Eras of one id: those that follow the first `from` of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Whose.
    pub id: ReplicaId,
    /// How many come before them.
    pub from: u64,
    /// They themselves, ascending.
    pub eras: Vec<Era>,
}

/// The stories that a memory knows.
#[derive(Debug, Clone, Copy)]
pub struct Stories<'a> {
    /// The eras of each id; the last may be without a write.
    pub eras: &'a BTreeMap<ReplicaId, Eras>,
    /// All writes seen.
    pub knowledge: &'a Knowledge,
}

impl Gist {
    fn of(eras: &[Era]) -> Gist {
        let mut message = Vec::with_capacity(64 + 16 * eras.len());
        Domain::Story.open(&mut message);
        for era in eras {
            message.extend_from_slice(&era.first.to_le_bytes());
            message.extend_from_slice(&era.token.to_le_bytes());
        }
        Domain::close(&mut message);
        let mut digest = [0; 16];
        digest.copy_from_slice(&Digest::of_message(&message).0[..16]);
        Gist { eras: eras.len() as u64, digest }
    }
}

impl<'a> Stories<'a> {
    /// All gists.
    pub fn gists(self) -> Gists {
        self.written().map(|(id, eras)| (id, Gist::of(eras))).collect()
    }

    fn written(self) -> impl Iterator<Item = (ReplicaId, &'a [Era])> {
        let written = move |(id, eras): (&ReplicaId, &'a Eras)| {
            (*id, Story { eras, highest: self.knowledge.highest(*id) }.written())
        };
        self.eras.iter().map(written).filter(|(_, eras)| !eras.is_empty())
    }

    fn of(self, id: ReplicaId) -> &'a [Era] {
        let eras = self.eras.get(&id);
        eras.map_or(&[], |eras| Story { eras, highest: self.knowledge.highest(id) }.written())
    }
}

/// What the other cannot know.
pub fn news(ours: Stories<'_>, theirs: &Gists) -> Vec<Part> {
    let part = |(id, eras): (ReplicaId, &[Era])| {
        let from = match theirs.get(&id) {
            None => 0,
            Some(gist) if gist.eras > eras.len() as u64 => return None,
            Some(gist) if *gist == Gist::of(&eras[..gist.eras as usize]) => gist.eras,
            Some(_) => 0,
        };
        let eras = eras[from as usize..].to_vec();
        (!eras.is_empty()).then_some(Part { id, from, eras })
    };
    ours.written().filter_map(part).collect()
}

/// What is told once the other's news show that it parted from a story of which we know less.
pub fn answers(ours: Stories<'_>, theirs: &Gists, heard: &[Part]) -> Vec<Part> {
    let parted = heard.iter().filter(|part| part.from == 0 && is_shorter(ours.of(part.id), theirs.get(&part.id)));
    let mut parts: Vec<Part> =
        parted.map(|part| Part { id: part.id, from: 0, eras: ours.of(part.id).to_vec() }).collect();
    // A long story comes in several parts.
    parts.dedup_by_key(|part| part.id);
    parts
}

/// Whether the other will have an answer to our news.
pub fn is_answered(ours: Stories<'_>, theirs: &Gists, told: &[Part]) -> bool {
    let shorter = |part: &Part| theirs.get(&part.id).is_some_and(|gist| gist.eras < ours.of(part.id).len() as u64);
    told.iter().any(|part| part.from == 0 && shorter(part))
}

fn is_shorter(eras: &[Era], other: Option<&Gist>) -> bool {
    !eras.is_empty() && other.is_some_and(|gist| gist.eras > eras.len() as u64)
}

/// The other's stories, from its gists, what it told, and what is known here; `None` where the three do not fit together.
pub fn gather(ours: Stories<'_>, theirs: &Gists, heard: &[Part]) -> Option<BTreeMap<ReplicaId, Eras>> {
    let mut all: BTreeMap<ReplicaId, Vec<Era>> = BTreeMap::new();
    for part in heard {
        let begun = all.entry(part.id).or_insert_with(|| {
            let known = ours.of(part.id);
            known[..known.len().min(usize::try_from(part.from).unwrap_or(usize::MAX))].to_vec()
        });
        (begun.len() as u64 == part.from).then_some(())?;
        begun.extend_from_slice(&part.eras);
    }
    let whole = |(id, gist): (&ReplicaId, &Gist)| {
        let eras = match all.get(id) {
            Some(eras) => eras.as_slice(),
            None => ours.of(*id).get(..usize::try_from(gist.eras).ok()?)?,
        };
        let ascending = eras.windows(2).all(|pair| pair[0].first < pair[1].first);
        (ascending && Gist::of(eras) == *gist).then(|| (*id, Eras::from(eras)))
    };
    theirs.iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one memory knows: eras of each id, each with one write.
    struct Memory {
        eras: BTreeMap<ReplicaId, Eras>,
        knowledge: Knowledge,
    }

    impl Memory {
        fn new(stories: &[(u8, &[(u64, u64)])]) -> Memory {
            let mut memory = Memory { eras: BTreeMap::new(), knowledge: Knowledge::new() };
            for (id, eras) in stories {
                let id = ReplicaId([*id; 16]);
                for &(first, token) in *eras {
                    memory.eras.entry(id).or_default().begin(Era { first, token });
                    memory.knowledge.insert_range(id, 1..=first);
                }
            }
            memory
        }

        fn stories(&self) -> Stories<'_> {
            Stories { eras: &self.eras, knowledge: &self.knowledge }
        }
    }

    /// What each of two comes to know of the other, and how many eras were told.
    fn told(left: &Memory, right: &Memory) -> (usize, [Option<BTreeMap<ReplicaId, Eras>>; 2]) {
        let ends = [left.stories(), right.stories()];
        let gists = ends.map(Stories::gists);
        let news = [news(ends[0], &gists[1]), news(ends[1], &gists[0])];
        let answers = [answers(ends[0], &gists[1], &news[1]), answers(ends[1], &gists[0], &news[0])];
        for (at, other) in [(0, 1), (1, 0)] {
            assert_eq!(is_answered(ends[at], &gists[other], &news[at]), !answers[other].is_empty());
        }
        let [from_left, from_right] = [0, 1].map(|at| [news[at].clone(), answers[at].clone()].concat());
        let eras = from_left.iter().chain(&from_right).map(|part| part.eras.len()).sum();
        (eras, [gather(ends[0], &gists[1], &from_right), gather(ends[1], &gists[0], &from_left)])
    }

    #[test]
    fn each_knows_the_others_stories_whatever_the_two_have_in_common() {
        let stories: [&[(u64, u64)]; 7] = [
            &[],
            &[(1, 7)],
            &[(1, 7), (3, 8)],
            &[(1, 7), (3, 8), (5, 9)],
            &[(1, 7), (3, 6)],
            &[(1, 5)],
            &[(1, 5), (2, 5), (3, 5), (4, 5)],
        ];
        for left in stories {
            for right in stories {
                let (left, right) = (Memory::new(&[(1, left), (2, right)]), Memory::new(&[(1, right), (3, left)]));
                let (_, [of_right, of_left]) = told(&left, &right);
                assert_eq!((of_left.as_ref(), of_right.as_ref()), (Some(&left.eras), Some(&right.eras)));
            }
        }
    }

    #[test]
    fn thousands_of_runs_are_told_by_their_gists_and_one_more_by_itself() {
        let runs = |token: u64| (0..5_000).map(|run| (1 + run * 3, token + run)).collect::<Vec<(u64, u64)>>();
        let all: Vec<(u8, Vec<(u64, u64)>)> = (1..=5).map(|id| (id, runs(u64::from(id) << 32))).collect();
        let shown = |all: &[(u8, Vec<(u64, u64)>)]| {
            Memory::new(&all.iter().map(|(id, runs)| (*id, runs.as_slice())).collect::<Vec<_>>())
        };
        let left = shown(&all);
        assert_eq!(told(&left, &left).0, 0, "nothing is told where nothing is new");
        let mut more = all.clone();
        more[2].1.push((20_000, 1));
        assert_eq!(told(&left, &shown(&more)).0, 1);
        assert_eq!(left.stories().gists().len(), 5);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let ours = Memory::new(&[(1, &[(1, 7), (3, 8)])]);
        let theirs = Memory::new(&[(1, &[(1, 7), (3, 8), (5, 9)])]);
        let gists = theirs.stories().gists();
        let id = ReplicaId([1; 16]);
        let part = |from: u64, eras: &[(u64, u64)]| {
            let eras = eras.iter().map(|&(first, token)| Era { first, token }).collect();
            [Part { id, from, eras }]
        };
        let gather = |parts: &[Part]| gather(ours.stories(), &gists, parts);
        assert_eq!(gather(&part(2, &[(5, 9)])).as_ref(), Some(&theirs.eras));
        for wrong in [part(2, &[(5, 8)]), part(3, &[(5, 9)]), part(u64::MAX, &[(5, 9)]), part(0, &[(5, 9), (1, 7)])] {
            assert_eq!(gather(&wrong), None, "{wrong:?}");
        }
        assert_eq!(gather(&[]), None, "more is promised than is told");
    }
}
