//! Reading files again: bytes that changed under an unchanged stamp are rot, for nobody wrote them. Compares, and changes
//! nothing.

use std::collections::BTreeMap;

use super::side::Side;
use crate::disk::gauge::Gauge;
use crate::disk::hash;
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

/// Reads the files of a listing again, from a path on in tree order, until about so many bytes were read.
pub fn read(
    listing: &Listing,
    side: &Side,
    (from, bytes_max): (Option<RelPath>, u64),
    gauge: &Gauge,
) -> (Verified, Rotten) {
    let (mut verified, mut rotten) = (Verified::default(), Rotten::new());
    let reader = Reader::new(side.root());
    let start = from.map_or(0, |path| listing.find(path.as_ref()).unwrap_or_else(|at| at));
    for row in (start..listing.len()).map(|at| listing.row(at)).filter(is_known) {
        if verified.bytes >= bytes_max || gauge.stopped() {
            verified.next = Some(row.path().to_owned());
            break;
        }
        if let Some(content) = content_of(&reader, row, gauge) {
            verified.files += 1;
            verified.bytes += row.size();
            if content != row.content() {
                rotten.insert(row.path().to_owned(), (row.stamp(), content));
            }
        }
    }
    verified.rotten = rotten.keys().cloned().collect();
    (verified, rotten)
}

/// Whether the bytes of a row can be told from others.
fn is_known(row: &Row<'_>) -> bool {
    row.kind() == Kind::File && row.content() != Digest::UNKNOWN && row.flags() & FLAG_RACY == 0
}

/// The digest of what a file holds; `None` where it is another file than it was, or cannot be read: a look tells of those.
fn content_of(reader: &Reader<'_>, row: Row<'_>, gauge: &Gauge) -> Option<Digest> {
    let opened = reader.open(row.path()).ok().filter(|opened| opened.stamp == row.stamp())?;
    let content = hash::digest_of(&opened.file, row.size(), gauge).ok().flatten()?;
    opened.unchanged().ok().filter(|&unchanged| unchanged).map(|_| content)
}
