//! The daemon from start to end: everything is opened, events are taken until somebody says stop, and everything is closed.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use super::commands;
use super::config::{self, ConfigError};
use super::control::Listener;
use super::converse;
pub use super::hub::Flags;
use super::hub::{Hub, Parts};
use super::journal::{Journal, Level};
use super::memory::{GiveBack, Memory};
use super::place::{Place, PlaceError};
use super::rumours::Rumours;
use super::service::Manager;
use super::{limit, vicinity, web};
use crate::net::node::{Events, Node, NodeSettings};

/// Threads that talk and decide; hashing and installing have their own.
const WORKERS: usize = 2;
/// A share that does not let go within so long is left: what is on disk is whole at every instant.
const CLOSING: Duration = Duration::from_secs(3);
/// So often it is seen whether this device has other addresses than before.
const MOVED: Duration = Duration::from_secs(10);
/// The runtime's own threads may take this long to end.
const LINGER: Duration = Duration::from_millis(500);

/// How a daemon is run.
#[derive(Debug)]
pub struct Settings {
    /// What goes before the configuration.
    pub flags: Flags,
    /// What it says, and where.
    pub journal: Journal,
    /// What gives memory back.
    pub give_back: GiveBack,
}

/// A daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// It is configured wrongly.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What it keeps cannot be used, or another one runs.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The network cannot be used.
    #[error(transparent)]
    Net(#[from] crate::net::Error),
    /// The socket of commands cannot be made.
    #[error("cannot make the socket `{}`", path.display())]
    Socket {
        /// Where.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system refuses what every program may have.
    #[error("cannot {step}")]
    System {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs until it is told to stop.
pub fn run(settings: Settings) -> Result<(), DaemonError> {
    let system = |source| DaemonError::System { step: "start threads", source };
    let memory = Arc::new(Memory::new(settings.give_back));
    let parked = Arc::clone(&memory);
    let mut builder = runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(WORKERS).enable_all().on_thread_park(move || parked.parks());
    let runtime = builder.build().map_err(system)?;
    let ended = runtime.block_on(serve(settings, memory));
    // A thread that hashes a file ends with the process.
    runtime.shutdown_timeout(LINGER);
    ended
}

async fn serve(settings: Settings, memory: Arc<Memory>) -> Result<(), DaemonError> {
    let signals = Signals::watch()?;
    let configured = config::place::Place::from_environment()?;
    let config = settings.flags.over(configured.read()?);
    let place = Place::from_environment()?;
    place.make()?;
    let _held = place.hold()?;
    let listener = listen(&place)?;
    let key = place.key()?;
    let (node, events) = Node::open(NodeSettings { listen: config.listen, ..NodeSettings::new(key.clone()) })?;
    let Settings { flags, journal, .. } = settings;
    let shares = config.shares.clone();
    let hub = Hub::new(Parts { node, key, place, journal, memory, configured, flags, config });
    for (name, shared) in shares {
        hub.start(name, shared);
    }
    hub.listed();
    let addresses: Vec<String> = hub.node.local_addresses().iter().map(ToString::to_string).collect();
    let facts = vec![("key", hub.key.public().to_string()), ("addresses", addresses.join(" "))];
    hub.journal.say(Level::Info, "started", facts);
    let manager = Arc::new(Manager::from_environment());
    manager.tell("READY=1");
    take(&hub, (events, listener, signals), &manager).await;
    manager.tell("STOPPING=1");
    close(&hub).await;
    Ok(())
}

/// Takes everything that happens until the daemon is to stop. Nothing here waits: whatever does has a task of its own.
async fn take(hub: &Arc<Hub>, from: (Events, Listener, Signals), manager: &Arc<Manager>) {
    let (mut events, listener, Signals { mut stop, reload }) = from;
    let beat = manager.watchdog().unwrap_or(Duration::from_secs(3600));
    let mut beats = tokio::time::interval(beat);
    let mut beside = JoinSet::new();
    beside.spawn(reach(Arc::clone(hub)));
    beside.spawn(Rumours::run(Arc::clone(hub)));
    beside.spawn(web::keep(Arc::clone(hub)));
    beside.spawn(vicinity::keep(Arc::clone(hub)));
    beside.spawn(limit::keep(Arc::clone(hub)));
    beside.spawn(moves(Arc::clone(hub)));
    beside.spawn(reloads(Arc::clone(hub), reload, Arc::clone(manager)));
    loop {
        tokio::select! {
            () = hub.stopping.cancelled() => break,
            () = hub.memory.serve() => {}
            event = events.next() => match event {
                Some(event) => converse::happened(hub, event),
                None => break,
            },
            caller = listener.accept() => match caller {
                Ok(caller) => drop(tokio::spawn(commands::serve(Arc::clone(hub), caller))),
                // Too many open files, as a rule: whoever waits is served when some are closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            () = stop.next() => break,
            _ = beats.tick() => manager.tell("WATCHDOG=1"),
        }
    }
    beside.abort_all();
}

/// Sees now and then whether this device has other addresses.
async fn moves(hub: Arc<Hub>) {
    let mut moves = tokio::time::interval(MOVED);
    loop {
        moves.tick().await;
        let hub = Arc::clone(&hub);
        // Where it breaks it is done again next time.
        let _ = tokio::task::spawn_blocking(move || hub.move_on()).await;
    }
}

/// Reads the configuration again whenever somebody says so.
async fn reloads(hub: Arc<Hub>, mut told: Signal, manager: Arc<Manager>) {
    while told.recv().await.is_some() {
        manager.tell("RELOADING=1");
        match hub.reload().await {
            Ok(()) => hub.journal.say(Level::Info, "configuration read again", vec![]),
            Err(error) => hub.journal.say(Level::Error, "configuration not used", vec![("why", error.to_string())]),
        }
        manager.tell("READY=1");
    }
}

/// Tries to reach members that are down, whenever it is time for one.
async fn reach(hub: Arc<Hub>) {
    loop {
        let now = hub.now();
        for peer in hub.peers.due(now) {
            let hub = Arc::clone(&hub);
            tokio::spawn(async move {
                let addresses = hub.addresses(peer);
                let outcome = hub.node.reach(peer, &addresses).await;
                converse::tried(&hub, peer, outcome);
            });
        }
        let wait = hub.peers.next().map_or(3_600_000, |next| next.saturating_sub(hub.now()));
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait.max(10))) => {}
            () = hub.peers.wake.notified() => {}
        }
    }
}

/// Lets go of everything: roots at the next file, then the peers.
async fn close(hub: &Arc<Hub>) {
    // Whoever watches is not shown how one share after the other goes.
    hub.stopping.cancel();
    let closing = async {
        let all: Vec<_> = hub
            .keepers()
            .into_iter()
            .map(|keeper| {
                let hub = Arc::clone(hub);
                tokio::spawn(async move { hub.stop(&keeper).await })
            })
            .collect();
        for one in all {
            // A task that broke has let go.
            let _ = one.await;
        }
    };
    let _ = tokio::time::timeout(CLOSING, closing).await;
    hub.rumours.leave(hub);
    hub.node.close().await;
    hub.journal.say(Level::Info, "stopped", vec![]);
}

fn listen(place: &Place) -> Result<Listener, DaemonError> {
    let sockets = place.sockets();
    let path = sockets.iter().find(|path| path.parent().is_some_and(std::path::Path::is_dir)).unwrap_or(&sockets[0]);
    Listener::bind(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => DaemonError::Place(PlaceError::Running),
        _ => DaemonError::Socket { path: path.clone(), source },
    })
}

/// What somebody wants of the process.
struct Signals {
    stop: Stop,
    reload: Signal,
}

struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn watch() -> Result<Signals, DaemonError> {
        let watch = |kind| signal(kind).map_err(|source| DaemonError::System { step: "watch for signals", source });
        let stop = Stop { interrupt: watch(SignalKind::interrupt())?, terminate: watch(SignalKind::terminate())? };
        Ok(Signals { stop, reload: watch(SignalKind::hangup())? })
    }
}

impl Stop {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
