//! Hands out content of a root to whoever is at the other end of a link. Only what the listing holds is ever opened, and
//! only in the state in which it was listed: anything else is told as changed, never sent torn.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::{Semaphore, mpsc};

use super::converse::violation;
use super::error::Error;
use super::side::Side;
use crate::disk::gauge::Gauge;
use crate::disk::hash;
use crate::disk::read::{Opened, Reader};
use crate::model::{Digest, Kind, Listing, PathRef, Stamp};
use crate::net::{Link, ReceiveHalf, SendHalf, receive_frame};
use crate::proto::content::{Verdict, Want, decode_request, encode_chunk, encode_end, encode_head};
use crate::proto::limits::REQUEST_BYTES_MAX;

/// Requests that are answered at once; more wait. Each holds a few buffers.
const REQUESTS_MAX: usize = 16;
/// Files are read and sent in pieces of this size; small files share one.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces between the reading thread and the network.
const QUEUE_PIECES: usize = 4;
/// Compression is tried on this much first.
const PROBE_BYTES: usize = 4096;
/// zstd's level: 0.43 GiB/s here, more than any link on which it is used.
const ZSTD_LEVEL: i32 = 1;

/// A root that hands out content.
pub struct Supplier {
    side: Arc<Side>,
    listing: Listing,
    compress: bool,
}

impl Supplier {
    /// Hands out what `listing` says is in `side`'s root.
    pub fn new(side: Arc<Side>, listing: Listing, compress: bool) -> Supplier {
        Supplier { side, listing, compress }
    }

    /// Answers requests until the link ends.
    pub async fn serve(self: Arc<Self>, link: Link) {
        let slots = Arc::new(Semaphore::new(REQUESTS_MAX));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            // The link's end is the usual end of a supplier; whoever drives the conversation learns why.
            let Ok((send, receive)) = link.accept().await else { return };
            let supplier = Arc::clone(&self);
            tokio::spawn(async move {
                // A request that fails resets its stream, which tells the asking side.
                let _ = supplier.answer(send, receive).await;
                drop(slot);
            });
        }
    }

    async fn answer(self: Arc<Self>, mut send: SendHalf, mut receive: ReceiveHalf) -> Result<(), Error> {
        let frame = receive_frame(&mut receive, REQUEST_BYTES_MAX).await?;
        let wants = decode_request(&frame.unwrap_or_default()).map_err(violation)?;
        let (sender, mut pieces) = mpsc::channel::<Bytes>(QUEUE_PIECES);
        let reading = tokio::task::spawn_blocking(move || {
            let mut pen = Pen { out: BytesMut::with_capacity(PIECE_BYTES * 2), sender };
            let reader = Reader::new(self.side.root());
            for want in &wants {
                self.write(&reader, want, &mut pen)?;
            }
            pen.flush()
        });
        while let Some(piece) = pieces.recv().await {
            send.write_chunks(&mut [piece]).await?;
        }
        match reading.await {
            Ok(Ok(())) => Ok(send.finish().await?),
            // Dropping the stream resets it.
            _ => Err(violation("a request that could not be answered")),
        }
    }

    /// Writes the reply to one want; fails only where nobody listens any more.
    fn write(&self, reader: &Reader<'_>, want: &Want, pen: &mut Pen) -> Result<(), Hung> {
        let verdict = match self.open(reader, want) {
            Ok((opened, size, content)) => self.send_file(want, opened, size, content, pen)?,
            Err(verdict) => verdict,
        };
        encode_end(&verdict, &mut pen.out);
        pen.flush_if_full()
    }

    fn open(&self, reader: &Reader<'_>, want: &Want) -> Result<(Opened, u64, Digest), Verdict> {
        let (stamp, size, content) = self.listed(want.path.as_ref()).ok_or(Verdict::Gone)?;
        if want.content != Digest::UNKNOWN && want.content != content || want.offset > size {
            return Err(Verdict::Changed);
        }
        let opened = reader.open(want.path.as_ref()).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Verdict::Gone,
            _ => Verdict::Unreadable(e.to_string()),
        })?;
        if opened.stamp != stamp {
            return Err(Verdict::Changed);
        }
        if content != Digest::UNKNOWN {
            return Ok((opened, size, content));
        }
        // `--quick`: the digest is not known yet, and a stream states it first.
        match hash::digest_of(&opened.file, size, &Gauge::default()) {
            Ok(Some(digest)) => Ok((opened, size, digest)),
            Ok(None) => Err(Verdict::Changed),
            Err(e) => Err(Verdict::Unreadable(e.to_string())),
        }
    }

    fn listed(&self, path: PathRef<'_>) -> Option<(Stamp, u64, Digest)> {
        let row = self.listing.row(self.listing.find(path).ok()?);
        (row.kind() == Kind::File).then(|| (row.stamp(), row.size(), row.content()))
    }

    fn send_file(
        &self,
        want: &Want,
        mut opened: Opened,
        size: u64,
        content: Digest,
        pen: &mut Pen,
    ) -> Result<Verdict, Hung> {
        let bytes = want.bytes.min(size - want.offset);
        encode_head(size, &content, bytes, &mut pen.out);
        if opened.file.seek(SeekFrom::Start(want.offset)).is_err() {
            return Ok(Verdict::Unreadable("cannot seek".into()));
        }
        let mut left = bytes;
        let mut compress = self.compress;
        while left > 0 {
            let length = left.min(PIECE_BYTES as u64) as usize;
            match read_piece(&mut opened.file, length) {
                Ok(piece) if piece.len() == length => {
                    if left == bytes && compress {
                        compress = shrinks(&piece);
                    }
                    write_piece(&piece, compress, &mut pen.out);
                }
                Ok(_) => return Ok(Verdict::Changed),
                Err(e) => return Ok(Verdict::Unreadable(e.to_string())),
            }
            left -= length as u64;
            pen.flush_if_full()?;
        }
        match opened.unchanged() {
            Ok(true) => Ok(Verdict::Whole),
            Ok(false) => Ok(Verdict::Changed),
            Err(e) => Ok(Verdict::Unreadable(e.to_string())),
        }
    }
}

/// Gathers replies into pieces for the network.
struct Pen {
    out: BytesMut,
    sender: mpsc::Sender<Bytes>,
}

/// Nobody listens any more.
struct Hung;

impl Pen {
    fn flush_if_full(&mut self) -> Result<(), Hung> {
        if self.out.len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Hung> {
        if self.out.is_empty() {
            return Ok(());
        }
        let piece = self.out.split().freeze();
        self.out.reserve(PIECE_BYTES * 2);
        self.sender.blocking_send(piece).map_err(|_| Hung)
    }
}

fn read_piece(file: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

fn write_piece(piece: &[u8], compress: bool, out: &mut BytesMut) {
    let zeros = piece.len() >= PROBE_BYTES && piece.iter().all(|&byte| byte == 0);
    if compress || zeros {
        if let Ok(packed) = zstd::bulk::compress(piece, ZSTD_LEVEL) {
            if packed.len() < piece.len() {
                return encode_chunk(true, piece.len(), &packed, out);
            }
        }
    }
    encode_chunk(false, piece.len(), piece, out);
}

/// Whether the start of a file shrinks: what is compressed already costs one probe and no more.
fn shrinks(piece: &[u8]) -> bool {
    let probe = &piece[..piece.len().min(PROBE_BYTES)];
    zstd::bulk::compress(probe, ZSTD_LEVEL).is_ok_and(|packed| packed.len() + packed.len() / 8 < probe.len())
}
