//! SWIM for one share, without a socket: packets and the time go in; packets, news and the next time come out.
//!
//! Gossip is a hint. It says whom to try and where, and what people see; who is let in is not its matter, and a member that lies in
//! it delays meetings at worst. Beyond the protocol it calls every connected member that it does not hold alive: after a partition
//! each side holds the other down, and neither would speak first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use foca::{Codec, Foca, Header, Member, NoCustomBroadcast, Notification, Runtime, State, Timer};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::presence::Presence;
use super::settings::{CALL_MS, LEAP_MAX_MS, PACKET_MAX, config};
use super::wire::{self, KEYS, Wire};
use crate::daemon::schedule::Moment;
use crate::net::node::PublicKey;

/// What gossip says of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It answers, us or others.
    Alive,
    /// Somebody had no answer of it; it has a while to speak up.
    Suspect,
    /// It does not answer, or has left.
    Down,
    /// Nothing was heard of it yet.
    Unknown,
}

/// A member as gossip sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub key: PublicKey,
    /// How.
    pub liveness: Liveness,
    /// Where it said that it listens.
    pub addresses: Vec<SocketAddr>,
}

/// Something that gossip brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A member lives, at these addresses; perhaps anew.
    Up(Presence),
    /// A member is down.
    Down(PublicKey),
    /// Others held us down, and we live on under this bump: to be kept, as the next run must begin with a greater one.
    Reborn(u64),
}

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A packet for a member, where there is a connection.
    Send(PublicKey, Bytes),
    /// Something to know.
    News(News),
}

/// The gossip of one share.
pub struct Gossip {
    foca: Foca<Presence, Wire, StdRng, NoCustomBroadcast>,
    members: BTreeSet<PublicKey>,
    connected: BTreeSet<PublicKey>,
    /// In order of time, and of making.
    timers: BTreeMap<(Moment, u64), Timer<Presence>>,
    made: u64,
    call: Moment,
    given: VecDeque<Given>,
}

impl Gossip {
    /// Begins a life of `me`, alone. The seed is for the choice of whom to probe.
    pub fn new(me: Presence, seed: u64) -> Self {
        let foca = Foca::new(me, config(), StdRng::seed_from_u64(seed), Wire);
        let (members, connected) = (BTreeSet::new(), BTreeSet::new());
        let (timers, given) = (BTreeMap::new(), VecDeque::new());
        Self { foca, members, connected, timers, made: 0, call: 0, given }
    }

    /// Who is a member of the share: nobody else is heard, told or named.
    pub fn share(&mut self, members: BTreeSet<PublicKey>) {
        self.members = members;
        self.members.remove(&self.foca.identity().key);
        self.connected.retain(|key| self.members.contains(key));
    }

    /// There is a connection to a member now: it is called at once.
    pub fn connected(&mut self, key: PublicKey, now: Moment) {
        if self.members.contains(&key) && self.connected.insert(key) {
            self.announce_to(key, now);
        }
    }

    /// There is none any more. What that means is left to the probes: others may still reach the member.
    pub fn disconnected(&mut self, key: PublicKey) {
        self.connected.remove(&key);
    }

    /// A packet came from a member, as its connection shows.
    pub fn handle(&mut self, from: PublicKey, packet: &[u8], now: Moment) {
        if !self.members.contains(&from) || packet.len() > PACKET_MAX {
            return;
        }
        let whole = [&from.0[..], &self.foca.identity().key.0, packet].concat();
        // A packet that is not one changes nothing.
        let Ok(header) = Wire.decode_header(&whole[..]) else { return };
        if self.is_of_an_earlier_life(from, &header) || self.begins_above(&header, now) {
            return;
        }
        let mut out = Out::default();
        let _ = self.foca.handle_data(&whole, &mut out);
        self.take(out, now);
        self.warn_if_suspect(from);
    }

    /// Whether a member is in a life that was counted lower than one of which we know: its clock was ahead then, and it has forgotten
    /// that life. It is told, and lives on above it at once. To hold it down would be answered by a life that is one higher, and
    /// so on, for as many packets as that clock was milliseconds ahead.
    fn is_of_an_earlier_life(&mut self, from: PublicKey, header: &Header<Presence>) -> bool {
        let mut known = self.foca.iter_membership_state().map(Member::id);
        let Some(later) = known.find(|known| known.key == from && known.bump > header.src.bump) else { return false };
        if let Ok(packet) = wire::later_life(self.foca.identity(), later) {
            self.given.push_back(Given::Send(from, packet));
        }
        true
    }

    /// The same from the other side: others know of a life of ours that was counted higher.
    fn begins_above(&mut self, header: &Header<Presence>, now: Moment) -> bool {
        let me = self.foca.identity();
        let is_later = header.dst.bump > me.bump && header.dst.bump - me.bump < LEAP_MAX_MS;
        if is_later {
            self.live_on(me.after(header.dst.bump), now);
            self.announce_to_all(now);
        }
        is_later
    }

    /// Tells a member that speaks, and is a suspect, that it is one: the news of that may have been lost on the way that it was cut
    /// off by, and what is not refuted ends as down.
    fn warn_if_suspect(&mut self, key: PublicKey) {
        let suspect =
            self.foca.iter_members().find(|member| member.id().key == key && member.state() == State::Suspect);
        if let Some(suspect) = suspect
            && let Ok(packet) = wire::suspicion(self.foca.identity(), suspect)
        {
            self.given.push_back(Given::Send(key, packet));
        }
    }

    /// When [`Self::tick`] wants to be called.
    pub fn due(&self) -> Moment {
        self.timers.keys().next().map_or(self.call, |(due, _)| self.call.min(*due))
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Moment) {
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let timer = entry.remove();
            let mut out = Out::default();
            // A timer of a life that is over does nothing.
            let _ = self.foca.handle_timer(timer, &mut out);
            self.take(out, now);
        }
        if self.call <= now {
            self.call = now + CALL_MS;
            self.call_those_not_alive(now);
        }
    }

    /// What has come out since.
    pub fn poll(&mut self) -> Option<Given> {
        self.given.pop_front()
    }

    /// This device listens elsewhere now.
    pub fn moved(&mut self, addresses: Vec<SocketAddr>, now: Moment) {
        let me = self.foca.identity();
        if me.addresses == addresses {
            return;
        }
        self.live_on(Presence { addresses, ..me.after(me.bump) }, now);
        self.call_those_not_alive(now);
    }

    /// Begins another life.
    fn live_on(&mut self, me: Presence, now: Moment) {
        let mut out = Out::default();
        let bump = me.bump;
        let _ = self.foca.change_identity(me, &mut out);
        self.take(out, now);
        self.given.push_back(Given::News(News::Reborn(bump)));
    }

    /// Tells some members that this device stops.
    pub fn leave(&mut self, now: Moment) {
        let mut out = Out::default();
        let _ = self.foca.leave_cluster(&mut out);
        self.take(out, now);
    }

    /// Every member.
    pub fn seen(&self) -> Vec<Seen> {
        let known: BTreeMap<_, _> = self.foca.iter_membership_state().map(|member| (member.id().key, member)).collect();
        let seen = |key: &PublicKey| match known.get(key) {
            None => Seen { key: *key, liveness: Liveness::Unknown, addresses: Vec::new() },
            Some(member) => {
                let liveness = match member.state() {
                    State::Alive => Liveness::Alive,
                    State::Suspect => Liveness::Suspect,
                    State::Down => Liveness::Down,
                };
                Seen { key: *key, liveness, addresses: member.id().addresses.clone() }
            }
        };
        self.members.iter().map(seen).collect()
    }

    /// The bump of this life.
    pub fn bump(&self) -> u64 {
        self.foca.identity().bump
    }

    fn call_those_not_alive(&mut self, now: Moment) {
        let alive: BTreeSet<_> = self.foca.iter_members().map(|member| member.id().key).collect();
        let called: Vec<_> = self.connected.difference(&alive).copied().collect();
        for key in called {
            self.announce_to(key, now);
        }
    }

    /// Whichever life the member is in, it hears.
    fn announce_to(&mut self, key: PublicKey, now: Moment) {
        let mut out = Out::default();
        let _ = self.foca.announce(Presence::unknown(key), &mut out);
        self.take(out, now);
    }

    fn take(&mut self, out: Out, now: Moment) {
        for (after, timer) in out.timers {
            self.made += 1;
            let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            self.timers.insert((now.saturating_add(after), self.made), timer);
        }
        let sends = out.sends.into_iter().filter(|(to, _)| self.members.contains(to));
        self.given.extend(sends.map(|(to, packet)| Given::Send(to, packet)));
        let mut reborn = false;
        for news in out.news {
            reborn |= matches!(news, News::Reborn(_));
            let ours = match &news {
                News::Up(member) => self.members.contains(&member.key),
                News::Down(key) => self.members.contains(key),
                News::Reborn(_) => true,
            };
            if ours {
                self.given.push_back(Given::News(news));
            }
        }
        if reborn {
            // Whoever held us down hears of the new life at once.
            self.announce_to_all(now);
        }
    }

    fn announce_to_all(&mut self, now: Moment) {
        let connected: Vec<_> = self.connected.iter().copied().collect();
        for key in connected {
            self.announce_to(key, now);
        }
    }
}

/// What one call of the protocol gave.
#[derive(Default)]
struct Out {
    sends: Vec<(PublicKey, Bytes)>,
    timers: Vec<(Duration, Timer<Presence>)>,
    news: Vec<News>,
}

impl Runtime<Presence> for Out {
    fn notify(&mut self, notification: Notification<'_, Presence>) {
        match notification {
            Notification::MemberUp(member) | Notification::Rename(_, member) => {
                self.news.push(News::Up(member.clone()));
            }
            Notification::MemberDown(member) => self.news.push(News::Down(member.key)),
            Notification::Rejoin(me) => self.news.push(News::Reborn(me.bump)),
            Notification::Active | Notification::Idle | Notification::Defunct => {}
        }
    }

    fn send_to(&mut self, to: Presence, data: &[u8]) {
        // Both keys are known at the other end.
        self.sends.push((to.key, Bytes::copy_from_slice(&data[KEYS..])));
    }

    fn submit_after(&mut self, event: Timer<Presence>, after: Duration) {
        self.timers.push((after, event));
    }
}
