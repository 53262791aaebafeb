//! Handing out only what of a file is new to the other end: the answer to a question about a file, and the bytes of a file
//! against pieces that were offered. Reads a file twice at most, once for each.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use super::pen::{Hung, Pen};
use super::supply::{Subject, Supplier, read_piece, unreadable};
use crate::disk::chunks;
use crate::disk::gauge::Gauge;
use crate::disk::read::Reader;
use crate::model::chunk::{Chunk, Chunks, Cutter, Grain};
use crate::model::{Digest, RelPath};
use crate::proto::content::{
    Nodes, Offer, Question, Survey, Verdict, Want, encode_description, encode_refusal, encode_surveyed, head, known,
    surveyed_nodes,
};

/// What is read and cut at once, beside the rest of the read before.
const READ_BYTES: usize = 256 << 10;

impl Supplier {
    /// Cuts the file that a question is about.
    pub(super) fn cut(&self, question: &Question) -> Result<Cut, Verdict> {
        let Question { path, content, cutter } = question;
        self.listed((path, content), *cutter)
    }

    /// The frame that answers a survey.
    pub(super) fn survey(&self, survey: &Survey) -> Vec<u8> {
        let Survey { path, content, level } = survey;
        match self.listed((path, content), Cutter::Even) {
            Ok(Cut { size, chunks }) if surveyed_nodes(size, *level).is_some() => {
                encode_surveyed(size, chunks.nodes(usize::from(*level)).iter().map(|node| node.id))
            }
            Ok(_) => encode_refusal(&Verdict::Changed),
            Err(verdict) => encode_refusal(&verdict),
        }
    }

    /// The chunks of a file, as it was hashed or cut before, else as it is cut now.
    fn listed(&self, (path, content): (&RelPath, &Digest), cutter: Cutter) -> Result<Cut, Verdict> {
        let reader = Reader::new(self.root());
        let Subject { opened, size, content } = self.open(&reader, &Want::whole(path.clone(), *content))?;
        if let Some(chunks) = self.lists().find(&content, cutter) {
            return Ok(Cut { size, chunks });
        }
        let cut = chunks::chunks_of(&opened.file, size, cutter, &Gauge::default());
        let cut = cut.map(|cut| cut.filter(|_| opened.unchanged().unwrap_or(false)));
        let chunks = Arc::new(cut.map_err(|error| unreadable(&error))?.ok_or(Verdict::Changed)?);
        self.lists().keep(content, cutter, Arc::clone(&chunks));
        Ok(Cut { size, chunks })
    }

    /// Sends what was wanted, but for pieces that were offered.
    pub(super) fn send_against(
        &self,
        (want, offer): (&Want, &Offer),
        subject: Subject,
        pen: &mut Pen,
    ) -> Result<Verdict, Hung> {
        let Subject { mut opened, size, content } = subject;
        pen.put(&head(want, size, content));
        let mut sieve = Sieve::new(offer);
        let mut left = want.bytes_of(size);
        let mut rest = Vec::new();
        while left > 0 {
            let length = left.min(READ_BYTES as u64) as usize;
            match read_more(&mut opened.file, &mut rest, length) {
                Ok(true) => left -= length as u64,
                Ok(false) => return Ok(Verdict::Changed),
                Err(error) => return Ok(unreadable(&error)),
            }
            let at = want.offset + want.bytes_of(size) - left - rest.len() as u64;
            let used = sieve.cut(&rest, at, left == 0);
            sieve.take().for_each(|found| match found {
                Found::Known(run) => pen.put(&known(run.first, run.count, run.bytes)),
                Found::New(from, to) => self.write_literal(&rest[from..to], pen),
            });
            rest.drain(..used);
            pen.flush_if_full()?;
        }
        Ok(match opened.unchanged() {
            Ok(true) => Verdict::Whole,
            Ok(false) => Verdict::Changed,
            Err(error) => unreadable(&error),
        })
    }
}

/// A file that was cut for a question.
pub(super) struct Cut {
    size: u64,
    chunks: Arc<Chunks>,
}

/// The frames that answer a question which goes on with these nodes.
pub(super) fn describe(cut: Result<Cut, Verdict>, nodes: &Nodes) -> Vec<Vec<u8>> {
    match cut {
        Ok(Cut { size, chunks }) => encode_description(size, &chunks.describe(usize::from(nodes.level), &nodes.known)),
        Err(verdict) => vec![encode_refusal(&verdict)],
    }
}

fn read_more(file: &mut impl Read, rest: &mut Vec<u8>, length: usize) -> io::Result<bool> {
    let piece = read_piece(file, length)?;
    rest.extend_from_slice(&piece);
    Ok(piece.len() == length)
}

/// Tells pieces that were offered from others.
struct Sieve {
    cutter: Cutter,
    offered: Vec<u64>,
    places: HashMap<u64, u32>,
    found: Vec<Found>,
}

/// What a stretch of the file is to the other end.
enum Found {
    /// Pieces that it has, in a row.
    Known(Run),
    /// Bytes that it needs: from here to there in what was read.
    New(usize, usize),
}

#[derive(Clone, Copy)]
struct Run {
    first: u32,
    count: u32,
    bytes: u64,
}

impl Sieve {
    fn new(offer: &Offer) -> Sieve {
        let mut places = HashMap::with_capacity(offer.pieces.len());
        for (place, &id) in (0..).zip(&offer.pieces) {
            places.entry(id).or_insert(place);
        }
        Sieve { cutter: offer.cutter, offered: offer.pieces.clone(), places, found: Vec::new() }
    }

    /// Cuts what was read, which lies at `at` in the file, as far as it is known where a piece ends; returns how far.
    fn cut(&mut self, bytes: &[u8], at: u64, is_last: bool) -> usize {
        let most = self.cutter.most(Grain::Piece);
        let mut used = 0;
        while used < bytes.len() && (is_last || bytes.len() - used >= most) {
            let length = self.cutter.cut(Grain::Piece, at + used as u64, &bytes[used..]);
            self.sift(Chunk::of(&bytes[used..used + length]), used);
            used += length;
        }
        used
    }

    fn sift(&mut self, piece: Chunk, from: usize) {
        let to = from + piece.bytes as usize;
        if let Some(Found::Known(run)) = self.found.last_mut()
            && self.offered.get((run.first + run.count) as usize) == Some(&piece.id)
        {
            run.count += 1;
            run.bytes += piece.bytes;
            return;
        }
        match (self.places.get(&piece.id), self.found.last_mut()) {
            (Some(&first), _) => self.found.push(Found::Known(Run { first, count: 1, bytes: piece.bytes })),
            (None, Some(Found::New(_, end))) => *end = to,
            (None, _) => self.found.push(Found::New(from, to)),
        }
    }

    fn take(&mut self) -> std::vec::IntoIter<Found> {
        std::mem::take(&mut self.found).into_iter()
    }
}
