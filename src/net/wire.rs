//! The frames of the pipe: nine bytes of header, then the data of a data frame. Pure.
//!
//! `kind u8 | stream u32 | value u32`, little endian. `value` is a length (data), an amount (credit) or a token (ping, pong).

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of a header.
pub(super) const HEADER: usize = 9;
/// The most data that one frame may carry.
pub(super) const DATA_MAX: usize = 64 << 10;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// A new stream of the sender.
    Open(u32),
    /// The next bytes of a stream.
    Data(u32, Bytes),
    /// The sender's direction ended cleanly.
    Finish(u32),
    /// The sender gave its direction up.
    Reset(u32),
    /// The receiver wants no more of the other's direction.
    Stop(u32),
    /// The receiver has room for so much more.
    Credit(u32, u32),
    /// The acceptor let go of the stream: its slot is free again.
    Gone(u32),
    /// Asks for a sign of life.
    Ping(u32),
    /// Answers a ping.
    Pong(u32),
    /// The sender wants nothing more of this link.
    Bye,
    /// The sender's direction goes on in the first stream of QUIC.
    Moved(u32),
}

/// Not a frame of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbled;

impl Frame {
    /// The header, to be followed by the data.
    pub(super) fn header(&self) -> [u8; HEADER] {
        let (kind, stream, value) = match self {
            Self::Open(stream) => (0, *stream, 0),
            Self::Data(stream, data) => (1, *stream, data.len() as u32),
            Self::Finish(stream) => (2, *stream, 0),
            Self::Reset(stream) => (3, *stream, 0),
            Self::Stop(stream) => (4, *stream, 0),
            Self::Credit(stream, amount) => (5, *stream, *amount),
            Self::Gone(stream) => (6, *stream, 0),
            Self::Ping(token) => (7, 0, *token),
            Self::Pong(token) => (8, 0, *token),
            Self::Bye => (9, 0, 0),
            Self::Moved(stream) => (10, *stream, 0),
        };
        let mut header = [0; HEADER];
        header[0] = kind;
        header[1..5].copy_from_slice(&stream.to_le_bytes());
        header[5..].copy_from_slice(&value.to_le_bytes());
        header
    }

    /// Takes the next frame off `buffer`; `None` where it is not there yet.
    pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Self>, Garbled> {
        let Some(mut header) = buffer.get(..HEADER) else {
            return Ok(None);
        };
        let (kind, stream, value) = (header.get_u8(), header.get_u32_le(), header.get_u32_le());
        let length = if kind == 1 { value as usize } else { 0 };
        if length > DATA_MAX {
            return Err(Garbled);
        }
        if buffer.len() < HEADER + length {
            return Ok(None);
        }
        buffer.advance(HEADER);
        Ok(Some(match kind {
            0 => Self::Open(stream),
            1 => Self::Data(stream, data(buffer, length)),
            2 => Self::Finish(stream),
            3 => Self::Reset(stream),
            4 => Self::Stop(stream),
            5 => Self::Credit(stream, value),
            6 => Self::Gone(stream),
            7 => Self::Ping(value),
            8 => Self::Pong(value),
            9 => Self::Bye,
            10 => Self::Moved(stream),
            _ => return Err(Garbled),
        }))
    }
}

/// Small data is copied: a slice of the read buffer would keep all of that buffer in memory.
fn data(buffer: &mut BytesMut, length: usize) -> Bytes {
    let data = buffer.split_to(length);
    if length < 4096 { Bytes::copy_from_slice(&data) } else { data.freeze() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_survives_the_wire() {
        let frames = [
            Frame::Open(1),
            Frame::Data(3, Bytes::from_static(b"hello")),
            Frame::Finish(5),
            Frame::Reset(u32::MAX),
            Frame::Stop(2),
            Frame::Credit(4, 77),
            Frame::Gone(9),
            Frame::Ping(8),
            Frame::Pong(8),
            Frame::Bye,
            Frame::Moved(7),
        ];
        let mut buffer = BytesMut::new();
        for frame in &frames {
            buffer.extend_from_slice(&frame.header());
            if let Frame::Data(_, data) = frame {
                buffer.extend_from_slice(data);
            }
        }
        let mut arrived = BytesMut::new();
        let mut seen = Vec::new();
        for byte in buffer {
            arrived.extend_from_slice(&[byte]);
            seen.extend(Frame::take(&mut arrived).expect("our own frames"));
        }
        assert_eq!(seen, frames);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_of_a_peer_panic_and_each_frame_takes_some(bytes: Vec<u8>) {
            let mut buffer = BytesMut::from(&bytes[..]);
            let mut left = buffer.len();
            while let Ok(Some(_)) = Frame::take(&mut buffer) {
                proptest::prop_assert!(buffer.len() < left);
                left = buffer.len();
            }
        }
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_it_is_waited_for() {
        let mut buffer = BytesMut::from(&[1u8, 0, 0, 0, 0, 0, 0, 2, 0][..]);
        assert_eq!(Frame::take(&mut buffer), Err(Garbled));
    }
}
