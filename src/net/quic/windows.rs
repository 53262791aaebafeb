//! Widens a connection's windows to twice what its path holds, as it shows: what is sent by the congestion window, what is received by the rate
//! at which it comes. They never narrow, and never grow above a limit.

use std::time::{Duration, Instant};

use quinn::VarInt;

use super::Quic;
use super::settings::{CONNECTION_WINDOW, SEND_WINDOW, WINDOW_MAX};

/// A path is looked at once a round trip, but not more often than this.
const LOOK_MIN: Duration = Duration::from_millis(50);
/// On shorter paths the first windows hold 4 GB/s, and larger ones cost the processor's cache.
const RTT_MIN: Duration = Duration::from_millis(2);
/// How much wider than the path.
const SPARE: u64 = 2;

/// The windows of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Windows {
    send: u64,
    receive: u64,
}

impl Windows {
    /// Wide enough for a path that holds so much in either direction.
    fn widened(self, sent: u64, received: u64) -> Self {
        let wide = |window: u64, held: u64| window.max((held * SPARE).min(WINDOW_MAX));
        Self { send: wide(self.send, sent), receive: wide(self.receive, received) }
    }
}

/// Widens the windows as long as the connection lives.
pub(super) async fn widen(quic: &Quic) {
    let mut windows = Windows { send: SEND_WINDOW, receive: CONNECTION_WINDOW.into() };
    let connection = &quic.connection;
    let (mut before, mut looked) = (connection.stats().udp_rx.bytes, Instant::now());
    loop {
        tokio::time::sleep(connection.rtt().max(LOOK_MIN)).await;
        if connection.rtt() < RTT_MIN {
            continue;
        }
        let stats = connection.stats();
        let received = stats.udp_rx.bytes.saturating_sub(before);
        let span = looked.elapsed();
        (before, looked) = (stats.udp_rx.bytes, Instant::now());
        let held = (received as f64 * connection.rtt().as_secs_f64() / span.as_secs_f64()) as u64;
        let wider = windows.widened(stats.path.cwnd, held);
        if wider.send != windows.send {
            connection.set_send_window(wider.send);
        }
        if wider.receive != windows.receive {
            connection.set_receive_window(VarInt::from_u64(wider.receive).unwrap_or(VarInt::MAX));
        }
        windows = wider;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_twice_the_path_and_never_more_than_the_limit() {
        let first = Windows { send: SEND_WINDOW, receive: CONNECTION_WINDOW.into() };
        assert_eq!(first.widened(1 << 20, 1 << 20), first);
        let wider = first.widened(12_500_000, 12_500_000);
        assert_eq!(wider, Windows { send: 25_000_000, receive: 25_000_000 });
        assert_eq!(wider.widened(0, 0), wider);
        assert_eq!(wider.widened(u64::MAX / 4, 1 << 40), Windows { send: WINDOW_MAX, receive: WINDOW_MAX });
    }
}
