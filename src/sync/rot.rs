//! Reading files again: bytes that changed under an unchanged stamp are rot, for nobody wrote them. Compares, and changes
//! nothing.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::side::Side;
use crate::disk::gauge::Gauge;
use crate::disk::hash::{self, Cores, Hashed};
use crate::disk::read::Reader;
use crate::model::listing::{FLAG_RACY, Row};
use crate::model::{Digest, Kind, Listing, RelPath, Stamp};

/// What was read, and what of it is rot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files whose bytes are not what was written.
    pub rotten: Vec<RelPath>,
    /// Where to go on; `None` where all was read.
    pub next: Option<RelPath>,
}

/// What is known of a file that has rotted: its stamp, and the digest of what it holds now.
pub type Rotten = BTreeMap<RelPath, (Stamp, Digest)>;

/// Files from this size on are read one after the other, each on all cores.
const LARGE_BYTES_MIN: u64 = 8 << 20;

/// Reads the files of a listing again, from a path on in tree order, until about so many bytes were read. On all cores the small
/// ones are read beside each other.
pub fn read(
    listing: &Listing,
    side: &Side,
    (from, bytes_max, cores): (Option<RelPath>, u64, Cores),
    gauge: &Gauge,
) -> (Verified, Rotten) {
    let start = from.map_or(0, |path| listing.find(path.as_ref()).unwrap_or_else(|at| at));
    let (chosen, rest) = choose(listing, start, bytes_max);
    let reader = Reader::new(side.root());
    let seen = match cores {
        Cores::One => chosen.iter().map(|&at| look(&reader, listing.row(at), cores, gauge)).collect(),
        Cores::All => look_at_all(&reader, listing, &chosen, gauge),
    };
    let (mut verified, mut rotten) = (Verified::default(), Rotten::new());
    let mut next = rest;
    for (&at, seen) in chosen.iter().zip(seen) {
        let row = listing.row(at);
        match seen {
            // What comes after it may have been read, and is read again.
            Seen::Stopped => next = Some(next.map_or(at, |next| next.min(at))),
            Seen::Another => {}
            Seen::Holds(content) => {
                verified.files += 1;
                verified.bytes += row.size();
                if content != row.content() {
                    rotten.insert(row.path().to_owned(), (row.stamp(), content));
                }
            }
        }
    }
    verified.next = next.map(|at| listing.row(at).path().to_owned());
    verified.rotten = rotten.keys().cloned().collect();
    (verified, rotten)
}

/// The rows that are read, and the first one that is left.
fn choose(listing: &Listing, start: usize, bytes_max: u64) -> (Vec<usize>, Option<usize>) {
    let (mut chosen, mut bytes) = (Vec::new(), 0u64);
    for at in (start..listing.len()).filter(|&at| is_known(&listing.row(at))) {
        if bytes >= bytes_max {
            return (chosen, Some(at));
        }
        bytes = bytes.saturating_add(listing.row(at).size());
        chosen.push(at);
    }
    (chosen, None)
}

/// Small files beside each other; then large ones one after the other: beside each other they would end one by one, on one core
/// each.
fn look_at_all(reader: &Reader<'_>, listing: &Listing, chosen: &[usize], gauge: &Gauge) -> Vec<Seen> {
    let is_large = |at: usize| listing.row(at).size() >= LARGE_BYTES_MIN;
    let small = |&at: &usize| (!is_large(at)).then(|| look(reader, listing.row(at), Cores::One, gauge));
    let seen: Vec<Option<Seen>> = chosen.par_iter().map(small).collect();
    let large = |at: usize| look(reader, listing.row(at), Cores::All, gauge);
    chosen.iter().zip(seen).map(|(&at, seen)| seen.unwrap_or_else(|| large(at))).collect()
}

/// What a file holds.
enum Seen {
    /// Bytes of this digest.
    Holds(Digest),
    /// It is another file than it was, or cannot be read: a look tells of those.
    Another,
    /// It was not read, or not to its end.
    Stopped,
}

/// Whether the bytes of a row can be told from others.
fn is_known(row: &Row<'_>) -> bool {
    row.kind() == Kind::File && row.content() != Digest::UNKNOWN && row.flags() & FLAG_RACY == 0
}

fn look(reader: &Reader<'_>, row: Row<'_>, cores: Cores, gauge: &Gauge) -> Seen {
    if gauge.stopped() {
        return Seen::Stopped;
    }
    let opened = reader.open(row.path()).ok().filter(|opened| opened.stamp == row.stamp());
    let hashed = opened.as_ref().and_then(|opened| hash::hash_file(&opened.file, row.size(), cores, gauge).ok());
    match (opened, hashed) {
        (_, Some(Hashed::Stopped)) => Seen::Stopped,
        (Some(opened), Some(Hashed::Whole(content))) if opened.unchanged().unwrap_or(false) => Seen::Holds(content),
        _ => Seen::Another,
    }
}
