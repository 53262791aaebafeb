//! The UDP socket under QUIC: counts its payload bytes, keeps batches within what the system takes, and hears of refusals.

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use socket2::{Domain, Protocol, Socket as System, Type};
use tokio::io::Interest;
use tokio_util::sync::CancellationToken;

use super::life::Meter;

/// What is asked of the system for each direction. It may give less, silently; more costs the processor's cache.
const BUFFER: usize = 2 << 20;
/// The most that one batch may hold: above it the system refuses the batch, and the refusal looks like a loss.
const BATCH_MAX: usize = 65_507;
/// Failures in a row after which the socket counts as broken.
const FAILURES_MAX: usize = 64;

/// A socket for one endpoint.
pub(super) struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    mtu: usize,
    meter: Arc<Meter>,
    /// Cancelled when the system said that nobody listens there, or that we may not send there.
    refused: CancellationToken,
}

impl Socket {
    /// A socket on a free port that hears both IPv6 and IPv4, where the system has both.
    pub(super) fn listening(mtu: u16, meter: Arc<Meter>) -> io::Result<Arc<Self>> {
        Self::bound(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), mtu, meter)
    }

    /// A socket on `address`; the unspecified one of IPv6 hears IPv4 too, and stands for that of IPv4 where there is no IPv6.
    pub(super) fn bound(address: SocketAddr, mtu: u16, meter: Arc<Meter>) -> io::Result<Arc<Self>> {
        let at = |address: SocketAddr| -> io::Result<System> {
            let system = System::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
            if address.is_ipv6() {
                system.set_only_v6(false)?;
            }
            system.bind(&address.into())?;
            Ok(system)
        };
        let system = at(address).or_else(|error| {
            let taken = error.kind() == ErrorKind::AddrInUse;
            if taken || address.ip() != IpAddr::from(Ipv6Addr::UNSPECIFIED) {
                return Err(error);
            }
            at(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        })?;
        Self::new(system, mtu, meter)
    }

    /// A socket that speaks with `peer` alone: only so does the system tell that nobody listens there.
    pub(super) fn dialling(peer: SocketAddr, mtu: u16, meter: Arc<Meter>) -> io::Result<Arc<Self>> {
        let system = System::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
        system.connect(&peer.into())?;
        Self::new(system, mtu, meter)
    }

    fn new(system: System, mtu: u16, meter: Arc<Meter>) -> io::Result<Arc<Self>> {
        // Smaller buffers only cost speed.
        let _ = system.set_recv_buffer_size(BUFFER);
        let _ = system.set_send_buffer_size(BUFFER);
        system.set_nonblocking(true)?;
        let socket: std::net::UdpSocket = system.into();
        let state = UdpSocketState::new((&socket).into())?;
        let (io, mtu) = (tokio::net::UdpSocket::from_std(socket)?, usize::from(mtu));
        Ok(Arc::new(Self { io, state, mtu, meter, refused: CancellationToken::new() }))
    }

    /// Judges a failure that is not the socket's end: QUIC sends again what was lost, and anybody can forge a refusal.
    fn note(&self, error: &io::Error) {
        use ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, PermissionDenied};
        if matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable | PermissionDenied) {
            self.refused.cancel();
        }
    }

    /// Ends when the system says that nobody listens there, or that nothing may be sent there.
    pub(super) async fn refusal(&self) {
        let watch = async {
            loop {
                // Such an answer makes the socket neither readable nor writable, so nobody else would look.
                if self.io.ready(Interest::ERROR).await.is_err() {
                    return;
                }
                if let Ok(Some(error)) = self.io.take_error() {
                    self.note(&error);
                }
                let _ = self.io.try_io(Interest::ERROR, || Err::<(), _>(ErrorKind::WouldBlock.into()));
            }
        };
        tokio::select! {
            () = self.refused.cancelled() => {}
            () = watch => {}
        }
    }

    fn batch_max(&self) -> usize {
        (BATCH_MAX / self.mtu).max(1)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Socket").field("io", &self.io).finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.io.try_io(Interest::WRITABLE, || self.state.try_send((&self.io).into(), transmit)) {
            Ok(()) => self.meter.count_sent(transmit.contents.len()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error),
            Err(error) => self.note(&error),
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut failures = 0;
        loop {
            ready!(self.io.poll_recv_ready(context))?;
            match self.io.try_io(Interest::READABLE, || self.state.recv((&self.io).into(), buffers, metas)) {
                Ok(count) => {
                    self.meter.count_received(metas.iter().take(count).map(|meta| meta.len).sum());
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if failures == FAILURES_MAX => return Poll::Ready(Err(error)),
                Err(error) => {
                    failures += 1;
                    self.note(&error);
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments().min(self.batch_max())
    }

    /// As many as one message of the system can hold, which bounds the endpoint's receive buffer.
    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments().min(self.batch_max() + 1)
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

type Writable = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// One task that waits for the socket to take more. Several connections wait each for itself.
struct Poller {
    socket: Arc<Socket>,
    waiting: Option<Writable>,
}

impl fmt::Debug for Poller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Poller").finish_non_exhaustive()
    }
}

impl UdpPoller for Poller {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.socket.clone();
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(async move { socket.io.writable().await }));
        let done = ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        Poll::Ready(done)
    }
}
