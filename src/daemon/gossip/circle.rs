//! The gossip and the standings of all shares of this device, over one set of connections. Still without a socket: what is to be
//! sent is handed to the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bytes::Bytes;

use super::datagram::{Datagram, ShareTag};
use super::heart::{Given, Gossip, News, Seen};
use super::presence::Presence;
use super::standing::{Standing, Standings};
use crate::daemon::schedule::Moment;
use crate::net::node::PublicKey;

/// Something that came of what members say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Gossip of a share brought something.
    News(ShareTag, News),
    /// A member says that it holds something else than we do: there is something to meet for.
    Differs(ShareTag, PublicKey),
    /// A member says that it holds just what we hold.
    Same(ShareTag, PublicKey),
}

struct Share {
    gossip: Gossip,
    standings: Standings,
    members: BTreeSet<PublicKey>,
}

/// All shares.
pub struct Circle {
    me: Presence,
    seed: u64,
    shares: BTreeMap<ShareTag, Share>,
    connected: BTreeSet<PublicKey>,
    /// What is to be sent, in order.
    out: Vec<(PublicKey, Bytes)>,
    heard: Vec<Heard>,
}

impl Circle {
    /// No share yet. `me.bump` is greater than that of any earlier run: the time in milliseconds since 1970, or one more than the
    /// last that was kept, whichever is greater.
    pub fn new(me: Presence, seed: u64) -> Self {
        Self { me, seed, shares: BTreeMap::new(), connected: BTreeSet::new(), out: Vec::new(), heard: Vec::new() }
    }

    /// A share and its members; again whenever they change.
    pub fn share(&mut self, tag: ShareTag, mut members: BTreeSet<PublicKey>, now: Moment) {
        members.remove(&self.me.key);
        self.seed = self.seed.wrapping_add(1);
        let (me, seed) = (&self.me, self.seed);
        let share = self.shares.entry(tag).or_insert_with(|| Share {
            gossip: Gossip::new(me.clone(), seed),
            standings: Standings::default(),
            members: BTreeSet::new(),
        });
        share.gossip.share(members.clone());
        for gone in share.members.difference(&members) {
            share.standings.down(*gone);
        }
        for member in members.intersection(&self.connected) {
            share.gossip.connected(*member, now);
            if !share.members.contains(member) {
                share.standings.up(*member, now);
            }
        }
        share.members = members;
        self.collect();
    }

    /// This device has left a share.
    pub fn part(&mut self, tag: ShareTag, now: Moment) {
        if let Some(share) = self.shares.get_mut(&tag) {
            share.gossip.leave(now);
        }
        self.collect();
        self.shares.remove(&tag);
    }

    /// A connection came up.
    pub fn up(&mut self, peer: PublicKey, now: Moment) {
        self.connected.insert(peer);
        for share in self.shares.values_mut().filter(|share| share.members.contains(&peer)) {
            share.gossip.connected(peer, now);
            share.standings.up(peer, now);
        }
        self.collect();
    }

    /// A connection went down.
    pub fn down(&mut self, peer: PublicKey) {
        self.connected.remove(&peer);
        for share in self.shares.values_mut() {
            share.gossip.disconnected(peer);
            share.standings.down(peer);
        }
    }

    /// A datagram came.
    pub fn told(&mut self, peer: PublicKey, datagram: &Bytes, now: Moment) {
        let Some(datagram) = Datagram::decode(datagram) else { return };
        let (Datagram::Gossip(tag, _) | Datagram::Standing(tag, _)) = &datagram;
        let tag = *tag;
        let Some(share) = self.shares.get_mut(&tag).filter(|share| share.members.contains(&peer)) else { return };
        match datagram {
            Datagram::Gossip(_, packet) => share.gossip.handle(peer, &packet, now),
            Datagram::Standing(_, standing) => {
                let differs = share.standings.heard(peer, standing);
                self.heard.push(if differs { Heard::Differs(tag, peer) } else { Heard::Same(tag, peer) });
            }
        }
        self.collect();
    }

    /// What this device holds of a share now.
    pub fn hold(&mut self, tag: ShareTag, standing: Standing, now: Moment) {
        if let Some(share) = self.shares.get_mut(&tag) {
            share.standings.hold(standing, now);
        }
    }

    /// A meeting has shown what a member holds.
    pub fn shown(&mut self, tag: ShareTag, peer: PublicKey, standing: Standing) {
        if let Some(share) = self.shares.get_mut(&tag) {
            share.standings.heard(peer, standing);
        }
    }

    /// Whether a member is known to hold just what we hold: then a meeting has nothing to do.
    pub fn is_alike(&self, tag: ShareTag, peer: &PublicKey) -> bool {
        let share = self.shares.get(&tag);
        share.is_some_and(|share| share.standings.ours().is_some_and(|ours| share.standings.of(peer) == Some(ours)))
    }

    /// What a member said that it holds.
    pub fn standing_of(&self, tag: ShareTag, peer: &PublicKey) -> Option<Standing> {
        self.shares.get(&tag)?.standings.of(peer).copied()
    }

    /// The members of a share, as gossip sees them.
    pub fn seen(&self, tag: ShareTag) -> Vec<Seen> {
        self.shares.get(&tag).map(|share| share.gossip.seen()).unwrap_or_default()
    }

    /// When [`Self::tick`] wants to be called; `None` while there is no share.
    pub fn due(&self) -> Option<Moment> {
        let due = |share: &Share| share.standings.due().into_iter().fold(share.gossip.due(), Moment::min);
        self.shares.values().map(due).min()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Moment) {
        for (tag, share) in &mut self.shares {
            if share.gossip.due() <= now {
                share.gossip.tick(now);
            }
            if let Some((standing, members)) = share.standings.tell(now) {
                let datagram = Datagram::Standing(*tag, standing).encode();
                self.out.extend(members.into_iter().map(|member| (member, datagram.clone())));
            }
        }
        self.collect();
    }

    /// This device listens elsewhere now.
    pub fn moved(&mut self, addresses: &[SocketAddr], now: Moment) {
        self.me.addresses = addresses.to_vec();
        for share in self.shares.values_mut() {
            share.gossip.moved(addresses.to_vec(), now);
        }
        self.collect();
    }

    /// Tells members of all shares that this device stops.
    pub fn leave(&mut self, now: Moment) {
        for share in self.shares.values_mut() {
            share.gossip.leave(now);
        }
        self.collect();
    }

    /// What is to be sent, each where there is a connection. May be lost.
    pub fn take_datagrams(&mut self) -> Vec<(PublicKey, Bytes)> {
        std::mem::take(&mut self.out)
    }

    /// What came of it.
    pub fn take_heard(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    fn collect(&mut self) {
        for (tag, share) in &mut self.shares {
            while let Some(given) = share.gossip.poll() {
                match given {
                    Given::Send(to, packet) if self.connected.contains(&to) => {
                        self.out.push((to, Datagram::Gossip(*tag, packet).encode()));
                    }
                    Given::Send(..) => {}
                    Given::News(news) => self.heard.push(Heard::News(*tag, news)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: ShareTag = *b"docs    ";
    const PHOTOS: ShareTag = *b"photos  ";

    fn key(number: u8) -> PublicKey {
        PublicKey([number; 32])
    }

    fn circle(number: u8) -> Circle {
        Circle::new(Presence { key: key(number), bump: 1000, addresses: Vec::new() }, number.into())
    }

    fn holding(top: u8) -> Standing {
        Standing { top: [top; 16], ..Standing::default() }
    }

    /// Carries all there is to and fro.
    fn exchange(a: &mut Circle, b: &mut Circle, now: Moment) {
        for _ in 0..10 {
            a.tick(now);
            b.tick(now);
            for (_, datagram) in a.take_datagrams() {
                b.told(a.me.key, &datagram, now);
            }
            for (_, datagram) in b.take_datagrams() {
                a.told(b.me.key, &datagram, now);
            }
        }
    }

    fn pair() -> (Circle, Circle) {
        let (mut a, mut b) = (circle(1), circle(2));
        a.share(DOCS, [key(1), key(2)].into(), 0);
        b.share(DOCS, [key(1), key(2)].into(), 0);
        a.hold(DOCS, holding(1), 0);
        b.hold(DOCS, holding(1), 0);
        a.up(key(2), 0);
        b.up(key(1), 0);
        exchange(&mut a, &mut b, 100);
        (a, b)
    }

    #[test]
    fn two_that_connect_know_that_they_are_alike_without_a_meeting() {
        let (mut a, mut b) = pair();
        assert!(a.is_alike(DOCS, &key(2)) && b.is_alike(DOCS, &key(1)));
        assert!(a.take_heard().contains(&Heard::Same(DOCS, key(2))));
        assert!(
            b.take_heard().iter().any(|heard| matches!(heard, Heard::News(DOCS, News::Up(of)) if of.key == key(1)))
        );
    }

    #[test]
    fn a_change_is_heard_of_as_a_difference_at_once() {
        let (mut a, mut b) = pair();
        a.take_heard();
        b.hold(DOCS, holding(2), 5000);
        exchange(&mut a, &mut b, 5020);
        assert_eq!(a.take_heard(), [Heard::Differs(DOCS, key(2))]);
        assert!(!a.is_alike(DOCS, &key(2)) && !b.is_alike(DOCS, &key(1)));
        a.hold(DOCS, holding(2), 5100);
        assert!(a.is_alike(DOCS, &key(2)));
    }

    #[test]
    fn a_member_of_one_share_hears_nothing_of_another() {
        let (mut a, mut b) = pair();
        a.share(PHOTOS, [key(1), key(3)].into(), 6000);
        a.hold(PHOTOS, holding(9), 6000);
        exchange(&mut a, &mut b, 6100);
        assert_eq!(a.standing_of(PHOTOS, &key(2)), None);
        let stray = Datagram::Standing(PHOTOS, holding(7)).encode();
        a.take_heard();
        a.told(key(2), &stray, 6200);
        assert!(a.take_heard().is_empty());
    }

    #[test]
    fn who_parts_is_down_for_the_others() {
        let (mut a, mut b) = pair();
        a.part(DOCS, 7000);
        for (_, datagram) in a.take_datagrams() {
            b.told(key(1), &datagram, 7000);
        }
        assert!(b.take_heard().contains(&Heard::News(DOCS, News::Down(key(1)))));
        assert_eq!(a.due(), None);
    }
}
