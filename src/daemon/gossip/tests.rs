//! Clusters in memory with virtual time: joins, leaves, suspicion, refutation, cuts of every shape, and the same again for other seeds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use bytes::Bytes;

use super::presence::Presence;
use super::settings::{CALL_MS, PROBE_MS};
use super::{Given, Gossip, Liveness, News};
use crate::daemon::schedule::Moment;
use crate::net::node::PublicKey;

/// A packet is under way for so long.
const DELAY_MS: Moment = 20;
/// Within so long everybody of five knows of a member that is gone: a probe finds out, and a suspicion runs out.
const DETECTED_MS: Moment = 9 * PROBE_MS;
/// Within so long after a cut has healed everybody knows everybody.
const HEALED_MS: Moment = 4 * CALL_MS;

/// When it arrives, its number, from, to, and what it says.
type Packet = (Moment, u64, u8, u8, Bytes);

struct World {
    now: Moment,
    nodes: BTreeMap<u8, Gossip>,
    /// From, to: packets that vanish.
    cut: BTreeSet<(u8, u8)>,
    /// Packets that vanish, of a hundred.
    loss: u64,
    chance: u64,
    under_way: BinaryHeap<Reverse<Packet>>,
    sent: u64,
    bytes: u64,
    news: Vec<(u8, News)>,
}

fn key(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

fn number(key: &PublicKey) -> u8 {
    key.0[0]
}

impl World {
    fn new(count: u8, seed: u64) -> Self {
        let mut world = Self {
            now: 1000,
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            loss: 0,
            chance: seed | 1,
            under_way: BinaryHeap::new(),
            sent: 0,
            bytes: 0,
            news: Vec::new(),
        };
        for number in 1..=count {
            world.start(number, count, 1000 * seed);
        }
        world
    }

    /// Starts a member, anew where it was there, and connects it with everybody.
    fn start(&mut self, node: u8, count: u8, bump: u64) {
        let addresses = vec![std::net::SocketAddr::from(([192, 0, 2, node], 22_067))];
        let me = Presence { key: key(node), bump: bump + self.now, addresses };
        let mut gossip = Gossip::new(me, u64::from(node) + self.chance);
        gossip.share((1..=count).map(key).collect());
        self.nodes.insert(node, gossip);
        let others: Vec<u8> = self.nodes.keys().copied().filter(|other| *other != node).collect();
        for other in others {
            self.connect(node, other);
        }
    }

    fn connect(&mut self, one: u8, other: u8) {
        let now = self.now;
        for (here, there) in [(one, other), (other, one)] {
            if let Some(gossip) = self.nodes.get_mut(&here) {
                gossip.disconnected(key(there));
                gossip.connected(key(there), now);
            }
        }
    }

    fn draw(&mut self, bound: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % bound
    }

    fn flush(&mut self) {
        let mut sends = Vec::new();
        for (node, gossip) in &mut self.nodes {
            while let Some(given) = gossip.poll() {
                match given {
                    Given::Send(to, packet) => sends.push((*node, number(&to), packet)),
                    Given::News(news) => self.news.push((*node, news)),
                }
            }
        }
        for (from, to, packet) in sends {
            self.sent += 1;
            self.bytes += packet.len() as u64;
            let lost = self.cut.contains(&(from, to)) || self.draw(100) < self.loss;
            if !lost {
                self.under_way.push(Reverse((self.now + DELAY_MS, self.sent, from, to, packet)));
            }
        }
    }

    /// Lets time pass.
    fn run(&mut self, for_ms: Moment) {
        let end = self.now + for_ms;
        loop {
            self.flush();
            let timers = self.nodes.values().map(Gossip::due).min();
            let packets = self.under_way.peek().map(|Reverse(packet)| packet.0);
            let next = timers.into_iter().chain(packets).min().unwrap_or(end);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            while let Some(Reverse((_, _, from, to, packet))) =
                self.under_way.peek().filter(|Reverse(packet)| packet.0 <= self.now).cloned()
            {
                self.under_way.pop();
                if let Some(gossip) = self.nodes.get_mut(&to) {
                    gossip.handle(key(from), &packet, self.now);
                }
            }
            for gossip in self.nodes.values_mut().filter(|gossip| gossip.due() <= self.now) {
                gossip.tick(self.now);
            }
        }
    }

    fn liveness(&self, of: u8, at: u8) -> Liveness {
        let seen = self.nodes[&at].seen();
        seen.iter().find(|seen| seen.key == key(of)).map_or(Liveness::Unknown, |seen| seen.liveness)
    }

    /// Whether everybody that runs holds everybody else that runs alive.
    fn all_alive(&self) -> bool {
        let running = || self.nodes.keys().copied();
        running().all(|at| running().filter(|of| *of != at).all(|of| self.liveness(of, at) == Liveness::Alive))
    }

    #[track_caller]
    fn assert_all_alive(&self, when: &str) {
        let view = || self.nodes.iter().map(|(node, gossip)| (*node, gossip.seen())).collect::<Vec<_>>();
        assert!(self.all_alive(), "{when}: {:#?}", view());
    }

    fn split(&mut self, left: &[u8], right: &[u8]) {
        for one in left {
            for other in right {
                self.cut.insert((*one, *other));
                self.cut.insert((*other, *one));
            }
        }
    }
}

fn seeds() -> impl Iterator<Item = u64> {
    1..=20
}

#[test]
fn everybody_knows_everybody_soon_after_the_start() {
    for seed in seeds() {
        let mut world = World::new(5, seed);
        world.run(2000);
        world.assert_all_alive("after two seconds");
        let address = &world.nodes[&1].seen()[0].addresses;
        assert_eq!(*address, [std::net::SocketAddr::from(([192, 0, 2, 2], 22_067))]);
    }
}

#[test]
fn one_known_member_is_enough_to_hear_of_all() {
    for seed in seeds() {
        let mut world = World::new(4, seed);
        world.run(2000);
        // The fifth is connected with the first alone; the others hear of it from that one.
        for gossip in world.nodes.values_mut() {
            gossip.share((1..=5).map(key).collect());
        }
        let me = Presence { key: key(5), bump: world.now, addresses: Vec::new() };
        let mut fifth = Gossip::new(me, seed);
        fifth.share((1..=5).map(key).collect());
        world.nodes.insert(5, fifth);
        world.connect(5, 1);
        world.run(PROBE_MS);
        world.assert_all_alive("after one probe");
    }
}

#[test]
fn who_leaves_is_known_to_have_left_at_once() {
    for seed in seeds() {
        let mut world = World::new(4, seed);
        world.run(30_000);
        let now = world.now;
        world.nodes.get_mut(&4).expect("a node").leave(now);
        world.flush();
        world.nodes.remove(&4);
        world.run(3000);
        assert!([1, 2, 3].iter().all(|at| world.liveness(4, *at) == Liveness::Down));
        world.assert_all_alive("the others");
    }
}

#[test]
fn who_vanishes_is_suspected_and_then_down_and_the_others_stay() {
    for seed in seeds() {
        let mut world = World::new(5, seed);
        world.run(30_000);
        world.nodes.remove(&5);
        let mut suspected = false;
        for _ in 0..DETECTED_MS / 500 {
            world.run(500);
            suspected |= (1..=4).any(|at| world.liveness(5, at) == Liveness::Suspect);
        }
        let views: Vec<_> = (1..=4).map(|at| world.liveness(5, at)).collect();
        assert!(suspected && views == [Liveness::Down; 4], "seed {seed}: {suspected} {views:?}");
        world.assert_all_alive("the others");
    }
}

#[test]
fn who_is_suspected_and_lives_says_so_and_is_never_down() {
    for seed in seeds() {
        let mut world = World::new(4, seed);
        world.run(30_000);
        // Deaf and dumb for less than a suspicion lasts.
        world.split(&[4], &[1, 2, 3]);
        let mut suspected = false;
        for _ in 0..30 {
            world.run(500);
            suspected |= (1..=3).any(|at| world.liveness(4, at) == Liveness::Suspect);
        }
        world.cut.clear();
        world.news.clear();
        world.run(3 * PROBE_MS);
        world.assert_all_alive("after the suspicion");
        assert!(!world.news.iter().any(|(_, news)| matches!(news, News::Down(_))), "seed {seed}: {suspected}");
    }
}

#[test]
fn who_is_started_anew_is_alive_anew() {
    for seed in seeds() {
        let mut world = World::new(3, seed);
        world.run(60_000);
        world.nodes.remove(&3);
        world.run(seed * 5000);
        world.start(3, 3, 0);
        let bump = world.nodes[&3].bump();
        world.run(HEALED_MS);
        world.assert_all_alive("after the start");
        assert!(world.nodes[&3].bump() >= bump);
    }
}

#[test]
fn who_has_forgotten_a_life_with_a_clock_far_ahead_is_alive_anew_and_makes_no_storm() {
    const MONTH_MS: u64 = 30 * 86_400_000;
    for (seed, ahead_ms) in seeds().flat_map(|seed| [60_000, MONTH_MS].map(|ahead_ms| (seed, ahead_ms))) {
        let mut world = World::new(5, seed);
        for node in [4, 5] {
            world.nodes.remove(&node);
            world.start(node, 5, 1000 * seed + ahead_ms);
        }
        world.run(60_000);
        for node in [4, 5] {
            world.nodes.remove(&node);
            world.run(DETECTED_MS * (seed % 2));
            world.start(node, 5, 1000 * seed);
        }
        let sent = world.sent;
        world.run(2 * HEALED_MS);
        let a_second = (world.sent - sent) * 1000 / (2 * HEALED_MS);
        assert!(a_second < 60, "seed {seed}: {a_second} packets a second");
        world.assert_all_alive(&format!("seed {seed}, {ahead_ms} ms ahead"));
    }
}

#[test]
fn both_sides_of_a_full_cut_find_each_other_again_without_a_new_connection() {
    for seed in seeds() {
        for (left, right) in [(&[1, 2][..], &[3, 4, 5][..]), (&[1], &[2]), (&[1], &[2, 3])] {
            let count = left.len() + right.len();
            let mut world = World::new(count as u8, seed);
            world.run(60_000);
            world.split(left, right);
            world.run(10 * 60_000);
            for (one, other) in left.iter().flat_map(|one| right.iter().map(move |other| (*one, *other))) {
                assert_eq!((world.liveness(other, one), world.liveness(one, other)), (Liveness::Down, Liveness::Down));
            }
            world.cut.clear();
            world.run(HEALED_MS);
            world.assert_all_alive(&format!("seed {seed}, {left:?} and {right:?}"));
        }
    }
}

#[test]
fn a_one_way_cut_with_a_third_member_does_no_harm_and_heals_in_either_direction() {
    for seed in seeds() {
        for deaf in [(1, 2), (2, 1)] {
            let mut world = World::new(3, seed);
            world.run(60_000);
            world.cut.insert(deaf);
            world.news.clear();
            world.run(5 * 60_000);
            // The third probes for them.
            world.assert_all_alive("through the third");
            world.cut.clear();
            world.run(HEALED_MS);
            world.assert_all_alive("healed");
        }
    }
}

#[test]
fn a_one_way_cut_between_two_ends_when_it_heals() {
    for seed in seeds() {
        for deaf in [(1, 2), (2, 1)] {
            let mut world = World::new(2, seed);
            world.run(60_000);
            world.cut.insert(deaf);
            world.run(10 * 60_000);
            let sent = world.sent;
            world.run(10 * 60_000);
            assert!(world.sent - sent < 400, "{} packets in ten minutes of a cut", world.sent - sent);
            world.cut.clear();
            world.run(HEALED_MS);
            world.assert_all_alive(&format!("seed {seed}, {deaf:?}"));
        }
    }
}

#[test]
fn a_fifth_of_all_packets_lost_takes_nobody_down_for_long() {
    for seed in seeds() {
        let mut world = World::new(5, seed);
        world.loss = 20;
        world.run(60_000);
        let mut apart = 0;
        for _ in 0..60 {
            world.run(10_000);
            apart += u32::from((1..=5).any(|at| (1..=5).any(|of| world.liveness(of, at) == Liveness::Down)));
        }
        assert!(apart <= 6, "somebody was held down in {apart} of 60 looks");
        world.loss = 0;
        world.run(HEALED_MS);
        world.assert_all_alive("without loss");
    }
}

#[test]
fn a_member_that_moves_is_known_at_its_new_address() {
    let mut world = World::new(3, 1);
    world.run(30_000);
    let there = vec![std::net::SocketAddr::from(([198, 51, 100, 9], 4000))];
    let now = world.now;
    world.nodes.get_mut(&2).expect("a node").moved(there.clone(), now);
    world.run(5000);
    world.assert_all_alive("after the move");
    for at in [1, 3] {
        let seen = world.nodes[&at].seen();
        assert_eq!(seen.iter().find(|seen| seen.key == key(2)).map(|seen| &seen.addresses), Some(&there));
    }
}

#[test]
fn who_is_forgotten_is_told_nothing_and_named_no_more() {
    let mut world = World::new(3, 1);
    world.run(30_000);
    for at in [1, 2] {
        world.nodes.get_mut(&at).expect("a node").share([1, 2].map(key).into());
    }
    world.flush();
    world.under_way.clear();
    let third = world.nodes.remove(&3).expect("a node");
    world.news.clear();
    for _ in 0..100 {
        world.run(5000);
        assert!(!world.under_way.iter().any(|Reverse(packet)| packet.3 == 3));
    }
    assert!(world.news.iter().all(|(_, news)| !matches!(news, News::Up(of) if of.key == key(3))));
    assert!(world.nodes[&1].seen().iter().all(|seen| seen.key != key(3)));
    drop(third);
}

#[test]
fn an_idle_pair_says_little() {
    let mut world = World::new(2, 7);
    world.run(120_000);
    let (sent, bytes) = (world.sent, world.bytes);
    world.run(10 * 60_000);
    let (sent, bytes) = ((world.sent - sent) / 10, (world.bytes - bytes) / 10);
    // Two probe each other six times a minute, each probe a ping and an answer.
    assert!(sent <= 26 && bytes <= 1000, "{sent} packets of {bytes} bytes a minute");
}

#[test]
fn no_packet_of_a_stranger_or_of_nonsense_does_anything() {
    let mut world = World::new(2, 3);
    world.run(30_000);
    let now = world.now;
    let gossip = world.nodes.get_mut(&1).expect("a node");
    let before = gossip.seen();
    for packet in [&b""[..], b"nonsense", &[0xff; 1000], &[0; 5000]] {
        gossip.handle(key(2), packet, now);
        gossip.handle(key(9), packet, now);
    }
    assert_eq!(gossip.seen(), before);
    assert_eq!(gossip.poll(), None);
}

proptest::proptest! {
    #[test]
    fn no_bytes_of_a_member_panic(packets: Vec<Vec<u8>>) {
        let mut world = World::new(2, 3);
        world.run(5000);
        for packet in packets {
            let now = world.now;
            world.nodes.get_mut(&1).expect("a node").handle(key(2), &packet, now);
            world.run(100);
        }
    }
}
