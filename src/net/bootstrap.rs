//! What the two sides say before there is a link: one line and one frame each way. Pure, but for the reading.
//!
//! Client: `alike-pipe VERSION\n`, then a frame: key (32 bytes), time-out in ms (u32), congestion (u8), limit in bytes a second (u64, 0
//! for none), whether QUIC is waited for (u8), the caller's request.
//! Server: the same line, then a frame: key (32 bytes), UDP port (u16, 0 for none), whether both are on one machine (u8), count (u8) of
//! addresses, each a length (u8) and text. A frame is its length (u32) and its bytes; numbers are little endian.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::life::Meter;
use super::pace::Pace;
use super::raw_keys::PublicKey;

/// The version of all that this layer says.
pub(super) const VERSION: u32 = 4;
/// The most that a request or an answer may be.
pub(super) const MESSAGE_MAX: usize = 1 << 20;
/// The most that the far side's login scripts may print before `alike` starts.
const NOISE_MAX: usize = 64 << 10;
const OFFER_MAX: usize = 4 << 10;
const ADDRESSES_MAX: usize = 16;
const MAGIC: &str = "alike-pipe ";

/// What the client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) key: PublicKey,
    pub(super) timeout: Duration,
    pub(super) pace: Pace,
    /// Whether the client waits for QUIC before content goes through the pipe.
    pub(super) waits: bool,
    pub(super) body: Bytes,
}

/// Where the server can be dialled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) key: PublicKey,
    /// None where the server has no UDP.
    pub(super) port: Option<u16>,
    pub(super) local: bool,
    pub(super) addresses: Vec<IpAddr>,
}

/// Why a bootstrap stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The pipe closed first; with what came instead of our line.
    Closed(String),
    /// The other side speaks another version.
    Version(u32),
    /// What came is none of our frames.
    Garbled(&'static str),
}

/// The first line of either side.
pub(super) fn hello() -> Vec<u8> {
    format!("{MAGIC}{VERSION}\n").into_bytes()
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32;
    [&length.to_le_bytes()[..], body].concat()
}

impl Request {
    pub(super) fn encode(&self) -> Vec<u8> {
        let timeout_ms = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
        framed(
            &[&self.key[..], &timeout_ms.to_le_bytes(), &self.pace.encode(), &[u8::from(self.waits)], &self.body]
                .concat(),
        )
    }

    pub(super) fn decode(mut frame: Bytes) -> Result<Self, Stop> {
        let key = frame.get(..32).and_then(|key| key.try_into().ok()).ok_or(Stop::Garbled("its request is short"))?;
        frame.advance(32);
        let timeout_ms = frame.try_get_u32_le().map_err(|_| Stop::Garbled("its request is short"))?;
        let pace = frame.get(..Pace::BYTES).and_then(|pace| pace.try_into().ok());
        let pace = Pace::decode(pace.ok_or(Stop::Garbled("its request is short"))?);
        frame.advance(Pace::BYTES);
        let waits = frame.try_get_u8().map_err(|_| Stop::Garbled("its request is short"))? != 0;
        // Below a second a busy machine would look like a lost one.
        let timeout = Duration::from_millis(u64::from(timeout_ms.max(1000)));
        Ok(Self { key, timeout, pace, waits, body: frame })
    }
}

impl Offer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = self.key.to_vec();
        body.extend_from_slice(&self.port.unwrap_or(0).to_le_bytes());
        let addresses = &self.addresses[..self.addresses.len().min(ADDRESSES_MAX)];
        body.extend_from_slice(&[u8::from(self.local), addresses.len() as u8]);
        for address in addresses {
            let text = address.to_string();
            body.push(text.len() as u8);
            body.extend_from_slice(text.as_bytes());
        }
        framed(&body)
    }

    pub(super) fn decode(frame: &[u8]) -> Option<Self> {
        let (key, mut rest) = frame.split_first_chunk::<32>()?;
        let port = rest.try_get_u16_le().ok()?;
        let local = rest.try_get_u8().ok()? != 0;
        let count = rest.try_get_u8().ok()?;
        let mut addresses = Vec::new();
        for _ in 0..count.min(ADDRESSES_MAX as u8) {
            let length = usize::from(rest.try_get_u8().ok()?);
            let (text, after) = rest.split_at_checked(length)?;
            // An address that we cannot read is one that we cannot dial.
            addresses.extend(std::str::from_utf8(text).ok().and_then(|text| text.parse::<IpAddr>().ok()));
            rest = after;
        }
        Some(Self { key: *key, port: (port != 0).then_some(port), local, addresses })
    }
}

/// Reads the start of a pipe; what is left over belongs to the session.
pub(super) struct Intake<R> {
    pub(super) reader: R,
    pub(super) buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Intake<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: BytesMut::with_capacity(8 << 10) }
    }

    async fn more(&mut self, meter: &Meter) -> Result<(), Stop> {
        // A broken pipe is a closed one: the reason shows elsewhere.
        let length = self.reader.read_buf(&mut self.buffer).await.unwrap_or(0);
        meter.count_received(length);
        if length == 0 { Err(Stop::Closed(self.rest())) } else { Ok(()) }
    }

    fn rest(&self) -> String {
        String::from_utf8_lossy(&self.buffer).trim().to_owned()
    }

    /// Finds the line of our magic and returns what stood before it: login scripts print there.
    pub(super) async fn hello(&mut self, meter: &Meter) -> Result<String, Stop> {
        let mut noise = String::new();
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                let line = String::from_utf8_lossy(&line);
                if let Some(version) = line.strip_prefix(MAGIC) {
                    return match version.trim().parse() {
                        Ok(VERSION) => Ok(noise),
                        Ok(other) => Err(Stop::Version(other)),
                        Err(_) => Err(Stop::Garbled("its first line has no version")),
                    };
                }
                noise.push_str(&line);
            }
            if noise.len() + self.buffer.len() > NOISE_MAX {
                return Err(Stop::Closed(noise));
            }
            if let Err(stop) = self.more(meter).await {
                return Err(match stop {
                    Stop::Closed(rest) => Stop::Closed((noise + &rest).trim().to_owned()),
                    other => other,
                });
            }
        }
    }

    async fn frame(&mut self, limit: usize, meter: &Meter) -> Result<Bytes, Stop> {
        while self.buffer.len() < 4 {
            self.more(meter).await?;
        }
        let length = self.buffer.get_u32_le() as usize;
        if length > limit {
            return Err(Stop::Garbled("its first message is above the limit"));
        }
        while self.buffer.len() < length {
            self.more(meter).await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    pub(super) async fn request(&mut self, meter: &Meter) -> Result<Request, Stop> {
        Request::decode(self.frame(32 + 4 + Pace::BYTES + 1 + MESSAGE_MAX, meter).await?)
    }

    pub(super) async fn offer(&mut self, meter: &Meter) -> Result<Offer, Stop> {
        let frame = self.frame(OFFER_MAX, meter).await?;
        Offer::decode(&frame).ok_or(Stop::Garbled("its offer cannot be read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_offers_survive_the_wire_and_no_prefix_of_them_panics() {
        let request = Request {
            key: [7; 32],
            timeout: Duration::from_secs(30),
            pace: Pace::default(),
            waits: true,
            body: Bytes::from_static(b"body"),
        };
        let sent = Bytes::from(request.encode()).slice(4..);
        assert_eq!(Request::decode(sent).expect("our own request"), request);
        let addresses = vec!["192.0.2.7".parse().expect("an address"), "2001:db8::1".parse().expect("an address")];
        let offer = Offer { key: [9; 32], port: Some(4000), local: true, addresses };
        let sent = offer.encode();
        assert_eq!(Offer::decode(&sent[4..]), Some(offer));
        for end in 4..sent.len() {
            assert_eq!(Offer::decode(&sent[4..end]), None);
        }
    }

    #[tokio::test]
    async fn what_a_login_script_prints_before_our_line_is_skipped_and_told() {
        let mut intake = Intake::new(&b"welcome\nmotd\nalike-pipe 4\nrest"[..]);
        assert_eq!(intake.hello(&Meter::default()).await.expect("our line"), "welcome\nmotd\n");
        assert_eq!(&intake.buffer[..], b"rest");
    }

    #[tokio::test]
    async fn another_version_and_no_version_are_told_apart() {
        let mut intake = Intake::new(&b"alike-pipe 7\n"[..]);
        assert!(matches!(intake.hello(&Meter::default()).await, Err(Stop::Version(7))));
        let mut intake = Intake::new(&b"bash: alike: command not found\n"[..]);
        let stopped = intake.hello(&Meter::default()).await;
        assert!(matches!(stopped, Err(Stop::Closed(said)) if said == "bash: alike: command not found"));
    }
}
