//! The numbers of gossip, each with its reason.

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use foca::{Config, PeriodicParams};

use super::wire::KEYS;

/// How often a member probes another, in milliseconds. Two that share one directory and have nothing to do say 2 kB a minute to each
/// other so, all of QUIC included: tests/node.rs measures it.
pub const PROBE_MS: u64 = 10_000;
/// The greatest packet that is made or taken, without the keys that are not sent.
pub(super) const PACKET_MAX: usize = 1000;
/// Who does not answer for so long is asked through others.
const ANSWER: Duration = Duration::from_secs(2);
/// A suspect has so long to say that it lives.
const SUSPICION: Duration = Duration::from_secs(20);
/// How long a member that is down is remembered. It may come back at any time, under a later bump.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How often somebody is asked whom else it knows.
const ROSTER: Duration = Duration::from_secs(300);
/// How often those that are down are called, in milliseconds: nobody else would find out that a partition has healed. It costs
/// nothing where there is no connection.
pub(super) const CALL_MS: u64 = 15_000;
/// No clock is further ahead than this, a century in milliseconds: a member that lies takes nobody beyond.
pub(super) const LEAP_MAX_MS: u64 = 100 * 366 * 86_400_000;
/// How often news are spread while there are some.
const SPREAD: Duration = Duration::from_secs(1);
/// Members that are asked to probe another one, or that news are given to at a time.
const HELPERS: NonZeroUsize = NonZeroUsize::new(3).expect("not zero");
/// How often one piece of news is passed on by each: enough for some dozens of members.
const SPREADS: NonZeroU8 = NonZeroU8::new(6).expect("not zero");
const ONE: NonZeroUsize = NonZeroUsize::new(1).expect("not zero");

pub(super) fn config() -> Config {
    Config {
        probe_period: Duration::from_millis(PROBE_MS),
        probe_rtt: ANSWER,
        num_indirect_probes: HELPERS,
        max_transmissions: SPREADS,
        suspect_to_down_after: SUSPICION,
        remove_down_after: Some(REMEMBERED),
        max_packet_size: NonZeroUsize::new(PACKET_MAX + KEYS).expect("not zero"),
        notify_down_members: true,
        periodic_announce: Some(PeriodicParams { frequency: ROSTER, num_members: ONE }),
        periodic_announce_to_down_members: Some(PeriodicParams {
            frequency: Duration::from_millis(CALL_MS),
            num_members: HELPERS,
        }),
        periodic_gossip: Some(PeriodicParams { frequency: SPREAD, num_members: HELPERS }),
    }
}
