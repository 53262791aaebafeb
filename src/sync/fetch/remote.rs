//! Content from across a link: requests of many small files or one range of a large one, several streams at a time.
//! Streams run as tasks on the network's runtime; bytes are written by threads of their own, so that neither waits for
//! the other longer than the queue between them allows.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};

use super::fill::{Filler, Step};
use super::receive::{Item, Large, Pieces, Receiver};
use super::requests::{Asker, Asks, Request, Requests, Turn};
use super::{Fetch, Fetched};
use crate::disk::gauge::Gauge;
use crate::model::plan::Plan;
use crate::model::{Digest, ProblemKind, RelPath};
use crate::net::{Link, send_frame};
use crate::proto::content::{Decoder, Reply, Verdict, Want, encode_request};
use crate::sync::converse::violation;
use crate::sync::error::Error;
use crate::sync::execute::Run;

/// Requests in flight: enough to fill a path of 12 MB (1 Gbit/s x 100 ms) with ranges of 2 MiB and more.
const STREAMS: usize = 8;
/// Requests in flight to each of several.
const SHARED_STREAMS: usize = 4;
/// A run that is stopped ends within this time, whatever is on its way.
const STOPPED_WITHIN: Duration = Duration::from_millis(50);
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
    /// Others that may have the same: they are asked for ranges of large files.
    help: Vec<Link>,
    runtime: Handle,
}

impl RemoteSource {
    /// A source behind `link`, whose streams run on `runtime`.
    pub fn new(link: Link, runtime: Handle) -> RemoteSource {
        RemoteSource { link, help: Vec::new(), runtime }
    }

    /// The same, with others that are asked for ranges of large files beside it.
    pub fn with_help(self, help: Vec<Link>) -> RemoteSource {
        RemoteSource { help, ..self }
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
            let (mut parts, mut carryings) = (Vec::new(), Vec::new());
            for (index, step) in prepared? {
                match step {
                    Step::Whole(staged, digest) => done(index, Ok((*staged, digest))),
                    Step::Ask(wants, carrying) => {
                        parts.extend(wants);
                        carryings.extend(carrying);
                    }
                    Step::Plain => lock(&again).push(index),
                }
            }
            std::thread::scope(|scope| {
                let receiver = Receiver::new(run, &sift);
                scope.spawn(move || carryings.iter().for_each(|carrying| receiver.carry(carrying)));
                self.stream(run, gather(parts), &sift)
            })?;
        }
        self.stream(run, split(run.plan, &again.into_inner().unwrap_or_else(PoisonError::into_inner)), done)
    }

    fn stages(&self) -> bool {
        true
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
        let requests = Arc::new(Requests::new(requests));
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..WRITERS).map(|_| mpsc::channel::<Pieces>(QUEUE_READS)).unzip();
        let mut streams = Vec::new();
        let mut begin = |(number, link): (usize, &Link), asks: Asks| {
            let (stream, requests) = (streams.len(), Arc::clone(&requests));
            let asker = Asker { stream, link: number, asks };
            let sender = Sender { asker, pieces: senders[stream % WRITERS].clone() };
            streams.push(self.runtime.spawn(drain(link.clone(), requests, sender)));
        };
        let own = if self.help.is_empty() { STREAMS } else { SHARED_STREAMS };
        (0..own).for_each(|_| begin((0, &self.link), Asks::All));
        for (number, link) in (1..).zip(&self.help) {
            (0..SHARED_STREAMS).for_each(|_| begin((number, link), Asks::Ranges));
        }
        drop(senders);
        std::thread::scope(|scope| {
            for receiver in receivers {
                scope.spawn(move || Receiver::new(run, done).run(receiver));
            }
            self.runtime.block_on(ended(streams, run.gauge))
        })
    }
}

/// Waits for the end of all streams. A run that is stopped does not wait for what is on its way.
async fn ended(streams: Vec<JoinHandle<Result<(), Error>>>, gauge: &Gauge) -> Result<(), Error> {
    let all: Vec<_> = streams.iter().map(JoinHandle::abort_handle).collect();
    let mut outcome = Ok(());
    for mut stream in streams {
        let ended = loop {
            match tokio::time::timeout(STOPPED_WITHIN, &mut stream).await {
                Ok(ended) => break ended,
                Err(_) if gauge.stopped() => all.iter().for_each(AbortHandle::abort),
                Err(_) => {}
            }
        };
        outcome = outcome.and(ended.unwrap_or(Err(Error::Interrupted)));
    }
    outcome
}

/// One stream's way to a writer.
struct Sender {
    asker: Asker,
    pieces: mpsc::Sender<Pieces>,
}

impl Sender {
    /// Nobody holds a piece of what is not gone on with.
    async fn let_go(&self) {
        let _nobody_wants_any = self.pieces.send(Pieces { stream: self.asker.stream, replies: Vec::new() }).await;
    }
}

/// Takes one request after the other and forwards what comes.
async fn drain(link: Link, requests: Arc<Requests>, sender: Sender) -> Result<(), Error> {
    let Asker { stream, asks, .. } = sender.asker;
    let mut took = None;
    while let Some(turn) = requests.next(sender.asker, took).await {
        if turn.request.is_void() {
            requests.ended(stream, None);
            continue;
        }
        let again = turn.is_range().then(|| turn.request.clone());
        let (began, is_range) = (Instant::now(), again.is_some());
        let asked = tokio::select! {
            asked = ask(&link, &turn, &requests, &sender) => asked,
            () = turn.called_off.cancelled() => Ok(Heard::CalledOff),
        };
        match asked {
            Ok(Heard::All) if is_range => took = Some(began.elapsed()),
            Ok(Heard::All) => {}
            Ok(Heard::CalledOff) => {
                sender.let_go().await;
                requests.ended(stream, again);
                if asks == Asks::Ranges {
                    return Ok(());
                }
                continue;
            }
            Ok(Heard::Refused | Heard::Unwanted) | Err(_) if asks == Asks::Ranges => {
                sender.let_go().await;
                requests.ended(stream, again);
                return Ok(());
            }
            Ok(Heard::Refused) => {}
            Ok(Heard::Unwanted) => {
                requests.ended(stream, None);
                return Ok(());
            }
            Err(error) => {
                requests.ended(stream, None);
                return Err(error);
            }
        }
        requests.ended(stream, None);
    }
    Ok(())
}

/// How a request ended.
enum Heard {
    /// All of it was answered.
    All,
    /// Something was not to be had; only told to streams that leave it to others.
    Refused,
    /// Somebody else brings it.
    CalledOff,
    /// Nobody wants the answer any more.
    Unwanted,
}

/// Sends one request and forwards its replies.
async fn ask(link: &Link, turn: &Turn, requests: &Requests, sender: &Sender) -> Result<Heard, Error> {
    let Turn { request, come, .. } = turn;
    let Asker { stream, asks, .. } = sender.asker;
    let (mut send, mut receive) = link.open().await?;
    send_frame(&mut send, &encode_request(&request.wants)).await?;
    send.finish().await?;
    let mut decoder = Decoder::new(&request.wants);
    while let Some(bytes) = receive.read_chunk(READ_BYTES).await? {
        if request.is_void() {
            // Letting go of the stream stops the other end.
            sender.let_go().await;
            return Ok(Heard::All);
        }
        come.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        decoder.push(bytes);
        let mut replies = Vec::new();
        loop {
            let at = decoder.want();
            let Some(reply) = decoder.poll().map_err(violation)? else { break };
            if let Reply::End(verdict) = &reply {
                if asks == Asks::Ranges && *verdict != Verdict::Whole {
                    return Ok(Heard::Refused);
                }
                if !requests.is_whole(stream) {
                    return Ok(Heard::CalledOff);
                }
            }
            replies.push((request.items[at].clone(), reply));
        }
        if !replies.is_empty() && sender.pieces.send(Pieces { stream, replies }).await.is_err() {
            return Ok(Heard::Unwanted);
        }
    }
    decoder.finish().map_err(violation)?;
    Ok(Heard::All)
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
