//! A line between two ends of one process: a pipe and UDP, both with a delay, UDP with a rate, a queue and losses as well.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Where both ends are; not loopback to them.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// Where the port stands in what the server says first.
const PORT_AT: usize = "alike-pipe 4\n".len() + 4 + 32;

/// What a line is like, in each direction.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub delay: Duration,
    /// Bytes a second of UDP.
    pub rate: f64,
    /// How long the queue before it may become.
    pub queue: Duration,
    /// Of a thousand packets, so many are lost.
    pub lost: u64,
}

impl Line {
    /// The pipe's two ends, and the count of what went through it to the server.
    pub fn lay(self) -> (DuplexStream, DuplexStream, Arc<AtomicU64>) {
        let (ours, near) = tokio::io::duplex(1 << 20);
        let (far, theirs) = tokio::io::duplex(1 << 20);
        let ((from_client, to_client), (from_server, to_server)) = (tokio::io::split(near), tokio::io::split(far));
        let counted = Arc::new(AtomicU64::new(0));
        tokio::spawn(self.relay(from_client, to_server, Arc::clone(&counted)));
        tokio::spawn(async move {
            let mut from_server = from_server;
            let mut head = vec![0; PORT_AT + 2];
            if from_server.read_exact(&mut head).await.is_err() {
                return;
            }
            let port = u16::from_le_bytes([head[PORT_AT], head[PORT_AT + 1]]);
            let ours = self.forward(port).await;
            head[PORT_AT..].copy_from_slice(&ours.to_le_bytes());
            let from_server = std::io::Cursor::new(head).chain(from_server);
            self.relay(from_server, to_client, Arc::default()).await;
        });
        (ours, theirs, counted)
    }

    async fn relay(
        self,
        mut from: impl AsyncReadExt + Unpin + Send + 'static,
        mut to: impl AsyncWriteExt + Unpin + Send + 'static,
        counted: Arc<AtomicU64>,
    ) {
        let (sender, mut pieces) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        tokio::spawn(async move {
            while let Some((due, piece)) = pieces.recv().await {
                tokio::time::sleep_until(due).await;
                if to.write_all(&piece).await.is_err() {
                    return;
                }
            }
        });
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            counted.fetch_add(length as u64, Ordering::Relaxed);
            if sender.send((Instant::now() + self.delay, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    }

    /// Stands between a client and the server's port; returns its own.
    async fn forward(self, port: u16) -> u16 {
        let near = Arc::new(UdpSocket::bind((HOST, 0)).await.expect("a socket"));
        let far = Arc::new(UdpSocket::bind((HOST, 0)).await.expect("a socket"));
        far.connect((HOST, port)).await.expect("an address");
        let (tell, mut client) = mpsc::unbounded_channel::<SocketAddr>();
        let ours = near.local_addr().expect("an address").port();
        let (to_far, at_near) = (Arc::clone(&far), Arc::clone(&near));
        let forth = self.carry(move |packet| drop(to_far.try_send(&packet)));
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, from)) = at_near.recv_from(&mut buffer).await {
                let _ = (tell.send(from), forth.send(buffer[..length].to_vec()));
            }
        });
        tokio::spawn(async move {
            let Some(to) = client.recv().await else { return };
            let back = self.carry(move |packet| drop(near.try_send_to(&packet, to)));
            let mut buffer = vec![0; 65_536];
            while let Ok(length) = far.recv(&mut buffer).await {
                let _ = back.send(buffer[..length].to_vec());
            }
        });
        ours
    }

    /// One direction of UDP.
    fn carry(self, deliver: impl Fn(Vec<u8>) + Send + 'static) -> mpsc::UnboundedSender<Vec<u8>> {
        let (sender, mut packets) = mpsc::unbounded_channel::<Vec<u8>>();
        let (late, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        tokio::spawn(async move {
            let (mut idle_from, mut random) = (Instant::now(), 88_172_645_463_325_252_u64);
            while let Some(packet) = packets.recv().await {
                let now = Instant::now();
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let waits = idle_from.saturating_duration_since(now);
                if (random >> 11) % 1000 < self.lost || waits > self.queue {
                    continue;
                }
                idle_from = now + waits + Duration::from_secs_f64(packet.len() as f64 / self.rate);
                let _ = late.send((idle_from + self.delay, packet));
            }
        });
        tokio::spawn(async move {
            while let Some((at, packet)) = due.recv().await {
                tokio::time::sleep_until(at).await;
                deliver(packet);
            }
        });
        sender
    }
}
