//! A path between two devices that can be cut in either direction, and that can give one of them another address.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Dialled in place of a device; passes everything on to it.
pub struct Path {
    state: Arc<State>,
    near: SocketAddr,
}

struct State {
    near: UdpSocket,
    to: SocketAddr,
    /// What the device sees the dialling one at.
    far: Mutex<UdpSocket>,
    from: Mutex<Option<SocketAddr>>,
    over: AtomicBool,
    cut_there: AtomicBool,
    cut_back: AtomicBool,
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out");
    socket
}

impl Path {
    /// A path to a device.
    pub fn to(device: SocketAddr) -> Path {
        let near = socket();
        let address = near.local_addr().expect("an address");
        let state = Arc::new(State {
            near,
            to: device,
            far: Mutex::new(socket()),
            from: Mutex::new(None),
            over: AtomicBool::new(false),
            cut_there: AtomicBool::new(false),
            cut_back: AtomicBool::new(false),
        });
        let (there, back) = (state.clone(), state.clone());
        thread::spawn(move || there.carry_there());
        thread::spawn(move || back.carry_back());
        Path { state, near: address }
    }

    /// What to dial.
    pub fn address(&self) -> SocketAddr {
        self.near
    }

    /// Nothing of the dialling device arrives any more, or all of it does.
    pub fn cut_there(&self, cut: bool) {
        self.state.cut_there.store(cut, Ordering::Relaxed);
    }

    /// Nothing arrives at the dialling device any more, or all does.
    pub fn cut_back(&self, cut: bool) {
        self.state.cut_back.store(cut, Ordering::Relaxed);
    }

    /// From now on the dialling device is seen at another address.
    pub fn rebind(&self) {
        *self.state.far.lock().expect("a socket") = socket();
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
    }
}

impl State {
    fn far(&self) -> UdpSocket {
        self.far.lock().expect("a socket").try_clone().expect("a socket")
    }

    fn carry_there(&self) {
        let mut buffer = vec![0; 1 << 16];
        while !self.over.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.near.recv_from(&mut buffer) else { continue };
            *self.from.lock().expect("an address") = Some(from);
            if !self.cut_there.load(Ordering::Relaxed) {
                let _ = self.far().send_to(&buffer[..length], self.to);
            }
        }
    }

    fn carry_back(&self) {
        let mut buffer = vec![0; 1 << 16];
        while !self.over.load(Ordering::Relaxed) {
            let Ok((length, _)) = self.far().recv_from(&mut buffer) else { continue };
            let from = *self.from.lock().expect("an address");
            if let Some(from) = from.filter(|_| !self.cut_back.load(Ordering::Relaxed)) {
                let _ = self.near.send_to(&buffer[..length], from);
            }
        }
    }
}
