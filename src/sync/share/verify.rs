//! Reading a share's files again: bytes that changed under an unchanged stamp are rot. Nobody wrote them, so they are no
//! edit: what is agreed on is fetched from a member that has it, and what stands there goes to the trash.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::core::{Core, Share, WAIT_MAX};
use crate::disk::gauge::Gauge;
use crate::disk::hash;
use crate::disk::read::Reader;
use crate::model::listing::{Builder, FLAG_RACY, Row};
use crate::model::{Digest, Kind, Listing, RelPath, Stamp};
use crate::sync::error::Error;
use crate::sync::side::Side;

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
pub(super) type Rotten = BTreeMap<RelPath, (Stamp, Digest)>;

impl Share {
    /// Reads files again, from a path on in tree order, until about so many bytes were read. Other steps go on meanwhile.
    /// What has rotted is noted, and put right when the share is materialized next.
    pub async fn verify(&self, from: Option<RelPath>, bytes_max: u64) -> Result<Verified, Error> {
        let (listing, side, gauge) = (self.0.listing(), Arc::clone(&self.0.side), Arc::clone(&self.0.gauge));
        let reading = spawn_blocking(move || read(&listing, &side, (from, bytes_max), &gauge));
        let (verified, rotten) = reading.await.map_err(|_| self.0.busy("could not be read again"))?;
        if !rotten.is_empty() {
            self.step(WAIT_MAX, move |core| {
                core.note_rot(rotten);
                Ok(())
            })
            .await?;
        }
        Ok(verified)
    }
}

fn read(
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

impl Core {
    fn note_rot(&mut self, rotten: Rotten) {
        if let Some(open) = &mut self.open {
            open.extend(rotten.keys().cloned());
        }
        self.rotten.extend(rotten);
        self.tell_rot();
    }

    /// A file was put right, or is another one by now.
    pub(super) fn drop_rot(&mut self) {
        let listing = &self.end.looked.found.listing;
        let stamp = |path: &RelPath| listing.find(path.as_ref()).ok().map(|at| listing.row(at).stamp());
        self.rotten.retain(|path, (then, _)| stamp(path) == Some(*then));
        self.tell_rot();
    }

    fn tell_rot(&mut self) {
        self.standing.rotten = self.rotten.keys().cloned().collect();
    }

    /// The listing as a plan is to see it: what has rotted is not what the last look took it for.
    pub(super) fn with_rot(&self) -> Option<Listing> {
        if self.rotten.is_empty() {
            return None;
        }
        let listing = &self.end.looked.found.listing;
        let mut next = Builder::with_capacity(listing.len());
        for row in listing.rows() {
            match self.rotten.get(&row.path().to_owned()).filter(|(stamp, _)| *stamp == row.stamp()) {
                Some((stamp, content)) => {
                    let entry = crate::model::Entry { content: *content, ..row.entry() };
                    next.push(row.path(), &entry, stamp, row.flags());
                }
                None => next.push_row(row),
            }
        }
        Some(next.finish())
    }
}
