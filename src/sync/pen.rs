//! Gathers replies into pieces for the network. Owns the rooms that pieces lie in, which are used again once the network has
//! let go of them, and of those that files are read to: new ones cost a page fault for every 4 KiB that is sent, a tenth of
//! the time of sending.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::supply::PIECE_BYTES;

/// Rooms that are kept while nothing lies in them. More at one time are made, and given back.
const ROOMS_MAX: usize = 16;
/// A piece is full from [`PIECE_BYTES`] on, and what is put last is at most as long.
const ROOM_BYTES: usize = 2 * PIECE_BYTES + 4096;

/// Rooms for pieces, free ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Rooms(Arc<Mutex<Vec<Vec<u8>>>>);

/// A piece on its way.
struct Piece {
    bytes: Vec<u8>,
    rooms: Rooms,
}

/// Gathers replies into pieces for the network.
pub(super) struct Pen {
    out: Vec<u8>,
    rooms: Rooms,
    sender: mpsc::Sender<Bytes>,
    /// Where files are read to.
    room: Vec<u8>,
}

/// Nobody listens any more.
pub(super) struct Hung;

impl Rooms {
    fn take(&self) -> Vec<u8> {
        self.lock().pop().unwrap_or_else(|| Vec::with_capacity(ROOM_BYTES))
    }

    fn put_back(&self, mut room: Vec<u8>) {
        let mut rooms = self.lock();
        if rooms.len() < ROOMS_MAX && (PIECE_BYTES..=2 * ROOM_BYTES).contains(&room.capacity()) {
            room.clear();
            rooms.push(room);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.rooms.put_back(std::mem::take(&mut self.bytes));
    }
}

impl Pen {
    /// Writes to `sender`.
    pub fn new(rooms: &Rooms, sender: mpsc::Sender<Bytes>) -> Pen {
        Pen { out: rooms.take(), rooms: rooms.clone(), sender, room: rooms.take() }
    }

    /// Room for reading so many bytes: [`Pen::put_room`] gives it back.
    pub fn take_room(&mut self, bytes: usize) -> Vec<u8> {
        let mut room = std::mem::take(&mut self.room);
        if room.len() < bytes {
            room.resize(bytes, 0);
        }
        room
    }

    /// Gives back what [`Pen::take_room`] gave.
    pub fn put_room(&mut self, room: Vec<u8>) {
        self.room = room;
    }

    /// Adds bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Sends what was gathered, where it is a piece.
    pub fn flush_if_full(&mut self) -> Result<(), Hung> {
        if self.out.len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    /// Sends what was gathered.
    pub fn flush(&mut self) -> Result<(), Hung> {
        if self.out.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::replace(&mut self.out, self.rooms.take());
        let piece = Bytes::from_owner(Piece { bytes, rooms: self.rooms.clone() });
        self.sender.blocking_send(piece).map_err(|_| Hung)
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.rooms.put_back(std::mem::take(&mut self.out));
        self.rooms.put_back(std::mem::take(&mut self.room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_used_again_once_its_piece_is_let_go_of() {
        let rooms = Rooms::default();
        let (sender, mut pieces) = mpsc::channel(4);
        let mut pen = Pen::new(&rooms, sender);
        let mut places = Vec::new();
        for round in 0..10u8 {
            pen.put(&vec![round; PIECE_BYTES]);
            assert!(pen.flush_if_full().is_ok());
            let piece = pieces.try_recv().expect("sent");
            assert!(piece.len() == PIECE_BYTES && piece.iter().all(|&byte| byte == round));
            places.push(piece.as_ptr());
        }
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 2, "one is filled while the other is sent");
    }

    #[test]
    fn pieces_that_are_all_on_their_way_are_apart_and_few_rooms_are_kept() {
        let rooms = Rooms::default();
        let (sender, mut pieces) = mpsc::channel(64);
        let mut pen = Pen::new(&rooms, sender);
        for round in 0..3 * ROOMS_MAX {
            pen.put(&[round as u8; 100]);
            assert!(pen.flush().is_ok());
        }
        drop(pen);
        let sent: Vec<Bytes> = std::iter::from_fn(|| pieces.try_recv().ok()).collect();
        assert!(sent.iter().enumerate().all(|(round, piece)| piece[..] == [round as u8; 100]));
        drop(sent);
        assert_eq!(rooms.lock().len(), ROOMS_MAX);
    }
}
