//! What all parts of a running daemon have in common: the node, the key, the configuration, and the keepers of the shares.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::config::{self, Config, ConfigError, Role, ShareName, Shared, Timetable};
use super::gossip::Presence;
use super::journal::{Journal, Level};
use super::keeper::{Keeper, Word};
use super::members::{Granted, Introduction, Members, ShareId};
use super::memory::Memory;
use super::peers::Peers;
use super::place::{Place, PlaceError};
use super::rumours::{self, Rumours};
use super::schedule::Moment;
use crate::model::ReplicaId;
use crate::net::node::{DeviceKey, Node, PublicKey, Secret};

/// Replicas of this device that its card keeps naming.
const OWN_REPLICAS_MAX: usize = 64;

/// A running daemon.
pub struct Hub {
    /// How other devices are reached.
    pub node: Node,
    /// Who this device is.
    pub key: DeviceKey,
    /// What it keeps.
    pub place: Place,
    /// What it says.
    pub journal: Journal,
    /// The other devices.
    pub peers: Peers,
    /// What members say of one another.
    pub rumours: Rumours,
    /// What its threads hold.
    pub memory: Arc<Memory>,
    /// Ends the daemon.
    pub stopping: CancellationToken,
    began: Instant,
    configured: config::place::Place,
    flags: Flags,
    config: Mutex<Configured>,
    reconfigured: watch::Sender<()>,
    keepers: Mutex<BTreeMap<ShareName, Arc<Keeper>>>,
    invitations: Mutex<Vec<Invitation>>,
    changes: watch::Sender<u64>,
    addresses: watch::Sender<Vec<SocketAddr>>,
}

/// The configuration in use, and why it is not the one on disk.
struct Configured {
    config: Config,
    problem: Option<String>,
    /// What needs a daemon that is started anew.
    waits: Option<String>,
}

/// What the command line says, whatever is configured.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// Nobody is looked for on the local network.
    pub no_mdns: bool,
    /// How much may be sent.
    pub bwlimit: Option<Timetable>,
}

impl Flags {
    /// What holds where this is configured.
    pub fn over(&self, config: Config) -> Config {
        Config {
            listen: self.listen.unwrap_or(config.listen),
            mdns: config.mdns && !self.no_mdns,
            bwlimit: self.bwlimit.clone().unwrap_or(config.bwlimit),
            ..config
        }
    }
}

/// A ticket that was made and not used yet.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// What proves it.
    pub secret: Secret,
    /// To which share.
    pub share: ShareName,
    /// What whoever comes with it may do.
    pub role: Role,
}

/// What a hub is made of.
pub struct Parts {
    /// See [`Hub`].
    pub node: Node,
    /// See [`Hub`].
    pub key: DeviceKey,
    /// See [`Hub`].
    pub place: Place,
    /// See [`Hub`].
    pub journal: Journal,
    /// See [`Hub`].
    pub memory: Arc<Memory>,
    /// Where it is configured.
    pub configured: config::place::Place,
    /// What the command line says.
    pub flags: Flags,
    /// What holds now, the command line included.
    pub config: Config,
}

impl Hub {
    /// A daemon without shares yet.
    pub fn new(parts: Parts) -> Arc<Hub> {
        let Parts { node, key, place, journal, memory, configured, flags, config } = parts;
        let (changes, _) = watch::channel(0);
        let (reconfigured, _) = watch::channel(());
        let own = node.local_addresses();
        let bump = place.bump();
        let (addresses, _) = watch::channel(own.clone());
        let hub = Arc::new(Hub {
            peers: Peers::new(config.interval.as_millis() as u64),
            rumours: Rumours::new(Presence { key: key.public(), bump, addresses: own }),
            node,
            key,
            place,
            journal,
            memory,
            stopping: CancellationToken::new(),
            began: Instant::now(),
            configured,
            flags,
            config: Mutex::new(Configured { config, problem: None, waits: None }),
            reconfigured,
            keepers: Mutex::default(),
            invitations: Mutex::default(),
            changes,
            addresses,
        });
        // The clock may be ahead now, and be set back before the next life begins.
        rumours::keep_life(&hub, bump);
        hub
    }

    /// Milliseconds since the daemon began.
    pub fn now(&self) -> Moment {
        self.began.elapsed().as_millis() as Moment
    }

    /// About how often a share meets a member.
    pub fn interval_ms(&self) -> u64 {
        self.config().config.interval.as_millis() as u64
    }

    /// How often a share that is watched is looked at whole.
    pub fn rescan_ms(&self) -> u64 {
        self.config().config.rescan.as_millis() as u64
    }

    /// How this device calls itself.
    pub fn name(&self) -> String {
        self.config().config.name.clone().unwrap_or_else(hostname)
    }

    /// Whether members on the local network are looked for.
    pub fn mdns(&self) -> bool {
        self.config().config.mdns
    }

    /// How much may be sent, by the time of day.
    pub fn timetable(&self) -> Timetable {
        self.config().config.bwlimit.clone()
    }

    /// Within how long all files of a share are read again; `None`: never.
    pub fn scrub_ms(&self) -> Option<u64> {
        self.config().config.scrub.map(|scrub| scrub.as_millis() as u64)
    }

    /// Why the configuration on disk is not the one in use.
    pub fn config_problem(&self) -> Option<String> {
        self.config().problem.clone()
    }

    /// What of the configuration needs a daemon that is started anew.
    pub fn config_waits(&self) -> Option<String> {
        self.config().waits.clone()
    }

    /// Hears when the configuration was read again.
    pub fn reconfigured(&self) -> watch::Receiver<()> {
        self.reconfigured.subscribe()
    }

    /// Hears where this device is, whenever that changes.
    pub fn moves(&self) -> watch::Receiver<Vec<SocketAddr>> {
        self.addresses.subscribe()
    }

    /// Where this device is, as it was seen last. Asks the system nothing, which may keep who asks for its addresses waiting for
    /// seconds while networks come and go.
    pub fn own_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.borrow().clone()
    }

    /// Sees whether this device has other addresses than before, and tells the members of it. Blocks for as long as the system
    /// takes to say.
    pub fn move_on(&self) {
        let now = self.node.local_addresses();
        let moved = self.addresses.send_if_modified(|before| {
            let moved = *before != now;
            before.clone_from(&now);
            moved
        });
        if moved {
            let addresses: Vec<String> = now.iter().map(ToString::to_string).collect();
            self.journal.say(Level::Info, "at other addresses", vec![("addresses", addresses.join(" "))]);
            self.rumours.moved(self, &now);
            self.node.moved();
            self.peers.retry(self.now());
        }
        self.keepers().iter().for_each(|keeper| self.introduce(keeper, None));
    }

    /// The shares, in the order of their names.
    pub fn keepers(&self) -> Vec<Arc<Keeper>> {
        lock(&self.keepers).values().cloned().collect()
    }

    /// A share by its name.
    pub fn keeper(&self, name: &ShareName) -> Option<Arc<Keeper>> {
        lock(&self.keepers).get(name).cloned()
    }

    /// A share by its id.
    pub fn keeper_of(&self, id: ShareId) -> Option<Arc<Keeper>> {
        lock(&self.keepers).values().find(|keeper| keeper.id == id).cloned()
    }

    /// Invitations that are open.
    pub fn invitations(&self) -> MutexGuard<'_, Vec<Invitation>> {
        lock(&self.invitations)
    }

    /// The loopback port of figures and the page, where one is configured.
    pub fn metrics(&self) -> Option<u16> {
        self.config().config.metrics
    }

    /// The hooks that are configured.
    pub fn hooks(&self) -> config::Hooks {
        self.config().config.hooks.clone()
    }

    /// Where the configuration is.
    pub const fn configured(&self) -> &config::place::Place {
        &self.configured
    }

    /// Something that status tells has changed.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Hears of changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The other members of all shares.
    pub fn others(&self) -> BTreeSet<PublicKey> {
        let own = self.key.public();
        let mut others = BTreeSet::new();
        for keeper in self.keepers() {
            others.extend(keeper.members().each().map(|member| member.key).filter(|key| *key != own));
        }
        others
    }

    /// Who is a member of any share changed: exactly they are let in, and wanted.
    pub fn listed(&self) {
        let all = self.others();
        self.node.allow(all.clone());
        self.peers.want(&all, self.interval_ms(), self.now());
        self.rumours.listed(self);
        self.changed();
    }

    /// Tells all shares who is connected.
    pub fn live(&self) {
        let connected = self.peers.connected();
        for keeper in self.keepers() {
            keeper.say(Word::Live(connected.clone()));
        }
        self.changed();
    }

    /// Where a device may be: what its cards say, and where it was seen.
    pub fn addresses(&self, key: PublicKey) -> Vec<SocketAddr> {
        let mut addresses = self.peers.note(key).hints;
        for keeper in self.keepers() {
            let members = keeper.members();
            let said = members.each().find(|member| member.key == key).and_then(|member| member.says);
            addresses.extend(said.iter().flat_map(|says| says.addresses.iter().copied()));
        }
        let mut known = BTreeSet::new();
        addresses.retain(|address| known.insert(*address));
        addresses
    }

    /// Which other member is at an address.
    pub fn member_at(&self, address: SocketAddr) -> Option<PublicKey> {
        self.others().into_iter().find(|key| self.addresses(*key).contains(&address))
    }

    /// How a member is called.
    pub fn called(&self, keeper: &Keeper, key: PublicKey) -> String {
        let members = keeper.members();
        let said = members.each().find(|member| member.key == key).and_then(|member| member.says);
        said.map(|says| says.name.clone()).filter(|name| !name.is_empty()).unwrap_or_else(|| key.short())
    }

    /// Says of this device, in a share, how it is called, where it is, and which replica is its own.
    pub fn introduce(&self, keeper: &Keeper, replica: Option<ReplicaId>) {
        let own = self.key.public();
        let kept = keeper.change(self, |members| {
            let before = members.each().find(|member| member.key == own).and_then(|member| member.says.cloned());
            let mut replicas = before.map(|says| says.replicas).unwrap_or_default();
            if let Some(replica) = replica.filter(|replica| !replicas.contains(replica)) {
                replicas.truncate(OWN_REPLICAS_MAX - 1);
                replicas.push(replica);
            }
            let says = Introduction { name: self.name(), addresses: self.own_addresses(), replicas };
            members.introduce(&self.key, says)
        });
        if let Err(error) = kept {
            self.note(Level::Error, "cannot keep the members", &keeper.name, &[("why", error.to_string())]);
        }
    }

    /// Says something about a share.
    pub fn note(&self, level: Level, what: &'static str, share: &ShareName, facts: &[(&'static str, String)]) {
        let facts = std::iter::once(("share", share.to_string())).chain(facts.iter().cloned()).collect();
        self.journal.say(level, what, facts);
    }

    /// Reads the configuration again, and keeps what it says: shares that are new, changed or gone. One that makes no sense
    /// changes nothing.
    pub async fn reload(self: &Arc<Hub>) -> Result<(), ConfigError> {
        let read = self.configured.read();
        let config = match read {
            Ok(config) => self.flags.over(config),
            Err(error) => {
                self.config().problem = Some(error.to_string());
                self.changed();
                return Err(error);
            }
        };
        let before = {
            let mut now = self.config();
            // The socket stays: what is said of it is compared with where it listens.
            let config = Config { listen: now.config.listen, ..config.clone() };
            std::mem::replace(&mut *now, Configured { config, problem: None, waits: None }).config
        };
        if before.listen != config.listen {
            let waits = format!("`listen`: it listens on {} until the daemon is started anew", before.listen);
            self.journal.say(Level::Warn, "needs a restart", vec![("what", waits.clone())]);
            self.config().waits = Some(waits);
        }
        // Nobody may listen.
        let _ = self.reconfigured.send(());
        if before.interval != config.interval {
            let interval_ms = config.interval.as_millis() as u64;
            self.keepers().iter().for_each(|keeper| keeper.say(Word::Interval(interval_ms)));
        }
        for keeper in self.keepers() {
            if config.shares.get(&keeper.name) != Some(&keeper.shared) {
                self.stop(&keeper).await;
            }
        }
        for (name, shared) in config.shares.clone() {
            if self.keeper(&name).is_none() {
                self.start(name, shared);
            }
        }
        if before.name != config.name {
            self.keepers().iter().for_each(|keeper| self.introduce(keeper, None));
        }
        self.listed();
        Ok(())
    }

    /// Begins to keep a share that is configured.
    pub fn start(self: &Arc<Hub>, name: ShareName, shared: Shared) {
        let members = match self.members_of(&name, shared.role) {
            Ok(members) => members,
            Err(error) => {
                return self.note(Level::Error, "cannot keep the share", &name, &[("why", error.to_string())]);
            }
        };
        let keeper = Keeper::start(self, (name.clone(), shared), members);
        lock(&self.keepers).insert(name, Arc::clone(&keeper));
        self.introduce(&keeper, None);
    }

    /// Ends keeping a share.
    pub async fn stop(&self, keeper: &Arc<Keeper>) {
        let (closed, done) = oneshot::channel();
        keeper.say(Word::Close(closed));
        // A task that has ended drops the word.
        let _ = done.await;
        lock(&self.keepers).remove(&keeper.name);
    }

    /// The list of a share; a share that has none yet is new, and this device its founder.
    fn members_of(&self, name: &ShareName, role: Role) -> Result<Members, PlaceError> {
        if let Some(members) = self.place.members(name)? {
            return Ok(members);
        }
        let mut members = Members::found(&self.key, crate::net::random()?);
        if role != Role::ReadWrite {
            // Its founder may, so this is granted.
            let _ = members.grant(&self.key, self.key.public(), Granted::from(role));
        }
        self.place.keep(name, &members)?;
        Ok(members)
    }

    fn config(&self) -> MutexGuard<'_, Configured> {
        lock(&self.config)
    }
}

/// No code panics while it holds one of these locks.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "device".into() } else { name.into() }
}

/// A draw below a bound.
pub fn chance(bound: u64) -> u64 {
    rand::random_range(0..bound.max(1))
}
