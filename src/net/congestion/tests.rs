//! The model on simulated paths: a bottleneck with a queue, a delay, losses, and others beside us.

use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::Model;

const PACKET: u64 = 1452;

/// A path.
#[derive(Debug, Clone, Copy)]
struct Path {
    /// Bytes a second.
    rate: f64,
    rtt: Duration,
    /// How long the bottleneck's queue may become.
    queue: Duration,
    /// The part that is lost at random.
    loss: f64,
}

/// Who sends.
enum Sender {
    Ours(Box<Model>),
    /// TCP's cubic in its essence: a tenth more a round where the square law is slower, and 0.7 after a loss.
    Cubic {
        window: f64,
        recovering: Duration,
        growing: bool,
    },
}

struct Flow {
    sender: Sender,
    in_flight: u64,
    srtt: Duration,
    tokens: f64,
    filled: Duration,
    /// When each packet left, and whether it was lost.
    sent: VecDeque<(Duration, bool)>,
    packets: u64,
    lost: u64,
    arrived: u64,
}

/// What a run showed of one flow.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// Of the path's rate.
    part: f64,
    /// Of what was sent.
    lost: f64,
}

impl Flow {
    fn new(sender: Sender, path: &Path) -> Self {
        let (tokens, filled) = (10.0 * PACKET as f64, Duration::ZERO);
        let sent = VecDeque::new();
        Self { sender, in_flight: 0, srtt: path.rtt, tokens, filled, sent, packets: 0, lost: 0, arrived: 0 }
    }

    fn window(&self) -> u64 {
        match &self.sender {
            Sender::Ours(model) => model.window(),
            Sender::Cubic { window, .. } => *window as u64,
        }
    }

    /// As QUIC paces: a window and a quarter a round trip, in bursts of ten packets.
    fn may_send(&mut self, now: Duration) -> bool {
        let rate = self.window() as f64 * 1.25 / self.srtt.as_secs_f64();
        let filled = self.tokens + rate * now.saturating_sub(self.filled).as_secs_f64();
        self.tokens = filled.min(10.0 * PACKET as f64);
        self.filled = now;
        self.in_flight + PACKET <= self.window() && self.tokens >= PACKET as f64
    }

    fn acked(&mut self, now: Duration, sent: Duration) {
        self.in_flight -= PACKET;
        self.arrived += PACKET;
        self.srtt = (self.srtt * 7 + now.saturating_sub(sent)) / 8;
        match &mut self.sender {
            Sender::Ours(model) => model.acked(now, sent, PACKET, false),
            Sender::Cubic { window, growing, .. } => {
                let more = if *growing { 1.0 } else { (PACKET as f64 / *window).max(0.02) };
                *window += more * PACKET as f64;
            }
        }
    }

    fn missed(&mut self, now: Duration) {
        self.in_flight -= PACKET;
        self.lost += 1;
        let srtt = self.srtt;
        match &mut self.sender {
            Sender::Ours(model) => model.lost(now, PACKET, false),
            Sender::Cubic { window, recovering, growing } if now >= *recovering => {
                *window = (*window * 0.7).max(2.0 * PACKET as f64);
                (*recovering, *growing) = (now + srtt, false);
            }
            Sender::Cubic { .. } => {}
        }
    }
}

/// Runs flows over a path for so long. The losses are the same in every run.
fn simulate(path: &Path, flows: &mut [Flow], seconds: u64) -> Vec<Shown> {
    let (end, step) = (Duration::from_secs(seconds), Duration::from_micros(200));
    let mut idle_from = Duration::ZERO;
    // When an acknowledgement is back, whose, and of which packet.
    let mut acks: BinaryHeap<std::cmp::Reverse<(Duration, usize, u64)>> = BinaryHeap::new();
    let mut heard: Vec<u64> = vec![0; flows.len()];
    let (mut now, mut random, mut turn) = (Duration::ZERO, 88_172_645_463_325_252_u64, 0);
    while now < end {
        while acks.peek().is_some_and(|ack| ack.0.0 <= now) {
            let std::cmp::Reverse((_, who, number)) = acks.pop().expect("it was there");
            let flow = &mut flows[who];
            // The path keeps the order: what is missing before an acknowledged packet is lost.
            while heard[who] <= number {
                heard[who] += 1;
                let (sent, lost) = flow.sent.pop_front().expect("it was sent");
                if lost { flow.missed(now) } else { flow.acked(now, sent) }
            }
        }
        for offset in 0..flows.len() {
            let who = (turn + offset) % flows.len();
            while flows[who].may_send(now) {
                let flow = &mut flows[who];
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let unlucky = (random >> 11) as f64 / (1u64 << 53) as f64;
                let waits = idle_from.max(now) - now;
                let lost = unlucky < path.loss || waits > path.queue;
                if !lost {
                    idle_from = idle_from.max(now) + Duration::from_secs_f64(PACKET as f64 / path.rate);
                    acks.push(std::cmp::Reverse((idle_from + path.rtt, who, flow.packets)));
                }
                flow.sent.push_back((now, lost));
                flow.packets += 1;
                flow.in_flight += PACKET;
                flow.tokens -= PACKET as f64;
            }
        }
        turn += 1;
        now += step;
    }
    let shown = |flow: &Flow| Shown {
        part: flow.arrived as f64 / (path.rate * end.as_secs_f64()),
        lost: flow.lost as f64 / flow.packets.max(1) as f64,
    };
    flows.iter().map(shown).collect()
}

fn ours(path: &Path) -> Flow {
    Flow::new(Sender::Ours(Box::new(Model::new(Duration::ZERO, PACKET as u16, 64 << 10))), path)
}

fn cubic(path: &Path) -> Flow {
    let sender = Sender::Cubic { window: 14_520.0, recovering: Duration::ZERO, growing: true };
    Flow::new(sender, path)
}

const MBIT: f64 = 125_000.0;

fn path(rtt_ms: u64, mbit: f64, loss: f64, queue_ms: u64) -> Path {
    let [rtt, queue] = [rtt_ms, queue_ms].map(Duration::from_millis);
    Path { rate: mbit * MBIT, rtt, queue, loss }
}

/// Alone on a path: never less than cubic, and most of it.
#[test]
fn alone_it_fills_any_path_and_loses_little_beside_what_the_path_loses() {
    let table = [
        (path(20, 100.0, 0.0, 50), 0.93),
        (path(100, 20.0, 0.0, 100), 0.92),
        (path(100, 20.0, 0.005, 100), 0.90),
        (path(100, 20.0, 0.02, 100), 0.88),
        (path(100, 20.0, 0.10, 100), 0.70),
        (path(100, 20.0, 0.005, 30), 0.85),
        (path(100, 200.0, 0.001, 100), 0.85),
        (path(300, 10.0, 0.01, 200), 0.75),
        (path(2, 50.0, 0.0, 20), 0.93),
        (path(40, 2.0, 0.005, 200), 0.85),
    ];
    for (path, least) in table {
        let shown = simulate(&path, &mut [ours(&path)], 20)[0];
        let beside = simulate(&path, &mut [cubic(&path)], 20)[0];
        assert!(shown.part >= least, "{path:?}: {shown:?}");
        assert!(shown.part >= beside.part - 0.05, "{path:?}: {shown:?}, cubic {beside:?}");
        assert!(shown.lost <= path.loss * 1.3 + 0.01, "{path:?}: {shown:?}");
    }
}

/// What is moved in a second or two is most of what is ever moved: it must not be lost in the queue that the beginning makes.
#[test]
fn a_beginning_loses_no_more_than_a_few_packets() {
    let table =
        [path(100, 20.0, 0.0, 100), path(20, 100.0, 0.0, 50), path(100, 200.0, 0.0, 100), path(40, 50.0, 0.0, 500)];
    for path in table {
        let shown = simulate(&path, &mut [ours(&path)], 2)[0];
        assert!(shown.lost < 0.01 && shown.part > 0.6, "{path:?}: {shown:?}");
    }
}

#[test]
fn beside_a_flow_that_fills_the_queue_a_share_is_kept_and_a_share_is_left() {
    let path = path(40, 50.0, 0.0, 80);
    let shown = simulate(&path, &mut [ours(&path), cubic(&path)], 40);
    assert!(shown[0].part > 0.2, "{shown:?}");
    assert!(shown[1].part > 0.1, "{shown:?}");
}

#[test]
fn a_path_that_was_gone_is_learnt_anew() {
    let now = Duration::from_secs(1);
    let mut model = Model::new(Duration::ZERO, PACKET as u16, 64 << 10);
    let mut at = Duration::ZERO;
    while at < now {
        at += Duration::from_millis(1);
        model.acked(at, at.saturating_sub(Duration::from_millis(20)), PACKET, false);
    }
    assert_ne!(model.window(), 64 << 10);
    model.lost(now, 10 * PACKET, true);
    assert_eq!(model.window(), 64 << 10);
}

proptest::proptest! {
    /// Whatever the clock and the peer do, the window is neither nothing nor without bounds.
    #[test]
    fn no_order_of_events_takes_the_window_out_of_its_bounds(
        events in proptest::collection::vec((0u64..2_000_000, 0u64..2_000_000, 0u64..70_000, 0u8..4), 0..300),
    ) {
        let mut model = Model::new(Duration::ZERO, PACKET as u16, 64 << 10);
        for (now, sent, bytes, kind) in events {
            let [now, sent] = [now, sent].map(Duration::from_micros);
            match kind {
                0 => model.lost(now, bytes, false),
                1 => model.acked(now, sent, bytes, true),
                2 => model.acked(now, sent, bytes, false),
                _ => model.lost(now, bytes, bytes < 500),
            }
            proptest::prop_assert!((4 * PACKET..=1 << 30).contains(&model.window()));
        }
    }
}
