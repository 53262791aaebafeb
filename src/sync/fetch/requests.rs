//! What is still to be asked for, and who asks for what just now. A request that somebody refused comes back, and a range that
//! comes far more slowly than another link would bring it is called off and left to that one. Asks nobody itself. Start at
//! [`Requests::next`].

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::receive::Item;
use crate::proto::content::Want;

/// How often a stream that has nothing to do looks at how others fare.
const LOOK: Duration = Duration::from_millis(250);
/// A range is judged once it has been asked for so long.
const JUDGED_AFTER: Duration = Duration::from_secs(1);
/// A stream that brought no range yet is thought to take so long for one.
const UNTRIED: Duration = Duration::from_secs(5);
/// What is left of a range is called off where it takes so many times as long as all of it would elsewhere.
const SLOWER: u32 = 2;

/// One stream's worth of wants.
#[derive(Clone)]
pub struct Request {
    /// What is wanted.
    pub wants: Vec<Want>,
    /// What each belongs to.
    pub items: Vec<Item>,
}

impl Request {
    /// Whether nobody wants the answer any more.
    pub fn is_void(&self) -> bool {
        self.items.iter().all(Item::is_void)
    }

    /// Whether it is one range of a large file.
    fn is_range(&self) -> bool {
        matches!(&self.items[..], [item] if item.large.is_some())
    }

    fn bytes(&self) -> u64 {
        self.wants.iter().map(|want| want.bytes).sum()
    }
}

/// What a stream takes of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Whatever comes next.
    All,
    /// Ranges of large files; what it does not get is left to others.
    Ranges,
}

/// A stream that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Its number among all.
    pub stream: usize,
    /// Its link's.
    pub link: usize,
    /// What it takes.
    pub asks: Asks,
}

/// A request that is a stream's to ask.
pub struct Turn {
    /// What is to be asked.
    pub request: Request,
    /// Bytes that have come.
    pub come: Arc<AtomicU64>,
    /// Cancelled where it is called off.
    pub called_off: CancellationToken,
}

impl Turn {
    /// Whether it is one range of a large file.
    pub fn is_range(&self) -> bool {
        self.request.is_range()
    }
}

/// The requests of a run.
pub struct Requests {
    left: Mutex<Left>,
    changed: Notify,
}

struct Left {
    waiting: VecDeque<Request>,
    /// Ranges that are being asked for, by stream.
    asked: HashMap<usize, Asked>,
    /// Ranges that were called off for a stream.
    kept: HashMap<usize, Request>,
}

/// A range that is being asked for.
struct Asked {
    link: usize,
    bytes: u64,
    since: Instant,
    come: Arc<AtomicU64>,
    /// All of it has come.
    is_whole: bool,
    /// The stream for which it was called off.
    heir: Option<usize>,
    called_off: CancellationToken,
}

enum Next {
    Ask(Turn),
    /// It is not known yet whether there is one.
    Wait,
    None,
}

impl Requests {
    /// Nothing was asked yet.
    pub fn new(waiting: VecDeque<Request>) -> Requests {
        let left = Left { waiting, asked: HashMap::new(), kept: HashMap::new() };
        Requests { left: Mutex::new(left), changed: Notify::new() }
    }

    /// The next one; `None` where none is left, nor can come back. `took` is how long the last range took this stream.
    pub async fn next(&self, asker: Asker, took: Option<Duration>) -> Option<Turn> {
        loop {
            let changed = self.changed.notified();
            match self.left().next(asker, took) {
                Next::Ask(turn) => return Some(turn),
                Next::None => return None,
                Next::Wait => {}
            }
            // Without a change time alone tells who is slow.
            let _either = tokio::time::timeout(LOOK, changed).await;
        }
    }

    /// All that a stream asked for has come. False where it was called off: then somebody else brings it.
    pub fn is_whole(&self, stream: usize) -> bool {
        match self.left().asked.get_mut(&stream) {
            Some(asked) if asked.heir.is_some() => false,
            Some(asked) => {
                asked.is_whole = true;
                true
            }
            None => true,
        }
    }

    /// A stream has ended its request; what is to be asked once more goes to whom it was called off for, or to anybody.
    pub fn ended(&self, stream: usize, again: Option<Request>) {
        let mut left = self.left();
        let heir = left.asked.remove(&stream).and_then(|asked| asked.heir);
        match (again, heir) {
            (Some(again), Some(heir)) => drop(left.kept.insert(heir, again)),
            (Some(again), None) => left.waiting.push_front(again),
            (None, _) => {}
        }
        drop(left);
        self.changed.notify_waiters();
    }

    /// No code panics while it holds the lock, so what is left is whole.
    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Left {
    fn next(&mut self, asker: Asker, took: Option<Duration>) -> Next {
        if let Some(request) = self.kept.remove(&asker.stream).or_else(|| self.take(asker.asks)) {
            return Next::Ask(self.ask(asker, request));
        }
        let is_heir = self.asked.values().any(|asked| asked.heir == Some(asker.stream));
        if !is_heir {
            self.call_off(asker, took);
        }
        let may_come_back = self.asked.values().any(|asked| asked.link != asker.link);
        if may_come_back { Next::Wait } else { Next::None }
    }

    fn take(&mut self, asks: Asks) -> Option<Request> {
        match asks {
            Asks::All => self.waiting.pop_front(),
            // From the end: so the others meet it as late as possible.
            Asks::Ranges => self.waiting.iter().rposition(Request::is_range).and_then(|at| self.waiting.remove(at)),
        }
    }

    fn ask(&mut self, asker: Asker, request: Request) -> Turn {
        let (come, called_off) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        if request.is_range() {
            let asked = Asked {
                link: asker.link,
                bytes: request.bytes(),
                since: Instant::now(),
                come: Arc::clone(&come),
                is_whole: false,
                heir: None,
                called_off: called_off.clone(),
            };
            self.asked.insert(asker.stream, asked);
        }
        Turn { request, come, called_off }
    }

    /// Calls off the slowest of what other links are asked for, where this one would bring it much sooner.
    fn call_off(&mut self, asker: Asker, took: Option<Duration>) {
        let whole = took.unwrap_or(UNTRIED);
        let of_others =
            self.asked.values_mut().filter(|asked| asked.link != asker.link && !asked.is_whole && asked.heir.is_none());
        let slowest = of_others.filter_map(|asked| Some((asked.lasts()?, asked))).max_by_key(|(lasts, _)| *lasts);
        if let Some((lasts, asked)) = slowest
            && lasts > whole * SLOWER + JUDGED_AFTER
        {
            asked.heir = Some(asker.stream);
            asked.called_off.cancel();
        }
    }
}

impl Asked {
    /// How long it lasts yet, as it goes; `None` where that cannot be told so soon.
    fn lasts(&self) -> Option<Duration> {
        let so_far = self.since.elapsed();
        let come = self.come.load(Ordering::Relaxed).min(self.bytes);
        if so_far < JUDGED_AFTER {
            return None;
        }
        if come == 0 {
            return Some(Duration::MAX);
        }
        let left = so_far.as_secs_f64() * (self.bytes - come) as f64 / come as f64;
        Some(Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX))
    }
}
