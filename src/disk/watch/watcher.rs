//! The watch of one root: a thread that reads events, and whoever waits for what came of them.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{ReadFlags, Reader};
use rustix::io::Errno;

use super::pending::{Patience, Pending};
use super::tree::{Refused, Watches};
use crate::disk::dirty::Dirty;
use crate::disk::root::Root;
use crate::model::{Kind, Listing, PathRef, RelPath};

/// Events that are read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// How a root is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchSettings {
    /// A directory is told of once nothing happened in it for so long. A file that is being written keeps nothing but itself
    /// waiting.
    pub quiet: Duration,
    /// Under a steady stream it is told of so long after the first event.
    pub longest: Duration,
}

impl Default for WatchSettings {
    fn default() -> WatchSettings {
        WatchSettings { quiet: Duration::from_millis(50), longest: Duration::from_secs(1) }
    }
}

/// What the watch has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Something may have changed there.
    Dirty(Dirty),
    /// The root is gone from its place: unmounted, moved or deleted. Nothing is to be concluded from what is there now.
    Gone,
    /// Nothing, in the time that was waited.
    Nothing,
}

/// How much is watched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Directories that are watched.
    pub directories: usize,
    /// Why others are not: what happens there only a scan finds.
    pub blind: Option<String>,
}

/// A root that is being watched, until this is dropped.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    /// Closed to end the thread.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    heard: Mutex<Heard>,
    changed: Condvar,
}

#[derive(Debug)]
struct Heard {
    watches: Watches,
    pending: Pending,
    gone: bool,
}

impl Watch {
    /// Watches the directories of `listing` below `root`. What happened before is not known: all of the root is told of
    /// first.
    pub fn start(root: Root, listing: &Listing, settings: WatchSettings) -> io::Result<Watch> {
        let watches = Watches::new(root)?;
        let queue = watches.queue();
        let pending = Pending::new(Patience { quiet: settings.quiet, longest: settings.longest });
        let shared =
            Arc::new(Shared { heard: Mutex::new(Heard { watches, pending, gone: false }), changed: Condvar::new() });
        let (wake, stop) = io::pipe()?;
        let reading = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("watch".into());
        let thread = thread.spawn(move || reading.read(&queue, &wake))?;
        let watch = Watch { shared, stop: Some(stop), thread: Some(thread) };
        watch.cover(listing);
        watch.shared.lock().pending.touch_all(Instant::now());
        Ok(watch)
    }

    /// Watches the directories of a listing that are not watched yet; they are told of. Where the system allowed no more of them
    /// before, it is asked again.
    pub fn cover(&self, listing: &Listing) {
        let directories = listing.rows().filter(|row| row.kind() == Kind::Directory).map(|row| row.path().to_owned());
        for path in std::iter::once(RelPath::default()).chain(directories) {
            let mut heard = self.shared.lock();
            match heard.watches.add(&path) {
                Ok(true) => heard.pending.touch(&path, None, Instant::now()),
                Ok(false) => {}
                Err(Refused) => return self.shared.changed.notify_all(),
            }
        }
        // One that came meanwhile and was refused is in the next listing.
        self.shared.lock().watches.see();
        self.shared.changed.notify_all();
    }

    /// The directories of these files are to be told of again: they were being written when they were looked at.
    pub fn touch_again(&self, files: &BTreeSet<RelPath>) {
        let mut heard = self.shared.lock();
        let now = Instant::now();
        for file in files.iter().map(RelPath::as_ref) {
            let directory = file.parent().unwrap_or(PathRef::ROOT).to_owned();
            heard.pending.touch_again(&directory, file.name(), now);
        }
        self.shared.changed.notify_all();
    }

    /// Waits for the next hint, at most for `wait`.
    pub fn next(&self, wait: Duration) -> Hint {
        let until = Instant::now() + wait;
        let mut heard = self.shared.lock();
        loop {
            let now = Instant::now();
            if std::mem::take(&mut heard.gone) {
                return Hint::Gone;
            }
            if let Some(dirty) = heard.pending.take(now) {
                return Hint::Dirty(dirty);
            }
            if now >= until {
                return Hint::Nothing;
            }
            let due = heard.pending.next().unwrap_or(until).min(until);
            let waited = self.shared.changed.wait_timeout(heard, due.saturating_duration_since(now));
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How much is watched.
    pub fn coverage(&self) -> Coverage {
        let heard = self.shared.lock();
        Coverage { directories: heard.watches.len(), blind: heard.watches.blind().map(str::to_owned) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        // It reads without waiting, and ends at once.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads events until the pipe is closed.
    fn read(&self, queue: &Arc<OwnedFd>, wake: &PipeReader) {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        loop {
            let mut sources = [PollFd::new(queue, PollFlags::IN), PollFd::new(wake, PollFlags::IN)];
            match poll(&mut sources, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return self.lock().pending.touch_all(Instant::now()),
            }
            if !sources[1].revents().is_empty() {
                return;
            }
            let mut reader = Reader::new(queue, &mut buffer);
            let mut heard = self.lock();
            loop {
                match reader.next() {
                    Ok(event) => {
                        let name = event.file_name().map(|name| name.to_bytes().to_vec());
                        heard.take(event.wd(), event.events(), name.as_deref());
                    }
                    Err(Errno::INTR) => {}
                    Err(_) => break,
                }
                if reader.is_buffer_empty() {
                    // Others get their turn between two reads.
                    break;
                }
            }
            drop(heard);
            self.changed.notify_all();
        }
    }
}

impl Heard {
    fn take(&mut self, number: i32, what: ReadFlags, name: Option<&[u8]>) {
        let now = Instant::now();
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            return self.pending.touch_all(now);
        }
        let Some(directory) = self.watches.path(number).cloned() else { return };
        let is_root = directory.as_ref().is_root();
        if what.intersects(ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF | ReadFlags::UNMOUNT) && is_root {
            self.gone = true;
        }
        if what.contains(ReadFlags::IGNORED) {
            return self.watches.forget(number);
        }
        if name.is_some_and(|name| is_root && name == super::super::control::NAME.as_bytes()) {
            return;
        }
        self.pending.touch(&directory, name, now);
        let below = name.filter(|_| what.contains(ReadFlags::ISDIR)).and_then(|name| directory.join(name).ok());
        let Some(below) = below else { return };
        if what.intersects(ReadFlags::MOVED_FROM | ReadFlags::DELETE) {
            self.watches.remove_below(&below);
        } else if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            // What happened in it before it was watched is not heard of: it is looked at, with all below it.
            for path in self.watches.add_below(&below) {
                self.pending.touch(&path, None, now);
            }
        }
    }
}
