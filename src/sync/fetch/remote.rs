//! Content from across a link: requests of many small files or one range of a large one, several streams at a time.
//! Streams run as tasks on the network's runtime; bytes are written by threads of their own, so that neither waits for
//! the other longer than the queue between them allows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::fill::{Filler, Step};
use super::receive::{Item, Large, Pieces, Receiver};
use super::{Fetch, Fetched};
use crate::model::plan::Plan;
use crate::model::{Digest, ProblemKind, RelPath};
use crate::net::{Link, send_frame};
use crate::proto::content::{Decoder, Want, encode_request};
use crate::sync::converse::violation;
use crate::sync::error::Error;
use crate::sync::execute::Run;

/// Requests in flight: enough to fill a path of 12 MB (1 Gbit/s x 100 ms) with ranges of 2 MiB and more.
const STREAMS: usize = 8;
/// Threads that write.
const WRITERS: usize = 2;
/// Reads between the network and a writer: with 256 KiB each this is 4 MiB a writer.
const QUEUE_READS: usize = 16;
/// Small files are asked for together until a request has this many bytes or files.
const REQUEST_BYTES: u64 = 2 << 20;
const REQUEST_FILES: usize = 256;
/// Pieces that one request offers, about; far below what the other side takes.
const REQUEST_PIECES: usize = 10_000;
/// Files that are compared before any of them is asked for: each holds a handle.
const AIDED_AT_ONCE: usize = 64;
/// Larger files are asked for in ranges of this size, each on a stream of its own.
const RANGE_BYTES: u64 = 8 << 20;
/// What is read from a stream at once.
const READ_BYTES: usize = 256 << 10;

/// A root across a link as the source.
pub struct RemoteSource {
    link: Link,
    runtime: Handle,
}

/// One stream's worth of wants.
struct Request {
    wants: Vec<Want>,
    items: Vec<Item>,
}

impl RemoteSource {
    /// A source behind `link`, whose streams run on `runtime`.
    pub fn new(link: Link, runtime: Handle) -> RemoteSource {
        RemoteSource { link, runtime }
    }
}

impl Fetch for RemoteSource {
    fn fetch(&self, run: &Run<'_>, wants: &[usize], done: &(dyn Fn(usize, Fetched) + Sync)) -> Result<(), Error> {
        let filler = Filler::new(run, &self.link, &self.runtime);
        let (aided, mut plain): (Vec<usize>, Vec<usize>) = wants.iter().partition(|&&index| filler.helps(index));
        if aided.is_empty() {
            return self.stream(run, split(run.plan, wants), done);
        }
        // What was made of wrong pieces comes once more, whole.
        let again = Mutex::new(Vec::new());
        let sift = |index: usize, fetched: Fetched| match fetched {
            Err(problem) if problem.kind == ProblemKind::Changed => lock(&again).push(index),
            fetched => done(index, fetched),
        };
        for group in aided.chunks(AIDED_AT_ONCE) {
            let (prepared, streamed) = std::thread::scope(|scope| {
                let preparing = scope.spawn(|| filler.prepare(group));
                // What needs no comparison does not wait for any.
                let streamed = self.stream(run, split(run.plan, &std::mem::take(&mut plain)), done);
                (preparing.join().unwrap_or(Err(Error::Interrupted)), streamed)
            });
            streamed?;
            let mut parts = Vec::new();
            for (index, step) in prepared? {
                match step {
                    Step::Whole(staged, digest) => done(index, Ok((*staged, digest))),
                    Step::Ask(wants) => parts.extend(wants),
                    Step::Plain => lock(&again).push(index),
                }
            }
            self.stream(run, gather(parts), &sift)?;
        }
        self.stream(run, split(run.plan, &again.into_inner().unwrap_or_else(PoisonError::into_inner)), done)
    }
}

impl RemoteSource {
    /// Makes requests, several at a time, and hands over what they bring.
    fn stream(
        &self,
        run: &Run<'_>,
        requests: VecDeque<Request>,
        done: &(dyn Fn(usize, Fetched) + Sync),
    ) -> Result<(), Error> {
        if requests.is_empty() {
            return Ok(());
        }
        let requests = Arc::new(Mutex::new(requests));
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..WRITERS).map(|_| mpsc::channel::<Pieces>(QUEUE_READS)).unzip();
        let streams: Vec<_> = (0..STREAMS)
            .map(|stream| {
                let sender = senders[stream % WRITERS].clone();
                self.runtime.spawn(drain(self.link.clone(), Arc::clone(&requests), stream, sender))
            })
            .collect();
        drop(senders);
        std::thread::scope(|scope| {
            for receiver in receivers {
                scope.spawn(move || Receiver::new(run, done).run(receiver));
            }
        });
        // The writers ended because every stream did; what is left is to ask how.
        let mut outcome = Ok(());
        for stream in streams {
            match self.runtime.block_on(stream) {
                Ok(Err(error)) => outcome = outcome.and(Err(error)),
                Ok(Ok(())) => {}
                Err(_) => outcome = outcome.and(Err(Error::Interrupted)),
            }
        }
        outcome
    }
}

/// Takes one request after the other and forwards what comes.
async fn drain(
    link: Link,
    requests: Arc<Mutex<VecDeque<Request>>>,
    stream: usize,
    sender: mpsc::Sender<Pieces>,
) -> Result<(), Error> {
    loop {
        let next = lock(&requests).pop_front();
        let Some(request) = next else { return Ok(()) };
        if !ask(&link, request, stream, &sender).await? {
            return Ok(());
        }
    }
}

/// Sends one request and forwards its replies; false where nobody wants them any more.
async fn ask(link: &Link, request: Request, stream: usize, sender: &mpsc::Sender<Pieces>) -> Result<bool, Error> {
    let (mut send, mut receive) = link.open().await?;
    send_frame(&mut send, &encode_request(&request.wants)).await?;
    send.finish().await?;
    let mut decoder = Decoder::new(&request.wants);
    while let Some(bytes) = receive.read_chunk(READ_BYTES).await? {
        decoder.push(bytes);
        let mut replies = Vec::new();
        loop {
            let at = decoder.want();
            let Some(reply) = decoder.poll().map_err(violation)? else { break };
            replies.push((request.items[at].clone(), reply));
        }
        if !replies.is_empty() && sender.send(Pieces { stream, replies }).await.is_err() {
            return Ok(false);
        }
    }
    decoder.finish().map_err(violation)?;
    Ok(true)
}

/// Groups what is wanted into requests, in plan order.
fn split(plan: &Plan, wants: &[usize]) -> VecDeque<Request> {
    let mut requests = VecDeque::new();
    let mut small = Request { wants: Vec::new(), items: Vec::new() };
    let mut small_bytes = 0;
    for &index in wants {
        let action = &plan.actions[index];
        let Some(entry) = &action.wanted else { continue };
        if entry.size > RANGE_BYTES {
            ranges(&mut requests, index, &action.path, entry.content, entry.size);
            continue;
        }
        small.wants.push(Want::whole(action.path.clone(), entry.content));
        small.items.push(Item { index, offset: 0, large: None, offered: None });
        small_bytes += entry.size;
        if small_bytes >= REQUEST_BYTES || small.wants.len() >= REQUEST_FILES {
            requests.push_back(std::mem::replace(&mut small, Request { wants: Vec::new(), items: Vec::new() }));
            small_bytes = 0;
        }
    }
    if !small.wants.is_empty() {
        requests.push_back(small);
    }
    requests
}

fn ranges(requests: &mut VecDeque<Request>, index: usize, path: &RelPath, content: Digest, size: u64) {
    let count = size.div_ceil(RANGE_BYTES);
    let large = Arc::new(Large::new(count, size));
    for number in 0..count {
        let offset = number * RANGE_BYTES;
        let bytes = RANGE_BYTES.min(size - offset);
        let want = Want { offset, bytes, ..Want::whole(path.clone(), content) };
        let item = Item { index, offset, large: Some(Arc::clone(&large)), offered: None };
        requests.push_back(Request { wants: vec![want], items: vec![item] });
    }
}

/// Groups parts of files into requests.
fn gather(parts: Vec<(Want, Item)>) -> VecDeque<Request> {
    let mut requests = VecDeque::new();
    let mut request = Request { wants: Vec::new(), items: Vec::new() };
    let (mut bytes, mut offered) = (0, 0);
    for (want, item) in parts {
        bytes += want.bytes.min(REQUEST_BYTES);
        offered += want.offer.as_ref().map_or(0, |offer| offer.pieces.len());
        request.wants.push(want);
        request.items.push(item);
        if bytes >= REQUEST_BYTES || request.wants.len() >= REQUEST_FILES || offered >= REQUEST_PIECES {
            requests.push_back(std::mem::replace(&mut request, Request { wants: Vec::new(), items: Vec::new() }));
            (bytes, offered) = (0, 0);
        }
    }
    if !request.wants.is_empty() {
        requests.push_back(request);
    }
    requests
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
