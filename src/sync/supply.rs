//! Hands out content of a root to whoever is at the other end of a link. Only what the listing holds is ever opened, and
//! only in the state in which it was listed: anything else is told as changed, never sent torn.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use super::converse::violation;
use super::differ;
use super::error::Error;
use super::holdings::Holdings;
use super::job::Compress;
use super::pen::{Hung, Pen, Rooms};
use super::side::{Recollection, Side};
use crate::disk::gauge::Gauge;
use crate::disk::hash;
use crate::disk::lists::Lists;
use crate::disk::place::cause;
use crate::disk::read::{Opened, Reader};
use crate::disk::root::Root;
use crate::disk::scan::Memory;
use crate::model::{Digest, Listing};
use crate::net::{Link, ReceiveHalf, SendHalf, receive_frame, send_frame};
use crate::proto::content::{Request, Verdict, Want, chunk, decode_nodes, decode_request, end, head, whole_file};
use crate::proto::limits::REQUEST_BYTES_MAX;

/// Requests that are answered at once; more wait. Each holds a few buffers.
const REQUESTS_MAX: usize = 16;
/// Files are read and sent in pieces of this size; small files share one.
pub(super) const PIECE_BYTES: usize = 256 << 10;
/// Files below this size are read before anything is said of them: so nobody need have hashed them before.
pub const READ_AT_ONCE_BELOW_BYTES: u64 = PIECE_BYTES as u64 + 1;
/// Pieces between the reading thread and the network.
const QUEUE_PIECES: usize = 4;
/// Compression is tried on this much first.
const PROBE_BYTES: usize = 4096;
/// zstd's level: 0.43 GiB/s here, more than any link on which it is used.
const LEVEL_FAST: i32 = 1;
/// A tenth smaller or so, at a tenth of the speed: for links below 20 MB/s.
const LEVEL_BEST: i32 = 9;

/// A root that hands out content.
pub struct Supplier {
    side: Arc<Side>,
    holdings: Holdings,
    /// Keeps the digests of files that the scan left unread.
    notes: Option<Recollection<'static>>,
    /// zstd's level; `None` where nothing is packed but zeros.
    level: Option<i32>,
    /// Rooms for pieces.
    rooms: Rooms,
}

impl Supplier {
    /// Hands out what `listing` says is in `side`'s root.
    pub fn new(side: Arc<Side>, listing: Listing, compress: Compress) -> Supplier {
        let level = match compress {
            Compress::Off => None,
            Compress::Fast => Some(LEVEL_FAST),
            Compress::Best => Some(LEVEL_BEST),
        };
        let notes = side.is_deferring().then(|| side.notes());
        Supplier { side, holdings: Holdings::new(listing), notes, level, rooms: Rooms::default() }
    }

    /// What was found out of files that the scan left unread: rows and their contents.
    pub fn take_learned(&self) -> Vec<(u32, Digest)> {
        self.holdings.take_learned()
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
        let wants = match decode_request(&frame.unwrap_or_default()).map_err(violation)? {
            Request::Wants(wants) => wants,
            Request::Question(question) => {
                // The other end cuts what it has meanwhile.
                let cutting = tokio::task::spawn_blocking(move || self.cut(&question));
                let frame = receive_frame(&mut receive, REQUEST_BYTES_MAX).await?;
                let nodes = decode_nodes(&frame.unwrap_or_default()).map_err(violation)?;
                let cut = cutting.await.map_err(|_| violation("a question that could not be answered"))?;
                for frame in differ::describe(cut, &nodes) {
                    send_frame(&mut send, &frame).await?;
                }
                return Ok(send.finish().await?);
            }
            Request::Survey(survey) => {
                let surveying = tokio::task::spawn_blocking(move || self.survey(&survey));
                let frame = surveying.await.map_err(|_| violation("a survey that could not be answered"))?;
                send_frame(&mut send, &frame).await?;
                return Ok(send.finish().await?);
            }
        };
        let (sender, mut pieces) = mpsc::channel::<Bytes>(QUEUE_PIECES);
        let reading = tokio::task::spawn_blocking(move || {
            let mut pen = Pen::new(&self.rooms, sender);
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
        let subject = match self.open_unread(reader, want) {
            Ok(subject) if is_sent_whole(want, subject.size) => {
                self.send_whole(want, &subject, pen);
                return pen.flush_if_full();
            }
            opened => opened.and_then(|subject| known(subject.confirmed()?, want)),
        };
        match (subject, &want.offer) {
            (Ok(subject), Some(offer)) => {
                let verdict = self.send_against((want, offer), subject, pen)?;
                pen.put(&end(&verdict));
            }
            (Ok(subject), None) => {
                let verdict = self.send_range(want, subject, pen)?;
                pen.put(&end(&verdict));
            }
            (Err(verdict), _) => pen.put(&end(&verdict)),
        }
        pen.flush_if_full()
    }

    /// Opens what a want is about; its digest is known then.
    pub(super) fn open(&self, reader: &Reader<'_>, want: &Want) -> Result<Subject, Verdict> {
        known(self.open_unread(reader, want)?.confirmed()?, want)
    }

    fn open_unread(&self, reader: &Reader<'_>, want: &Want) -> Result<Subject, Verdict> {
        let path = want.path.as_ref();
        let row = self.holdings.find(path, &want.content).ok_or(Verdict::Missing)?;
        let (stamp, size, content) = (row.stamp(), row.size(), row.content());
        if want.offset > size {
            return Err(Verdict::Changed);
        }
        let mut opened = reader.open_listed(row.path(), stamp).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Verdict::Gone,
            _ => unreadable(&e),
        })?;
        if want.offset > 0 {
            opened.file.seek(SeekFrom::Start(want.offset)).map_err(|e| unreadable(&e))?;
        }
        Ok(Subject { opened, size, content })
    }

    /// A small file is read before anything is said of it.
    fn send_whole(&self, want: &Want, subject: &Subject, pen: &mut Pen) {
        let mut room = pen.take_room(subject.size as usize);
        match self.read_whole(want, subject, &mut room) {
            Ok((piece, content)) => {
                let packed = self.packed(piece, self.probe(piece));
                let packed_bytes = packed.as_ref().map(|packed| packed.len() as u32);
                pen.put(&whole_file(want, piece.len() as u64, content, packed_bytes));
                pen.put(packed.as_deref().unwrap_or(piece));
            }
            Err(verdict) => pen.put(&end(&verdict)),
        }
        pen.put_room(room);
    }

    /// The bytes of a small file, and their digest: found out here where the scan left the file unread.
    fn read_whole<'r>(
        &self,
        want: &Want,
        subject: &Subject,
        room: &'r mut [u8],
    ) -> Result<(&'r [u8], Digest), Verdict> {
        let Subject { opened, size, content } = subject;
        let is_unread = *content == Digest::UNKNOWN;
        if is_unread {
            // Otherwise the digest would tell.
            opened.wait_out_writer().map_err(|e| unreadable(&e))?;
        }
        let piece = &mut room[..*size as usize];
        let read = opened.read_at_start(piece);
        if !opened.unchanged().map_err(|e| unreadable(&e))? || !read.map_err(|e| unreadable(&e))? {
            return Err(Verdict::Changed);
        }
        if !is_unread {
            return Ok((piece, *content));
        }
        let content = Digest::of_content(piece);
        if let Some(notes) = &self.notes {
            notes.note(want.path.as_ref(), &opened.stamp, &content);
            self.holdings.learn(want.path.as_ref(), content);
        }
        Ok((piece, content))
    }

    fn send_range(&self, want: &Want, subject: Subject, pen: &mut Pen) -> Result<Verdict, Hung> {
        let Subject { mut opened, size, content } = subject;
        pen.put(&head(want, size, content));
        let mut left = want.bytes_of(size);
        let mut compress = None;
        let mut room = pen.take_room(left.min(PIECE_BYTES as u64) as usize);
        while left > 0 {
            let piece = &mut room[..left.min(PIECE_BYTES as u64) as usize];
            match opened.file.read_exact(piece) {
                Ok(()) => {
                    let compress = *compress.get_or_insert_with(|| self.probe(piece));
                    self.write_chunk(piece, compress, pen);
                }
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Verdict::Changed),
                Err(e) => return Ok(unreadable(&e)),
            }
            left -= piece.len() as u64;
            pen.flush_if_full()?;
        }
        pen.put_room(room);
        Ok(match opened.unchanged() {
            Ok(true) => Verdict::Whole,
            Ok(false) => Verdict::Changed,
            Err(e) => unreadable(&e),
        })
    }

    /// Bytes of which it is not known whether they shrink. Zeros among them cost next to nothing.
    pub(super) fn write_literal(&self, bytes: &[u8], pen: &mut Pen) {
        let is_zero = |block: &[u8]| block.iter().all(|&byte| byte == 0);
        let blocks: Vec<&[u8]> = bytes.chunks(PROBE_BYTES).collect();
        let mut at = 0;
        for alike in blocks.chunk_by(|one, next| is_zero(one) == is_zero(next)) {
            let run = &bytes[at..at + alike.iter().map(|block| block.len()).sum::<usize>()];
            let compress = self.probe(run);
            run.chunks(PIECE_BYTES).for_each(|piece| self.write_chunk(piece, compress, pen));
            at += run.len();
        }
    }

    /// The root that is handed out.
    pub(super) fn root(&self) -> &Root {
        self.side.root()
    }

    /// The chunk lists of what is in it.
    pub(super) fn lists(&self) -> &Lists {
        self.side.lists()
    }

    fn write_chunk(&self, piece: &[u8], compress: bool, pen: &mut Pen) {
        let raw_bytes = piece.len() as u32;
        if let Some(packed) = self.packed(piece, compress) {
            pen.put(&chunk(raw_bytes, Some(packed.len() as u32)));
            pen.put(&packed);
        } else {
            pen.put(&chunk(raw_bytes, None));
            pen.put(piece);
        }
    }

    /// Whether the start of a file shrinks by an eighth. What is packed already costs this probe and no more.
    fn probe(&self, piece: &[u8]) -> bool {
        let probe = &piece[..piece.len().min(PROBE_BYTES)];
        let shrinks = || zstd::bulk::compress(probe, LEVEL_FAST).is_ok_and(|packed| packed.len() * 9 / 8 < probe.len());
        self.level.is_some() && !probe.is_empty() && shrinks()
    }

    /// The piece in fewer bytes, if its file shrinks. Zeros are packed on any link: a sparse file costs next to nothing.
    fn packed(&self, piece: &[u8], shrinks: bool) -> Option<Vec<u8>> {
        let zeros = piece.len() >= PROBE_BYTES && piece.iter().all(|&byte| byte == 0);
        let level = self.level.filter(|_| shrinks).or(zeros.then_some(LEVEL_FAST))?;
        zstd::bulk::compress(piece, level).ok().filter(|packed| packed.len() < piece.len())
    }
}

impl Drop for Supplier {
    fn drop(&mut self) {
        // Nobody took it, so the conversation broke off: what was read need not be read again.
        if !self.take_learned().is_empty() {
            self.notes.iter().for_each(Recollection::keep);
        }
    }
}

/// A file that is open for a want.
pub(super) struct Subject {
    /// The file, where what is wanted of it begins.
    pub opened: Opened,
    /// Its size.
    pub size: u64,
    /// Its digest.
    pub content: Digest,
}

impl Subject {
    /// The same where it still is what was listed, for whoever does not read all of it before he says anything.
    fn confirmed(self) -> Result<Subject, Verdict> {
        if self.opened.unchanged().map_err(|e| unreadable(&e))? { Ok(self) } else { Err(Verdict::Changed) }
    }
}

/// Whether a want is for all of a small file, and offers nothing.
fn is_sent_whole(want: &Want, size: u64) -> bool {
    want.offer.is_none() && want.offset == 0 && want.bytes >= size && size < READ_AT_ONCE_BELOW_BYTES
}

/// A stream states a digest first: where nobody hashed the file yet, that is done now.
fn known(mut subject: Subject, want: &Want) -> Result<Subject, Verdict> {
    if subject.content == Digest::UNKNOWN {
        let digest = hash::digest_of(&subject.opened.file, subject.size, &Gauge::default());
        subject.content = digest.map_err(|e| unreadable(&e))?.ok_or(Verdict::Changed)?;
        subject.opened.file.seek(SeekFrom::Start(want.offset)).map_err(|e| unreadable(&e))?;
    }
    Ok(subject)
}

pub(super) fn unreadable(error: &io::Error) -> Verdict {
    Verdict::Unreadable(cause(error))
}

pub(super) fn read_piece(file: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut piece)?;
    Ok(piece)
}
