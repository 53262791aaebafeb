//! Chunk lists of files that were hashed or cut in this run, so that no file is cut twice: a list is kept by the digest of
//! what was cut, and so is true for ever. Owns how much is kept. The newest stay; what is let go of is cut again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::Digest;
use crate::model::chunk::{Chunks, Cutter};

/// Chunks that are kept in all: 8 MiB of memory, and 20 GiB of files.
const CHUNKS_MAX: usize = 320_000;
/// Chunks of the longest list that is kept.
const CHUNKS_EACH_MAX: usize = CHUNKS_MAX / 2;

/// The lists that are kept.
#[derive(Debug, Default)]
pub struct Lists(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lists: HashMap<Key, Arc<Chunks>>,
    /// The oldest first.
    order: VecDeque<Key>,
    chunks: usize,
}

type Key = (Digest, Cutter);

impl Lists {
    /// Whether the list of a file of this size may be kept.
    pub const fn takes(cutter: Cutter, size: u64) -> bool {
        size / cutter.least(crate::model::chunk::Grain::Chunk) as u64 <= CHUNKS_EACH_MAX as u64
    }

    /// The list of this content, cut in this way.
    pub fn find(&self, content: &Digest, cutter: Cutter) -> Option<Arc<Chunks>> {
        self.lock().lists.get(&(*content, cutter)).cloned()
    }

    /// Keeps the list of this content.
    pub fn keep(&self, content: Digest, cutter: Cutter, list: Arc<Chunks>) {
        let many = list.nodes(0).len();
        let mut kept = self.lock();
        let key = (content, cutter);
        if content == Digest::UNKNOWN || many > CHUNKS_EACH_MAX || kept.lists.contains_key(&key) {
            return;
        }
        kept.chunks += many;
        kept.order.push_back(key);
        kept.lists.insert(key, list);
        while kept.chunks > CHUNKS_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            let gone = kept.lists.remove(&oldest);
            kept.chunks -= gone.map_or(0, |list| list.nodes(0).len());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::chunk::Chunk;

    fn list(chunks: usize) -> Arc<Chunks> {
        Arc::new(Chunks::new(Cutter::Even, vec![Chunk { id: 1, bytes: 1 }; chunks]))
    }

    #[test]
    fn the_newest_lists_stay_within_the_bound() {
        let lists = Lists::default();
        let content = |number: u8| Digest([number; 32]);
        for number in 1..=5 {
            lists.keep(content(number), Cutter::Even, list(CHUNKS_MAX / 4));
        }
        assert!(lists.find(&content(1), Cutter::Even).is_none());
        assert!((2..=5).all(|number| lists.find(&content(number), Cutter::Even).is_some()));
        assert!(lists.find(&content(2), Cutter::Content).is_none(), "cut in another way");
        lists.keep(content(6), Cutter::Even, list(CHUNKS_EACH_MAX + 1));
        lists.keep(Digest::UNKNOWN, Cutter::Even, list(1));
        assert!(lists.find(&content(6), Cutter::Even).is_none());
        assert!(lists.find(&Digest::UNKNOWN, Cutter::Even).is_none());
        assert_eq!(lists.lock().chunks, CHUNKS_MAX);
    }
}
